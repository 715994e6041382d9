//! VDPBF16PS: a vector of sixteen sums, to each the products of a pair of bf16 numbers.

use super::{Line16, Square, Sums, Tile};
use crate::isa::LANES;
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

    /// `sums[i][j] += Σ a[i][k] b[j][k · step]`, k through all of `a[0]`, for i and j of 0 and 1. The product of two tiles is
    /// that of the matrices in them, rounded as [`twin::bf16::add_products`](crate::twin::bf16::add_products) says.
    ///
    /// # Panics
    /// If there are fewer tiles in `a[1]` or `b`.
    #[inline(always)]
    pub(crate) fn square(self, sums: &mut Square, a: [&[Tile]; 2], b: [&[Tile]; 2], step: usize) {
        for (sums, a) in sums.iter_mut().zip([a[0], &a[1][..a[0].len()]]) {
            let [left, right] = sums;
            self.add::<8, 2>([left, right], a, b, step);
        }
    }

    /// `sums[j] = Σ a[k] b[4 k + j]`, k through all of `a`; else as [`square`](Pairs::square).
    #[inline(always)]
    pub(crate) fn row(self, sums: &mut [Sums; 4], a: &[Tile], b: &[Tile]) {
        *sums = [super::NO_SUMS; 4];
        self.add::<4, 4>(sums.each_mut(), a, [0, 1, 2, 3].map(|j| &b[j..]), 4);
    }

    /// `sums = Σ a[k] b[k · step]`, k through all of `a`; else as [`square`](Pairs::square).
    #[inline(always)]
    pub(crate) fn single(self, sums: &mut Sums, a: &[Tile], b: &[Tile], step: usize) {
        *sums = super::NO_SUMS;
        self.add::<16, 1>([sums], a, [b], step);
    }

    /// `Σ a[k] b[V k + j]` for the rows `from + i` of sixteen, k through all of `a`.
    ///
    /// # Panics
    /// If there are not as many rows after `from`, or too few tiles in `b`.
    #[inline(always)]
    pub(crate) fn rows<const R: usize, const V: usize>(
        self,
        a: &[Tile],
        from: usize,
        b: &[Tile],
    ) -> [[__m512; V]; R] {
        // SAFETY: `self` proves AVX-512F; no memory is touched.
        let mut acc = [[unsafe { _mm512_setzero_ps() }; V]; R];
        let (b, _) = b.as_chunks::<V>();
        for (a, b) in a.iter().zip(&b[..a.len()]) {
            let Some((rows, _)) = a[from..].split_first_chunk() else { unreachable!() };
            self.add_tile(&mut acc, rows, b.each_ref());
        }
        acc
    }

    /// Adds the products of a row of tiles to sixteen rows of `V` vectors, `R` at a time.
    #[inline(always)]
    fn add<const R: usize, const V: usize>(
        self,
        sums: [&mut Sums; V],
        a: &[Tile],
        b: [&[Tile]; V],
        step: usize,
    ) {
        for from in (0..LANES).step_by(R) {
            // SAFETY: `self` proves AVX-512F; no memory is touched.
            let mut acc: Acc<R, V> = [[unsafe { _mm512_setzero_ps() }; V]; R];
            for i in 0..R {
                for j in 0..V {
                    // SAFETY: `self` proves AVX-512F; the reference covers the sixteen floats that are read.
                    acc[i][j] = unsafe { _mm512_loadu_ps(sums[j][from + i].0.as_ptr()) };
                }
            }
            for (k, a) in a.iter().enumerate() {
                let Some((rows, _)) = a[from..].split_first_chunk() else { unreachable!() };
                self.add_tile(&mut acc, rows, b.map(|b| &b[k * step]));
            }
            for i in 0..R {
                for j in 0..V {
                    // SAFETY: as above, written.
                    unsafe { _mm512_storeu_ps(sums[j][from + i].0.as_mut_ptr(), acc[i][j]) };
                }
            }
        }
    }

    /// Adds the products of some rows of a tile with `V` others.
    #[inline(always)]
    fn add_tile<const R: usize, const V: usize>(
        self,
        acc: &mut Acc<R, V>,
        a: &[Line16; R],
        b: [&Tile; V],
    ) {
        for p in 0..LANES {
            let lines = b.map(|tile| &tile[p]);
            // SAFETY: `self` proves AVX-512 F and BF16; `p` is below 16, and each line holds as many pairs and is 64
            // bytes, which is what is read of it.
            unsafe {
                let mut y = [_mm512_setzero_si512(); V];
                for j in 0..V {
                    y[j] = _mm512_loadu_si512(lines[j].0.as_ptr().cast());
                }
                for i in 0..R {
                    let pair = a[i].0.as_ptr().cast::<i32>().add(p).read();
                    let x = _mm512_set1_epi32(pair);
                    for j in 0..V {
                        acc[i][j] = _mm512_dpbf16_ps(acc[i][j], words(x), words(y[j]));
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
