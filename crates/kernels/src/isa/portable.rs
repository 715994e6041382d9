//! The portable ISA on `wide`: whatever vectors the build target has for certain. That is SSE2 on
//! x86-64, where multiply-add rounds twice, and NEON on AArch64, where it is fused.

use super::{FourColumns, Kernel, LANES, Part, QUAD, Simd};
use wide::bytemuck::cast;
use wide::{f32x4, f32x16, i32x16};

/// Whether the file has 32 vector registers, not sixteen.
const MANY_REGISTERS: bool = cfg!(target_arch = "aarch64");

/// Whether vectors are those of SSE.
const X86: bool = cfg!(target_feature = "sse");

/// Sixteen floats. What they are made of is nobody else's business.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Sixteen(f32x16);

/// The transpose of block (i, j) of the sixteen that a matrix of sixteen rows has.
#[inline(always)]
fn block(m: &[[f32x4; 4]; LANES], i: usize, j: usize) -> [f32x4; 4] {
    f32x4::transpose([m[4 * i][j], m[4 * i + 1][j], m[4 * i + 2][j], m[4 * i + 3][j]])
}

/// Replaces block (i, j).
#[inline(always)]
fn put(m: &mut [[f32x4; 4]; LANES], i: usize, j: usize, [a, b, c, d]: [f32x4; 4]) {
    (m[4 * i][j], m[4 * i + 1][j], m[4 * i + 2][j], m[4 * i + 3][j]) = (a, b, c, d);
}

/// Runs everywhere.
///
/// ```
/// use kernels::{Portable, Simd};
/// if let Some(s) = Portable::new() {
///     assert_eq!(s.sum(s.splat(0.5)), 8.0);
/// }
/// ```
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
    const FUSED: bool =
        cfg!(any(all(target_arch = "aarch64", target_feature = "neon"), target_feature = "fma"));
    // A vector is four registers of 128 bits. Of AArch64's 32, six rows take 24 and a row of B four; the file
    // of sixteen that others have holds two rows. Layers take four rows, the group that shares a list of what
    // is lit.
    const TILE_ROWS: [usize; 4] = [if MANY_REGISTERS { 4 } else { 2 }, 0, 0, 0];
    const TALL: (usize, usize) = (if MANY_REGISTERS { 6 } else { 2 }, 1);
    const WIDE: (usize, usize) = Self::TALL;
    const LOW: (usize, usize) = Self::TALL;
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
    fn max(self, a: Sixteen, b: Sixteen) -> Sixteen {
        // The fast maximum of `wide` is an instruction, and x86's MAXPS is `a > b ? a : b`.
        if X86 { Sixteen(a.0.fast_max(b.0)) } else { self.select_gt(a, b, a, b) }
    }
    #[inline(always)]
    fn min(self, a: Sixteen, b: Sixteen) -> Sixteen {
        if X86 { Sixteen(a.0.fast_min(b.0)) } else { self.select_gt(b, a, a, b) }
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
    fn scale(self, x: Sixteen, up: Sixteen) -> Sixteen {
        // In two factors, of which the first product is exact: half of n and the rest, each put where a float has
        // its exponent.
        let n = cast::<f32x16, i32x16>(up.0) << 23;
        let half = (n >> 1) & i32x16::splat(-1 << 23);
        let power = |n| cast::<i32x16, f32x16>(n + i32x16::splat(1.0f32.to_bits() as i32));
        Sixteen(x.0 * power(half) * power(n - half))
    }
    #[inline(always)]
    fn four_columns(self, rows: FourColumns<'_>) -> [Sixteen; QUAD] {
        let mut columns = [[f32x4::ZERO; 4]; QUAD];
        for q in 0..4 {
            let four = f32x4::transpose(rows[q].map(|row| f32x4::new(*row)));
            for c in 0..QUAD {
                columns[c][q] = four[c];
            }
        }
        columns.map(|column| Sixteen(cast(column)))
    }
    #[inline(always)]
    fn transpose(self, m: &mut [Sixteen; LANES]) {
        // By blocks of 4×4: `wide` takes sixteen rows element by element.
        // SAFETY: `Sixteen` is transparent, and sixteen floats are four times four, which need no more alignment.
        let m: &mut [[f32x4; 4]; LANES] = unsafe { &mut *core::ptr::from_mut(m).cast() };
        for i in 0..4 {
            for j in i..4 {
                let (above, below) = (block(m, i, j), block(m, j, i));
                put(m, j, i, above);
                put(m, i, j, below);
            }
        }
    }
}
