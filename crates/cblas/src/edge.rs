//! The functions that C and Fortran call.

use crate::args::{Args, Product, letter, number};
use crate::ieee::Ieee;
use crate::{handlers, settings, threads};
use core::ffi::{c_char, c_int};
use kernels::{MatMut, MatRef, gemm, gemm_on, gemm_threads};
use std::time::Instant;

/// A [`CBLAS_LAYOUT`] that a caller in C may have got wrong.
type Layout = c_int;
/// A [`CBLAS_TRANSPOSE`], likewise.
type Transpose = c_int;

/// How the matrices of CBLAS lie.
#[allow(non_camel_case_types, reason = "the names of CBLAS")]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum CBLAS_LAYOUT {
    /// Row after row.
    CblasRowMajor = 101,
    /// Column after column.
    CblasColMajor = 102,
}

/// What becomes of an operand of CBLAS.
#[allow(non_camel_case_types, reason = "the names of CBLAS")]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum CBLAS_TRANSPOSE {
    /// Taken as it is.
    CblasNoTrans = 111,
    /// Transposed.
    CblasTrans = 112,
    /// Transposed; to conjugate changes no real number.
    CblasConjTrans = 113,
}

/// `C = alpha op(A) op(B) + beta C` for Fortran and whoever calls as it does: matrices column after column,
/// every argument by address. op(A) is m x k, op(B) k x n, C m x n; `transa` and `transb` are N, T or C of
/// either case. Where beta is 0, C need not hold numbers. A bad argument goes to `xerbla_` with its place, counted from 1;
/// without such a handler the process says what is wrong and exits.
///
/// # Safety
/// Scalars are readable; A, B and C are aligned to 4 bytes and have all elements that the sizes and leading dimensions
/// speak of; nobody else writes A or B, or touches elements of C, meanwhile; C overlaps neither A nor B.
#[allow(clippy::too_many_arguments, reason = "the interface of the BLAS")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sgemm_(
    transa: *const c_char,
    transb: *const c_char,
    m: *const c_int,
    n: *const c_int,
    k: *const c_int,
    alpha: *const f32,
    a: *const f32,
    lda: *const c_int,
    b: *const f32,
    ldb: *const c_int,
    beta: *const f32,
    c: *mut f32,
    ldc: *const c_int,
) {
    // SAFETY: the caller vouches for the scalars.
    let (args, alpha, beta) = unsafe {
        let transposed = (letter(transa.cast::<u8>().read()), letter(transb.cast::<u8>().read()));
        (Args { transposed, sizes: (*m, *n, *k), leading: (*lda, *ldb, *ldc) }, *alpha, *beta)
    };
    match args.check() {
        // SAFETY: the caller vouches for the matrices.
        Ok(product) => unsafe { compute("sgemm_", product, (alpha, beta), (a, b), c) },
        Err(place) => handlers::fortran(c"SGEMM ", place),
    }
}

/// `C = alpha op(A) op(B) + beta C` for C: matrices row after row or column after column. op(A) is m x k, op(B)
/// k x n, C m x n. Where beta is 0, C need not hold numbers. A bad argument goes to `cblas_xerbla` with its place, counted
/// from 1; without such a handler the process says what is wrong and exits.
///
/// # Safety
/// A, B and C are aligned to 4 bytes and have all elements that the sizes and leading dimensions speak of; nobody else
/// writes A or B, or touches elements of C, meanwhile; C overlaps neither A nor B.
#[allow(clippy::too_many_arguments, reason = "the interface of the BLAS")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cblas_sgemm(
    layout: Layout,
    transa: Transpose,
    transb: Transpose,
    m: c_int,
    n: c_int,
    k: c_int,
    alpha: f32,
    a: *const f32,
    lda: c_int,
    b: *const f32,
    ldb: c_int,
    beta: f32,
    c: *mut f32,
    ldc: c_int,
) {
    const ROWS: c_int = CBLAS_LAYOUT::CblasRowMajor as c_int;
    const COLUMNS: c_int = CBLAS_LAYOUT::CblasColMajor as c_int;
    let complain = |place, what: &str, value: c_int| {
        let rows = layout == ROWS;
        handlers::c(c"cblas_sgemm", place, rows, &format!("Illegal {what} setting, {value}\n"));
    };
    let (ta, tb) = match (layout, number(transa), number(transb)) {
        (ROWS | COLUMNS, Some(ta), Some(tb)) => (Some(ta), Some(tb)),
        (ROWS | COLUMNS, None, _) => return complain(2, "TransA", transa),
        (ROWS | COLUMNS, _, None) => return complain(3, "TransB", transb),
        _ => return complain(1, "layout", layout),
    };
    // Rows of C are columns of Cᵀ = op(B)ᵀ op(A)ᵀ, whose operands lie as A and B do.
    let (args, operands) = if layout == ROWS {
        (Args { transposed: (tb, ta), sizes: (n, m, k), leading: (ldb, lda, ldc) }, (b, a))
    } else {
        (Args { transposed: (ta, tb), sizes: (m, n, k), leading: (lda, ldb, ldc) }, (a, b))
    };
    match args.check() {
        // SAFETY: the caller vouches for the matrices.
        Ok(product) => unsafe { compute("cblas_sgemm", product, (alpha, beta), operands, c) },
        Err(place) => handlers::c(c"cblas_sgemm", place + 1, layout == ROWS, ""),
    }
}

/// Threads that a product may use.
#[unsafe(no_mangle)]
pub extern "C" fn weft_blas_get_num_threads() -> c_int {
    c_int::try_from(threads::count()).unwrap_or(c_int::MAX)
}

/// Sets how many threads a product may use; 0 or less: as many as environment and machine say.
#[unsafe(no_mangle)]
pub extern "C" fn weft_blas_set_num_threads(threads: c_int) {
    threads::set(usize::try_from(threads).unwrap_or(0));
}

/// The product of column-major matrices.
///
/// # Safety
/// As for [`sgemm_`].
unsafe fn compute(
    name: &str,
    product: Product,
    (alpha, beta): (f32, f32),
    (a, b): (*const f32, *const f32),
    c: *mut f32,
) {
    let Product { transposed: (ta, tb), sizes: (m, n, k), leading: (lda, ldb, ldc) } = product;
    let _ieee = Ieee::begin();
    // No comparison of these before that: the caller's mode may take denormals for zero.
    let (alpha, beta) = std::hint::black_box((alpha, beta));
    let settings = settings::get();
    let start = settings.verbose.then(Instant::now);
    let mut used = 1;
    let nothing = m == 0 || n == 0 || ((alpha == 0.0 || k == 0) && beta == 1.0);
    if !nothing {
        let strides = |transposed, leading| if transposed { (leading, 1) } else { (1, leading) };
        // SAFETY: the caller vouches for the elements of all three. Where α or k is 0, no element of A and B
        // is read, and there need not be any. Where β is 0, C is written before it is read: what its owner, across the edge,
        // has not written yet is memory whose bytes are some float or other.
        let (a, b, c) = unsafe {
            (
                MatRef::from_raw_parts(a, (m, k), strides(ta, lda)),
                MatRef::from_raw_parts(b, (k, n), strides(tb, ldb)),
                MatMut::from_raw_parts(c, (m, n), (1, ldc)),
            )
        };
        let isa = settings.isa;
        let threads = if alpha == 0.0 { 1 } else { gemm_threads((m, n, k), threads::count()) };
        used = threads::with_team(threads, |team| match team {
            Some(team) => {
                gemm_on(team, isa, alpha, a, b, beta, c);
                threads
            }
            None => {
                gemm(isa, alpha, a, b, beta, c);
                1
            }
        });
    }
    if let Some(start) = start {
        let micros = start.elapsed().as_secs_f64() * 1e6;
        let mark = |transposed| if transposed { 'T' } else { 'N' };
        settings::say(format_args!(
            "{name} {}{} m={m} n={n} k={k} alpha={alpha} lda={lda} ldb={ldb} beta={beta} ldc={ldc}: \
             {}, threads={used}, {micros:.1} us",
            mark(ta),
            mark(tb),
            settings.isa,
        ));
    }
}
