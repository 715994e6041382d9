//! Adam and AdamW, as in PyTorch.
//!
//! ```text
//! m = normal(m + (g - m)(1 - β1))
//! v = normal(v + (g² - v)(1 - β2))
//! w -= m · 1 / (√v / α + ε̂),   α = lr √(1 - β2^t) / (1 - β1^t),   ε̂ = ε (1 - β1^t) / lr
//! ```
//! which is `w -= lr m̂ / (√v̂ + ε)` with `m̂ = m / (1 - β1^t)`, `v̂ = v / (1 - β2^t)`, as the paper's
//! algorithm 1 and PyTorch have it, with a multiplication less. Where α is below 2^-60, w stays as it is. Keras has
//! ε / α for ε̂; with its ε of 1e-7 that moves the losses of the first hundred steps by up to 3.6 % (784-128-10 on
//! Fashion-MNIST).
//!
//! `normal(x)` is 0 where `x` is denormal. Without it the moments of a weight whose input is never again
//! lit decay into the denormal numbers and stay there, where a processor may take a hundred times as
//! long: a whole step took twenty times as long after one epoch.
//!
//! AdamW first takes its share of the parameter, whatever the gradient is:
//!
//! ```text
//! w = normal(w (1 - lr λ) - m · 1 / (√v / α + ε̂))
//! ```
//! where `normal` keeps what decays without end from becoming denormal.
//!
//! Square root and reciprocal are rounded once, as IEEE has them: for a reciprocal multiply-adds can do that, too, which leaves a
//! processor's divider to the roots (`stages.rs` says where). Sources: D. P. Kingma, J. Ba, "Adam: a method for stochastic
//! optimization", 2015; I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 2019.

use super::stages::{Rule, step_slices};
use crate::isa::{LANES, Simd, kernel};
use crate::math::root64;

/// Roots of second moments are below 2^64, so that this times one is a number whose reciprocal every ISA rounds once.
const LEAST_ALPHA: f64 = 1.0 / (1_u64 << 60) as f64;

/// The constants of one step of Adam, `α = lr √(1 - β2^t) / (1 - β1^t)` and `ε̂ = ε (1 - β1^t) / lr` among them: with these
/// [`adam_step`] is `w -= lr m̂ / (√v̂ + ε)` of the paper's algorithm 1 and of PyTorch, `m̂ = m / (1 - β1^t)`,
/// `v̂ = v / (1 - β2^t)`.
///
/// ```
/// let first = kernels::AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 1);
/// assert_eq!(first.rate1, 0.1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// `1 - β1`
    pub rate1: f32,
    /// `1 - β2`
    pub rate2: f32,
    /// `1 / α`, or 0 where α is below 2^-60.
    pub per_alpha: f32,
    /// `ε̂`, or infinity where α is below 2^-60. A reciprocal is taken of `√v / α + ε̂`: from 2^-126 to 2^126 that is exact
    /// on every ISA, beyond it need not be.
    pub eps: f32,
}

impl AdamStep {
    /// The constants of step `t`, counted from 1, worked out in `f64` and rounded once. With an `lr` of 0 or less, α is
    /// below 2^-60.
    ///
    /// # Panics
    /// If `t` is 0.
    pub fn new(lr: f64, beta1: f64, beta2: f64, eps: f64, t: u64) -> AdamStep {
        assert!(t > 0, "steps of Adam are counted from 1");
        let [first, second] = [beta1, beta2].map(|beta| 1.0 - power(beta, t));
        let alpha = lr * root64(second) / first;
        let (per_alpha, eps) = if alpha < LEAST_ALPHA {
            (0.0, f32::INFINITY)
        } else {
            ((1.0 / alpha) as f32, (eps * first / lr) as f32)
        };
        AdamStep { rate1: (1.0 - beta1) as f32, rate2: (1.0 - beta2) as f32, per_alpha, eps }
    }
}

/// The constants of one step of AdamW.
///
/// ```
/// let step = kernels::AdamWStep::new(1e-3, 0.9, 0.999, 1e-7, 0.5, 1);
/// assert_eq!(step.keep, 0.9995);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// Those of Adam.
    pub adam: AdamStep,
    /// `1 - lr λ`: what is left of a parameter.
    pub keep: f32,
}

impl AdamWStep {
    /// The constants of step `t`, counted from 1, worked out in `f64` and rounded once. `decay` is λ.
    ///
    /// # Panics
    /// If `t` is 0.
    pub fn new(lr: f64, beta1: f64, beta2: f64, eps: f64, decay: f64, t: u64) -> AdamWStep {
        let adam = AdamStep::new(lr, beta1, beta2, eps, t);
        AdamWStep { adam, keep: (1.0 - lr * decay) as f32 }
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

/// One vector of moments `(m, v)` after the step, to be kept as `normal(m)` and `normal(v)`.
#[inline(always)]
pub(super) fn moments<S: Simd>(
    s: S,
    step: &AdamStep,
    g: S::V,
    (m, v): (S::V, S::V),
) -> (S::V, S::V) {
    (s.fma(s.sub(g, m), s.splat(step.rate1), m), s.fma(s.fms(g, g, v), s.splat(step.rate2), v))
}

/// What `m` is divided by, given the root of the new `v`.
#[inline(always)]
pub(super) fn divisor<S: Simd>(s: S, step: &AdamStep, root: S::V) -> S::V {
    s.fma(root, s.splat(step.per_alpha), s.splat(step.eps))
}

/// One vector of parameters after the step, given the first moment and what that is divided by.
#[inline(always)]
pub(super) fn stepped<S: Simd, const DIVIDE: bool>(s: S, w: S::V, m: S::V, divisor: S::V) -> S::V {
    s.fnma(m, s.recip::<DIVIDE>(divisor), w)
}

impl Rule for AdamStep {
    const ROOTS: bool = true;
    #[inline(always)]
    fn moments<S: Simd, const MASKS: bool>(
        &self,
        s: S,
        g: S::V,
        [m, v]: [&mut [f32; LANES]; 2],
    ) -> S::V {
        let (new_m, new_v) = moments(s, self, g, (s.load(m), s.load(v)));
        s.store_normal::<MASKS>(new_m, m);
        s.store_normal::<MASKS>(new_v, v);
        s.normal(new_v)
    }
    #[inline(always)]
    fn root<S: Simd>(&self, s: S, v: S::V) -> S::V {
        divisor(s, self, s.sqrt(v))
    }
    #[inline(always)]
    fn parameters<S: Simd, const MASKS: bool, const DIVIDE: bool>(
        &self,
        s: S,
        divisor: S::V,
        [w, m]: [&mut [f32; LANES]; 2],
    ) -> S::V {
        let new = stepped::<S, DIVIDE>(s, s.load(w), s.load(m), divisor);
        s.store(new, w);
        new
    }
}

impl Rule for AdamWStep {
    const ROOTS: bool = true;
    #[inline(always)]
    fn moments<S: Simd, const MASKS: bool>(
        &self,
        s: S,
        g: S::V,
        mv: [&mut [f32; LANES]; 2],
    ) -> S::V {
        self.adam.moments::<S, MASKS>(s, g, mv)
    }
    #[inline(always)]
    fn root<S: Simd>(&self, s: S, v: S::V) -> S::V {
        self.adam.root(s, v)
    }
    #[inline(always)]
    fn parameters<S: Simd, const MASKS: bool, const DIVIDE: bool>(
        &self,
        s: S,
        divisor: S::V,
        [w, m]: [&mut [f32; LANES]; 2],
    ) -> S::V {
        let old = s.mul(s.load(w), s.splat(self.keep));
        let new = stepped::<S, DIVIDE>(s, old, s.load(m), divisor);
        s.store_normal::<MASKS>(new, w);
        new
    }
}

kernel! {
    /// One step of Adam over a slice of parameters `w` with gradients `g` and moments `m` and `v`:
    ///
    /// ```text
    /// m = normal(m + (g - m)(1 - β1)),   v = normal(v + (g² - v)(1 - β2))
    /// w -= m · 1 / (√v / α + ε̂)
    /// ```
    /// with `α` and `ε̂` of [`AdamStep`]. `normal(x)` is 0 where `x` is denormal: moments that only decay would end there, and
    /// processors are slow with it. Source: D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015.
    ///
    /// ```
    /// use kernels::{AdamStep, Isa, adam_step};
    /// let step = AdamStep::new(0.1, 0.9, 0.999, 1e-7, 1);
    /// let (mut w, mut m, mut v) = ([1.0; 3], [0.0; 3], [0.0; 3]);
    /// adam_step(Isa::best(), &step, &[5.0, -0.2, 0.0], &mut w, &mut m, &mut v);
    /// // The first step goes by the learning rate, whatever the gradient's size.
    /// assert!(w.iter().zip([0.9, 1.1, 1.0]).all(|(w, want)| (w - want).abs() < 1e-5));
    /// ```
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn adam_step<'a>(
        s, step: &'a AdamStep, g: &'a [f32], w: &'a mut [f32], m: &'a mut [f32], v: &'a mut [f32],
    ) {
        step_slices(s, *step, g, [w, m, v]);
    }
}

kernel! {
    /// One step of AdamW over a slice of parameters `w` with gradients `g` and moments `m` and `v`: the moments of
    /// [`adam_step`], then `w = normal(w (1 - lr λ) - m · 1 / (√v / α + ε̂))`. Source: I. Loshchilov, F. Hutter, "Decoupled
    /// weight decay regularization", 2019.
    ///
    /// ```
    /// use kernels::{AdamWStep, Isa, adamw_step};
    /// let step = AdamWStep::new(0.1, 0.9, 0.999, 1e-7, 0.5, 1);
    /// let (mut w, mut m, mut v) = ([1.0], [0.0], [0.0]);
    /// adamw_step(Isa::best(), &step, &[0.0], &mut w, &mut m, &mut v);
    /// assert_eq!(w, [0.95]);
    /// ```
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn adamw_step<'a>(
        s, step: &'a AdamWStep, g: &'a [f32], w: &'a mut [f32], m: &'a mut [f32], v: &'a mut [f32],
    ) {
        step_slices(s, *step, g, [w, m, v]);
    }
}
