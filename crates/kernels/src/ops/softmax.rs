//! Softmax of rows, and softmax with cross-entropy and its gradient in one pass.
//!
//! ```text
//! p_j = e^(z_j - max z) / Σ_k e^(z_k - max z)
//! loss = -log p_y = log Σ_k e^(z_k - max z) - (z_y - max z)
//! dz_j = flush((p_j - [j = y]) / batch)
//! ```
//! With labels smoothed by ε over n classes and a weight w of the label's class,
//!
//! ```text
//! loss = w (log Σ_k e^(z_k - max z) - Σ_j t_j (z_j - max z)),   t_j = (1 - ε) [j = y] + ε / n
//! dz_j = flush((p_j - t_j) w / batch)
//! ```
//! `flush(x)` is 0 where `|x| < 2^-50`: smaller gradients change nothing, but their squares, and what the
//! layers below make of them, would be denormal numbers, which some processors are very slow with.
//!
//! Order of the row sum, on every ISA: lane `l` of a vector accumulates columns `l, l + 16, l + 32...` in
//! order, then the sixteen lanes are folded by halves ([`Simd::sum`]). Lanes past the last column add
//! nothing.

use super::exp::exp;
use crate::isa::{LANES, Line, Simd, kernel};
use crate::panel::Panel;

/// 0.0, 1.0 ... 15.0
const IOTA: [f32; LANES] = [0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.];

/// Gradients of a layer's outputs smaller than this are zero.
pub(crate) const TINY_GRADIENT: f32 = 8.881_784e-16; // 2^-50

/// What one row's softmax knows besides the probabilities.
struct RowStats {
    /// Largest logit.
    max: f32,
    /// `Σ e^(z - max)`
    sum: f32,
}

/// Lanes below `n` of `x`, the others `pad`.
#[inline(always)]
pub(super) fn keep<S: Simd>(s: S, n: usize, x: S::V, pad: f32) -> S::V {
    if n >= LANES { x } else { s.select_gt(s.splat(n as f32), s.load(&IOTA), x, s.splat(pad)) }
}

/// Replaces the first `n` logits of a row by probabilities, and the padding by zeros.
#[inline(always)]
fn softmax_row<S: Simd>(s: S, row: &mut [Line], n: usize) -> RowStats {
    let mut max = s.splat(f32::NEG_INFINITY);
    for (i, Line(z)) in row.iter().enumerate() {
        max = s.max(keep(s, n - i * LANES, s.load(z), f32::NEG_INFINITY), max);
    }
    let max = s.largest(max);
    let mut sum = s.splat(0.0);
    for (i, Line(z)) in row.iter_mut().enumerate() {
        let e = keep(s, n - i * LANES, exp(s, s.sub(s.load(z), s.splat(max))), 0.0);
        sum = s.add(sum, e);
        s.store(e, z);
    }
    let sum = s.sum(sum);
    for Line(z) in row {
        s.store(s.div(s.load(z), s.splat(sum)), z);
    }
    RowStats { max, sum }
}

kernel! {
    /// Replaces the first `rows` rows of logits in a panel by their softmax.
    ///
    /// # Panics
    /// If the panel has fewer rows or no columns.
    pub fn softmax_panel<'a>(s, logits: &'a mut Panel, rows: usize) {
        let n = logits.cols();
        assert!(n > 0, "softmax of no classes");
        for i in 0..rows {
            softmax_row(s, logits.row_mut(i), n);
        }
    }
}

kernel! {
    /// Softmax of each row of a row-major `rows × n` matrix, in place.
    ///
    /// # Panics
    /// If `n` is 0 or does not divide the length.
    pub fn softmax<'a>(s, values: &'a mut [f32], n: usize) {
        assert!(n > 0 && values.len().is_multiple_of(n), "{} floats in rows of {n}", values.len());
        let mut scratch = vec![Line::ZERO; n.div_ceil(LANES)];
        for row in values.chunks_exact_mut(n) {
            Line::flat_mut(&mut scratch)[..n].copy_from_slice(row);
            softmax_row(s, &mut scratch, n);
            row.copy_from_slice(&Line::flat(&scratch)[..n]);
        }
    }
}

/// Loss and hits of some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowLoss {
    /// Cross-entropy of the row, in nats.
    pub loss: f64,
    /// Whether the largest logit, the first of equals, is the label's.
    pub correct: bool,
}

kernel! {
    /// For each row of `logits`: the loss against its label into `rows`, and the gradient
    /// `(softmax(z) - onehot(label)) · scale` in place of the logits.
    ///
    /// `scale` is `1 / batch` for the mean over the batch. The loss is the stable
    /// `log Σ e^(z - max) - (z_label - max)`; its logarithm is taken in `f64`.
    ///
    /// # Panics
    /// If there are not as many labels as entries in `rows`, more than the panel has rows, or a label is
    /// not a column.
    pub fn softmax_cross_entropy<'a>(
        s, logits: &'a mut Panel, labels: &'a [u16], scale: f32, rows: &'a mut [RowLoss],
    ) {
        let n = logits.cols();
        assert_eq!(labels.len(), rows.len(), "one label for each row");
        let scale = s.splat(scale);
        for (i, (&label, out)) in labels.iter().zip(rows).enumerate() {
            let label = usize::from(label);
            assert!(label < n, "label {label} with {n} classes");
            let row = logits.row_mut(i);
            let z = row[label / LANES].0[label % LANES];
            let correct = first_largest(&Line::flat(row)[..n]) == label;
            let RowStats { max, sum } = softmax_row(s, row, n);
            *out = RowLoss { loss: f64::from(sum).ln() - (f64::from(z) - f64::from(max)), correct };
            row[label / LANES].0[label % LANES] -= 1.0;
            for Line(d) in row {
                s.store(s.flush(s.mul(s.load(d), scale), TINY_GRADIENT), d);
            }
        }
    }
}

/// A loss of labelled rows beyond the plain one.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy<'a> {
    /// What the gradient is multiplied by: `1 / batch` for the mean over the batch.
    pub scale: f32,
    /// ε: the share of a label that is spread evenly over all classes.
    pub smoothing: f32,
    /// What the loss of a row is multiplied by, for each class that its label may be, or nothing.
    pub weights: &'a [f32],
}

kernel! {
    /// For each row of `logits`: the loss against its label, smoothed and weighted, into `rows`, and the
    /// gradient of `scale` times it in place of the logits.
    ///
    /// Without smoothing and weights this is [`softmax_cross_entropy`], whose bits it has too.
    ///
    /// # Panics
    /// If there are not as many labels as entries in `rows`, more than the panel has rows, a label is not a
    /// column, or there are weights and not one for each class.
    pub fn cross_entropy_with<'a>(
        s, logits: &'a mut Panel, labels: &'a [u16], how: CrossEntropy<'a>, rows: &'a mut [RowLoss],
    ) {
        let CrossEntropy { scale, smoothing, weights } = how;
        let n = logits.cols();
        assert_eq!(labels.len(), rows.len(), "one label for each row");
        assert!(weights.is_empty() || weights.len() == n, "{} weights, {n} classes", weights.len());
        let (on, off) = (1.0 - smoothing, smoothing / n as f32);
        for (i, (&label, out)) in labels.iter().zip(rows).enumerate() {
            let label = usize::from(label);
            assert!(label < n, "label {label} with {n} classes");
            let row = logits.row_mut(i);
            let z = f64::from(row[label / LANES].0[label % LANES]);
            let correct = first_largest(&Line::flat(row)[..n]) == label;
            let mut all = s.splat(0.0);
            for (v, Line(z)) in row.iter().enumerate() {
                all = s.add(all, keep(s, n - v * LANES, s.load(z), 0.0));
            }
            let all = f64::from(s.sum(all));
            let RowStats { max, sum } = softmax_row(s, row, n);
            let weight = weights.get(label).copied().unwrap_or(1.0);
            let (sum, max) = (f64::from(sum), f64::from(max));
            let target = f64::from(on) * (z - max) + f64::from(off) * (all - n as f64 * max);
            *out = RowLoss { loss: f64::from(weight) * (sum.ln() - target), correct };
            let scale = s.splat(scale * weight);
            for (v, Line(d)) in row.iter_mut().enumerate() {
                s.store(keep(s, n - v * LANES, s.sub(s.load(d), s.splat(off)), 0.0), d);
            }
            row[label / LANES].0[label % LANES] -= on;
            for Line(d) in row {
                s.store(s.flush(s.mul(s.load(d), scale), TINY_GRADIENT), d);
            }
        }
    }
}

/// Index of the largest value, the first of equals; NaN is never larger.
#[inline(always)]
pub fn first_largest(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, &v) in values.iter().enumerate() {
        if v > values[best] {
            best = i;
        }
    }
    best
}
