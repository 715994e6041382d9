//! AVX2 with FMA: a vector is two 256-bit registers, lanes 0..8 and 8..16.

use super::avx512::Avx512;
use super::{FourColumns, Kernel, LANES, Part, QUAD, Simd, has};
use core::arch::x86_64::*;

/// Proof that this CPU has AVX2 and FMA, and as all such CPUs POPCNT, BMI1 and BMI2.
///
/// ```
/// use kernels::{Avx2, Simd};
/// if let Some(s) = Avx2::new() {
///     assert_eq!(s.sum(s.splat(0.5)), 8.0);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// The token, if this CPU has the instructions.
    pub fn new() -> Option<Self> {
        has!("avx2", "fma", "popcnt", "bmi1", "bmi2").then_some(Avx2(()))
    }

    /// The token, since a CPU that has AVX-512 has these, too: its token has asked for them.
    #[inline(always)]
    pub(super) fn of(_: Avx512) -> Self {
        Avx2(())
    }

    /// Runs a kernel compiled with these instructions.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Out {
        #[target_feature(enable = "avx2,fma,popcnt,bmi1,bmi2")]
        fn inner<K: Kernel>(token: Avx2, kernel: K) -> K::Out {
            kernel.run(token)
        }
        // SAFETY: `self` exists, so `new` found every feature that `inner` enables.
        unsafe { inner(self, kernel) }
    }
}

/// Applies a lane-wise instruction to both halves.
macro_rules! both {
    ($f:ident, $($v:expr),+) => {
        // SAFETY: the token proves AVX2 and FMA; lane-wise arithmetic touches no memory.
        unsafe { [$f($($v[0]),+), $f($($v[1]),+)] }
    };
}

/// Transposes the 4×4 blocks that two lanes of four rows are.
///
/// # Safety
/// The CPU has AVX2.
#[inline(always)]
unsafe fn transpose4([r0, r1, r2, r3]: [__m256; 4]) -> [__m256; 4] {
    // SAFETY: the caller vouches for AVX2; no memory is touched.
    unsafe {
        let (a, b) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1));
        let (c, d) = (_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3));
        [
            _mm256_shuffle_ps::<0b01_00_01_00>(a, c),
            _mm256_shuffle_ps::<0b11_10_11_10>(a, c),
            _mm256_shuffle_ps::<0b01_00_01_00>(b, d),
            _mm256_shuffle_ps::<0b11_10_11_10>(b, d),
        ]
    }
}

/// Transposes an 8×8 block.
///
/// # Safety
/// The CPU has AVX2.
#[inline(always)]
unsafe fn transpose8(r: [__m256; 8]) -> [__m256; 8] {
    // SAFETY: the caller vouches for AVX2; no memory is touched.
    unsafe {
        let mut t = r;
        for i in 0..2 {
            let four = transpose4([r[4 * i], r[4 * i + 1], r[4 * i + 2], r[4 * i + 3]]);
            t[4 * i..4 * i + 4].copy_from_slice(&four);
        }
        let mut out = t;
        for i in 0..4 {
            out[i] = _mm256_permute2f128_ps::<0x20>(t[i], t[4 + i]);
            out[4 + i] = _mm256_permute2f128_ps::<0x31>(t[i], t[4 + i]);
        }
        out
    }
}

/// `x · 2^n` in two factors, of which the first product is exact: half of n and the rest, each put where a float
/// has its exponent.
///
/// # Safety
/// The CPU has AVX2.
#[inline(always)]
unsafe fn scale8(x: __m256, up: __m256) -> __m256 {
    // SAFETY: the caller vouches for AVX2; no memory is touched.
    unsafe {
        let n = _mm256_slli_epi32::<23>(_mm256_castps_si256(up));
        let half = _mm256_and_si256(_mm256_srai_epi32::<1>(n), _mm256_set1_epi32(-1 << 23));
        let one = _mm256_castps_si256(_mm256_set1_ps(1.0));
        let first = _mm256_add_epi32(half, one);
        let second = _mm256_add_epi32(_mm256_sub_epi32(n, half), one);
        let x = _mm256_mul_ps(x, _mm256_castsi256_ps(first));
        _mm256_mul_ps(x, _mm256_castsi256_ps(second))
    }
}

/// Ones in the first `n` of eight lanes from lane `from` on.
///
/// # Safety
/// The CPU has AVX2.
#[inline(always)]
unsafe fn first(n: usize, from: i32) -> __m256i {
    // SAFETY: the caller vouches for AVX2; no memory is touched.
    unsafe {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(n.min(LANES) as i32 - from), lanes)
    }
}

impl Simd for Avx2 {
    type V = [__m256; 2];
    const FUSED: bool = true;
    // Eight of sixteen registers accumulate four rows of one vector, as many as cover the latency of two
    // multiply-adds a cycle (six rows are no faster); wider panels go slice by slice.
    const TILE_ROWS: [usize; 4] = [4, 0, 0, 0];
    const TALL: (usize, usize) = (6, 1);
    const WIDE: (usize, usize) = Self::TALL;
    const LOW: (usize, usize) = Self::TALL;
    const FLAT: (usize, usize) = (1, 4);

    // The attribute is here because on `alone`, which has instructions of its own, it has no effect.
    #[inline(never)]
    fn outlined<P: Part<Self>>(self, part: P) -> P::Out {
        #[target_feature(enable = "avx2,fma,popcnt,bmi1,bmi2")]
        fn alone<P: Part<Avx2>>(token: Avx2, part: P) -> P::Out {
            part.run(token)
        }
        // SAFETY: `self` exists, so `new` found every feature that `alone` enables.
        unsafe { alone(self, part) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        // SAFETY: the token proves AVX2; no memory is touched.
        unsafe { [_mm256_set1_ps(x); 2] }
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::V {
        // SAFETY: the token proves AVX2; the reference covers the sixteen floats that are read.
        unsafe { [_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))] }
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [f32; LANES]) {
        // SAFETY: the token proves AVX2; the reference covers the sixteen floats that are written.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), v[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), v[1]);
        }
    }
    #[inline(always)]
    fn load_first(self, from: &[f32]) -> Self::V {
        // SAFETY: the token proves AVX2; the masks let through at most `from.len()` lanes, and of a vector without
        // any the address is not read from.
        unsafe {
            let (n, at) = (from.len(), from.as_ptr());
            [
                _mm256_maskload_ps(at, first(n, 0)),
                _mm256_maskload_ps(at.wrapping_add(8), first(n, 8)),
            ]
        }
    }
    #[inline(always)]
    fn store_first(self, v: Self::V, to: &mut [f32]) {
        // SAFETY: the token proves AVX2; the masks let through at most `to.len()` lanes, and of a vector without
        // any nothing is written.
        unsafe {
            let (n, at) = (to.len(), to.as_mut_ptr());
            _mm256_maskstore_ps(at, first(n, 0), v[0]);
            _mm256_maskstore_ps(at.wrapping_add(8), first(n, 8), v[1]);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        both!(_mm256_add_ps, a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        both!(_mm256_sub_ps, a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        both!(_mm256_mul_ps, a, b)
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        both!(_mm256_div_ps, a, b)
    }
    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        both!(_mm256_sqrt_ps, a)
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        both!(_mm256_fmadd_ps, a, b, c)
    }
    #[inline(always)]
    fn lit(self, x: Self::V) -> u16 {
        // SAFETY: the token proves AVX2; no memory is touched.
        unsafe {
            let lit = |x| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(x, _mm256_setzero_ps()));
            (lit(x[0]) | lit(x[1]) << 8) as u16
        }
    }
    #[inline(always)]
    fn fms(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        both!(_mm256_fmsub_ps, a, b, c)
    }
    #[inline(always)]
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        both!(_mm256_fnmadd_ps, a, b, c)
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        both!(_mm256_max_ps, a, b)
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        both!(_mm256_min_ps, a, b)
    }
    #[inline(always)]
    fn select_gt(self, a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V {
        // SAFETY: the token proves AVX2; no memory is touched.
        unsafe {
            let gt =
                [_mm256_cmp_ps::<_CMP_GT_OQ>(a[0], b[0]), _mm256_cmp_ps::<_CMP_GT_OQ>(a[1], b[1])];
            [_mm256_blendv_ps(y[0], x[0], gt[0]), _mm256_blendv_ps(y[1], x[1], gt[1])]
        }
    }
    #[inline(always)]
    fn flush(self, x: Self::V, limit: f32) -> Self::V {
        // SAFETY: the token proves AVX2; no memory is touched.
        unsafe {
            let (sign, limit) = (_mm256_set1_ps(-0.0), _mm256_set1_ps(limit));
            let keep = [
                _mm256_cmp_ps::<_CMP_NLT_UQ>(_mm256_andnot_ps(sign, x[0]), limit),
                _mm256_cmp_ps::<_CMP_NLT_UQ>(_mm256_andnot_ps(sign, x[1]), limit),
            ];
            [_mm256_and_ps(x[0], keep[0]), _mm256_and_ps(x[1], keep[1])]
        }
    }
    #[inline(always)]
    fn scale(self, x: Self::V, up: Self::V) -> Self::V {
        both!(scale8, x, up)
    }
    #[inline(always)]
    fn four_columns(self, rows: FourColumns<'_>) -> [Self::V; QUAD] {
        let mut four = [self.splat(0.0); QUAD];
        for h in 0..2 {
            let mut half = [four[0][0]; QUAD];
            for r in 0..QUAD {
                // SAFETY: the token proves AVX2; each reference covers the four floats that are read of it.
                half[r] = unsafe {
                    let low = _mm256_castps128_ps256(_mm_loadu_ps(rows[2 * h][r].as_ptr()));
                    _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(rows[2 * h + 1][r].as_ptr()))
                };
            }
            // SAFETY: the token proves AVX2.
            let half = unsafe { transpose4(half) };
            for c in 0..QUAD {
                four[c][h] = half[c];
            }
        }
        four
    }
    #[inline(always)]
    fn transpose(self, m: &mut [Self::V; LANES]) {
        // Four 8×8 blocks, the two off the diagonal swapped.
        // SAFETY: the token proves AVX2.
        unsafe {
            let zero = _mm256_setzero_ps();
            let (mut a, mut b, mut c, mut d) = ([zero; 8], [zero; 8], [zero; 8], [zero; 8]);
            for i in 0..8 {
                [a[i], b[i]] = m[i];
                [c[i], d[i]] = m[8 + i];
            }
            let (a, b, c, d) = (transpose8(a), transpose8(b), transpose8(c), transpose8(d));
            for i in 0..8 {
                m[i] = [a[i], c[i]];
                m[8 + i] = [b[i], d[i]];
            }
        }
    }
}
