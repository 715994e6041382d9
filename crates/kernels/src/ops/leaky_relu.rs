//! ReLU with a slope on the negative side.
//!
//! ```text
//! f(x) = x where x >= 0, else x / 100,   f'(x) = 1 where x > 0, else 1 / 100
//! ```
//! The slope is PyTorch's default. Source: A. L. Maas, A. Y. Hannun, A. Y. Ng, "Rectifier nonlinearities
//! improve neural network acoustic models", 2013.

use super::elementwise::Function;
use crate::isa::Simd;
use crate::twin::Twin;

/// The slope on the negative side.
const SLOPE: f32 = 0.01;

/// Leaky ReLU.
pub(crate) struct LeakyRelu;

impl Function for LeakyRelu {
    #[inline(always)]
    fn body<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
        let (zero, slope) = (s.splat(0.0), s.splat(SLOPE));
        // NaN stays NaN: it is the second operand that an unordered comparison takes.
        (s.select_gt(zero, x, s.mul(slope, x), x), s.select_gt(x, zero, s.splat(1.0), slope))
    }
    fn twin(_: Twin, x: f32) -> (f32, f32) {
        (if 0.0 > x { SLOPE * x } else { x }, if x > 0.0 { 1.0 } else { SLOPE })
    }
    fn definition(x: f64) -> f64 {
        if x < 0.0 { f64::from(SLOPE) * x } else { x }
    }
    const ERRORS: [f64; 2] = [1.0, 0.0];
}
