//! The gradient of a dense layer's weights, with Adam applied to it before it reaches memory.
//!
//! ```text
//! dW = Xᵀ dZ,  db = Σ dZ      each element: 0, then in order of the rows of the batch
//! ```

use super::adam::{self, AdamStep};
use super::dense::Pairs;
use crate::isa::{Line, Simd, kernel};
use crate::panel::{Blocks, PANEL_COLS, Panel};
use crate::tile::{Acc, Ending, product, unroll};

/// Weights and their Adam moments, `rows × cols` of one panel: what one worker owns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Owned {
    /// Parameters.
    pub w: Panel,
    /// First moments.
    pub m: Panel,
    /// Second moments.
    pub v: Panel,
}

impl Owned {
    /// Zero parameters with zero moments.
    pub fn zeros(rows: usize, cols: usize) -> Owned {
        let zeros = Panel::zeros(rows, cols);
        Owned { w: zeros.clone(), m: zeros.clone(), v: zeros }
    }

    /// Adds the rows of another below.
    ///
    /// # Panics
    /// If it has other columns.
    pub fn append(&mut self, below: &Owned) {
        self.w.append(&below.w);
        self.m.append(&below.m);
        self.v.append(&below.v);
    }
}

/// Most vectors of a tile, on any ISA.
const MOST: usize = 24;

/// Gradients end here. Those of a finished tile are parked, and Adam is run on them two vectors at a time
/// between the multiply-adds of the next tile: square root and division take as long as the
/// multiply-adds, and hardly cost when they run beside them.
struct Update<'o, S: Simd> {
    w: &'o mut [Line],
    m: &'o mut [Line],
    v: &'o mut [Line],
    /// Vectors in a row of them.
    vectors: usize,
    /// First row of the tiles to come.
    row0: usize,
    step: AdamStep,
    /// Not in here by value: it is indexed, and what stands beside an indexed array stays in memory.
    parked: &'o mut [Line; MOST],
    /// Parked vectors, and how many of them are done.
    count: usize,
    done: usize,
    /// Line of the next of them, and lines from one to the next.
    line: usize,
    stride: usize,
    /// Zero as long as all new weights are finite, NaN after one that is not.
    check: S::V,
}

/// Vectors of a beat.
const BEAT: usize = 2;

impl<'o, S: Simd> Update<'o, S> {
    #[inline(always)]
    fn new(s: S, owned: &'o mut Owned, step: AdamStep, parked: &'o mut [Line; MOST]) -> Self {
        let vectors = owned.w.vectors();
        let (w, m, v) = (owned.w.lines_mut(), owned.m.lines_mut(), owned.v.lines_mut());
        let (row0, count, done, line, stride, check) = (0, 0, 0, 0, 1, s.splat(0.0));
        Update { w, m, v, vectors, row0, step, parked, count, done, line, stride, check }
    }

    /// Adam on the next vector, whose gradient is `g`.
    #[inline(always)]
    fn adam(&mut self, s: S, g: S::V) {
        let at = self.line;
        let (Line(w), Line(m), Line(v)) = (&mut self.w[at], &mut self.m[at], &mut self.v[at]);
        let old = (s.load(w), s.load(m), s.load(v));
        let (new_w, new_m, new_v) = adam::adam(s, &self.step, g, old);
        s.store(new_m, m);
        s.store(new_v, v);
        s.store(new_w, w);
        self.check = s.fma(new_w, s.splat(0.0), self.check);
        self.line += self.stride;
    }

    /// Adam on all that is parked.
    #[inline(always)]
    fn drain(&mut self, s: S) {
        while self.done < self.count {
            self.beat(s);
        }
    }
}

impl<S: Simd> Ending<S> for Update<'_, S> {
    #[inline(always)]
    fn pending(&self) -> usize {
        (self.count - self.done).div_ceil(BEAT)
    }
    #[inline(always)]
    fn beat(&mut self, s: S) {
        for _ in 0..BEAT {
            if self.done < self.count {
                self.adam(s, s.load(&self.parked[self.done].0));
                self.done += 1;
            }
        }
    }
    #[inline(always)]
    fn start<const MR: usize, const NV: usize>(
        &self,
        s: S,
        _: usize,
        _: usize,
    ) -> Acc<S::V, MR, NV> {
        [[s.splat(0.0); NV]; MR]
    }
    #[inline(always)]
    fn finish<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
        acc: Acc<S::V, MR, NV>,
    ) {
        self.drain(s);
        unroll!(R in 0..MR => {
            unroll!(J in 0..NV => s.store(acc[R][J], &mut self.parked[R * NV + J].0));
        });
        (self.count, self.done) = (MR * NV, 0);
        // Tiles are whole rows or one vector wide, so their vectors lie at equal distances.
        self.line = (self.row0 + i) * self.vectors + v;
        self.stride = if NV == self.vectors { 1 } else { self.vectors };
    }
}

kernel! {
    /// `dW = Xᵀ dZ`, and a step of Adam with it, for the rows and columns that `owned` holds.
    ///
    /// - `x`: inputs of those rows, in panels: block `b` of panel `p` is number `p · blocks + b`, a view of
    ///   `batch_b × inputs_p`
    /// - `dz`: gradients of those columns, the blocks of the batch: `batch_b × cols`
    ///
    /// Returns whether all new weights are finite.
    ///
    /// # Panics
    /// If the shapes do not fit together, there are more than [`MOST_BLOCKS`](crate::MOST_BLOCKS) blocks, or more than [`PANEL_COLS`] columns.
    pub fn dense_update<'f, 'x, 'd>(
        s, x: Blocks<'f, 'x>, dz: Blocks<'f, 'd>, owned: &'f mut Owned, step: AdamStep,
    ) -> bool {
        let (rows, vectors, blocks) = (owned.w.rows(), owned.w.vectors(), dz.count());
        assert!(owned.w.cols() <= PANEL_COLS, "{} columns in a panel", owned.w.cols());
        let mut parked = [Line::ZERO; MOST];
        let mut ending = Update::new(s, owned, step, &mut parked);
        let mut p = 0;
        while ending.row0 < rows {
            let inputs = x.get(p * blocks).cols();
            assert!(inputs > 0, "panel {p} of the inputs has no columns");
            let pair = |b| (x.get(p * blocks + b).a_transposed(), dz.get(b).b());
            ending = product(s, inputs, vectors, Pairs::new(blocks, pair).list(), ending);
            ending.row0 += inputs;
            p += 1;
        }
        ending.drain(s);
        s.sum(ending.check) == 0.0
    }
}

kernel! {
    /// `db = Σ dZ` over the batch, and a step of Adam with it.
    ///
    /// # Panics
    /// If the columns differ.
    pub fn bias_update<'f, 'd>(s, dz: Blocks<'f, 'd>, owned: &'f mut Owned, step: AdamStep) {
        let vectors = owned.w.vectors();
        let mut parked = [Line::ZERO; MOST];
        let mut update = Update::new(s, owned, step, &mut parked);
        for v in 0..vectors {
            let mut g = s.splat(0.0);
            for b in 0..dz.count() {
                let block = dz.get(b);
                for i in 0..block.rows() {
                    g = s.add(g, s.load(block.vector(i, v)));
                }
            }
            update.adam(s, g);
        }
    }
}
