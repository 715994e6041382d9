//! One step of training: a few parallel loops over panels with a barrier after each.
//!
//! 1. for each hidden layer but the first: its outputs, by columns and blocks of rows
//! 2. by blocks of rows: logits, softmax, loss, their gradient and that of the last layer's inputs; and the
//!    next batch is fetched
//! 3. for each layer from the last but one to the second: gradient of its inputs, by columns, and beside it the
//!    update of the layer above, whose weights nobody reads any more
//! 4. by columns of the first layer: their update, and at once their outputs for the next batch; beside
//!    it the update of the second layer
//!
//! So a network with one hidden layer has two barriers a step. A gradient of weights never reaches memory:
//! the optimiser is the ending of its tile.

use crate::behind::{Behind, Place};
use crate::clock::{Clock, StepPart};
use crate::data::{Inputs, Labels};
use crate::deltas::Deltas;
use crate::layer::{Dense, Part, Task, block_width, forward};
use crate::train::Running;
use crate::workspace::{Batch, Examples, Gradient, Gradients, Hidden, Own, RowBlock, Workspace};
use kernels::{Blocks, CrossEntropy, Isa, PANEL_COLS, Panel, Step, Team, Then};

/// Vectors of a full panel.
const VECTORS: usize = PANEL_COLS / kernels::LANES;

/// A task for an item that is nothing.
type Nothing = fn(&mut Own, usize, &mut ());

/// For phases with one kind of task.
fn nothing_else() -> (&'static mut [()], Nothing) {
    (&mut [], |_, _, ()| ())
}

/// A training run: the layers, what they run on, and what they learn from.
pub(crate) struct Run<'r> {
    pub(crate) layers: &'r mut [Dense],
    pub(crate) isa: Isa,
    pub(crate) team: &'r mut Team,
    pub(crate) workspace: &'r mut Workspace,
    pub(crate) inputs: Inputs<'r>,
    pub(crate) labels: Labels<'r>,
    /// Number of the step, counted from 1 over all epochs.
    pub(crate) number: u64,
    /// Share of a label that is spread over all classes.
    pub(crate) smoothing: f32,
    /// Largest norm of the gradient.
    pub(crate) clip: Option<f64>,
    /// Times the parts of this step, if anybody wants to know.
    pub(crate) clock: Clock<'r>,
}

impl Run<'_> {
    /// Fetches the first batch of an epoch and works out the first layer's outputs: later, the step before
    /// does both.
    pub(crate) fn begin(&mut self, batch: &[u32]) {
        let Run { inputs, labels, .. } = *self;
        let now = self.workspace.now;
        self.workspace.owns.iter_mut().for_each(Own::forget);
        self.team.for_each_mut(&mut self.workspace.blocks, |b, block| {
            block.gather(inputs, labels, (now, b), batch);
        });
        self.forward_first(self.batch(0, batch));
    }

    /// The batch of the step that is `ahead` by 0 or 1.
    fn batch<'a>(&self, ahead: usize, order: &'a [u32]) -> Batch<'a>
    where
        Self: 'a,
    {
        let at = self.workspace.now ^ ahead;
        Batch { step: self.number + ahead as u64, at, inputs: self.inputs, order }
    }

    /// One step on `this` batch, which was fetched; fetches the `next` one meanwhile, and asks for the one
    /// `after` it.
    pub(crate) fn step(&mut self, by: Step, batches: [&[u32]; 3], running: &mut Running) {
        let [this, next, after] = batches;
        let task = if self.clip.is_some() { Task::Keep } else { Task::Update(by) };
        for l in 1..self.workspace.hidden.len() {
            self.forward(l);
        }
        self.head(this, next);
        for block in &self.workspace.blocks {
            let rows = block.taken[self.workspace.now].rows;
            for row in &block.losses[..rows] {
                running.examples += 1;
                running.loss += row.loss;
                running.correct += usize::from(row.correct);
            }
        }
        for l in (1..self.layers.len().saturating_sub(1)).rev() {
            self.backward(l, task);
        }
        self.update_first(task, [this, next, after]);
        if let Some(limit) = self.clip {
            self.clipped(limit, by, next);
        }
        self.workspace.now ^= 1;
    }

    /// The updates by gradients that were kept: all multiplied by `limit / norm` where their norm is larger,
    /// as PyTorch's `clip_grad_norm_` has it. Then the first layer's outputs for the next batch.
    ///
    /// The squares are summed as `kernels::squares` says, weights and then biases of a part, and those sums
    /// in `f64` in the order of layers, columns and parts.
    fn clipped(&mut self, limit: f64, by: Step, next: &[u32]) {
        let parts = self.layers.iter().flat_map(|layer| &layer.parts);
        let kept = parts.filter_map(|part| part.kept.as_ref());
        let squares = kept.fold(0.0, |sum, kept| sum + kept.squares);
        let scale = (limit / (squares.sqrt() + 1e-6)).min(1.0) as f32;
        let Run { isa, clock, .. } = *self;
        for layer in self.layers.iter_mut() {
            self.team.for_each_mut(&mut layer.parts, |_, part| {
                let mut watch = clock.start();
                part.apply(isa, scale, by);
                watch.lap(StepPart::Update);
            });
        }
        if !next.is_empty() {
            self.forward_first(self.batch(1, next));
        }
    }

    /// Outputs of the first hidden layer, if there is one, for a batch.
    fn forward_first(&mut self, batch: Batch<'_>) {
        let Run { isa, clock, .. } = *self;
        let Workspace { blocks, hidden, owns, .. } = &mut *self.workspace;
        let Some(Hidden { h, behind, .. }) = hidden.first_mut() else { return };
        let (columns, then, h) = (self.layers[0].columns(), behind.then(), &mut h[batch.at]);
        let half = self.layers[0].parts[0].half.is_some();
        if half {
            let parts = &mut self.layers[0].parts[..];
            let column = |_: &mut Own, _: usize, parts: &mut [Part], out: &mut [Panel]| {
                let mut watch = clock.start();
                forward_half(&mut parts[0], then, isa, batch, out);
                watch.lap(StepPart::Forward);
            };
            return self.team.for_each_zip(owns, columns, (parts, h), column, nothing_else());
        }
        let layer = &self.layers[0];
        let panel = |own: &mut Own, i: usize, out: &mut Panel| {
            let mut watch = clock.start();
            let (column, b) = (i / blocks.len(), i % blocks.len());
            let count = own.blocks_in_band();
            let band = blocks.chunks(count).nth(b / count).unwrap_or_default();
            let examples = own.band(isa, batch, b / count, band);
            watch.lap(StepPart::Fetch);
            // In a batch that is not full, a block may have none.
            let from = (b % count * blocks[b].rows()).min(examples.rows());
            let rows = (from, blocks[b].taken[batch.at].rows);
            forward_inputs(layer.column(column), then, isa, (examples, rows), out);
            behind.finish(isa, out, place(blocks, (batch.step, batch.at), b, column));
            watch.lap(StepPart::Forward);
        };
        self.team.for_each_mut2(owns, (h, panel), nothing_else());
    }

    /// Outputs of hidden layer `l`, not the first.
    fn forward(&mut self, l: usize) {
        let Workspace { now, blocks, hidden, .. } = &mut *self.workspace;
        let (now, blocks, layer, isa) = (*now, &blocks[..], &self.layers[l], self.isa);
        let (below, here) = hidden.split_at_mut(l);
        let (below, Hidden { h, behind, .. }) = (&below[l - 1], &mut here[0]);
        let (number, clock) = (self.number, self.clock);
        self.team.for_each_mut(&mut h[now], |i, out| {
            let mut watch = clock.start();
            let (column, b) = (i / blocks.len(), i % blocks.len());
            let rows = blocks[b].taken[now].rows;
            let x = |k: usize| below.h(now, k, b).view().rows_at(0, rows);
            let x = Blocks::new(layer.blocks(), &x);
            forward(layer.column(column), behind.then(), isa, x, out, 0);
            behind.finish(isa, out, place(blocks, (number, now), b, column));
            watch.lap(StepPart::Forward);
        });
    }

    /// The output layer: logits, softmax, loss, gradient, and that of its inputs; and the next batch.
    fn head(&mut self, this: &[u32], next: &[u32]) {
        let Run { isa, inputs, labels, smoothing, clock, .. } = *self;
        let this = self.batch(0, this);
        let Workspace { now, blocks, hidden, owns } = &mut *self.workspace;
        let (now, count, deep) = (*now, blocks.len(), hidden.len() > 1);
        let batch: usize = blocks.iter().map(|b| b.taken[now].rows).sum();
        let (scale, weights) = (1.0 / batch as f32, labels.class_weights());
        let loss = CrossEntropy { scale, smoothing, weights };
        let Some(layer) = self.layers.last() else { unreachable!("a network has a dense layer") };
        let Some(Hidden { h, gradients, behind, .. }) = hidden.last_mut() else {
            let rows = |own: &mut Own, b: usize, block: &mut RowBlock| {
                let mut watch = clock.start();
                let examples = own.band(isa, this, b, std::slice::from_ref(block));
                watch.lap(StepPart::Fetch);
                for column in 0..layer.columns() {
                    let x = |k: usize| layer.block(examples.view(), k);
                    let (x, at) = (Blocks::new(layer.blocks(), &x), column * VECTORS);
                    layer.forward(isa, column, x, &mut block.logits, at);
                }
                block.loss(isa, now, loss);
                watch.lap(StepPart::Output);
                block.gather(inputs, labels, (now ^ 1, b), next);
                watch.lap(StepPart::Fetch);
            };
            return self.team.for_each_mut2(owns, (blocks, rows), nothing_else());
        };
        let h = |q: usize, b: usize| &h[now][q * count + b];
        let rows = |_: &mut Own, b: usize, block: &mut [RowBlock], gradients: &mut [Gradient]| {
            let mut watch = clock.start();
            let block = &mut block[0];
            let rows = block.taken[now].rows;
            let x = |q: usize| h(q, b).view().rows_at(0, rows);
            for column in 0..layer.columns() {
                let (x, at) = (Blocks::new(layer.blocks(), &x), column * VECTORS);
                layer.forward(isa, column, x, &mut block.logits, at);
            }
            block.loss(isa, now, loss);
            watch.lap(StepPart::Output);
            for (q, gradient) in gradients.iter_mut().enumerate() {
                let dz_t = |c: usize| {
                    let cols = PANEL_COLS.min(layer.shape.units - c * PANEL_COLS);
                    block.dz_t.view().rows_at(c * PANEL_COLS, cols)
                };
                let dz_t = Blocks::new(layer.columns(), &dz_t);
                layer.backward(isa, q, dz_t, behind.gate(h(q, b)), gradient);
                if deep {
                    gradient.transpose(isa);
                }
            }
            watch.lap(StepPart::Backward);
            block.gather(inputs, labels, (now ^ 1, b), next);
            watch.lap(StepPart::Fetch);
        };
        let zip = (&mut blocks[..], &mut gradients.list[..]);
        self.team.for_each_zip(owns, count, zip, rows, nothing_else());
    }

    /// Gradient of the inputs of layer `l`, not the last, and the update of the layer above it.
    fn backward(&mut self, l: usize, task: Task) {
        let Workspace { now, blocks, hidden, owns } = &mut *self.workspace;
        let (now, blocks, isa, clock) = (*now, &blocks[..], self.isa, self.clock);
        let (layers, above) = self.layers.split_at_mut(l + 1);
        let layer = &layers[l];
        let (inputs, outputs) = hidden.split_at_mut(l);
        let (inputs, outputs) = (&mut inputs[l - 1], &*outputs);
        let Hidden { h, behind, gradients: Gradients { list, layout }, .. } = inputs;
        let (h, behind, layout) = (&h[now], &*behind, *layout);
        let gradient = |_: &mut Own, i: usize, gradient: &mut Gradient| {
            let mut watch = clock.start();
            let (q, b) = layout.place(i);
            let dz_t = |c: usize| outputs[0].gradients.at(c, b).dz_t.view();
            let dz_t = Blocks::new(layer.columns(), &dz_t);
            let gate = behind.gate(&h[q * blocks.len() + b]);
            layer.backward(isa, q, dz_t, gate, gradient);
            if l > 1 {
                gradient.transpose(isa);
            }
            watch.lap(StepPart::Backward);
        };
        let deltas = Deltas { now, blocks, gradients: outputs.get(1).map(|h| &h.gradients) };
        let update = |_: &mut Own, _: usize, part: &mut Part| {
            let mut watch = clock.start();
            deltas.update_hidden(part, isa, &outputs[0].h[now], task);
            watch.lap(StepPart::Update);
        };
        self.team.for_each_mut2(owns, (&mut above[0].parts, update), (&mut list[..], gradient));
    }

    /// The updates of the first layer and the second, and the first one's outputs for the next batch if
    /// there is one.
    fn update_first(&mut self, task: Task, [this, next, after]: [&[u32]; 3]) {
        let Run { isa, inputs, clock, .. } = *self;
        let (this, next) = (self.batch(0, this), self.batch(1, next));
        let Workspace { now, blocks, hidden, owns } = &mut *self.workspace;
        let (now, blocks) = (*now, &blocks[..]);
        let (first, rest) = self.layers.split_at_mut(1);
        let columns = first[0].columns();
        let parts = &mut first[0].parts;
        let (ask, of) = (Ask { inputs, after }, parts.len());
        let update = |deltas: Deltas<'_>, own: &mut Own, i: usize, part: &mut Part| {
            let mut watch = clock.start();
            ask.share(i, of);
            watch.lap(StepPart::Fetch);
            deltas.update_inputs(part, isa, own, this, task);
            watch.lap(StepPart::Update);
        };
        let Some((second, (here, above))) = rest.first_mut().zip(hidden.split_first_mut()) else {
            let deltas = Deltas { now, blocks, gradients: None };
            let update = |own: &mut Own, i: usize, part: &mut Part| update(deltas, own, i, part);
            return self.team.for_each_mut2(owns, (parts, update), nothing_else());
        };
        let Hidden { h: [even, odd], gradients, behind, .. } = here;
        let (h, h_next) = if now == 0 { (&*even, odd) } else { (&*odd, even) };
        let deltas = Deltas { now, blocks, gradients: Some(gradients) };
        let above = Deltas { gradients: above.first().map(|h| &h.gradients), ..deltas };
        let update_second = |_: &mut Own, _: usize, part: &mut Part| {
            let mut watch = clock.start();
            above.update_hidden(part, isa, h, task);
            watch.lap(StepPart::Update);
        };
        let second = (&mut second.parts[..], update_second);
        // A column is a large task: where there is not one for each thread, smaller ones and one more
        // barrier are faster.
        let updates = matches!(task, Task::Update(_)) && !next.order.is_empty();
        if parts[0].half.is_some() || updates && columns >= self.team.threads() {
            let column = Column { isa, clock, ask, of: columns, this, next, deltas, task, behind };
            let column = |own: &mut Own, q: usize, parts: &mut [Part], out: &mut [Panel]| {
                column.pass(own, q, parts, out);
            };
            return self.team.for_each_zip(owns, columns, (parts, h_next), column, second);
        }
        let update = |own: &mut Own, i: usize, part: &mut Part| update(deltas, own, i, part);
        self.team.for_each_mut2(owns, (parts, update), second);
        if updates {
            self.forward_first(next);
        }
    }
}

/// Asks for the examples of the batch `after` the next one: they lie all over the data set, each some dozen cache
/// lines from memory, and the first layer's update is the phase that leaves the memory idle the longest.
#[derive(Clone, Copy)]
struct Ask<'a> {
    inputs: Inputs<'a>,
    after: &'a [u32],
}

impl Ask<'_> {
    /// For share `i` of `of`.
    fn share(self, i: usize, of: usize) {
        let share = i * self.after.len() / of..(i + 1) * self.after.len() / of;
        self.after[share].iter().for_each(|&row| self.inputs.prefetch(row as usize));
    }
}

/// What becomes of a column of the first layer in one task: its update, then its outputs for the next batch.
struct Column<'a> {
    isa: Isa,
    clock: Clock<'a>,
    ask: Ask<'a>,
    /// Columns in all.
    of: usize,
    this: Batch<'a>,
    next: Batch<'a>,
    deltas: Deltas<'a>,
    task: Task,
    behind: &'a Behind,
}

impl Column<'_> {
    fn pass(&self, own: &mut Own, q: usize, parts: &mut [Part], out: &mut [Panel]) {
        let Column { isa, this, next, deltas, task, behind, .. } = *self;
        let (then, blocks) = (behind.then(), deltas.blocks);
        let mut watch = self.clock.start();
        self.ask.share(q, self.of);
        watch.lap(StepPart::Fetch);
        if parts[0].half.is_some() {
            deltas.update_half(&mut parts[0], isa, this.inputs, task);
            watch.lap(StepPart::Update);
            forward_half(&mut parts[0], then, isa, next, out);
            return watch.lap(StepPart::Forward);
        }
        parts.iter_mut().for_each(|part| deltas.update_inputs(part, isa, own, this, task));
        watch.lap(StepPart::Update);
        let (examples, band, wide) = own.bands(isa, next, blocks, parts[0].owned.w.cols());
        watch.lap(StepPart::Fetch);
        for (examples, out) in examples.iter().zip(out.chunks_mut(band)) {
            let rows = (0, examples.rows());
            match out {
                [out] => forward_inputs(parts, then, isa, (examples, rows), out),
                _ => {
                    forward_inputs(parts, then, isa, (examples, rows), wide);
                    let each = blocks[0].rows() * wide.vectors();
                    for (out, wide) in out.iter_mut().zip(wide.lines().chunks(each)) {
                        out.lines_mut()[..each].copy_from_slice(wide);
                    }
                }
            }
        }
        for (b, out) in out.iter_mut().enumerate() {
            behind.finish(isa, out, place(blocks, (next.step, next.at), b, q));
        }
        watch.lap(StepPart::Forward);
    }
}

/// The outputs that a task of a layer is about: column `column` of block `b` of the batch `at` of a step.
fn place(blocks: &[RowBlock], (step, at): (u64, usize), b: usize, column: usize) -> Place {
    let row = b * blocks[b].losses.len();
    Place { step, row, rows: blocks[b].taken[at].rows, col: column * PANEL_COLS }
}

/// Outputs of a column of the first layer, of which these are the parts, for some rows of a band.
fn forward_inputs(
    parts: &[Part],
    then: Then,
    isa: Isa,
    (examples, (from, rows)): (&Examples, (usize, usize)),
    out: &mut Panel,
) {
    let finite = parts.iter().all(|part| part.finite);
    let block = |k: usize| examples.block(k, finite).rows_at(from, rows);
    let count = examples.features().div_ceil(block_width(examples.features(), true));
    let x = Blocks::new(count, &block);
    forward(parts, then, isa, x, out, 0);
}

/// Fetches a batch and works out the outputs of a column of the first layer, in bf16.
fn forward_half(part: &mut Part, then: Then, isa: Isa, batch: Batch<'_>, out: &mut [Panel]) {
    if batch.order.is_empty() {
        return;
    }
    if let Some(mut half) = part.half.take() {
        half.gather(isa, batch.inputs, batch.order);
        half.forward(part, then, batch.inputs, out);
        part.half = Some(half);
    }
}
