//! The two operands of the tile, checked once when they are made and then read without checks.

use super::{LANES, Line};

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
}

/// The A operand: element (i, k) of a `rows × depth` matrix is `data[i * rs + k * cs]`. Transposition is
/// a swap of the strides; the tile never knows.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a> {
    data: &'a [f32],
    rs: usize,
    cs: usize,
    rows: usize,
    depth: usize,
    lit: Lit<'a>,
}

/// Rows of A that share a list of columns.
pub(crate) const GROUP: usize = 4;

/// For each group of rows of an A operand the columns in which one of them is other than zero, in order:
/// group `g` has `counts[g]` of them, from `columns[g * stride]` on. No counts: nothing is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lit<'a> {
    pub(crate) columns: &'a [u8],
    pub(crate) counts: &'a [u8],
    pub(crate) stride: usize,
}

impl Lit<'_> {
    /// Nothing is known.
    pub(crate) const UNKNOWN: Self = Lit { columns: &[], counts: &[], stride: 0 };
}

impl<'a> Strided<'a> {
    /// No elements.
    pub(crate) const NONE: Strided<'a> =
        Strided { data: &[], rs: 0, cs: 0, rows: 0, depth: 0, lit: Lit::UNKNOWN };

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
            spans(rows, rs, depth, cs).is_some_and(|end| end <= data.len()),
            "{rows}x{depth} operand with strides ({rs}, {cs}) needs more than {} floats",
            data.len()
        );
        Strided { data, rs, cs, rows, depth, lit: Lit::UNKNOWN }
    }

    /// The same matrix, of which this is known.
    #[inline(always)]
    pub(crate) fn with_lit(self, lit: Lit<'a>) -> Self {
        Strided { lit, ..self }
    }

    /// The columns in which one of the rows `i..i + MR` is lit, if that is known, and if they are few
    /// enough that skipping the others pays.
    #[inline(always)]
    pub(crate) fn few<const MR: usize>(&self, i: usize) -> Option<&'a [u8]> {
        let within = i % GROUP + MR <= GROUP;
        let (true, Some(&count)) = (within, self.lit.counts.get(i / GROUP)) else {
            return None;
        };
        let count = usize::from(count);
        let few = 8 * count <= 7 * self.depth;
        few.then(|| &self.lit.columns[i / GROUP * self.lit.stride..][..count])
    }
}

/// The B operand: row k is `vectors` vectors of sixteen floats from `data[k * stride]` on.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    data: &'a [f32],
    stride: usize,
    depth: usize,
    vectors: usize,
}

impl<'a> Rows<'a> {
    /// No rows.
    pub(crate) const NONE: Rows<'a> = Rows { data: &[], stride: 0, depth: 0, vectors: 0 };

    /// Checks that every row lies in `data`.
    ///
    /// # Panics
    /// If one does not.
    #[inline(always)]
    pub(crate) fn new(data: &'a [f32], stride: usize, (depth, vectors): (usize, usize)) -> Self {
        assert!(
            spans(depth, stride, vectors * LANES, 1).is_some_and(|end| end <= data.len()),
            "{depth} rows of {vectors} vectors with stride {stride} need more than {} floats",
            data.len()
        );
        Rows { data, stride, depth, vectors }
    }

    /// Vectors in a row: N / 16 of the product.
    #[inline(always)]
    pub(crate) fn vectors(&self) -> usize {
        self.vectors
    }
}

/// One past the last element of a matrix with these extents and strides.
#[inline(always)]
fn spans(rows: usize, rs: usize, cols: usize, cs: usize) -> Option<usize> {
    if rows == 0 || cols == 0 {
        return Some(0);
    }
    let last = (rows - 1).checked_mul(rs)?.checked_add((cols - 1).checked_mul(cs)?)?;
    last.checked_add(1)
}

/// A step of a tile along k: a column of `MR` elements of A and a row of `NV` vectors of B.
pub(crate) type Step<'a, const MR: usize, const NV: usize> = ([f32; MR], [&'a [f32; LANES]; NV]);

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

/// Through all of k.
pub(crate) struct Steps<'a, const MR: usize, const NV: usize> {
    a: *const f32,
    b: *const f32,
    rs: usize,
    cs: usize,
    stride: usize,
    left: usize,
    _borrows: core::marker::PhantomData<&'a f32>,
}

impl<'a, const MR: usize, const NV: usize> Steps<'a, MR, NV> {
    /// The tile of rows `i..i + MR` and vectors `v..v + NV`.
    ///
    /// # Panics
    /// If the tile leaves the product or the operands differ in depth.
    #[inline(always)]
    pub(crate) fn new(a: &Strided<'a>, i: usize, b: &Rows<'a>, v: usize) -> Self {
        assert!(i + MR <= a.rows && v + NV <= b.vectors && a.depth == b.depth);
        Steps {
            a: a.data.as_ptr().wrapping_add(i * a.rs),
            b: b.data.as_ptr().wrapping_add(v * LANES),
            rs: a.rs,
            cs: a.cs,
            stride: b.stride,
            left: a.depth,
            _borrows: core::marker::PhantomData,
        }
    }

    /// The step `k` steps ahead.
    ///
    /// # Safety
    /// `k < self.left`
    #[inline(always)]
    unsafe fn ahead(&self, k: usize) -> Step<'a, MR, NV> {
        // SAFETY: `Strided::new` and `Rows::new` checked every element of their matrices, `Steps::new`
        // that rows i..i+MR and vectors v..v+NV are inside them; the step is before the end of k, as
        // `left` counts down from the depth while the pointers move on, and the caller vouches for the
        // rest. The references live no longer than the operands' borrow.
        unsafe {
            let (a, b) = (self.a.add(k * self.cs), self.b.add(k * self.stride));
            (
                core::array::from_fn(|i| *a.add(i * self.rs)),
                core::array::from_fn(|j| &*b.add(j * LANES).cast::<[f32; LANES]>()),
            )
        }
    }
}

impl<'a, const MR: usize, const NV: usize> Walk<'a, MR, NV> for Steps<'a, MR, NV> {
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
        self.a = self.a.wrapping_add(self.cs);
        self.b = self.b.wrapping_add(self.stride);
        step
    }
}

/// Through some columns of A. Where the others are zero, and B is finite, it ends at the same sums.
pub(crate) struct Picked<'a, const MR: usize, const NV: usize> {
    all: Steps<'a, MR, NV>,
    columns: core::slice::Iter<'a, u8>,
}

impl<'a, const MR: usize, const NV: usize> Picked<'a, MR, NV> {
    /// Through these columns.
    #[inline(always)]
    pub(crate) fn new(all: Steps<'a, MR, NV>, columns: &'a [u8]) -> Self {
        Picked { all, columns: columns.iter() }
    }
}

impl<'a, const MR: usize, const NV: usize> Walk<'a, MR, NV> for Picked<'a, MR, NV> {
    #[inline(always)]
    fn left(&self) -> usize {
        self.columns.len()
    }
    #[inline(always)]
    fn take(&mut self) -> Step<'a, MR, NV> {
        let k = self.columns.next().map_or(usize::MAX, |k| usize::from(*k));
        assert!(k < self.all.left, "the walk is over, or column {k} is past the last");
        // SAFETY: just checked.
        unsafe { self.all.ahead(k) }
    }
}
