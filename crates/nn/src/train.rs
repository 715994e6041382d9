//! Training: `fit`, its epochs and its events. `step.rs` has the phases of a step.

use crate::data::Inputs;
use crate::engine::Engine;
use crate::error::Error;
use crate::half::{self, Half, Precision};
use crate::layer::Part;
use crate::model::Model;
use crate::rng::{Purpose, Rng};
use crate::step::Run;
use crate::workspace::Workspace;
use kernels::{AdamStep, Isa};
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
    /// Of the first layer's products.
    pub precision: Precision,
    /// Whether products leave out inputs that are zero: the same bits, sooner. Only of `f32`.
    pub skip_zeros: bool,
}

impl Default for FitConfig {
    fn default() -> Self {
        let adam = AdamConfig::default();
        let precision = Precision::F32;
        let (epochs, batch_size, shuffle, seed) = (5, 32, true, 1);
        let (max_steps, skip_zeros) = (None, true);
        FitConfig { epochs, batch_size, adam, shuffle, seed, max_steps, precision, skip_zeros }
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
pub(crate) struct Running {
    pub(crate) examples: usize,
    pub(crate) loss: f64,
    pub(crate) correct: usize,
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
    /// [`Error::Input`] if examples, labels or settings do not fit; [`Error::Machine`] if it cannot have
    /// the precision asked for; [`Error::Diverged`] if the loss is no
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
        let batch = config.batch_size.min(inputs.len());
        let half = config.precision == Precision::Bf16;
        let workspace = Workspace::new(&self.architecture, batch, config);
        if half {
            self.halve(engine.isa, batch, inputs)?;
        }
        let Engine { isa, ref mut team } = *engine;
        let mut run =
            Run { layers: &mut self.layers, isa, team, workspace, inputs, labels, config };
        let result = run.fit(observe);
        self.layers[0].parts.iter_mut().for_each(|part| part.half = None);
        self.layers[0].check();
        result
    }

    /// Prepares the first layer for products in bf16.
    fn halve(&mut self, isa: Isa, batch: usize, inputs: Inputs<'_>) -> Result<(), Error> {
        let amx = half::amx(isa)?;
        if self.layers.len() < 2 {
            let what = "bf16 is for networks with a hidden layer; this one has none";
            return Err(Error::Input(what.to_owned()));
        }
        let first = &mut self.layers[0];
        first.merge();
        for part in &mut first.parts {
            part.half = Some(Box::new(Half::new(amx, part, batch, inputs)));
        }
        Ok(())
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
        self.begin(batch(0));
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
}
