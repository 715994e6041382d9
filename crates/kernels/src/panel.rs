//! Panels: matrices in the layout that the tile reads, so that nothing is packed while training.
//!
//! A [`Panel`] is a row-major matrix whose rows are whole vectors of sixteen, on cache lines, zero in the
//! lanes past its last column. A wide matrix is a list of panels of [`PANEL_COLS`] columns ([`Panels`]);
//! columns past the last multiple of 64 go into a narrower panel, so at most fifteen lanes are padding.

use crate::apart::Apart;
use crate::isa::{LANES, Line, Lit, Rows, Strided};
use alloc::vec::Vec;

/// Columns of a full panel: four vectors, 256 bytes a row.
///
/// ```
/// use kernels::{PANEL_COLS, Panels};
/// assert_eq!(Panels::zeros(1, 2 * PANEL_COLS + 1).panels().len(), 3);
/// ```
pub const PANEL_COLS: usize = 64;

/// A row-major `rows × cols` matrix in whole, zero-padded, cache-aligned vectors.
///
/// ```
/// let mut panel = kernels::Panel::zeros(2, 20);
/// panel.set(1, 19, 3.0);
/// assert_eq!((panel.vectors(), panel.row(1)[1].0[3]), (2, 3.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    lines: Apart<Line>,
    rows: usize,
    cols: usize,
    vectors: usize,
}

impl Panel {
    /// A `rows × cols` panel of zeros.
    ///
    /// # Panics
    /// If it has more floats than can be counted.
    pub fn zeros(rows: usize, cols: usize) -> Panel {
        let stride = cols.checked_next_multiple_of(LANES);
        let floats = stride.and_then(|stride| stride.checked_mul(rows));
        let (Some(stride), Some(floats)) = (stride, floats) else {
            panic!("a panel of {rows}x{cols} has more floats than can be counted")
        };
        let lines = Apart::new(floats / LANES, Line::ZERO);
        Panel { lines, rows, cols, vectors: stride / LANES }
    }

    /// Adds the rows of another panel below.
    ///
    /// # Panics
    /// If it has other columns.
    pub fn append(&mut self, below: &Panel) {
        assert_eq!(self.cols, below.cols, "columns of panels above each other");
        self.lines.append(&below.lines);
        self.rows += below.rows;
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns, without the padding.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Vectors of sixteen in a row, with the padding.
    pub fn vectors(&self) -> usize {
        self.vectors
    }

    /// The lines of row `i`, padding included.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline(always)]
    pub fn row(&self, i: usize) -> &[Line] {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        &self.lines[i * self.vectors..][..self.vectors]
    }

    /// The lines of row `i`. Whoever writes the padding keeps it zero.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline(always)]
    pub fn row_mut(&mut self, i: usize) -> &mut [Line] {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        &mut self.lines[i * self.vectors..][..self.vectors]
    }

    /// Element (i, j).
    ///
    /// # Panics
    /// If the element is outside the panel.
    pub fn get(&self, i: usize, j: usize) -> f32 {
        assert!(j < self.cols, "column {j} of a panel with {}", self.cols);
        self.row(i)[j / LANES].0[j % LANES]
    }

    /// Sets element (i, j).
    ///
    /// # Panics
    /// If the element is outside the panel.
    pub fn set(&mut self, i: usize, j: usize, value: f32) {
        assert!(j < self.cols, "column {j} of a panel with {}", self.cols);
        self.row_mut(i)[j / LANES].0[j % LANES] = value;
    }

    /// All lines, row by row.
    #[inline(always)]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// All lines, row by row. Whoever writes the padding keeps it zero.
    #[inline(always)]
    pub fn lines_mut(&mut self) -> &mut [Line] {
        &mut self.lines
    }

    /// The whole panel as an operand.
    #[inline(always)]
    pub fn view(&self) -> View<'_> {
        View {
            data: Line::flat(&self.lines),
            rows: self.rows,
            cols: self.cols,
            stride: self.vectors * LANES,
            padded: true,
            lit: Known::Nothing,
        }
    }
}

/// Borrowed rows and columns of a [`Panel`]; an operand of a kernel.
///
/// ```
/// let panel = kernels::Panel::zeros(8, 40);
/// let part = panel.view().rows_at(2, 5).cols_at(16, 24);
/// assert_eq!((part.rows(), part.cols()), (5, 24));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    stride: usize,
    /// Whether what is past the last column in its vector is zero, and no column of the panel.
    padded: bool,
    lit: Known<'a>,
}

/// Whether `at..at + count` is within `all`, without the sum, which may have no room.
#[inline(always)]
pub(crate) fn inside(at: usize, count: usize, all: usize) -> bool {
    at <= all && count <= all - at
}

/// What is known of the elements that are not zero: of groups of rows, or of columns.
#[derive(Clone, Copy, Debug)]
enum Known<'a> {
    Nothing,
    Rows(Lit<'a>),
    Cols(Lit<'a>),
}

impl<'a> View<'a> {
    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns, without the padding.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The rows `from..from + count`. Of whole groups of four rows, or two ([`Zeros`](crate::Zeros)), it stays known where they are zero.
    ///
    /// # Panics
    /// If they are not all there.
    #[inline(always)]
    pub fn rows_at(self, from: usize, count: usize) -> View<'a> {
        assert!(inside(from, count, self.rows), "rows {from}+{count} of {}", self.rows);
        let data = if count == 0 { &[] } else { &self.data[from * self.stride..] };
        let lit = match self.lit {
            Known::Rows(lit) => Known::Rows(lit.past(from)),
            _ => Known::Nothing,
        };
        View { data, rows: count, lit, ..self }
    }

    /// The columns `from..from + count`, `from` a multiple of sixteen. If they end inside a vector whose other columns are some of
    /// the panel's, they can be inputs of a product, but neither weights nor gradients.
    ///
    /// # Panics
    /// If they are not all there, or `from` is not at the start of a vector.
    #[inline(always)]
    pub fn cols_at(self, from: usize, count: usize) -> View<'a> {
        assert!(
            from.is_multiple_of(LANES) && inside(from, count, self.cols),
            "columns {from}+{count} of {}",
            self.cols
        );
        let data = &self.data[from.min(self.data.len())..];
        let whole = count.is_multiple_of(LANES);
        let padded = whole || self.padded && from + count == self.cols;
        View { data, cols: count, padded, lit: Known::Nothing, ..self }
    }

    /// Vector `v` of row `i`.
    ///
    /// # Panics
    /// If there is no such vector.
    #[inline(always)]
    pub(crate) fn vector(&self, i: usize, v: usize) -> &'a [f32; LANES] {
        assert!(i < self.rows && v * LANES < self.cols, "vector {v} of row {i}");
        let Some(vector) = self.data[i * self.stride + v * LANES..].first_chunk() else {
            unreachable!("rows of a panel are whole vectors")
        };
        vector
    }

    /// # Panics
    /// If the padding is other columns.
    #[inline(always)]
    pub(crate) fn assert_padded(&self) {
        assert!(self.padded, "{} columns end inside a vector of more", self.cols);
    }

    /// Row `i`, without the padding.
    ///
    /// # Panics
    /// If there is no such row.
    #[inline(always)]
    pub(crate) fn row(&self, i: usize) -> &'a [f32] {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        &self.data[i * self.stride..][..self.cols]
    }

    /// The same view, with the columns in which groups of rows may be other than zero.
    #[inline(always)]
    pub(crate) fn with_lit_rows(self, lit: Lit<'a>) -> View<'a> {
        View { lit: Known::Rows(lit), ..self }
    }

    /// The same view, with the rows in which groups of columns may be other than zero.
    #[inline(always)]
    pub(crate) fn with_lit_cols(self, lit: Lit<'a>) -> View<'a> {
        View { lit: Known::Cols(lit), ..self }
    }

    /// All that lies between the first row's begin and the last one's end.
    #[inline(always)]
    pub(crate) fn floats(self) -> &'a [f32] {
        match self.rows {
            0 => &[],
            rows => &self.data[..(rows - 1) * self.stride + self.cols],
        }
    }

    /// As the A operand: rows are rows.
    #[inline(always)]
    pub(crate) fn a(self) -> Strided<'a> {
        let a = Strided::new(self.data, (self.rows, self.cols), (self.stride, 1));
        if let Known::Rows(lit) = self.lit { a.with_lit(lit) } else { a }
    }

    /// As the A operand, transposed.
    #[inline(always)]
    pub(crate) fn a_transposed(self) -> Strided<'a> {
        let a = Strided::new(self.data, (self.cols, self.rows), (1, self.stride));
        if let Known::Cols(lit) = self.lit { a.with_lit(lit) } else { a }
    }

    /// As the B operand, padding included.
    ///
    /// # Panics
    /// If the padding is other columns.
    #[inline(always)]
    pub(crate) fn b(self) -> Rows<'a> {
        self.assert_padded();
        Rows::new(self.data, self.stride, (self.rows, self.cols.div_ceil(LANES)))
    }
}

/// A list of operands that a chain of multiply-adds runs through: where the blocks of a matrix lie is
/// the caller's business.
///
/// ```
/// use kernels::{Blocks, Panel};
/// let batch = Panel::zeros(64, 10);
/// let rows = |i: usize| batch.view().rows_at(32 * i, 32);
/// let blocks = Blocks::new(2, &rows);
/// assert_eq!((blocks.count(), blocks.get(1).rows()), (2, 32));
/// ```
#[derive(Clone, Copy)]
pub struct Blocks<'f, 'a> {
    count: usize,
    get: &'f (dyn Fn(usize) -> View<'a> + Sync),
}

impl<'f, 'a> Blocks<'f, 'a> {
    /// `count` blocks, the `i`th of them `get(i)`.
    pub fn new(count: usize, get: &'f (dyn Fn(usize) -> View<'a> + Sync)) -> Self {
        Blocks { count, get }
    }

    /// No block.
    ///
    /// ```
    /// assert_eq!(kernels::Blocks::none().count(), 0);
    /// ```
    pub fn none() -> Self {
        Blocks { count: 0, get: &|i| unreachable!("block {i} of none") }
    }

    /// Number of blocks.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The `i`th block.
    #[inline(always)]
    pub fn get(&self, i: usize) -> View<'a> {
        (self.get)(i)
    }
}

/// A `rows × cols` matrix as panels of [`PANEL_COLS`] columns.
///
/// ```
/// let m = kernels::Panels::pack(2, 70, &vec![1.0; 140]);
/// assert_eq!((m.panels().len(), m.panels()[1].cols()), (2, 6));
/// assert_eq!(m.unpack(), vec![1.0; 140]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panels {
    panels: Vec<Panel>,
    rows: usize,
    cols: usize,
}

impl Panels {
    /// A `rows × cols` matrix of zeros.
    pub fn zeros(rows: usize, cols: usize) -> Panels {
        let widths = (0..cols).step_by(PANEL_COLS).map(|j| PANEL_COLS.min(cols - j));
        Panels { panels: widths.map(|w| Panel::zeros(rows, w)).collect(), rows, cols }
    }

    /// Packs a row-major matrix.
    ///
    /// # Panics
    /// If `from` does not hold `rows × cols` floats.
    pub fn pack(rows: usize, cols: usize, from: &[f32]) -> Panels {
        assert_eq!(from.len(), rows * cols, "a {rows}x{cols} matrix");
        let mut packed = Panels::zeros(rows, cols);
        for (p, panel) in packed.panels.iter_mut().enumerate() {
            for i in 0..rows {
                let row = &from[i * cols + p * PANEL_COLS..][..panel.cols];
                Line::flat_mut(panel.row_mut(i))[..row.len()].copy_from_slice(row);
            }
        }
        packed
    }

    /// The row-major matrix.
    pub fn unpack(&self) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.rows * self.cols);
        for i in 0..self.rows {
            for panel in &self.panels {
                out.extend_from_slice(&Line::flat(panel.row(i))[..panel.cols]);
            }
        }
        out
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The panels, left to right.
    pub fn panels(&self) -> &[Panel] {
        &self.panels
    }

    /// The panels, left to right.
    pub fn panels_mut(&mut self) -> &mut [Panel] {
        &mut self.panels
    }
}
