//! Matrices with any strides: checked once when they are made, then read and written without touching
//! what lies between their elements.

use super::{LANES, Line, Panels, Strided};
use crate::panel::inside;
use core::marker::PhantomData;

/// A matrix to read: element (i, j) is `data[i * rs + j * cs]`.
///
/// ```
/// let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let m = kernels::MatRef::row_major(&data, 2, 3);
/// assert_eq!((m.get(1, 0), m.t().get(0, 1)), (4.0, 4.0));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a> {
    data: *const f32,
    rows: usize,
    cols: usize,
    rs: usize,
    cs: usize,
    _borrows: PhantomData<&'a [f32]>,
}

// SAFETY: it is a shared borrow of floats.
unsafe impl Send for MatRef<'_> {}
// SAFETY: as above.
unsafe impl Sync for MatRef<'_> {}

/// A matrix to write: element (i, j) is `data[i * rs + j * cs]`, and no two elements coincide.
///
/// ```
/// let mut data = [0.0; 8];
/// let mut m = kernels::MatMut::new(&mut data, (2, 3), (4, 1)); // rows four apart
/// m.set(1, 2, 5.0);
/// assert_eq!(data, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0]);
/// ```
#[derive(Debug)]
pub struct MatMut<'a> {
    data: *mut f32,
    rows: usize,
    cols: usize,
    rs: usize,
    cs: usize,
    _borrows: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is an exclusive borrow of its elements, and of nothing between them.
unsafe impl Send for MatMut<'_> {}
// SAFETY: through a shared reference to it the elements are only read.
unsafe impl Sync for MatMut<'_> {}

/// One past the last element, if that fits.
#[inline(always)]
pub(super) fn extent((rows, cols): (usize, usize), (rs, cs): (usize, usize)) -> Option<usize> {
    if rows == 0 || cols == 0 {
        return Some(0);
    }
    (rows - 1).checked_mul(rs)?.checked_add((cols - 1).checked_mul(cs)?)?.checked_add(1)
}

/// Whether rows from here on, so far apart, all begin with cache lines.
#[inline(always)]
pub(super) fn begin_with_lines(first: *const f32, stride: usize) -> bool {
    first.addr().is_multiple_of(size_of::<Line>()) && stride.is_multiple_of(LANES)
}

/// Panics unless every element lies in `len` floats.
#[inline(always)]
#[track_caller]
fn assert_fits(shape: (usize, usize), strides: (usize, usize), len: usize) {
    if extent(shape, strides).is_none_or(|end| end > len) {
        does_not_fit(shape, strides, len);
    }
}

// Apart, and by value: what a message names would have to be in memory before it is known that there is none.
#[cold]
#[track_caller]
fn does_not_fit((rows, cols): (usize, usize), (rs, cs): (usize, usize), len: usize) -> ! {
    panic!("a {rows}x{cols} matrix with strides ({rs}, {cs}) does not fit into {len} floats")
}

#[cold]
#[track_caller]
fn coincide((rows, cols): (usize, usize), (rs, cs): (usize, usize)) -> ! {
    panic!("elements of a {rows}x{cols} matrix coincide with strides ({rs}, {cs})")
}

#[cold]
#[track_caller]
fn not_as_long(len: usize, rows: usize, cols: usize) -> ! {
    panic!("{len} floats are not a {rows}x{cols} matrix without gaps")
}

/// Whether no two elements coincide, as far as it can be told at once: along one direction the elements
/// differ, and along the other a step is longer than all of it.
#[inline(always)]
fn apart((rows, cols): (usize, usize), (rs, cs): (usize, usize)) -> bool {
    let lines = |(count, step): (usize, usize), (inner, stride): (usize, usize)| {
        (inner == 1 || stride > 0) && (count == 1 || step > (inner - 1) * stride)
    };
    let empty = rows == 0 || cols == 0;
    empty || lines((rows, rs), (cols, cs)) || lines((cols, cs), (rows, rs))
}

impl<'a> MatRef<'a> {
    /// A matrix with any strides, counted in elements.
    ///
    /// # Panics
    /// If an element lies outside `data`.
    #[inline]
    #[track_caller]
    pub fn new(data: &'a [f32], shape: (usize, usize), strides: (usize, usize)) -> Self {
        assert_fits(shape, strides, data.len());
        // SAFETY: just checked; the slice is borrowed for 'a.
        unsafe { MatRef::from_raw_parts(data.as_ptr(), shape, strides) }
    }

    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// If `data` does not hold exactly `rows × cols` floats.
    #[inline]
    #[track_caller]
    pub fn row_major(data: &'a [f32], rows: usize, cols: usize) -> Self {
        if rows.checked_mul(cols) != Some(data.len()) {
            not_as_long(data.len(), rows, cols);
        }
        // SAFETY: just checked; the slice is borrowed for 'a.
        unsafe { MatRef::from_raw_parts(data.as_ptr(), (rows, cols), (cols, 1)) }
    }

    /// A matrix somewhere in memory, what lies between its elements being somebody else's.
    ///
    /// # Safety
    /// For all of 'a, every `data + i * rs + j * cs` with `i < rows` and `j < cols` is an initialised,
    /// aligned `f32` of one allocation that nobody writes.
    #[inline]
    pub unsafe fn from_raw_parts(
        data: *const f32,
        (rows, cols): (usize, usize),
        (rs, cs): (usize, usize),
    ) -> Self {
        MatRef { data, rows, cols, rs, cs, _borrows: PhantomData }
    }

    /// The transpose: the same data with the strides swapped.
    #[inline]
    pub fn t(self) -> Self {
        MatRef { rows: self.cols, cols: self.rows, rs: self.cs, cs: self.rs, ..self }
    }

    /// Rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    #[inline]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Elements from a row to the next, and from a column to the next.
    #[inline]
    pub fn strides(&self) -> (usize, usize) {
        (self.rs, self.cs)
    }

    /// Element (i, j).
    ///
    /// # Panics
    /// If the element is outside the matrix.
    #[inline(always)]
    #[track_caller]
    pub fn get(&self, i: usize, j: usize) -> f32 {
        assert!(i < self.rows && j < self.cols, "({i}, {j}) of {}x{}", self.rows, self.cols);
        // SAFETY: just checked; `from_raw_parts` had the promise for every element.
        unsafe { *self.data.add(i * self.rs + j * self.cs) }
    }

    /// The elements of rows `i..i + M` and columns `j..j + N`.
    ///
    /// # Panics
    /// If they are not all there.
    #[inline(always)]
    pub(crate) fn elements<const M: usize, const N: usize>(
        &self,
        i: usize,
        j: usize,
    ) -> [[f32; N]; M] {
        assert!(i + M <= self.rows && j + N <= self.cols);
        let at = self.address(i, j);
        core::array::from_fn(|r| {
            core::array::from_fn(|c| {
                // SAFETY: just checked; `from_raw_parts` had the promise for every element.
                unsafe { *at.wrapping_add(r * self.rs + c * self.cs) }
            })
        })
    }

    /// Rows `i..i + rows` and columns `j..j + cols`.
    ///
    /// # Panics
    /// If they are not all there.
    #[inline(always)]
    #[track_caller]
    pub fn block(&self, (i, rows): (usize, usize), (j, cols): (usize, usize)) -> MatRef<'a> {
        assert!(
            inside(i, rows, self.rows) && inside(j, cols, self.cols),
            "block outside the matrix"
        );
        // An empty block may begin past the last element, where not even a pointer may point.
        let offset = i.wrapping_mul(self.rs).wrapping_add(j.wrapping_mul(self.cs));
        MatRef { data: self.data.wrapping_add(offset), rows, cols, ..*self }
    }

    /// `len` elements of row `i` from column `j` on, of a matrix whose rows are contiguous.
    #[inline(always)]
    pub(crate) fn run(&self, i: usize, j: usize, len: usize) -> &'a [f32] {
        let [run] = self.runs(i, j, len);
        run
    }

    /// `len` elements of each of the rows `i..i + MR` from column `j` on, of a matrix whose rows are contiguous.
    #[inline(always)]
    pub(crate) fn runs<const MR: usize>(&self, i: usize, j: usize, len: usize) -> [&'a [f32]; MR] {
        assert!(self.cs == 1 || len == 1);
        assert!(i + MR <= self.rows && j + len <= self.cols);
        let at = self.data.wrapping_add(i * self.rs + j * self.cs);
        // SAFETY: just checked; these are elements beside each other, shared for 'a.
        unsafe {
            core::array::from_fn(|r| core::slice::from_raw_parts(at.wrapping_add(r * self.rs), len))
        }
    }

    /// Whether every row begins with a cache line.
    #[inline(always)]
    pub(crate) fn rows_are_aligned(&self) -> bool {
        begin_with_lines(self.data, self.rs)
    }

    /// Where element (i, j) is, or would be.
    #[inline(always)]
    pub(crate) fn address(&self, i: usize, j: usize) -> *const f32 {
        let offset = i.wrapping_mul(self.rs).wrapping_add(j.wrapping_mul(self.cs));
        self.data.wrapping_add(offset)
    }

    /// As the A operand.
    #[inline(always)]
    pub(crate) fn a(&self) -> Strided<'a> {
        // SAFETY: `from_raw_parts` had the promise for every element.
        unsafe { Strided::from_raw_parts(self.data, (self.rows, self.cols), (self.rs, self.cs)) }
    }

    /// As the B operand: rows are contiguous, and as many whole vectors as so many panels of this width have.
    #[inline(always)]
    pub(crate) fn panels(&self, vectors: usize, count: usize) -> Panels<'a> {
        assert!(self.cs == 1 && self.cols == count * vectors * LANES);
        // SAFETY: `from_raw_parts` had the promise for every element.
        unsafe { Panels::from_raw_parts(self.data, self.rs, (self.rows, vectors), count) }
    }
}

impl<'a> MatMut<'a> {
    /// A matrix with any strides, counted in elements.
    ///
    /// # Panics
    /// If an element lies outside `data`, or two elements would lie in one place. Rows that interleave
    /// are refused too, whether or not their elements meet.
    #[inline]
    #[track_caller]
    pub fn new(data: &'a mut [f32], shape: (usize, usize), strides: (usize, usize)) -> Self {
        assert_fits(shape, strides, data.len());
        if !apart(shape, strides) {
            coincide(shape, strides);
        }
        // SAFETY: just checked; the slice is borrowed exclusively for 'a.
        unsafe { MatMut::from_raw_parts(data.as_mut_ptr(), shape, strides) }
    }

    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// If `data` does not hold exactly `rows × cols` floats.
    #[inline]
    #[track_caller]
    pub fn row_major(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        if rows.checked_mul(cols) != Some(data.len()) {
            not_as_long(data.len(), rows, cols);
        }
        // SAFETY: just checked; the slice is borrowed exclusively for 'a, and no two elements are the same.
        unsafe { MatMut::from_raw_parts(data.as_mut_ptr(), (rows, cols), (cols, 1)) }
    }

    /// A matrix somewhere in memory, what lies between its elements being somebody else's.
    ///
    /// # Safety
    /// For all of 'a, every `data + i * rs + j * cs` with `i < rows` and `j < cols` is an initialised,
    /// aligned `f32` of one allocation, no two of them are the same, and nobody else reads or writes them.
    #[inline]
    pub unsafe fn from_raw_parts(
        data: *mut f32,
        (rows, cols): (usize, usize),
        (rs, cs): (usize, usize),
    ) -> Self {
        MatMut { data, rows, cols, rs, cs, _borrows: PhantomData }
    }

    /// The transpose: the same data with the strides swapped.
    #[inline]
    pub fn t(self) -> MatMut<'a> {
        MatMut { rows: self.cols, cols: self.rows, rs: self.cs, cs: self.rs, ..self }
    }

    /// Rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    #[inline]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Elements from a row to the next, and from a column to the next.
    #[inline]
    pub fn strides(&self) -> (usize, usize) {
        (self.rs, self.cs)
    }

    /// The same matrix for a shorter time: for one of several products into it.
    ///
    /// ```
    /// use kernels::{Isa, MatMut, MatRef, gemm};
    /// let (a, b, mut sum) = ([1.0, 2.0], [3.0, 4.0], [0.0]);
    /// let mut c = MatMut::row_major(&mut sum, 1, 1);
    /// for (a, b) in a.chunks(1).zip(b.chunks(1)) {
    ///     let (a, b) = (MatRef::row_major(a, 1, 1), MatRef::row_major(b, 1, 1));
    ///     gemm(Isa::best(), 1.0, a, b, 1.0, c.reborrow());
    /// }
    /// assert_eq!(c.get(0, 0), 1.0 * 3.0 + 2.0 * 4.0);
    /// ```
    #[inline]
    pub fn reborrow(&mut self) -> MatMut<'_> {
        MatMut { _borrows: PhantomData, ..*self }
    }

    /// The same matrix to read.
    #[inline]
    pub fn as_ref(&self) -> MatRef<'_> {
        // SAFETY: the elements are ours, and borrowed for as long as the result lives.
        unsafe { MatRef::from_raw_parts(self.data, (self.rows, self.cols), (self.rs, self.cs)) }
    }

    /// Element (i, j).
    ///
    /// # Panics
    /// If the element is outside the matrix.
    #[inline(always)]
    #[track_caller]
    pub fn get(&self, i: usize, j: usize) -> f32 {
        self.as_ref().get(i, j)
    }

    /// Sets element (i, j).
    ///
    /// # Panics
    /// If the element is outside the matrix.
    #[inline(always)]
    #[track_caller]
    pub fn set(&mut self, i: usize, j: usize, value: f32) {
        assert!(i < self.rows && j < self.cols, "({i}, {j}) of {}x{}", self.rows, self.cols);
        // SAFETY: just checked; the element is ours (`from_raw_parts`).
        unsafe { *self.data.add(i * self.rs + j * self.cs) = value }
    }

    /// The rows before `at`, and those from it on.
    ///
    /// # Panics
    /// If there are fewer rows.
    #[track_caller]
    pub fn split_rows(self, at: usize) -> (MatMut<'a>, MatMut<'a>) {
        assert!(at <= self.rows, "row {at} of {}", self.rows);
        let below = self.data.wrapping_add(at.wrapping_mul(self.rs));
        let below = MatMut { data: below, rows: self.rows - at, ..self };
        (MatMut { rows: at, ..self }, below)
    }

    /// The columns before `at`, and those from it on.
    ///
    /// # Panics
    /// If there are fewer columns.
    #[track_caller]
    pub fn split_cols(self, at: usize) -> (MatMut<'a>, MatMut<'a>) {
        let (left, right) = self.t().split_rows(at);
        (left.t(), right.t())
    }

    /// As [`MatRef::runs`].
    #[inline(always)]
    pub(crate) fn runs<const MR: usize>(&self, i: usize, j: usize, len: usize) -> [&[f32]; MR] {
        self.as_ref().runs(i, j, len)
    }

    /// As [`runs`](MatMut::runs), to write.
    #[inline(always)]
    pub(crate) fn runs_mut<const MR: usize>(
        &mut self,
        i: usize,
        j: usize,
        len: usize,
    ) -> [&mut [f32]; MR] {
        assert!(self.cs == 1 || len == 1);
        assert!(i + MR <= self.rows && j + len <= self.cols);
        let at = self.data.wrapping_add(i * self.rs + j * self.cs);
        // SAFETY: just checked; these are elements beside each other, ours alone, and rows do not meet.
        unsafe {
            core::array::from_fn(|r| core::slice::from_raw_parts_mut(at.add(r * self.rs), len))
        }
    }
}
