//! AVX-512: a vector is one 512-bit register.

use super::avx2::Avx2;
use super::bits::{Compress, Listing, Table};
use super::{Caches, FourColumns, Kernel, LANES, Part, QUAD, ROUND, Simd, has};
use core::arch::x86_64::*;

/// Proof that this CPU has AVX-512 F, BW, DQ and VL, and as all such CPUs POPCNT, BMI1 and BMI2.
///
/// ```
/// use kernels::{Avx512, Simd};
/// if let Some(s) = Avx512::new() {
///     assert_eq!(s.sum(s.splat(0.5)), 8.0);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512(());

impl Avx512 {
    /// The token, if this CPU has the instructions.
    pub fn new() -> Option<Self> {
        has!("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma", "popcnt", "bmi1", "bmi2")
            .then_some(Avx512(()))
    }

    /// Runs a kernel compiled with these instructions.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Out {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,popcnt,bmi1,bmi2")]
        fn inner<K: Kernel>(token: Avx512, kernel: K) -> K::Out {
            kernel.run(token)
        }
        // SAFETY: `self` exists, so `new` found every feature that `inner` enables.
        unsafe { inner(self, kernel) }
    }
}

/// Mask of the first `n.min(16)` lanes.
#[inline(always)]
fn first(n: usize) -> __mmask16 {
    if n >= LANES { 0xffff } else { (1 << n) - 1 }
}

/// `1 / a`, rounded once, by multiply-adds, for positive `a` from 2^-126 to 2^126, zero, infinity and NaN.
///
/// An estimate of fourteen bits and two steps of Newton; the result is to the nearest if what the second starts from is
/// within an ulp, for every mantissa but that of all ones (P. Markstein, "Computation of elementary functions on
/// the IBM RISC System/6000 processor", 1990). The first step is rounded up, which makes that one right too. A test
/// tries every float. Zero and infinity, whose estimates are right, would come out as NaN.
#[inline(always)]
fn reciprocal(s: Avx512, a: __m512) -> __m512 {
    const UP: i32 = _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC;
    /// What to put where `a` is zero or infinite: infinity, zero.
    const FIX: i32 = 6 << 8 | 8 << 20;
    let one = s.splat(1.0);
    // SAFETY: the token proves AVX-512F; no memory is touched.
    unsafe {
        let estimate = _mm512_rcp14_ps(a);
        let y = _mm512_fmadd_round_ps::<UP>(s.fnma(a, estimate, one), estimate, estimate);
        let y = s.fma(s.fnma(a, y, one), y, y);
        _mm512_fixupimm_ps::<0>(y, a, _mm512_set1_epi32(FIX))
    }
}

/// Which lanes are neither zero nor denormal: numbers whose exponent has a bit set. VFPCLASSPS would say the opposite of
/// what masked instructions need, and to turn a mask around costs as much as a test.
#[inline(always)]
fn are_normal(_: Avx512, x: __m512) -> __mmask16 {
    // SAFETY: the token proves AVX-512F; no memory is touched.
    unsafe { _mm512_test_epi32_mask(_mm512_castps_si512(x), _mm512_set1_epi32(0x7f80_0000)) }
}

/// Transposes the 4×4 matrices in the quarters of four vectors.
///
/// # Safety
/// The CPU has AVX-512F.
#[inline(always)]
unsafe fn transpose4([r0, r1, r2, r3]: [__m512; 4]) -> [__m512; 4] {
    // SAFETY: the caller vouches for AVX-512F; no memory is touched.
    unsafe {
        let (a, b) = (_mm512_unpacklo_ps(r0, r1), _mm512_unpackhi_ps(r0, r1));
        let (c, d) = (_mm512_unpacklo_ps(r2, r3), _mm512_unpackhi_ps(r2, r3));
        [
            _mm512_shuffle_ps::<0b01_00_01_00>(a, c),
            _mm512_shuffle_ps::<0b11_10_11_10>(a, c),
            _mm512_shuffle_ps::<0b01_00_01_00>(b, d),
            _mm512_shuffle_ps::<0b11_10_11_10>(b, d),
        ]
    }
}

impl Simd for Avx512 {
    type V = __m512;
    const FUSED: bool = true;
    const WIDENS: bool = true;
    // 8, 16, 24 and 16 of the 32 registers accumulate; four rows of 64 columns need eight loads for
    // sixteen multiply-adds, which two load ports serve twice over. Sixteen rows of one vector would need
    // more pointers than there are.
    const TILE_ROWS: [usize; 4] = [8, 8, 8, 4];
    const TALL: (usize, usize) = (12, 2);
    const WIDE: (usize, usize) = (6, 4);
    const LOW: (usize, usize) = Self::FLAT;
    const FLAT: (usize, usize) = (4, 4);

    // The attribute is here because on `alone`, which has instructions of its own, it has no effect.
    #[inline(never)]
    fn outlined<P: Part<Self>>(self, part: P) -> P::Out {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,popcnt,bmi1,bmi2")]
        fn alone<P: Part<Avx512>>(token: Avx512, part: P) -> P::Out {
            part.run(token)
        }
        // SAFETY: `self` exists, so `new` found every feature that `alone` enables.
        unsafe { alone(self, part) }
    }
    #[inline(always)]
    fn halves(self) -> impl Simd {
        Avx2::of(self)
    }
    #[inline(always)]
    fn listed(self, listing: impl Listing) {
        if let Some(compress) = Compress::<true>::new() {
            compress.run(listing);
        } else if let Some(compress) = Compress::<false>::new() {
            compress.run(listing);
        } else {
            listing.run(Table);
        }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> __m512 {
        // SAFETY: the token proves AVX-512F; the reference covers the sixteen floats that are read.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, v: __m512, to: &mut [f32; LANES]) {
        // SAFETY: the token proves AVX-512F; the reference covers the sixteen floats that are written.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn load_first(self, from: &[f32]) -> __m512 {
        // SAFETY: the token proves AVX-512F; the mask lets through at most `from.len()` lanes.
        unsafe { _mm512_maskz_loadu_ps(first(from.len()), from.as_ptr()) }
    }
    #[inline(always)]
    fn store_first(self, v: __m512, to: &mut [f32]) {
        // SAFETY: the token proves AVX-512F; the mask lets through at most `to.len()` lanes.
        unsafe { _mm512_mask_storeu_ps(to.as_mut_ptr(), first(to.len()), v) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    fn recip<const DIVIDE: bool>(self, a: __m512) -> __m512 {
        if const { DIVIDE } { self.div(self.splat(1.0), a) } else { reciprocal(self, a) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched. MAXPS is `a > b ? a : b`.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched. MINPS is `a < b ? a : b`.
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn select_gt(self, a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), y, x) }
    }
    #[inline(always)]
    fn flush(self, x: __m512, limit: f32) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe {
            let keep = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(_mm512_abs_ps(x), _mm512_set1_ps(limit));
            _mm512_maskz_mov_ps(keep, x)
        }
    }
    #[inline(always)]
    fn normal(self, x: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_maskz_mov_ps(are_normal(self, x), x) }
    }
    #[inline(always)]
    fn masks(self) -> bool {
        Caches::here().masks()
    }
    #[inline(always)]
    fn store_normal<const MASKS: bool>(self, x: __m512, to: &mut [f32; LANES]) {
        if const { !MASKS } {
            return self.store(self.normal(x), to);
        }
        // Two stores instead of a move and a store: stores have ports of their own, moves take those of multiply-adds.
        // SAFETY: the token proves AVX-512F; the reference covers the sixteen floats that are written.
        unsafe {
            _mm512_storeu_ps(to.as_mut_ptr(), _mm512_setzero_ps());
            _mm512_mask_storeu_ps(to.as_mut_ptr(), are_normal(self, x), x);
        }
    }
    #[inline(always)]
    fn widen(self, from: &[u8; LANES]) -> __m512 {
        // SAFETY: the token proves AVX-512F; `from` is sixteen bytes.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.as_ptr().cast()))) }
    }
    #[inline(always)]
    fn lit(self, x: __m512) -> u16 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(x, _mm512_setzero_ps()) }
    }
    #[inline(always)]
    fn fms(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_fmsub_ps(a, b, c) }
    }
    #[inline(always)]
    fn fnma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_fnmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn scale(self, x: __m512, up: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe { _mm512_scalef_ps(x, self.sub(up, self.splat(ROUND))) }
    }
    #[inline(always)]
    fn four_columns(self, rows: FourColumns<'_>) -> [__m512; QUAD] {
        let mut four = [self.splat(0.0); QUAD];
        for r in 0..QUAD {
            // Loads put quarter rows where shuffles of quarters would, which have only one port.
            // SAFETY: the token proves AVX-512F; each reference covers the four floats that are read of it.
            four[r] = unsafe {
                let x = _mm512_zextps128_ps512(_mm_loadu_ps(rows[0][r].as_ptr()));
                let x = _mm512_insertf32x4::<1>(x, _mm_loadu_ps(rows[1][r].as_ptr()));
                let x = _mm512_insertf32x4::<2>(x, _mm_loadu_ps(rows[2][r].as_ptr()));
                _mm512_insertf32x4::<3>(x, _mm_loadu_ps(rows[3][r].as_ptr()))
            };
        }
        // SAFETY: the token proves AVX-512F.
        unsafe { transpose4(four) }
    }
    #[inline(always)]
    fn transpose(self, m: &mut [__m512; LANES]) {
        // Pairs of rows, then pairs of pairs, give 4×4 transposes inside the 128-bit quarters; two
        // rounds of quarter shuffles put the quarters in place.
        // SAFETY: the token proves AVX-512F; no memory is touched.
        unsafe {
            let mut t = [_mm512_setzero_ps(); LANES];
            for i in 0..4 {
                let four = [m[4 * i], m[4 * i + 1], m[4 * i + 2], m[4 * i + 3]];
                t[4 * i..4 * i + 4].copy_from_slice(&transpose4(four));
            }
            for i in 0..4 {
                let (q0, q1, q2, q3) = (t[i], t[4 + i], t[8 + i], t[12 + i]);
                let a = _mm512_shuffle_f32x4::<0b10_00_10_00>(q0, q1);
                let b = _mm512_shuffle_f32x4::<0b11_01_11_01>(q0, q1);
                let c = _mm512_shuffle_f32x4::<0b10_00_10_00>(q2, q3);
                let d = _mm512_shuffle_f32x4::<0b11_01_11_01>(q2, q3);
                m[i] = _mm512_shuffle_f32x4::<0b10_00_10_00>(a, c);
                m[4 + i] = _mm512_shuffle_f32x4::<0b10_00_10_00>(b, d);
                m[8 + i] = _mm512_shuffle_f32x4::<0b11_01_11_01>(a, c);
                m[12 + i] = _mm512_shuffle_f32x4::<0b11_01_11_01>(b, d);
            }
        }
    }
}
