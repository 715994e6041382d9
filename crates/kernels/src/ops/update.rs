//! The gradient of a dense layer's weights, with the optimiser applied to it before it reaches memory.
//!
//! ```text
//! dW = Xᵀ dZ,  db = Σ dZ      each element: 0, then in order of the rows of the batch
//! ```

use super::adam::{AdamStep, AdamWStep};
use super::sgd::SgdStep;
use super::stages::{MOST, Rule, Stages, step_all};
use super::stretch::Pairs;
use crate::isa::{Beside, Caches, Isa, LANES, Line, Simd, kernel, prefetch_line, prefetch_own};
use crate::panel::{Blocks, PANEL_COLS, Panel, View};
use crate::tile::{Acc, Ending, between_asks, product, unroll};

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

impl Owned {
    /// All of it, `w`, `m` and `v`.
    ///
    /// # Panics
    /// If they are not of one shape.
    pub(super) fn lines_mut(&mut self) -> [&mut [Line]; 3] {
        let Owned { w, m, v } = self;
        let shape = |panel: &Panel| (panel.rows(), panel.cols());
        assert!(shape(m) == shape(w) && shape(v) == shape(w), "shapes of parameters and moments");
        [w, m, v].map(Panel::lines_mut)
    }

    /// The same as vectors.
    pub(super) fn vectors_mut(&mut self) -> [&mut [[f32; LANES]]; 3] {
        self.lines_mut().map(Line::vectors_mut)
    }
}

/// Gradients end here: the optimiser takes them from the first-level cache, where a tile has just put them, `BESIDE` the
/// multiply-adds of the next tile or before them. If parameters and moments are `FAR`, those of the next tile are asked for
/// while one is multiplied.
struct Update<'s, 'o, S: Simd, R, const FAR: bool, const BESIDE: bool> {
    stages: &'s mut Stages<'o, S, R>,
    /// How often to ask while a tile goes through a block; for what next, and how many of each are left.
    asks: usize,
    soon: [*const [f32; LANES]; 3],
    left: usize,
    /// Vectors in a row.
    vectors: usize,
    /// First row of the tiles to come.
    row0: usize,
    /// Gradients of the last tile.
    gradients: &'s mut [Line; MOST],
}

impl<S: Simd, R: Rule, const FAR: bool, const BESIDE: bool> Ending<S>
    for Update<'_, '_, S, R, FAR, BESIDE>
{
    const ASKS: bool = FAR;
    const BUSY: bool = BESIDE;
    #[inline(always)]
    fn between(&self, steps: usize) -> usize {
        between_asks(steps, self.asks)
    }
    #[inline(always)]
    fn ask(&mut self, _: S) {
        if self.left > 0 {
            let [w, m, v] = self.soon;
            // Others may have read the weights since they were written, but nobody the moments.
            prefetch_own(w.cast());
            prefetch_line::<true>(m.cast());
            prefetch_line::<true>(v.cast());
            self.soon = [w, m, v].map(|at| at.wrapping_add(1));
            self.left -= 1;
        }
    }
    #[inline(always)]
    fn beside(&mut self, s: S) -> impl Beside {
        self.stages.beside(s, self.gradients)
    }
    #[inline(always)]
    fn start<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
    ) -> Acc<S::V, MR, NV> {
        if FAR {
            let Stages { w, m, v: second, .. } = &*self.stages;
            let next = (self.row0 + i) * self.vectors + v + MR * NV;
            self.left = w.len().saturating_sub(next).min(MR * NV);
            self.soon = [&**w, m, second].map(|all| all.as_ptr().wrapping_add(next));
        }
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
        if const { BESIDE } {
            self.stages.beside(s, self.gradients).finish();
            unroll!(R in 0..MR => unroll!(J in 0..NV => s.store(acc[R][J], &mut self.gradients[R * NV + J].0)));
            return self.stages.wait(s, Line::vectors(&self.gradients[..MR * NV]));
        }
        // Lines: vectors that crossed from one to the next would be written and read twice.
        let mut gradients = [[Line::ZERO; NV]; MR];
        unroll!(R in 0..MR => unroll!(J in 0..NV => s.store(acc[R][J], &mut gradients[R][J].0)));
        let at = (self.row0 + i) * self.vectors + v;
        if NV == self.vectors {
            return self.stages.next(s, Line::vectors(gradients.as_flattened()));
        }
        for (r, row) in gradients.iter().enumerate() {
            self.stages.at_once(s, Line::vectors(row), at + r * self.vectors);
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
    update(isa, x, dz, owned, step.into(), false)
}

/// [`dense_update`] of parameters and moments that are not in a cache of this core: they are asked for a tile ahead. With the
/// same result; where they are near, asking takes time (3 % at 784×128 and 128 rows).
///
/// ```
/// use kernels::{Blocks, Isa, Owned, Panel, SgdStep, dense_update_far};
/// let step = SgdStep { lr: 1.0, momentum: 0.0, nesterov: false, decay: 0.0 };
/// let (mut x, mut dz, mut owned) = (Panel::zeros(1, 1), Panel::zeros(1, 1), Owned::zeros(1, 1));
/// x.set(0, 0, 2.0);
/// dz.set(0, 0, 3.0);
/// let (of_x, of_dz) = (|_: usize| x.view(), |_: usize| dz.view());
/// let (x, dz) = (Blocks::new(1, &of_x), Blocks::new(1, &of_dz));
/// assert!(dense_update_far(Isa::best(), x, dz, &mut owned, step));
/// assert_eq!(owned.w.get(0, 0), -6.0);
/// ```
///
/// # Panics
/// As [`dense_update`].
pub fn dense_update_far(
    isa: Isa,
    x: Blocks<'_, '_>,
    dz: Blocks<'_, '_>,
    owned: &mut Owned,
    step: impl Into<Step>,
) -> bool {
    update(isa, x, dz, owned, step.into(), true)
}

fn update(
    isa: Isa,
    x: Blocks<'_, '_>,
    dz: Blocks<'_, '_>,
    owned: &mut Owned,
    step: Step,
    far: bool,
) -> bool {
    match step {
        Step::Adam(step) => dense_adam(isa, x, dz, owned, step, far),
        Step::AdamW(step) => dense_adamw(isa, x, dz, owned, step, far),
        Step::Sgd(step) => dense_sgd(isa, x, dz, owned, step, far),
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
                s, x: Blocks<'f, 'x>, dz: Blocks<'f, 'd>, owned: &'f mut Owned, step: $rule, far: bool,
            ) -> bool {
                if far {
                    weights::<_, true, false>(s, x, dz, owned, step)
                } else if const { has_room::<S, $rule>() } && pays_beside(x, dz) {
                    weights::<_, false, true>(s, x, dz, owned, step)
                } else {
                    weights::<_, false, false>(s, x, dz, owned, step)
                }
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

/// Columns of the inputs' block with this number, the first of a panel.
///
/// # Panics
/// If there is no such block, or it has none.
#[inline(always)]
pub(super) fn inputs(x: Blocks<'_, '_>, first: usize) -> usize {
    assert!(first < x.count(), "{} blocks of inputs: too few", x.count());
    let cols = x.get(first).cols();
    assert!(cols > 0, "block {first} of the inputs has no columns");
    cols
}

/// A block of gradients, which has as many columns as the parameters.
#[inline(always)]
pub(super) fn of_columns(block: View<'_>, cols: usize) -> View<'_> {
    assert_eq!(block.cols(), cols, "columns of gradients and of parameters");
    block.assert_padded();
    block
}

/// Whether an optimiser has stages, and registers for them beside a tile of four rows and four vectors.
const fn has_room<S: Simd, R: Rule>() -> bool {
    R::ROOTS && S::TILE_ROWS[3] >= 4
}

/// Whether the optimiser goes on beside multiply-adds: on AMD's cores its divider works all the while.
/// With fewer rows than a tile has vectors there are too few steps of k for it, and of many it is a small part; where zeros are
/// skipped low tiles do the same.
fn pays_beside(x: Blocks<'_, '_>, dz: Blocks<'_, '_>) -> bool {
    if !Caches::here().amd || x.count() < dz.count() {
        return false;
    }
    let mut depth = 0;
    for b in 0..dz.count() {
        let block = dz.get(b);
        if block.cols() <= PANEL_COLS - LANES || !x.get(b).a_transposed().lit().is_unknown() {
            return false;
        }
        depth += block.rows();
    }
    (16..=96).contains(&depth)
}

#[inline(always)]
fn weights<S: Simd, const FAR: bool, const BESIDE: bool>(
    s: S,
    x: Blocks<'_, '_>,
    dz: Blocks<'_, '_>,
    owned: &mut Owned,
    rule: impl Rule,
) -> bool {
    let (rows, cols, vectors) = (owned.w.rows(), owned.w.cols(), owned.w.vectors());
    let blocks = dz.count();
    assert!(cols <= PANEL_COLS, "{cols} columns in a panel");
    let count = x.count();
    assert!(count.is_multiple_of(blocks.max(1)), "{count} blocks of inputs, in panels of {blocks}");
    let all = (0..count).step_by(blocks.max(1)).map(|p| inputs(x, p)).sum::<usize>();
    assert!(all == rows, "{all} inputs and {rows} rows of parameters");
    let (asks, soon) = (MOST.div_ceil(blocks.max(1)), [core::ptr::null(); 3]);
    let (stages, gradients) =
        (&mut Stages::new(s, rule, owned.vectors_mut()), &mut [Line::ZERO; MOST]);
    let mut ending =
        Update::<_, _, FAR, BESIDE> { stages, asks, soon, left: 0, vectors, row0: 0, gradients };
    let mut p = 0;
    while ending.row0 < rows {
        let inputs = inputs(x, p * blocks);
        let pair = |b| (x.get(p * blocks + b).a_transposed(), of_columns(dz.get(b), cols).b());
        ending = product(s, inputs, vectors, Pairs::new(blocks, pair).list(), ending);
        ending.row0 += inputs;
        p += 1;
    }
    let Update { stages, gradients, .. } = ending;
    stages.beside(s, gradients).finish();
    stages.finish(s)
}

#[inline(always)]
fn biases<S: Simd>(s: S, dz: Blocks<'_, '_>, owned: &mut Owned, rule: impl Rule) {
    let cols = owned.w.cols();
    let mut stages = Stages::new(s, rule, owned.vectors_mut());
    for v in 0..stages.w.len() {
        let mut g = s.splat(0.0);
        for b in 0..dz.count() {
            let block = of_columns(dz.get(b), cols);
            for i in 0..block.rows() {
                g = s.add(g, s.load(block.vector(i, v)));
            }
        }
        stages.next(s, &[s.to_array(g)]);
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
