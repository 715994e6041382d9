//! Stochastic gradient descent with momentum, as in PyTorch.
//!
//! ```text
//! g = g + λ w
//! m = normal(μ m + g)
//! w = normal(w - lr d),   d = m, with Nesterov's momentum g + μ m, without momentum g
//! ```
//! `m` begins at zero, so that the first step's is the gradient. `normal(x)` is 0 where `x` is denormal: what
//! only decays gets there, and processors are slow with it. PyTorch's `dampening` is 0. Sources: B. T. Polyak,
//! "Some methods of speeding up the convergence of iteration methods", 1964; I. Sutskever et al., "On the
//! importance of initialization and momentum in deep learning", 2013.

use super::stages::Rule;
use crate::isa::{LANES, Simd, kernel};

/// The constants of one step of gradient descent.
///
/// ```
/// let plain = kernels::SgdStep { lr: 0.1, momentum: 0.0, nesterov: false, decay: 0.0 };
/// let with_momentum = kernels::SgdStep { momentum: 0.9, nesterov: true, ..plain };
/// assert_ne!(plain, with_momentum);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f32,
    /// μ: what is left of the momentum. Where it is 0 there is none, and `m` is not touched.
    pub momentum: f32,
    /// Whether the step looks ahead along the momentum.
    pub nesterov: bool,
    /// λ: an L2 penalty of λ/2 · w², so λ w is added to the gradient (PyTorch's `weight_decay`).
    pub decay: f32,
}

/// A gradient waits as it is.
impl Rule for SgdStep {
    const ROOTS: bool = false;
    #[inline(always)]
    fn moments<S: Simd, const MASKS: bool>(
        &self,
        _: S,
        g: S::V,
        _: [&mut [f32; LANES]; 2],
    ) -> S::V {
        g
    }
    #[inline(always)]
    fn root<S: Simd>(&self, _: S, g: S::V) -> S::V {
        g
    }
    #[inline(always)]
    fn parameters<S: Simd, const MASKS: bool, const DIVIDE: bool>(
        &self,
        s: S,
        g: S::V,
        [w, m]: [&mut [f32; LANES]; 2],
    ) -> S::V {
        let old = s.load(w);
        let g = s.fma(old, s.splat(self.decay), g);
        let mut d = g;
        if self.momentum != 0.0 {
            let momentum = s.splat(self.momentum);
            d = s.normal(s.fma(momentum, s.load(m), g));
            s.store(d, m);
            if self.nesterov {
                d = s.fma(momentum, d, g);
            }
        }
        let new = s.fma(d, s.splat(-self.lr), old);
        s.store_normal::<MASKS>(new, w);
        new
    }
}

kernel! {
    /// One step of gradient descent over a slice of parameters `w` with gradients `g` and momentum `m`:
    ///
    /// ```text
    /// g = g + λ w,   m = normal(μ m + g)
    /// w = normal(w - lr d),   d = m, with Nesterov's momentum g + μ m, without momentum g
    /// ```
    /// `normal(x)` is 0 where `x` is denormal.
    ///
    /// ```
    /// use kernels::{Isa, SgdStep, sgd_step};
    /// let step = SgdStep { lr: 0.5, momentum: 0.5, nesterov: false, decay: 0.0 };
    /// let (mut w, mut m) = ([1.0], [1.0]);
    /// sgd_step(Isa::best(), &step, &[0.5], &mut w, &mut m);
    /// assert_eq!((w, m), ([0.5], [1.0]));
    /// ```
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn sgd_step<'a>(s, step: &'a SgdStep, g: &'a [f32], w: &'a mut [f32], m: &'a mut [f32]) {
        let n = g.len();
        assert_eq!((w.len(), m.len()), (n, n), "parameters and momentum for {n} gradients");
        let (gs, g_rest) = g.as_chunks::<LANES>();
        let (ws, w_rest) = w.as_chunks_mut::<LANES>();
        let (ms, m_rest) = m.as_chunks_mut::<LANES>();
        for ((g, w), m) in gs.iter().zip(ws).zip(ms) {
            step.parameters::<_, false, true>(s, s.load(g), [w, m]);
        }
        let mut rest = [&*w_rest, m_rest].map(|from| s.to_array(s.load_first(from)));
        step.parameters::<_, false, true>(s, s.load_first(g_rest), rest.each_mut());
        for (from, to) in rest.iter().zip([w_rest, m_rest]) {
            s.store_first(s.load(from), to);
        }
    }
}
