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
}

impl<'a> Strided<'a> {
    /// No elements.
    pub(crate) const NONE: Strided<'a> = Strided { data: &[], rs: 0, cs: 0, rows: 0, depth: 0 };

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
        Strided { data, rs, cs, rows, depth }
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

/// The walk of one tile along k: each step is a column of `MR` elements of A and a row of `NV` vectors
/// of B.
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
}

impl<'a, const MR: usize, const NV: usize> Steps<'a, MR, NV> {
    /// Steps that are left.
    #[inline(always)]
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// The next column of A and row of B.
    ///
    /// # Panics
    /// If no step is left.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> ([f32; MR], [&'a [f32; LANES]; NV]) {
        assert!(self.left > 0, "the walk is over");
        self.left -= 1;
        // SAFETY: `Strided::new` and `Rows::new` checked every element of their matrices, `Steps::new`
        // that rows i..i+MR and vectors v..v+NV are inside them; k < depth because `left` counts down
        // from it. The references live no longer than the operands' borrow.
        let step = unsafe {
            let (a, b) = (self.a, self.b);
            (
                core::array::from_fn(|i| *a.add(i * self.rs)),
                core::array::from_fn(|j| &*b.add(j * LANES).cast::<[f32; LANES]>()),
            )
        };
        self.a = self.a.wrapping_add(self.cs);
        self.b = self.b.wrapping_add(self.stride);
        step
    }
}
