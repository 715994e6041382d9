//! The one micro-kernel: MR rows × NV vectors of the product in registers, every element one chain of
//! multiply-adds in increasing k, and an ending that says what becomes of them.
//!
//! ```text
//! for k { for i in 0..MR { for j in 0..NV { acc[i][j] = a[i, k] * b[k, j] + acc[i][j] } } }
//! ```

use crate::isa::{Rows, Simd, Steps, Strided};

/// Repeats a body for `$i` in `0..$n`, `$n` a constant of at most 16, with `$i` a literal each time. A
/// loop whose index the optimiser does not see through would keep the accumulators in memory.
macro_rules! unroll {
    ($i:ident in 0..$n:expr => $body:expr) => {
        unroll!(@ $i, $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $i:ident, $n:expr, $body:expr, $($k:literal)*) => {
        { $( if $k < $n { const $i: usize = $k; $body } )* }
    };
}
pub(crate) use unroll;

/// Accumulators of a tile.
pub(crate) type Acc<V, const MR: usize, const NV: usize> = [[V; NV]; MR];

/// What the accumulators start from and what becomes of them: store, bias, ReLU, Adam...
pub(crate) trait Ending<S: Simd> {
    /// Work this ending leaves to be done between the multiply-adds of the next tile, in beats.
    #[inline(always)]
    fn pending(&self) -> usize {
        0
    }
    /// One beat of that work.
    #[inline(always)]
    fn beat(&mut self, _: S) {}

    /// Starts of the chains of the tile whose first row is `i` and first vector `v`.
    fn start<const MR: usize, const NV: usize>(
        &self,
        s: S,
        i: usize,
        v: usize,
    ) -> Acc<S::V, MR, NV>;
    /// Their ends.
    fn finish<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
        acc: Acc<S::V, MR, NV>,
    );
}

/// Adds the products of the next `n` steps onto the accumulators.
#[inline(always)]
pub(crate) fn multiply<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    acc: &mut Acc<S::V, MR, NV>,
    steps: &mut Steps<'_, MR, NV>,
    n: usize,
) {
    for _ in 0..n.min(steps.left()) {
        let (a, rows) = steps.take();
        let mut b = [simd.splat(0.0); NV];
        for j in 0..NV {
            b[j] = simd.load(rows[j]);
        }
        for i in 0..MR {
            let x = simd.splat(a[i]);
            for j in 0..NV {
                acc[i][j] = simd.fma(x, b[j], acc[i][j]);
            }
        }
    }
}

/// An A block and the B block it multiplies.
pub(crate) type Pair<'a> = (Strided<'a>, Rows<'a>);

/// Tiles a product of `rows × vectors` with the shapes that suit the register file. It runs over a list of
/// pairs that all have these rows and vectors (batch-reduce GEMM): the chains go through the pairs in
/// order. A list, not a function that makes pairs: a call between two pairs would send the accumulators
/// through memory.
#[inline(always)]
pub(crate) fn product<S: Simd>(
    simd: S,
    rows: usize,
    vectors: usize,
    pairs: &[Pair<'_>],
    ending: &mut impl Ending<S>,
) {
    let mut v = 0;
    while v < vectors {
        let left = vectors - v;
        // The widest slice this ISA tiles; one vector always works.
        v += match left {
            4.. if S::TILE_ROWS[3] > 0 => columns::<S, 4>(simd, rows, v, pairs, ending),
            3 if S::TILE_ROWS[2] > 0 => columns::<S, 3>(simd, rows, v, pairs, ending),
            2.. if S::TILE_ROWS[1] > 0 => columns::<S, 2>(simd, rows, v, pairs, ending),
            _ => columns::<S, 1>(simd, rows, v, pairs, ending),
        };
    }
}

/// All rows of `NV` vectors from `v` on; returns `NV`.
#[inline(always)]
fn columns<S: Simd, const NV: usize>(
    simd: S,
    rows: usize,
    v: usize,
    pairs: &[Pair<'_>],
    ending: &mut impl Ending<S>,
) -> usize {
    let tallest = S::TILE_ROWS[NV - 1];
    let mut i = 0;
    while i < rows {
        i += match rows - i {
            16.. if tallest >= 16 => tile::<S, 16, NV>(simd, i, v, pairs, ending),
            8.. if tallest >= 8 => tile::<S, 8, NV>(simd, i, v, pairs, ending),
            6.. if tallest == 6 => tile::<S, 6, NV>(simd, i, v, pairs, ending),
            4.. if tallest >= 4 => tile::<S, 4, NV>(simd, i, v, pairs, ending),
            2.. => tile::<S, 2, NV>(simd, i, v, pairs, ending),
            _ => tile::<S, 1, NV>(simd, i, v, pairs, ending),
        };
    }
    NV
}

/// One tile: start, multiply through all pairs, finish; returns `MR`.
#[inline(always)]
fn tile<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    i: usize,
    v: usize,
    pairs: &[Pair<'_>],
    ending: &mut impl Ending<S>,
) -> usize {
    let mut acc = ending.start::<MR, NV>(simd, i, v);
    // So many steps between two beats that the pending work is spread over all of them.
    let steps: usize = pairs.iter().map(|(_, b)| b.depth()).sum();
    let every = steps.div_ceil(ending.pending().max(1));
    for (a, b) in pairs {
        let mut steps = Steps::new(a, i, b, v);
        while steps.left() > 0 {
            multiply(simd, &mut acc, &mut steps, every);
            ending.beat(simd);
        }
    }
    ending.finish(simd, i, v, acc);
    MR
}
