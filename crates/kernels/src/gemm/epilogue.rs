//! Products whose elements become something else as soon as their sums are whole.

use super::{Product, Scratch, assert_fit, by_rows, with_scratch};
use crate::isa::{Isa, Kernel, LANES, MatMut, MatRef, Simd};
use crate::tile::unroll;

/// What becomes of a product's elements once their sums are whole: a bias, an activation, a limit, another matrix that
/// is added. For [`gemm_then`].
///
/// `apply` is marked `#[inline(always)]`, so that it is compiled with the instructions of each ISA; a closure in it that is
/// not inlined would be without them. Its bits are the same everywhere if it keeps to the operations of [`Simd`].
///
/// ```
/// use kernels::{Epilogue, Isa, MatMut, MatRef, Simd, gemm_then};
///
/// /// `max(0, x + bias)`
/// struct BiasRelu<'b>(&'b [f32]);
///
/// impl Epilogue for BiasRelu<'_> {
///     #[inline(always)]
///     fn apply<S: Simd>(&self, s: S, (_, column): (usize, usize), x: S::V) -> S::V {
///         // Past the last column there is nothing to load, and what becomes of those lanes is not stored.
///         let bias = s.load_first(&self.0[column..]);
///         s.max(s.add(x, bias), s.splat(0.0))
///     }
/// }
///
/// let (a, b) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
/// let mut c = [0.0; 4];
/// let (a, b) = (MatRef::row_major(&a, 2, 2), MatRef::row_major(&b, 2, 2));
/// gemm_then(Isa::best(), 1.0, a, b, 0.0, MatMut::row_major(&mut c, 2, 2), &BiasRelu(&[-20.0, 1.0]));
/// assert_eq!(c, [0.0, 23.0, 23.0, 51.0]);
/// ```
pub trait Epilogue {
    /// Sixteen elements of row `at.0` of C, from column `at.1` on, which is a column of C. Lanes past the last
    /// column hold anything and go nowhere. Called once for every element.
    fn apply<S: Simd>(&self, s: S, at: (usize, usize), x: S::V) -> S::V;
}

/// An epilogue as products know it, whose code is then the same for all: works on rows and columns of C, each given by
/// the first and their number, where C begins at this column of the caller's.
pub(super) type Then<'t> = &'t dyn Fn(&mut MatMut<'_>, (usize, usize), (usize, usize), usize);

/// Applies an epilogue to a part of C.
struct Apply<'t, 'c, E> {
    c: &'t mut MatMut<'c>,
    rows: (usize, usize),
    cols: (usize, usize),
    left: usize,
    then: &'t E,
}

impl<E: Epilogue> Kernel for Apply<'_, '_, E> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (top, count) = self.rows;
        let mut done = 0;
        while done < count {
            done += match count - done {
                4.. => self.apply_to::<S, 4>(s, top + done),
                2.. => self.apply_to::<S, 2>(s, top + done),
                _ => self.apply_to::<S, 1>(s, top + done),
            };
        }
    }
}

impl<E: Epilogue> Apply<'_, '_, E> {
    /// Rows `i..i + MR`, a vector of each at a time: what the epilogue loads for a column then serves all of them. Returns
    /// how many that are.
    #[inline(always)]
    fn apply_to<S: Simd, const MR: usize>(&mut self, s: S, i: usize) -> usize {
        let (first, cols) = self.cols;
        let mut at = self.left + first;
        let rows = self.c.runs_mut::<MR>(i, first, cols).map(|row| row.as_chunks_mut::<LANES>());
        let mut x = [s.splat(0.0); MR];
        for v in 0..cols / LANES {
            unroll!(R in 0..MR => x[R] = s.load(&rows[R].0[v]));
            unroll!(R in 0..MR => x[R] = self.then.apply(s, (i + R, at), x[R]));
            unroll!(R in 0..MR => s.store(x[R], &mut rows[R].0[v]));
            at += LANES;
        }
        if !cols.is_multiple_of(LANES) {
            unroll!(R in 0..MR => x[R] = s.load_first(rows[R].1));
            unroll!(R in 0..MR => x[R] = self.then.apply(s, (i + R, at), x[R]));
            unroll!(R in 0..MR => s.store_first(x[R], &mut *rows[R].1));
        }
        MR
    }
}

/// `C = then(α A B + β C)`: [`gemm`](crate::gemm()) with an [`Epilogue`], which comes to each strip of rows as soon as it
/// is done, while it is in the first-level cache. A C whose rows are not contiguous goes through a copy.
///
/// Every element is that of `gemm`, bit for bit, and then what the epilogue makes of it.
///
/// ```
/// use kernels::{Epilogue, Isa, MatMut, MatRef, Simd, gemm_then};
///
/// /// `max(0, x)`
/// struct Relu;
///
/// impl Epilogue for Relu {
///     #[inline(always)]
///     fn apply<S: Simd>(&self, s: S, _: (usize, usize), x: S::V) -> S::V {
///         s.max(x, s.splat(0.0))
///     }
/// }
///
/// let (a, mut c) = ([1.0, -1.0], [f32::NAN; 4]);
/// let (a, b) = (MatRef::row_major(&a, 2, 1), MatRef::row_major(&a, 1, 2));
/// gemm_then(Isa::best(), 1.0, a, b, 0.0, MatMut::row_major(&mut c, 2, 2), &Relu);
/// assert_eq!(c, [1.0, 0.0, 0.0, 1.0]);
/// ```
///
/// # Panics
/// If the shapes do not fit together.
pub fn gemm_then<E: Epilogue>(
    isa: Isa,
    alpha: f32,
    a: MatRef<'_>,
    b: MatRef<'_>,
    beta: f32,
    c: MatMut<'_>,
    then: &E,
) {
    with_scratch(|scratch| gemm_then_in(scratch, isa, alpha, a, b, beta, c, then));
}

/// [`gemm_then`] with memory of the caller's, where `gemm_then` keeps some for each thread; only a C whose rows are not
/// contiguous needs more.
///
/// ```
/// use kernels::{Epilogue, Isa, MatMut, MatRef, Scratch, Simd, gemm_then_in};
///
/// /// `min(5, x)`
/// struct AtMostFive;
///
/// impl Epilogue for AtMostFive {
///     #[inline(always)]
///     fn apply<S: Simd>(&self, s: S, _: (usize, usize), x: S::V) -> S::V {
///         s.min(x, s.splat(5.0))
///     }
/// }
///
/// let (mut scratch, a, mut c) = (Scratch::new(), [1.0, 2.0], [f32::NAN; 4]);
/// let (a, c_view) = (MatRef::row_major(&a, 2, 1), MatMut::row_major(&mut c, 2, 2));
/// gemm_then_in(&mut scratch, Isa::best(), 2.0, a, a.t(), 0.0, c_view, &AtMostFive);
/// assert_eq!(c, [2.0, 4.0, 4.0, 5.0]);
/// ```
///
/// # Panics
/// If the shapes do not fit together.
#[allow(clippy::too_many_arguments, reason = "those of the BLAS, and what it does not have")]
pub fn gemm_then_in<E: Epilogue>(
    scratch: &mut Scratch,
    isa: Isa,
    alpha: f32,
    a: MatRef<'_>,
    b: MatRef<'_>,
    beta: f32,
    c: MatMut<'_>,
    then: &E,
) {
    assert_fit(&a, &b, &c);
    if c.rows() == 0 || c.cols() == 0 {
        return;
    }
    // Without factors no operand is read.
    let k = if alpha == 0.0 { 0 } else { a.cols() };
    let (a, b) = (a.block((0, a.rows()), (0, k)), b.block((0, k), (0, b.cols())));
    let then: Then<'_> = &|c, rows, cols, left| isa.run(Apply { c, rows, cols, left, then });
    let mut run = |c: MatMut<'_>| {
        isa.run(Product { scratch, a: (a, 1.0), b: (b, alpha), beta, c, then: Some(then) });
    };
    if c.strides().1 == 1 || c.cols() == 1 { run(c) } else { by_rows(beta, c, run) }
}
