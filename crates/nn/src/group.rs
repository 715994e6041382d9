//! The products of hidden layers, for several panels in one task.
//!
//! Weights and moments of a wide layer are far more than a core's own cache holds, and so are its inputs. So a task takes a
//! group of columns: some blocks of inputs, or of gradients, are used for all of them while they are near, and
//! memory is asked for the weights that come next while those at hand are multiplied. Sums go on from block to block in
//! one order, so the grouping never changes a bit. Updates go by groups of columns, too, some of the inputs at a time.

use crate::layer::{Dense, Part};
use crate::workspace::Gradient;
use kernels::{Blocks, Gate, Isa, Panel, Stretch, Then, View};
use std::ops::Range;

/// Blocks that are summed up before the next panel takes its turn: of 256 rows, half a megabyte.
const BLOCKS: usize = 8;

/// What a core's own cache is taken to hold, in bytes.
const NEAR: usize = 2 << 20;

/// Whether the share that each thread has of so many parameters and their moments is more than it keeps near: then memory is
/// asked for them early, which only takes time where they are near.
pub(crate) fn is_far(parameters: usize, threads: usize) -> bool {
    3 * size_of::<f32>() * parameters / threads > NEAR
}

/// In how many tasks a phase takes `columns` of `count` panels each: groups of four, two or one if each thread then has as
/// many of them, and at least two, or else single panels.
pub(crate) fn pieces(columns: usize, count: usize, threads: usize) -> usize {
    let groups = [4, 2, 1].into_iter().filter(|of| columns.is_multiple_of(*of));
    let mut groups = groups.map(|of| columns / of);
    let even = |groups: &usize| groups.is_multiple_of(threads) && *groups >= 2 * threads;
    groups.find(even).unwrap_or(columns * count)
}

/// In how many tasks a phase updates a layer: groups of columns where those are taken part by part, or `else_in`.
pub(crate) fn updates(layer: &Dense, threads: usize, else_in: usize) -> usize {
    let groups = pieces(layer.columns(), 1, threads);
    let part_by_part = layer.is_far() && layer.per_column() > 1 && groups < layer.columns();
    if part_by_part { groups } else { else_in }
}

/// Does something with each part of some columns: the first of each, then the second of each. What they have in common, some
/// of the layer's inputs, is then near from one to the next.
pub(crate) fn part_by_part(columns: &mut [Part], mut f: impl FnMut(&mut Part)) {
    let first = columns.first().map(|part| part.column);
    let per_column = columns.iter().take_while(|part| Some(part.column) == first).count();
    for p in 0..per_column {
        columns[p..].iter_mut().step_by(per_column).for_each(&mut f);
    }
}

/// Some panels of a hidden layer, column after column and in each block after block of the rows of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Group<'l> {
    pub(crate) layer: &'l Dense,
    pub(crate) isa: Isa,
    /// Blocks of rows.
    pub(crate) count: usize,
    /// The number of the group's first panel.
    pub(crate) first: usize,
}

/// One panel's turn.
struct Turn {
    /// The panel's number in the group.
    i: usize,
    column: usize,
    /// Block of rows.
    b: usize,
    /// What is summed up.
    blocks: Range<usize>,
    /// The column whose weights come next, and for which blocks.
    next: (usize, Range<usize>),
}

impl Group<'_> {
    /// The turns of `panels`, whose sums run over `of` blocks.
    fn turns(self, panels: usize, of: usize) -> impl Iterator<Item = Turn> {
        let Group { count, first, .. } = self;
        let blocks = move |from: usize| from..of.min(from + BLOCKS);
        let turn = move |from: usize, i: usize| {
            let (column, b) = ((first + i) / count, (first + i) % count);
            let next = if i + count - b < panels {
                (column + 1, blocks(from))
            } else if from + BLOCKS < of {
                (first / count, blocks(from + BLOCKS))
            } else {
                (column + 1, blocks(0))
            };
            Turn { i, column, b, blocks: blocks(from), next }
        };
        (0..of).step_by(BLOCKS).flat_map(move |from| (0..panels).map(move |i| turn(from, i)))
    }

    /// Of the rows of a cell of weights that will be needed, those that are asked for beside block `b`: each block of the rows
    /// of a batch asks for its share.
    fn share<'v>(self, cell: View<'v>, b: usize) -> View<'v> {
        let rows = b * cell.rows() / self.count..(b + 1) * cell.rows() / self.count;
        cell.rows_at(rows.start, rows.len())
    }

    /// Outputs of these panels, given those of the layer below: block `k` of them for block `b` of the rows is `x(k, b)`.
    pub(crate) fn forward<'x>(
        self,
        then: Then,
        x: &(dyn Fn(usize, usize) -> View<'x> + Sync),
        out: &mut [Panel],
    ) {
        let Group { layer, isa, .. } = self;
        for Turn { i, column, b, blocks, next } in self.turns(out.len(), layer.blocks()) {
            let x = |k: usize| x(blocks.start + k, b);
            let w = |k: usize| layer.cell(blocks.start + k, column);
            let ahead = |k: usize| self.share(layer.cell(next.1.start + k, next.0), b);
            let asked = if layer.is_far() && next.0 < layer.columns() { next.1.len() } else { 0 };
            let stretch = Stretch {
                first: blocks.start == 0,
                last: (blocks.end == layer.blocks()).then(|| (layer.bias_lines(column), then)),
                ahead: Blocks::new(asked, &ahead),
            };
            let (x, w) = (Blocks::new(blocks.len(), &x), Blocks::new(blocks.len(), &w));
            kernels::dense_forward_stretch(isa, x, w, stretch, &mut out[i], 0);
        }
    }

    /// Gradients of the layer's inputs, of which these are panels, through their gates: panel `i` of the layer below has
    /// `gate(i)`. Those of the outputs are `dz_t(column, b)`, transposed.
    pub(crate) fn backward<'d>(
        self,
        dz_t: &(dyn Fn(usize, usize) -> View<'d> + Sync),
        gate: impl Fn(usize) -> Gate<'d>,
        to: &mut [Gradient],
    ) {
        let Group { layer, isa, first, .. } = self;
        for Turn { i, column: q, b, blocks, next } in self.turns(to.len(), layer.columns()) {
            let w = |o: usize| layer.cell(q, blocks.start + o);
            let dz_t = |o: usize| dz_t(blocks.start + o, b);
            let ahead = |o: usize| self.share(layer.cell(next.0, next.1.start + o), b);
            let asked = if layer.is_far() && next.0 < layer.blocks() { next.1.len() } else { 0 };
            let stretch = Stretch {
                first: blocks.start == 0,
                last: (blocks.end == layer.columns()).then(|| gate(first + i)),
                ahead: Blocks::new(asked, &ahead),
            };
            let Gradient { dz, dz_t: room, finite } = &mut to[i];
            let (w, dz_t) = (Blocks::new(blocks.len(), &w), Blocks::new(blocks.len(), &dz_t));
            *finite = kernels::dense_backward_stretch(isa, w, dz_t, stretch, dz, room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::{Activation, DenseShape};
    use crate::layer::Division;

    #[test]
    fn columns_are_updated_part_by_part_where_threads_have_groups_of_them() {
        let shape =
            DenseShape { inputs: 512, units: 256, activation: Activation::Relu, dropout: 0.0 };
        let mut layer = Dense::zeros(shape, false);
        assert_eq!((updates(&layer, 1, 7), layer.per_column()), (7, 4), "it is near");
        layer.parts.iter_mut().for_each(|part| part.restart(true));
        assert_eq!([1, 2, 4].map(|threads| updates(&layer, threads, 7)), [2, 7, 7]);
        let mut order = Vec::new();
        part_by_part(&mut layer.parts[..8], |part| order.push((part.row0, part.column)));
        let by_rows = [0, 128, 256, 384].into_iter().flat_map(|row| [(row, 0), (row, 1)]);
        assert!(order.into_iter().eq(by_rows));
        layer.divide(Division::Columns);
        assert_eq!(updates(&layer, 1, 7), 7, "columns are whole");
    }

    #[test]
    fn groups_are_as_large_as_leaves_each_thread_two() {
        assert_eq!([1, 2, 8].map(|threads| pieces(32, 4, threads)), [8, 8, 16]);
        assert_eq!([1, 2, 4].map(|threads| pieces(8, 2, threads)), [2, 4, 8]);
    }

    #[test]
    fn columns_that_are_no_multiple_of_the_threads_are_single_panels() {
        assert_eq!([pieces(3, 2, 2), pieces(2, 2, 2), pieces(32, 4, 3)], [6, 4, 128]);
    }
}
