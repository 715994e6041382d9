//! The logistic function.
//!
//! ```text
//! σ(x) = 1 / (1 + e^-x),   σ'(x) = σ(x) (1 - σ(x))
//! ```

use super::elementwise::Function;
use super::exp::exp;
use crate::isa::Simd;
use crate::twin::Twin;

/// The logistic function.
pub(crate) struct Sigmoid;

impl Function for Sigmoid {
    #[inline(always)]
    fn body<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
        let one = s.splat(1.0);
        let y = s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))));
        (y, s.mul(y, s.sub(one, y)))
    }
    fn twin(twin: Twin, x: f32) -> (f32, f32) {
        let y = 1.0 / (1.0 + twin.exp(0.0 - x));
        (y, y * (1.0 - y))
    }
    fn definition(x: f64) -> f64 {
        1.0 / (1.0 + libm::exp(-x))
    }
    const ERRORS: [f64; 2] = [4.0, 4.0];
}
