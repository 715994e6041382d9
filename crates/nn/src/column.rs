//! The first layer, by columns: update, and outputs for the next batch.

use crate::behind::{Behind, Place};
use crate::clock::{Clock, StepPart};
use crate::data::Inputs;
use crate::deltas::Deltas;
use crate::layer::{Part, Task, block_width, forward};
use crate::own::{Examples, Fetched};
use crate::workspace::Batch;
use kernels::{Blocks, Isa, Panel, Then};

/// Asks for the examples of the batch `after` the next one: they lie all over the data set, each some dozen cache
/// lines from memory, and the first layer's update is the phase that leaves the memory idle the longest.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) inputs: Inputs<'a>,
    pub(crate) after: &'a [u32],
}

impl Ask<'_> {
    /// For share `i` of `of`.
    pub(crate) fn share(self, i: usize, of: usize) {
        let share = i * self.after.len() / of..(i + 1) * self.after.len() / of;
        self.after[share].iter().for_each(|&row| self.inputs.prefetch(row as usize));
    }
}

/// What becomes of a column of the first layer in one task: its update, then its outputs for the next batch.
pub(crate) struct Column<'a> {
    pub(crate) isa: Isa,
    pub(crate) clock: Clock<'a>,
    pub(crate) ask: Ask<'a>,
    /// Columns in all.
    pub(crate) of: usize,
    pub(crate) next: Batch<'a>,
    pub(crate) deltas: Deltas<'a>,
    pub(crate) task: Task,
    pub(crate) behind: &'a Behind,
}

impl Column<'_> {
    pub(crate) fn pass(&self, own: &mut Fetched, q: usize, parts: &mut [Part], out: &mut [Panel]) {
        let Column { isa, next, deltas, task, behind, .. } = *self;
        let mut watch = self.clock.start();
        self.ask.share(q, self.of);
        watch.lap(StepPart::Fetch);
        if parts[0].half.is_some() {
            deltas.update_half(&mut parts[0], isa, task);
            watch.lap(StepPart::Update);
            forward_half(&mut parts[0], behind.then(), isa, next, out);
            return watch.lap(StepPart::Forward);
        }
        parts.iter_mut().for_each(|part| deltas.update_inputs(part, isa, own, task));
        watch.lap(StepPart::Update);
        if next.order.is_empty() {
            return;
        }
        for (b, out) in out.iter_mut().enumerate() {
            let examples = own.block(isa, next, b);
            watch.lap(StepPart::Fetch);
            forward_inputs(parts, isa, examples, (behind, next.place(b, q)), out);
            watch.lap(StepPart::Forward);
        }
    }
}

/// Outputs of a column of the first layer, of which these are the parts, for a block of rows.
pub(crate) fn forward_inputs(
    parts: &[Part],
    isa: Isa,
    examples: &Examples,
    (behind, place): (&Behind, Place),
    out: &mut Panel,
) {
    let finite = parts.iter().all(|part| part.finite);
    let block = |k: usize| examples.block(k, finite);
    let count = examples.features().div_ceil(block_width(examples.features(), true));
    forward(parts, behind.then(), isa, Blocks::new(count, &block), out, 0);
    behind.finish(isa, out, place);
}

/// Fetches a batch and works out the outputs of a column of the first layer, in bf16.
pub(crate) fn forward_half(
    part: &mut Part,
    then: Then,
    isa: Isa,
    batch: Batch<'_>,
    out: &mut [Panel],
) {
    if batch.order.is_empty() {
        return;
    }
    if let Some(mut half) = part.half.take() {
        half.gather(isa, batch.inputs, batch.order);
        half.forward(part, then, batch.inputs, out);
        part.half = Some(half);
    }
}
