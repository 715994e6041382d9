//! One row through a dense layer. It waits for weights and for nothing else: those that meet a zero are left where they
//! are, the others come along one list, for two panels at once.

use super::dense::Then;
use super::relu::relu;
use crate::isa::{Bits, LANES, Line, Listed, Listing, Part, Rows, Simd, kernel};
use crate::panel::{Blocks, PANEL_COLS, Panel, View};
use crate::tile::{multiply_all, row_vectors, unroll};

/// Inputs that are listed at once.
const SLAB: usize = 1024;

kernel! {
    /// `out = act(x W + b)` for one row of inputs and all panels of the weights, which are finite: the bits of
    /// [`dense_forward`](crate::dense_forward).
    ///
    /// Weights that meet a zero are left out, which would change the result only if they were not finite.
    ///
    /// - `x`: the row, `1 × inputs`
    /// - `w`: panel after panel of the weights, `inputs × cols`, all but the last of [`PANEL_COLS`] columns, each split along k
    ///   at the same multiples of sixteen
    /// - `bias`: of each panel, `1 × cols`
    /// - `out`: gets the result in its first row, panel after panel
    ///
    /// ```
    /// use kernels::{Blocks, Isa, Panel, Then, row_forward};
    /// let (mut x, mut w, mut bias) = (Panel::zeros(1, 2), Panel::zeros(2, 1), Panel::zeros(1, 1));
    /// x.set(0, 1, 2.0);
    /// w.set(1, 0, 4.0);
    /// bias.set(0, 0, 0.5);
    /// let (of_w, of_bias) = (|_: usize| w.view(), |_: usize| bias.view());
    /// let (w, bias) = (Blocks::new(1, &of_w), Blocks::new(1, &of_bias));
    /// let mut out = Panel::zeros(1, 1);
    /// row_forward(Isa::best(), x.view(), w, bias, Then::Relu, &mut out);
    /// assert_eq!(out.get(0, 0), 2.0 * 4.0 + 0.5);
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit together.
    pub fn row_forward<'f, 'w>(
        s, x: View<'f>, w: Blocks<'f, 'w>, bias: Blocks<'f, 'w>, then: Then, out: &'f mut Panel,
    ) {
        let panels = bias.count();
        assert!(panels > 0 && w.count().is_multiple_of(panels), "parts of panels");
        let (parts, mut left) = (w.count() / panels, out.cols());
        for panel in 0..panels {
            let cols = left.min(PANEL_COLS);
            assert_eq!(bias.get(panel).cols(), cols, "biases of panel {panel}");
            if parts > 0 {
                assert_eq!(w.get(panel * parts).cols(), cols, "weights of panel {panel}");
            }
            left -= cols;
        }
        assert!(left == 0, "{} outputs of {panels} panels", out.cols());
        let sums = out.row_mut(0);
        sums.fill(Line::ZERO);
        let (mut lit, mut from) = ([0; SLAB + LANES], 0);
        for p in 0..parts {
            let (start, end) = (from, from + w.get(p).rows());
            while from < end {
                let here = SLAB.min(end - from);
                let x = x.cols_at(from, here).row(0);
                let columns = Columns { x, lit: list(s, x, &mut lit) };
                let weights = |panel: usize| w.get(panel * parts + p).rows_at(from - start, here).b();
                add(s, columns, panels, &weights, sums);
                from += here;
            }
        }
        assert_eq!(from, x.cols(), "inputs and rows of weights");
        for (panel, sums) in sums.chunks_mut(PANEL_COLS / LANES).enumerate() {
            let bias = bias.get(panel);
            for (v, Line(sum)) in sums.iter_mut().enumerate() {
                // Zero is added so that "skipped" and "added a zero" are the same.
                let z = s.add(s.add(s.load(sum), s.load(bias.vector(0, v))), s.splat(0.0));
                s.store(if then == Then::Relu { relu(s, z) } else { z }, sum);
            }
        }
    }
}

/// A part of the row, and which of its elements are not zero.
#[derive(Clone, Copy)]
struct Columns<'a> {
    x: &'a [f32],
    lit: &'a [u16],
}

/// Lists what of `x` is not zero.
#[inline(always)]
fn list<'l, S: Simd>(s: S, x: &[f32], list: &'l mut [u16; SLAB + LANES]) -> &'l [u16] {
    let mut masks = [0; SLAB / LANES + 1];
    let (whole, rest) = x.as_chunks();
    for (x, mask) in whole.iter().zip(&mut masks) {
        *mask = s.lit(s.load(x));
    }
    masks[whole.len()] = s.lit(s.load_first(rest));
    let mut count = 0;
    s.listed(Masks { masks: &masks[..=whole.len()], list, count: &mut count });
    &list[..count]
}

/// Masks of vectors that follow each other, whose bits are to be listed.
struct Masks<'l> {
    masks: &'l [u16],
    list: &'l mut [u16; SLAB + LANES],
    count: &'l mut usize,
}

impl Listing for Masks<'_> {
    #[inline(always)]
    fn run(self, by: impl Bits) {
        let mut count = 0;
        for (mask, from) in self.masks.iter().zip((0..).step_by(LANES)) {
            let Some(to) = self.list[count..].first_chunk_mut() else {
                unreachable!("room for a vector behind the list")
            };
            count += by.lanes(*mask, from, to);
        }
        *self.count = count;
    }
}

/// Adds the products with these rows of all panels of the weights onto the sums.
#[inline(always)]
fn add<'a, S: Simd>(
    s: S,
    columns: Columns<'a>,
    panels: usize,
    weights: &impl Fn(usize) -> Rows<'a>,
    sums: &mut [Line],
) {
    let full = PANEL_COLS / LANES;
    let (mut panel, mut at) = (0, 0);
    while panel < panels {
        let (b, sums) = (weights(panel), &mut sums[at..]);
        if const { row_vectors::<S>() == 8 } && sums.len() >= 2 * full && panel + 1 < panels {
            s.outlined(Tile::<8> { columns, b: [b, weights(panel + 1)], v: 0, sums });
            (panel, at) = (panel + 2, at + 2 * full);
            continue;
        }
        let mut v = 0;
        while v < b.vectors() {
            let (b, sums) = ([b; 2], &mut sums[v..]);
            v += match b[0].vectors() - v {
                4.. if const { row_vectors::<S>() >= 4 } => {
                    s.outlined(Tile::<4> { columns, b, v, sums })
                }
                2.. if const { row_vectors::<S>() >= 4 } => {
                    s.outlined(Tile::<2> { columns, b, v, sums })
                }
                _ => s.outlined(Tile::<1> { columns, b, v, sums }),
            };
        }
        (panel, at) = (panel + 1, at + b.vectors());
    }
    assert_eq!(at, sums.len(), "vectors of the outputs");
}

/// `NV` vectors of sums, of a panel from vector `v` on or of two whole ones.
struct Tile<'s, 'a, const NV: usize> {
    columns: Columns<'a>,
    b: [Rows<'a>; 2],
    v: usize,
    sums: &'s mut [Line],
}

impl<S: Simd, const NV: usize> Part<S> for Tile<'_, '_, NV> {
    type Out = usize;
    #[inline(always)]
    fn run(self, s: S) -> usize {
        let Tile { columns: Columns { x, lit }, b, v, sums } = self;
        let sums = &mut sums[..NV];
        let mut acc = [[s.splat(0.0); NV]; 1];
        unroll!(J in 0..NV => acc[0][J] = s.load(&sums[J].0));
        multiply_all(s, &mut acc, Listed::new(x, lit, b, v));
        unroll!(J in 0..NV => s.store(acc[0][J], &mut sums[J].0));
        NV
    }
}
