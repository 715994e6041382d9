//! ReLU and its derivative.

use crate::isa::{LANES, Simd, kernel};

/// `max(0, x)`: NaN stays NaN, and so does the sign of a negative zero.
#[inline(always)]
pub(crate) fn relu<S: Simd>(s: S, x: S::V) -> S::V {
    s.max(s.splat(0.0), x)
}

kernel! {
    /// Replaces every `x` by `if 0 > x { 0 } else { x }`.
    pub fn relu_in_place<'a>(s, values: &'a mut [f32]) {
        let (whole, rest) = values.as_chunks_mut::<LANES>();
        for x in whole {
            s.store(relu(s, s.load(x)), x);
        }
        s.store_first(relu(s, s.load_first(rest)), rest);
    }
}

kernel! {
    /// Gradient through ReLU: `grad[i]` stays where the output `y[i] > 0` and becomes 0 elsewhere.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn relu_backward<'a>(s, y: &'a [f32], grad: &'a mut [f32]) {
        assert_eq!(y.len(), grad.len(), "one gradient for each output");
        let zero = s.splat(0.0);
        let (ys, y_rest) = y.as_chunks::<LANES>();
        let (grads, grad_rest) = grad.as_chunks_mut::<LANES>();
        for (y, g) in ys.iter().zip(grads) {
            s.store(s.select_gt(s.load(y), zero, s.load(g), zero), g);
        }
        let g = s.load_first(grad_rest);
        s.store_first(s.select_gt(s.load_first(y_rest), zero, g, zero), grad_rest);
    }
}
