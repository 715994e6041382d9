//! The portable ISA on `wide`: whatever vectors the build target has for certain. That is SSE2 on
//! x86-64, where multiply-add rounds twice, and NEON on AArch64, where it is fused.

use super::{Kernel, LANES, Part, Simd};
use wide::f32x16;

/// Whether the file has 32 vector registers, not sixteen.
const MANY_REGISTERS: bool = cfg!(target_arch = "aarch64");

/// Sixteen floats. What they are made of is nobody else's business.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Sixteen(f32x16);

/// Runs everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portable(());

impl Portable {
    /// The token: always there.
    pub fn new() -> Option<Self> {
        Some(Portable(()))
    }

    /// Runs a kernel compiled for the build target.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Out {
        kernel.run(self)
    }
}

impl Simd for Portable {
    type V = Sixteen;
    // `wide` fuses exactly where the target has the instruction at compile time.
    const FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));
    // A vector is four registers of 128 bits. Of AArch64's 32, six rows take 24 and a row of B four; the file
    // of sixteen that others have holds two rows. Layers take four rows, the group that shares a list of what
    // is lit.
    const TILE_ROWS: [usize; 4] = [if MANY_REGISTERS { 4 } else { 2 }, 0, 0, 0];
    const TALL: (usize, usize) = (if MANY_REGISTERS { 6 } else { 2 }, 1);
    const FLAT: (usize, usize) = (1, 1);

    #[inline(never)]
    fn outlined<P: Part<Self>>(self, part: P) -> P::Out {
        part.run(self)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Sixteen {
        Sixteen(f32x16::splat(x))
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Sixteen {
        Sixteen(f32x16::new(*from))
    }
    #[inline(always)]
    fn store(self, v: Sixteen, to: &mut [f32; LANES]) {
        *to = v.0.to_array();
    }
    #[inline(always)]
    fn load_first(self, from: &[f32]) -> Sixteen {
        let mut lanes = [0.0; LANES];
        let n = from.len().min(LANES);
        lanes[..n].copy_from_slice(&from[..n]);
        Sixteen(f32x16::new(lanes))
    }
    #[inline(always)]
    fn store_first(self, v: Sixteen, to: &mut [f32]) {
        let n = to.len().min(LANES);
        to[..n].copy_from_slice(&v.0.to_array()[..n]);
    }
    #[inline(always)]
    fn from_u8(self, from: &[u8; LANES]) -> Sixteen {
        Sixteen(f32x16::new(from.map(f32::from)))
    }
    #[inline(always)]
    fn add(self, a: Sixteen, b: Sixteen) -> Sixteen {
        Sixteen(a.0 + b.0)
    }
    #[inline(always)]
    fn sub(self, a: Sixteen, b: Sixteen) -> Sixteen {
        Sixteen(a.0 - b.0)
    }
    #[inline(always)]
    fn mul(self, a: Sixteen, b: Sixteen) -> Sixteen {
        Sixteen(a.0 * b.0)
    }
    #[inline(always)]
    fn div(self, a: Sixteen, b: Sixteen) -> Sixteen {
        Sixteen(a.0 / b.0)
    }
    #[inline(always)]
    fn sqrt(self, a: Sixteen) -> Sixteen {
        Sixteen(a.0.sqrt())
    }
    #[inline(always)]
    fn fma(self, a: Sixteen, b: Sixteen, c: Sixteen) -> Sixteen {
        Sixteen(a.0.mul_add(b.0, c.0))
    }
    #[inline(always)]
    fn fms(self, a: Sixteen, b: Sixteen, c: Sixteen) -> Sixteen {
        Sixteen(a.0.mul_sub(b.0, c.0))
    }
    #[inline(always)]
    fn select_gt(self, a: Sixteen, b: Sixteen, x: Sixteen, y: Sixteen) -> Sixteen {
        Sixteen(a.0.simd_gt(b.0).bitselect(x.0, y.0))
    }
    #[inline(always)]
    fn flush(self, x: Sixteen, limit: f32) -> Sixteen {
        Sixteen(x.0.abs().simd_lt(f32x16::splat(limit)).bitselect(f32x16::ZERO, x.0))
    }
    #[inline(always)]
    fn lit(self, x: Sixteen) -> u16 {
        x.0.simd_ne(f32x16::ZERO).to_bitmask() as u16
    }
    #[inline(always)]
    fn pow2(self, n: Sixteen) -> Sixteen {
        Sixteen(f32x16::new(
            n.0.to_array().map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23)),
        ))
    }
    #[inline(always)]
    fn transpose(self, m: &mut [Sixteen; LANES]) {
        *m = f32x16::transpose(m.map(|row| row.0)).map(Sixteen);
    }
}
