//! VDPBF16PS: a vector of sixteen sums, to each the products of a pair of bf16 numbers.

use super::{Square, Tile};
use crate::isa::{Beside, LANES};
use core::arch::x86_64::*;

/// Proof that this CPU has AVX-512 F and BF16.
#[derive(Clone, Copy)]
pub(crate) struct Pairs(());

/// Sums of `R` rows and `V` vectors, in registers.
type Acc<const R: usize, const V: usize> = [[__m512; V]; R];

impl Pairs {
    /// # Safety
    /// The CPU has AVX-512 F and BF16.
    #[inline(always)]
    pub(super) unsafe fn new() -> Pairs {
        Pairs(())
    }

    /// What [`Adder::square`](super::Adder::square) says, eight rows and two vectors of sums in registers.
    #[inline(always)]
    pub(super) fn square(self, sums: &mut Square, a: [&[Tile]; 2], b: [&[Tile]; 2], step: usize) {
        const ROWS: usize = 8;
        assert_eq!(a[0].len(), a[1].len(), "tiles of the left operand");
        for (sums, a) in sums.iter_mut().zip(a) {
            for from in (0..LANES).step_by(ROWS) {
                // SAFETY: `self` proves AVX-512F; no memory is touched.
                let mut acc: Acc<ROWS, 2> = [[unsafe { _mm512_setzero_ps() }; 2]; ROWS];
                for i in 0..ROWS {
                    for j in 0..2 {
                        // SAFETY: `self` proves AVX-512F; the reference covers the sixteen floats that are read.
                        acc[i][j] = unsafe { _mm512_loadu_ps(sums[j][from + i].0.as_ptr()) };
                    }
                }
                for (k, a) in a.iter().enumerate() {
                    let b = b.map(|b| &b[k * step]);
                    self.add_tile::<ROWS, 2, false>(&mut acc, a, from, b, &mut ());
                }
                for i in 0..ROWS {
                    for j in 0..2 {
                        // SAFETY: `self` proves AVX-512F; the reference covers the sixteen floats that are written.
                        unsafe { _mm512_storeu_ps(sums[j][from + i].0.as_mut_ptr(), acc[i][j]) };
                    }
                }
            }
        }
    }

    /// `Σ a[k] b[V k + j]` for the rows `from + i` of sixteen, k through all of `a`, whose lines are pairs of columns.
    ///
    /// # Panics
    /// If there are not as many rows after `from`, or too few tiles in `b`.
    #[inline(always)]
    pub(crate) fn rows<const R: usize, const V: usize>(
        self,
        a: &[Tile],
        from: usize,
        b: &[Tile],
        beside: &mut impl Beside,
    ) -> [[__m512; V]; R] {
        // SAFETY: `self` proves AVX-512F; no memory is touched.
        let mut acc = [[unsafe { _mm512_setzero_ps() }; V]; R];
        let (b, _) = b.as_chunks::<V>();
        for (a, b) in a.iter().zip(&b[..a.len()]) {
            self.add_tile::<R, V, true>(&mut acc, a, from, b.each_ref(), beside);
        }
        acc
    }

    /// Adds the products of `R` rows of a tile, those from `from` on, with `V` others. Its lines are rows or pairs of columns.
    #[inline(always)]
    fn add_tile<const R: usize, const V: usize, const BY_PAIRS: bool>(
        self,
        acc: &mut Acc<R, V>,
        a: &Tile,
        from: usize,
        b: [&Tile; V],
        beside: &mut impl Beside,
    ) {
        assert!(from + R <= LANES, "rows past the end");
        for p in 0..LANES {
            beside.go_on();
            let lines = b.map(|tile| &tile[p]);
            // SAFETY: `self` proves AVX-512 F and BF16; `p` and `from + i` are below 16, and each line holds as many pairs and is 64
            // bytes, which is what is read of it.
            unsafe {
                let mut y = [_mm512_setzero_si512(); V];
                for j in 0..V {
                    y[j] = _mm512_loadu_si512(lines[j].0.as_ptr().cast());
                }
                for (i, acc) in acc.iter_mut().enumerate() {
                    let (line, at) = if BY_PAIRS { (p, from + i) } else { (from + i, p) };
                    let pair = a[line].0.as_ptr().cast::<i32>().add(at).read();
                    let x = _mm512_set1_epi32(pair);
                    for j in 0..V {
                        acc[j] = _mm512_dpbf16_ps(acc[j], words(x), words(y[j]));
                    }
                }
            }
        }
    }
}

/// A vector of bits as bf16 numbers.
#[inline(always)]
fn words(bits: __m512i) -> __m512bh {
    // SAFETY: both types are 64 bytes in a vector register, of which every bit pattern is valid.
    unsafe { core::mem::transmute(bits) }
}
