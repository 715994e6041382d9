//! The gradient of a dense layer's parameters in memory, for steps that need to know all of it first, and
//! the sum of its squares.
//!
//! ```text
//! dW = Xᵀ dZ,  db = Σ dZ      each element: 0, then in order of the rows of the batch
//! ```
//! the same numbers that [`dense_update`](crate::dense_update) hands to the optimiser.

use super::stretch::Pairs;
use super::update::{inputs, of_columns};
use crate::isa::{Line, Simd, kernel};
use crate::panel::{Blocks, Panel};
use crate::tile::{Acc, Ending, product, unroll};

/// Gradients are stored from row `row0` on.
struct Store<'o> {
    to: &'o mut Panel,
    row0: usize,
}

impl<S: Simd> Ending<S> for Store<'_> {
    #[inline(always)]
    fn finish<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
        acc: Acc<S::V, MR, NV>,
    ) {
        unroll!(R in 0..MR => {
            let row = &mut self.to.row_mut(self.row0 + i + R)[v..][..NV];
            unroll!(J in 0..NV => s.store(acc[R][J], &mut row[J].0));
        });
    }
}

kernel! {
    /// `to = Xᵀ dZ`, with the operands of [`dense_update`](crate::dense_update).
    ///
    /// ```
    /// use kernels::{Blocks, Isa, Panel, dense_gradient};
    /// let (mut x, mut dz, mut g) = (Panel::zeros(1, 2), Panel::zeros(1, 1), Panel::zeros(2, 1));
    /// x.set(0, 1, 2.0);
    /// dz.set(0, 0, 3.0);
    /// let (of_x, of_dz) = (|_: usize| x.view(), |_: usize| dz.view());
    /// dense_gradient(Isa::best(), Blocks::new(1, &of_x), Blocks::new(1, &of_dz), &mut g);
    /// assert_eq!((g.get(0, 0), g.get(1, 0)), (0.0, 6.0));
    /// ```
    ///
    /// # Panics
    /// If the shapes do not fit together, or there are more than [`MOST_BLOCKS`](crate::MOST_BLOCKS) blocks.
    pub fn dense_gradient<'f, 'x, 'd>(
        s, x: Blocks<'f, 'x>, dz: Blocks<'f, 'd>, to: &'f mut Panel,
    ) {
        let (rows, cols, vectors, blocks) = (to.rows(), to.cols(), to.vectors(), dz.count());
        let mut ending = Store { to, row0: 0 };
        let mut p = 0;
        while ending.row0 < rows {
            let inputs = inputs(x, p * blocks);
            let pair = |b| (x.get(p * blocks + b).a_transposed(), of_columns(dz.get(b), cols).b());
            ending = product(s, inputs, vectors, Pairs::new(blocks, pair).list(), ending);
            ending.row0 += inputs;
            p += 1;
        }
        assert_eq!(p * blocks, x.count(), "blocks of inputs, in panels of {blocks}");
    }
}

kernel! {
    /// `to = Σ dZ` over the batch, `to` of one row.
    ///
    /// ```
    /// use kernels::{Blocks, Isa, Panel, bias_gradient};
    /// let (mut dz, mut g) = (Panel::zeros(2, 1), Panel::zeros(1, 1));
    /// dz.set(0, 0, 3.0);
    /// dz.set(1, 0, 4.0);
    /// let of_dz = |_: usize| dz.view();
    /// bias_gradient(Isa::best(), Blocks::new(1, &of_dz), &mut g);
    /// assert_eq!(g.get(0, 0), 7.0);
    /// ```
    ///
    /// # Panics
    /// If the columns differ.
    pub fn bias_gradient<'f, 'd>(s, dz: Blocks<'f, 'd>, to: &'f mut Panel) {
        let cols = to.cols();
        for (v, Line(to)) in to.row_mut(0).iter_mut().enumerate() {
            let mut g = s.splat(0.0);
            for b in 0..dz.count() {
                let block = of_columns(dz.get(b), cols);
                for i in 0..block.rows() {
                    g = s.add(g, s.load(block.vector(i, v)));
                }
            }
            s.store(g, to);
        }
    }
}

kernel! {
    /// `Σ g²` over a panel: lane `l` of sixteen takes the elements of its column in each vector, row by row,
    /// then the lanes are folded by halves.
    ///
    /// ```
    /// let mut g = kernels::Panel::zeros(2, 20);
    /// g.set(0, 3, 3.0);
    /// g.set(1, 19, 4.0);
    /// assert_eq!(kernels::squares(kernels::Isa::best(), &g), 25.0);
    /// ```
    pub fn squares<'f>(s, g: &'f Panel) -> f32 {
        let mut sum = s.splat(0.0);
        for Line(g) in g.lines() {
            let g = s.load(g);
            sum = s.fma(g, g, sum);
        }
        s.sum(sum)
    }
}
