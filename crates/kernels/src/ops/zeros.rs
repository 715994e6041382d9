//! Where a matrix is zero, so that products can leave that out: `fma(0, w, sum)` is `sum` for every finite
//! `w`.

use crate::isa::{GROUP, LANES, Lit, Simd, kernel};
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

    /// Adds the bits that are set, `from` on, to a list.
    #[inline(always)]
    fn add<S: Simd>(&mut self, s: S, list: usize, bits: u16, from: usize) {
        let at = list * self.stride + usize::from(self.counts[list]);
        let to = &mut self.numbers[at..at + LANES];
        let picked = s.pick(bits);
        to.iter_mut().zip(picked).for_each(|(to, number)| *to = number + from as u8);
        self.counts[list] += bits.count_ones() as u8;
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
        Zeros { rows, cols, block, by_row, by_col: Lists::default(), found: 0 }
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
        let (vectors, groups) = (zeros.block / LANES, zeros.rows.div_ceil(GROUP));
        zeros.by_row.counts.fill(0);
        zeros.by_col.counts.fill(0);
        for v in 0..x.vectors() {
            let (block, within) = (v / vectors, v % vectors * LANES);
            for slab in (0..rows).step_by(LANES) {
                let mut lit = [0; LANES];
                for (r, lit) in (slab..rows).zip(&mut lit) {
                    *lit = s.lit(s.load(&x.row(r)[v].0));
                }
                for (g, lit) in lit.as_chunks::<GROUP>().0.iter().enumerate() {
                    let any = lit.iter().fold(0, |any, lit| any | lit);
                    if slab + g * GROUP < rows {
                        let list = block * groups + slab / GROUP + g;
                        zeros.by_row.add(s, list, any, within);
                    }
                }
                if zeros.by_col.counts.is_empty() {
                    continue;
                }
                for (q, rows) in s.quarters(&lit).into_iter().enumerate() {
                    zeros.by_col.add(s, v * GROUPS + q, rows, slab);
                }
            }
        }
        zeros.found = rows;
    }
}
