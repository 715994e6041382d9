//! AMX on x86-64. Rust has no intrinsics for it, so its instructions are assembly.
//!
//! A tile register never holds anything from one block of assembly to the next; only their shape, which is
//! the thread's, outlives a block, and [`Tiles`] stands for that.

use super::{Line16, Square, Sums, Tile};
use crate::isa::LANES;
use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::cell::Cell;
use core::marker::PhantomData;

/// Bytes of a tile.
const TILE: usize = size_of::<Tile>();

/// Bytes of its rows.
const ROW: usize = size_of::<Line16>();

/// The shape of eight tiles of sixteen rows of 64 bytes, as LDTILECFG reads it: palette, first row, 14
/// bytes for later, sixteen words with the bytes of a row, sixteen bytes with the rows.
#[repr(C, align(64))]
struct Shape {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}
static SHAPE: Shape = {
    let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
    let mut t = 0;
    while t < 8 {
        (row_bytes[t], rows[t]) = (ROW as u16, LANES as u8);
        t += 1;
    }
    Shape { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
};

std::thread_local! {
    /// Whether there is a `Tiles` on this thread.
    static SHAPED: Cell<bool> = const { Cell::new(false) };
}

/// Proof that the tile registers of this thread have their shape: all sixteen rows of 64 bytes. Stays on
/// the thread, and is the only one there; when it goes, the registers are given back.
pub(crate) struct Tiles(PhantomData<*const ()>);

impl Drop for Tiles {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: who called `new` vouched for AMX. No other `Tiles` of the thread is left without
        // its registers: there is one at most.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) }
        SHAPED.set(false);
    }
}

/// Checks that `depth` tiles, one every `step`, lie in `tiles`.
#[inline(always)]
fn assert_holds(tiles: &[Tile], depth: usize, step: usize) {
    let last = (depth - 1).checked_mul(step);
    assert!(last.is_some_and(|last| last < tiles.len()), "{depth} tiles {step} apart");
}

impl Tiles {
    /// Gives this thread's tile registers their shape.
    ///
    /// # Panics
    /// If they have it already.
    ///
    /// # Safety
    /// The CPU has AMX for bf16, and this process the permission to use it.
    #[inline(always)]
    pub(super) unsafe fn new() -> Tiles {
        assert!(!SHAPED.replace(true), "the tiles of this thread are in use");
        // SAFETY: the caller vouches for AMX; the 64 bytes that are read are static.
        unsafe {
            asm!("ldtilecfg [{0}]", in(reg) &raw const SHAPE, options(readonly, nostack, preserves_flags));
        }
        Tiles(PhantomData)
    }

    /// `sums[i][j] += Σ a[i][k] b[j][k · step]`, k through all of `a[0]`, for i and j of 0 and 1. The
    /// product of two tiles is that of the matrices in them, rounded as
    /// [`twin::bf16::add_products`](crate::twin::bf16::add_products) says.
    ///
    /// # Panics
    /// If `a` has no tiles or different numbers of them, or `b` too few.
    #[inline(always)]
    pub(super) fn square(&self, sums: &mut Square, a: [&[Tile]; 2], b: [&[Tile]; 2], step: usize) {
        let depth = a[0].len();
        assert!(depth > 0 && a[1].len() == depth, "{depth} and {} tiles", a[1].len());
        b.iter().for_each(|b| assert_holds(b, depth, step));
        // SAFETY: `self` exists, so AMX does and the tiles are 16 × 64 bytes, the `stride`. The sums are
        // four tiles in a row. `depth` tiles are read from either `a` on and, `step` tiles apart, from
        // either `b` on; all of that was just checked. Eight tiles are what the assembly changes.
        unsafe {
            asm!(
                "tileloadd tmm0, [{c} + {stride}*1]",
                "tileloadd tmm1, [{c} + {stride}*1 + {tile}]",
                "tileloadd tmm2, [{c} + {stride}*1 + 2*{tile}]",
                "tileloadd tmm3, [{c} + {stride}*1 + 3*{tile}]",
                "2:",
                "tileloadd tmm6, [{b0} + {stride}*1]",
                "tileloadd tmm4, [{a0} + {stride}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{b1} + {stride}*1]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{a1} + {stride}*1]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {a0}, {tile}",
                "add {a1}, {tile}",
                "add {b0}, {step}",
                "add {b1}, {step}",
                "dec {depth}",
                "jnz 2b",
                "tilestored [{c} + {stride}*1], tmm0",
                "tilestored [{c} + {stride}*1 + {tile}], tmm1",
                "tilestored [{c} + {stride}*1 + 2*{tile}], tmm2",
                "tilestored [{c} + {stride}*1 + 3*{tile}], tmm3",
                tile = const TILE,
                c = in(reg) sums.as_mut_ptr(),
                a0 = inout(reg) a[0].as_ptr() => _,
                a1 = inout(reg) a[1].as_ptr() => _,
                b0 = inout(reg) b[0].as_ptr() => _,
                b1 = inout(reg) b[1].as_ptr() => _,
                step = in(reg) step * TILE,
                stride = in(reg) ROW,
                depth = inout(reg) depth => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }

    /// `sums[j] = Σ a[k] b[4 k + j]`, k through all of `a`; else as [`square`](Tiles::square).
    ///
    /// # Panics
    /// If `a` has no tiles, or `b` too few.
    #[inline(always)]
    pub(crate) fn row(&self, sums: &mut [Sums; 4], a: &[Tile], b: &[Tile]) {
        let depth = a.len();
        assert!(depth > 0 && 4 * depth <= b.len(), "{depth} tiles and {}", b.len());
        // SAFETY: `self` exists, so AMX does and the tiles are 16 × 64 bytes, the `stride`. `depth` tiles are
        // read from `a` on and four times as many from `b` on, as was just checked; four in a row are
        // written, which the sums are. Eight tiles are what the assembly changes.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{a} + {stride}*1]",
                "tileloadd tmm5, [{b} + {stride}*1]",
                "tdpbf16ps tmm0, tmm4, tmm5",
                "tileloadd tmm6, [{b} + {stride}*1 + {tile}]",
                "tdpbf16ps tmm1, tmm4, tmm6",
                "tileloadd tmm7, [{b} + {stride}*1 + 2*{tile}]",
                "tdpbf16ps tmm2, tmm4, tmm7",
                "tileloadd tmm5, [{b} + {stride}*1 + 3*{tile}]",
                "tdpbf16ps tmm3, tmm4, tmm5",
                "add {a}, {tile}",
                "add {b}, 4*{tile}",
                "dec {depth}",
                "jnz 2b",
                "tilestored [{c} + {stride}*1], tmm0",
                "tilestored [{c} + {stride}*1 + {tile}], tmm1",
                "tilestored [{c} + {stride}*1 + 2*{tile}], tmm2",
                "tilestored [{c} + {stride}*1 + 3*{tile}], tmm3",
                tile = const TILE,
                c = in(reg) sums.as_mut_ptr(),
                a = inout(reg) a.as_ptr() => _,
                b = inout(reg) b.as_ptr() => _,
                stride = in(reg) ROW,
                depth = inout(reg) depth => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }

    /// `sums = Σ a[k] b[k · step]`, k through all of `a`; else as [`square`](Tiles::square).
    ///
    /// # Panics
    /// If `a` has no tiles, or `b` too few.
    #[inline(always)]
    pub(crate) fn single(&self, sums: &mut Sums, a: &[Tile], b: &[Tile], step: usize) {
        let depth = a.len();
        assert!(depth > 0, "no tiles");
        assert_holds(b, depth, step);
        // SAFETY: `self` exists, so AMX does and the tiles are 16 × 64 bytes, the `stride`. `depth` tiles are
        // read from `a` on and, `step` tiles apart, from `b` on, as was just checked; one is written to
        // the sums. Three tiles are what the assembly changes.
        unsafe {
            asm!(
                "tilezero tmm0",
                "2:",
                "tileloadd tmm1, [{a} + {stride}*1]",
                "tileloadd tmm2, [{b} + {stride}*1]",
                "tdpbf16ps tmm0, tmm1, tmm2",
                "add {a}, {tile}",
                "add {b}, {step}",
                "dec {depth}",
                "jnz 2b",
                "tilestored [{c} + {stride}*1], tmm0",
                tile = const TILE,
                c = in(reg) sums.as_mut_ptr(),
                a = inout(reg) a.as_ptr() => _,
                b = inout(reg) b.as_ptr() => _,
                step = in(reg) step * TILE,
                stride = in(reg) ROW,
                depth = inout(reg) depth => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _,
                options(nostack),
            );
        }
    }
}

/// Whether the CPU says it has tiles, and products of bf16 with them: leaf 7, bits 24 and 22 of EDX.
#[allow(unused_unsafe, reason = "CPUID is a safe function only since Rust 1.94")]
pub(super) fn has_tiles() -> bool {
    const BITS: u32 = 1 << 24 | 1 << 22;
    // SAFETY: every x86-64 CPU has CPUID, and its leaf 0.
    unsafe { __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & BITS == BITS }
}

/// Asks the system for the permission to use the data of tiles, state component 18 of XSAVE; threads share
/// it. See `Documentation/arch/x86/xstate.rst` of Linux.
#[cfg(target_os = "linux")]
pub(super) fn permitted() -> bool {
    const ARCH_PRCTL: isize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XTILEDATA: usize = 18;
    let answer: isize;
    // SAFETY: this call of the x86-64 system takes two numbers and touches no memory of the program; it
    // overwrites RCX and R11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => answer,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XTILEDATA,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    answer == 0
}

#[cfg(not(target_os = "linux"))]
pub(super) fn permitted() -> bool {
    false
}
