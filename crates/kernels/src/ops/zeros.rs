//! Where a matrix is zero, so that products can leave that out: `fma(0, w, sum)` is `sum` for every finite
//! `w`.

use crate::isa::{GROUP, LANES, Line, Lit, Simd, kernel};
use crate::panel::{Panel, View};
use alloc::vec;
use alloc::vec::Vec;

/// Groups of four lanes in a vector.
const GROUPS: usize = LANES / GROUP;

/// A byte in each byte.
const EACH_BYTE: u64 = u64::from_le_bytes([1; 8]);

/// How many bits of a byte are set: not every instruction set has an instruction for it.
const COUNTS: [u8; 256] = {
    let mut counts = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        counts[byte] = (byte as u8).count_ones() as u8;
        byte += 1;
    }
    counts
};

/// The numbers of the bits that are set, in order from the lowest byte on.
const PICKED: [u64; 256] = {
    let mut picked = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut at) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                picked[byte] |= bit << at;
                at += 8;
            }
            bit += 1;
        }
        byte += 1;
    }
    picked
};

/// Adds the bits that are set, `from` on, to a list that has `count` numbers; returns how many it has now. Eight numbers
/// are written at once, whatever their count.
#[inline(always)]
pub(super) fn pick(bits: u16, from: u16, list: &mut [u16], mut count: usize) -> usize {
    for (byte, from) in bits.to_le_bytes().map(usize::from).into_iter().zip([from, from + 8]) {
        for (to, number) in list[count..count + 8].iter_mut().zip(PICKED[byte].to_le_bytes()) {
            *to = from + u16::from(number);
        }
        count += usize::from(COUNTS[byte]);
    }
    count
}

/// The same for a list of bytes.
#[inline(always)]
fn pick_bytes(bits: u16, from: usize, list: &mut [u8], mut count: usize) -> usize {
    for (byte, from) in bits.to_le_bytes().map(usize::from).into_iter().zip([from, from + 8]) {
        let numbers = PICKED[byte] + from as u64 * EACH_BYTE;
        list[count..count + 8].copy_from_slice(&numbers.to_le_bytes());
        count += usize::from(COUNTS[byte]);
    }
    count
}

/// Which elements of a panel are other than zero, as products ask for it: for four rows, in which columns of
/// a block of them one is (forward), and for four columns, in which rows (the gradient of the weights).
///
/// A product with a view from here leaves out the steps in which all of a tile's elements of X are zero.
/// Its bits are those of the whole product if the other operand is finite; with an infinity or a NaN there,
/// the whole product has NaNs that this one has not.
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
    /// Sixteen rows after sixteen rows, of each vector of theirs which lanes are other than zero: in word `w` and there in
    /// quarter `q` those of row `4 q + w`, so that the words together are groups of four rows.
    lit: Vec<[[u16; GROUPS]; GROUP]>,
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
        // Sixteen numbers are written at once, whatever their count.
        let stride = (capacity + LANES).next_multiple_of(LANES);
        Lists { numbers: vec![0; lists * stride], counts: vec![0; lists], stride }
    }

    /// List `list`, with room for sixteen numbers more than it can have.
    #[inline(always)]
    fn list(&mut self, list: usize) -> &mut [u8] {
        &mut self.numbers[list * self.stride..][..self.stride]
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
    /// If `block` is 0, not a multiple of sixteen or above 128, or there are more than 128 rows.
    pub fn new(rows: usize, cols: usize, block: usize) -> Zeros {
        let by_col = Lists::new(cols.div_ceil(LANES) * GROUPS, rows);
        Zeros { by_col, ..Zeros::of_rows(rows, cols, block) }
    }

    /// The same for forward passes only, which takes half the time.
    ///
    /// # Panics
    /// As [`new`](Zeros::new).
    pub fn of_rows(rows: usize, cols: usize, block: usize) -> Zeros {
        let fine = block > 0 && block.is_multiple_of(LANES) && block <= 128;
        assert!(fine, "blocks of {block} columns");
        assert!(rows <= 128, "{rows} rows");
        let by_row = Lists::new(cols.div_ceil(block) * rows.div_ceil(GROUP), block);
        let lit = vec![[[0; GROUPS]; GROUP]; rows.div_ceil(LANES) * cols.div_ceil(LANES)];
        Zeros { rows, cols, block, by_row, by_col: Lists::default(), lit, found: 0 }
    }

    /// The marks of the sixteen rows that row `r` is one of.
    #[inline(always)]
    fn marks(&mut self, r: usize) -> &mut [[[u16; GROUPS]; GROUP]] {
        let vectors = self.cols.div_ceil(LANES);
        &mut self.lit[r / LANES * vectors..][..vectors]
    }

    /// Marks what is lit in row `r`.
    #[inline(always)]
    fn mark<S: Simd>(&mut self, s: S, row: &[Line], r: usize) {
        let (word, quarter) = (r % GROUP, r % LANES / GROUP);
        for (lit, Line(x)) in self.marks(r).iter_mut().zip(row) {
            lit[word][quarter] = s.lit(s.load(x));
        }
    }

    /// Lists what is marked in the first `rows` rows.
    #[inline(always)]
    fn list_all(&mut self, rows: usize) {
        // Of the last sixteen, nothing is lit in rows that are not there.
        for r in rows..rows.next_multiple_of(LANES) {
            self.marks(r).iter_mut().for_each(|lit| lit[r % GROUP][r % LANES / GROUP] = 0);
        }
        self.by_row.counts.fill(0);
        self.by_col.counts.fill(0);
        for slab in (0..rows).step_by(LANES) {
            self.list(slab, rows);
        }
        self.found = rows;
    }

    /// Adds what is marked in up to sixteen rows, `slab..rows` of them, to the lists.
    #[inline(always)]
    fn list(&mut self, slab: usize, rows: usize) {
        let (vectors, groups) = (self.block / LANES, self.rows.div_ceil(GROUP));
        let here = (rows - slab).div_ceil(GROUP).min(GROUPS);
        let all = self.cols.div_ceil(LANES);
        let lit = &self.lit[slab / LANES * all..][..all];
        for (block, lit) in lit.chunks(vectors).enumerate() {
            for g in 0..here {
                let list = block * groups + slab / GROUP + g;
                let (numbers, mut count) = (self.by_row.list(list), 0);
                for (v, lit) in lit.iter().enumerate() {
                    let any = lit[0][g] | lit[1][g] | lit[2][g] | lit[3][g];
                    count = pick_bytes(any, v * LANES, numbers, count);
                }
                self.by_row.counts[list] = count as u8;
            }
        }
        if self.by_col.counts.is_empty() {
            return;
        }
        for (v, lit) in lit.iter().enumerate() {
            // Bit `w` of four is whether the row in word `w` has one of four columns lit.
            let rows = lit.iter().enumerate().fold(0, |rows, (w, lit)| {
                let word = word(*lit);
                let pairs = word | word >> 1;
                rows | ((pairs | pairs >> 2) & 0x1111_1111_1111_1111) << w
            });
            for q in 0..GROUPS {
                let rows = rows >> (q * GROUP) & 0x000f_000f_000f_000f;
                let rows = rows | rows >> 12 | rows >> 24 | rows >> 36;
                let list = v * GROUPS + q;
                let count = usize::from(self.by_col.counts[list]);
                let count = pick_bytes(rows as u16, slab, self.by_col.list(list), count);
                self.by_col.counts[list] = count as u8;
            }
        }
    }

    /// Block `k` of the columns of a panel's first rows, for [`dense_forward`](crate::dense_forward).
    ///
    /// # Panics
    /// If there is no such block.
    pub fn block<'a>(&'a self, x: View<'a>, k: usize) -> View<'a> {
        let (from, groups) = (k * self.block, self.rows.div_ceil(GROUP));
        let x = x.cols_at(from, self.block.min(self.cols - from));
        x.with_lit_rows(self.by_row.lists(k * groups, groups))
    }

    /// The columns `from..from + count` of a panel's first rows, for [`dense_update`](crate::dense_update).
    ///
    /// # Panics
    /// If they are not all there, `from` is no multiple of sixteen, or this is [`of_rows`](Zeros::of_rows).
    pub fn cols_at<'a>(&'a self, x: View<'a>, from: usize, count: usize) -> View<'a> {
        let lit = self.by_col.lists(from / GROUP, count.div_ceil(GROUP));
        x.cols_at(from, count).with_lit_cols(lit)
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
        zeros.list_all(rows);
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
    pub fn list_zeros<'a>(_s, rows: usize, zeros: &'a mut Zeros) {
        assert!(rows <= zeros.rows, "zeros of another panel");
        zeros.list_all(rows);
    }
}

/// Four quarters as one word.
#[inline(always)]
fn word(quarters: [u16; GROUPS]) -> u64 {
    quarters.iter().rev().fold(0, |word, quarter| word << 16 | u64::from(*quarter))
}
