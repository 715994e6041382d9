//! The gradient of a dense layer's inputs.
//!
//! ```text
//! dX = dZ Wᵀ                  each element: 0, then in order of the outputs
//! ```

use super::softmax::{TINY_GRADIENT, keep};
use super::stretch::{IntoPanel, MOST_BLOCKS, Pairs, Stretch, sums};
use crate::isa::{Isa, LANES, Line, Rows, Simd, kernel};
use crate::panel::{Blocks, PANEL_COLS, Panel, View};
use crate::tile::{Acc, Ending, product, unroll};

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

/// `dX = flush(dZ Wᵀ ∘ f')` for one block of rows of the batch and up to 64 inputs of the layer. An element of `dZ Wᵀ` is one
/// chain of multiply-adds, from 0 on in order of the outputs; `flush` makes 0 of what is smaller than 2^-50 in size.
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
/// If there is no block, there are more than 64 inputs, or the shapes do not fit together.
pub fn dense_backward_input(
    isa: Isa,
    w: Blocks<'_, '_>,
    dz_t: Blocks<'_, '_>,
    gate: Gate<'_>,
    dx: &mut Panel,
    room: &mut Panel,
) -> bool {
    dense_backward_stretch(isa, w, dz_t, Stretch::whole(gate), dx, room)
}

kernel! {
    /// [`dense_backward_input`] for some of the blocks of outputs. Between the first and the last stretch `room` holds
    /// sums, and the answer is `true`.
    ///
    /// # Panics
    /// If there is no block, there are more than 64 inputs or 16 views to ask for, or the shapes do not fit together.
    pub fn dense_backward_stretch<'f, 'w, 'd, 'h>(
        s, w: Blocks<'f, 'w>, dz_t: Blocks<'f, 'd>, stretch: Stretch<'f, 'h, Gate<'f>>,
        dx: &'f mut Panel, room: &'f mut Panel,
    ) -> bool {
        if let Some(Gate::Relu(lines) | Gate::Slopes(lines)) = stretch.last {
            assert_eq!(lines.len(), dx.lines().len(), "one gradient for each input");
        }
        assert_eq!((room.rows(), room.cols()), (dx.cols(), dx.rows()), "room for as many");
        assert_eq!(w.count(), dz_t.count(), "blocks of weights and of gradients");
        assert!(w.count() > 0, "a layer without outputs");
        assert!(dx.cols() <= PANEL_COLS, "{} inputs; {PANEL_COLS} are possible", dx.cols());
        match stretch {
            Stretch { first: true, last: Some(gate), .. }
                if w.count() == 1 && (1..=LANES).contains(&dz_t.get(0).rows()) =>
            {
                few_outputs(s, w.get(0), dz_t.get(0), gate, dx)
            }
            _ => many_outputs(s, w, dz_t, stretch, dx, room),
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
    stretch: Stretch<'_, '_, Gate<'_>>,
    dx: &mut Panel,
    room: &mut Panel,
) -> bool {
    let (inputs, rows, vectors) = (room.rows(), room.cols(), room.vectors());
    let (of, views) = (w.count(), stretch.ahead.count());
    for from in (0..of).step_by(MOST_BLOCKS) {
        let count = MOST_BLOCKS.min(of - from);
        let pairs = Pairs::new(count, |q| {
            let (w, dz_t) = (w.get(from + q), dz_t.get(from + q));
            assert_eq!((w.rows(), w.cols()), (inputs, dz_t.rows()), "weights between them");
            assert_eq!(dz_t.cols(), rows, "a gradient for each row");
            (w.a(), dz_t.b())
        });
        let share = from * views / of..(from + count) * views / of;
        let first = stretch.first && from == 0;
        let into = IntoPanel { out: &mut *room, at: 0, first, last: None, ahead: () };
        sums(s, (inputs, vectors), pairs.list(), into, (stretch.ahead, share));
    }
    let Some(gate) = stretch.last else { return true };
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
    assert_eq!(dz_t.cols(), dx.rows(), "a gradient for each row");
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
