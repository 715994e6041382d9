//! One step of training: a few parallel loops over panels with a barrier after each.
//!
//! 1. for each hidden layer but the first: its outputs, by columns and blocks of rows
//! 2. by columns of the last hidden layer: the gradient of its outputs and the update of their weights in the output layer,
//!    which is cut by its inputs (`top.rs`). Softmax, loss and their gradient each thread works out on its own
//! 3. for each layer from the last but one to the second: gradient of its inputs, by columns, and beside it the
//!    update of the layer above, whose weights nobody reads any more
//! 4. by columns of the first layer, or groups of them: their update, and at once their outputs for the next batch; beside
//!    it the update of the second layer
//!
//! With one hidden layer, 2 and 4 are one, unless gradients are clipped: a step has one barrier (`whole.rs`). Where much is to be done
//! in the output layer (more than 64 classes, batches of more than 128 rows, no layer below it), threads share
//! that layer by blocks of rows instead, with a barrier of its own, and 3 begins with the layer itself. A gradient of
//! weights never reaches memory unless it is clipped: the optimiser is the ending of its tile.

use crate::clock::{Clock, Laps, StepPart};
use crate::column::{Columns, forward_half, forward_inputs};
use crate::deltas::{Deltas, Of};
use crate::group::{Group, pieces, updates};
use crate::layer::{Dense, Part, Task};
use crate::own::Own;
use crate::progress::Rates;
use crate::top::{self, Top};
use crate::workspace::{Batch, Batches, Gradient, Hidden, Losses, RowBlock, Workspace};
use kernels::{Blocks, Isa, Panel, Step, Team};
use std::ops::ControlFlow;

/// A task for items that are nothing.
type Nothing = fn(&mut Own, usize, &mut [()]);

/// For phases with one kind of task.
fn nothing_else() -> (usize, &'static mut [()], Nothing) {
    (0, &mut [], |_, _, _| ())
}

/// What is done after each step, with the losses of its batch: by breaking, it ends the last one.
pub(crate) type Done<'d> = &'d mut dyn FnMut(Losses<'_>) -> ControlFlow<()>;

/// A training run: the layers, what they run on, and what they learn from.
pub(crate) struct Run<'r> {
    pub(crate) layers: &'r mut [Dense],
    pub(crate) isa: Isa,
    pub(crate) team: &'r mut Team,
    pub(crate) workspace: &'r mut Workspace,
    pub(crate) batches: Batches<'r>,
    pub(crate) rates: Rates,
    /// Largest norm of the gradient.
    pub(crate) clip: Option<f64>,
    /// Times of the parts of some steps, if anybody wants to know.
    pub(crate) laps: Option<&'r Laps>,
    /// Of this step.
    pub(crate) clock: Clock<'r>,
}

impl Run<'_> {
    /// Works out the first layer's outputs for the first batch of an epoch: later, the step before does.
    pub(crate) fn begin(&mut self) {
        self.workspace.owns.iter_mut().for_each(Own::forget);
        self.forward_first(self.batches.at(0));
    }

    /// Takes steps, of the first of which the first layer's outputs are known, until `done` breaks.
    pub(crate) fn steps(&mut self, done: Done<'_>) {
        let shares = self.workspace.shares.is_some();
        if shares && self.layers.len() == 2 && self.clip.is_none() {
            return self.whole(done);
        }
        loop {
            let batch = self.batches.at(0);
            self.clock = Clock::of(self.laps, batch.step);
            self.step();
            let Workspace { owns, heads, .. } = &*self.workspace;
            let own = owns.iter().map(|own| &own.head).find(|head| head.step == batch.step);
            let blocks = own.map_or(&heads[..], |head| &head.blocks[..]);
            if done(Losses { batch, blocks }).is_break() {
                return;
            }
            self.batches.advance();
        }
    }

    /// One step in several phases: on this batch, of which the first layer's outputs are known; works them out for the next one,
    /// and asks for the one after it.
    fn step(&mut self) {
        let [this, next, after] = [0, 1, 2].map(|ahead| self.batches.at(ahead));
        let last = self.layers.len() - 1;
        let by = self.rates.step(this.step);
        let task = if self.clip.is_some() { Task::Keep } else { Task::Update(by) };
        for l in 1..last {
            self.forward(l, this);
        }
        let below = if self.workspace.shares.is_some() {
            self.top(task, this);
            last
        } else {
            self.head(this);
            last + 1
        };
        for l in (1..below).rev() {
            self.backward(l, this, task);
        }
        self.update_first(task, [this, next, after]);
        if let Some(limit) = self.clip {
            self.clipped(limit, by, next);
        }
    }

    /// Whether a column of the first layer is one task: its update and at once its outputs for the next batch. It is a
    /// large one: where there is not one for each thread, smaller ones and one more barrier are faster.
    fn takes_columns(&self, task: Task) -> bool {
        let first = &self.layers[0];
        let enough = first.columns() >= self.team.threads();
        first.parts[0].half.is_some() || matches!(task, Task::Update(_)) && enough
    }

    /// The updates by gradients that were kept: all multiplied by `limit / norm` where their norm is larger,
    /// as PyTorch's `clip_grad_norm_` has it. Then the first layer's outputs for the next batch.
    ///
    /// The squares are summed as `kernels::squares` says, weights and then biases of a part, and those sums
    /// in `f64` in the order of layers, columns and parts.
    fn clipped(&mut self, limit: f64, by: Step, next: Batch<'_>) {
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
        if !next.order.is_empty() {
            self.forward_first(next);
        }
    }

    /// Outputs of the first hidden layer, if there is one, for a batch.
    fn forward_first(&mut self, batch: Batch<'_>) {
        let Run { isa, clock, .. } = *self;
        let Workspace { hidden, owns, shares, .. } = &mut *self.workspace;
        let last = hidden.len() == 1;
        let Some(Hidden { h, behind, .. }) = hidden.first_mut() else { return };
        let (columns, behind, h) = (self.layers[0].columns(), &*behind, &mut h[batch.at]);
        if self.layers[0].parts[0].half.is_some() {
            let [first, .., above] = &mut *self.layers else { unreachable!("a hidden layer") };
            type Piece<'p> = (&'p mut [Part], (&'p mut [Panel], &'p mut [Panel]));
            let column = |_: &mut Own, i: usize, (parts, (out, to)): Piece<'_>| {
                let mut watch = clock.start();
                forward_half(&mut parts[0], behind.then(), isa, batch, out);
                watch.lap(StepPart::Forward);
                let mut to = to.iter_mut();
                for (b, out) in out.iter().enumerate() {
                    top::share(isa, above.parts.get(i), batch.rows(b), out, to.next());
                }
                watch.lap(StepPart::Output);
            };
            let shares = room(shares.as_mut().filter(|_| last), batch.at);
            let all = (columns, (&mut first.parts[..], (&mut h[..], shares)), column);
            return self.team.for_each_zip(owns, all, nothing_else());
        }
        let (layer, above) = (&self.layers[0], &self.layers[self.layers.len() - 1]);
        let panel = |own: &mut Own, i: usize, (out, to): (&mut [Panel], &mut [Panel])| {
            let mut watch = clock.start();
            let (column, b) = (i / batch.cut.count, i % batch.cut.count);
            let examples = own.fetched.block(isa, batch, b);
            watch.lap(StepPart::Fetch);
            let (parts, place) = (layer.column(column), batch.place(b, column));
            forward_inputs(parts, isa, examples, (behind, place), &mut out[0], None);
            top::share(isa, above.parts.get(column), batch.rows(b), &out[0], to.first_mut());
            watch.lap(StepPart::Forward);
        };
        let shares = room(shares.as_mut().filter(|_| last), batch.at);
        let all = (h.len(), (&mut h[..], shares), panel);
        self.team.for_each_zip(owns, all, nothing_else());
    }

    /// Outputs of hidden layer `l`, not the first.
    fn forward(&mut self, l: usize, batch: Batch<'_>) {
        let Run { isa, clock, .. } = *self;
        let (layer, above) = (&self.layers[l], &self.layers[self.layers.len() - 1]);
        let count = batch.cut.count;
        let Workspace { hidden, owns, shares, .. } = &mut *self.workspace;
        let last = hidden.len() == l + 1;
        let (below, here) = hidden.split_at_mut(l);
        let (below, Hidden { h, behind, .. }) = (&below[l - 1].h[batch.at], &mut here[0]);
        let (h, pieces) =
            (&mut h[batch.at][..], pieces(layer.columns(), count, self.team.threads()));
        let panels = h.len() / pieces;
        let x = |k: usize, b: usize| below[k * count + b].view().rows_at(0, batch.rows(b));
        let outputs = |_: &mut Own, p: usize, (out, to): (&mut [Panel], &mut [Panel])| {
            let mut watch = clock.start();
            let first = p * panels;
            Group { layer, isa, count, first }.forward(behind.then(), &x, out);
            let mut to = to.iter_mut();
            for (i, out) in (first..).zip(out) {
                let (column, b) = (i / count, i % count);
                behind.finish(isa, out, batch.place(b, column));
                top::share(isa, above.parts.get(column), batch.rows(b), out, to.next());
            }
            watch.lap(StepPart::Forward);
        };
        let shares = room(shares.as_mut().filter(|_| last), batch.at);
        self.team.for_each_zip(owns, (pieces, (h, shares), outputs), nothing_else());
    }

    /// The output layer, which threads share by blocks of rows: logits, softmax, loss and its gradient.
    fn head(&mut self, batch: Batch<'_>) {
        let Run { isa, clock, batches, .. } = *self;
        let (labels, loss) = (batches.labels, batches.loss(batch));
        let Workspace { heads, hidden, owns, .. } = &mut *self.workspace;
        let Some(layer) = self.layers.last() else { unreachable!("a network has a dense layer") };
        let h = hidden.last().map(|hidden| &hidden.h[batch.at]);
        let rows = |own: &mut Own, b: usize, block: &mut [RowBlock]| {
            let (block, mut watch) = (&mut block[0], clock.start());
            let inputs = h.is_none().then(|| own.fetched.block(isa, batch, b).view());
            watch.lap(StepPart::Fetch);
            let x = |k: usize| match (inputs, h) {
                (Some(inputs), _) => layer.block(inputs, k),
                (None, Some(h)) => h[k * batch.cut.count + b].view().rows_at(0, batch.rows(b)),
                (None, None) => unreachable!("inputs or outputs below"),
            };
            let x = Blocks::new(layer.blocks(), &x);
            block.logits(isa, layer, x);
            block.loss(isa, (labels, batch.block(b)), loss);
            watch.lap(StepPart::Output);
        };
        self.team.for_each_zip(owns, (heads.len(), &mut heads[..], rows), nothing_else());
    }

    /// The output layer and its update, and the gradient of its inputs, by columns of the layer below.
    fn top(&mut self, task: Task, batch: Batch<'_>) {
        let Run { isa, clock, batches, .. } = *self;
        let (labels, loss) = (batches.labels, batches.loss(batch));
        let Workspace { hidden, owns, shares, .. } = &mut *self.workspace;
        let (Some(layer), Some(hidden), Some(shares)) =
            (self.layers.last_mut(), hidden.last_mut(), shares)
        else {
            unreachable!("an output layer above a hidden one")
        };
        let Hidden { h, gradients, behind, .. } = hidden;
        let (h, shares, count) = (&h[batch.at][..], &shares[batch.at][..], batch.cut.count);
        let top = Top { isa, clock, shares, behind, batch, labels, loss, task };
        let column = |own: &mut Own, q: usize, (to, part): (&mut [Gradient], &mut [Part])| {
            top.pass(&mut own.head, &h[q * count..][..count], &mut part[0], to);
            to.iter_mut().for_each(|gradient| gradient.transpose(isa));
        };
        let columns = (h.len() / count, (&mut gradients[..], &mut layer.parts[..]), column);
        self.team.for_each_zip(owns, columns, nothing_else());
    }

    /// Gradient of the inputs of layer `l`, and the update of the layer above it if it has none yet.
    fn backward(&mut self, l: usize, batch: Batch<'_>, task: Task) {
        let Run { isa, clock, .. } = *self;
        let Workspace { heads, hidden, owns, shares, .. } = &mut *self.workspace;
        let (layers, above) = self.layers.split_at_mut(l + 1);
        let (layer, threads) = (&layers[l], self.team.threads());
        let (updates, parts) = to_update(above, shares.is_some(), threads);
        let (inputs, outputs) = hidden.split_at_mut(l);
        let (Hidden { h, behind, gradients, .. }, outputs) = (&mut inputs[l - 1], &*outputs);
        let of = |l: usize| {
            outputs.get(l).map_or(Of::Logits(heads), |above| Of::Hidden(&above.gradients))
        };
        let (h, behind, deltas) = (&h[batch.at], &*behind, Deltas { batch, of: of(0) });
        let count = batch.cut.count;
        let (pieces, to) = (pieces(layer.blocks(), count, threads), &mut gradients[..]);
        let panels = to.len() / pieces;
        let dz_t = |column: usize, b: usize| deltas.dz_t(column, b);
        let gradient = |_: &mut Own, p: usize, to: &mut [Gradient]| {
            let mut watch = clock.start();
            let group = Group { layer, isa, count, first: p * panels };
            group.backward(&dz_t, |i| behind.gate(&h[i]), to);
            if l > 1 {
                to.iter_mut().for_each(|gradient| gradient.transpose(isa));
            }
            watch.lap(StepPart::Backward);
        };
        let deltas = Deltas { batch, of: of(1) };
        let update = |_: &mut Own, _: usize, parts: &mut [Part]| {
            let mut watch = clock.start();
            deltas.update_hidden(parts, isa, &outputs[0].h[batch.at], task);
            watch.lap(StepPart::Update);
        };
        self.team.for_each_zip(owns, (pieces, to, gradient), (updates, parts, update));
    }

    /// The update of the first layer, and that of the second if it has none yet; and the first one's outputs for
    /// the next batch if there is one.
    fn update_first(&mut self, task: Task, [this, next, after]: [Batch<'_>; 3]) {
        let Run { isa, clock, .. } = *self;
        let (columns_whole, threads) = (self.takes_columns(task), self.team.threads());
        let Workspace { heads, hidden, owns, shares, .. } = &mut *self.workspace;
        let (first, rest) = self.layers.split_at_mut(1);
        let columns = updates(&first[0], threads, first[0].columns());
        let parts = &mut first[0].parts[..];
        let of = parts.len();
        let update = |deltas: Deltas<'_>, own: &mut Own, part: &mut Part| {
            let mut watch = clock.start();
            own.fetched.ask(after);
            watch.lap(StepPart::Fetch);
            deltas.update_inputs(part, isa, &mut own.fetched, task);
            watch.lap(StepPart::Update);
        };
        let logits = Deltas { batch: this, of: Of::Logits(heads) };
        let Some((Hidden { h, gradients, behind, .. }, above)) = hidden.split_first_mut() else {
            let update = |own: &mut Own, _: usize, part: &mut [Part]| {
                update(logits, own, &mut part[0]);
            };
            return self.team.for_each_zip(owns, (of, parts, update), nothing_else());
        };
        let (h, out) = now_and_next(h, this.at);
        let deltas = Deltas { of: Of::Hidden(gradients), ..logits };
        let above = above.first().map_or(logits.of, |hidden| Of::Hidden(&hidden.gradients));
        let above = Deltas { of: above, ..logits };
        let update_second = |_: &mut Own, _: usize, parts: &mut [Part]| {
            let mut watch = clock.start();
            above.update_hidden(parts, isa, h, task);
            watch.lap(StepPart::Update);
        };
        let (updates, parts_above) = to_update(rest, shares.is_some(), threads);
        let second = (updates, parts_above, update_second);
        if columns_whole {
            let column = Columns { isa, clock, next, after, last: false, deltas, task, behind };
            let column = |own: &mut Own, _: usize, (parts, out): (&mut [Part], &mut [Panel])| {
                column.pass(&mut own.fetched, parts, out);
            };
            return self.team.for_each_zip(owns, (columns, (parts, out), column), second);
        }
        let update = |own: &mut Own, _: usize, part: &mut [Part]| {
            update(deltas, own, &mut part[0]);
        };
        self.team.for_each_zip(owns, (of, parts, update), second);
        if matches!(task, Task::Update(_)) && !next.order.is_empty() {
            self.forward_first(next);
        }
    }
}

/// The parts of the first of these layers, to be updated in so many tasks, unless it has its update already: an output layer
/// of which the columns below have their `shares`.
fn to_update(layers: &mut [Dense], shares: bool, threads: usize) -> (usize, &mut [Part]) {
    match layers {
        [_] if shares => (0, &mut []),
        [layer, ..] => (updates(layer, threads, layer.parts.len()), &mut layer.parts),
        [] => (0, &mut []),
    }
}

/// Room for the shares of the logits of a batch, where there are some.
fn room(shares: Option<&mut [Vec<Panel>; 2]>, at: usize) -> &mut [Panel] {
    shares.map_or(&mut [], |shares| &mut shares[at])
}

/// Outputs of the first hidden layer for the batch at `now`, and room for those for the next.
fn now_and_next(h: &mut [Vec<Panel>; 2], now: usize) -> (&[Panel], &mut [Panel]) {
    let [even, odd] = h;
    if now == 0 { (even, odd) } else { (odd, even) }
}
