//! Rows of A, four columns at a time, for those that are transposed on their way.

use super::matrix::MatRef;
use super::operand::opaque;
use core::marker::PhantomData;

/// Rows and columns of what is transposed in one piece.
pub(crate) const QUAD: usize = 4;

/// Four columns of sixteen rows, which lie anywhere: those of rows `4 q + r` are at `[q][r]`.
pub(crate) type FourColumns<'a> = [[&'a [f32; QUAD]; QUAD]; QUAD];

/// `G` times sixteen rows of a matrix whose rows are contiguous, four columns at a time.
pub(crate) struct Quads<'a, const G: usize> {
    /// One pointer for four rows: an x86 address reaches them with one register for their distance and one for three times that.
    at: [[*const f32; QUAD]; G],
    rs: usize,
    left: usize,
    _borrows: PhantomData<&'a f32>,
}

impl<'a, const G: usize> Quads<'a, G> {
    /// From sixteen rows beginning with each of `first`, all whole fours of columns.
    ///
    /// # Panics
    /// If the rows are not contiguous, or not all there.
    #[inline(always)]
    pub(crate) fn new(a: &MatRef<'a>, first: [usize; G]) -> Self {
        let (rs, cs) = a.strides();
        assert!(cs == 1, "rows with gaps");
        let mut at = [[a.address(0, 0); QUAD]; G];
        for (at, i) in at.iter_mut().zip(first) {
            assert!(i + QUAD * QUAD <= a.rows(), "sixteen rows from {i} on, of {}", a.rows());
            for (q, at) in at.iter_mut().enumerate() {
                *at = opaque(a.address(i + q * QUAD, 0));
            }
        }
        Quads { at, rs, left: a.cols() / QUAD, _borrows: PhantomData }
    }

    /// How often there are four columns more.
    #[inline(always)]
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// The next four columns of all rows.
    ///
    /// # Panics
    /// If there are none.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> [FourColumns<'a>; G] {
        assert!(self.left > 0, "the columns are over");
        let (at, rs) = (self.at, self.rs);
        self.left -= 1;
        for at in self.at.as_flattened_mut() {
            *at = opaque(at.wrapping_add(QUAD));
        }
        at.map(|at| {
            at.map(|at| {
                core::array::from_fn(|r| {
                    // SAFETY: `new` checked that all rows are the matrix's, whose makers vouched for its elements for all
                    // of 'a, and that they are contiguous; pointers have moved by four columns as often as `left` was
                    // counted down from as many as there are, and it was not zero.
                    unsafe { &*at.add(r * rs).cast() }
                })
            })
        })
    }
}
