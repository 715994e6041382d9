//! AMX on x86-64. Rust has no intrinsics for it, so its instructions are assembly.
//!
//! A tile register never holds anything from one block of assembly to the next; only their shape, which is
//! the thread's, outlives a block, and [`Tiles`] stands for that.

use super::{Kernel16, Line16, Square, Sums, Tile};
use crate::isa::{Avx512, LANES, Simd};
use core::arch::asm;
use core::arch::x86_64::*;
use core::cell::Cell;
use core::marker::PhantomData;
use std::sync::OnceLock;

/// Proof that this CPU has AMX for bf16 and AVX-512 with bf16, and that this process may use them.
///
/// ```
/// match kernels::Amx::new() {
///     Some(_) => println!("products of bf16 numbers by tiles"),
///     None => println!("this machine has no AMX"),
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amx {
    avx512: Avx512,
}

/// Bytes of a tile.
const TILE: usize = size_of::<Tile>();

/// Bytes of its rows.
const ROW: usize = size_of::<Line16>();

impl Amx {
    /// The token, if this CPU has the instructions and the system lets this process use them. Linux only:
    /// it wants to be asked, once a process.
    pub fn new() -> Option<Self> {
        static MAY: OnceLock<bool> = OnceLock::new();
        let may = MAY.get_or_init(|| {
            std::is_x86_feature_detected!("avx512bf16") && has_tiles() && permitted()
        });
        Avx512::new().filter(|_| *may).map(|avx512| Amx { avx512 })
    }

    /// Runs a kernel compiled with these instructions.
    #[inline]
    pub(crate) fn run<K: Kernel16>(self, kernel: K) -> K::Out {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
        fn inner<K: Kernel16>(token: Amx, kernel: K) -> K::Out {
            kernel.run(token)
        }
        // SAFETY: `self` exists, so `new` found AVX-512 with bf16, and `Avx512::new` the rest.
        unsafe { inner(self, kernel) }
    }

    /// The token of the vectors.
    #[inline(always)]
    pub(crate) fn simd(self) -> Avx512 {
        self.avx512
    }

    /// Gives this thread's tile registers their shape.
    ///
    /// # Panics
    /// If they have it already.
    #[inline(always)]
    pub(crate) fn tiles(self) -> Tiles {
        assert!(!SHAPED.replace(true), "the tiles of this thread are in use");
        // SAFETY: `new` found AMX and got the permission to use it; the 64 bytes that are read are static.
        unsafe {
            asm!("ldtilecfg [{0}]", in(reg) &raw const SHAPE, options(readonly, nostack, preserves_flags));
        }
        Tiles(PhantomData)
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

    /// The transpose of 32 rows of 32 numbers: tiles of rows in k become tiles of columns in rows.
    #[inline(always)]
    pub(crate) fn transpose(self, from: &[&Tile; 2], to: &mut [Tile; 2]) {
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
                let column = &mut to[2 * p / LANES];
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
        // SAFETY: `Amx::tiles` made this on a CPU with AMX. No other `Tiles` of the thread is left without
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
    /// `sums[i][j] += Σ a[i][k] b[j][k · step]`, k through all of `a[0]`, for i and j of 0 and 1. The
    /// product of two tiles is that of the matrices in them, rounded as
    /// [`twin::amx::add_products`](crate::twin::amx::add_products) says.
    ///
    /// # Panics
    /// If `a` has no tiles or different numbers of them, or `b` too few.
    #[inline(always)]
    pub(crate) fn square(&self, sums: &mut Square, a: [&[Tile]; 2], b: [&[Tile]; 2], step: usize) {
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
fn has_tiles() -> bool {
    const BITS: u32 = 1 << 24 | 1 << 22;
    // SAFETY: every x86-64 CPU has CPUID, and its leaf 0.
    unsafe { __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & BITS == BITS }
}

/// Asks the system for the permission to use the data of tiles, state component 18 of XSAVE; threads share
/// it. See `Documentation/arch/x86/xstate.rst` of Linux.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
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
fn permitted() -> bool {
    false
}
