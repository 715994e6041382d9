//! Training as its users see it: settings, events, history, and `fit`. `training/mod.rs` goes from step to
//! step, `step.rs` has the phases of one.

use crate::architecture::Architecture;
use crate::augment::Augment;
use crate::average::Average;
use crate::data::{Inputs, Labels};
use crate::engine::Engine;
use crate::error::Error;
use crate::group::pieces;
use crate::half::Precision;
use crate::layer::Division;
use crate::model::Model;
use crate::optimizer::Optimizer;
use crate::schedule::{Schedule, WarmUp};
use crate::training::Training;
use kernels::{PANEL_COLS, Team};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// How to train.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FitConfig {
    /// Passes over the examples.
    pub epochs: usize,
    /// Examples of a step; the last step of an epoch takes what is left.
    pub batch_size: usize,
    /// The optimiser, with its learning rate.
    pub optimizer: Optimizer,
    /// Share of a label that is spread evenly over all classes, in 0..1: with ε and n classes the target is
    /// `1 - ε + ε / n` for the label and `ε / n` for the others. The losses of training are those against it.
    pub label_smoothing: f64,
    /// Gradients are multiplied by `min(1, clip_norm / (norm + 1e-6))`, where the norm is that of all of them together:
    /// PyTorch's `clip_grad_norm_`. Costs a pass over the parameters.
    pub clip_norm: Option<f64>,
    /// New batches for every epoch, or those in which the examples come. Within a batch, their order is that of
    /// [`arrange`](crate::arrange).
    pub shuffle: bool,
    /// Seed of the orders.
    pub seed: u64,
    /// Stop after so many steps in all. The epoch that runs then ends there.
    pub max_steps: Option<u64>,
    /// Of the first layer's products.
    pub precision: Precision,
    /// Whether products leave out inputs that are zero: the same bits, sooner. Only of `f32`.
    pub skip_zeros: bool,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Small learning rates first.
    pub warm_up: WarmUp,
    /// Share of the examples that are left out of the training and evaluated after each epoch; which ones
    /// depends on the seed alone. [`Training::validate_on`] takes a set of its own instead.
    pub validation_split: f64,
    /// When to stop before the last epoch. Needs validation.
    pub early_stopping: Option<EarlyStopping>,
    /// What says which epoch was the best.
    pub monitor: Monitor,
    /// End with the weights of the best epoch rather than those of the last. Needs validation.
    pub restore_best: bool,
    /// Images are varied, each epoch anew. Needs inputs of height × width, or of height × width × channels with up to
    /// four channels.
    pub augment: Augment,
    /// Averages of weights.
    pub average: Average,
}

/// When to stop before the last epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// Stop after so many epochs in a row that were no improvement, one at least.
    pub patience: usize,
    /// Only an improvement by more than this is one.
    pub min_delta: f64,
}

/// A measure of how well a network does on the validation set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Monitor {
    /// Loss: the lower the better.
    #[default]
    Loss,
    /// Accuracy: the higher the better.
    Accuracy,
}

impl Default for FitConfig {
    fn default() -> Self {
        let optimizer = Optimizer::default();
        let precision = Precision::F32;
        let (epochs, batch_size, shuffle, seed) = (5, 32, true, 1);
        FitConfig {
            epochs,
            batch_size,
            optimizer,
            label_smoothing: 0.0,
            clip_norm: None,
            shuffle,
            seed,
            max_steps: None,
            precision,
            skip_zeros: true,
            schedule: Schedule::Constant,
            warm_up: WarmUp::default(),
            validation_split: 0.0,
            early_stopping: None,
            monitor: Monitor::Loss,
            restore_best: false,
            augment: Augment::default(),
            average: Average::Off,
        }
    }
}

/// Most rows of a batch whose softmax and loss each thread works out for itself.
const SHARED_ROWS: usize = 2 * PANEL_COLS;

impl FitConfig {
    /// Whether each column of the last hidden layer has its share of the output layer (`top.rs`): where all classes are one
    /// panel and a batch is small, and there are no more columns than a step has tasks.
    pub(crate) fn shares_output(&self, architecture: &Architecture, batch: usize) -> bool {
        const MOST_UNITS: usize = Team::MOST_STEP_TASKS * PANEL_COLS;
        let small = architecture.classes() <= PANEL_COLS && batch <= SHARED_ROWS;
        let few = architecture.dense().all(|shape| shape.units <= MOST_UNITS);
        small && few && architecture.dense().count() > 1
    }

    /// How layer `l` of `columns` is divided: by columns where they can be shared out among threads, since parts of them would
    /// only be begun and ended more often, unless the network is `far` and threads go through groups of columns part by
    /// part. In the first layer a task is a column wherever there are enough of them.
    pub(crate) fn division(
        &self,
        l: usize,
        (columns, threads): (usize, usize),
        far: bool,
    ) -> Division {
        let groups = far && self.batch_size > PANEL_COLS && pieces(columns, 1, threads) < columns;
        match l {
            0 if self.precision == Precision::Bf16 => Division::Columns,
            _ if groups || self.clip_norm.is_some() => Division::Parts,
            0 if columns >= threads => Division::Columns,
            1.. if columns > 1 && columns.is_multiple_of(threads) => Division::Columns,
            _ => Division::Parts,
        }
    }

    /// As many threads as a step of this network can keep busy: one for every 64 units of its narrowest hidden layer and
    /// every 64 examples of a batch. Where threads share less, to wait for each other takes longer than they save, so a
    /// training takes no more of its engine's threads.
    ///
    /// ```
    /// use nn::{Activation, FitConfig, Sequential};
    /// let network = |units| Sequential::new(&[784]).dense(units, Activation::Relu).dense(10, Activation::Softmax);
    /// let threads = |units, batch_size| {
    ///     let config = FitConfig { batch_size, ..FitConfig::default() };
    ///     Ok::<_, nn::Error>(config.most_threads(network(units).build(1)?.architecture()))
    /// };
    /// assert_eq!((threads(128, 32)?, threads(128, 256)?, threads(512, 64)?), (2, 8, 8));
    /// # Ok::<(), nn::Error>(())
    /// ```
    pub fn most_threads(&self, architecture: &Architecture) -> usize {
        let hidden = architecture.dense().count().saturating_sub(1).max(1);
        let columns = architecture.dense().take(hidden).map(|d| d.units.div_ceil(PANEL_COLS));
        let columns = columns.min().unwrap_or(1);
        columns.saturating_mul(self.batch_size.div_ceil(PANEL_COLS).max(1))
    }

    /// Steps of one epoch of `examples`.
    pub fn steps(&self, examples: usize) -> usize {
        examples.div_ceil(self.batch_size.max(1))
    }

    /// How many of so many examples are trained on, and how many the validation split leaves out: none, or
    /// at least one.
    ///
    /// # Errors
    /// [`Error::Setting`] if it leaves none to train on.
    pub fn split(&self, examples: usize) -> Result<(usize, usize), Error> {
        let share = self.validation_split;
        if share == 0.0 {
            return Ok((examples, 0));
        }
        let held = ((examples as f64 * share).round() as usize).max(1);
        if held >= examples {
            let what = format!(
                "a validation split of {share} leaves none of {examples} examples to train on"
            );
            return Err(Error::Setting(what));
        }
        Ok((examples - held, held))
    }

    /// Checks what can be known without data and network; a training does so itself before it begins.
    ///
    /// # Errors
    /// [`Error::Setting`] names the setting, its value and what it may be.
    pub fn check(&self) -> Result<(), Error> {
        let bad = |what: String| Err(Error::Setting(what));
        if self.batch_size == 0 {
            return bad("a batch size of 0; it must be 1 or more".to_owned());
        }
        if self.precision == Precision::Bf16 && !matches!(self.optimizer, Optimizer::Adam(_)) {
            let name = self.optimizer.name();
            return bad(format!("bf16 goes with adam, not with {name}"));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return bad(format!("a label smoothing of {}; it is in 0..1", self.label_smoothing));
        }
        if let Some(limit) = self.clip_norm {
            if !(limit.is_finite() && limit > 0.0) {
                return bad(format!("a largest norm of {limit}; it must be above 0"));
            }
            if self.precision == Precision::Bf16 {
                return bad("bf16 goes without clipping of gradients".to_owned());
            }
        }
        if !(0.0..1.0).contains(&self.validation_split) {
            let split = self.validation_split;
            return bad(format!("a validation split of {split}; a share below 1 is needed"));
        }
        if let Some(EarlyStopping { min_delta, .. }) = self.early_stopping
            && !(min_delta.is_finite() && min_delta >= 0.0)
        {
            return bad(format!("a least improvement of {min_delta}; it must be 0 or more"));
        }
        self.average.check()?;
        if self.early_stopping.is_some() && matches!(self.average, Average::Last { .. }) {
            return bad(
                "early stopping and a mean of the last epochs: which are the last is not known"
                    .to_owned(),
            );
        }
        self.schedule.check()?;
        self.check_rates()?;
        self.warm_up.check()
    }
}

impl FitConfig {
    /// Checks the optimiser with the largest learning rate that the schedule gives it, and with its own.
    fn check_rates(&self) -> Result<(), Error> {
        let lr = self.optimizer.lr();
        let largest = match self.schedule {
            Schedule::Exponential { .. } if lr == 0.0 => {
                let what = "the schedule exponential begins with a learning rate above 0";
                return Err(Error::Setting(what.to_owned()));
            }
            Schedule::Cosine { min } | Schedule::Plateau { min, .. } => min,
            Schedule::Exponential { last } => last,
            _ => lr,
        };
        self.optimizer.check()?;
        self.optimizer.with_lr(largest.max(lr)).check()
    }
}

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
        /// Learning rate of this step.
        lr: f64,
    },
    /// An epoch is done.
    Epoch(EpochStats),
}

/// One epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochStats {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Steps done.
    pub steps: usize,
    /// Wall time of its steps, and of those who observe them; validation comes on top.
    pub seconds: f64,
    /// Mean loss over its examples, each before its step.
    pub loss: f64,
    /// Share of its examples that were classified right, each before its step.
    pub accuracy: f64,
    /// Mean loss over the validation set after the epoch, if there is one: without label smoothing, which is for training.
    pub val_loss: Option<f64>,
    /// Share of the validation set that is classified right after the epoch.
    pub val_accuracy: Option<f64>,
    /// Learning rate of the last step.
    pub lr: f64,
}

/// The epochs of a training run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The epochs in order.
    pub epochs: Vec<EpochStats>,
    /// The best epoch by [`FitConfig::monitor`], counted from 1, if there was a validation set.
    pub best: Option<usize>,
    /// Whether early stopping ended the training.
    pub stopped_early: bool,
}

impl History {
    /// Sum of the epochs' times.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|e| e.seconds).sum()
    }
}

/// Running sums of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) examples: usize,
    pub(crate) loss: f64,
    pub(crate) correct: usize,
}

impl Running {
    pub(crate) fn loss(&self) -> f64 {
        self.loss / self.examples.max(1) as f64
    }
    pub(crate) fn accuracy(&self) -> f64 {
        self.correct as f64 / self.examples.max(1) as f64
    }
}

impl Model {
    /// Trains on labelled examples: steps of the optimiser on the mean cross-entropy of each batch, its
    /// moments and its count of steps starting at zero.
    ///
    /// `observe` is called after every step and every epoch, and ends the training by breaking. Who wants to
    /// look at the model meanwhile or save a state takes [`Model::train`], which is the same step by step.
    ///
    /// # Errors
    /// [`Error::Input`] if examples or labels do not fit; [`Error::Setting`] if a setting cannot be; [`Error::Machine`] if it cannot have
    /// the precision asked for; [`Error::Diverged`] if a loss is no longer finite: the model then has the
    /// weights of the last good epoch, or its first ones; [`Error::Stopped`] if the observer said so: the
    /// model then has the weights of the last step.
    pub fn fit<'l>(
        &mut self,
        engine: &mut Engine,
        inputs: Inputs<'_>,
        labels: impl Into<Labels<'l>>,
        config: &FitConfig,
        observe: &mut impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<History, Error> {
        let labels: Labels<'_> = labels.into();
        let mut training = self.train(engine, inputs, labels, config)?;
        let (mut epoch, mut step) = (1, 0);
        let flow = training.advance_while(&mut |event| {
            (epoch, step) = match *event {
                Event::Step { epoch, step, .. } => (epoch, step),
                Event::Epoch(EpochStats { epoch, steps, .. }) => (epoch, steps),
            };
            observe(event)
        })?;
        match flow {
            ControlFlow::Break(()) => Err(Error::Stopped { epoch, step }),
            ControlFlow::Continue(()) => Ok(training.finish()),
        }
    }

    /// Begins a training that the caller takes from step to step. Moments and the count of steps start at
    /// zero.
    ///
    /// ```
    /// # use nn::{Activation, Engine, Event, FitConfig, Inputs, Sequential};
    /// # let (x, y) = ([0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0f32], [0, 1, 1, 0u8]);
    /// # let mut model = Sequential::new(&[2]).dense(4, Activation::Relu).dense(2, Activation::Softmax).build(1)?;
    /// # let mut engine = Engine::new(Some(1), None);
    /// # let inputs = Inputs::f32(&x, 2)?;
    /// let config = FitConfig { epochs: 3, batch_size: 2, ..FitConfig::default() };
    /// let mut training = model.train(&mut engine, inputs, &y, &config)?;
    /// while let Some(event) = training.advance()? {
    ///     if let Event::Epoch(stats) = event {
    ///         println!("{}: {}", stats.epoch, stats.loss);
    ///     }
    /// }
    /// let history = training.finish();
    /// assert_eq!(history.epochs.len(), 3);
    /// # Ok::<(), nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::Setting`] and [`Error::Machine`] as of [`fit`](Model::fit). That a validation set is missing shows in
    /// the first step, since [`validate_on`](Training::validate_on) may bring it.
    pub fn train<'r>(
        &'r mut self,
        engine: &'r mut Engine,
        inputs: Inputs<'r>,
        labels: impl Into<Labels<'r>>,
        config: &FitConfig,
    ) -> Result<Training<'r>, Error> {
        Training::new(self, engine, inputs, labels.into(), config)
    }

    /// Checks that inputs fit the network, and labels the inputs and the classes.
    pub(crate) fn check_labelled(
        &self,
        inputs: Inputs<'_>,
        labels: Labels<'_>,
    ) -> Result<(), Error> {
        self.check_inputs(inputs)?;
        if labels.len() != inputs.len() {
            let (n, m) = (inputs.len(), labels.len());
            return Err(Error::Input(format!("{n} examples and {m} labels")));
        }
        let classes = self.architecture.classes();
        if let Some(i) = (0..labels.len()).find(|i| usize::from(labels.get(*i)) >= classes) {
            let label = labels.get(i);
            return Err(Error::Input(format!(
                "example {i} has label {label}; labels must be below {classes}"
            )));
        }
        let weights = labels.class_weights();
        if !weights.is_empty() && weights.len() != classes {
            let n = weights.len();
            return Err(Error::Setting(format!("{n} class weights for {classes} classes")));
        }
        if !weights.is_empty() && weights.iter().all(|weight| *weight == 0.0) {
            return Err(Error::Setting("all class weights are 0, so no example counts".to_owned()));
        }
        if let Some(weight) = weights.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
            return Err(Error::Setting(format!(
                "a class weight of {weight}; it must be 0 or more"
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
