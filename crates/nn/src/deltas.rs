//! The gradients of a layer's outputs, as the update of the layer takes them.

use crate::group::part_by_part;
use crate::layer::{Part, Task};
use crate::own::Fetched;
use crate::workspace::{Batch, Gradient, RowBlock};
use kernels::{Blocks, Isa, PANEL_COLS, Panel, Step, View};

/// Gradients of a layer's outputs for a batch.
#[derive(Clone, Copy)]
pub(crate) struct Deltas<'a> {
    pub(crate) batch: Batch<'a>,
    pub(crate) of: Of<'a>,
}

/// What the gradients are of, block after block of the batch.
#[derive(Clone, Copy)]
pub(crate) enum Of<'a> {
    Logits(&'a [RowBlock]),
    /// A hidden layer's outputs: column after column.
    Hidden(&'a [Gradient]),
    /// One column of them.
    Column(&'a [Gradient]),
}

impl<'a> Deltas<'a> {
    /// The update of a part of the first layer.
    pub(crate) fn update_inputs(self, part: &mut Part, isa: Isa, own: &mut Fetched, task: Task) {
        let (from, rows) = (part.row0, part.owned.w.rows());
        let finite = self.finite(part.column);
        let examples = own.blocks(isa, self.batch);
        let x = |b: usize| examples[b].cols_at(from, rows, finite);
        self.update(part, isa, Blocks::new(examples.len(), &x), task);
    }

    /// The update of some columns, or of a part of one, of a layer whose inputs are these outputs of the layer below.
    pub(crate) fn update_hidden(self, parts: &mut [Part], isa: Isa, h: &[Panel], task: Task) {
        let count = self.batch.cut.count;
        part_by_part(parts, |part| {
            let from = part.row0 / PANEL_COLS * count;
            let x = |i: usize| h[from + i].view().rows_at(0, self.batch.rows(i % count));
            let panels = part.owned.w.rows().div_ceil(PANEL_COLS);
            self.update(part, isa, Blocks::new(panels * count, &x), task);
        });
    }

    /// The update of a column of the first layer in bf16.
    pub(crate) fn update_half(self, part: &mut Part, isa: Isa, task: Task) {
        let Task::Update(Step::Adam(adam)) = task else {
            unreachable!("bf16 goes with Adam, as `fit` checks")
        };
        if let Some(mut half) = part.half.take() {
            let (column, cols) = (part.column, part.owned.w.cols());
            let dz = |b: usize| self.dz(column, cols, b);
            half.update(part, isa, self.batch.inputs, (self.batch.cut.count, &dz), adam);
            part.half = Some(half);
        }
    }

    /// The update of a part whose inputs are `x`, one block of rows after the other.
    pub(crate) fn update(self, part: &mut Part, isa: Isa, x: Blocks<'_, '_>, task: Task) {
        let (column, cols) = (part.column, part.owned.w.cols());
        let dz = |b: usize| self.dz(column, cols, b);
        part.update(isa, x, Blocks::new(self.batch.cut.count, &dz), task);
    }

    /// Whether all gradients of a column are finite. Of the logits nobody asks: only the update of a hidden layer leaves
    /// out zeros.
    fn finite(self, column: usize) -> bool {
        self.column(column).is_some_and(|all| all.iter().all(|gradient| gradient.finite))
    }

    /// Those of a column, if it is one of a hidden layer.
    fn column(self, column: usize) -> Option<&'a [Gradient]> {
        let count = self.batch.cut.count;
        match self.of {
            Of::Logits(_) => None,
            Of::Hidden(all) => Some(&all[column * count..][..count]),
            Of::Column(gradients) => Some(gradients),
        }
    }

    /// Those of a column for block `b` of the rows.
    fn dz(self, column: usize, cols: usize, b: usize) -> View<'a> {
        let dz = match self.of {
            Of::Logits(blocks) => blocks[b].logits.view().cols_at(column * PANEL_COLS, cols),
            Of::Hidden(all) => all[column * self.batch.cut.count + b].dz.view(),
            Of::Column(gradients) => gradients[b].dz.view(),
        };
        dz.rows_at(0, self.batch.rows(b))
    }

    /// The same transposed, of which the gradient of the layer's inputs is made.
    pub(crate) fn dz_t(self, column: usize, b: usize) -> View<'a> {
        match self.of {
            Of::Logits(blocks) => {
                let (all, from) = (blocks[b].dz_t.view(), column * PANEL_COLS);
                all.rows_at(from, PANEL_COLS.min(all.rows() - from))
            }
            Of::Hidden(all) => all[column * self.batch.cut.count + b].dz_t.view(),
            Of::Column(gradients) => gradients[b].dz_t.view(),
        }
    }
}
