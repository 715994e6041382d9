//! What the tests of this crate share.
#![allow(dead_code, reason = "each test program uses a part")]

use kernels::{Isa, Line, MatMut, MatRef, Panel};
use std::fmt::Arguments;

/// Lengths around the vector, the panel and nothing.
pub(crate) const SIZES: [usize; 12] = [0, 1, 3, 15, 16, 17, 31, 48, 63, 64, 65, 200];

/// The ISAs to test: all that are here, or the one that `WEFT_ISA` asks for, and then it must be here.
pub(crate) fn isas() -> Vec<Isa> {
    match std::env::var("WEFT_ISA") {
        Ok(name) if !name.is_empty() => {
            vec![Isa::named(&name).expect("the instruction set that this run was asked to test")]
        }
        _ => Isa::available(),
    }
}

/// A small generator for test data (SplitMix64), so that tests need no seed from outside.
pub(crate) struct Gen(u64);

impl Gen {
    pub(crate) fn new(seed: u64) -> Gen {
        Gen(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [-1, 1).
    pub(crate) fn float(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub(crate) fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.float()).collect()
    }

    /// Integers in -limit..=limit.
    pub(crate) fn integers(&mut self, n: usize, limit: u64) -> Vec<f32> {
        (0..n).map(|_| (self.bits() % (2 * limit + 1)) as f32 - limit as f32).collect()
    }
}

/// Equal bits, with any NaN equal to any other: which NaN comes out is not promised.
pub(crate) fn assert_bits(got: &[f32], want: &[f32], what: Arguments<'_>) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let same = g.to_bits() == w.to_bits() || (g.is_nan() && w.is_nan());
        assert!(
            same,
            "{what}: at {i}: got {g:e} ({:08x}), want {w:e} ({:08x})",
            g.to_bits(),
            w.to_bits()
        );
    }
}

/// A NaN that no arithmetic makes: arithmetic only makes quiet ones. Memory that nobody touched keeps it.
pub(crate) const POISON: f32 = f32::from_bits(0x7fa5_a5a5);

/// Whether every float of these is still [`POISON`].
pub(crate) fn poisoned(floats: &[f32]) -> bool {
    floats.iter().all(|x| x.to_bits() == POISON.to_bits())
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    Rows,
    Columns,
    GappedRows,
    GappedColumns,
    /// Row after row, with gaps between the elements too.
    Scattered,
    /// Column after column, with gaps between the elements too.
    ScatteredColumns,
}

impl Layout {
    pub(crate) const ALL: [Layout; 6] = [
        Layout::Rows,
        Layout::Columns,
        Layout::GappedRows,
        Layout::GappedColumns,
        Layout::Scattered,
        Layout::ScatteredColumns,
    ];

    fn strides(self, (rows, cols): (usize, usize)) -> (usize, usize) {
        match self {
            Layout::Rows => (cols, 1),
            Layout::Columns => (1, rows),
            Layout::GappedRows => (cols + 5, 1),
            Layout::GappedColumns => (1, rows + 3),
            Layout::Scattered => (3 * cols + 2, 3),
            Layout::ScatteredColumns => (2, 2 * rows + 7),
        }
    }
}

/// A matrix that lies in a slice of [`POISON`], from `offset` on.
#[derive(Clone)]
pub(crate) struct Placed {
    data: Vec<f32>,
    offset: usize,
    shape: (usize, usize),
    strides: (usize, usize),
}

impl Placed {
    /// Poison only.
    pub(crate) fn poison(shape: (usize, usize), layout: Layout, offset: usize) -> Placed {
        let strides = layout.strides(shape);
        // The last gap is missing, as in a matrix cut from a larger one.
        let end = shape.0.saturating_sub(1) * strides.0 + shape.1.saturating_sub(1) * strides.1 + 1;
        Placed { data: vec![POISON; offset + end], offset, shape, strides }
    }

    /// These elements, row by row.
    pub(crate) fn holding(
        elements: &[f32],
        shape: (usize, usize),
        layout: Layout,
        offset: usize,
    ) -> Placed {
        assert_eq!(elements.len(), shape.0 * shape.1);
        let mut placed = Placed::poison(shape, layout, offset);
        let places: Vec<usize> = placed.places().collect();
        places.into_iter().zip(elements).for_each(|(at, x)| placed.data[at] = *x);
        placed
    }

    /// Where the elements lie, row by row.
    fn places(&self) -> impl Iterator<Item = usize> {
        let (offset, (rows, cols), (rs, cs)) = (self.offset, self.shape, self.strides);
        (0..rows).flat_map(move |i| (0..cols).map(move |j| offset + i * rs + j * cs))
    }

    /// The elements, row by row.
    pub(crate) fn elements(&self) -> Vec<f32> {
        self.places().map(|at| self.data[at]).collect()
    }

    pub(crate) fn view(&self) -> MatRef<'_> {
        MatRef::new(&self.data[self.offset..], self.shape, self.strides)
    }

    pub(crate) fn view_mut(&mut self) -> MatMut<'_> {
        MatMut::new(&mut self.data[self.offset..], self.shape, self.strides)
    }

    /// What lies before, between and behind the elements is as it was, bit for bit.
    pub(crate) fn assert_gaps_untouched(&self, what: Arguments<'_>) {
        let mut gaps = vec![true; self.data.len()];
        self.places().for_each(|at| gaps[at] = false);
        for (at, x) in self.data.iter().enumerate().filter(|(at, _)| gaps[*at]) {
            assert!(poisoned(&[*x]), "{what}: {x:e} was written into a gap at {at}");
        }
    }
}

/// A panel of any width with these rows.
pub(crate) fn panel_of(rows: usize, cols: usize, from: &[f32]) -> Panel {
    let mut panel = Panel::zeros(rows, cols);
    for i in 0..rows {
        for j in 0..cols {
            panel.set(i, j, from[i * cols + j]);
        }
    }
    panel
}

/// The lanes past the last column hold zeros.
pub(crate) fn assert_padding_is_zero(panel: &Panel, what: Arguments<'_>) {
    for i in 0..panel.rows() {
        let padding = &Line::flat(panel.row(i))[panel.cols()..];
        assert!(padding.iter().all(|x| *x == 0.0), "{what}: padding of row {i}: {padding:?}");
    }
}

/// What it says when something is refused.
pub(crate) fn refused(work: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    let text = panic.expect_err("it is to be refused");
    let fixed = text.downcast_ref::<&str>().map(|text| (*text).to_owned());
    fixed.or_else(|| text.downcast_ref::<String>().cloned()).expect("a text")
}
