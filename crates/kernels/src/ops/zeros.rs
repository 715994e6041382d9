//! Where a matrix is zero, so that products can leave that out: `fma(0, w, sum)` is `sum` for every finite
//! `w`.

use crate::isa::{
    Bits, GROUP, LANES, Line, Listing, Lit, MARKED, MASK, Marks, PAIR, ROOM, Simd, group, kernel,
};
use crate::panel::{Panel, View};
use alloc::vec;
use alloc::vec::Vec;

/// Which elements of a panel are other than zero, as products ask for it. For each group of four rows (two on some CPUs): the
/// columns of a block in which at least one of them is not zero (forward). For each group of as many columns: the rows in
/// which one is (the gradient of the weights).
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
/// // One of 64 columns in one of eight groups of rows, and one row in one of sixteen groups of columns, or less.
/// assert!(zeros.densities().into_iter().all(|left| left <= 1.0 / 512.0));
/// let _ = (zeros.block(x.view(), 0), zeros.cols_at(x.view(), 0, 64)); // operands
/// ```
#[derive(Clone, Debug, Default)]
pub struct Zeros {
    rows: usize,
    cols: usize,
    block: usize,
    /// Whether groups are of two rows, and columns; as suits the CPU unless somebody chose.
    pairs: bool,
    chosen: Option<bool>,
    /// Columns of a group of rows, block after block of columns.
    by_row: Lists,
    /// Rows of a group of columns, as the bits of so many words for each.
    by_col: Vec<u64>,
    words: usize,
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

    /// Lists `from..from + count`, of pairs or groups of rows.
    fn lists(&self, from: usize, count: usize, pairs: bool) -> Lit<'_> {
        let (columns, stride) = (&self.numbers[from * self.stride..], self.stride);
        Lit::Lists { columns, counts: &self.counts[from..from + count], stride, pairs }
    }
}

impl Zeros {
    /// For a panel of `rows × cols` whose columns are taken in blocks of `block`.
    ///
    /// # Panics
    /// If `block` is 0, not a multiple of sixteen or above 240, or there are more than 128 rows.
    pub fn new(rows: usize, cols: usize, block: usize) -> Zeros {
        // One at least, by which this is known not to be `of_rows`.
        let words = rows.div_ceil(MASK).max(1);
        let by_col = vec![0; cols.next_multiple_of(LANES) / PAIR * words];
        Zeros { by_col, words, ..Zeros::of_rows(rows, cols, block) }
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
        let by_row = Lists::new(cols.div_ceil(block) * rows.div_ceil(PAIR), block);
        let lit = vec![Marks::default(); rows.div_ceil(MARKED) * cols.div_ceil(LANES)];
        Zeros { rows, cols, block, by_row, lit, ..Zeros::default() }
    }

    /// The same for groups of four rows and columns on every CPU, or for pairs of them: for tests, since the bits of products are the same.
    #[doc(hidden)]
    pub fn in_pairs(self, pairs: bool) -> Zeros {
        Zeros { chosen: Some(pairs), ..self }
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
        self.found = rows;
        s.listed(All(self));
    }

    /// The lists of all groups of `G` rows.
    #[inline(always)]
    fn list_by_row<const G: usize>(&mut self, by: impl Bits) {
        let (vectors, groups) = (self.block / LANES, self.rows.div_ceil(G));
        let Zeros { lit, by_row, .. } = self;
        let all = self.cols.div_ceil(LANES);
        for (rows, lit) in lit.chunks(all.max(1)).enumerate().take(self.found.div_ceil(MARKED)) {
            let here = (groups - rows * MARKED / G).min(MARKED / G);
            for (block, lit) in lit.chunks(vectors).enumerate() {
                let from = block * groups + rows * MARKED / G;
                for (w, lit) in lit.chunks(ROOM / LANES).enumerate() {
                    for (g, word) in by.columns::<G>(lit).into_iter().enumerate().take(here) {
                        by_row.extend(from + g, by, word, w * ROOM);
                    }
                }
            }
        }
    }

    /// The masks of all groups of `G` columns.
    #[inline(always)]
    fn mask_by_col<const G: usize>(&mut self, by: impl Bits) {
        let Zeros { lit, by_col, words, .. } = self;
        let all = self.cols.div_ceil(LANES);
        let ranges = self.found.div_ceil(MARKED);
        if ranges.div_ceil(2) < *words {
            // What an earlier batch left of rows that are not there.
            by_col.fill(0);
        }
        for (v, masks) in by_col.chunks_mut((LANES / G * *words).max(1)).enumerate().take(all) {
            for r in 0..ranges {
                let rows = by.rows::<G>(&lit[r * all + v]);
                for (masks, rows) in masks.chunks_mut(*words).zip(rows) {
                    let mask = &mut masks[r / 2];
                    // The first half of a word replaces what an earlier batch left.
                    let before = if r % 2 == 0 { 0 } else { *mask };
                    *mask = before | u64::from(rows) << (r % 2 * MARKED);
                }
            }
        }
    }

    /// Lists and masks for groups of `G`.
    #[inline(always)]
    fn find<const G: usize>(&mut self, by: impl Bits) {
        self.pairs = G == PAIR;
        self.list_by_row::<G>(by);
        if self.words > 0 {
            self.mask_by_col::<G>(by);
        }
    }

    /// Of so many rows, those of which something is known. If they are not all, whole groups.
    fn known(&self, rows: usize) -> usize {
        if rows <= self.found {
            self.found
        } else {
            self.found / group(self.pairs) * group(self.pairs)
        }
    }

    /// Block `k` of the columns of a panel's first rows, for [`dense_forward`](crate::dense_forward).
    ///
    /// # Panics
    /// If there is no such block.
    pub fn block<'a>(&'a self, x: View<'a>, k: usize) -> View<'a> {
        let (from, group) = (k * self.block, group(self.pairs));
        let (all, known) = (self.rows.div_ceil(group), self.known(x.rows()).div_ceil(group));
        let x = x.cols_at(from, self.block.min(self.cols - from));
        x.with_lit_rows(self.by_row.lists(k * all, known, self.pairs))
    }

    /// The columns `from..from + count` of a panel's first rows, for [`dense_update`](crate::dense_update).
    ///
    /// # Panics
    /// If they are not all there, `from` is no multiple of sixteen, or this is [`of_rows`](Zeros::of_rows).
    pub fn cols_at<'a>(&'a self, x: View<'a>, from: usize, count: usize) -> View<'a> {
        let (words, pairs) = (self.words, self.pairs);
        assert!(words > 0, "zeros by rows only");
        let masks =
            &self.by_col[from / group(pairs) * words..][..count.div_ceil(group(pairs)) * words];
        let (lit, columns) = (Lit::Masks { masks, words, pairs }, x.cols_at(from, count));
        if x.rows() == self.found { columns.with_lit_cols(lit) } else { columns }
    }

    /// Share of the multiply-adds that are left, of forward pass and gradient; after [`of_rows`](Zeros::of_rows) the second is
    /// not known, and 0.
    pub fn densities(&self) -> [f64; 2] {
        let lit: u32 = self.by_col.iter().map(|mask| mask.count_ones()).sum();
        let groups = self.cols.next_multiple_of(LANES) / group(self.pairs);
        [self.density(), f64::from(lit) / (groups * self.found).max(1) as f64]
    }

    /// The first of [`densities`](Zeros::densities), which takes less time.
    pub fn density(&self) -> f64 {
        let lists = self.found.div_ceil(group(self.pairs)) * self.cols;
        let left: usize = self.by_row.counts.iter().map(|count| usize::from(*count)).sum();
        left as f64 / lists.max(1) as f64
    }
}

/// All lists and masks of what is marked.
struct All<'z>(&'z mut Zeros);

impl Listing for All<'_> {
    #[inline(always)]
    fn run(self, by: impl Bits) {
        if self.0.chosen.unwrap_or_else(|| by.pairs()) {
            self.0.find::<PAIR>(by);
        } else {
            self.0.find::<GROUP>(by);
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
