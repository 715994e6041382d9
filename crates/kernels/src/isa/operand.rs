//! The two operands of the tile, checked once when they are made and then read without checks.

use super::lit::Lit;
use super::matrix::{begin_with_lines, extent};
use super::{LANES, Line, prefetch_line};
use core::marker::PhantomData;

impl Line {
    /// Lines as the floats they hold.
    #[inline(always)]
    pub fn flat(lines: &[Line]) -> &[f32] {
        // SAFETY: `Line` is `repr(C)` around `[f32; 16]` and, at 64 bytes, has no padding, so `n` lines
        // are `16 n` initialised floats; the lifetime is that of `lines`.
        unsafe { core::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LANES) }
    }

    /// Lines as the floats they hold.
    #[inline(always)]
    pub fn flat_mut(lines: &mut [Line]) -> &mut [f32] {
        // SAFETY: as in `flat`; every bit pattern of a float is valid, and the borrow stays exclusive.
        unsafe { core::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LANES) }
    }

    /// Lines as the vectors they hold.
    #[inline(always)]
    pub(crate) fn vectors(lines: &[Line]) -> &[[f32; LANES]] {
        Line::flat(lines).as_chunks().0
    }

    /// Lines as the vectors they hold.
    #[inline(always)]
    pub(crate) fn vectors_mut(lines: &mut [Line]) -> &mut [[f32; LANES]] {
        Line::flat_mut(lines).as_chunks_mut().0
    }
}

/// The A operand: element (i, k) of a `rows × depth` matrix is `data[i * rs + k * cs]`. Transposition is
/// a swap of the strides; the tile never knows.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a> {
    data: *const f32,
    rs: usize,
    cs: usize,
    rows: usize,
    depth: usize,
    lit: Lit<'a>,
}

impl<'a> Strided<'a> {
    /// No elements.
    pub(crate) const NONE: Strided<'a> =
        Strided { data: core::ptr::null(), rs: 0, cs: 0, rows: 0, depth: 0, lit: Lit::Unknown };

    /// Checks that every element of the matrix lies in `data`.
    ///
    /// # Panics
    /// If one does not.
    #[inline(always)]
    pub(crate) fn new(
        data: &'a [f32],
        (rows, depth): (usize, usize),
        (rs, cs): (usize, usize),
    ) -> Self {
        assert!(
            extent((rows, depth), (rs, cs)).is_some_and(|end| end <= data.len()),
            "{rows}x{depth} operand with strides ({rs}, {cs}) needs more than {} floats",
            data.len()
        );
        // SAFETY: just checked; the slice is borrowed for 'a.
        unsafe { Strided::from_raw_parts(data.as_ptr(), (rows, depth), (rs, cs)) }
    }

    /// The same of memory that somebody else checked.
    ///
    /// # Safety
    /// For all of 'a, every element is an initialised float that nobody writes.
    #[inline(always)]
    pub(crate) unsafe fn from_raw_parts(
        data: *const f32,
        (rows, depth): (usize, usize),
        (rs, cs): (usize, usize),
    ) -> Self {
        Strided { data, rs, cs, rows, depth, lit: Lit::Unknown }
    }

    /// Steps of k.
    #[inline(always)]
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// How a copied strip lies, all of whose rows a tile takes.
    #[inline(always)]
    pub(crate) fn layout(&self) -> u8 {
        match (self.rs, self.cs) {
            (1, cs) if cs == self.rows => COLUMNS,
            (PITCH, 1) => ROWS,
            _ => ANYHOW,
        }
    }

    /// The same matrix, of which this is known.
    #[inline(always)]
    pub(crate) fn with_lit(self, lit: Lit<'a>) -> Self {
        Strided { lit, ..self }
    }

    /// What is known of columns that can be skipped.
    #[inline(always)]
    pub(crate) fn lit(&self) -> Lit<'a> {
        self.lit
    }
}

/// The B operand: row k is `vectors` vectors of sixteen floats from `data[k * stride]` on.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(super) data: *const f32,
    pub(super) stride: usize,
    pub(super) depth: usize,
    pub(super) vectors: usize,
    _borrows: PhantomData<&'a [f32]>,
}

impl<'a> Rows<'a> {
    /// No rows.
    pub(crate) const NONE: Rows<'a> =
        Rows { data: core::ptr::null(), stride: 0, depth: 0, vectors: 0, _borrows: PhantomData };

    /// Checks that every row lies in `data`.
    ///
    /// # Panics
    /// If one does not.
    #[inline(always)]
    pub(crate) fn new(data: &'a [f32], stride: usize, (depth, vectors): (usize, usize)) -> Self {
        let end = vectors.checked_mul(LANES).and_then(|cols| extent((depth, cols), (stride, 1)));
        assert!(
            end.is_some_and(|end| end <= data.len()),
            "{depth} rows of {vectors} vectors with stride {stride} need more than {} floats",
            data.len()
        );
        // SAFETY: just checked; the slice is borrowed for 'a.
        unsafe { Rows::from_raw_parts(data.as_ptr(), stride, (depth, vectors)) }
    }

    /// The same of memory that somebody else checked.
    ///
    /// # Safety
    /// For all of 'a, every element is an initialised float that nobody writes.
    #[inline(always)]
    pub(crate) unsafe fn from_raw_parts(
        data: *const f32,
        stride: usize,
        (depth, vectors): (usize, usize),
    ) -> Self {
        Rows { data, stride, depth, vectors, _borrows: PhantomData }
    }

    /// Vectors in a row: N / 16 of the product.
    #[inline(always)]
    pub(crate) fn vectors(&self) -> usize {
        self.vectors
    }
}

/// Panels of B beside each other, all as deep and as wide.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a> {
    first: Rows<'a>,
    /// Floats from one to the next.
    step: usize,
    count: usize,
    /// A factor of every element, which the tile multiplies with.
    scale: f32,
    far: bool,
}

impl<'a> Panels<'a> {
    /// None.
    pub(crate) const NONE: Panels<'a> =
        Panels { first: Rows::NONE, step: 0, count: 0, scale: 1.0, far: false };

    /// Panels that follow each other in memory, each row after row.
    ///
    /// # Panics
    /// If they do not fill `data`.
    #[inline(always)]
    pub(crate) fn packed(data: &'a [Line], (depth, vectors): (usize, usize), count: usize) -> Self {
        assert!(data.len() == count * depth * vectors, "{count} panels of {depth} rows");
        let step = depth * vectors * LANES;
        // SAFETY: the lines are borrowed for 'a, and just checked to be all those of the panels.
        let first = unsafe {
            Rows::from_raw_parts(data.as_ptr().cast(), vectors * LANES, (depth, vectors))
        };
        Panels { first, step, count, scale: 1.0, far: false }
    }

    /// Columns of vectors of one matrix.
    ///
    /// # Safety
    /// As of [`Rows::from_raw_parts`], for rows of `count * vectors` vectors.
    #[inline(always)]
    pub(crate) unsafe fn from_raw_parts(
        data: *const f32,
        stride: usize,
        (depth, vectors): (usize, usize),
        count: usize,
    ) -> Self {
        // SAFETY: the caller's promise has more vectors.
        let first = unsafe { Rows::from_raw_parts(data, stride, (depth, vectors)) };
        Panels { first, step: vectors * LANES, count, scale: 1.0, far: false }
    }

    /// The same panels, to be read with a factor.
    #[inline(always)]
    pub(crate) fn times(self, scale: f32) -> Self {
        Panels { scale, ..self }
    }

    /// Their factor.
    #[inline(always)]
    pub(crate) fn scale(&self) -> f32 {
        self.scale
    }

    /// How many.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Vectors in a row of each.
    #[inline(always)]
    pub(crate) fn vectors(&self) -> usize {
        self.first.vectors
    }

    /// The same panels, whose rows are to be asked for some steps ahead if all panels have more than `near` floats.
    #[inline(always)]
    pub(crate) fn asked_beyond(self, near: usize) -> Self {
        let panel = self.first.depth * self.first.vectors * LANES;
        Panels { far: self.count * panel > near, ..self }
    }

    /// Whether they are to be asked for.
    #[inline(always)]
    pub(crate) fn are_far(&self) -> bool {
        self.far
    }

    /// Whether their rows begin with cache lines.
    #[inline(always)]
    pub(crate) fn rows_are_aligned(&self) -> bool {
        begin_with_lines(self.first.data, self.first.stride)
    }

    /// One of them.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline(always)]
    pub(crate) fn panel(&self, p: usize) -> Rows<'a> {
        assert!(p < self.count);
        Rows { data: self.first.data.wrapping_add(p * self.step), ..self.first }
    }
}

/// A step of a tile along k: a column of `MR` elements of A and a row of `NV` vectors of B.
pub(crate) type Step<'a, const MR: usize, const NV: usize> = ([f32; MR], [&'a [f32; LANES]; NV]);

/// What is done between the multiply-adds of a tile, a little before each step.
pub(crate) trait Beside {
    /// Does a little; false if nothing was left to do.
    fn go_on(&mut self) -> bool;
    /// Does all that is left.
    fn finish(self);
}

/// Nothing.
impl Beside for () {
    #[inline(always)]
    fn go_on(&mut self) -> bool {
        false
    }
    #[inline(always)]
    fn finish(self) {}
}

/// The walk of one tile along k.
pub(crate) trait Walk<'a, const MR: usize, const NV: usize> {
    /// Steps that are left.
    fn left(&self) -> usize;
    /// The next step.
    ///
    /// # Panics
    /// If none is left.
    fn take(&mut self) -> Step<'a, MR, NV>;
}

/// Rows of A for each pointer that goes along k: what an x86 address reaches from one with a stride of 0, 1
/// and 2 times the distance of rows.
const REACH: usize = 3;
/// Pointers for the tallest tile.
const BASES: usize = 16usize.div_ceil(REACH);

/// How a tile's part of A lies: with any strides, which takes several pointers...
pub(crate) const ANYHOW: u8 = 0;
/// ...column after column, or row after row with [`PITCH`], which takes one. What the loop does besides multiplying takes
/// turns with the multiply-adds.
pub(crate) const COLUMNS: u8 = 1;
pub(crate) const ROWS: u8 = 2;
/// Floats from a copied row of A to the next: 512 of the row, and a line, so that rows begin in different sets of the
/// first-level cache.
pub(crate) const PITCH: usize = 512 + LANES;

/// Through all of k, of an A that lies in this `LAYOUT`.
pub(crate) struct Steps<'a, const MR: usize, const NV: usize, const LAYOUT: u8 = ANYHOW> {
    /// Of rows 0, 3, 6...
    a: [*const f32; BASES],
    b: *const f32,
    rs: usize,
    cs: usize,
    stride: usize,
    pub(super) left: usize,
    _borrows: PhantomData<&'a f32>,
}

/// The same pointer, of which the optimiser knows nothing. It would derive a tile's row pointers from each
/// other, one addition after the other, and a step along k would wait for all of them.
#[inline(always)]
pub(super) fn opaque(mut p: *const f32) -> *const f32 {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read through it")]
    // SAFETY: no instruction at all.
    unsafe {
        core::arch::asm!("/* {0} */", inout(reg) p, options(pure, nomem, nostack, preserves_flags));
    }
    p
}

impl<'a, const MR: usize, const NV: usize, const LAYOUT: u8> Steps<'a, MR, NV, LAYOUT> {
    /// The tile of rows `i..i + MR` and vectors `v..v + NV`.
    ///
    /// # Panics
    /// If the tile leaves the product, the operands differ in depth, or A does not lie as it should.
    #[inline(always)]
    pub(crate) fn new(a: &Strided<'a>, i: usize, b: &Rows<'a>, v: usize) -> Self {
        assert!(i + MR <= a.rows && v + NV <= b.vectors && a.depth == b.depth);
        assert!(LAYOUT == ANYHOW || (a.layout() == LAYOUT && a.rows == MR));
        const { assert!(MR <= REACH * BASES) };
        let mut bases = [a.data; BASES];
        for (group, base) in bases.iter_mut().enumerate() {
            if group * REACH < MR {
                *base = opaque(a.data.wrapping_add((i + group * REACH).wrapping_mul(a.rs)));
            }
        }
        Steps {
            a: bases,
            b: b.data.wrapping_add(v * LANES),
            rs: a.rs,
            cs: a.cs,
            stride: b.stride,
            left: a.depth,
            _borrows: PhantomData,
        }
    }

    /// The step `k` steps ahead.
    ///
    /// # Safety
    /// `k < self.left`
    #[inline(always)]
    pub(super) unsafe fn ahead(&self, k: usize) -> Step<'a, MR, NV> {
        // SAFETY: the makers of `Strided` and `Rows` vouched for every element of their matrices,
        // `Steps::new` checked that rows i..i+MR and vectors v..v+NV are inside them; the step is before
        // the end of k, as `left` counts down from the depth while the pointers move on, and the caller
        // vouches for the rest. The references live no longer than the operands' borrow.
        unsafe {
            let b = self.b.add(k * self.stride);
            (
                core::array::from_fn(|i| match LAYOUT {
                    COLUMNS => *self.a[0].add(k * MR + i),
                    ROWS => *self.a[0].add(k + i * PITCH),
                    _ => *self.a[i / REACH].add(k * self.cs).add(i % REACH * self.rs),
                }),
                core::array::from_fn(|j| &*b.add(j * LANES).cast::<[f32; LANES]>()),
            )
        }
    }
}

impl<'a, const MR: usize, const NV: usize, const LAYOUT: u8> Walk<'a, MR, NV>
    for Steps<'a, MR, NV, LAYOUT>
{
    #[inline(always)]
    fn left(&self) -> usize {
        self.left
    }
    #[inline(always)]
    fn take(&mut self) -> Step<'a, MR, NV> {
        assert!(self.left > 0, "the walk is over");
        // SAFETY: 0 is less than `left`.
        let step = unsafe { self.ahead(0) };
        self.left -= 1;
        match LAYOUT {
            COLUMNS => self.a[0] = self.a[0].wrapping_add(MR),
            ROWS => self.a[0] = self.a[0].wrapping_add(1),
            _ => {
                for base in &mut self.a {
                    *base = opaque(base.wrapping_add(self.cs));
                }
            }
        }
        self.b = self.b.wrapping_add(self.stride);
        step
    }
}

/// Rows of B that are asked for before they are read; where they have one vector, more, which take as long.
const AHEAD: usize = 4;
const AHEAD_ONE: usize = 8;

/// Through all of k, while rows of B are asked for some steps before: they are further apart than the hardware foresees,
/// and a vector on two cache lines, of rows that do not begin with one, would wait for both: with `ACROSS` both are asked for.
pub(crate) struct Foreseen<'a, const MR: usize, const NV: usize, const ACROSS: bool>(
    pub(crate) Steps<'a, MR, NV>,
);

impl<'a, const MR: usize, const NV: usize, const ACROSS: bool> Walk<'a, MR, NV>
    for Foreseen<'a, MR, NV, ACROSS>
{
    #[inline(always)]
    fn left(&self) -> usize {
        self.0.left
    }
    #[inline(always)]
    fn take(&mut self) -> Step<'a, MR, NV> {
        let rows = const { if NV == 1 { AHEAD_ONE } else { AHEAD } };
        let row = self.0.b.wrapping_add(self.0.stride.wrapping_mul(rows));
        if const { ACROSS } {
            prefetch_line::<false>(row.cast());
        }
        for j in 1..=NV {
            // By a vector's last element: the line of its first is that of the vector before.
            prefetch_line::<false>(row.wrapping_add(j * LANES - 1).cast());
        }
        self.0.take()
    }
}
