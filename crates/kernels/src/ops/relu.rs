//! ReLU.
//!
//! ```text
//! relu(x) = max(0, x),   relu'(x) = 1 where x > 0, else 0
//! ```

use super::elementwise::Function;
use crate::isa::Simd;
use crate::twin::Twin;

/// ReLU.
pub(crate) struct Relu;

/// `max(0, x)`: NaN stays NaN, and so does the sign of a negative zero.
#[inline(always)]
pub(crate) fn relu<S: Simd>(s: S, x: S::V) -> S::V {
    s.max(s.splat(0.0), x)
}

impl Function for Relu {
    #[inline(always)]
    fn body<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
        (relu(s, x), s.select_gt(x, s.splat(0.0), s.splat(1.0), s.splat(0.0)))
    }
    fn twin(twin: Twin, x: f32) -> (f32, f32) {
        (twin.relu(x), twin.relu_backward(x, 1.0))
    }
    fn definition(x: f64) -> f64 {
        if x < 0.0 { 0.0 } else { x }
    }
    const ERRORS: [f64; 2] = [0.0, 0.0];
}
