//! A dense layer on panels: forward, the gradient of its input, and the gradient of its weights with Adam
//! applied to it before it reaches memory.
//!
//! With X of shape \[batch, in\], W \[in, out\], b \[out\], H \[batch, out\]:
//!
//! ```text
//! H  = act(X W + b)           each element: 0, then + x_k w_k in order of k, then + b
//! dX = dZ Wᵀ                  0, then in order of the outputs
//! dW = Xᵀ dZ,  db = Σ dZ      0, then in order of the rows of the batch
//! ```
//! Batches come as blocks of rows, matrices as panels of columns; the operand lists ([`Blocks`]) say
//! which block comes next in a chain, so blocking never changes a bit.

use super::adam::{AdamStep, adam};
use super::relu::relu;
use crate::isa::{LANES, Line, Rows, Simd, Strided, kernel};
use crate::panel::{Blocks, PANEL_COLS, Panel};
use crate::tile::{Ending, Pairs, product};

/// What follows the product and the bias in a forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing: logits.
    Linear,
    /// `max(0, x)`
    Relu,
}

/// Pairs of blocks, computed when the tile asks for them.
#[derive(Clone, Copy)]
struct Chain<F>(usize, F);

impl<'a, F: Fn(usize) -> (Strided<'a>, Rows<'a>) + Copy> Pairs<'a> for Chain<F> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.0
    }
    #[inline(always)]
    fn pair(&self, p: usize) -> (Strided<'a>, Rows<'a>) {
        (self.1)(p)
    }
}

/// Accumulators wait in the output between blocks of k; after the last come bias and activation.
struct Forward<'o> {
    out: &'o mut Panel,
    at: usize,
    first: bool,
    last: Option<(&'o [Line], Then)>,
}

impl<S: Simd> Ending<S> for Forward<'_> {
    #[inline(always)]
    fn start(&self, s: S, i: usize, v: usize) -> S::V {
        if self.first { s.splat(0.0) } else { s.load(&self.out.row(i)[self.at + v].0) }
    }
    #[inline(always)]
    fn finish(&mut self, s: S, i: usize, v: usize, acc: S::V) {
        let z = match self.last {
            None => acc,
            Some((bias, then)) => {
                // Adding zero makes a negative zero positive, which keeps "skipped" and "added a zero"
                // the same.
                let z = s.add(s.add(acc, s.load(&bias[v].0)), s.splat(0.0));
                if then == Then::Relu { relu(s, z) } else { z }
            }
        };
        s.store(z, &mut self.out.row_mut(i)[self.at + v].0);
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
    /// # Panics
    /// If the blocks do not fit together.
    pub fn dense_forward<'f, 'x, 'w>(
        s, x: Blocks<'f, 'x>, w: Blocks<'f, 'w>, bias: &'f [Line], then: Then, out: &'f mut Panel, at: usize,
    ) {
        let mut done = 0;
        for j in 0..w.count() {
            let w_part = w.get(j);
            let mut k = 0;
            while k < w_part.rows() {
                let block = x.get(done);
                let panel = w_part.rows_at(k, block.cols());
                k += block.cols();
                done += 1;
                let last = (done == x.count()).then_some((bias, then));
                let mut ending = Forward { out: &mut *out, at, first: done == 1, last };
                product(s, block.rows(), panel.b().vectors(), (block.a(), panel.b()), &mut ending);
            }
        }
        assert_eq!(done, x.count(), "blocks of inputs and of weights");
    }
}

/// Stores the chain.
struct Store<'o>(&'o mut Panel);

impl<S: Simd> Ending<S> for Store<'_> {
    #[inline(always)]
    fn start(&self, s: S, _: usize, _: usize) -> S::V {
        s.splat(0.0)
    }
    #[inline(always)]
    fn finish(&mut self, s: S, i: usize, v: usize, acc: S::V) {
        s.store(acc, &mut self.0.row_mut(i)[v].0);
    }
}

kernel! {
    /// `dX = (dZ Wᵀ) ∘ act'(h)` for one block of rows of the batch and up to 64 inputs of the layer.
    ///
    /// The batch lies in the lanes, so the weights are read as they are and only activations are
    /// transposed.
    ///
    /// - `w`: rows of the weights for these inputs, split along the outputs: `inputs × n_q`
    /// - `dz_t`: the gradient of the outputs, transposed, split likewise: `n_q × rows`
    /// - `h`: this layer's input, `rows × inputs`, and the activation it is the output of: after a ReLU,
    ///   the gradient stays where `h > 0` and is 0 elsewhere
    /// - `dx`: gets the result, `rows × inputs`; `dx_t` the same transposed, `inputs × rows`
    ///
    /// # Panics
    /// If the shapes do not fit together.
    pub fn dense_backward_input<'f, 'w, 'd>(
        s, w: Blocks<'f, 'w>, dz_t: Blocks<'f, 'd>, h: (&'f Panel, Then), dx: &'f mut Panel,
        dx_t: &'f mut Panel,
    ) {
        let (h, then) = h;
        assert_eq!((dx.rows(), dx.cols()), (h.rows(), h.cols()), "one gradient for each input");
        assert_eq!((dx_t.rows(), dx_t.cols()), (h.cols(), h.rows()), "and its transpose");
        assert_eq!(w.count(), dz_t.count(), "blocks of weights and of gradients");
        let (inputs, vectors) = (dx_t.rows(), dx_t.vectors());
        let chain = Chain(w.count(), |q| (w.get(q).a(), dz_t.get(q).b()));
        product(s, inputs, vectors, chain, &mut Store(&mut *dx_t));
        transpose_into(s, dx_t, dx);
        if then == Then::Relu {
            let zero = s.splat(0.0);
            for (Line(h), Line(d)) in h.lines().iter().zip(dx.lines_mut()) {
                s.store(s.select_gt(s.load(h), zero, s.load(d), zero), d);
            }
            transpose_into(s, dx, dx_t);
        }
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
    /// # Panics
    /// If `to` does not have `from`'s shape transposed.
    pub fn transpose<'a>(s, from: &'a Panel, to: &'a mut Panel) {
        assert_eq!((from.rows(), from.cols()), (to.cols(), to.rows()), "shape of a transpose");
        transpose_into(s, from, to);
    }
}

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
}

/// The gradient ends here: Adam on row `row0 + i`.
struct Update<'o> {
    owned: &'o mut Owned,
    row0: usize,
    step: AdamStep,
}

impl<S: Simd> Ending<S> for Update<'_> {
    #[inline(always)]
    fn start(&self, s: S, _: usize, _: usize) -> S::V {
        s.splat(0.0)
    }
    #[inline(always)]
    fn finish(&mut self, s: S, i: usize, v: usize, g: S::V) {
        let Owned { w, m, v: v2 } = &mut *self.owned;
        let (w, m, v2) = (
            &mut w.row_mut(self.row0 + i)[v].0,
            &mut m.row_mut(self.row0 + i)[v].0,
            &mut v2.row_mut(self.row0 + i)[v].0,
        );
        let (new_w, new_m, new_v) = adam(s, &self.step, g, (s.load(w), s.load(m), s.load(v2)));
        s.store(new_w, w);
        s.store(new_m, m);
        s.store(new_v, v2);
    }
}

kernel! {
    /// `dW = Xᵀ dZ`, and a step of Adam with it, for the rows and columns that `owned` holds.
    ///
    /// - `x`: inputs of those rows: blocks of the batch, for each panel of up to 64 inputs: block `b` of
    ///   panel `p` is number `p · blocks + b`, a view of `batch_b × 64`
    /// - `dz`: gradients of those columns, the blocks of the batch: `batch_b × cols`
    ///
    /// # Panics
    /// If the shapes do not fit together.
    pub fn dense_update<'f, 'x, 'd>(
        s, x: Blocks<'f, 'x>, dz: Blocks<'f, 'd>, owned: &'f mut Owned, step: AdamStep,
    ) {
        let (rows, vectors, blocks) = (owned.w.rows(), owned.w.vectors(), dz.count());
        for (p, row0) in (0..rows).step_by(PANEL_COLS).enumerate() {
            let inputs = PANEL_COLS.min(rows - row0);
            let chain =
                Chain(blocks, |b| (x.get(p * blocks + b).a_transposed(), dz.get(b).b()));
            let mut ending = Update { owned: &mut *owned, row0, step };
            product(s, inputs, vectors, chain, &mut ending);
        }
    }
}

kernel! {
    /// `db = Σ dZ` over the batch, and a step of Adam with it.
    ///
    /// # Panics
    /// If the columns differ.
    pub fn bias_update<'f, 'd>(s, dz: Blocks<'f, 'd>, owned: &'f mut Owned, step: AdamStep) {
        for v in 0..owned.w.vectors() {
            let mut g = s.splat(0.0);
            for b in 0..dz.count() {
                let block = dz.get(b);
                for i in 0..block.rows() {
                    g = s.add(g, s.load(block.vector(i, v)));
                }
            }
            Update { owned: &mut *owned, row0: 0, step }.finish(s, 0, v, g);
        }
    }
}
