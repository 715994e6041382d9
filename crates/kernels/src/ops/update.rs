//! The gradient of a dense layer's weights, with the optimiser applied to it before it reaches memory.
//!
//! ```text
//! dW = Xᵀ dZ,  db = Σ dZ      each element: 0, then in order of the rows of the batch
//! ```

use super::adam::{AdamStep, AdamWStep};
use super::dense::Pairs;
use super::sgd::SgdStep;
use crate::isa::{Isa, LANES, Line, Simd, kernel};
use crate::panel::{Blocks, PANEL_COLS, Panel};
use crate::tile::{Acc, Ending, product, unroll};

/// Weights and what the optimiser remembers of them, `rows × cols` of one panel: what one worker owns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Owned {
    /// Parameters.
    pub w: Panel,
    /// First moments; of gradient descent, the momentum.
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

/// One step of an optimiser: its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Of Adam.
    Adam(AdamStep),
    /// Of AdamW.
    AdamW(AdamWStep),
    /// Of gradient descent.
    Sgd(SgdStep),
}

impl From<AdamStep> for Step {
    fn from(step: AdamStep) -> Step {
        Step::Adam(step)
    }
}

impl From<AdamWStep> for Step {
    fn from(step: AdamWStep) -> Step {
        Step::AdamW(step)
    }
}

impl From<SgdStep> for Step {
    fn from(step: SgdStep) -> Step {
        Step::Sgd(step)
    }
}

/// Sixteen parameters and their moments: `w`, `m`, `v`.
pub(super) type Sixteen<'a> = [&'a mut [f32; LANES]; 3];

/// What an optimiser does to sixteen parameters, given their gradients.
pub(super) trait Rule: Copy {
    /// Replaces parameters and moments by those after the step; returns the parameters.
    fn step<S: Simd>(&self, s: S, g: S::V, wmv: Sixteen<'_>) -> S::V;
}

/// Most vectors of a tile, on any ISA.
const MOST: usize = 24;

/// Gradients end here. Those of a finished tile are parked, and the optimiser is run on them two vectors at
/// a time between the multiply-adds of the next tile: square root and division take as long as the
/// multiply-adds, and hardly cost when they run beside them.
struct Update<'o, S: Simd, R> {
    w: &'o mut [Line],
    m: &'o mut [Line],
    v: &'o mut [Line],
    /// Vectors in a row of them.
    vectors: usize,
    /// First row of the tiles to come.
    row0: usize,
    rule: R,
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

impl<'o, S: Simd, R: Rule> Update<'o, S, R> {
    #[inline(always)]
    fn new(s: S, owned: &'o mut Owned, rule: R, parked: &'o mut [Line; MOST]) -> Self {
        let vectors = owned.w.vectors();
        let (w, m, v) = (owned.w.lines_mut(), owned.m.lines_mut(), owned.v.lines_mut());
        let (row0, count, done, line, stride, check) = (0, 0, 0, 0, 1, s.splat(0.0));
        Update { w, m, v, vectors, row0, rule, parked, count, done, line, stride, check }
    }

    /// A step of the next vector, whose gradient is `g`.
    #[inline(always)]
    fn step(&mut self, s: S, g: S::V) {
        let at = self.line;
        let (Line(w), Line(m), Line(v)) = (&mut self.w[at], &mut self.m[at], &mut self.v[at]);
        let new_w = self.rule.step(s, g, [w, m, v]);
        self.check = s.fma(new_w, s.splat(0.0), self.check);
        self.line += self.stride;
    }

    /// A step of all that is parked.
    #[inline(always)]
    fn drain(&mut self, s: S) {
        while self.done < self.count {
            self.beat(s);
        }
    }
}

impl<S: Simd, R: Rule> Ending<S> for Update<'_, S, R> {
    #[inline(always)]
    fn pending(&self) -> usize {
        (self.count - self.done).div_ceil(BEAT)
    }
    #[inline(always)]
    fn beat(&mut self, s: S) {
        for _ in 0..BEAT {
            if self.done < self.count {
                self.step(s, s.load(&self.parked[self.done].0));
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

/// `dW = Xᵀ dZ`, and a step of the optimiser with it, for the rows and columns that `owned` holds.
///
/// - `x`: inputs of those rows, in panels: block `b` of panel `p` is number `p · blocks + b`, a view of
///   `batch_b × inputs_p`
/// - `dz`: gradients of those columns, the blocks of the batch: `batch_b × cols`
/// - `step`: an [`AdamStep`], an [`AdamWStep`] or an [`SgdStep`]
///
/// Returns whether all new weights are finite.
///
/// # Panics
/// If the shapes do not fit together, there are more than [`MOST_BLOCKS`](crate::MOST_BLOCKS) blocks, or more
/// than [`PANEL_COLS`] columns.
pub fn dense_update(
    isa: Isa,
    x: Blocks<'_, '_>,
    dz: Blocks<'_, '_>,
    owned: &mut Owned,
    step: impl Into<Step>,
) -> bool {
    match step.into() {
        Step::Adam(step) => dense_adam(isa, x, dz, owned, step),
        Step::AdamW(step) => dense_adamw(isa, x, dz, owned, step),
        Step::Sgd(step) => dense_sgd(isa, x, dz, owned, step),
    }
}

/// `db = Σ dZ` over the batch, and a step of the optimiser with it.
///
/// # Panics
/// If the columns differ.
pub fn bias_update(isa: Isa, dz: Blocks<'_, '_>, owned: &mut Owned, step: impl Into<Step>) {
    match step.into() {
        Step::Adam(step) => bias_adam(isa, dz, owned, step),
        Step::AdamW(step) => bias_adamw(isa, dz, owned, step),
        Step::Sgd(step) => bias_sgd(isa, dz, owned, step),
    }
}

/// One kernel for each optimiser, so that none carries what another needs.
macro_rules! updates {
    ($($dense:ident, $bias:ident: $rule:ty;)*) => {$(
        kernel! {
            fn $dense<'f, 'x, 'd>(
                s, x: Blocks<'f, 'x>, dz: Blocks<'f, 'd>, owned: &'f mut Owned, step: $rule,
            ) -> bool {
                weights(s, x, dz, owned, step)
            }
        }
        kernel! {
            fn $bias<'f, 'd>(s, dz: Blocks<'f, 'd>, owned: &'f mut Owned, step: $rule) {
                biases(s, dz, owned, step);
            }
        }
    )*};
}

updates! {
    dense_adam, bias_adam: AdamStep;
    dense_adamw, bias_adamw: AdamWStep;
    dense_sgd, bias_sgd: SgdStep;
}

#[inline(always)]
fn weights<S: Simd>(
    s: S,
    x: Blocks<'_, '_>,
    dz: Blocks<'_, '_>,
    owned: &mut Owned,
    rule: impl Rule,
) -> bool {
    let (rows, vectors, blocks) = (owned.w.rows(), owned.w.vectors(), dz.count());
    assert!(owned.w.cols() <= PANEL_COLS, "{} columns in a panel", owned.w.cols());
    let mut parked = [Line::ZERO; MOST];
    let mut ending = Update::new(s, owned, rule, &mut parked);
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

#[inline(always)]
fn biases<S: Simd>(s: S, dz: Blocks<'_, '_>, owned: &mut Owned, rule: impl Rule) {
    let vectors = owned.w.vectors();
    let mut parked = [Line::ZERO; MOST];
    let mut update = Update::new(s, owned, rule, &mut parked);
    for v in 0..vectors {
        let mut g = s.splat(0.0);
        for b in 0..dz.count() {
            let block = dz.get(b);
            for i in 0..block.rows() {
                g = s.add(g, s.load(block.vector(i, v)));
            }
        }
        update.step(s, g);
    }
}
