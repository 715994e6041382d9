//! What a product needs next: asked of memory line by line while it multiplies.

use crate::isa::{LANES, MatRef};

/// The cache lines of a strip of A, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    /// With contiguous rows.
    of: MatRef<'a>,
    row: usize,
    col: usize,
}

impl<'a> Lines<'a> {
    /// All of a block whose rows or columns are contiguous.
    #[inline(always)]
    pub(super) fn of(block: MatRef<'a>) -> Self {
        Lines { of: if block.strides().1 == 1 { block } else { block.t() }, row: 0, col: 0 }
    }

    /// Asks for the next line to be brought into the second-level cache, if there is one.
    #[inline(always)]
    pub(super) fn ask(&mut self) {
        if self.row < self.of.rows() && self.col < self.of.cols() {
            self.of.prefetch::<true>(self.row, self.col);
            self.col += LANES;
            if self.col >= self.of.cols() {
                (self.row, self.col) = (self.row + 1, 0);
            }
        }
    }
}
