//! The first layer, by columns or groups of them: update, and outputs for the next batch.

use crate::behind::{Behind, Place};
use crate::clock::{Clock, StepPart};
use crate::deltas::Deltas;
use crate::group::part_by_part;
use crate::layer::{Part, Task, block_width, forward};
use crate::own::{Examples, Fetched};
use crate::workspace::Batch;
use kernels::{Blocks, Isa, Loading, Panel, Then};

/// What becomes of some columns of the first layer in one task: their update, then their outputs for the next batch.
pub(crate) struct Columns<'a> {
    pub(crate) isa: Isa,
    pub(crate) clock: Clock<'a>,
    pub(crate) next: Batch<'a>,
    /// The batch after that one, whose examples are asked for.
    pub(crate) after: Batch<'a>,
    /// Whether, behind the update, this thread has no more use for the inputs of this step's batch.
    pub(crate) last: bool,
    pub(crate) deltas: Deltas<'a>,
    pub(crate) task: Task,
    pub(crate) behind: &'a Behind,
}

impl Columns<'_> {
    /// Columns of which these are the parts, and the outputs.
    pub(crate) fn pass(&self, own: &mut Fetched, parts: &mut [Part], out: &mut [Panel]) {
        let Columns { isa, next, deltas, task, behind, .. } = *self;
        let mut watch = self.clock.start();
        own.ask(self.after);
        watch.lap(StepPart::Fetch);
        if parts[0].half.is_some() {
            deltas.update_half(&mut parts[0], isa, task);
            watch.lap(StepPart::Update);
            forward_half(&mut parts[0], behind.then(), isa, next, out);
            return watch.lap(StepPart::Forward);
        }
        part_by_part(parts, |part| deltas.update_inputs(part, isa, own, task));
        watch.lap(StepPart::Update);
        if next.order.is_empty() {
            return;
        }
        let after = self.last.then_some(self.after);
        for b in 0..next.cut.count {
            own.block_while_loading(isa, (next, after), b, |examples, mut loading| {
                watch.lap(StepPart::Fetch);
                let columns = parts.chunk_by(|above, below| above.column == below.column);
                for (parts, out) in columns.zip(out.chunks_mut(next.cut.count)) {
                    let (place, loading) = (next.place(b, parts[0].column), loading.take());
                    forward_inputs(parts, isa, examples, (behind, place), &mut out[b], loading);
                }
                watch.lap(StepPart::Forward);
            });
            watch.lap(StepPart::Fetch);
        }
    }
}

/// Outputs of a column of the first layer, of which these are the parts, for a block of rows, and what goes on meanwhile.
pub(crate) fn forward_inputs(
    parts: &[Part],
    isa: Isa,
    examples: &Examples,
    (behind, place): (&Behind, Place),
    out: &mut Panel,
    loading: Option<&mut Loading<'_>>,
) {
    let finite = parts.iter().all(|part| part.finite);
    let block = |k: usize| examples.block(k, finite);
    let count = examples.features().div_ceil(block_width(examples.features(), true));
    forward(parts, behind.then(), isa, Blocks::new(count, &block), (out, 0), loading);
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
