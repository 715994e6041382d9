//! A dense layer on panels: its outputs. `backward.rs` has the gradient of its inputs, `update.rs` that of its weights.
//!
//! With X of shape \[batch, in\], W \[in, out\], b \[out\], H \[batch, out\]:
//!
//! ```text
//! H  = act(X W + b)           each element: 0, then + x_k w_k in order of k, then + b
//! ```
//! Batches come as blocks of rows, matrices as panels of columns; the operand lists ([`Blocks`]) say
//! which block comes next in a chain, so blocking never changes a bit.

use super::loading::Loading;
use super::stretch::{IntoPanel, MOST_BLOCKS, Pairs, Stretch, sums};
use crate::isa::{Caches, Isa, LANES, Line, Simd, kernel};
use crate::panel::{Blocks, Panel};
use crate::tile::{many_rows, product, steps};

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

/// `out = act(X W + b)` for the rows of one block of the batch and one panel of the weights.
///
/// - `x`: the block's rows, split along k: views of `rows × k_i`
/// - `w`: the panel, split along k at the same places or coarser: `K_j × cols`
/// - `bias`: one line for each vector of the panel, zero past the last column, as those of a [`Panel`] are
/// - `out`: gets the result in its vectors from `at` on, all sixteen lanes of the last one
///
/// ```
/// use kernels::{Blocks, Isa, Panel, Then, dense_forward};
/// let (mut x, mut w, mut bias) = (Panel::zeros(1, 2), Panel::zeros(2, 1), Panel::zeros(1, 1));
/// x.set(0, 0, 1.0);
/// x.set(0, 1, 2.0);
/// w.set(0, 0, 3.0);
/// w.set(1, 0, 4.0);
/// bias.set(0, 0, 0.5);
/// let (of_x, of_w) = (|_: usize| x.view(), |_: usize| w.view());
/// let (x, w) = (Blocks::new(1, &of_x), Blocks::new(1, &of_w));
/// let mut out = Panel::zeros(1, 1);
/// dense_forward(Isa::best(), x, w, bias.lines(), Then::Relu, &mut out, 0);
/// assert_eq!(out.get(0, 0), 1.0 * 3.0 + 2.0 * 4.0 + 0.5);
/// ```
///
/// # Panics
/// If there is no block, or the blocks do not fit together.
pub fn dense_forward(
    isa: Isa,
    x: Blocks<'_, '_>,
    w: Blocks<'_, '_>,
    bias: &[Line],
    then: Then,
    out: &mut Panel,
    at: usize,
) {
    dense_forward_stretch(isa, x, w, Stretch::whole((bias, then)), out, at);
}

kernel! {
    /// [`dense_forward`] for some of the blocks of inputs. Between the first and the last stretch `out` holds sums.
    ///
    /// # Panics
    /// If there is no block, or the blocks do not fit together.
    pub fn dense_forward_stretch<'f, 'x, 'w, 'h>(
        s, x: Blocks<'f, 'x>, w: Blocks<'f, 'w>, stretch: Stretch<'f, 'h, (&'f [Line], Then)>,
        out: &'f mut Panel, at: usize,
    ) {
        forward(s, x, w, stretch, None, out, at);
    }
}

kernel! {
    /// [`dense_forward`] into the vectors of `out.0` from `out.1` on, and beside the multiply-adds bytes that are needed later become
    /// floats, if the instruction set has registers for that, and nothing is skipped; [`load_rest`](crate::load_rest) does the rest.
    ///
    /// ```
    /// use kernels::{Blocks, Isa, Loading, Panel, Then, dense_forward_loading, load_rest};
    /// let (isa, bytes) = (Isa::best(), [[3; 16], [4; 16]]);
    /// let [x, mut next] = [(); 2].map(|_| Panel::zeros(2, 16));
    /// let (w, bias, mut out) = (Panel::zeros(16, 1), Panel::zeros(1, 1), Panel::zeros(2, 1));
    /// let mut loading = Loading::new(bytes.iter().map(|row| &row[..]), 0.5, &mut next);
    /// let (of_x, of_w) = (|_: usize| x.view(), |_: usize| w.view());
    /// let (x, w) = (Blocks::new(1, &of_x), Blocks::new(1, &of_w));
    /// dense_forward_loading(isa, x, w, (bias.lines(), Then::Relu), (&mut out, 0), &mut loading);
    /// load_rest(isa, loading);
    /// assert_eq!((out.get(0, 0), next.get(0, 15), next.get(1, 0)), (0.0, 1.5, 2.0));
    /// ```
    ///
    /// # Panics
    /// If there is no block, or the blocks do not fit together.
    pub fn dense_forward_loading<'f, 'x, 'w, 'l>(
        s, x: Blocks<'f, 'x>, w: Blocks<'f, 'w>, end: (&'f [Line], Then),
        out: (&'f mut Panel, usize), loading: &'f mut Loading<'l>,
    ) {
        let loading = Some(loading).filter(|_| const { S::WIDENS });
        forward(s, x, w, Stretch::whole(end), loading, out.0, out.1);
    }
}

/// Checks that `out` has room for so many rows and columns from vector `at` on, and that there are biases for them, if any.
#[inline(always)]
fn assert_room((rows, cols): (usize, usize), bias: Option<&[Line]>, out: &Panel, at: usize) {
    let room = out.cols().saturating_sub(at.saturating_mul(LANES));
    assert!(cols <= room, "{cols} columns of weights, and room for {room} outputs");
    assert!(rows <= out.rows(), "{rows} rows of inputs, and room for {} of outputs", out.rows());
    if let Some(bias) = bias {
        let (lines, vectors) = (bias.len(), cols.div_ceil(LANES));
        assert!(lines >= vectors, "{lines} lines of biases for {vectors} vectors of outputs");
    }
}

#[inline(always)]
fn forward<S: Simd>(
    s: S,
    x: Blocks<'_, '_>,
    w: Blocks<'_, '_>,
    stretch: Stretch<'_, '_, (&[Line], Then)>,
    mut loading: Option<&mut Loading<'_>>,
    out: &mut Panel,
    at: usize,
) {
    let (of, views, fit) = (x.count(), stretch.ahead.count(), "blocks of inputs and of weights");
    assert!(of > 0, "a layer without inputs");
    assert!(w.count() > 0, "{fit}");
    let (head, head_w) = (x.get(0), w.get(0));
    let vectors = head_w.b().vectors();
    assert_room((head.rows(), head_w.cols()), stretch.last.map(|(bias, _)| bias), out, at);
    // Of few rows, or with skipping, a block of weights stays in the first-level cache while the rows pass. Many rows wait
    // less often for the ends of their chains, and so does everybody where a block has no room there. Two rows at a time are
    // through with it too fast to wait for the second level; what of it they skip needs no room.
    let many = head.rows() >= many_rows() && head.a().lit().is_unknown();
    let size = head.cols() * vectors * size_of::<Line>();
    let near = size <= Caches::here().first || head.a().lit().is_of_pairs();
    let chain = if many || !near { MOST_BLOCKS } else { 1 };
    // Of the weights, the part and its row that come next.
    let (mut j, mut k) = (0, 0);
    let mut pair = |i: usize| {
        let block = x.get(i);
        assert!(block.cols() > 0, "block {i} of the inputs has no columns");
        assert_eq!(block.rows(), head.rows(), "rows of block {i} of the inputs");
        let mut part = w.get(j);
        if k == part.rows() {
            (j, k) = (j + 1, 0);
            assert!(j < w.count(), "{fit}");
            part = w.get(j);
        }
        let panel = part.rows_at(k, block.cols());
        assert_eq!(panel.cols(), head_w.cols(), "columns of part {j} of the weights");
        k += block.cols();
        (block.a(), panel.b())
    };
    for from in (0..of).step_by(chain) {
        let to = of.min(from + chain);
        let (first, last) = (stretch.first && from == 0, stretch.last.filter(|_| to == of));
        let into = IntoPanel { out: &mut *out, at, first, last, ahead: () };
        match &mut loading {
            Some(loading) => {
                let pairs = Pairs::new(to - from, |i| pair(from + i));
                let left = steps(head.rows(), pairs.list()) * (of - from) / (to - from);
                let into = into.asking(loading.spread(left));
                product(s, head.rows(), vectors, pairs.list(), into);
            }
            None if chain > 1 => {
                let pairs = Pairs::new(to - from, |i| pair(from + i));
                let share = from * views / of..to * views / of;
                sums(s, (head.rows(), vectors), pairs.list(), into, (stretch.ahead, share));
            }
            None => {
                product(s, head.rows(), vectors, &[pair(from)], into);
            }
        }
    }
    assert!(j + 1 == w.count() && k == w.get(j).rows(), "{fit}");
}
