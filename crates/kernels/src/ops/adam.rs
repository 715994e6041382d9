//! Adam, as in PyTorch.
//!
//! ```text
//! m = normal(m + (g - m)(1 - β1))
//! v = normal(v + (g² - v)(1 - β2))
//! w -= α m / (√v + ε√(1 - β2^t)),   α = lr √(1 - β2^t) / (1 - β1^t)
//! ```
//! which is `w -= lr m̂ / (√v̂ + ε)` with `m̂ = m / (1 - β1^t)`, `v̂ = v / (1 - β2^t)`, as the paper's
//! algorithm 1 and PyTorch have it. Keras leaves the factor of ε out; with its ε of 1e-7 that moves the
//! losses of the first hundred steps by up to 3.6 % (784-128-10 on Fashion-MNIST).
//!
//! `normal(x)` is 0 where `x` is denormal. Without it the moments of a weight whose input is never again
//! lit decay into the denormal numbers and stay there, where a processor may take a hundred times as
//! long: a whole step took twenty times as long after one epoch.
//!
//! Square root and division are IEEE. Source: D. P. Kingma, J. Ba, "Adam: a method for stochastic
//! optimization", 2015.

use crate::isa::{LANES, Simd, kernel};

/// The constants of one step of Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// `1 - β1`
    pub rate1: f32,
    /// `1 - β2`
    pub rate2: f32,
    /// `lr √(1 - β2^t) / (1 - β1^t)`
    pub alpha: f32,
    /// `ε √(1 - β2^t)`
    pub eps: f32,
}

impl AdamStep {
    /// The constants of step `t`, counted from 1, worked out in `f64` and rounded once.
    ///
    /// # Panics
    /// If `t` is 0.
    pub fn new(lr: f64, beta1: f64, beta2: f64, eps: f64, t: u64) -> AdamStep {
        assert!(t > 0, "steps of Adam are counted from 1");
        let correction = |beta: f64| 1.0 - power(beta, t);
        AdamStep {
            rate1: (1.0 - beta1) as f32,
            rate2: (1.0 - beta2) as f32,
            alpha: (lr * correction(beta2).sqrt() / correction(beta1)) as f32,
            eps: (eps * correction(beta2).sqrt()) as f32,
        }
    }
}

/// `base^n` by squaring: the same bits everywhere, which the system's `pow` does not promise.
fn power(mut base: f64, mut n: u64) -> f64 {
    let mut result = 1.0;
    while n > 0 {
        if n & 1 == 1 {
            result *= base;
        }
        base *= base;
        n >>= 1;
    }
    result
}

/// One vector of parameters: `(w, m, v)` after the step.
#[inline(always)]
pub(super) fn adam<S: Simd>(
    s: S,
    step: &AdamStep,
    g: S::V,
    (w, m, v): (S::V, S::V, S::V),
) -> (S::V, S::V, S::V) {
    let (m, v, root) = moments(s, step, g, (m, v));
    (stepped(s, step, w, s.div(m, root)), m, v)
}

/// One vector of moments `(m, v)` after the step, and what `m` is divided by.
#[inline(always)]
pub(super) fn moments<S: Simd>(
    s: S,
    step: &AdamStep,
    g: S::V,
    (m, v): (S::V, S::V),
) -> (S::V, S::V, S::V) {
    let m = s.normal(s.fma(s.sub(g, m), s.splat(step.rate1), m));
    let v = s.normal(s.fma(s.fms(g, g, v), s.splat(step.rate2), v));
    (m, v, s.add(s.sqrt(v), s.splat(step.eps)))
}

/// One vector of parameters after the step, given the quotient.
#[inline(always)]
pub(super) fn stepped<S: Simd>(s: S, step: &AdamStep, w: S::V, quotient: S::V) -> S::V {
    s.fma(quotient, s.splat(-step.alpha), w)
}

kernel! {
    /// One step over a slice of parameters `w` with gradients `g` and moments `m` and `v`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn adam_step<'a>(
        s, step: &'a AdamStep, g: &'a [f32], w: &'a mut [f32], m: &'a mut [f32], v: &'a mut [f32],
    ) {
        let n = g.len();
        assert!(w.len() == n && m.len() == n && v.len() == n, "{n} gradients, {} parameters, {} and {} moments",
            w.len(), m.len(), v.len());
        let (gs, g_rest) = g.as_chunks::<LANES>();
        let (ws, w_rest) = w.as_chunks_mut::<LANES>();
        let (ms, m_rest) = m.as_chunks_mut::<LANES>();
        let (vs, v_rest) = v.as_chunks_mut::<LANES>();
        for (((g, w), m), v) in gs.iter().zip(ws).zip(ms).zip(vs) {
            let (w2, m2, v2) = adam(s, step, s.load(g), (s.load(w), s.load(m), s.load(v)));
            s.store(w2, w);
            s.store(m2, m);
            s.store(v2, v);
        }
        let old = (s.load_first(w_rest), s.load_first(m_rest), s.load_first(v_rest));
        let (w2, m2, v2) = adam(s, step, s.load_first(g_rest), old);
        s.store_first(w2, w_rest);
        s.store_first(m2, m_rest);
        s.store_first(v2, v_rest);
    }
}
