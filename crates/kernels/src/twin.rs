//! The scalar twins: what every kernel computes, in a few lines of plain Rust each.
//!
//! A kernel gives exactly these bits on every ISA, for every blocking and number of threads. The twins are
//! never called by the kernels; they are here to be read, to be tested against (`f64`, finite
//! differences, values of other frameworks) and to test against.

use crate::isa::{Isa, LANES, fold};
use crate::ops::adam::{AdamStep, TINY, TINY_SQUARED};
use crate::ops::exp::{HIGH, LN2, LOW, P, ROUND};

/// The twins, for an ISA with or without fused multiply-add.
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
        if self.fused { a.mul_add(b, c) } else { a * b + c }
    }

    /// One element of a product: `start + Σ a_k b_k`, in the order of the iterator.
    pub fn dot(self, start: f32, ab: impl Iterator<Item = (f32, f32)>) -> f32 {
        ab.fold(start, |c, (a, b)| self.fma(a, b, c))
    }

    /// `C = α A B + β C`, all row-major: [`gemm`](crate::gemm).
    ///
    /// # Panics
    /// If the slices are not m × k, k × n and m × n.
    #[expect(clippy::too_many_arguments, reason = "the operation has these")]
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

    /// `max(0, x)` that keeps NaN: [`relu_in_place`](crate::relu_in_place).
    pub fn relu(self, x: f32) -> f32 {
        if 0.0 > x { 0.0 } else { x }
    }

    /// Softmax of one row, its largest logit and its sum: [`softmax`](crate::softmax).
    pub fn softmax(self, row: &mut [f32]) -> (f32, f32) {
        let max = fold(lanes(row, f32::NEG_INFINITY, |m, z| if z > m { z } else { m }), |a, b| {
            if a > b { a } else { b }
        });
        row.iter_mut().for_each(|z| *z = self.exp(*z - max));
        let sum = fold(lanes(row, 0.0, |s, e| s + e), |a, b| a + b);
        row.iter_mut().for_each(|z| *z /= sum);
        (max, sum)
    }

    /// Loss of one row in nats, and the gradient of `scale · loss` in place of the logits:
    /// [`softmax_cross_entropy`](crate::softmax_cross_entropy).
    pub fn softmax_cross_entropy(self, row: &mut [f32], label: usize, scale: f32) -> f64 {
        let z = row[label];
        let (max, sum) = self.softmax(row);
        row[label] -= 1.0;
        row.iter_mut().for_each(|p| *p *= scale);
        f64::from(sum).ln() - (f64::from(z) - f64::from(max))
    }

    /// One parameter's step of Adam: `(w, m, v)` after it; [`adam_step`](crate::adam_step).
    pub fn adam(self, step: &AdamStep, g: f32, (w, m, v): (f32, f32, f32)) -> (f32, f32, f32) {
        let flush = |x: f32, limit: f32| if x.abs() < limit { 0.0 } else { x };
        let g = flush(g, TINY);
        let m = flush(self.fma(g - m, step.rate1, m), TINY);
        let v = flush(self.fma(g * g - v, step.rate2, v), TINY_SQUARED);
        (self.fma(m / (v.sqrt() + step.eps), -step.alpha, w), m, v)
    }
}

/// Column `j` goes to lane `j % 16`, in order of the columns.
fn lanes(row: &[f32], start: f32, f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    let mut out = [start; LANES];
    for (j, x) in row.iter().enumerate() {
        out[j % LANES] = f(out[j % LANES], *x);
    }
    out
}
