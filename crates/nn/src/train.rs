//! Training: `fit`, and the phases of one step.
//!
//! A step is a few parallel loops over panels with a barrier after each:
//!
//! 1. for each hidden layer: its outputs, by cells
//! 2. by blocks of rows: logits, softmax, loss, gradient of the logits; and the next batch is fetched
//! 3. for each layer from the last to the second: gradient of its inputs, by cells, and beside it the
//!    update of the layer above, whose weights nobody reads any more
//! 4. the updates of the first two layers
//!
//! A gradient of weights never reaches memory: Adam is the ending of its tile.

use crate::data::Inputs;
use crate::engine::Engine;
use crate::error::Error;
use crate::layer::{Dense, Part};
use crate::model::Model;
use crate::rng::{Purpose, Rng};
use crate::workspace::{Cell, RowBlock, Workspace};
use kernels::{AdamStep, Blocks, Isa, PANEL_COLS, Team};
use std::ops::ControlFlow;
use std::time::Instant;

/// Constants of Adam; the defaults are Keras', the formula PyTorch's (see
/// [`kernels::AdamStep`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConfig {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moments.
    pub beta1: f64,
    /// Decay of the second moments.
    pub beta2: f64,
    /// Added to the square root of the (corrected) second moment.
    pub eps: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        AdamConfig { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-7 }
    }
}

/// How to train.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitConfig {
    /// Passes over the examples.
    pub epochs: usize,
    /// Examples of a step; the last step of an epoch takes what is left.
    pub batch_size: usize,
    /// The optimiser.
    pub adam: AdamConfig,
    /// A new order for every epoch, or the order the examples come in.
    pub shuffle: bool,
    /// Seed of the orders.
    pub seed: u64,
    /// Stop after so many steps in all.
    pub max_steps: Option<u64>,
}

impl Default for FitConfig {
    fn default() -> Self {
        let adam = AdamConfig::default();
        FitConfig { epochs: 5, batch_size: 32, adam, shuffle: true, seed: 1, max_steps: None }
    }
}

impl FitConfig {
    /// Steps of one epoch of `examples`.
    pub fn steps(&self, examples: usize) -> usize {
        examples.div_ceil(self.batch_size.max(1))
    }

    fn check(&self) -> Result<(), Error> {
        let Adam { lr, beta1, beta2, eps } = self.adam;
        let bad = |what: String| Err(Error::Input(what));
        if self.batch_size == 0 {
            return bad("a batch size of 0".to_owned());
        }
        if !((lr as f32).is_finite() && lr >= 0.0) {
            return bad(format!("a learning rate of {lr}"));
        }
        for beta in [beta1, beta2] {
            if !(0.0..1.0).contains(&beta) {
                return bad(format!("a decay of {beta}; Adam's betas are in 0..1"));
            }
        }
        // A zero gradient divides zero by eps, which is corrected and rounded, the first step's most.
        if !(eps.is_finite() && AdamStep::new(lr, beta1, beta2, eps, 1).eps > 0.0) {
            return bad(format!("an epsilon of {eps}; it must be above 0"));
        }
        Ok(())
    }
}

use AdamConfig as Adam;

/// What happens while training.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A step is done.
    Step {
        /// Epoch, from 1.
        epoch: usize,
        /// Step of the epoch, from 1.
        step: usize,
        /// Steps of the epoch.
        steps: usize,
        /// Mean loss over the epoch's examples so far, as Keras shows it.
        loss: f64,
        /// Share of the epoch's examples so far that were classified right, each before its step.
        accuracy: f64,
        /// Mean loss of this step's examples.
        batch_loss: f64,
    },
    /// An epoch is done.
    Epoch(EpochStats),
}

/// One epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochStats {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Steps done.
    pub steps: usize,
    /// Wall time.
    pub seconds: f64,
    /// Mean loss over its examples, each before its step.
    pub loss: f64,
    /// Share of its examples that were classified right, each before its step.
    pub accuracy: f64,
}

/// The epochs of a training run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The epochs in order.
    pub epochs: Vec<EpochStats>,
}

impl History {
    /// Sum of the epochs' times.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|e| e.seconds).sum()
    }
}

/// Running sums of an epoch.
#[derive(Clone, Copy, Default)]
struct Running {
    examples: usize,
    loss: f64,
    correct: usize,
}

impl Running {
    fn loss(&self) -> f64 {
        self.loss / self.examples.max(1) as f64
    }
    fn accuracy(&self) -> f64 {
        self.correct as f64 / self.examples.max(1) as f64
    }
}

impl Model {
    /// Trains on labelled examples: Adam on the mean cross-entropy of each batch, its moments and its
    /// count of steps starting at zero.
    ///
    /// `observe` is called after every step and every epoch, and ends the training by breaking.
    ///
    /// # Errors
    /// [`Error::Input`] if examples, labels or settings do not fit; [`Error::Diverged`] if the loss is no
    /// longer finite; [`Error::Stopped`] if the observer said so. The model then holds the weights of
    /// the last step.
    pub fn fit(
        &mut self,
        engine: &mut Engine,
        inputs: Inputs<'_>,
        labels: &[u8],
        config: &FitConfig,
        observe: &mut impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<History, Error> {
        config.check()?;
        self.check_labelled(inputs, labels)?;
        if inputs.is_empty() {
            return Err(Error::Input("no examples to train on".to_owned()));
        }
        // A model that was trained before and the same model from a file go the same way.
        self.layers.iter_mut().flat_map(|layer| &mut layer.parts).for_each(Part::restart);
        let workspace = Workspace::new(&self.architecture, config.batch_size.min(inputs.len()));
        let Engine { isa, ref mut team } = *engine;
        let mut run =
            Run { layers: &mut self.layers, isa, team, workspace, inputs, labels, config };
        run.fit(observe)
    }

    /// Checks that inputs fit the network, and labels the inputs and the classes.
    pub(crate) fn check_labelled(&self, inputs: Inputs<'_>, labels: &[u8]) -> Result<(), Error> {
        self.check_inputs(inputs)?;
        if labels.len() != inputs.len() {
            let (n, m) = (inputs.len(), labels.len());
            return Err(Error::Input(format!("{n} examples and {m} labels")));
        }
        let classes = self.architecture.classes();
        if let Some(i) = labels.iter().position(|l| usize::from(*l) >= classes) {
            let label = labels[i];
            return Err(Error::Input(format!(
                "label {label} of example {i}, of {classes} classes"
            )));
        }
        Ok(())
    }

    /// Checks that inputs fit the network.
    pub(crate) fn check_inputs(&self, inputs: Inputs<'_>) -> Result<(), Error> {
        let (got, want) = (inputs.features(), self.architecture.features());
        if got != want {
            let shape = &self.architecture.input;
            let what = format!("examples of {got} features; the network takes {want} ({shape:?})");
            return Err(Error::Input(what));
        }
        Ok(())
    }
}

/// A training run: the layers, what they run on, and what they learn from.
struct Run<'r> {
    layers: &'r mut [Dense],
    isa: Isa,
    team: &'r mut Team,
    workspace: Workspace,
    inputs: Inputs<'r>,
    labels: &'r [u8],
    config: &'r FitConfig,
}

impl Run<'_> {
    fn fit(
        &mut self,
        observe: &mut impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<History, Error> {
        let config = self.config;
        let mut left = config.max_steps.unwrap_or(u64::MAX);
        let mut order: Vec<u32> = (0..self.inputs.len() as u32).collect();
        let mut history = History::default();
        let mut done = 0;
        for epoch in 1..=config.epochs {
            if left == 0 {
                break;
            }
            let start = Instant::now();
            if config.shuffle {
                order.iter_mut().zip(0..).for_each(|(o, i)| *o = i);
                Rng::new(config.seed, Purpose::Shuffle, epoch as u64 - 1).shuffle(&mut order);
            }
            let mut stats = self.epoch(epoch, &order, &mut done, &mut left, observe)?;
            stats.seconds = start.elapsed().as_secs_f64();
            history.epochs.push(stats);
            if observe(&Event::Epoch(stats)).is_break() {
                return Err(Error::Stopped { epoch, step: stats.steps });
            }
        }
        Ok(history)
    }

    fn epoch(
        &mut self,
        epoch: usize,
        order: &[u32],
        done: &mut u64,
        left: &mut u64,
        observe: &mut impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<EpochStats, Error> {
        let config = self.config;
        let steps = config.steps(order.len());
        let mut running = Running::default();
        let batch = |i: usize| order.chunks(config.batch_size).nth(i).unwrap_or(&[]);
        self.gather(batch(0));
        let mut step = 0;
        while step < steps && *left > 0 {
            *done += 1;
            *left -= 1;
            step += 1;
            let Adam { lr, beta1, beta2, eps } = config.adam;
            let adam = AdamStep::new(lr, beta1, beta2, eps, *done);
            let before = running;
            self.step(adam, [batch(step), batch(step + 1)], &mut running);
            let batch_loss =
                (running.loss - before.loss) / (running.examples - before.examples) as f64;
            if !batch_loss.is_finite() {
                return Err(Error::Diverged { epoch, step, loss: batch_loss });
            }
            let (loss, accuracy) = (running.loss(), running.accuracy());
            let event = Event::Step { epoch, step, steps, loss, accuracy, batch_loss };
            if observe(&event).is_break() {
                return Err(Error::Stopped { epoch, step });
            }
        }
        let (loss, accuracy) = (running.loss(), running.accuracy());
        Ok(EpochStats { epoch, steps: step, seconds: 0.0, loss, accuracy })
    }

    /// Fetches the batch of the next step, when no step is there to do it on the side.
    fn gather(&mut self, batch: &[u32]) {
        let Run { isa, inputs, labels, .. } = *self;
        let next = self.workspace.now;
        self.team.for_each_mut(&mut self.workspace.blocks, |b, block| {
            let examples = &mut block.examples[next];
            let rows = block.losses.len();
            examples.gather(isa, inputs, labels, Workspace::share(rows, b, batch));
        });
    }

    /// One step on the batch that was fetched; fetches the `next` one meanwhile, and asks for the one
    /// `after` it.
    fn step(&mut self, adam: AdamStep, [next, after]: [&[u32]; 2], running: &mut Running) {
        for l in 0..self.workspace.hidden.len() {
            self.forward(l);
        }
        self.head(next);
        for block in &self.workspace.blocks {
            let rows = block.examples[self.workspace.now].rows;
            for row in &block.losses[..rows] {
                running.examples += 1;
                running.loss += row.loss;
                running.correct += usize::from(row.correct);
            }
        }
        for l in (1..self.layers.len()).rev() {
            self.backward(l, adam);
        }
        self.update_first(adam, after);
        self.workspace.now ^= 1;
    }

    /// Outputs of hidden layer `l`.
    fn forward(&mut self, l: usize) {
        let Workspace { now, blocks, hidden } = &mut self.workspace;
        let (now, blocks, layer, isa) = (*now, &blocks[..], &self.layers[l], self.isa);
        let (below, here) = hidden.split_at_mut(l);
        self.team.for_each_mut(&mut here[0], |i, cell| {
            let (column, b) = (i / blocks.len(), i % blocks.len());
            let examples = &blocks[b].examples[now];
            let x = |k: usize| match below.last() {
                None => layer.block(examples.view(), k),
                Some(cells) => cells[k * blocks.len() + b].h.view().rows_at(0, examples.rows),
            };
            let x = Blocks::new(layer.blocks(), &x);
            layer.forward(isa, column, x, &mut cell.h, 0);
        });
    }

    /// The output layer: logits, softmax, loss and gradient; and the next batch.
    fn head(&mut self, next: &[u32]) {
        let Run { isa, inputs, labels, .. } = *self;
        let Workspace { now, blocks, hidden } = &mut self.workspace;
        let (now, count) = (*now, blocks.len());
        let Some(layer) = self.layers.last() else { unreachable!("a network has a dense layer") };
        let batch = blocks.iter().map(|b| b.examples[now].rows).sum();
        let cells = hidden.last();
        self.team.for_each_mut(blocks, |b, block| {
            let RowBlock { examples, logits, losses, .. } = &mut *block;
            let (rows, capacity) = (examples[now].rows, losses.len());
            let x = |k: usize| match cells {
                None => layer.block(examples[now].view(), k),
                Some(cells) => cells[k * count + b].h.view().rows_at(0, rows),
            };
            let x = Blocks::new(layer.blocks(), &x);
            for column in 0..layer.columns() {
                layer.forward(isa, column, x, logits, column * (PANEL_COLS / kernels::LANES));
            }
            block.loss(isa, now, batch);
            let next = Workspace::share(capacity, b, next);
            block.examples[now ^ 1].gather(isa, inputs, labels, next);
        });
    }

    /// Gradient of the inputs of layer `l`, and the update of the layer above it.
    fn backward(&mut self, l: usize, adam: AdamStep) {
        let Workspace { now, blocks, hidden } = &mut self.workspace;
        let (now, blocks, isa) = (*now, &blocks[..], self.isa);
        let (layers, above) = self.layers.split_at_mut(l + 1);
        let (layer, below) = (&layers[l], layers[l - 1].then());
        let (cells, cells_above) = hidden.split_at_mut(l);
        let (inputs, outputs) = (&mut cells[l - 1], &*cells_above);
        let gradient = |i: usize, cell: &mut Cell| {
            let (block, b) = (i / blocks.len(), i % blocks.len());
            let weights = |q: usize| layer.rows(block, q);
            let dz_t = |q: usize| match outputs.first() {
                Some(cells) => cells[q * blocks.len() + b].dz_t.view(),
                None => {
                    let cols = PANEL_COLS.min(layer.shape.units - q * PANEL_COLS);
                    blocks[b].dz_t.view().rows_at(q * PANEL_COLS, cols)
                }
            };
            let (w, dz_t) =
                (Blocks::new(layer.columns(), &weights), Blocks::new(layer.columns(), &dz_t));
            let Cell { h, dz, dz_t: dx_t } = cell;
            kernels::dense_backward_input(isa, w, dz_t, (&*h, below), dz, dx_t);
        };
        let Some(upper) = above.first_mut() else {
            return self.team.for_each_mut(inputs, gradient);
        };
        let update = |_: usize, part: &mut Part| {
            update_hidden(part, isa, now, blocks, &outputs[0], outputs.get(1), adam);
        };
        self.team.for_each_mut2((&mut upper.parts, update), (inputs, gradient));
    }

    /// The updates of the first layer and the second. Each task also asks for a share of the examples that
    /// the next step will fetch: they lie all over the data set, each some dozen cache lines from memory,
    /// and this is the phase that leaves the memory idle the longest.
    fn update_first(&mut self, adam: AdamStep, after: &[u32]) {
        let inputs = self.inputs;
        let parts = self.layers[0].parts.len();
        let Workspace { now, blocks, hidden } = &self.workspace;
        let (now, isa) = (*now, self.isa);
        let (first, rest) = self.layers.split_at_mut(1);
        let update_first = |i: usize, part: &mut Part| {
            let share = i * after.len() / parts..(i + 1) * after.len() / parts;
            after[share].iter().for_each(|&row| inputs.prefetch(row as usize));
            let (from, rows) = (part.row0, part.owned.w.rows());
            let x = |b: usize| blocks[b].examples[now].view().cols_at(from, rows);
            update(part, isa, now, blocks, Blocks::new(blocks.len(), &x), hidden.first(), adam);
        };
        match rest.first_mut() {
            None => self.team.for_each_mut(&mut first[0].parts, update_first),
            Some(second) => {
                let update_second = |_: usize, part: &mut Part| {
                    update_hidden(part, isa, now, blocks, &hidden[0], hidden.get(1), adam);
                };
                self.team.for_each_mut2(
                    (&mut first[0].parts, update_first),
                    (&mut second.parts, update_second),
                );
            }
        }
    }
}

/// The update of a part whose layer's inputs are the cells `below` and whose outputs are the cells `above`,
/// or the logits.
fn update_hidden(
    part: &mut Part,
    isa: Isa,
    now: usize,
    blocks: &[RowBlock],
    below: &[Cell],
    above: Option<&Vec<Cell>>,
    adam: AdamStep,
) {
    let from = part.row0 / PANEL_COLS * blocks.len();
    let x =
        |i: usize| below[from + i].h.view().rows_at(0, blocks[i % blocks.len()].examples[now].rows);
    let panels = part.owned.w.rows().div_ceil(PANEL_COLS);
    update(part, isa, now, blocks, Blocks::new(panels * blocks.len(), &x), above, adam);
}

/// The update of a part whose layer's inputs are the blocks `x`.
fn update<'v>(
    part: &mut Part,
    isa: Isa,
    now: usize,
    blocks: &'v [RowBlock],
    x: Blocks<'_, 'v>,
    above: Option<&'v Vec<Cell>>,
    adam: AdamStep,
) {
    let (column, cols) = (part.column, part.owned.w.cols());
    let dz = |b: usize| {
        let rows = blocks[b].examples[now].rows;
        match above {
            Some(cells) => cells[column * blocks.len() + b].dz.view().rows_at(0, rows),
            None => {
                let logits = blocks[b].logits.view().rows_at(0, rows);
                logits.cols_at(column * PANEL_COLS, cols)
            }
        }
    };
    part.update(isa, x, Blocks::new(blocks.len(), &dz), adam);
}
