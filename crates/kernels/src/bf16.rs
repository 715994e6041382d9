//! Matrices of bf16 numbers, in tiles as [`Bf16`](crate::Bf16) reads them.
//!
//! bf16 is the upper half of an `f32`: its range, and eight bits of precision. Numbers are rounded to the
//! nearest, to even where two are as near, and denormals to zero; see [`round`](crate::twin::bf16::round).

use crate::apart::Apart;
use crate::isa::{LANES, Line16, Tile, WORDS};

/// A tile of zeros.
const ZEROS: Tile = [Line16::ZERO; LANES];

/// The left operand of a product: `rows × depth`, in tiles of 16 × 32, zero past the last row and column.
/// The tiles of sixteen rows lie one behind the other, those of the next sixteen behind them.
///
/// ```
/// let x = kernels::Left16::zeros(20, 784);
/// assert_eq!((x.rows(), x.depth(), x.get(19, 783)), (20, 784, 0.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left16 {
    tiles: Apart<Tile>,
    rows: usize,
    depth: usize,
    /// Whether a line of a tile holds two columns of sixteen rows, the two numbers of a row beside each other, instead of a row.
    by_pairs: bool,
}

impl Left16 {
    /// A `rows × depth` matrix of zeros.
    ///
    /// # Panics
    /// If it has more tiles than can be counted.
    pub fn zeros(rows: usize, depth: usize) -> Left16 {
        let mut made = Left16::default();
        made.set_shape(rows, depth);
        made
    }

    /// Makes this a `rows × depth` matrix of zeros; allocates only if it was never as large.
    ///
    /// # Panics
    /// If it has more tiles than can be counted.
    pub fn set_shape(&mut self, rows: usize, depth: usize) {
        let tiles = product(rows.div_ceil(LANES), depth.div_ceil(WORDS));
        (self.rows, self.depth, self.by_pairs) = (rows, depth, false);
        self.tiles.reset(tiles, ZEROS);
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns: the length of the sums of a product.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Element (i, k).
    ///
    /// # Panics
    /// If the element is outside the matrix.
    pub fn get(&self, i: usize, k: usize) -> f32 {
        assert!(i < self.rows && k < self.depth, "({i}, {k}) of {}x{}", self.rows, self.depth);
        let (tile, i, k) = (&self.row_tiles(i / LANES)[k / WORDS], i % LANES, k % WORDS);
        widen(if self.by_pairs { tile[k / 2].0[2 * i + k % 2] } else { tile[i].0[k] })
    }

    /// Whether lines of tiles are pairs of columns, as [`transpose16`](crate::transpose16) makes them for AVX-512.
    pub(crate) fn is_by_pairs(&self) -> bool {
        self.by_pairs
    }

    /// Says so of tiles all of which are about to be written.
    pub(crate) fn set_by_pairs(&mut self, by_pairs: bool) {
        self.by_pairs = by_pairs;
    }

    /// The tiles of the rows `16 i..16 i + 16`, in order of k.
    #[inline(always)]
    pub(crate) fn row_tiles(&self, i: usize) -> &[Tile] {
        let depth = self.depth.div_ceil(WORDS);
        &self.tiles[i * depth..][..depth]
    }

    /// The tiles of the rows `16 i..16 i + 16`, in order of k.
    #[inline(always)]
    pub(crate) fn row_tiles_mut(&mut self, i: usize) -> &mut [Tile] {
        let depth = self.depth.div_ceil(WORDS);
        &mut self.tiles[i * depth..][..depth]
    }

    /// Tile `k` of the rows `16 i..16 i + 16`, and the one below it, if there is one.
    #[inline(always)]
    pub(crate) fn tiles_below_mut(&mut self, i: usize, k: usize) -> (&mut Tile, Option<&mut Tile>) {
        let depth = self.depth.div_ceil(WORDS);
        let (above, below) = self.tiles[i * depth..].split_at_mut(depth);
        (&mut above[k], below.get_mut(k))
    }
}

/// The right operand of a product: `depth × cols`, in tiles of 32 × 16, zero past the last row and column.
/// A line of a tile holds two rows: the two numbers of a column are beside each other. The tiles of 32
/// rows lie side by side.
///
/// ```
/// let w = kernels::Right16::zeros(784, 64);
/// assert_eq!((w.depth(), w.cols(), w.get(783, 63)), (784, 64, 0.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Right16 {
    tiles: Apart<Tile>,
    depth: usize,
    cols: usize,
}

impl Right16 {
    /// A `depth × cols` matrix of zeros.
    ///
    /// # Panics
    /// If it has more tiles than can be counted.
    pub fn zeros(depth: usize, cols: usize) -> Right16 {
        let mut made = Right16::default();
        made.set_shape(depth, cols);
        made
    }

    /// Makes this a `depth × cols` matrix of zeros; allocates only if it was never as large.
    ///
    /// # Panics
    /// If it has more tiles than can be counted.
    pub fn set_shape(&mut self, depth: usize, cols: usize) {
        let tiles = product(depth.div_ceil(WORDS), cols.div_ceil(LANES));
        (self.depth, self.cols) = (depth, cols);
        self.tiles.reset(tiles, ZEROS);
    }

    /// Rows: the length of the sums of a product.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Element (k, j).
    ///
    /// # Panics
    /// If the element is outside the matrix.
    pub fn get(&self, k: usize, j: usize) -> f32 {
        assert!(k < self.depth && j < self.cols, "({k}, {j}) of {}x{}", self.depth, self.cols);
        let tile = &self.tiles[k / WORDS * self.vectors() + j / LANES];
        widen(tile[k % WORDS / 2].0[2 * (j % LANES) + k % 2])
    }

    /// Tiles side by side.
    #[inline(always)]
    pub(crate) fn vectors(&self) -> usize {
        self.cols.div_ceil(LANES)
    }

    /// All tiles.
    #[inline(always)]
    pub(crate) fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// The tiles, side by side, in which the rows `32 k..32 k + 32` are.
    #[inline(always)]
    pub(crate) fn depth_tiles_mut(&mut self, k: usize) -> &mut [Tile] {
        let vectors = self.vectors();
        &mut self.tiles[k * vectors..][..vectors]
    }
}

/// Tiles below each other, times those beside each other.
fn product(below: usize, beside: usize) -> usize {
    let tiles =
        below.checked_mul(beside).filter(|tiles| tiles.checked_mul(size_of::<Tile>()).is_some());
    tiles.unwrap_or_else(|| panic!("{below}x{beside} tiles are more than can be counted"))
}

/// The number that these bits are.
fn widen(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}
