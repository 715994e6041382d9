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

use super::adam::{self, AdamStep};
use super::relu::relu;
use super::softmax::TINY_GRADIENT;
use crate::isa::{LANES, Line, Rows, Simd, Strided, kernel};
use crate::panel::{Blocks, Panel};
use crate::tile::{Acc, Ending, Pair, product, unroll};

/// What follows the product and the bias in a forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing: logits.
    Linear,
    /// `max(0, x)`
    Relu,
}

/// Most blocks that the rows of a batch may come in.
pub const MOST_BLOCKS: usize = 16;

/// Up to sixteen pairs of operands.
struct Pairs<'a> {
    list: [Pair<'a>; MOST_BLOCKS],
    count: usize,
}

impl<'a> Pairs<'a> {
    #[inline(always)]
    fn new(count: usize, make: impl Fn(usize) -> Pair<'a>) -> Self {
        assert!(count <= MOST_BLOCKS, "{count} blocks; {MOST_BLOCKS} are possible");
        let mut list = [(Strided::NONE, Rows::NONE); MOST_BLOCKS];
        for (p, pair) in list.iter_mut().enumerate().take(count) {
            *pair = make(p);
        }
        Pairs { list, count }
    }

    #[inline(always)]
    fn list(&self) -> &[Pair<'a>] {
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
        &self,
        s: S,
        i: usize,
        v: usize,
    ) -> Acc<S::V, MR, NV> {
        let mut acc = [[s.splat(0.0); NV]; MR];
        if !self.first {
            unroll!(R in 0..MR => {
                let row = &self.out.row(i + R)[self.at + v..][..NV];
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
        unroll!(R in 0..MR => {
            let row = &mut self.out.row_mut(i + R)[self.at + v..][..NV];
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
                let mut ending = IntoPanel { out: &mut *out, at, first: done == 1, last };
                product(s, block.rows(), panel.b().vectors(), &[(block.a(), panel.b())], &mut ending);
            }
        }
        assert_eq!(done, x.count(), "blocks of inputs and of weights");
    }
}

kernel! {
    /// `dX = flush(dZ Wᵀ) ∘ act'(h)` for one block of rows of the batch and up to 64 inputs of the layer.
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
        for from in (0..w.count()).step_by(MOST_BLOCKS) {
            let count = MOST_BLOCKS.min(w.count() - from);
            let pairs = Pairs::new(count, |q| (w.get(from + q).a(), dz_t.get(from + q).b()));
            let mut ending = IntoPanel { out: &mut *dx_t, at: 0, first: from == 0, last: None };
            product(s, inputs, vectors, pairs.list(), &mut ending);
        }
        transpose_into(s, dx_t, dx);
        let zero = s.splat(0.0);
        for (Line(h), Line(d)) in h.lines().iter().zip(dx.lines_mut()) {
            let dh = s.flush(s.load(d), TINY_GRADIENT);
            let dh = if then == Then::Relu { s.select_gt(s.load(h), zero, dh, zero) } else { dh };
            s.store(dh, d);
        }
        transpose_into(s, dx, dx_t);
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

/// Most vectors of a tile, on any ISA.
const MOST: usize = 24;

/// Gradients end here. Those of a finished tile are parked, and Adam is run on them a vector at a time
/// between the multiply-adds of the next tile: its square root and division take longer than the
/// arithmetic of the tile, and hardly cost when they run beside it.
///
/// A vector passes through three beats: moments and square root, division, weights. So nothing is stored
/// long before it is known: a load whose address agrees with that of a waiting store in the last twelve
/// bits has to wait too, and among the rows of a batch there is always one.
struct Update<'o, S: Simd> {
    owned: &'o mut Owned,
    row0: usize,
    step: AdamStep,
    /// Not in here by value: it is indexed, and what stands beside an indexed array stays in memory.
    parked: &'o mut [Line; MOST],
    /// Parked vectors, and how many of them have begun.
    count: usize,
    begun: usize,
    /// Line of the next parked vector, the tile's vectors in a row, and how many of this row are left.
    line: usize,
    width: usize,
    left: usize,
    /// After the first beat: a line, its `m` and its `√v + ε`.
    rooted: Option<(usize, S::V, S::V)>,
    /// After the second: a line and its `m / (√v + ε)`.
    divided: Option<(usize, S::V)>,
}

impl<'o, S: Simd> Update<'o, S> {
    #[inline(always)]
    fn new(owned: &'o mut Owned, step: AdamStep, parked: &'o mut [Line; MOST]) -> Self {
        let (rooted, divided) = (None, None);
        let (count, begun, line, width, left) = (0, 0, 0, 0, 0);
        Update { owned, row0: 0, step, parked, count, begun, line, width, left, rooted, divided }
    }

    /// Third beat of one vector and second of the next.
    #[inline(always)]
    fn advance(&mut self, s: S) {
        if let Some((line, ratio)) = self.divided.take() {
            let w = &mut self.owned.w.lines_mut()[line].0;
            s.store(adam::weights(s, &self.step, ratio, s.load(w)), w);
        }
        if let Some((line, m, root)) = self.rooted.take() {
            self.divided = Some((line, s.div(m, root)));
        }
    }

    /// First beat of the vector at `line`, whose gradient is `g`.
    #[inline(always)]
    fn begin(&mut self, s: S, line: usize, g: S::V) {
        let m = &mut self.owned.m.lines_mut()[line].0;
        let v = &mut self.owned.v.lines_mut()[line].0;
        let (new_m, new_v) = adam::moments(s, &self.step, g, s.load(m), s.load(v));
        s.store(new_m, m);
        s.store(new_v, v);
        self.rooted = Some((line, new_m, adam::root(s, &self.step, new_v)));
    }

    /// Finishes everything.
    #[inline(always)]
    fn drain(&mut self, s: S) {
        while self.begun < self.count {
            self.beat(s);
        }
        self.advance(s);
        self.advance(s);
    }
}

impl<S: Simd> Ending<S> for Update<'_, S> {
    #[inline(always)]
    fn pending(&self) -> usize {
        self.count - self.begun
    }
    #[inline(always)]
    fn beat(&mut self, s: S) {
        if self.begun < self.count {
            self.advance(s);
            self.begin(s, self.line, s.load(&self.parked[self.begun].0));
            self.begun += 1;
            self.line += 1;
            self.left -= 1;
            if self.left == 0 {
                self.left = self.width;
                self.line += self.owned.w.vectors() - self.width;
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
        while self.begun < self.count {
            self.beat(s);
        }
        unroll!(R in 0..MR => {
            unroll!(J in 0..NV => s.store(acc[R][J], &mut self.parked[R * NV + J].0));
        });
        (self.count, self.begun) = (MR * NV, 0);
        self.line = (self.row0 + i) * self.owned.w.vectors() + v;
        (self.width, self.left) = (NV, NV);
    }
}

kernel! {
    /// `dW = Xᵀ dZ`, and a step of Adam with it, for the rows and columns that `owned` holds.
    ///
    /// - `x`: inputs of those rows, in panels: block `b` of panel `p` is number `p · blocks + b`, a view of
    ///   `batch_b × inputs_p`
    /// - `dz`: gradients of those columns, the blocks of the batch: `batch_b × cols`
    ///
    /// # Panics
    /// If the shapes do not fit together, or there are more than [`MOST_BLOCKS`] blocks.
    pub fn dense_update<'f, 'x, 'd>(
        s, x: Blocks<'f, 'x>, dz: Blocks<'f, 'd>, owned: &'f mut Owned, step: AdamStep,
    ) {
        let (rows, vectors, blocks) = (owned.w.rows(), owned.w.vectors(), dz.count());
        let mut parked = [Line::ZERO; MOST];
        let mut ending = Update::new(owned, step, &mut parked);
        let mut p = 0;
        while ending.row0 < rows {
            let inputs = x.get(p * blocks).cols();
            assert!(inputs > 0, "panel {p} of the inputs has no columns");
            let pair = |b| (x.get(p * blocks + b).a_transposed(), dz.get(b).b());
            product(s, inputs, vectors, Pairs::new(blocks, pair).list(), &mut ending);
            ending.row0 += inputs;
            p += 1;
        }
        ending.drain(s);
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
            let mut parked = [Line::ZERO; MOST];
            let mut update = Update::<S>::new(&mut *owned, step, &mut parked);
            update.begin(s, v, g);
            update.drain(s);
        }
    }
}
