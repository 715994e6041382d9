//! A training run, from step to step: order, validation, early stopping, best weights.

use crate::augment::Augmenter;
use crate::average::{Average, mix};
use crate::checkpoint::{Fields, Set, State};
use crate::clock::{Clock, Laps, StepTimes};
use crate::data::{Inputs, Labels};
use crate::engine::Engine;
use crate::error::Error;
use crate::group::is_far;
use crate::half::Precision;
use crate::held::{Held, split};
use crate::layer::{Dense, Division, Part};
use crate::model::Model;
use crate::order::Order;
use crate::progress::Progress;
use crate::rng::{Purpose, Rng};
use crate::step::Run;
use crate::tensors::Tensors;
use crate::train::{EpochStats, Event, FitConfig, History, Monitor, Running};
use crate::weights::{Weights, finite};
use crate::workspace::Workspace;
use kernels::{Owned, Panel, Team};
use std::time::Instant;

/// Picks parameters or moments.
type Pick = fn(&mut Owned) -> &mut Panel;

/// A training run between two steps; [`Model::train`] begins one.
///
/// Dropped before its end, it leaves the model with the weights of the last step.
#[derive(Debug)]
pub struct Training<'r> {
    model: &'r mut Model,
    engine: &'r mut Engine,
    /// In place of the engine's, if that has more threads than pay.
    team: Option<Team>,
    inputs: Inputs<'r>,
    labels: Labels<'r>,
    config: FitConfig,
    workspace: Workspace,
    order: Order,
    held: Option<Held<'r>>,
    progress: Progress,
    /// Weights of the best epoch.
    best: Option<Weights>,
    /// Weights after the last epoch that left only finite ones, or the first weights.
    good: Weights,
    /// Averaged weights, if some are.
    average: Option<Weights>,
    augmenter: Option<Augmenter>,
    /// Start of the part of the epoch that runs, once its next batch is fetched.
    begun: Option<Instant>,
    /// Times of the parts of some steps, if anybody wants to know.
    laps: Option<Laps>,
}

impl<'r> Training<'r> {
    pub(crate) fn new(
        model: &'r mut Model,
        engine: &'r mut Engine,
        inputs: Inputs<'r>,
        labels: Labels<'r>,
        config: &FitConfig,
    ) -> Result<Training<'r>, Error> {
        config.check()?;
        model.check_labelled(inputs, labels)?;
        if inputs.is_empty() {
            return Err(Error::Input("no examples to train on".to_owned()));
        }
        let FitConfig { augment, seed, .. } = *config;
        let augmenter = Augmenter::new(augment, seed, &model.architecture, inputs.len())?;
        let (chosen, held) = split(inputs, labels, config)?;
        let examples = chosen.as_ref().map_or(inputs.len(), Vec::len);
        let batch = config.batch_size.min(examples);
        let mut team = engine.smaller(config.most_threads(&model.architecture));
        let order = Order::new(inputs, chosen, team.as_mut().unwrap_or(&mut engine.team));
        let threads = team.as_ref().unwrap_or(&engine.team).threads();
        let far = is_far(model.architecture.parameters(), threads);
        let (count, shared) =
            (model.layers.len(), config.shares_output(&model.architecture, batch));
        // A model that was trained before and the same model from a file go the same way.
        for (l, layer) in model.layers.iter_mut().enumerate() {
            let of_classes = shared && l + 1 == count;
            let division = config.division(l, (layer.columns(), threads), far);
            layer.divide(if of_classes { Division::Blocks } else { division });
            layer.parts.iter_mut().for_each(|part| part.restart(far));
        }
        if config.precision == Precision::Bf16 {
            model.halve(engine.isa, batch, inputs, config.augment)?;
        }
        if config.clip_norm.is_some() {
            model.layers.iter_mut().flat_map(|layer| &mut layer.parts).for_each(Part::keep);
        }
        let workspace = Workspace::new(&model.architecture, (batch, threads), inputs, config);
        if far {
            workspace.settle(&model.layers);
        }
        let good = Weights::of(&model.layers);
        let average = (config.average != Average::Off).then(|| good.clone());
        Ok(Training {
            order,
            config: *config,
            progress: Progress::begin(),
            best: None,
            begun: None,
            model,
            engine,
            team,
            inputs,
            labels,
            workspace,
            held,
            good,
            average,
            augmenter,
            laps: None,
        })
    }

    /// Evaluates these examples after each epoch, in place of a split of the training set.
    ///
    /// # Errors
    /// [`Error::Input`] if they do not fit the network, or there are none; [`Error::Setting`] if the settings ask for a split.
    pub fn validate_on(
        mut self,
        inputs: Inputs<'r>,
        labels: impl Into<Labels<'r>>,
    ) -> Result<Self, Error> {
        let labels = labels.into();
        self.model.check_labelled(inputs, labels)?;
        if inputs.is_empty() {
            return Err(Error::Input("no examples to validate on".to_owned()));
        }
        if self.held.is_some() {
            let what = "a validation set and a validation split; one of them is enough";
            return Err(Error::Setting(what.to_owned()));
        }
        self.held = Some(Held { inputs, labels, rows: None });
        Ok(self)
    }

    /// Times the parts of one step in `every`: see [`step_times`](Training::step_times). Costs some microseconds
    /// of each of those, and changes no result.
    pub fn timed(mut self, every: u64) -> Self {
        self.laps = Some(Laps::new(every));
        self
    }

    /// How long the steps took that were [timed](Training::timed), and their parts; nothing if none were.
    pub fn step_times(&self) -> Option<StepTimes> {
        self.laps.as_ref().and_then(|laps| laps.times(self.threads()))
    }

    /// The state of the training, from which another can [`resume`](Training::resume): it goes on to the
    /// same bits. After an error there is nothing to go on from.
    pub fn state(&self) -> State {
        let layers = &self.model.layers;
        let copy = |weights: &Weights| Tensors::of_copy(layers, weights);
        let mut progress = self.progress.clone();
        progress.seconds += self.elapsed();
        let sets = [
            Some(Tensors::of(layers, |owned| &owned.w)),
            Some(Tensors::of(layers, |owned| &owned.m)),
            Some(Tensors::of(layers, |owned| &owned.v)),
            self.best.as_ref().map(copy),
            // At the end of an epoch they are those of the model.
            (progress.step > 0).then(|| copy(&self.good)),
            self.average.as_ref().filter(|_| progress.averaged > 0).map(copy),
        ];
        let training = Fields { config: self.config, examples: self.examples(), progress };
        State { architecture: self.model.architecture.clone(), training, sets }
    }

    /// Goes on from a state of a training with the same network, examples and settings. Only the numbers
    /// of epochs and of steps in all may differ.
    ///
    /// ```
    /// # use nn::{Activation, Engine, FitConfig, Inputs, Sequential, checkpoint};
    /// # let (x, y) = ([0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0f32], [0, 1, 1, 0u8]);
    /// # let mut model = Sequential::new(&[2]).dense(4, Activation::Relu).dense(2, Activation::Softmax).build(1)?;
    /// # let mut engine = Engine::new(Some(1), None);
    /// # let inputs = Inputs::f32(&x, 2)?;
    /// # let config = FitConfig { epochs: 3, batch_size: 2, ..FitConfig::default() };
    /// let mut training = model.train(&mut engine, inputs, &y, &config)?;
    /// training.advance()?;
    /// let file = checkpoint::state_to_bytes(&training.state(), &checkpoint::Metadata::default())?;
    /// drop(training);
    ///
    /// let (state, _) = checkpoint::state_from_bytes(&file)?;
    /// let mut model = state.model()?;
    /// let mut training = model.train(&mut engine, inputs, &y, state.config())?.resume(&state)?;
    /// while training.advance()?.is_some() {}
    /// assert_eq!(training.finish().epochs.len(), 3);
    /// # Ok::<(), nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Input`] if it is the state of another training.
    pub fn resume(mut self, state: &State) -> Result<Self, Error> {
        let other =
            |what: &str| Err(Error::Input(format!("the state is that of a training with {what}")));
        let Fields { examples, progress, .. } = &state.training;
        if state.architecture != self.model.architecture {
            return other("another network");
        }
        state.check_settings(&self.config)?;
        if *examples != self.examples() {
            let (train, held) = examples;
            return other(&format!("{train} examples, and {held} to validate on"));
        }
        let layers = &mut self.model.layers;
        let picks: [(Set, Pick); 3] = [
            (Set::Weights, |owned| &mut owned.w),
            (Set::First, |owned| &mut owned.m),
            (Set::Second, |owned| &mut owned.v),
        ];
        for (set, pick) in picks {
            let tensors = state.set(set).map(|tensors| tensors.copy(layers));
            tensors.into_iter().for_each(|mut copy| copy.swap_with(layers, pick));
        }
        layers.iter_mut().for_each(Dense::check);
        let copy = |set: Set| state.set(set).map(|tensors| tensors.copy(layers));
        self.best = copy(Set::Best);
        self.good = copy(Set::Good).unwrap_or_else(|| Weights::of(layers));
        if let Some(average) = copy(Set::Average).filter(|_| self.average.is_some()) {
            self.average = Some(average);
        }
        self.progress = progress.clone();
        self.begun = None;
        if self.config.precision == Precision::Bf16 {
            let batch = self.config.batch_size.min(self.order.len());
            self.model.halve(self.engine.isa, batch, self.inputs, self.config.augment)?;
        }
        Ok(self)
    }

    /// Threads of a step: the engine's, but [`most_threads`](FitConfig::most_threads) at most.
    pub fn threads(&self) -> usize {
        self.team.as_ref().unwrap_or(&self.engine.team).threads()
    }

    /// The epoch that runs, counted from 1, and how many of its steps are done.
    pub fn position(&self) -> (usize, usize) {
        (self.progress.epoch, self.progress.step)
    }

    /// The best epoch so far, counted from 1, if there is a validation set.
    pub fn best_epoch(&self) -> Option<usize> {
        self.progress.best()
    }

    /// The model as it was after the best epoch so far, if there is a validation set.
    ///
    /// # Errors
    /// None, unless the architecture is not one that can be built.
    pub fn best_model(&self) -> Result<Option<Model>, Error> {
        let tensors = self.best.as_ref().map(|best| Tensors::of_copy(&self.model.layers, best));
        tensors.map(|tensors| tensors.model(&self.model.architecture)).transpose()
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
    /// [`Error::Setting`] if the settings need a validation set and there is none; [`Error::Diverged`] if a
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
            return Err(Error::Setting(what.to_owned()));
        }
        self.begun = Some(Instant::now());
        let epoch = self.progress.epoch - 1;
        self.augmenter.iter_mut().for_each(|augmenter| augmenter.set_epoch(epoch));
        let rng = || Rng::new(config.seed, Purpose::Shuffle, epoch as u64);
        let team = self.team.as_mut().unwrap_or(&mut self.engine.team);
        self.order.draw(config.shuffle.then(rng), config.batch_size, team);
        self.run(false, |run, order, training| run.begin(order(training.step)));
        Ok(())
    }

    /// Calls `f` with all that a step works on.
    fn run<'s, R>(
        &'s mut self,
        timed: bool,
        f: impl FnOnce(&mut Run<'_>, &dyn Fn(usize) -> &'s [u32], &mut Progress) -> R,
    ) -> R {
        let Training { model, labels, config, workspace, order, progress, laps, .. } = self;
        let inputs = self.inputs.augmented(self.augmenter.as_ref());
        let Engine { isa, team, .. } = &mut *self.engine;
        let (isa, team) = (*isa, self.team.as_mut().unwrap_or(team));
        let size = config.batch_size;
        let batch = |i: usize| order.batch(size, i);
        let layers = &mut model.layers;
        let (number, clip) = (progress.done + 1, config.clip_norm);
        let smoothing = config.label_smoothing as f32;
        let labels = *labels;
        let clock = Clock(laps.as_ref().filter(|_| timed));
        let mut run =
            Run { layers, isa, team, workspace, inputs, labels, number, smoothing, clip, clock };
        f(&mut run, &batch, progress)
    }

    /// The learning rate of the next step.
    fn rate(&self) -> f64 {
        self.progress.rate(&self.config, self.steps())
    }

    fn step(&mut self) -> Result<Event, Error> {
        let (optimizer, lr) = (self.config.optimizer, self.rate());
        let (steps, before) = (self.steps(), self.progress.running);
        let timed = self.laps.as_ref().is_some_and(|laps| laps.wants(self.progress.done + 1));
        let start = timed.then(Instant::now);
        self.run(timed, |run, batch, progress| {
            progress.done += 1;
            progress.step += 1;
            let by = optimizer.step(lr, progress.done);
            let step = progress.step;
            run.step(by, [step - 1, step, step + 1].map(batch), &mut progress.running);
        });
        let Progress { epoch, step, running, .. } = self.progress;
        let batch_loss = (running.loss - before.loss) / (running.examples - before.examples) as f64;
        if !batch_loss.is_finite() {
            return Err(self.diverged(step, batch_loss));
        }
        let stepped = start.map(|start| start.elapsed());
        self.average(false);
        if let (Some(laps), Some(start), Some(stepped)) = (&mut self.laps, start, stepped) {
            let all = if self.average.is_some() { start.elapsed() } else { stepped };
            laps.step(stepped, all);
        }
        let (loss, accuracy) = (running.loss(), running.accuracy());
        Ok(Event::Step { epoch, step, steps, loss, accuracy, batch_loss, lr })
    }

    /// Adds the weights to the average, if that is to be done now.
    fn average(&mut self, end_of_epoch: bool) {
        let FitConfig { average, epochs, .. } = self.config;
        let Progress { epoch, averaged, .. } = &mut self.progress;
        let share = average.share(end_of_epoch, *averaged, epochs - *epoch);
        if let (Some(share), Some(average)) = (share, &mut self.average) {
            let team = self.team.as_mut().unwrap_or(&mut self.engine.team);
            mix(average, &self.model.layers, share, team);
            *averaged += 1;
        }
    }

    /// Exchanges the weights with the averaged ones, if there are some.
    fn swap_average(&mut self) {
        if self.progress.averaged > 0
            && let Some(average) = &mut self.average
        {
            average.swap(&mut self.model.layers);
        }
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
        self.average(true);
        self.swap_average();
        let found = self.validate();
        // The last step's loss was taken before its update, which may have gone too far.
        let loss = if finite(&self.model.layers) { found.map_or(0.0, |f| f.0) } else { f64::NAN };
        if !loss.is_finite() {
            return Err(self.diverged(step, loss));
        }
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
        self.swap_average();
        self.good.copy(&self.model.layers);
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
        let found = self.model.evaluate_rows(self.engine, *inputs, *labels, rows.as_deref());
        Some((found.loss, found.accuracy))
    }

    /// Schedule, best weights and early stopping take note of an epoch.
    fn note(&mut self, stats: &EpochStats) {
        let FitConfig { optimizer, schedule, early_stopping, monitor, .. } = self.config;
        let progress = &mut self.progress;
        progress.plateau.note(schedule, optimizer.lr(), stats.val_loss.unwrap_or(stats.loss));
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

    /// Ends the training: the model gets the weights that the settings ask for, those of the best epoch,
    /// averaged ones, or those of the last step.
    pub fn finish(mut self) -> History {
        match &mut self.best {
            Some(best) if self.config.restore_best => best.swap(&mut self.model.layers),
            _ => self.swap_average(),
        }
        let best = self.best_epoch();
        let Progress { epochs, stopped_early, .. } = &mut self.progress;
        History { epochs: std::mem::take(epochs), best, stopped_early: *stopped_early }
    }
}

impl Drop for Training<'_> {
    fn drop(&mut self) {
        for part in self.model.layers.iter_mut().flat_map(|layer| &mut layer.parts) {
            (part.half, part.kept) = (None, None);
        }
        self.model.layers[0].check();
    }
}
