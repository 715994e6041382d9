//! A dense layer on panels: forward, and the gradient of its input (`update.rs` has that of its weights).
//!
//! With X of shape \[batch, in\], W \[in, out\], b \[out\], H \[batch, out\]:
//!
//! ```text
//! H  = act(X W + b)           each element: 0, then + x_k w_k in order of k, then + b
//! dX = dZ Wᵀ                  0, then in order of the outputs
//! ```
//! Batches come as blocks of rows, matrices as panels of columns; the operand lists ([`Blocks`]) say
//! which block comes next in a chain, so blocking never changes a bit.

use super::relu::relu;
use super::softmax::{TINY_GRADIENT, keep};
use crate::isa::{LANES, Line, Rows, Simd, Strided, kernel};
use crate::panel::{Blocks, PANEL_COLS, Panel, View};
use crate::tile::{Acc, Ending, Pair, product, unroll};

/// What follows the product and the bias in a forward pass.
///
/// ```
/// use kernels::{Isa, Then, twin::Twin};
/// let twin = Twin::of(Isa::best());
/// let layer = |then| twin.dense_forward((1, 1, 2), &[1.0], &[2.0, -2.0], &[0.5, 0.5], then);
/// assert_eq!(layer(Then::Linear), [2.5, -1.5]);
/// assert_eq!(layer(Then::Relu), [2.5, 0.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing: logits.
    Linear,
    /// `max(0, x)`
    Relu,
}

/// What a gradient passes on its way down through the function behind a layer, from its outputs to its sums.
/// `T` is [`Line`] for rows of a [`Panel`], or `f32` in the twins.
///
/// ```
/// use kernels::{Gate, Isa, twin::Twin};
/// let twin = Twin::of(Isa::best());
/// // One gradient of an output, through weights of 2 and 3, to two inputs.
/// let down = |gate| twin.dense_backward_input((1, 2, 1), &[2.0, 3.0], &[1.0], gate);
/// assert_eq!(down(Gate::Open), [2.0, 3.0]);
/// assert_eq!(down(Gate::Relu(&[0.0, 7.0])), [0.0, 3.0]);
/// assert_eq!(down(Gate::Slopes(&[0.5, 1.0])), [1.0, 3.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Gate<'a, T = Line> {
    /// A linear layer's: it stays as it is.
    Open,
    /// A ReLU's, given its outputs: it stays where they are above 0 and is 0 elsewhere.
    Relu(&'a [T]),
    /// Of any function, given its slopes: it is multiplied by them.
    Slopes(&'a [T]),
}

/// Most blocks that the rows of a batch may come in.
///
/// ```
/// // Batches that a layer is trained on in panels of 32 rows.
/// assert!(512 / 32 <= kernels::MOST_BLOCKS);
/// ```
pub const MOST_BLOCKS: usize = 16;

/// Up to sixteen pairs of operands.
pub(super) struct Pairs<'a> {
    list: [Pair<'a>; MOST_BLOCKS],
    count: usize,
}

impl<'a> Pairs<'a> {
    #[inline(always)]
    pub(super) fn new(count: usize, make: impl Fn(usize) -> Pair<'a>) -> Self {
        assert!(count <= MOST_BLOCKS, "{count} blocks; {MOST_BLOCKS} are possible");
        let mut list = [(Strided::NONE, Rows::NONE); MOST_BLOCKS];
        for (p, pair) in list.iter_mut().enumerate().take(count) {
            *pair = make(p);
        }
        Pairs { list, count }
    }

    #[inline(always)]
    pub(super) fn list(&self) -> &[Pair<'a>] {
        &self.list[..self.count]
    }
}

/// Accumulators wait in the panel between blocks of k; after the last may come bias and activation.
struct IntoPanel<'o> {
    out: &'o mut Panel,
    at: usize,
    first: bool,
    last: Option<(&'o [Line], Then)>,
}

impl<S: Simd> Ending<S> for IntoPanel<'_> {
    #[inline(always)]
    fn start<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
    ) -> Acc<S::V, MR, NV> {
        let mut acc = [[s.splat(0.0); NV]; MR];
        if !self.first {
            let (at, vectors) = (self.at + v, self.out.vectors());
            let rows = &self.out.lines()[i * vectors..][..MR * vectors];
            let mut rows = rows.chunks_exact(vectors);
            unroll!(R in 0..MR => if let Some(row) = rows.next() {
                let row = &row[at..at + NV];
                unroll!(J in 0..NV => acc[R][J] = s.load(&row[J].0));
            });
        }
        acc
    }
    #[inline(always)]
    fn finish<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
        mut acc: Acc<S::V, MR, NV>,
    ) {
        if let Some((bias, then)) = self.last {
            let bias = &bias[v..][..NV];
            unroll!(J in 0..NV => {
                let b = s.load(&bias[J].0);
                // Adding zero makes a negative zero positive, which keeps "skipped" and "added a
                // zero" the same.
                unroll!(R in 0..MR => acc[R][J] = s.add(s.add(acc[R][J], b), s.splat(0.0)));
                if then == Then::Relu {
                    unroll!(R in 0..MR => acc[R][J] = relu(s, acc[R][J]));
                }
            });
        }
        let (at, vectors) = (self.at + v, self.out.vectors());
        let rows = &mut self.out.lines_mut()[i * vectors..][..MR * vectors];
        let mut rows = rows.chunks_exact_mut(vectors);
        unroll!(R in 0..MR => if let Some(row) = rows.next() {
            let row = &mut row[at..at + NV];
            unroll!(J in 0..NV => s.store(acc[R][J], &mut row[J].0));
        });
    }
}

kernel! {
    /// `out = act(X W + b)` for the rows of one block of the batch and one panel of the weights.
    ///
    /// - `x`: the block's rows, split along k: views of `rows × k_i`
    /// - `w`: the panel, split along k at the same places or coarser: `K_j × cols`
    /// - `bias`: one line for each vector of the panel
    /// - `out`: gets the result in its vectors from `at` on
    ///
    /// ```
    /// use kernels::{Blocks, Isa, Line, Panel, Then, dense_forward};
    /// let (mut x, mut w) = (Panel::zeros(1, 2), Panel::zeros(2, 1));
    /// x.set(0, 0, 1.0);
    /// x.set(0, 1, 2.0);
    /// w.set(0, 0, 3.0);
    /// w.set(1, 0, 4.0);
    /// let (of_x, of_w) = (|_: usize| x.view(), |_: usize| w.view());
    /// let (x, w) = (Blocks::new(1, &of_x), Blocks::new(1, &of_w));
    /// let mut out = Panel::zeros(1, 1);
    /// dense_forward(Isa::best(), x, w, &[Line([0.5; 16])], Then::Relu, &mut out, 0);
    /// assert_eq!(out.get(0, 0), 1.0 * 3.0 + 2.0 * 4.0 + 0.5);
    /// ```
    ///
    /// # Panics
    /// If there is no block, or the blocks do not fit together.
    pub fn dense_forward<'f, 'x, 'w>(
        s, x: Blocks<'f, 'x>, w: Blocks<'f, 'w>, bias: &'f [Line], then: Then, out: &'f mut Panel, at: usize,
    ) {
        let mut done = 0;
        assert!(x.count() > 0, "a layer without inputs");
        for j in 0..w.count() {
            let w_part = w.get(j);
            let mut k = 0;
            while k < w_part.rows() {
                let block = x.get(done);
                assert!(block.cols() > 0, "block {done} of the inputs has no columns");
                let panel = w_part.rows_at(k, block.cols());
                k += block.cols();
                done += 1;
                let last = (done == x.count()).then_some((bias, then));
                let ending = IntoPanel { out: &mut *out, at, first: done == 1, last };
                product(s, block.rows(), panel.b().vectors(), &[(block.a(), panel.b())], ending);
            }
        }
        assert_eq!(done, x.count(), "blocks of inputs and of weights");
    }
}

kernel! {
    /// `dX = flush(dZ Wᵀ ∘ f')` for one block of rows of the batch and up to 64 inputs of the layer.
    ///
    /// The batch lies in the lanes, so the weights are read as they are and only gradients are transposed; of up to
    /// sixteen outputs it is the other way round.
    ///
    /// - `w`: rows of the weights for these inputs, split along the outputs: `inputs × n_q`
    /// - `dz_t`: the gradient of the outputs, transposed, split likewise: `n_q × rows`
    /// - `gate`: of the function that this layer's inputs are the outputs of, `rows × inputs`
    /// - `dx`: gets the result, `rows × inputs`
    /// - `room`: for as many numbers on their way, `inputs × rows`; what is in it afterwards has no meaning
    ///
    /// Returns whether all of it is finite.
    ///
    /// ```
    /// use kernels::{Blocks, Gate, Isa, Panel, dense_backward_input};
    /// let (mut w, mut dz_t) = (Panel::zeros(2, 1), Panel::zeros(1, 1));
    /// w.set(0, 0, 2.0);
    /// w.set(1, 0, 3.0);
    /// dz_t.set(0, 0, 5.0);
    /// let (of_w, of_dz) = (|_: usize| w.view(), |_: usize| dz_t.view());
    /// let (w, dz_t) = (Blocks::new(1, &of_w), Blocks::new(1, &of_dz));
    /// let (mut dx, mut room) = (Panel::zeros(1, 2), Panel::zeros(2, 1));
    /// assert!(dense_backward_input(Isa::best(), w, dz_t, Gate::Open, &mut dx, &mut room));
    /// assert_eq!((dx.get(0, 0), dx.get(0, 1)), (10.0, 15.0));
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit together.
    pub fn dense_backward_input<'f, 'w, 'd>(
        s, w: Blocks<'f, 'w>, dz_t: Blocks<'f, 'd>, gate: Gate<'f>, dx: &'f mut Panel,
        room: &'f mut Panel,
    ) -> bool {
        if let Gate::Relu(lines) | Gate::Slopes(lines) = gate {
            assert_eq!(lines.len(), dx.lines().len(), "one gradient for each input");
        }
        assert_eq!((room.rows(), room.cols()), (dx.cols(), dx.rows()), "room for as many");
        assert_eq!(w.count(), dz_t.count(), "blocks of weights and of gradients");
        if w.count() == 1 && dz_t.get(0).rows() <= LANES {
            few_outputs(s, w.get(0), dz_t.get(0), gate, dx)
        } else {
            many_outputs(s, w, dz_t, gate, dx, room)
        }
    }
}

/// Vector `i` of the gradient of the inputs through its gates.
#[inline(always)]
fn gated<S: Simd>(s: S, dh: S::V, gate: Gate<'_>, i: usize) -> S::V {
    let zero = s.splat(0.0);
    match gate {
        Gate::Open => s.flush(dh, TINY_GRADIENT),
        Gate::Relu(h) => s.select_gt(s.load(&h[i].0), zero, s.flush(dh, TINY_GRADIENT), zero),
        Gate::Slopes(slopes) => s.flush(s.mul(dh, s.load(&slopes[i].0)), TINY_GRADIENT),
    }
}

/// The batch in the lanes, and then transposed.
#[inline(always)]
fn many_outputs<S: Simd>(
    s: S,
    w: Blocks<'_, '_>,
    dz_t: Blocks<'_, '_>,
    gate: Gate<'_>,
    dx: &mut Panel,
    room: &mut Panel,
) -> bool {
    let (inputs, vectors) = (room.rows(), room.vectors());
    for from in (0..w.count()).step_by(MOST_BLOCKS) {
        let count = MOST_BLOCKS.min(w.count() - from);
        let pairs = Pairs::new(count, |q| (w.get(from + q).a(), dz_t.get(from + q).b()));
        let ending = IntoPanel { out: &mut *room, at: 0, first: from == 0, last: None };
        product(s, inputs, vectors, pairs.list(), ending);
    }
    transpose_into(s, room, dx);
    // Stays zero unless something is not finite.
    let mut check = s.splat(0.0);
    for (i, Line(d)) in dx.lines_mut().iter_mut().enumerate() {
        let dh = gated(s, s.load(d), gate, i);
        s.store(dh, d);
        check = s.fma(dh, s.splat(0.0), check);
    }
    s.sum(check) == 0.0
}

/// Of a vector of outputs: weights are transposed, which are fewer than gradients, and the inputs are in the lanes.
#[inline(always)]
fn few_outputs<S: Simd>(s: S, w: View<'_>, dz_t: View<'_>, gate: Gate<'_>, dx: &mut Panel) -> bool {
    let (outputs, vectors) = (dz_t.rows(), dx.vectors());
    assert_eq!((w.rows(), w.cols()), (dx.cols(), outputs), "weights between them");
    let mut w_t = [[Line::ZERO; PANEL_COLS / LANES]; LANES];
    for v in 0..vectors {
        let mut block = [s.splat(0.0); LANES];
        for (r, row) in block.iter_mut().enumerate().take(w.rows() - v * LANES) {
            *row = s.load(w.vector(v * LANES + r, 0));
        }
        s.transpose(&mut block);
        for (column, to) in block.iter().zip(&mut w_t).take(outputs) {
            s.store(*column, &mut to[v].0);
        }
    }
    let w_t = Rows::new(Line::flat(w_t.as_flattened()), PANEL_COLS, (outputs, vectors));
    let rows = dx.rows();
    let ending = Gated { dx, gate, check: s.splat(0.0) };
    let ending = product(s, rows, vectors, &[(dz_t.a_transposed(), w_t)], ending);
    s.sum(ending.check) == 0.0
}

/// Gradients of inputs go through their gates and into a panel.
struct Gated<'o, V> {
    dx: &'o mut Panel,
    gate: Gate<'o>,
    check: V,
}

impl<S: Simd> Ending<S> for Gated<'_, S::V> {
    #[inline(always)]
    fn finish<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
        acc: Acc<S::V, MR, NV>,
    ) {
        let (cols, vectors) = (self.dx.cols(), self.dx.vectors());
        let mut check = [s.splat(0.0); NV];
        unroll!(R in 0..MR => {
            let at = (i + R) * vectors + v;
            let row = &mut self.dx.lines_mut()[at..at + NV];
            unroll!(J in 0..NV => {
                // Padding stays zero beside gradients that are not finite, too.
                let dh = keep(s, cols - (v + J) * LANES, acc[R][J], 0.0);
                let dh = gated(s, dh, self.gate, at + J);
                check[J] = s.fma(dh, s.splat(0.0), check[J]);
                s.store(dh, &mut row[J].0);
            });
        });
        unroll!(J in 0..NV => self.check = s.add(self.check, check[J]));
    }
}

/// `to = fromᵀ`, sixteen by sixteen; padding comes out zero.
#[inline(always)]
fn transpose_into<S: Simd>(s: S, from: &Panel, to: &mut Panel) {
    for i in (0..from.rows()).step_by(LANES) {
        for v in 0..from.vectors() {
            let mut block = [s.splat(0.0); LANES];
            for (r, row) in block.iter_mut().enumerate().take(from.rows() - i) {
                *row = s.load(&from.row(i + r)[v].0);
            }
            s.transpose(&mut block);
            for (c, column) in block.iter().enumerate().take(to.rows().saturating_sub(v * LANES)) {
                s.store(*column, &mut to.row_mut(v * LANES + c)[i / LANES].0);
            }
        }
    }
}

kernel! {
    /// `to = fromᵀ`.
    ///
    /// ```
    /// use kernels::{Isa, Panel, transpose};
    /// let (mut from, mut to) = (Panel::zeros(2, 3), Panel::zeros(3, 2));
    /// from.set(1, 2, 7.0);
    /// transpose(Isa::best(), &from, &mut to);
    /// assert_eq!(to.get(2, 1), 7.0);
    /// ```
    ///
    /// # Panics
    /// If `to` does not have `from`'s shape transposed.
    pub fn transpose<'a>(s, from: &'a Panel, to: &'a mut Panel) {
        assert_eq!((from.rows(), from.cols()), (to.cols(), to.rows()), "shape of a transpose");
        transpose_into(s, from, to);
    }
}
