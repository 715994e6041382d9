//! The walk of one row along a list of its elements.

use super::LANES;
use super::operand::{Rows, Step, Walk};

/// Vectors of a full panel.
const PANEL_VECTORS: usize = 4;

/// One row of A through some of its elements, with `NV` vectors of B: of one block of it, or of two that lie beside
/// each other, each [`PANEL_VECTORS`] wide.
pub(crate) struct Listed<'a, const NV: usize> {
    x: &'a [f32],
    b: [*const f32; 2],
    stride: usize,
    columns: core::slice::Iter<'a, u16>,
}

impl<'a, const NV: usize> Listed<'a, NV> {
    /// Through these elements of `x`, with the vectors of `b` from `v` on.
    ///
    /// # Panics
    /// If a block has not a row for each element, or the vectors are not there, or two blocks are not both full.
    #[inline(always)]
    pub(crate) fn new(x: &'a [f32], columns: &'a [u16], b: [Rows<'a>; 2], v: usize) -> Self {
        let here = NV.min(PANEL_VECTORS);
        for one in &b {
            assert!(one.depth == x.len() && v + here <= one.vectors && one.stride == b[0].stride);
        }
        let b_at = b.map(|b| b.data.wrapping_add(v * LANES));
        Listed { x, b: b_at, stride: b[0].stride, columns: columns.iter() }
    }
}

impl<'a, const NV: usize> Walk<'a, 1, NV> for Listed<'a, NV> {
    #[inline(always)]
    fn left(&self) -> usize {
        self.columns.len()
    }
    #[inline(always)]
    fn take(&mut self) -> Step<'a, 1, NV> {
        const { assert!(NV <= 2 * PANEL_VECTORS) };
        let k = self.columns.next().map_or(usize::MAX, |k| usize::from(*k));
        let x = self.x[k];
        let rows = core::array::from_fn(|j| {
            let at = k * self.stride + j % PANEL_VECTORS * LANES;
            // SAFETY: the makers of `Rows` vouched for every element of their matrices, `new` checked that these have
            // a row for each element of `x` and the vectors of it, and `x[k]` was one.
            unsafe { &*self.b[j / PANEL_VECTORS].add(at).cast::<[f32; LANES]>() }
        });
        ([x], rows)
    }
}
