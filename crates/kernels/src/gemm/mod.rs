//! General matrix product, `C = α A B + β C`, for any strides.
//!
//! Every element of C is one chain of multiply-adds, in the order of the reference BLAS:
//!
//! ```text
//! c = if β == 0 { 0 } else { β c };  for k { c = a[i, k] * (α b[k, j]) + c }
//! ```
//! whatever the blocking, the ISA, the strides and the threads. With β = 0, C is never read.
//!
//! The loops around the tile (`blocks.rs`), from the outside: blocks of columns of B and C, blocks of k, strips of
//! A's and C's rows, panels of B. A block of B becomes panels and a strip of A is copied (`pack.rs`) where that pays,
//! times α on the way; a B that stays where it lies is multiplied by α in the tile. The next tile of C, and the next rows of
//! A to be copied, are asked of memory while a tile is multiplied (`ahead.rs`). Where C has few columns beside columns of A, A and B
//! change roles (`swapped.rs`); few columns, all of C's or those beside whole vectors, have rows in the lanes (`lanes.rs`). An
//! epilogue comes to strips of C when they are done (`epilogue.rs`).

mod ahead;
mod blocks;
mod epilogue;
mod into_c;
mod lanes;
mod limits;
mod pack;
mod swapped;
#[cfg(feature = "std")]
mod threads;

use crate::isa::{Isa, MatMut, MatRef};
use alloc::vec;
use blocks::Product;
pub use blocks::Scratch;
#[cfg(feature = "std")]
use core::cell::RefCell;
pub use epilogue::{Epilogue, gemm_then, gemm_then_in};
#[cfg(feature = "std")]
pub use threads::{gemm_on, gemm_threads};

#[cfg(feature = "std")]
std::thread_local! {
    /// Memory of this thread for copies of blocks.
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch::new()) };
}

/// `C = α A B + β C`, A of shape m × k, B k × n, C m × n, each with any strides.
///
/// Every element of C is one chain of multiply-adds, in the order of the reference BLAS:
///
/// ```text
/// c = if β == 0 { 0 } else { β c };  for k { c = a[i, k] * (α b[k, j]) + c }
/// ```
/// Where β is 0, C is not read; where α or k is 0, A and B are not. A C with gaps in both directions is multiplied into a
/// copy, for which memory is allocated.
///
/// ```
/// use kernels::{Isa, MatMut, MatRef, gemm};
/// let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
/// let mut c = [f32::NAN; 4]; // not read, since beta is 0
/// gemm(Isa::best(), 1.0, MatRef::row_major(&a, 2, 2), MatRef::row_major(&b, 2, 2), 0.0,
///     MatMut::row_major(&mut c, 2, 2));
/// assert_eq!(c, [19.0, 22.0, 43.0, 50.0]);
/// ```
///
/// # Panics
/// If the shapes do not fit together.
pub fn gemm(isa: Isa, alpha: f32, a: MatRef<'_>, b: MatRef<'_>, beta: f32, c: MatMut<'_>) {
    with_scratch(|scratch| product(scratch, isa, alpha, a, b, beta, c));
}

/// Runs something with this thread's scratch.
#[inline(always)]
fn with_scratch(f: impl FnOnce(&mut Scratch)) {
    #[cfg(feature = "std")]
    {
        // A thread that ends has none any more, and an epilogue that multiplies finds it taken.
        let mut f = Some(f);
        let _ = SCRATCH.try_with(|scratch| {
            if let Ok(mut scratch) = scratch.try_borrow_mut()
                && let Some(f) = f.take()
            {
                f(&mut scratch);
            }
        });
        if let Some(f) = f {
            f(&mut Scratch::new());
        }
    }
    #[cfg(not(feature = "std"))]
    f(&mut Scratch::new());
}

/// [`gemm`] with memory of the caller's, where `gemm` keeps some for each thread; only a C with gaps in both
/// directions needs more.
///
/// ```
/// use kernels::{Isa, MatMut, MatRef, Scratch, gemm_in};
/// let mut scratch = Scratch::new();
/// let (a, mut c) = ([1.0, 2.0, 3.0, 4.0], [1.0; 4]);
/// let a = MatRef::row_major(&a, 2, 2);
/// gemm_in(&mut scratch, Isa::best(), 2.0, a, a.t(), 1.0, MatMut::row_major(&mut c, 2, 2));
/// assert_eq!(c, [11.0, 23.0, 23.0, 51.0]);
/// ```
///
/// # Panics
/// If the shapes do not fit together.
pub fn gemm_in(
    scratch: &mut Scratch,
    isa: Isa,
    alpha: f32,
    a: MatRef<'_>,
    b: MatRef<'_>,
    beta: f32,
    c: MatMut<'_>,
) {
    product(scratch, isa, alpha, a, b, beta, c);
}

// Part of both functions above: each call on the way to the first tile would move the matrices through memory.
#[inline(always)]
fn product(
    scratch: &mut Scratch,
    isa: Isa,
    alpha: f32,
    a: MatRef<'_>,
    b: MatRef<'_>,
    beta: f32,
    mut c: MatMut<'_>,
) {
    assert_fit(&a, &b, &c);
    if c.rows() == 0 || c.cols() == 0 {
        return;
    }
    if alpha == 0.0 || a.cols() == 0 {
        return scale(beta, &mut c);
    }
    let (rs, cs) = c.strides();
    let then = None;
    if cs == 1 || c.cols() == 1 {
        isa.run(Product { scratch, a: (a, 1.0), b: (b, alpha), beta, c, then });
    } else if rs == 1 || c.rows() == 1 {
        // Cᵀ = Bᵀ Aᵀ has rows in place, and a product of two floats does not mind their order.
        let (a, b, c) = ((b.t(), alpha), (a.t(), 1.0), c.t());
        isa.run(Product { scratch, a, b, beta, c, then });
    } else {
        by_rows(beta, c, |c| {
            isa.run(Product { scratch, a: (a, 1.0), b: (b, alpha), beta, c, then });
        });
    }
}

/// Panics unless the shapes fit together.
#[inline(always)]
#[track_caller]
fn assert_fit(a: &MatRef<'_>, b: &MatRef<'_>, c: &MatMut<'_>) {
    assert!(
        a.cols() == b.rows() && a.rows() == c.rows() && b.cols() == c.cols(),
        "gemm of A {}x{}, B {}x{} into C {}x{}",
        a.rows(),
        a.cols(),
        b.rows(),
        b.cols(),
        c.rows(),
        c.cols()
    );
}

/// Runs a product on a row-major copy of C.
fn by_rows(beta: f32, mut c: MatMut<'_>, product: impl FnOnce(MatMut<'_>)) {
    let (rows, cols) = (c.rows(), c.cols());
    let mut packed = vec![0.0; rows * cols];
    for (i, row) in packed.chunks_exact_mut(cols).enumerate() {
        for (j, x) in row.iter_mut().enumerate() {
            *x = if beta == 0.0 { 0.0 } else { c.get(i, j) };
        }
    }
    product(MatMut::row_major(&mut packed, rows, cols));
    for (i, row) in packed.chunks_exact(cols).enumerate() {
        for (j, x) in row.iter().enumerate() {
            c.set(i, j, *x);
        }
    }
}

/// `C = β C`, without reading C if β is 0.
fn scale(beta: f32, c: &mut MatMut<'_>) {
    for i in 0..c.rows() {
        for j in 0..c.cols() {
            c.set(i, j, if beta == 0.0 { 0.0 } else { beta * c.get(i, j) });
        }
    }
}
