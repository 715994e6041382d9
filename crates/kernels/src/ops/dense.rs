//! A dense layer on panels: its outputs. `backward.rs` has the gradient of its inputs, `update.rs` that of its weights.
//!
//! With X of shape \[batch, in\], W \[in, out\], b \[out\], H \[batch, out\]:
//!
//! ```text
//! H  = act(X W + b)           each element: 0, then + x_k w_k in order of k, then + b
//! ```
//! Batches come as blocks of rows, matrices as panels of columns; the operand lists ([`Blocks`]) say
//! which block comes next in a chain, so blocking never changes a bit.

use super::stretch::{IntoPanel, MOST_BLOCKS, Pairs, Stretch, sums};
use crate::isa::{Isa, Line, Simd, kernel};
use crate::panel::{Blocks, Panel, View};
use crate::tile::{MANY_ROWS, product};

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
        forward(s, x, w, stretch, out, at);
    }
}

#[inline(always)]
fn forward<S: Simd>(
    s: S,
    x: Blocks<'_, '_>,
    w: Blocks<'_, '_>,
    stretch: Stretch<'_, '_, (&[Line], Then)>,
    out: &mut Panel,
    at: usize,
) {
    assert!(x.count() > 0, "a layer without inputs");
    let head = x.get(0);
    if head.rows() >= MANY_ROWS && head.a().is_full() {
        many_rows(s, x, w, stretch, out, at);
    } else {
        few_rows(s, x, w, stretch, out, at);
    }
}

/// Block by block: a block of weights stays in the first-level cache while the rows pass. For few rows, or with skipping.
#[inline(always)]
fn few_rows<S: Simd>(
    s: S,
    x: Blocks<'_, '_>,
    w: Blocks<'_, '_>,
    stretch: Stretch<'_, '_, (&[Line], Then)>,
    out: &mut Panel,
    at: usize,
) {
    let mut done = 0;
    for j in 0..w.count() {
        let w_part = w.get(j);
        let mut k = 0;
        while k < w_part.rows() {
            let block = x.get(done);
            let panel = part_of(w_part, k, block, done);
            let first = stretch.first && done == 0;
            k += block.cols();
            done += 1;
            let last = stretch.last.filter(|_| done == x.count());
            let into = IntoPanel { out: &mut *out, at, first, last, ahead: () };
            product(s, block.rows(), panel.b().vectors(), &[(block.a(), panel.b())], into);
        }
    }
    assert_eq!(done, x.count(), "blocks of inputs and of weights");
}

/// The rows of a part of the weights from `k` on that belong to a block of the inputs.
#[inline(always)]
fn part_of<'w>(w_part: View<'w>, k: usize, block: View<'_>, number: usize) -> View<'w> {
    assert!(block.cols() > 0, "block {number} of the inputs has no columns");
    w_part.rows_at(k, block.cols())
}

/// Many blocks in one chain, which then waits less often for its ends.
#[inline(always)]
fn many_rows<S: Simd>(
    s: S,
    x: Blocks<'_, '_>,
    w: Blocks<'_, '_>,
    stretch: Stretch<'_, '_, (&[Line], Then)>,
    out: &mut Panel,
    at: usize,
) {
    let (of, views, rows, vectors) =
        (x.count(), stretch.ahead.count(), x.get(0).rows(), w.get(0).b().vectors());
    // Of the weights, the part and its row that come next.
    let (mut done, mut j, mut k) = (0, 0, 0);
    while done < of {
        let from = done;
        let pairs = Pairs::new(MOST_BLOCKS.min(of - from), |_| {
            let block = x.get(done);
            if k == w.get(j).rows() {
                (j, k) = (j + 1, 0);
                assert!(j < w.count(), "blocks of inputs and of weights");
            }
            let panel = part_of(w.get(j), k, block, done);
            (done, k) = (done + 1, k + block.cols());
            (block.a(), panel.b())
        });
        let (first, last) = (stretch.first && from == 0, stretch.last.filter(|_| done == of));
        let into = IntoPanel { out: &mut *out, at, first, last, ahead: () };
        let share = from * views / of..done * views / of;
        sums(s, (rows, vectors), pairs.list(), into, (stretch.ahead, share));
    }
    assert!(j + 1 == w.count() && k == w.get(j).rows(), "blocks of inputs and of weights");
}
