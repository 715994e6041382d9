//! The output layer above hidden ones, cut by its inputs: each column of the last hidden layer has the weights from its
//! 64 units to all classes, and works out its share of the logits as soon as it knows its outputs, its gradient and the
//! update of these weights. All that passes between threads is shares, as many floats as there are logits; softmax and
//! loss each thread works out for itself.
//!
//! The logits are the sum of the shares in the order of the columns, the first with the biases.

use crate::behind::Behind;
use crate::clock::{Clock, StepPart};
use crate::data::Labels;
use crate::deltas::{Deltas, Of};
use crate::layer::{Part, Task};
use crate::workspace::{Batch, Gradient, RowBlock};
use kernels::{Blocks, CrossEntropy, Isa, LANES, Line, PANEL_COLS, Panel, Then};

/// The output layer of a step, as a thread has it.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The step that it is of; 0 before the first.
    pub(crate) step: u64,
    /// Block by block of the rows.
    pub(crate) blocks: Vec<RowBlock>,
}

/// A step's work in the output layer.
pub(crate) struct Top<'a> {
    pub(crate) isa: Isa,
    pub(crate) clock: Clock<'a>,
    /// Shares of the logits, as outputs are: column after column, of each one block after block of the rows.
    pub(crate) shares: &'a [Panel],
    /// What stands behind the product of the layer below.
    pub(crate) behind: &'a Behind,
    pub(crate) batch: Batch<'a>,
    pub(crate) labels: Labels<'a>,
    pub(crate) loss: CrossEntropy<'a>,
    pub(crate) task: Task,
}

impl Top<'_> {
    /// Logits, softmax, loss and its gradient, unless this thread has made them already.
    pub(crate) fn blocks<'h>(&self, head: &'h mut Head) -> &'h [RowBlock] {
        let Top { isa, shares, batch, labels, loss, .. } = *self;
        if head.step != batch.step {
            let mut watch = self.clock.start();
            for (b, block) in head.blocks.iter_mut().enumerate() {
                block.sum(shares.iter().skip(b).step_by(batch.cut.count));
                block.loss(isa, (labels, batch.block(b)), loss);
            }
            head.step = batch.step;
            watch.lap(StepPart::Output);
        }
        &head.blocks
    }

    /// Of a column of the layer below, whose outputs are `h` and whose weights in the output layer `part`: the gradient of its
    /// outputs, block by block of the rows, and then the update of these weights.
    pub(crate) fn pass(&self, head: &mut Head, h: &[Panel], part: &mut Part, to: &mut [Gradient]) {
        let Top { isa, batch, task, .. } = *self;
        let blocks = self.blocks(head);
        let mut watch = self.clock.start();
        let w = |_: usize| part.owned.w.view();
        for (b, Gradient { dz, dz_t: room, finite }) in to.iter_mut().enumerate() {
            let dz_t = |_: usize| blocks[b].dz_t.view();
            let (w, dz_t) = (Blocks::new(1, &w), Blocks::new(1, &dz_t));
            let gate = self.behind.gate(&h[b]);
            *finite = kernels::dense_backward_input(isa, w, dz_t, gate, dz, room);
        }
        watch.lap(StepPart::Backward);
        let deltas = Deltas { batch, of: Of::Logits(blocks) };
        let x = |b: usize| h[b].view().rows_at(0, batch.rows(b));
        deltas.update(part, isa, Blocks::new(batch.cut.count, &x), task);
        watch.lap(StepPart::Update);
    }
}

/// A column's share of the logits of some rows, given its outputs `h` and its weights in the output layer, if that is cut so.
pub(crate) fn share(isa: Isa, part: Option<&Part>, rows: usize, h: &Panel, to: Option<&mut Panel>) {
    const NONE: [Line; PANEL_COLS / LANES] = [Line::ZERO; PANEL_COLS / LANES];
    let Some((part, to)) = part.zip(to) else { return };
    let bias = part.bias.as_ref().map_or(&NONE[..to.vectors()], |bias| bias.w.lines());
    let (x, w) = (|_: usize| h.view().rows_at(0, rows), |_: usize| part.owned.w.view());
    let (x, w) = (Blocks::new(1, &x), Blocks::new(1, &w));
    kernels::dense_forward(isa, x, w, bias, Then::Linear, to, 0);
}
