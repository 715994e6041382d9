//! A training run, from step to step: order, validation, early stopping, best weights.

use crate::data::Inputs;
use crate::engine::Engine;
use crate::error::Error;
use crate::half::Precision;
use crate::layer::Part;
use crate::model::Model;
use crate::rng::{Purpose, Rng};
use crate::schedule::{Plateau, Position};
use crate::step::Run;
use crate::train::{AdamConfig, EpochStats, Event, FitConfig, History, Monitor, Running};
use crate::weights::{Weights, finite};
use crate::workspace::Workspace;
use kernels::AdamStep;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The epoch that runs, from 1.
    pub(crate) epoch: usize,
    /// Its steps that are done.
    pub(crate) step: usize,
    /// Steps that are done in all.
    pub(crate) done: u64,
    /// Sums over this epoch's steps, and the time they took.
    running: Running,
    seconds: f64,
    /// The epochs that are done.
    pub(crate) epochs: Vec<EpochStats>,
    plateau: Plateau,
    /// The best epoch so far and its measure.
    best: Option<(usize, f64)>,
    /// What the next improvement is measured against, and epochs without one.
    reference: Option<f64>,
    waited: usize,
    pub(crate) stopped_early: bool,
}

impl Progress {
    fn begin() -> Progress {
        Progress {
            epoch: 1,
            step: 0,
            done: 0,
            running: Running::default(),
            seconds: 0.0,
            epochs: Vec::new(),
            plateau: Plateau::default(),
            best: None,
            reference: None,
            waited: 0,
            stopped_early: false,
        }
    }
}

/// The examples that a run is validated on: those of some numbers, or all.
#[derive(Debug)]
struct Held<'r> {
    inputs: Inputs<'r>,
    labels: &'r [u8],
    rows: Option<Vec<u32>>,
}

impl Held<'_> {
    fn count(&self) -> usize {
        self.rows.as_ref().map_or(self.labels.len(), Vec::len)
    }
}

/// A training run between two steps; [`Model::train`] begins one.
///
/// Dropped before its end, it leaves the model with the weights of the last step.
#[derive(Debug)]
pub struct Training<'r> {
    model: &'r mut Model,
    engine: &'r mut Engine,
    inputs: Inputs<'r>,
    labels: &'r [u8],
    config: FitConfig,
    workspace: Workspace,
    /// The examples to train on, if they are not all.
    chosen: Option<Vec<u32>>,
    /// Them in the order of the epoch.
    order: Vec<u32>,
    held: Option<Held<'r>>,
    progress: Progress,
    /// Weights of the best epoch.
    best: Option<Weights>,
    /// Weights after the last epoch that left only finite ones, or the first weights.
    good: Weights,
    /// Start of the part of the epoch that runs, once its next batch is fetched.
    begun: Option<Instant>,
}

impl<'r> Training<'r> {
    pub(crate) fn new(
        model: &'r mut Model,
        engine: &'r mut Engine,
        inputs: Inputs<'r>,
        labels: &'r [u8],
        config: &FitConfig,
    ) -> Result<Training<'r>, Error> {
        config.check()?;
        model.check_labelled(inputs, labels)?;
        if inputs.is_empty() {
            return Err(Error::Input("no examples to train on".to_owned()));
        }
        let (chosen, held) = split(inputs, labels, config)?;
        let examples = chosen.as_ref().map_or(inputs.len(), Vec::len);
        // A model that was trained before and the same model from a file go the same way.
        model.layers.iter_mut().flat_map(|layer| &mut layer.parts).for_each(Part::restart);
        let batch = config.batch_size.min(examples);
        let workspace = Workspace::new(&model.architecture, batch, config);
        if config.precision == Precision::Bf16 {
            model.halve(engine.isa, batch, inputs)?;
        }
        let good = Weights::of(&model.layers);
        Ok(Training {
            order: chosen.clone().unwrap_or_else(|| (0..inputs.len() as u32).collect()),
            config: *config,
            progress: Progress::begin(),
            best: None,
            begun: None,
            model,
            engine,
            inputs,
            labels,
            workspace,
            chosen,
            held,
            good,
        })
    }

    /// Evaluates these examples after each epoch, in place of a split of the training set.
    ///
    /// # Errors
    /// [`Error::Input`] if they do not fit the network, there are none, or the settings ask for a split.
    pub fn validate_on(mut self, inputs: Inputs<'r>, labels: &'r [u8]) -> Result<Self, Error> {
        self.model.check_labelled(inputs, labels)?;
        if inputs.is_empty() {
            return Err(Error::Input("no examples to validate on".to_owned()));
        }
        if self.held.is_some() {
            let what = "a validation set and a validation split; one of them is enough";
            return Err(Error::Input(what.to_owned()));
        }
        self.held = Some(Held { inputs, labels, rows: None });
        Ok(self)
    }

    /// Examples that are trained on, and that are validated on.
    pub fn examples(&self) -> (usize, usize) {
        (self.order.len(), self.held.as_ref().map_or(0, Held::count))
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        self.model
    }

    /// The next step, or the end of an epoch; nothing if the training is over.
    ///
    /// # Errors
    /// [`Error::Input`] if the settings need a validation set and there is none; [`Error::Diverged`] if a
    /// loss is not finite: the model then has the weights of the last good epoch, or its first ones.
    pub fn advance(&mut self) -> Result<Option<Event>, Error> {
        if self.is_over() {
            return Ok(None);
        }
        if self.begun.is_none() {
            self.begin()?;
        }
        if self.progress.step < self.steps() && !self.out_of_steps() {
            self.step().map(Some)
        } else {
            self.end_epoch().map(|stats| Some(Event::Epoch(stats)))
        }
    }

    /// Whether there is nothing left to do.
    pub fn is_over(&self) -> bool {
        let Progress { epoch, step, stopped_early, .. } = self.progress;
        stopped_early || epoch > self.config.epochs || step == 0 && self.out_of_steps()
    }

    fn out_of_steps(&self) -> bool {
        self.config.max_steps.is_some_and(|most| self.progress.done >= most)
    }

    /// Steps of an epoch.
    fn steps(&self) -> usize {
        self.config.steps(self.order.len())
    }

    /// Orders the examples and fetches the first batch, or, in the middle of an epoch, the next.
    fn begin(&mut self) -> Result<(), Error> {
        let config = &self.config;
        if self.held.is_none() && (config.early_stopping.is_some() || config.restore_best) {
            let what = "early stopping and the best weights need a validation set or split";
            return Err(Error::Input(what.to_owned()));
        }
        self.begun = Some(Instant::now());
        if config.shuffle {
            match &self.chosen {
                Some(chosen) => self.order.copy_from_slice(chosen),
                None => self.order.iter_mut().zip(0..).for_each(|(o, i)| *o = i),
            }
            let index = self.progress.epoch as u64 - 1;
            Rng::new(config.seed, Purpose::Shuffle, index).shuffle(&mut self.order);
        }
        self.run(|run, order, training| run.begin(order(training.step)));
        Ok(())
    }

    /// Calls `f` with all that a step works on.
    fn run<'s, R>(
        &'s mut self,
        f: impl FnOnce(&mut Run<'_>, &dyn Fn(usize) -> &'s [u32], &mut Progress) -> R,
    ) -> R {
        let Training { model, engine, inputs, labels, config, workspace, order, progress, .. } =
            self;
        let size = config.batch_size;
        let batch = |i: usize| order.chunks(size).nth(i).unwrap_or(&[]);
        let Engine { isa, ref mut team } = **engine;
        let layers = &mut model.layers;
        let mut run = Run { layers, isa, team, workspace, inputs: *inputs, labels };
        f(&mut run, &batch, progress)
    }

    /// The learning rate of the next step.
    fn rate(&self) -> f64 {
        let FitConfig { adam, schedule, warm_up, epochs, max_steps, .. } = self.config;
        let Progress { epoch, done, plateau, .. } = &self.progress;
        let total = (epochs as u64).saturating_mul(self.steps() as u64);
        let total = max_steps.map_or(total, |most| total.min(most));
        let at = Position { step: *done, total, epoch: epoch - 1 };
        schedule.rate(adam.lr, warm_up, at, plateau.rate)
    }

    fn step(&mut self) -> Result<Event, Error> {
        let AdamConfig { beta1, beta2, eps, .. } = self.config.adam;
        let lr = self.rate();
        let (steps, before) = (self.steps(), self.progress.running);
        self.run(|run, batch, progress| {
            progress.done += 1;
            progress.step += 1;
            let adam = AdamStep::new(lr, beta1, beta2, eps, progress.done);
            let step = progress.step;
            run.step(adam, [batch(step), batch(step + 1)], &mut progress.running);
        });
        let Progress { epoch, step, running, .. } = self.progress;
        let batch_loss = (running.loss - before.loss) / (running.examples - before.examples) as f64;
        if !batch_loss.is_finite() {
            return Err(self.diverged(step, batch_loss));
        }
        let (loss, accuracy) = (running.loss(), running.accuracy());
        Ok(Event::Step { epoch, step, steps, loss, accuracy, batch_loss, lr })
    }

    /// Goes back to the last good weights.
    fn diverged(&mut self, step: usize, loss: f64) -> Error {
        self.good.swap(&mut self.model.layers);
        Error::Diverged { epoch: self.progress.epoch, step, loss }
    }

    fn end_epoch(&mut self) -> Result<EpochStats, Error> {
        let seconds = self.progress.seconds + self.elapsed();
        // The rate of the step that was the last: a plateau is not over before the epoch is noted.
        self.progress.done -= 1;
        let lr = self.rate();
        self.progress.done += 1;
        let Progress { epoch, step, running, .. } = self.progress;
        let found = self.validate();
        // The last step's loss was taken before its update, which may have gone too far.
        let loss = if finite(&self.model.layers) { found.map_or(0.0, |f| f.0) } else { f64::NAN };
        if !loss.is_finite() {
            return Err(self.diverged(step, loss));
        }
        self.good.copy(&self.model.layers);
        let stats = EpochStats {
            epoch,
            steps: step,
            seconds,
            loss: running.loss(),
            accuracy: running.accuracy(),
            val_loss: found.map(|f| f.0),
            val_accuracy: found.map(|f| f.1),
            lr,
        };
        self.note(&stats);
        let progress = &mut self.progress;
        progress.epochs.push(stats);
        (progress.epoch, progress.step) = (epoch + 1, 0);
        (progress.running, progress.seconds) = (Running::default(), 0.0);
        self.begun = None;
        Ok(stats)
    }

    /// Seconds since the start of the part of the epoch that runs.
    fn elapsed(&self) -> f64 {
        self.begun.map_or(0.0, |start| start.elapsed().as_secs_f64())
    }

    /// Loss and accuracy over the validation set.
    fn validate(&mut self) -> Option<(f64, f64)> {
        let Held { inputs, labels, rows } = self.held.as_ref()?;
        let found = self.model.evaluate_rows(self.engine, *inputs, labels, rows.as_deref());
        Some((found.loss, found.accuracy))
    }

    /// Schedule, best weights and early stopping take note of an epoch.
    fn note(&mut self, stats: &EpochStats) {
        let FitConfig { adam, schedule, early_stopping, monitor, .. } = self.config;
        let progress = &mut self.progress;
        progress.plateau.note(schedule, adam.lr, stats.val_loss.unwrap_or(stats.loss));
        let (Some(loss), Some(accuracy)) = (stats.val_loss, stats.val_accuracy) else { return };
        // The lower the better.
        let measure = match monitor {
            Monitor::Loss => loss,
            Monitor::Accuracy => -accuracy,
        };
        let delta = early_stopping.map_or(0.0, |early| early.min_delta);
        if progress.reference.is_none_or(|reference| measure + delta < reference) {
            (progress.reference, progress.waited) = (Some(measure), 0);
        } else {
            progress.waited += 1;
        }
        progress.stopped_early =
            early_stopping.is_some_and(|e| stats.epoch > 1 && progress.waited >= e.patience.max(1));
        if progress.best.is_none_or(|(_, best)| measure < best) {
            progress.best = Some((stats.epoch, measure));
            match &mut self.best {
                Some(best) => best.copy(&self.model.layers),
                None => self.best = Some(Weights::of(&self.model.layers)),
            }
        }
    }

    /// Ends the training: the model gets the weights that the settings ask for.
    pub fn finish(mut self) -> History {
        if self.config.restore_best
            && let Some(best) = &mut self.best
        {
            best.swap(&mut self.model.layers);
        }
        let Progress { epochs, best, stopped_early, .. } = &mut self.progress;
        History {
            epochs: std::mem::take(epochs),
            best: best.map(|(epoch, _)| epoch),
            stopped_early: *stopped_early,
        }
    }
}

impl Drop for Training<'_> {
    fn drop(&mut self) {
        let first = &mut self.model.layers[0];
        first.parts.iter_mut().for_each(|part| part.half = None);
        first.check();
    }
}

/// The numbers of the examples to train on, if they are not all, and the examples to validate on.
fn split<'r>(
    inputs: Inputs<'r>,
    labels: &'r [u8],
    config: &FitConfig,
) -> Result<(Option<Vec<u32>>, Option<Held<'r>>), Error> {
    let (n, share) = (inputs.len(), config.validation_split);
    if share == 0.0 {
        return Ok((None, None));
    }
    let held = ((n as f64 * share).round() as usize).max(1);
    if held >= n {
        let what = format!("a validation split of {share} leaves none of {n} examples to train on");
        return Err(Error::Input(what));
    }
    let mut all: Vec<u32> = (0..n as u32).collect();
    Rng::new(config.seed, Purpose::Split, 0).shuffle(&mut all);
    let mut rows = all.split_off(n - held);
    // In the order they lie in memory, and the order of who does not shuffle.
    all.sort_unstable();
    rows.sort_unstable();
    Ok((Some(all), Some(Held { inputs, labels, rows: Some(rows) })))
}
