//! Division by multiply-adds, with the bits of division: the divider, which also takes roots, is what
//! Adam waits for, and the multiply-adds of the CPU have nothing else to do while the tiles multiply.

use super::x86::Amx;
use crate::isa::{Avx512, Simd};
use core::arch::x86_64::*;

/// One step for all of them.
macro_rules! each {
    ($i:ident in $n:ident => $body:expr) => {
        for $i in 0..$n {
            $body
        }
    };
}

/// Of so many quotients, one is left to the divider: it and the multiply-adds then take about as long.
const SHARE: usize = 2;

/// Dividends are made this much larger, so that what is left of them is no denormal.
const UP: f32 = 18_446_744_073_709_551_616.0; // 2^64

/// Divisors for which no step under- or overflows, with dividends up to 2. As none is more than 1, no
/// quotient of a normal number is denormal.
const LEAST: f32 = 8.673_617_4e-19; // 2^-60
const MOST: f32 = 1.0;

impl Amx {
    /// `a / b`, bit for bit, for `b` of at least `least` or NaN, and `a` not denormal and not -0.
    #[inline(always)]
    pub(crate) fn quotients<const N: usize>(
        self,
        a: [__m512; N],
        b: [__m512; N],
        least: f32,
    ) -> [__m512; N] {
        let s = self.simd();
        if least >= LEAST && small(s, &a, &b) { together(s, a, b) } else { divided(s, a, b) }
    }
}

/// The divider's quotients.
#[inline(always)]
fn divided<const N: usize>(s: Avx512, mut a: [__m512; N], b: [__m512; N]) -> [__m512; N] {
    for i in 0..N {
        a[i] = s.div(a[i], b[i]);
    }
    a
}

/// Whether every `|a|` is less than 2, every `b` at most [`MOST`], given that none is negative, and the
/// mantissa of none is all ones.
#[inline(always)]
fn small<const N: usize>(_: Avx512, a: &[__m512; N], b: &[__m512; N]) -> bool {
    // SAFETY: the token proves AVX-512F; no memory is touched.
    unsafe {
        let [mut any, mut most, mut mantissa] = [_mm512_setzero_si512(); 3];
        for i in 0..N {
            any = _mm512_or_si512(any, _mm512_castps_si512(a[i]));
            let b = _mm512_castps_si512(b[i]);
            most = _mm512_max_epu32(most, b);
            if i % SHARE != SHARE - 1 {
                mantissa = _mm512_max_epu32(mantissa, _mm512_slli_epi32::<9>(b));
            }
        }
        // Numbers of 2 and more, infinity and NaN have the first bit of the exponent.
        let large = _mm512_test_epi32_mask(any, _mm512_set1_epi32(1 << 30));
        let limit = _mm512_set1_epi32(MOST.to_bits() as i32);
        let ones = _mm512_cmpeq_epi32_mask(mantissa, _mm512_set1_epi32(!0 << 9));
        (large | ones | _mm512_cmpgt_epu32_mask(most, limit)) == 0
    }
}

/// `a / b`, rounded once: by multiply-adds, but for the divider's share.
///
/// With `y` the reciprocal to the nearest and `q` less than an ulp from `a / b`, `q + (a - b q) y` rounds to
/// what `a / b` rounds to (P. Markstein, "Computation of elementary functions on the IBM RISC System/6000
/// processor", 1990). [`reciprocals`] are that `y` for every mantissa but the one that is all ones: a test
/// tries them all.
#[inline(always)]
fn together<const N: usize>(s: Avx512, a: [__m512; N], b: [__m512; N]) -> [__m512; N] {
    let y = reciprocals(s, b);
    let (mut c, mut q, mut r) = (a, a, a);
    // Step by step, not quotient by quotient: few instructions wait for the one before them.
    each!(i in N => c[i] = s.mul(a[i], s.splat(UP)));
    each!(i in N => q[i] = s.mul(c[i], y[i]));
    each!(i in N => r[i] = rest(c[i], b[i], q[i]));
    each!(i in N => q[i] = s.fma(r[i], y[i], q[i]));
    each!(i in N => r[i] = rest(c[i], b[i], q[i]));
    each!(i in N => q[i] = s.fma(r[i], y[i], q[i]));
    each!(i in N => q[i] = s.mul(q[i], s.splat(1.0 / UP)));
    // What was worked out for these is left out by the compiler.
    for i in (SHARE - 1..N).step_by(SHARE) {
        q[i] = s.div(a[i], b[i]);
    }
    q
}

/// `1 / b`: an estimate of fourteen bits and two steps of Newton.
#[inline(always)]
fn reciprocals<const N: usize>(s: Avx512, b: [__m512; N]) -> [__m512; N] {
    let (one, mut y, mut r) = (s.splat(1.0), b, b);
    // SAFETY: the token proves AVX-512F; no memory is touched.
    each!(i in N => y[i] = unsafe { _mm512_rcp14_ps(b[i]) });
    each!(i in N => r[i] = rest(one, b[i], y[i]));
    each!(i in N => y[i] = s.fma(r[i], y[i], y[i]));
    each!(i in N => r[i] = rest(one, b[i], y[i]));
    each!(i in N => y[i] = s.fma(r[i], y[i], y[i]));
    y
}

/// `a - b q`
#[inline(always)]
fn rest(a: __m512, b: __m512, q: __m512) -> __m512 {
    // SAFETY: a token was needed to make the operands; no memory is touched.
    unsafe { _mm512_fnmadd_ps(b, q, a) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{Kernel16, LANES};

    type Vector = [f32; LANES];

    /// Quotients by hand, reciprocals, and what `quotients` gives.
    struct Try<'t>(&'t Vector, &'t Vector);
    impl Kernel16 for Try<'_> {
        type Out = [Vector; 3];
        #[inline(always)]
        fn run(self, amx: Amx) -> [Vector; 3] {
            let s = amx.simd();
            let (a, b) = ([s.load(self.0)], [s.load(self.1)]);
            let out = [together(s, a, b), reciprocals(s, b), amx.quotients(a, b, LEAST)];
            out.map(|[q]| s.to_array(q))
        }
    }

    fn amx() -> Option<Amx> {
        let amx = Amx::new();
        if amx.is_none() {
            #[expect(clippy::print_stderr, reason = "whoever reads the output should know")]
            {
                std::eprintln!(
                    "SKIPPED: this machine has no AMX for bf16, or the system does not allow it"
                );
            }
        }
        amx
    }

    fn same(got: &Vector, a: &Vector, b: &Vector) {
        for l in 0..LANES {
            let (got, want) = (got[l], a[l] / b[l]);
            let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
            assert!(same, "{:e} / {:e}: {got:e}, not {want:e}", a[l], b[l]);
        }
    }

    /// In [1, 2), sixteen mantissas from this one on.
    fn mantissas(from: u32) -> Vector {
        core::array::from_fn(|l| f32::from_bits(0x3f80_0000 + from + l as u32))
    }

    const ONES: u32 = 0x7f_ffff;

    #[test]
    fn reciprocals_of_all_mantissas_but_ones_are_to_the_nearest() {
        let Some(amx) = amx() else { return };
        for from in (0..ONES).step_by(LANES) {
            let b = mantissas(from);
            let [_, y, _] = amx.run(Try(&b, &b));
            let right = |l: usize| y[l] == 1.0 / b[l] || from + l as u32 == ONES;
            assert!((0..LANES).all(right), "{b:?}");
        }
    }

    #[test]
    fn all_quotients_by_a_mantissa_of_ones_are_right() {
        let Some(amx) = amx() else { return };
        let b = [f32::from_bits(0x3f7f_ffff); LANES];
        for from in (0..ONES).step_by(LANES) {
            let a = mantissas(from);
            same(&amx.run(Try(&a, &b))[2], &a, &b);
        }
    }

    #[test]
    fn quotients_have_the_bits_of_the_divider() {
        let Some(amx) = amx() else { return };
        let mut state = 1u64;
        let mut bits = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 32) as u32
        };
        for _ in 0..200_000 {
            // Dividends from the least normal number up to 2, divisors from 2^-60 up to 1.
            let a = [(); LANES].map(|()| {
                let x = bits();
                f32::from_bits((x & 0x807f_ffff) | (1 + (x >> 23 & 255) % 127) << 23)
            });
            let b = [(); LANES].map(|()| f32::from_bits((67 + bits() % 60) << 23 | bits() >> 9));
            let [by_hand, _, q] = amx.run(Try(&a, &b));
            same(&by_hand, &a, &b);
            same(&q, &a, &b);
        }
    }

    #[test]
    fn what_is_not_small_is_left_to_the_divider() {
        let Some(amx) = amx() else { return };
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 2.0, -3.0, 0.0, 1e-37];
        for x in odd {
            for y in [f32::NAN, f32::INFINITY, f32::MAX, 1.5, 1.0, 2.0, 1e-10] {
                let [mut a, mut b] = [[0.5; LANES]; 2];
                (a[3], b[3]) = (x, y);
                same(&amx.run(Try(&a, &b))[2], &a, &b);
            }
        }
    }
}
