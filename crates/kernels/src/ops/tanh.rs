//! The hyperbolic tangent.
//!
//! ```text
//! tanh x = x + x³ P(x²) where |x| < 5/8, P of degree 4;  else ±(1 - 2 / (e^(2|x|) + 1))
//! tanh' x = 1 - tanh² x
//! ```
//! The polynomial is that of the Cephes library's `tanhf` (S. L. Moshier).

use super::elementwise::Function;
use super::exp::exp;
use crate::isa::Simd;
use crate::twin::Twin;

/// Below this the polynomial is taken.
const SMALL: f32 = 0.625;
/// P, highest power first.
const P: [f32; 5] = [-5.704_988_7e-3, 2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1];

/// The hyperbolic tangent.
pub(crate) struct Tanh;

impl Function for Tanh {
    #[inline(always)]
    fn body<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        let size = s.max(x, s.sub(zero, x));
        let e = exp(s, s.add(size, size));
        let large = s.sub(one, s.div(s.splat(2.0), s.add(e, one)));
        let large = s.select_gt(zero, x, s.sub(zero, large), large);
        let square = s.mul(x, x);
        let mut p = s.splat(P[0]);
        for c in &P[1..] {
            p = s.fma(p, square, s.splat(*c));
        }
        let small = s.fma(s.mul(square, x), p, x);
        let y = s.select_gt(s.splat(SMALL), size, small, large);
        (y, s.sub(zero, s.fms(y, y, one)))
    }
    fn twin(twin: Twin, x: f32) -> (f32, f32) {
        let size = if x > 0.0 - x { x } else { 0.0 - x };
        let large = 1.0 - 2.0 / (twin.exp(size + size) + 1.0);
        let large = if 0.0 > x { 0.0 - large } else { large };
        let square = x * x;
        let p = P[1..].iter().fold(P[0], |p, c| twin.fma(p, square, *c));
        let y = if SMALL > size { twin.fma(square * x, p, x) } else { large };
        (y, 0.0 - twin.fma(y, y, -1.0))
    }
    fn definition(x: f64) -> f64 {
        libm::tanh(x)
    }
    const ERRORS: [f64; 2] = [4.0, 4.0];
}
