//! Many quotients by one divisor, without a division each.

use crate::isa::Simd;

/// Dividends from here on, by divisors below [`MOST`], have quotients above 2^-101, whose remainders are no
/// denormals: 2^-80.
const SMALLEST: f32 = 8.271_806e-25;
/// 2^20
const MOST: f32 = 1_048_576.0;

/// Lanes of `e` that are smaller than [`SMALLEST`], zero in the others. None is negative.
#[inline(always)]
pub(super) fn only_tiny<S: Simd>(s: S, e: S::V) -> S::V {
    s.select_gt(s.splat(SMALLEST), e, e, s.splat(0.0))
}

/// Divides many numbers by one (in each lane): by multiply-adds, which are faster than the divider and round as
/// it does.
///
/// With `y` the reciprocal to the nearest and `q` less than an ulp from `a / b`, `q + (a - b q) y` rounds to what
/// `a / b` rounds to (P. Markstein, "Computation of elementary functions on the IBM RISC System/6000
/// processor", 1990), as long as nothing under- or overflows. The first such step brings `a y`, which may be
/// 1.5 ulp away, to less than one, the second ends it.
pub(super) struct Divisor<V> {
    by: V,
    /// `1 / by` and `-1 / by`.
    y: [V; 2],
    fast: bool,
}

impl<V: Copy> Divisor<V> {
    /// Of numbers that are 0, NaN or at most the divisor, which is 1 at least or not a number; any lane of `tiny`
    /// other than zero says that some are smaller than [`SMALLEST`].
    #[inline(always)]
    pub(super) fn new<S: Simd<V = V>>(s: S, by: V, tiny: V) -> Self {
        let usual = s.select_gt(s.splat(MOST), by, s.splat(0.0), s.splat(1.0));
        let fast = S::FUSED && (s.lit(usual) | s.lit(tiny)) == 0;
        let y = s.div(s.splat(1.0), by);
        Divisor { by, y: [y, s.sub(s.splat(0.0), y)], fast }
    }

    #[inline(always)]
    pub(super) fn divide<S: Simd<V = V>>(&self, s: S, a: V) -> V {
        if !self.fast {
            return s.div(a, self.by);
        }
        let [y, minus_y] = self.y;
        let q = s.mul(a, y);
        let q = s.fma(s.fms(q, self.by, a), minus_y, q);
        s.fma(s.fms(q, self.by, a), minus_y, q)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use crate::isa::{LANES, kernel};

    kernel! {
        /// Each `a` divided by the one `b`, and whether by multiply-adds.
        fn quotients<'a>(s, a: &'a mut [f32; LANES], b: f32) -> bool {
            let by = Divisor::new(s, s.splat(b), s.splat(0.0));
            s.store(by.divide(s, s.load(a)), a);
            by.fast
        }
    }

    #[test]
    fn quotients_are_those_of_the_divider() {
        // Mantissas of all kinds: dense at both ends, scattered between.
        let mantissa = |i: u32| match i % 4 {
            0 => (i / 4) & 0x7f_ffff,
            1 => 0x7f_ffff - ((i / 4) & 0x7f_ffff),
            _ => i.wrapping_mul(2_654_435_761) >> 9,
        };
        for isa in Isa::available() {
            for i in 0..100_000u32 {
                // From 1 to 2^20, and dividends from 2^-80 to the divisor.
                let b = f32::from_bits((127 + i % 20) << 23 | mantissa(i));
                let mut a: [f32; LANES] = core::array::from_fn(|l| {
                    let j = i.wrapping_mul(31) + l as u32 * 77_777;
                    let exponent = 47 + j % (80 + i % 20);
                    f32::from_bits(exponent << 23 | mantissa(j))
                });
                a[0] = 0.0;
                a[1] = b;
                a[2] = SMALLEST;
                let want = a.map(|a| (a / b).to_bits());
                assert_eq!(quotients(isa, &mut a, b), isa.fused(), "{isa}: {b:e}");
                assert_eq!(a.map(f32::to_bits), want, "{isa}: by {b:e}");
            }
        }
    }

    #[test]
    fn odd_divisors_are_left_to_the_divider() {
        for isa in Isa::available() {
            for b in [f32::NAN, f32::INFINITY, MOST] {
                assert!(!quotients(isa, &mut [0.5; LANES], b), "{isa}: {b}");
            }
        }
    }
}
