//! The scalar twins: what every kernel computes, in a few lines of plain Rust each.
//!
//! A kernel gives exactly these bits on every ISA, for every blocking and number of threads. The twins are
//! never called by the kernels; they are here to be read, to be tested against (`f64`, finite
//! differences, values of other frameworks) and to test against. Matrices are row-major slices.
//!
//! ```
//! use kernels::{Isa, exp_in_place, twin::Twin};
//! let isa = Isa::best();
//! let mut x = [0.25, -3.0, 80.0];
//! let want = x.map(|x| Twin::of(isa).exp(x));
//! exp_in_place(isa, &mut x);
//! assert_eq!(x.map(f32::to_bits), want.map(f32::to_bits));
//! ```

pub mod bf16;

use crate::isa::{Isa, LANES, ROUND, fold};
use crate::math;
use crate::ops::adam::{AdamStep, AdamWStep};
use crate::ops::backward::Gate;
use crate::ops::dense::Then;
use crate::ops::elementwise::Elementwise;
use crate::ops::exp::{HIGH, LN2, LOW, P};
use crate::ops::sgd::SgdStep;
use crate::ops::softmax::{CrossEntropy, TINY_GRADIENT};
use alloc::vec::Vec;

/// The twins, for an ISA with or without fused multiply-add.
///
/// ```
/// use kernels::{Isa, twin::Twin};
/// let twin = Twin::of(Isa::best());
/// assert_eq!(twin.sum(&[1.0, 2.0]), twin.dot(0.0, [(1.0, 1.0), (2.0, 1.0)].into_iter()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Twin {
    fused: bool,
}

impl Twin {
    /// The twin of the kernels on this ISA.
    pub fn of(isa: Isa) -> Twin {
        Twin { fused: isa.fused() }
    }

    /// `a * b + c`, rounded once if fused.
    #[inline(always)]
    pub fn fma(self, a: f32, b: f32, c: f32) -> f32 {
        if self.fused { math::fma(a, b, c) } else { a * b + c }
    }

    /// One element of a product: `start + Σ a_k b_k`, in the order of the iterator.
    pub fn dot(self, start: f32, ab: impl Iterator<Item = (f32, f32)>) -> f32 {
        ab.fold(start, |c, (a, b)| self.fma(a, b, c))
    }

    /// `C = α A B + β C`, all row-major: [`gemm`](crate::gemm).
    ///
    /// # Panics
    /// If the slices are not m × k, k × n and m × n.
    pub fn gemm(
        self,
        (m, n, k): (usize, usize, usize),
        alpha: f32,
        a: &[f32],
        b: &[f32],
        beta: f32,
        c: &mut [f32],
    ) {
        assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n, "gemm {m}x{n}x{k}");
        for i in 0..m {
            for j in 0..n {
                let c = &mut c[i * n + j];
                let start = if beta == 0.0 { 0.0 } else { beta * *c };
                if alpha == 0.0 || k == 0 {
                    *c = start;
                    continue;
                }
                *c = self.dot(start, (0..k).map(|p| (a[i * k + p], alpha * b[p * n + j])));
            }
        }
    }

    /// `H = act(X W + b)`, X batch × inputs, W inputs × outputs:
    /// [`dense_forward`](crate::dense_forward).
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    pub fn dense_forward(
        self,
        (batch, inputs, outputs): (usize, usize, usize),
        x: &[f32],
        w: &[f32],
        bias: &[f32],
        then: Then,
    ) -> Vec<f32> {
        let element = |(i, o): (usize, usize)| {
            let chain = (0..inputs).map(|k| (x[i * inputs + k], w[k * outputs + o]));
            // Adding zero makes a negative zero positive.
            let z = self.dot(0.0, chain) + bias[o] + 0.0;
            if then == Then::Relu { self.relu(z) } else { z }
        };
        indices(batch, outputs).map(element).collect()
    }

    /// `dX = flush(dZ Wᵀ ∘ f')`, W inputs × outputs, dZ batch × outputs, what the gate holds batch × inputs:
    /// [`dense_backward_input`](crate::dense_backward_input).
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    pub fn dense_backward_input(
        self,
        (batch, inputs, outputs): (usize, usize, usize),
        w: &[f32],
        dz: &[f32],
        gate: Gate<'_, f32>,
    ) -> Vec<f32> {
        let element = |(i, k): (usize, usize)| {
            let chain = (0..outputs).map(|o| (w[k * outputs + o], dz[i * outputs + o]));
            let d = self.dot(0.0, chain);
            match gate {
                Gate::Open => flush(d),
                Gate::Relu(h) => self.relu_backward(h[i * inputs + k], flush(d)),
                Gate::Slopes(slopes) => flush(d * slopes[i * inputs + k]),
            }
        };
        indices(batch, inputs).map(element).collect()
    }

    /// `dW = Xᵀ dZ`, X batch × inputs, dZ batch × outputs: what [`dense_update`](crate::dense_update)
    /// hands to the optimiser.
    ///
    /// # Panics
    /// If a slice is shorter than its shape.
    pub fn dense_gradient(
        self,
        (batch, inputs, outputs): (usize, usize, usize),
        x: &[f32],
        dz: &[f32],
    ) -> Vec<f32> {
        let element = |(k, o): (usize, usize)| {
            self.dot(0.0, (0..batch).map(|i| (x[i * inputs + k], dz[i * outputs + o])))
        };
        indices(inputs, outputs).map(element).collect()
    }

    /// `db = Σ dZ`, dZ batch × outputs: what [`bias_update`](crate::bias_update) hands to the optimiser.
    ///
    /// # Panics
    /// If `dz` is shorter than its shape.
    pub fn bias_gradient(self, (batch, outputs): (usize, usize), dz: &[f32]) -> Vec<f32> {
        (0..outputs).map(|o| (0..batch).fold(0.0, |g, i| g + dz[i * outputs + o])).collect()
    }

    /// `e^x`: [`exp_in_place`](crate::exp_in_place).
    pub fn exp(self, x: f32) -> f32 {
        let x = if LOW > x { LOW } else { x };
        let x = if x > HIGH { HIGH } else { x };
        let n = self.fma(x, core::f32::consts::LOG2_E, ROUND) - ROUND;
        let r = self.fma(n, -LN2[1], self.fma(n, -LN2[0], x));
        let p = P[1..].iter().fold(P[0], |p, c| self.fma(p, r, *c));
        let e = self.fma(r * r, p, r) + 1.0;
        let half = self.fma(n, 0.5, ROUND) - ROUND;
        let pow2 = |n: f32| f32::from_bits(((n as i32 + 127) as u32) << 23);
        e * pow2(half) * pow2(n - half)
    }

    /// `f(x)` and `f'(x)`: [`map_in_place`](crate::map_in_place), [`map_backward`](crate::map_backward) and
    /// [`activate`](crate::activate). The code stands in the function's file.
    pub fn elementwise(self, f: Elementwise, x: f32) -> (f32, f32) {
        f.twin(self, x)
    }

    /// `max(0, x)` that keeps NaN.
    pub fn relu(self, x: f32) -> f32 {
        if 0.0 > x { 0.0 } else { x }
    }

    /// `d` where the output `y > 0`, elsewhere 0.
    pub fn relu_backward(self, y: f32, d: f32) -> f32 {
        if y > 0.0 { d } else { 0.0 }
    }

    /// `byte · scale`: [`pixels`](crate::pixels).
    pub fn pixel(self, byte: u8, scale: f32) -> f32 {
        f32::from(byte) * scale
    }

    /// `to + weight · (end - to)`: [`lerp`](crate::lerp).
    pub fn lerp(self, to: f32, end: f32, weight: f32) -> f32 {
        to + weight * (end - to)
    }

    /// Sum in the order of all reductions: [`sum`](crate::sum).
    pub fn sum(self, values: &[f32]) -> f32 {
        fold(lanes(values, 0.0, |s, x| s + x), |a, b| a + b)
    }

    /// Sum of squares of rows of a panel with `cols` columns: [`squares`](crate::squares).
    ///
    /// # Panics
    /// If there are no columns.
    pub fn squares(self, cols: usize, values: &[f32]) -> f32 {
        let mut lanes = [0.0; LANES];
        for row in values.chunks(cols) {
            for (j, g) in row.iter().enumerate() {
                lanes[j % LANES] = self.fma(*g, *g, lanes[j % LANES]);
            }
        }
        fold(lanes, |a, b| a + b)
    }

    /// Largest value, NaN passed over: [`largest`](crate::largest).
    pub fn largest(self, values: &[f32]) -> f32 {
        let larger = |a: f32, b: f32| if a > b { a } else { b };
        fold(lanes(values, f32::NEG_INFINITY, |m, x| larger(x, m)), larger)
    }

    /// Softmax of one row, its largest logit and its sum: [`softmax`](crate::softmax).
    pub fn softmax(self, row: &mut [f32]) -> (f32, f32) {
        let max = self.largest(row);
        row.iter_mut().for_each(|z| *z = self.exp(*z - max));
        let sum = self.sum(row);
        row.iter_mut().for_each(|z| *z /= sum);
        (max, sum)
    }

    /// Loss of one row in nats, and the gradient of `scale · loss` in place of the logits:
    /// [`softmax_cross_entropy`](crate::softmax_cross_entropy).
    ///
    /// # Panics
    /// If the label is not an index of a logit.
    pub fn softmax_cross_entropy(self, row: &mut [f32], label: usize, scale: f32) -> f64 {
        let z = row[label];
        let (max, sum) = self.softmax(row);
        row[label] -= 1.0;
        row.iter_mut().for_each(|p| *p = flush(*p * scale));
        math::ln(f64::from(sum)) - (f64::from(z) - f64::from(max))
    }

    /// Loss of one row with smoothed labels and weighted classes, and the gradient of `scale` times it in place
    /// of the logits: [`cross_entropy_with`](crate::cross_entropy_with).
    ///
    /// # Panics
    /// If the label is not an index of a logit.
    pub fn cross_entropy_with(self, row: &mut [f32], label: usize, how: &CrossEntropy<'_>) -> f64 {
        let CrossEntropy { scale, smoothing, weights } = *how;
        let (n, z, all) = (row.len() as f32, f64::from(row[label]), f64::from(self.sum(row)));
        let (on, off) = (1.0 - smoothing, smoothing / n);
        let weight = weights.get(label).copied().unwrap_or(1.0);
        let (max, sum) = self.softmax(row);
        for (j, p) in row.iter_mut().enumerate() {
            let d = *p - off;
            let d = if j == label { d - on } else { d };
            *p = flush(d * (scale * weight));
        }
        let (sum, max) = (f64::from(sum), f64::from(max));
        let target = f64::from(on) * (z - max) + f64::from(off) * (all - f64::from(n) * max);
        f64::from(weight) * (math::ln(sum) - target)
    }

    /// A step of Adam with the gradient `g` on parameters and moments: [`adam_step`](crate::adam_step), and
    /// with [`dense_gradient`](Twin::dense_gradient) the whole of [`dense_update`](crate::dense_update).
    ///
    /// # Panics
    /// If there are fewer parameters or moments than gradients.
    pub fn adam_step(
        self,
        step: &AdamStep,
        g: &[f32],
        (w, m, v): (&mut [f32], &mut [f32], &mut [f32]),
    ) {
        for (i, g) in g.iter().enumerate() {
            (w[i], m[i], v[i]) = self.adam(step, *g, (w[i], m[i], v[i]));
        }
    }

    /// One parameter's step of Adam: `(w, m, v)` after it.
    pub fn adam(self, step: &AdamStep, g: f32, (w, m, v): (f32, f32, f32)) -> (f32, f32, f32) {
        let m = normal(self.fma(g - m, step.rate1, m));
        let v = normal(self.fma(self.fma(g, g, -v), step.rate2, v));
        let root = self.fma(math::root(v), step.per_alpha, step.eps);
        (self.fma(-m, 1.0 / root, w), m, v)
    }

    /// One parameter's step of AdamW: `(w, m, v)` after it. [`adamw_step`](crate::adamw_step).
    pub fn adamw(self, step: &AdamWStep, g: f32, (w, m, v): (f32, f32, f32)) -> (f32, f32, f32) {
        let (w, m, v) = self.adam(&step.adam, g, (w * step.keep, m, v));
        (normal(w), m, v)
    }

    /// One parameter's step of gradient descent: `(w, m)` after it. [`sgd_step`](crate::sgd_step).
    pub fn sgd(self, step: &SgdStep, g: f32, (w, m): (f32, f32)) -> (f32, f32) {
        let g = self.fma(w, step.decay, g);
        let (mut d, mut new_m) = (g, m);
        if step.momentum != 0.0 {
            new_m = normal(self.fma(step.momentum, m, g));
            d = if step.nesterov { self.fma(step.momentum, new_m, g) } else { new_m };
        }
        (normal(self.fma(d, -step.lr, w)), new_m)
    }
}

/// Row by row, (i, j) of a rows × cols matrix.
fn indices(rows: usize, cols: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |i| (0..cols).map(move |j| (i, j)))
}

/// Denormal numbers are zero.
fn normal(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0 } else { x }
}

/// Gradients too small to matter are zero.
fn flush(x: f32) -> f32 {
    if x.abs() < TINY_GRADIENT { 0.0 } else { x }
}

/// Column `j` goes to lane `j % 16`, in order of the columns.
fn lanes(row: &[f32], start: f32, f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    let mut out = [start; LANES];
    for (j, x) in row.iter().enumerate() {
        out[j % LANES] = f(out[j % LANES], *x);
    }
    out
}
