//! What a product needs next: asked of memory line by line while it multiplies.

use crate::isa::{LANES, MatRef, prefetch_line};

/// Cache lines of a matrix with contiguous rows, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    /// Somewhere in the next one.
    at: *const f32,
    /// How many are left of the row, how many a row has, and floats from past its last to the next row's first.
    left: usize,
    of: usize,
    gap: usize,
    /// Rows that are left, with this one.
    rows: usize,
}

impl Lines {
    /// None.
    pub(super) const NONE: Lines = Lines { at: core::ptr::null(), left: 0, of: 0, gap: 0, rows: 0 };

    /// `rows` rows of `lines` lines, those of element (i, j) and of every sixteenth after it, which need not exist.
    #[inline(always)]
    pub(super) fn new(m: &MatRef<'_>, at: (usize, usize), rows: usize, lines: usize) -> Self {
        let gap = m.strides().0.wrapping_sub(lines * LANES);
        Lines { at: m.address(at.0, at.1), left: lines, of: lines, gap, rows }
    }

    /// All of a block whose rows are contiguous.
    #[inline(always)]
    pub(super) fn of(block: MatRef<'_>) -> Self {
        let rows = if block.cols() > 0 { block.rows() } else { 0 };
        Lines::new(&block, (0, 0), rows, block.cols().div_ceil(LANES))
    }

    /// Asks for the next line to be brought into the first-level cache or, `FAR`, only into the second; false if there
    /// is none.
    #[inline(always)]
    pub(super) fn ask<const FAR: bool>(&mut self) -> bool {
        if self.rows == 0 {
            return false;
        }
        prefetch_line::<FAR>(self.at.cast());
        self.at = self.at.wrapping_add(LANES);
        self.left -= 1;
        if self.left == 0 {
            self.at = self.at.wrapping_add(self.gap);
            self.left = self.of;
            self.rows -= 1;
        }
        true
    }
}
