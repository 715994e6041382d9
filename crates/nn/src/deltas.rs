//! The gradients of a layer's outputs, as the update of the layer takes them.

use crate::data::Inputs;
use crate::layer::{Part, Task};
use crate::workspace::{Batch, Gradients, Own, RowBlock};
use kernels::{Blocks, Isa, PANEL_COLS, Panel, Step, View};

/// Gradients of a layer's outputs: of a hidden layer, or the logits.
#[derive(Clone, Copy)]
pub(crate) struct Deltas<'a> {
    pub(crate) now: usize,
    pub(crate) blocks: &'a [RowBlock],
    /// None: those of the logits, which are in the blocks.
    pub(crate) gradients: Option<&'a Gradients>,
}

impl Deltas<'_> {
    /// The update of a part of the first layer.
    pub(crate) fn update_inputs(
        self,
        part: &mut Part,
        isa: Isa,
        own: &mut Own,
        this: Batch<'_>,
        task: Task,
    ) {
        let (from, rows) = (part.row0, part.owned.w.rows());
        let finite = self.finite(part.column);
        let (examples, band, wide) = own.bands(isa, this, self.blocks, part.owned.w.cols());
        let x = |b: usize| examples[b].cols_at(from, rows, finite);
        let x = Blocks::new(examples.len(), &x);
        if band == 1 {
            return self.update(part, isa, x, task);
        }
        self.join(part.column, wide);
        let dz = |_: usize| wide.view().rows_at(0, examples[0].rows());
        part.update(isa, x, Blocks::new(1, &dz), task);
    }

    /// Writes the gradients of a column for all blocks of the batch, which is one band, below each other.
    fn join(self, column: usize, to: &mut Panel) {
        let Some(all) = self.gradients else {
            unreachable!("bands of several blocks are for networks with hidden layers")
        };
        let each = self.blocks[0].rows() * to.vectors();
        for (b, to) in to.lines_mut().chunks_mut(each).enumerate() {
            to.copy_from_slice(all.at(column, b).dz.lines());
        }
    }

    /// The update of a part of a layer whose inputs are these outputs of the layer below.
    pub(crate) fn update_hidden(self, part: &mut Part, isa: Isa, h: &[Panel], task: Task) {
        let count = self.blocks.len();
        let from = part.row0 / PANEL_COLS * count;
        let rows = |i: usize| self.blocks[i % count].taken[self.now].rows;
        let x = |i: usize| h[from + i].view().rows_at(0, rows(i));
        let panels = part.owned.w.rows().div_ceil(PANEL_COLS);
        self.update(part, isa, Blocks::new(panels * count, &x), task);
    }

    /// The update of a column of the first layer in bf16.
    pub(crate) fn update_half(self, part: &mut Part, isa: Isa, inputs: Inputs<'_>, task: Task) {
        let Task::Update(Step::Adam(adam)) = task else {
            unreachable!("bf16 goes with Adam, as `fit` checks")
        };
        if let Some(mut half) = part.half.take() {
            let (column, cols) = (part.column, part.owned.w.cols());
            let dz = |b: usize| self.dz(column, cols, b);
            half.update(part, isa, inputs, (self.blocks.len(), &dz), adam);
            part.half = Some(half);
        }
    }

    fn update(self, part: &mut Part, isa: Isa, x: Blocks<'_, '_>, task: Task) {
        let (column, cols) = (part.column, part.owned.w.cols());
        let dz = |b: usize| self.dz(column, cols, b);
        part.update(isa, x, Blocks::new(self.blocks.len(), &dz), task);
    }
}

impl<'a> Deltas<'a> {
    /// Whether all gradients of a column are finite. Of the logits nobody asks: only the update of a hidden layer leaves
    /// out zeros.
    fn finite(self, column: usize) -> bool {
        let all = |of: &Gradients| (0..self.blocks.len()).all(|b| of.at(column, b).finite);
        self.gradients.is_some_and(all)
    }

    /// Those of a column for block `b` of the rows.
    fn dz(self, column: usize, cols: usize, b: usize) -> View<'a> {
        let rows = self.blocks[b].taken[self.now].rows;
        match self.gradients {
            Some(all) => all.at(column, b).dz.view().rows_at(0, rows),
            None => {
                let logits = self.blocks[b].logits.view().rows_at(0, rows);
                logits.cols_at(column * PANEL_COLS, cols)
            }
        }
    }
}
