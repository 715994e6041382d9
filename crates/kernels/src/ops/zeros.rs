//! Where a matrix is zero, so that products can leave that out: `fma(0, w, sum)` is `sum` for every finite
//! `w`.

use crate::isa::{Bits, GROUP, LANES, Line, Listing, Lit, MARKED, Marks, ROOM, Simd, kernel};
use crate::panel::{Panel, View};
use alloc::vec;
use alloc::vec::Vec;

/// Groups of four lanes in a vector.
const GROUPS: usize = LANES / GROUP;

/// Which elements of a panel are other than zero, as products ask for it: for four rows, in which columns of
/// a block of them one is (forward), and for four columns, in which rows (the gradient of the weights).
///
/// A product with a view from here leaves out the steps in which all of a tile's elements of X are zero.
/// Its bits are those of the whole product if the other operand is finite; with an infinity or a NaN there,
/// the whole product has NaNs that this one has not. Of rows that [`find_zeros`] did not look at nothing is left out.
///
/// ```
/// use kernels::{Isa, Panel, Zeros, find_zeros};
/// let mut x = Panel::zeros(32, 64);
/// x.set(5, 7, 1.0);
/// let mut zeros = Zeros::new(32, 64, 64);
/// find_zeros(Isa::best(), &x, 32, &mut zeros);
/// // One of 64 columns in one of eight groups of rows, and one row in one of sixteen groups of columns.
/// assert_eq!(zeros.densities(), [1.0 / (64.0 * 8.0), 1.0 / (32.0 * 16.0)]);
/// let _ = (zeros.block(x.view(), 0), zeros.cols_at(x.view(), 0, 64)); // operands
/// ```
#[derive(Clone, Debug, Default)]
pub struct Zeros {
    rows: usize,
    cols: usize,
    block: usize,
    /// Columns of a group of rows, block after block of columns.
    by_row: Lists,
    /// Rows of a group of columns.
    by_col: Lists,
    /// Thirty-two rows after thirty-two rows, of each vector of theirs which lanes are other than zero.
    lit: Vec<Marks>,
    /// Rows that were looked at.
    found: usize,
}

/// Lists of the same capacity.
#[derive(Clone, Debug, Default)]
struct Lists {
    numbers: Vec<u8>,
    counts: Vec<u8>,
    stride: usize,
}

impl Lists {
    fn new(lists: usize, capacity: usize) -> Lists {
        let stride = capacity.next_multiple_of(ROOM);
        Lists { numbers: vec![0; lists * stride], counts: vec![0; lists], stride }
    }

    /// Continues list `list` by the bits that are set in `word`, the first of which has number `first`.
    #[inline(always)]
    fn extend(&mut self, list: usize, by: impl Bits, word: u64, first: usize) {
        let count = usize::from(self.counts[list]);
        let room = &mut self.numbers[list * self.stride..][count..self.stride];
        if let Some(room) = room.first_chunk_mut().filter(|_| word != 0) {
            self.counts[list] = (count + by.numbers(word, first as u8, room)) as u8;
        }
    }

    /// Lists `from..from + count`.
    fn lists(&self, from: usize, count: usize) -> Lit<'_> {
        let (columns, stride) = (&self.numbers[from * self.stride..], self.stride);
        Lit { columns, counts: &self.counts[from..from + count], stride }
    }
}

impl Zeros {
    /// For a panel of `rows × cols` whose columns are taken in blocks of `block`.
    ///
    /// # Panics
    /// If `block` is 0, not a multiple of sixteen or above 240, or there are more than 128 rows.
    pub fn new(rows: usize, cols: usize, block: usize) -> Zeros {
        let by_col = Lists::new(cols.div_ceil(LANES) * GROUPS, rows);
        Zeros { by_col, ..Zeros::of_rows(rows, cols, block) }
    }

    /// The same for forward passes only, which takes half the time.
    ///
    /// # Panics
    /// As [`new`](Zeros::new).
    pub fn of_rows(rows: usize, cols: usize, block: usize) -> Zeros {
        // Numbers within a block, and how many there are of them, are bytes.
        let fine = block > 0 && block.is_multiple_of(LANES) && block <= 240;
        assert!(fine, "blocks of {block} columns");
        assert!(rows <= 128, "{rows} rows");
        let by_row = Lists::new(cols.div_ceil(block) * rows.div_ceil(GROUP), block);
        let lit = vec![Marks::default(); rows.div_ceil(MARKED) * cols.div_ceil(LANES)];
        Zeros { rows, cols, block, by_row, by_col: Lists::default(), lit, found: 0 }
    }

    /// The marks of the rows that row `r` is one of.
    #[inline(always)]
    fn marks(&mut self, r: usize) -> &mut [Marks] {
        let vectors = self.cols.div_ceil(LANES);
        &mut self.lit[r / MARKED * vectors..][..vectors]
    }

    /// Marks what is lit in row `r`.
    #[inline(always)]
    fn mark<S: Simd>(&mut self, s: S, row: &[Line], r: usize) {
        let (rest, marks) = (self.cols % LANES, self.marks(r));
        for (lit, Line(x)) in marks.iter_mut().zip(row) {
            lit.set(r % MARKED, s.lit(s.load(x)));
        }
        // Past the last column nothing is listed, whatever is there.
        if let (1.., Some(lit), Some(Line(x))) = (rest, marks.last_mut(), row.last()) {
            lit.set(r % MARKED, s.lit(s.load(x)) & !(u16::MAX << rest));
        }
    }

    /// Lists what is marked in the first `rows` rows.
    #[inline(always)]
    fn list_all<S: Simd>(&mut self, s: S, rows: usize) {
        // Nothing is lit in rows that are not there.
        for r in rows..rows.next_multiple_of(MARKED) {
            self.marks(r).iter_mut().for_each(|lit| lit.set(r % MARKED, 0));
        }
        self.by_row.counts.fill(0);
        self.by_col.counts.fill(0);
        self.found = rows;
        s.listed(All(self));
    }

    /// The lists of all groups of rows.
    #[inline(always)]
    fn list_by_row(&mut self, by: impl Bits) {
        let (vectors, groups) = (self.block / LANES, self.rows.div_ceil(GROUP));
        let Zeros { lit, by_row, .. } = self;
        let all = self.cols.div_ceil(LANES);
        for (rows, lit) in lit.chunks(all.max(1)).enumerate().take(self.found.div_ceil(MARKED)) {
            let here = (groups - rows * MARKED / GROUP).min(MARKED / GROUP);
            for (block, lit) in lit.chunks(vectors).enumerate() {
                let from = block * groups + rows * MARKED / GROUP;
                for (w, lit) in lit.chunks(ROOM / LANES).enumerate() {
                    for (g, word) in by.columns(lit).into_iter().enumerate().take(here) {
                        by_row.extend(from + g, by, word, w * ROOM);
                    }
                }
            }
        }
    }

    /// The lists of all groups of columns.
    #[inline(always)]
    fn list_by_col(&mut self, by: impl Bits) {
        let Zeros { lit, by_col, .. } = self;
        let all = self.cols.div_ceil(LANES);
        let ranges = self.found.div_ceil(MARKED);
        for (v, w) in (0..all).flat_map(|v| (0..ranges.div_ceil(2)).map(move |w| (v, w))) {
            let low = by.rows(&lit[2 * w * all + v]).map(u64::from);
            let high = (2 * w + 1 < ranges).then(|| by.rows(&lit[(2 * w + 1) * all + v]));
            for (q, (low, high)) in low.into_iter().zip(high.unwrap_or_default()).enumerate() {
                by_col.extend(v * GROUPS + q, by, low | u64::from(high) << MARKED, w * ROOM);
            }
        }
    }

    /// Of so many rows, those of which something is known. If they are not all, whole groups.
    fn known(&self, rows: usize) -> usize {
        if rows <= self.found { self.found } else { self.found / GROUP * GROUP }
    }

    /// Block `k` of the columns of a panel's first rows, for [`dense_forward`](crate::dense_forward).
    ///
    /// # Panics
    /// If there is no such block.
    pub fn block<'a>(&'a self, x: View<'a>, k: usize) -> View<'a> {
        let (from, groups) = (k * self.block, self.rows.div_ceil(GROUP));
        let x = x.cols_at(from, self.block.min(self.cols - from));
        x.with_lit_rows(self.by_row.lists(k * groups, self.known(x.rows()).div_ceil(GROUP)))
    }

    /// The columns `from..from + count` of a panel's first rows, for [`dense_update`](crate::dense_update).
    ///
    /// # Panics
    /// If they are not all there, `from` is no multiple of sixteen, or this is [`of_rows`](Zeros::of_rows).
    pub fn cols_at<'a>(&'a self, x: View<'a>, from: usize, count: usize) -> View<'a> {
        let lit = self.by_col.lists(from / GROUP, count.div_ceil(GROUP));
        let columns = x.cols_at(from, count);
        if x.rows() <= self.found { columns.with_lit_cols(lit) } else { columns }
    }

    /// Share of the multiply-adds that are left, of forward pass and gradient; of rows only the second is
    /// not known, and 0.
    pub fn densities(&self) -> [f64; 2] {
        let lists = self.found.div_ceil(GROUP) * self.cols;
        let of = |lists: &Lists, all: usize| {
            let left: usize = lists.counts.iter().map(|count| usize::from(*count)).sum();
            left as f64 / all.max(1) as f64
        };
        [of(&self.by_row, lists), of(&self.by_col, self.by_col.counts.len() * self.found)]
    }
}

/// All lists of what is marked.
struct All<'z>(&'z mut Zeros);

impl Listing for All<'_> {
    #[inline(always)]
    fn run(self, by: impl Bits) {
        self.0.list_by_row(by);
        if !self.0.by_col.counts.is_empty() {
            self.0.list_by_col(by);
        }
    }
}

kernel! {
    /// Finds out where the first `rows` rows of `x` are zero.
    ///
    /// ```
    /// use kernels::{Isa, Panel, Zeros, find_zeros};
    /// let mut zeros = Zeros::of_rows(16, 32, 32);
    /// find_zeros(Isa::best(), &Panel::zeros(16, 32), 16, &mut zeros);
    /// assert_eq!(zeros.densities(), [0.0; 2]);
    /// ```
    ///
    /// # Panics
    /// If `zeros` was not made for as many columns and at least as many rows.
    pub fn find_zeros<'a>(s, x: &'a Panel, rows: usize, zeros: &'a mut Zeros) {
        assert!(x.cols() == zeros.cols && rows <= zeros.rows, "zeros of another panel");
        for r in 0..rows {
            zeros.mark(s, x.row(r), r);
        }
        zeros.list_all(s, rows);
    }
}

kernel! {
    /// The first half of [`find_zeros`]: marks where row `r` of `x` is zero. Whoever does so as soon as a row is made finds it in the
    /// first-level cache.
    ///
    /// ```
    /// use kernels::{Isa, Panel, Zeros, list_zeros, mark_zeros};
    /// let (isa, x, mut zeros) = (Isa::best(), Panel::zeros(16, 32), Zeros::of_rows(16, 32, 32));
    /// (0..16).for_each(|r| mark_zeros(isa, &x, r, &mut zeros));
    /// list_zeros(isa, 16, &mut zeros);
    /// assert_eq!(zeros.densities(), [0.0; 2]);
    /// ```
    ///
    /// # Panics
    /// If there is no such row, or `zeros` was not made for as many columns and for that row.
    pub fn mark_zeros<'a>(s, x: &'a Panel, r: usize, zeros: &'a mut Zeros) {
        assert!(x.cols() == zeros.cols && r < zeros.rows, "zeros of another panel");
        zeros.mark(s, x.row(r), r);
    }
}

kernel! {
    /// The second half of [`find_zeros`]: makes use of what is marked in the first `rows` rows.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn list_zeros<'a>(s, rows: usize, zeros: &'a mut Zeros) {
        assert!(rows <= zeros.rows, "zeros of another panel");
        zeros.list_all(s, rows);
    }
}
