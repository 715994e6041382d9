//! GELU, the exact one, as PyTorch and Keras have it by default.
//!
//! ```text
//! gelu(x) = x Φ(x),   gelu'(x) = Φ(x) + x φ(x)
//! Φ(x) = (1 + erf(x / √2)) / 2,   φ(x) = e^(-x²/2) / √(2π)
//! ```
//! Computed from the tail, of which little is lost: with t = |x|, at most 15,
//!
//! ```text
//! u = (t - 3.5) / (t + 3.5),   Φ(-t) = e^(-t²/2) P(u) / (t + 3.5),   Φ(t) = 1 - Φ(-t)
//! ```
//! P of degree 9 (`tests/fit_gelu.py` makes it). What the rounding of t² takes from the exponential is given
//! back where multiply-add rounds once. Source: D. Hendrycks, K. Gimpel, "Gaussian error linear units", 2016.

use super::elementwise::Function;
use super::exp::exp;
use crate::isa::Simd;
use crate::twin::Twin;

/// Beyond this Φ is 0 or 1.
const FAR: f32 = 15.0;
/// Where u is zero.
const MIDDLE: f32 = 3.5;
/// P, highest power first.
const P: [f32; 10] = [
    1.106_894e-4,
    4.218_978_6e-4,
    -4.949_437e-4,
    -3.175_310_8e-3,
    6.493_116e-3,
    1.740_637_8e-2,
    -1.160_530_4e-1,
    3.154_250_4e-1,
    -5.655_618e-1,
    7.444_160_6e-1,
];
/// `1 / √(2π)`
const DENSITY: f32 = 0.398_942_3;

/// GELU.
pub(crate) struct Gelu;

impl Function for Gelu {
    #[inline(always)]
    fn body<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
        let (zero, far, middle) = (s.splat(0.0), s.splat(FAR), s.splat(MIDDLE));
        // NaN passes both clamps, and so everything.
        let low = s.max(s.splat(-FAR), x);
        let near = s.min(far, low);
        let t = s.max(near, s.sub(zero, near));
        let r = s.div(s.splat(1.0), s.add(t, middle));
        let u = s.mul(s.sub(t, middle), r);
        let mut p = s.splat(P[0]);
        for c in &P[1..] {
            p = s.fma(p, u, s.splat(*c));
        }
        let half = s.splat(-0.5);
        let square = s.mul(t, t);
        let e = exp(s, s.mul(square, half));
        let e = s.fma(e, s.mul(s.fms(t, t, square), half), e);
        let tail = s.mul(s.mul(e, r), p);
        let phi = s.select_gt(zero, x, tail, s.sub(s.splat(1.0), tail));
        (s.mul(low, phi), s.fma(s.mul(near, s.splat(DENSITY)), e, phi))
    }
    fn twin(twin: Twin, x: f32) -> (f32, f32) {
        let low = if -FAR > x { -FAR } else { x };
        let near = if low > FAR { FAR } else { low };
        let t = if near > 0.0 - near { near } else { 0.0 - near };
        let r = 1.0 / (t + MIDDLE);
        let u = (t - MIDDLE) * r;
        let p = P[1..].iter().fold(P[0], |p, c| twin.fma(p, u, *c));
        let square = t * t;
        let e = twin.exp(square * -0.5);
        let e = twin.fma(e, twin.fma(t, t, -square) * -0.5, e);
        let tail = e * r * p;
        let phi = if 0.0 > x { tail } else { 1.0 - tail };
        (low * phi, twin.fma(near * DENSITY, e, phi))
    }
    fn definition(x: f64) -> f64 {
        // The limit, where the product of infinity and 0 is none.
        if x == f64::NEG_INFINITY { -0.0 } else { x * crate::reference::normal_cdf(x) }
    }
    const ERRORS: [f64; 2] = [16.0, 16.0];
}
