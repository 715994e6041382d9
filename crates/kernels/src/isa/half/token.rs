//! The token of bf16 products on x86-64, and what turns other numbers into theirs.

use super::pairs::Pairs;
use super::tiles::{self, Tiles};
use super::{Adder, Kernel16, Line16, Tile, Unit16};
use crate::isa::{Avx512, LANES, Simd};
use core::arch::x86_64::*;
use std::sync::OnceLock;

/// Proof that this CPU has AVX-512 with bf16, and perhaps AMX for it, and that this process may use them.
///
/// ```
/// match kernels::Bf16::new() {
///     Some(bf16) => println!("products of bf16 numbers by {:?}", bf16.unit()),
///     None => println!("this machine has none"),
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bf16 {
    avx512: Avx512,
    unit: Unit16,
}

impl Bf16 {
    /// The faster of those that there are: tiles, if the CPU has AMX and the system lets this process use it, then pairs.
    pub fn new() -> Option<Self> {
        Self::available().next()
    }

    /// All that this CPU and system have, the fastest first. Linux wants to be asked for tiles, once a process; on other
    /// systems there are none.
    pub fn available() -> impl Iterator<Item = Self> {
        static FOUND: OnceLock<[bool; 2]> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            let pairs = std::is_x86_feature_detected!("avx512bf16");
            [pairs && tiles::has_tiles() && tiles::permitted(), pairs]
        });
        let units = [Unit16::Tiles, Unit16::Pairs].into_iter().zip(found);
        let units = units.filter_map(|(unit, found)| found.then_some(unit));
        Avx512::new()
            .into_iter()
            .flat_map(move |avx512| units.clone().map(move |unit| Bf16 { avx512, unit }))
    }

    /// Runs a kernel compiled with these instructions.
    #[inline]
    pub(crate) fn run<K: Kernel16>(self, kernel: K) -> K::Out {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
        fn inner<K: Kernel16>(token: Bf16, kernel: K) -> K::Out {
            kernel.run(token)
        }
        // SAFETY: `self` exists, so `available` found AVX-512 with bf16, and `Avx512::new` the rest.
        unsafe { inner(self, kernel) }
    }

    /// The token of the vectors.
    #[inline(always)]
    pub(crate) fn simd(self) -> Avx512 {
        self.avx512
    }

    /// How it adds up products.
    pub fn unit(self) -> Unit16 {
        self.unit
    }

    /// What adds them up: on this thread, until it is dropped.
    ///
    /// # Panics
    /// If there is one with tiles on this thread already.
    #[inline(always)]
    pub(crate) fn adder(self) -> Adder {
        match self.unit {
            // SAFETY: `available` found AMX before it made this token, and got the permission to use it.
            Unit16::Tiles => Adder::Tiles(unsafe { Tiles::new() }),
            // SAFETY: `available` found AVX-512 with bf16.
            Unit16::Pairs => Adder::Pairs(unsafe { Pairs::new() }),
        }
    }

    /// Thirty-two floats, rounded to bf16.
    #[inline(always)]
    pub(crate) fn round(self, [low, high]: [__m512; 2], to: &mut Line16) {
        // SAFETY: the token proves AVX-512F and BF16; `store` has its own.
        unsafe { store(bits(_mm512_cvtne2ps_pbh(high, low)), to) }
    }

    /// Two rows of sixteen floats, rounded to bf16, the two of a column beside each other.
    #[inline(always)]
    pub(crate) fn pairs(self, [even, odd]: [__m512; 2], to: &mut Line16) {
        // SAFETY: the token proves AVX-512F, BW and BF16; the indices are 64 initialised bytes; `store`
        // has its own.
        unsafe {
            let order = _mm512_loadu_si512(INTERLEAVE.0.as_ptr().cast());
            let rows = bits(_mm512_cvtne2ps_pbh(odd, even));
            store(_mm512_permutexvar_epi16(order, rows), to);
        }
    }

    /// Thirty-two bytes as bf16 numbers, which hold them exactly.
    #[inline(always)]
    pub(crate) fn bytes(self, from: &[u8; 2 * LANES], to: &mut Line16) {
        let mut floats = [self.avx512.splat(0.0); 2];
        for (bytes, floats) in from.as_chunks::<LANES>().0.iter().zip(&mut floats) {
            // SAFETY: the token proves AVX-512F; the reference covers the sixteen bytes that are read.
            *floats = unsafe {
                let bytes = _mm_loadu_si128(bytes.as_ptr().cast());
                _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))
            };
        }
        self.round(floats, to);
    }

    /// Of 32 rows of 32 numbers, two rows each, the two numbers of a column beside each other: a line of 16 columns each.
    #[inline(always)]
    pub(crate) fn pair_rows(self, from: [&Tile; 2], [first, second]: [&mut Tile; 2]) {
        for p in 0..LANES {
            let tile = from[2 * p / LANES];
            let rows = [&tile[2 * p % LANES], &tile[2 * p % LANES + 1]];
            // SAFETY: the token proves AVX-512F and BW; the references cover the 64 bytes each that are read, indices are as many
            // initialised bytes; `store` has its own.
            unsafe {
                let [even, odd] = rows.map(|Line16(row)| _mm512_loadu_si512(row.as_ptr().cast()));
                let [low, high] =
                    PAIRS.each_ref().map(|Order(order)| _mm512_loadu_si512(order.as_ptr().cast()));
                store(_mm512_permutex2var_epi16(even, low, odd), &mut first[p]);
                store(_mm512_permutex2var_epi16(even, high, odd), &mut second[p]);
            }
        }
    }

    /// The transpose of 32 rows of 32 numbers: tiles of rows in k become tiles of columns in rows.
    #[inline(always)]
    pub(crate) fn transpose(self, from: [&Tile; 2], to: [&mut Tile; 2]) {
        // Two numbers of a row stay together while pairs are transposed as if they were floats. Then the
        // first of each, and the second, of two vectors are packed into one, which goes quarter by quarter:
        // so one transposition takes the even groups of four rows, the other the odd ones.
        let mut halves = [[self.avx512.splat(0.0); LANES]; 2];
        for (odd, half) in halves.iter_mut().enumerate() {
            for (l, row) in half.iter_mut().enumerate() {
                let i = (2 * (l / 4) + odd) * 4 + l % 4;
                let Line16(line) = &from[i / LANES][i % LANES];
                // SAFETY: the token proves AVX-512F; the reference covers the 64 bytes that are read.
                *row = unsafe { _mm512_loadu_ps(line.as_ptr().cast()) };
            }
            self.avx512.transpose(half);
        }
        for p in 0..LANES {
            // SAFETY: the token proves AVX-512F and BW; no memory is touched. `store` has its own.
            unsafe {
                let (a, b) = (_mm512_castps_si512(halves[0][p]), _mm512_castps_si512(halves[1][p]));
                let low = _mm512_set1_epi32(0xffff);
                let first = _mm512_packus_epi32(_mm512_and_si512(a, low), _mm512_and_si512(b, low));
                let second =
                    _mm512_packus_epi32(_mm512_srli_epi32::<16>(a), _mm512_srli_epi32::<16>(b));
                let column = &mut *to[2 * p / LANES];
                store(first, &mut column[2 * p % LANES]);
                store(second, &mut column[2 * p % LANES + 1]);
            }
        }
    }
}

/// Where the words of a line come from when two halves are interleaved.
#[repr(C, align(64))]
struct Order([u16; 2 * LANES]);
static INTERLEAVE: Order = {
    let mut order = [0; 2 * LANES];
    let mut i = 0;
    while i < LANES {
        (order[2 * i], order[2 * i + 1]) = (i as u16, (LANES + i) as u16);
        i += 1;
    }
    Order(order)
};

/// The same of the first halves of two lines, the second of which has the indices from 32 on, and of the second halves.
static PAIRS: [Order; 2] = {
    let mut orders = [[0; 2 * LANES]; 2];
    let mut i = 0;
    while i < LANES {
        let at = [i as u16, (i + LANES) as u16];
        let mut half = 0;
        while half < 2 {
            (orders[half][2 * i], orders[half][2 * i + 1]) = (at[half], at[half] + 32);
            half += 1;
        }
        i += 1;
    }
    let [low, high] = orders;
    [Order(low), Order(high)]
};

/// The bits of thirty-two bf16 numbers.
#[inline(always)]
fn bits(words: __m512bh) -> __m512i {
    // SAFETY: both types are 64 bytes in a vector register, of which every bit pattern is valid.
    unsafe { core::mem::transmute(words) }
}

/// # Safety
/// The CPU has AVX-512F.
#[inline(always)]
unsafe fn store(words: __m512i, to: &mut Line16) {
    // SAFETY: the caller vouches for the instruction; the reference covers the 64 bytes that are written.
    unsafe { _mm512_storeu_si512(to.0.as_mut_ptr().cast(), words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number (i, k) of 32 rows of 32.
    fn number(i: usize, k: usize) -> u16 {
        (i * 2 * LANES + k) as u16
    }

    #[test]
    fn thirty_two_rows_are_transposed_and_paired() {
        // Both by either token: AMX takes the one, and AVX-512, which adds up by the other, can do it, too.
        for token in Bf16::available() {
            let tile = |at: usize| core::array::from_fn(|i| line(|k| number(at + i, k)));
            let from: [Tile; 2] = [tile(0), tile(LANES)];
            let [mut above, mut below] = [[Line16::ZERO; LANES]; 2];
            token.transpose(from.each_ref(), [&mut above, &mut below]);
            for (k, column) in above.iter().chain(&below).enumerate() {
                assert_eq!(*column, line(|i| number(i, k)), "column {k}, {token:?}");
            }
            token.pair_rows(from.each_ref(), [&mut above, &mut below]);
            for (first, half) in [(0, above), (LANES, below)] {
                for (p, pairs) in half.iter().enumerate() {
                    let want = line(|at| number(2 * p + at % 2, first + at / 2));
                    assert_eq!(*pairs, want, "rows {} and the next, {token:?}", 2 * p);
                }
            }
        }
    }

    fn line(number: impl Fn(usize) -> u16) -> Line16 {
        Line16(core::array::from_fn(number))
    }
}
