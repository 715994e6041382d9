//! Tiles of Cᵀ = Bᵀ Aᵀ where C has few columns: a row of C would leave most lanes of a vector empty, its columns fill
//! them. On its way from and to C a tile is transposed, sixteen rows of C at a time.

use super::pack::transposed;
use crate::isa::{LANES, Line, MatMut, MatRef, Part, Simd};
use crate::tile::{Acc, unroll};

/// Lines that a tile of so many vectors needs: a square for each.
pub(super) const fn lines(vectors: usize) -> usize {
    vectors * LANES
}

/// The tile of whole rows of C: column `r` of C is its row `r`.
#[inline(always)]
pub(super) fn load<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    c: MatRef<'_>,
    room: &mut [Line],
) -> Acc<S::V, MR, NV> {
    let squares = &mut room[..lines(NV)];
    s.outlined(Load { c, squares });
    let mut acc = [[s.splat(0.0); NV]; MR];
    unroll!(R in 0..MR => unroll!(J in 0..NV => acc[R][J] = s.load(&squares[J * LANES + R].0)));
    acc
}

/// Stores the tile to whole rows of C, the first of them `first`.
#[inline(always)]
pub(super) fn store<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    acc: Acc<S::V, MR, NV>,
    room: &mut [Line],
    c: &mut MatMut<'_>,
    (first, rows): (usize, usize),
) {
    let squares = &mut room[..lines(NV)];
    unroll!(R in 0..MR => unroll!(J in 0..NV => s.store(acc[R][J], &mut squares[J * LANES + R].0)));
    s.outlined(Store { squares, c, rows: (first, first + rows) });
}

/// Squares, one below the other, become columns.
struct Load<'t, 'a> {
    c: MatRef<'a>,
    squares: &'t mut [Line],
}

impl<S: Simd> Part<S> for Load<'_, '_> {
    type Out = ();
    #[inline(always)]
    fn run(self, s: S) {
        let Load { c, squares } = self;
        for (v, square) in squares.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let first = (v * LANES).min(c.rows());
            let rows = c.block((first, LANES.min(c.rows() - first)), (0, c.cols()));
            for (Line(to), column) in square.iter_mut().zip(transposed(s, &rows, 1.0)) {
                s.store(column, to);
            }
        }
    }
}

/// The other way.
struct Store<'t, 'c> {
    squares: &'t [Line],
    c: &'t mut MatMut<'c>,
    /// The first row, and the one past the last.
    rows: (usize, usize),
}

impl<S: Simd> Part<S> for Store<'_, '_> {
    type Out = ();
    #[inline(always)]
    fn run(self, s: S) {
        let Store { squares, c, rows: (first, end) } = self;
        let cols = c.cols();
        for (v, square) in squares.as_chunks::<LANES>().0.iter().enumerate() {
            let i = (first + v * LANES).min(end);
            let mut rows = [s.splat(0.0); LANES];
            // No tile has more rows, and what is no column of C goes nowhere.
            for (x, Line(column)) in rows.iter_mut().zip(square).take(S::TALL.0) {
                *x = s.load(column);
            }
            s.transpose(&mut rows);
            if end - i >= LANES {
                // A loop with a constant end keeps the square in registers.
                for (x, row) in rows.into_iter().zip(c.runs_mut::<LANES>(i, 0, cols)) {
                    s.store_first(x, row);
                }
            } else {
                for (r, x) in rows.into_iter().enumerate().take(end - i) {
                    let [row] = c.runs_mut::<1>(i + r, 0, cols);
                    s.store_first(x, row);
                }
            }
        }
    }
}
