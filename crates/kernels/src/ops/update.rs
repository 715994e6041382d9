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
use core::ops::Range;

/// Weights and what the optimiser remembers of them, `rows × cols` of one panel: what one worker owns.
///
/// ```
/// use kernels::Owned;
/// let mut above = Owned::zeros(2, 3);
/// above.append(&Owned::zeros(4, 3));
/// assert_eq!((above.w.rows(), above.m.rows(), above.v.cols()), (6, 6, 3));
/// ```
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
///
/// ```
/// use kernels::{SgdStep, Step};
/// let step: Step = SgdStep { lr: 0.1, momentum: 0.9, nesterov: true, decay: 0.0 }.into();
/// assert!(matches!(step, Step::Sgd(_)));
/// ```
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

/// What an optimiser does to parameters, given their gradients. Two stages, so that a loop over many vectors takes the
/// roots of some beside the reciprocals of others.
pub(super) trait Rule: Copy {
    /// Replaces a vector of moments `m` and `v`; returns what [`parameters`](Rule::parameters) takes.
    fn moments<S: Simd>(&self, s: S, g: S::V, mv: [&mut [f32; LANES]; 2]) -> S::V;
    /// Replaces a vector of parameters, of which `m` is the first moment; returns the new ones.
    fn parameters<S: Simd>(&self, s: S, with: S::V, wm: [&mut [f32; LANES]; 2]) -> S::V;
}

/// Both stages of one vector.
#[inline(always)]
fn both<S: Simd>(s: S, rule: impl Rule, g: S::V, [w, m, v]: [&mut [f32; LANES]; 3]) -> S::V {
    let with = rule.moments(s, g, [&mut *m, v]);
    rule.parameters(s, with, [w, m])
}

/// Most vectors of a tile, on any ISA.
const MOST: usize = 24;

/// Parameters and moments on their way through a step.
struct Stages<'o, S: Simd, R> {
    rule: R,
    w: &'o mut [[f32; LANES]],
    m: &'o mut [[f32; LANES]],
    v: &'o mut [[f32; LANES]],
    /// Vectors that wait for the second stage, and what they wait with.
    waiting: Range<usize>,
    with: [Line; MOST],
    /// Zero as long as all new parameters are finite, NaN after one that is not.
    check: S::V,
}

impl<'o, S: Simd, R: Rule> Stages<'o, S, R> {
    fn new(s: S, rule: R, [w, m, v]: [&'o mut [[f32; LANES]]; 3]) -> Self {
        const {
            let [one, two, three, four] = S::TILE_ROWS;
            assert!(one <= MOST && 2 * two <= MOST && 3 * three <= MOST && 4 * four <= MOST);
        }
        let with = [Line::ZERO; MOST];
        Stages { rule, w, m, v, waiting: 0..0, with, check: s.splat(0.0) }
    }

    /// The vectors from `at` on, [`MOST`] at most, go through the first stage, given their gradients, and those that
    /// waited through the second. If both are as many and lie next to each other, one loop does both, a vector of each
    /// in turn: the divider takes a root while multiply-adds make a reciprocal.
    #[inline(always)]
    fn first(&mut self, s: S, g: &[[f32; LANES]], at: usize) {
        let (rule, waiting, now) = (self.rule, self.waiting.clone(), at..at + g.len());
        if waiting.len() != g.len() || waiting.end != at {
            self.second(s);
            let (m, v) = (&mut self.m[now.clone()], &mut self.v[now.clone()]);
            for (((m, v), g), Line(with)) in m.iter_mut().zip(v).zip(g).zip(&mut self.with) {
                s.store(rule.moments(s, s.load(g), [m, v]), with);
            }
        } else {
            let (old_m, m) = self.m[waiting.start..now.end].split_at_mut(g.len());
            let old = self.w[waiting].iter_mut().zip(old_m);
            let new = m.iter_mut().zip(&mut self.v[now.clone()]).zip(g);
            let mut check = self.check;
            for (((w, old_m), ((m, v), g)), Line(with)) in old.zip(new).zip(&mut self.with) {
                let new = rule.parameters(s, s.load(with), [w, old_m]);
                check = s.fma(new, s.splat(0.0), check);
                s.store(rule.moments(s, s.load(g), [m, v]), with);
            }
            self.check = check;
        }
        self.waiting = now;
    }

    /// Those that wait go through the second stage.
    #[inline(always)]
    fn second(&mut self, s: S) {
        let waiting = core::mem::take(&mut self.waiting);
        let (w, m) = (&mut self.w[waiting.clone()], &mut self.m[waiting]);
        for ((w, m), Line(with)) in w.iter_mut().zip(m).zip(&self.with) {
            let new = self.rule.parameters(s, s.load(with), [w, m]);
            self.check = s.fma(new, s.splat(0.0), self.check);
        }
    }

    /// The vectors from `at` on go through both, one after the other.
    #[inline(always)]
    fn both(&mut self, s: S, g: &[[f32; LANES]], at: usize) {
        let now = at..at + g.len();
        let (w, m, v) = (&mut self.w[now.clone()], &mut self.m[now.clone()], &mut self.v[now]);
        for (((g, w), m), v) in g.iter().zip(w).zip(m).zip(v) {
            let new = both(s, self.rule, s.load(g), [w, m, v]);
            self.check = s.fma(new, s.splat(0.0), self.check);
        }
    }

    /// Nothing waits any more. Returns whether all new parameters are finite.
    #[inline(always)]
    fn finish(mut self, s: S) -> bool {
        self.second(s);
        s.sum(self.check) == 0.0
    }
}

/// A step of whole vectors of parameters. Returns whether the new ones are finite.
#[inline(always)]
fn step_all<S: Simd>(
    s: S,
    rule: impl Rule,
    g: &[[f32; LANES]],
    wmv: [&mut [[f32; LANES]]; 3],
) -> bool {
    let mut stages = Stages::new(s, rule, wmv);
    // Without wide tiles, there are too few registers for both stages at once.
    if const { S::TILE_ROWS[3] == 0 } {
        stages.both(s, g, 0);
        return stages.finish(s);
    }
    for (i, g) in g.chunks(MOST).enumerate() {
        stages.first(s, g, i * MOST);
    }
    stages.finish(s)
}

/// A step over slices of any length.
#[inline(always)]
pub(super) fn step_slices<S: Simd>(s: S, rule: impl Rule, g: &[f32], wmv: [&mut [f32]; 3]) {
    let [w, m, v] = wmv;
    let n = g.len();
    let lengths = (w.len(), m.len(), v.len());
    assert_eq!(lengths, (n, n, n), "parameters and moments for {n} gradients");
    let (g, g_rest) = g.as_chunks();
    let ((w, w_rest), (m, m_rest), (v, v_rest)) =
        (w.as_chunks_mut(), m.as_chunks_mut(), v.as_chunks_mut());
    step_all(s, rule, g, [w, m, v]);
    let mut rest = [&*w_rest, m_rest, v_rest].map(|from| s.to_array(s.load_first(from)));
    both(s, rule, s.load_first(g_rest), rest.each_mut());
    for (from, to) in rest.iter().zip([w_rest, m_rest, v_rest]) {
        s.store_first(s.load(from), to);
    }
}

impl Owned {
    /// All of it, `w`, `m` and `v`, as vectors.
    fn vectors_mut(&mut self) -> [&mut [[f32; LANES]]; 3] {
        let Owned { w, m, v } = self;
        [w, m, v].map(|panel| Line::vectors_mut(panel.lines_mut()))
    }
}

/// Gradients end here: the optimiser takes them from the first-level cache, where a tile has just put them.
/// (To run it between the multiply-adds of the next tile gains nothing: docs/perf-notes.md.)
struct Update<'s, 'o, S: Simd, R> {
    stages: &'s mut Stages<'o, S, R>,
    /// Vectors in a row.
    vectors: usize,
    /// First row of the tiles to come.
    row0: usize,
}

impl<S: Simd, R: Rule> Ending<S> for Update<'_, '_, S, R> {
    #[inline(always)]
    fn finish<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
        acc: Acc<S::V, MR, NV>,
    ) {
        let mut gradients = [[[0.0; LANES]; NV]; MR];
        unroll!(R in 0..MR => unroll!(J in 0..NV => s.store(acc[R][J], &mut gradients[R][J])));
        let at = (self.row0 + i) * self.vectors + v;
        if NV == self.vectors {
            return self.stages.first(s, gradients.as_flattened(), at);
        }
        for (r, row) in gradients.iter().enumerate() {
            self.stages.both(s, row, at + r * self.vectors);
        }
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
/// ```
/// use kernels::{Blocks, Isa, Owned, Panel, SgdStep, dense_update};
/// let step = SgdStep { lr: 1.0, momentum: 0.0, nesterov: false, decay: 0.0 };
/// let (mut x, mut dz, mut owned) = (Panel::zeros(2, 1), Panel::zeros(2, 1), Owned::zeros(1, 1));
/// for (i, (input, gradient)) in [(1.0, 3.0), (2.0, 4.0)].into_iter().enumerate() {
///     x.set(i, 0, input);
///     dz.set(i, 0, gradient);
/// }
/// let (of_x, of_dz) = (|_: usize| x.view(), |_: usize| dz.view());
/// let (x, dz) = (Blocks::new(1, &of_x), Blocks::new(1, &of_dz));
/// assert!(dense_update(Isa::best(), x, dz, &mut owned, step));
/// assert_eq!(owned.w.get(0, 0), -(1.0 * 3.0 + 2.0 * 4.0));
/// ```
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
/// ```
/// use kernels::{Blocks, Isa, Owned, Panel, SgdStep, bias_update};
/// let step = SgdStep { lr: 1.0, momentum: 0.0, nesterov: false, decay: 0.0 };
/// let (mut dz, mut bias) = (Panel::zeros(2, 1), Owned::zeros(1, 1));
/// dz.set(0, 0, 3.0);
/// dz.set(1, 0, 4.0);
/// let of_dz = |_: usize| dz.view();
/// bias_update(Isa::best(), Blocks::new(1, &of_dz), &mut bias, step);
/// assert_eq!(bias.w.get(0, 0), -7.0);
/// ```
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

/// Multiplies gradients by `scale`, and a step of the optimiser with them: after
/// [`dense_gradient`](crate::dense_gradient) or [`bias_gradient`](crate::bias_gradient), where a step needs
/// to know all gradients first.
///
/// Returns whether all new weights are finite.
///
/// ```
/// use kernels::{Isa, Owned, Panel, SgdStep, scaled_update};
/// let step = SgdStep { lr: 1.0, momentum: 0.0, nesterov: false, decay: 0.0 };
/// let (mut g, mut owned) = (Panel::zeros(1, 2), Owned::zeros(1, 2));
/// g.set(0, 1, 8.0);
/// assert!(scaled_update(Isa::best(), &mut g, 0.25, &mut owned, step));
/// assert_eq!(owned.w.get(0, 1), -2.0);
/// ```
///
/// # Panics
/// If `g` and `owned` have other shapes.
pub fn scaled_update(
    isa: Isa,
    g: &mut Panel,
    scale: f32,
    owned: &mut Owned,
    step: impl Into<Step>,
) -> bool {
    match step.into() {
        Step::Adam(step) => scaled_adam(isa, g, scale, owned, step),
        Step::AdamW(step) => scaled_adamw(isa, g, scale, owned, step),
        Step::Sgd(step) => scaled_sgd(isa, g, scale, owned, step),
    }
}

/// One kernel for each optimiser, so that none carries what another needs.
macro_rules! updates {
    ($($dense:ident, $bias:ident, $scaled:ident: $rule:ty;)*) => {$(
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
        kernel! {
            fn $scaled<'f>(
                s, g: &'f mut Panel, scale: f32, owned: &'f mut Owned, step: $rule,
            ) -> bool {
                scaled(s, g, scale, owned, step)
            }
        }
    )*};
}

updates! {
    dense_adam, bias_adam, scaled_adam: AdamStep;
    dense_adamw, bias_adamw, scaled_adamw: AdamWStep;
    dense_sgd, bias_sgd, scaled_sgd: SgdStep;
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
    let mut stages = Stages::new(s, rule, owned.vectors_mut());
    let mut ending = Update { stages: &mut stages, vectors, row0: 0 };
    let mut p = 0;
    while ending.row0 < rows {
        let inputs = x.get(p * blocks).cols();
        assert!(inputs > 0, "panel {p} of the inputs has no columns");
        let pair = |b| (x.get(p * blocks + b).a_transposed(), dz.get(b).b());
        ending = product(s, inputs, vectors, Pairs::new(blocks, pair).list(), ending);
        ending.row0 += inputs;
        p += 1;
    }
    stages.finish(s)
}

#[inline(always)]
fn biases<S: Simd>(s: S, dz: Blocks<'_, '_>, owned: &mut Owned, rule: impl Rule) {
    let mut stages = Stages::new(s, rule, owned.vectors_mut());
    for v in 0..stages.w.len() {
        let mut g = s.splat(0.0);
        for b in 0..dz.count() {
            let block = dz.get(b);
            for i in 0..block.rows() {
                g = s.add(g, s.load(block.vector(i, v)));
            }
        }
        stages.first(s, &[s.to_array(g)], v);
    }
    stages.finish(s);
}

#[inline(always)]
fn scaled<S: Simd>(s: S, g: &mut Panel, scale: f32, owned: &mut Owned, rule: impl Rule) -> bool {
    assert_eq!((g.rows(), g.cols()), (owned.w.rows(), owned.w.cols()), "shape of the gradient");
    for Line(g) in g.lines_mut() {
        s.store(s.mul(s.load(g), s.splat(scale)), g);
    }
    step_all(s, rule, Line::vectors(g.lines()), owned.vectors_mut())
}
