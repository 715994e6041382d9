//! What is known of the columns of an A operand, and the walks of a tile that skip some of them.

use super::operand::{Step, Steps, Walk};

/// Rows of A that share what is known of them, where [`PAIR`] is not better.
pub(crate) const GROUP: usize = 4;
/// The same where a tile of two rows and four vectors is as fast as one of four rows.
pub(crate) const PAIR: usize = 2;

/// Bits of a mask.
pub(crate) const MASK: usize = u64::BITS as usize;

/// Rows of a group.
#[inline(always)]
pub(crate) fn group(pairs: bool) -> usize {
    if pairs { PAIR } else { GROUP }
}

/// For each [`GROUP`] or [`PAIR`] of rows of an A operand the columns in which one of them is other than zero.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lit<'a> {
    /// Nothing is known.
    Unknown,
    /// In order: of group `g` there are `counts[g]`, from `columns[g * stride]` on. Of groups without a count nothing is known.
    Lists { columns: &'a [u8], counts: &'a [u8], stride: usize, pairs: bool },
    /// As the bits of `words` words for each group.
    Masks { masks: &'a [u64], words: usize, pairs: bool },
}

/// Columns that a tile goes along.
#[derive(Clone, Copy)]
pub(crate) enum Few<'a> {
    /// These.
    List(&'a [u8]),
    /// Those whose bits are set.
    Masks(&'a [u64]),
}

impl<'a> Lit<'a> {
    /// Without the first `rows` rows: nothing is known if these are no whole groups.
    #[inline(always)]
    pub(crate) fn past(self, rows: usize) -> Self {
        match self {
            Lit::Lists { columns, counts, stride, pairs } if rows.is_multiple_of(group(pairs)) => {
                let past = (rows / group(pairs)).min(counts.len());
                let (columns, counts) = (&columns[past * stride..], &counts[past..]);
                Lit::Lists { columns, counts, stride, pairs }
            }
            _ => Lit::Unknown,
        }
    }

    /// Whether nothing is known.
    #[inline(always)]
    pub(crate) fn is_unknown(self) -> bool {
        match self {
            Lit::Unknown => true,
            Lit::Lists { counts, .. } => counts.is_empty(),
            Lit::Masks { masks, .. } => masks.is_empty(),
        }
    }

    /// Whether it is known of pairs of rows.
    #[inline(always)]
    pub(crate) fn is_of_pairs(self) -> bool {
        matches!(self, Lit::Lists { pairs: true, .. } | Lit::Masks { pairs: true, .. })
    }

    /// The columns in which one of the rows `i..i + MR` is lit, if that is known, and if they are few enough of `depth` that
    /// skipping the others pays; for pairs it always does.
    #[inline(always)]
    pub(crate) fn few<const MR: usize>(self, i: usize, depth: usize) -> Option<Few<'a>> {
        let within = |pairs| i % group(pairs) + MR <= group(pairs);
        let pays = |count: usize| 8 * count <= 7 * depth;
        match self {
            Lit::Lists { columns, counts, stride, pairs } if within(pairs) => {
                let i = i / group(pairs);
                let count = usize::from(*counts.get(i)?);
                (pairs || pays(count)).then(|| Few::List(&columns[i * stride..][..count]))
            }
            Lit::Masks { masks, words, pairs } if within(pairs) => {
                let masks = &masks[i / group(pairs) * words..][..words];
                let count = || masks.iter().map(|mask| mask.count_ones() as usize).sum();
                (pairs || pays(count())).then_some(Few::Masks(masks))
            }
            _ => None,
        }
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
        assert!(k < self.all.left, "the walk is over, or a column is past the last");
        // SAFETY: just checked.
        unsafe { self.all.ahead(k) }
    }
}

/// Through those of [`MASK`] columns whose bits are set; else as [`Picked`].
pub(crate) struct Masked<'a, const MR: usize, const NV: usize> {
    all: Steps<'a, MR, NV>,
    /// Of the first of them.
    from: usize,
    mask: u64,
}

impl<'a, const MR: usize, const NV: usize> Masked<'a, MR, NV> {
    /// Through the columns from `from` on that are set in `mask`.
    ///
    /// # Panics
    /// If one is past the last.
    #[inline(always)]
    pub(crate) fn new(all: Steps<'a, MR, NV>, from: usize, mask: u64) -> Self {
        assert!(from + MASK - mask.leading_zeros() as usize <= all.left || mask == 0);
        Masked { all, from, mask }
    }
}

impl<'a, const MR: usize, const NV: usize> Walk<'a, MR, NV> for Masked<'a, MR, NV> {
    /// Whether steps are left: how many would have to be counted.
    #[inline(always)]
    fn left(&self) -> usize {
        usize::from(self.mask != 0)
    }
    #[inline(always)]
    fn take(&mut self) -> Step<'a, MR, NV> {
        assert!(self.mask != 0, "the walk is over");
        let k = self.from + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        // SAFETY: `k` is the number of a bit that was set in `new`, which checked the highest, and bits are only taken away.
        unsafe { self.all.ahead(k) }
    }
}
