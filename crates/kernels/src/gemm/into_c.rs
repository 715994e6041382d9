//! What becomes of a tile of a general product: its chains start from β C and end in C.

use super::ahead::Lines;
use super::epilogue::Then;
use super::pack::load;
use super::swapped;
use crate::isa::{LANES, Line, MatMut, MatRef, Simd, prefetch_line};
use crate::tile::{Acc, Ending, between_asks, unroll};

/// Floats of C in strips to which an epilogue comes together, at most: some of the first-level cache.
const STRIPS_FLOATS: usize = 1 << 12;

/// Loads the tile's chains from C and stores them there.
pub(super) struct IntoC<'o, 'a> {
    pub(super) c: &'o mut MatMut<'a>,
    /// Where tiles are transposed, if they are of Cᵀ.
    pub(super) squares: Option<&'o mut [Line]>,
    /// First column of this block, and the one past its last.
    pub(super) cols: (usize, usize),
    /// β on the first block of k, 1 after it.
    pub(super) beta: f32,
    /// What becomes of C after the last block of k.
    pub(super) then: Option<Then<'o>>,
    /// Lines asked for while a tile is multiplied, if any are.
    pub(super) asks: usize,
    /// Whether a tile's own lines are asked for when it begins.
    pub(super) at_once: bool,
    /// The rows of A for this block, if they are asked for.
    pub(super) a: Option<MatRef<'a>>,
    /// The tile of C after this one, and the strip of A.
    pub(super) next_c: Lines,
    pub(super) next_a: Lines,
}

impl<'o, 'a> IntoC<'o, 'a> {
    /// The first columns of C, of which nothing is asked for.
    #[inline(always)]
    pub(super) fn new(c: &'o mut MatMut<'a>, cols: usize, beta: f32) -> Self {
        IntoC {
            c,
            squares: None,
            cols: (0, cols),
            beta,
            then: None,
            asks: 0,
            at_once: false,
            a: None,
            next_c: Lines::NONE,
            next_a: Lines::NONE,
        }
    }

    /// Strips so high that are multiplied together, at most: what becomes of them finds them near.
    #[inline(always)]
    pub(super) fn together(&self, highest: usize) -> usize {
        match self.then {
            None => usize::MAX,
            Some(_) => (STRIPS_FLOATS / (highest * (self.cols.1 - self.cols.0))).max(1),
        }
    }

    /// Column of C where the tile from vector `v` on begins, and how many columns of this block are left.
    #[inline(always)]
    fn place(&self, v: usize) -> (usize, usize) {
        let (first, end) = self.cols;
        let j = first + v * LANES;
        (j, end - j)
    }

    /// Behind the last block of k these rows of this block are what they will be.
    #[inline(always)]
    pub(super) fn strips_done(&mut self, rows: (usize, usize)) {
        let Some(then) = self.then else { return };
        let cols = (self.cols.0, self.cols.1 - self.cols.0);
        match self.squares {
            None => then(self.c, rows, cols, 0),
            // The columns of Cᵀ, which is one strip, are rows of C.
            Some(_) => then(self.c, cols, (0, self.c.cols()), 0),
        }
    }
}

impl<S: Simd> Ending<S> for IntoC<'_, '_> {
    #[inline(always)]
    fn between(&self, steps: usize) -> usize {
        between_asks(steps, self.asks)
    }
    #[inline(always)]
    fn ask(&mut self, _: S) {
        if !self.next_c.ask::<false>() {
            self.next_a.ask::<true>();
        }
    }
    #[inline(always)]
    fn start<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
    ) -> Acc<S::V, MR, NV> {
        let mut acc = [[s.splat(0.0); NV]; MR];
        let (j, left) = self.place(v);
        let width = NV * LANES;
        if self.at_once {
            let c = self.c.as_ref();
            // A row's last line is asked for by its last element; the tile before had its first, if it is no whole line.
            let (first, (rs, _)) = (c.address(i, j + LANES - 1), c.strides());
            unroll!(R in 0..MR => unroll!(J in 0..NV => {
                prefetch_line::<false>(first.wrapping_add(R * rs + J * LANES).cast());
            }));
        }
        if self.asks > 0 && self.squares.is_none() {
            let (i, j) = if left > width { (i, j + width) } else { (i + MR, self.cols.0) };
            // Where rows begin within a line, a tile has a line more than vectors: the first, which the tile
            // before it had too.
            self.next_c = Lines::new(&self.c.as_ref(), (i, j + LANES - 1), MR, NV);
        }
        if let (true, Some(a)) = (self.asks > 0 && j == self.cols.0, &self.a) {
            let below = (i + MR).min(a.rows());
            self.next_a = Lines::of(a.block((below, MR.min(a.rows() - below)), (0, a.cols())));
        }
        if self.beta == 0.0 {
            return acc;
        }
        if let Some(squares) = &mut self.squares {
            let rows = self.c.as_ref().block((j, left.min(width)), (i, MR));
            acc = swapped::load(s, rows, squares);
        } else if left >= width {
            let rows = self.c.runs::<MR>(i, j, width);
            unroll!(R in 0..MR => unroll!(J in 0..NV => {
                acc[R][J] = load(s, &rows[R][J * LANES..][..LANES]);
            }));
        } else {
            let rows = self.c.runs::<MR>(i, j, left);
            unroll!(R in 0..MR => unroll!(J in 0..NV => {
                acc[R][J] = load(s, &rows[R][J * LANES..]);
            }));
        }
        if self.beta != 1.0 {
            let beta = s.splat(self.beta);
            unroll!(R in 0..MR => unroll!(J in 0..NV => acc[R][J] = s.mul(beta, acc[R][J])));
        }
        acc
    }
    #[inline(always)]
    fn finish<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
        acc: Acc<S::V, MR, NV>,
    ) {
        let (j, left) = self.place(v);
        if let Some(squares) = &mut self.squares {
            return swapped::store(s, acc, squares, self.c, (j, left.min(NV * LANES)));
        }
        if left >= NV * LANES {
            let rows = self.c.runs_mut::<MR>(i, j, NV * LANES);
            for (row, acc) in rows.into_iter().zip(acc) {
                let (whole, _) = row.as_chunks_mut();
                unroll!(J in 0..NV => s.store(acc[J], &mut whole[J]));
            }
        } else {
            let rows = self.c.runs_mut::<MR>(i, j, left);
            unroll!(R in 0..MR => unroll!(J in 0..NV => {
                s.store_first(acc[R][J], &mut rows[R][J * LANES..]);
            }));
        }
    }
}
