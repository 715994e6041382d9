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

use super::divisor::{Divisor, only_tiny};
use super::exp::exp;
use crate::isa::{LANES, Line, Simd, kernel};
use crate::math::ln;
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

/// Replaces a row of logits by probabilities: the whole vectors in place, and the last one, of which `n` lanes
/// belong to the row, by value; the others are zero after it.
#[inline(always)]
fn softmax_row<S: Simd>(
    s: S,
    whole: &mut [[f32; LANES]],
    mut last: S::V,
    n: usize,
) -> (RowStats, S::V) {
    let mut max = s.splat(f32::NEG_INFINITY);
    for z in &*whole {
        max = s.max(s.load(z), max);
    }
    let max = s.largest(s.max(keep(s, n, last, f32::NEG_INFINITY), max));
    let (mut sum, mut tiny) = (s.splat(0.0), s.splat(0.0));
    for z in &mut *whole {
        let e = exp(s, s.sub(s.load(z), s.splat(max)));
        sum = s.add(sum, e);
        tiny = s.max(tiny, only_tiny(s, e));
        s.store(e, z);
    }
    last = keep(s, n, exp(s, s.sub(last, s.splat(max))), 0.0);
    let sum = s.sum(s.add(sum, last));
    last = keep(s, n, s.div(last, s.splat(sum)), 0.0);
    if !whole.is_empty() {
        let by = Divisor::new(s, s.splat(sum), tiny);
        for e in whole {
            s.store(by.divide(s, s.load(e)), e);
        }
    }
    (RowStats { max, sum }, last)
}

/// [`softmax_row`] of the first `n` columns of a panel's row; zeros after them.
#[inline(always)]
fn softmax_lines<S: Simd>(s: S, row: &mut [Line], n: usize) -> RowStats {
    let (before, last) = Line::flat_mut(row).split_at_mut((n - 1) / LANES * LANES);
    let (before, last) = (before.as_chunks_mut().0, last.as_chunks_mut().0);
    let (stats, end) = softmax_row(s, before, s.load(&last[0]), n - before.len() * LANES);
    s.store(end, &mut last[0]);
    stats
}

/// Rows of so many columns at most are softmaxed sixteen at a time.
const NARROW: usize = 64;

/// Up to sixteen rows of `n` columns each, `n` in at most `B` vectors: a lane for each row. Every row's sums are
/// those of [`softmax_row`].
#[inline(always)]
fn softmax_narrow<S: Simd, const B: usize>(s: S, rows: &mut [f32], n: usize) {
    let (count, vectors) = (rows.len() / n, n.div_ceil(LANES));
    let mut columns = [[s.splat(0.0); LANES]; B];
    // Whole vectors, where there are as many floats: what they hold of the next row is in columns that nobody
    // reads, and comes to its place when that row is stored.
    for (b, block) in columns[..vectors].iter_mut().enumerate() {
        for (i, row) in block[..count].iter_mut().enumerate() {
            let from = &rows[i * n + b * LANES..];
            *row = load_some(s, from);
        }
        s.transpose(block);
    }
    softmax_lanes(s, &mut columns.as_flattened_mut()[..n]);
    for block in &mut columns[..vectors] {
        s.transpose(block);
    }
    for i in 0..count {
        for (b, block) in columns[..vectors].iter().enumerate() {
            let to = &mut rows[i * n + b * LANES..];
            store_some(s, block[i], to);
        }
    }
}

/// Softmax of twice sixteen whole rows of `n` columns in a vector each, step by step beside each other, since the steps of
/// sixteen rows wait for each other. The same bits as of [`softmax_narrow`].
#[inline(always)]
fn softmax_pair<S: Simd>(s: S, rows: &mut [f32], n: usize) {
    let zero = s.splat(0.0);
    let (mut z, mut max, mut tiny) = ([[zero; LANES]; 2], [zero; 2], [zero; 2]);
    for g in 0..2 {
        for l in 0..LANES {
            z[g][l] = load_some(s, &rows[(g * LANES + l) * n..]);
        }
        s.transpose(&mut z[g]);
    }
    for g in 0..2 {
        max[g] = largest_lanes(s, &z[g][..n]);
    }
    for g in 0..2 {
        tiny[g] = exp_lanes(s, &mut z[g][..n], max[g]);
    }
    for g in 0..2 {
        divide_lanes(s, &mut z[g][..n], tiny[g]);
    }
    for g in 0..2 {
        s.transpose(&mut z[g]);
        for l in 0..LANES {
            store_some(s, z[g][l], &mut rows[(g * LANES + l) * n..]);
        }
    }
}

/// A vector, or as much of it as there is.
#[inline(always)]
fn load_some<S: Simd>(s: S, from: &[f32]) -> S::V {
    match from.first_chunk() {
        Some(from) => s.load(from),
        None => s.load_first(from),
    }
}

/// Writes a vector, or as much of it as there is room for.
#[inline(always)]
fn store_some<S: Simd>(s: S, x: S::V, to: &mut [f32]) {
    match to.first_chunk_mut() {
        Some(to) => s.store(x, to),
        None => s.store_first(x, to),
    }
}

/// Softmax of sixteen rows, a lane for each, given their columns. Returns `max` and `sum` of [`RowStats`].
#[inline(always)]
fn softmax_lanes<S: Simd>(s: S, z: &mut [S::V]) -> [S::V; 2] {
    let max = largest_lanes(s, z);
    let tiny = exp_lanes(s, z, max);
    [max, divide_lanes(s, z, tiny)]
}

/// The largest of each lane. (With a remainder for an index, each lane would pass through memory before the next: a quarter
/// more for sixteen rows of ten.)
#[inline(always)]
fn largest_lanes<S: Simd>(s: S, z: &[S::V]) -> S::V {
    let mut lanes = [s.splat(f32::NEG_INFINITY); LANES];
    for z in z.chunks(LANES) {
        for (j, z) in z.iter().enumerate() {
            lanes[j] = s.max(*z, lanes[j]);
        }
    }
    halved::<S, true>(s, lanes)
}

/// Replaces each `z` by `e^(z - max)`; returns what [`Divisor::new`] takes of them.
#[inline(always)]
fn exp_lanes<S: Simd>(s: S, z: &mut [S::V], max: S::V) -> S::V {
    let mut tiny = s.splat(0.0);
    for z in z {
        *z = exp(s, s.sub(*z, max));
        tiny = s.max(tiny, only_tiny(s, *z));
    }
    tiny
}

/// Divides each lane by its sum, which it returns.
#[inline(always)]
fn divide_lanes<S: Simd>(s: S, z: &mut [S::V], tiny: S::V) -> S::V {
    let mut lanes = [s.splat(0.0); LANES];
    for z in z.chunks(LANES) {
        for (j, z) in z.iter().enumerate() {
            lanes[j] = s.add(lanes[j], *z);
        }
    }
    let sum = halved::<S, false>(s, lanes);
    let by = Divisor::new(s, sum, tiny);
    for z in z {
        *z = by.divide(s, *z);
    }
    sum
}

/// What [`fold`](crate::isa::fold) does to lanes, to vectors, whose element `l` is that lane of sixteen rows:
/// the largest, or the sum.
#[inline(always)]
fn halved<S: Simd, const LARGEST: bool>(s: S, mut lanes: [S::V; LANES]) -> S::V {
    macro_rules! onto {
        ($half:literal) => {
            for i in 0..$half {
                let (a, b) = (lanes[i], lanes[i + $half]);
                lanes[i] = if LARGEST { s.max(a, b) } else { s.add(a, b) };
            }
        };
    }
    onto!(8);
    onto!(4);
    onto!(2);
    onto!(1);
    lanes[0]
}

kernel! {
    /// Replaces the first `rows` rows of logits in a panel by their softmax.
    ///
    /// ```
    /// use kernels::{Isa, Panel, softmax_panel};
    /// let mut logits = Panel::zeros(3, 4);
    /// softmax_panel(Isa::best(), &mut logits, 2);
    /// assert_eq!((logits.get(1, 3), logits.get(2, 3)), (0.25, 0.0));
    /// ```
    ///
    /// # Panics
    /// If the panel has fewer rows or no columns.
    pub fn softmax_panel<'a>(s, logits: &'a mut Panel, rows: usize) {
        let n = logits.cols();
        assert!(n > 0, "softmax of no classes");
        for i in 0..rows {
            softmax_lines(s, logits.row_mut(i), n);
        }
    }
}

kernel! {
    /// Softmax of each row of a row-major `rows × n` matrix, in place.
    ///
    /// ```
    /// let mut rows = [0.0, 0.0, 1.0, 1.0 + 3f32.ln()];
    /// kernels::softmax(kernels::Isa::best(), &mut rows, 2);
    /// assert!(rows.iter().zip([0.5, 0.5, 0.25, 0.75]).all(|(p, q)| (p - q).abs() < 1e-6));
    /// ```
    ///
    /// # Panics
    /// If `n` is 0 or does not divide the length.
    pub fn softmax<'a>(s, values: &'a mut [f32], n: usize) {
        assert!(n > 0 && values.len().is_multiple_of(n), "{} floats in rows of {n}", values.len());
        if n <= LANES {
            let mut pairs = values.chunks_exact_mut(2 * LANES * n);
            for rows in &mut pairs {
                softmax_pair(s, rows, n);
            }
            for rows in pairs.into_remainder().chunks_mut(LANES * n) {
                softmax_narrow::<S, 1>(s, rows, n);
            }
        } else if n <= NARROW {
            for rows in values.chunks_mut(LANES * n) {
                softmax_narrow::<S, { NARROW / LANES }>(s, rows, n);
            }
        } else {
            for row in values.chunks_exact_mut(n) {
                let (whole, rest) = row.as_chunks_mut();
                let (_, last) = softmax_row(s, whole, s.load_first(rest), rest.len());
                s.store_first(last, rest);
            }
        }
    }
}

/// Loss and hits of some rows.
///
/// ```
/// let rows = [(0.5, true), (1.5, false)].map(|(loss, correct)| kernels::RowLoss { loss, correct });
/// assert_eq!(rows.iter().map(|row| row.loss).sum::<f64>() / 2.0, 1.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowLoss {
    /// Cross-entropy of the row, in nats.
    pub loss: f64,
    /// Whether the largest logit, the first of equals, is the label's.
    pub correct: bool,
}

kernel! {
    /// For each row of `logits`: the loss against its label into `rows`, and the gradient
    /// `(softmax(z) - onehot(label)) · scale` in place of the logits, where what is smaller than 2^-50 in size becomes 0.
    ///
    /// `scale` is `1 / batch` for the mean over the batch. The loss is the stable
    /// `log Σ e^(z - max) - (z_label - max)`; its logarithm is taken in `f64`.
    ///
    /// ```
    /// use kernels::{Isa, Panel, RowLoss, softmax_cross_entropy};
    /// let mut logits = Panel::zeros(1, 2);
    /// let mut rows = [RowLoss::default()];
    /// softmax_cross_entropy(Isa::best(), &mut logits, &[0], 1.0, &mut rows);
    /// assert!((rows[0].loss - 2f64.ln()).abs() < 1e-7 && rows[0].correct);
    /// assert_eq!((logits.get(0, 0), logits.get(0, 1)), (-0.5, 0.5)); // the gradient
    /// ```
    ///
    /// # Panics
    /// If there are not as many labels as entries in `rows`, more than the panel has rows, or a label is
    /// not a column.
    pub fn softmax_cross_entropy<'a>(
        s, logits: &'a mut Panel, labels: &'a [u16], scale: f32, rows: &'a mut [RowLoss],
    ) {
        let n = logits.cols();
        assert_eq!(labels.len(), rows.len(), "one label for each row");
        assert!(rows.len() <= logits.rows(), "{} labels for {} rows", rows.len(), logits.rows());
        assert!(n > 0 || rows.is_empty(), "{} labels without a class", rows.len());
        let scale = s.splat(scale);
        if n <= LANES {
            let lines = logits.lines_mut().chunks_mut(LANES);
            for ((lines, labels), rows) in lines.zip(labels.chunks(LANES)).zip(rows.chunks_mut(LANES)) {
                cross_entropy_lanes(s, lines, n, labels, scale, rows);
            }
            return;
        }
        for (i, (&label, out)) in labels.iter().zip(rows).enumerate() {
            let label = usize::from(label);
            assert!(label < n, "label {label} with {n} classes");
            let row = logits.row_mut(i);
            let z = row[label / LANES].0[label % LANES];
            let correct = first_largest(&Line::flat(row)[..n]) == label;
            let RowStats { max, sum } = softmax_lines(s, row, n);
            *out = RowLoss { loss: ln(f64::from(sum)) - (f64::from(z) - f64::from(max)), correct };
            row[label / LANES].0[label % LANES] -= 1.0;
            for Line(d) in row {
                s.store(s.flush(s.mul(s.load(d), scale), TINY_GRADIENT), d);
            }
        }
    }
}

/// [`softmax_cross_entropy`] of up to sixteen rows of `n` columns in a vector each, a lane for each row.
#[inline(always)]
fn cross_entropy_lanes<S: Simd>(
    s: S,
    lines: &mut [Line],
    n: usize,
    labels: &[u16],
    scale: S::V,
    rows: &mut [RowLoss],
) {
    let (mut z, mut logits, mut of) = ([s.splat(0.0); LANES], [0.0; LANES], [0.0; LANES]);
    for (i, (&label, Line(row))) in labels.iter().zip(&*lines).enumerate() {
        assert!(usize::from(label) < n, "label {label} with {n} classes");
        (z[i], logits[i], of[i]) = (s.load(row), row[usize::from(label)], label.into());
    }
    s.transpose(&mut z);
    // The first largest, as `first_largest` finds it.
    let (mut best, mut at) = (z[0], s.splat(0.0));
    for (j, z) in z[..n].iter().enumerate().skip(1) {
        at = s.select_gt(*z, best, s.splat(j as f32), at);
        best = s.select_gt(*z, best, *z, best);
    }
    let [max, sum] = softmax_lanes(s, &mut z[..n]).map(|v| s.to_array(v).map(f64::from));
    let (at, label) = (s.to_array(at), s.load(&of));
    for (j, z) in z[..n].iter_mut().enumerate() {
        let from = s.select_gt(label, s.splat(j as f32 - 0.5), s.splat(1.0), s.splat(0.0));
        let hot = s.select_gt(s.splat(j as f32 + 0.5), label, from, s.splat(0.0));
        *z = s.flush(s.mul(s.sub(*z, hot), scale), TINY_GRADIENT);
    }
    s.transpose(&mut z);
    for (i, (out, Line(row))) in rows.iter_mut().zip(lines).enumerate() {
        let loss = ln(sum[i]) - (f64::from(logits[i]) - max[i]);
        *out = RowLoss { loss, correct: at[i] == of[i] };
        s.store(z[i], row);
    }
}

/// A loss of labelled rows beyond the plain one.
///
/// ```
/// use kernels::{CrossEntropy, Isa, twin::Twin};
/// let how = CrossEntropy { scale: 1.0, smoothing: 0.5, weights: &[2.0, 1.0] };
/// let mut z = [0.0, 0.0];
/// let loss = Twin::of(Isa::best()).cross_entropy_with(&mut z, 0, &how);
/// assert!((loss - 2.0 * 2f64.ln()).abs() < 1e-6);
/// assert_eq!(z, [-0.5, 0.5]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy<'a> {
    /// What the gradient is multiplied by: `1 / batch` for the mean over the batch.
    pub scale: f32,
    /// ε: the share of a label that is spread evenly over all classes.
    pub smoothing: f32,
    /// The weight of each class, by which the loss of a row of that class is multiplied; empty: 1 for all.
    pub weights: &'a [f32],
}

kernel! {
    /// For each row of `logits`: the loss against its label, smoothed and weighted, into `rows`, and the
    /// gradient of `scale` times it in place of the logits.
    ///
    /// Without smoothing and weights this is [`softmax_cross_entropy`], whose bits it has too.
    ///
    /// ```
    /// use kernels::{CrossEntropy, Isa, Panel, RowLoss, cross_entropy_with};
    /// let how = CrossEntropy { scale: 1.0, smoothing: 0.5, weights: &[] };
    /// let (mut logits, mut rows) = (Panel::zeros(1, 2), [RowLoss::default()]);
    /// cross_entropy_with(Isa::best(), &mut logits, &[0], how, &mut rows);
    /// assert_eq!((logits.get(0, 0), logits.get(0, 1)), (-0.25, 0.25)); // the gradient
    /// ```
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
            let RowStats { max, sum } = softmax_lines(s, row, n);
            let weight = weights.get(label).copied().unwrap_or(1.0);
            let (sum, max) = (f64::from(sum), f64::from(max));
            let target = f64::from(on) * (z - max) + f64::from(off) * (all - n as f64 * max);
            *out = RowLoss { loss: f64::from(weight) * (ln(sum) - target), correct };
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

/// Index of the largest value, the first of equals. NaN is never larger, and nothing is larger than a NaN at the front; of
/// no values it is 0.
///
/// ```
/// assert_eq!(kernels::first_largest(&[1.0, 3.0, f32::NAN, 3.0]), 1);
/// ```
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
