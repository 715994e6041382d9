//! The mathematics in `f64`, and [`gradcheck`]: what the scalar twins are tested against.
//!
//! A test that compares bits cannot see a wrong formula, so nothing here shares code with the kernels or
//! with [`twin`](crate::twin): every function is its definition, in double precision, in any order. All
//! matrices are row-major slices.

use crate::ops::dense::Then;
use crate::ops::elementwise::Elementwise;
use alloc::vec;
use alloc::vec::Vec;

/// `A B`, A of shape m × k, B k × n.
///
/// ```
/// use kernels::reference::matmul;
/// assert_eq!(matmul((1, 1, 2), &[1.0, 2.0], &[3.0, 4.0]), [11.0]);
/// ```
///
/// # Panics
/// If a slice does not have its shape.
pub fn matmul((m, n, k): (usize, usize, usize), a: &[f64], b: &[f64]) -> Vec<f64> {
    assert!(a.len() == m * k && b.len() == k * n, "matmul {m}x{n}x{k}");
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for p in 0..k {
            for j in 0..n {
                c[i * n + j] += a[i * k + p] * b[p * n + j];
            }
        }
    }
    c
}

/// `act(X W + b)`, X of shape batch × inputs, W inputs × outputs, b outputs.
///
/// ```
/// use kernels::{Then, reference::dense};
/// assert_eq!(dense((1, 2, 1), &[1.0, 2.0], &[3.0, -4.0], &[0.5], Then::Relu), [0.0]);
/// ```
///
/// # Panics
/// If a slice does not have its shape.
pub fn dense(
    (batch, inputs, outputs): (usize, usize, usize),
    x: &[f64],
    w: &[f64],
    bias: &[f64],
    then: Then,
) -> Vec<f64> {
    assert_eq!(bias.len(), outputs, "one bias for each output");
    let mut h = matmul((batch, outputs, inputs), x, w);
    for row in h.chunks_exact_mut(outputs.max(1)) {
        for (z, b) in row.iter_mut().zip(bias) {
            *z += b;
            if then == Then::Relu {
                *z = Elementwise::Relu.definition(*z);
            }
        }
    }
    h
}

/// `p_j = e^(z_j) / Σ_k e^(z_k)` of one row of logits.
///
/// ```
/// assert_eq!(kernels::reference::softmax(&[0.0, 0.0]), [0.5, 0.5]);
/// ```
pub fn softmax(z: &[f64]) -> Vec<f64> {
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = z.iter().map(|z| libm::exp(z - max)).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

/// `-log softmax(z)_label` of one row of logits, in nats.
///
/// ```
/// assert_eq!(kernels::reference::cross_entropy(&[0.0, 0.0], 1), 2f64.ln());
/// ```
///
/// # Panics
/// If the label is not an index of a logit.
pub fn cross_entropy(z: &[f64], label: usize) -> f64 {
    assert!(label < z.len(), "label {label} with {} classes", z.len());
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|z| libm::exp(z - max)).sum();
    libm::log(sum) + max - z[label]
}

/// `w Σ_j t_j (-log softmax(z)_j)` of one row of logits, in nats: the label is smoothed by `smoothing`, the row
/// weighs `w`.
///
/// ```
/// use kernels::reference::{cross_entropy, weighted_cross_entropy};
/// let z = [0.0, 1.0];
/// assert_eq!(weighted_cross_entropy(&z, 1, 0.0, 2.0), 2.0 * cross_entropy(&z, 1));
/// ```
///
/// # Panics
/// If the label is not an index of a logit.
pub fn weighted_cross_entropy(z: &[f64], label: usize, smoothing: f64, w: f64) -> f64 {
    let even = (0..z.len()).map(|j| cross_entropy(z, j)).sum::<f64>() / z.len() as f64;
    w * ((1.0 - smoothing) * cross_entropy(z, label) + smoothing * even)
}

/// `f(x)`.
///
/// ```
/// use kernels::{Elementwise, reference::elementwise};
/// assert_eq!(elementwise(Elementwise::Sigmoid, 0.0), 0.5);
/// ```
pub fn elementwise(f: Elementwise, x: f64) -> f64 {
    f.definition(x)
}

/// `Φ(x)`, the normal distribution's: its power series, and in the lower tail Laplace's continued fraction.
/// Source: G. Marsaglia, "Evaluating the normal distribution", 2004.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    if !x.is_finite() {
        // NaN stays NaN, and no series ends for it.
        return (x.signum() + 1.0) / 2.0;
    }
    let density = libm::exp(-x * x / 2.0) / libm::sqrt(core::f64::consts::TAU);
    if x < -3.0 {
        return density / (1..=200).rev().fold(-x, |below, k| -x + f64::from(k) / below);
    }
    if x > 3.0 {
        return 1.0 - normal_cdf(-x);
    }
    let (mut term, mut sum, mut k) = (x, x, 1.0);
    while sum + term != sum {
        k += 2.0;
        term *= x * x / k;
        sum += term;
    }
    0.5 + density * sum
}

/// `(w, m)` of one parameter after a step of gradient descent with learning rate `lr`, momentum `mu` and L2
/// penalty `decay`, as in PyTorch.
///
/// ```
/// assert_eq!(kernels::reference::sgd((0.5, 0.5, false, 0.0), 0.5, (1.0, 1.0)), (0.5, 1.0));
/// ```
pub fn sgd(
    (lr, mu, nesterov, decay): (f64, f64, bool, f64),
    g: f64,
    (w, m): (f64, f64),
) -> (f64, f64) {
    let g = g + decay * w;
    let m = mu * m + g;
    let d = if nesterov { g + mu * m } else { m };
    (w - lr * d, m)
}

/// Adam as in its authors' algorithm 1 and in PyTorch.
///
/// ```text
/// m = β1 m + (1 - β1) g,   v = β2 v + (1 - β2) g²
/// w -= lr m̂ / (√v̂ + ε),   m̂ = m / (1 - β1^t),   v̂ = v / (1 - β2^t)
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps the division finite.
    pub eps: f64,
}

impl Adam {
    /// `(w, m, v)` of one parameter after step `t`, counted from 1, with gradient `g`.
    pub fn step(&self, t: i32, g: f64, (w, m, v): (f64, f64, f64)) -> (f64, f64, f64) {
        let Adam { lr, beta1, beta2, eps } = *self;
        let m = beta1 * m + (1.0 - beta1) * g;
        let v = beta2 * v + (1.0 - beta2) * g * g;
        let left = |beta: f64| 1.0 - libm::pow(beta, f64::from(t));
        let (m_hat, v_hat) = (m / left(beta1), v / left(beta2));
        (w - lr * m_hat / (libm::sqrt(v_hat) + eps), m, v)
    }
}

/// Half the distance of the two points of a difference.
const EPS: f64 = 1e-6;
/// Absolute tolerance of a gradient.
const ATOL: f64 = 1e-5;
/// Tolerance relative to the difference quotient.
const RTOL: f64 = 1e-3;

/// A gradient that disagrees with the function it is said to belong to.
///
/// ```
/// let wrong = kernels::reference::gradcheck(|x| x[0], &[1.0], &[2.0]).unwrap_err();
/// assert!(wrong.to_string().starts_with("derivative 0 is said to be 2e0 but measures "));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WrongGradient {
    /// Which variable.
    pub index: usize,
    /// The derivative that was claimed.
    pub claimed: f64,
    /// The difference quotient.
    pub measured: f64,
}

impl core::fmt::Display for WrongGradient {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let WrongGradient { index, claimed, measured } = self;
        write!(f, "derivative {index} is said to be {claimed:e} but measures {measured:e}")
    }
}

impl core::error::Error for WrongGradient {}

/// Checks the gradient of `f` at `x` against central finite differences.
///
/// ```text
/// q_i = (f(x + ε e_i) - f(x - ε e_i)) / 2ε,   |gradient_i - q_i| <= atol + rtol |q_i|
/// ```
/// with the steps and tolerances of PyTorch's function of this name: ε = 1e-6, atol = 1e-5,
/// rtol = 1e-3. They are meant for an `f` computed in `f64`. Near a kink, as ReLU has one, no
/// difference tells the derivative: keep `x` more than ε away from it.
///
/// ```
/// use kernels::reference::gradcheck;
/// let f = |x: &[f64]| x[0] * x[0] * x[1];
/// assert!(gradcheck(f, &[3.0, 2.0], &[12.0, 9.0]).is_ok());
/// let wrong = gradcheck(f, &[3.0, 2.0], &[12.0, 8.0]).unwrap_err();
/// assert_eq!(wrong.index, 1);
/// ```
///
/// # Errors
/// The first derivative that is out of tolerance, or not a number.
///
/// # Panics
/// If there are not as many derivatives as variables.
pub fn gradcheck(
    mut f: impl FnMut(&[f64]) -> f64,
    x: &[f64],
    gradient: &[f64],
) -> Result<(), WrongGradient> {
    assert_eq!(x.len(), gradient.len(), "one derivative for each variable");
    let mut x = x.to_vec();
    for (index, &claimed) in gradient.iter().enumerate() {
        let here = x[index];
        x[index] = here + EPS;
        let above = f(&x);
        x[index] = here - EPS;
        let below = f(&x);
        x[index] = here;
        let measured = (above - below) / (2.0 * EPS);
        let close = (claimed - measured).abs() <= ATOL + RTOL * measured.abs();
        if !close {
            return Err(WrongGradient { index, claimed, measured });
        }
    }
    Ok(())
}
