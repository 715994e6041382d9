//! A training run, from step to step: order, validation, early stopping, best weights.

mod epoch;
mod prepare;

use crate::arithmetic::Arithmetic;
use crate::augment::Augmenter;
use crate::average::Average;
use crate::checkpoint::{Fields, Set, State};
use crate::clock::{Clock, Laps, StepTimes};
use crate::data::{Inputs, Labels};
use crate::engine::Engine;
use crate::error::Error;
use crate::group::is_far;
use crate::half::Precision;
use crate::held::{Held, split};
use crate::layer::Dense;
use crate::model::Model;
use crate::order::Order;
use crate::progress::{Progress, Rates};
use crate::rng::{Purpose, Rng};
use crate::step::Run;
use crate::tensors::Tensors;
use crate::train::{EpochStats, Event, FitConfig, History};
use crate::weights::Weights;
use crate::workspace::{Batches, Workspace};
use kernels::{Owned, Panel, Team};
use std::ops::ControlFlow;
use std::time::Instant;

/// Examples have numbers of four bytes.
const MOST_EXAMPLES: usize = u32::MAX as usize;

/// Checks that there are examples, and that all have a number.
fn check_count(examples: usize) -> Result<(), Error> {
    match examples {
        0 => Err(Error::Input("no examples to train on".to_owned())),
        1..=MOST_EXAMPLES => Ok(()),
        _ => Err(Error::Input(format!("{examples} examples; {MOST_EXAMPLES} are the most"))),
    }
}

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
    /// Whether the next batch of the epoch that runs is fetched.
    begun: bool,
    /// Since when the seconds of the epoch are not counted yet, while steps are taken.
    since: Instant,
    /// After an error there is nothing more to do.
    failed: bool,
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
        check_count(inputs.len())?;
        let FitConfig { augment, seed, .. } = *config;
        let augmenter = Augmenter::new(augment, seed, &model.architecture, inputs.len())?;
        let (chosen, held) = split(inputs, labels, config)?;
        let examples = chosen.as_ref().map_or(inputs.len(), Vec::len);
        let batch = config.batch_size.min(examples);
        let mut team = engine.smaller(config.most_threads(&model.architecture));
        let order = Order::new(inputs, chosen, team.as_mut().unwrap_or(&mut engine.team));
        let threads = team.as_ref().unwrap_or(&engine.team).threads();
        model.prepare(config, engine.isa, inputs, batch, threads)?;
        let workspace = Workspace::new(&model.architecture, (batch, threads), inputs, config);
        if is_far(model.architecture.parameters(), threads) {
            workspace.settle(&model.layers);
        }
        let good = Weights::of(&model.layers);
        let average = (config.average != Average::Off).then(|| good.clone());
        Ok(Training {
            order,
            config: *config,
            progress: Progress::begin(),
            best: None,
            begun: false,
            since: Instant::now(),
            failed: false,
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
    /// [`Error::Input`] if they do not fit the network, or there are none; [`Error::Setting`] if the settings ask for a split,
    /// or class weights do not fit.
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
            let what = "there is a validation set or split already; one is enough";
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
        let progress = self.progress.clone();
        let sets = [
            Some(Tensors::of(layers, |owned| &owned.w)),
            Some(Tensors::of(layers, |owned| &owned.m)),
            Some(Tensors::of(layers, |owned| &owned.v)),
            self.best.as_ref().map(copy),
            // At the end of an epoch they are those of the model.
            (progress.step > 0).then(|| copy(&self.good)),
            self.average.as_ref().filter(|_| progress.averaged > 0).map(copy),
        ];
        let arithmetic = Arithmetic::of(self.config.precision, self.engine.isa).ok();
        let (config, examples) = (self.config, self.examples());
        let training = Fields { config, examples, progress, arithmetic };
        State { architecture: self.model.architecture.clone(), training, sets }
    }

    /// Goes on from a state of a training with the same network, examples and settings, and with the same class weights and
    /// factor of the inputs, which a state does not have. Only the numbers of epochs and of steps in all may differ, and
    /// what changes no result.
    ///
    /// Continues exactly as an uninterrupted training would. A state saved when `max_steps` was reached belongs to a training of
    /// that many steps: its last epoch was closed there, and schedules ended there.
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
    /// [`Error::Input`] if it is the state of another training, [`Error::Setting`] if of one with other settings;
    /// [`Error::Machine`] if this machine cannot have the precision; [`Error::Arithmetic`] if sums are rounded in another way here.
    pub fn resume(mut self, state: &State) -> Result<Self, Error> {
        let other =
            |what: &str| Err(Error::Input(format!("the state is that of a training with {what}")));
        let Fields { examples, progress, arithmetic, .. } = &state.training;
        if state.architecture != self.model.architecture {
            return other("another network");
        }
        state.check_settings(&self.config)?;
        let here = Arithmetic::of(self.config.precision, self.engine.isa)?;
        Arithmetic::check(*arithmetic, here)?;
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
        self.begun = false;
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

    /// The epochs that are done.
    pub fn epochs(&self) -> &[EpochStats] {
        &self.progress.epochs
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
    /// As [`advance_while`](Training::advance_while).
    pub fn advance(&mut self) -> Result<Option<Event>, Error> {
        let mut last = None;
        let _ = self.advance_while(&mut |event| {
            last = Some(*event);
            ControlFlow::Break(())
        })?;
        Ok(last)
    }

    /// Goes on until `observe`, which is called after every step and every epoch, breaks, or the training is over; tells which.
    /// That is faster than one step at a time, since threads need not wait for each other where steps end.
    ///
    /// ```
    /// # use nn::{Activation, Engine, Event, FitConfig, Inputs, Sequential};
    /// # use std::ops::ControlFlow::{Break, Continue};
    /// # let (x, y) = ([0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0f32], [0, 1, 1, 0u8]);
    /// # let mut model = Sequential::new(&[2]).dense(4, Activation::Relu).dense(2, Activation::Softmax).build(1)?;
    /// # let mut engine = Engine::new(Some(1), None);
    /// # let inputs = Inputs::f32(&x, 2)?;
    /// # let config = FitConfig { epochs: 3, batch_size: 2, ..FitConfig::default() };
    /// let mut training = model.train(&mut engine, inputs, &y, &config)?;
    /// // Epoch after epoch.
    /// let mut epoch = |event: &Event| if let Event::Epoch(_) = event { Break(()) } else { Continue(()) };
    /// while training.advance_while(&mut epoch)?.is_break() {
    ///     println!("{:?}", training.model());
    /// }
    /// # Ok::<(), nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Setting`] if the settings need a validation set and there is none; [`Error::Diverged`] if a
    /// loss is not finite: the model then has the weights of the last good epoch, or its first ones, and keeps them: the
    /// training is over.
    pub fn advance_while(
        &mut self,
        observe: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        self.since = Instant::now();
        let flow = self.go_on(observe);
        self.progress.seconds += self.since.elapsed().as_secs_f64();
        flow
    }

    fn go_on(
        &mut self,
        observe: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        while !self.is_over() {
            if !self.begun {
                self.begin()?;
            }
            let flow = if self.progress.step < self.steps() && !self.out_of_steps() {
                self.take_steps(observe)?
            } else {
                let stats = self.end_epoch()?;
                observe(&Event::Epoch(stats))
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether there is nothing left to do.
    pub fn is_over(&self) -> bool {
        self.failed || self.progress.is_over(&self.config)
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
        self.begun = true;
        let epoch = self.progress.epoch - 1;
        self.augmenter.iter_mut().for_each(|augmenter| augmenter.set_epoch(epoch));
        let rng = || Rng::new(config.seed, Purpose::Shuffle, epoch as u64);
        let team = self.team.as_mut().unwrap_or(&mut self.engine.team);
        self.order.draw(config.shuffle.then(rng), config.batch_size, team);
        self.run(|run, _| run.begin());
        Ok(())
    }

    /// Calls `f` with all that steps work on.
    fn run<R>(&mut self, f: impl FnOnce(&mut Run<'_>, &mut Progress) -> R) -> R {
        let rates = self.rates();
        let Training { model, labels, config, workspace, order, progress, .. } = self;
        let inputs = self.inputs.augmented(self.augmenter.as_ref());
        let Engine { isa, team, .. } = &mut *self.engine;
        let (isa, team) = (*isa, self.team.as_mut().unwrap_or(team));
        let (size, smoothing) = (config.batch_size, config.label_smoothing as f32);
        let (order, labels, cut) = (order.from(size, progress.step), *labels, workspace.cut);
        let batches =
            Batches { inputs, labels, smoothing, order, size, cut, first: progress.done + 1 };
        let (layers, clip, laps) = (&mut model.layers, config.clip_norm, self.laps.as_ref());
        let clock = Clock(None);
        f(&mut Run { layers, isa, team, workspace, batches, rates, clip, laps, clock }, progress)
    }

    /// The learning rates of this epoch.
    fn rates(&self) -> Rates {
        self.progress.rates(&self.config, self.steps())
    }

    /// Takes the next steps of the epoch, until `observe` breaks.
    fn take_steps(
        &mut self,
        observe: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let (steps, rates, most) = (self.steps(), self.rates(), self.config.max_steps);
        // Then the weights of each step go into the average before the next one.
        let averages = matches!(self.config.average, Average::Ema { .. });
        let (mut flow, mut diverged, mut last) = (ControlFlow::Continue(()), None, None);
        self.run(|run, progress| {
            let laps = run.laps;
            let timed = |number| laps.filter(|laps| laps.wants(number)).map(|_| Instant::now());
            let mut start = timed(progress.done + 1);
            run.steps(&mut |losses| {
                if let (Some(laps), Some(start)) = (laps, start) {
                    laps.step(start.elapsed());
                }
                let event = progress.stepped(losses, steps, rates);
                if let Event::Step { step, batch_loss, .. } = event
                    && !batch_loss.is_finite()
                {
                    diverged = Some((step, batch_loss));
                } else if averages {
                    last = Some(event);
                } else {
                    flow = observe(&event);
                }
                let ended =
                    progress.step == steps || most.is_some_and(|most| progress.done >= most);
                start = timed(progress.done + 1);
                if ended || averages || diverged.is_some() { ControlFlow::Break(()) } else { flow }
            });
        });
        if let Some((step, loss)) = diverged {
            return Err(self.diverged(step, loss));
        }
        if let Some(event) = last {
            self.average(false);
            flow = observe(&event);
        }
        Ok(flow)
    }

    /// Goes back to the last good weights.
    fn diverged(&mut self, step: usize, loss: f64) -> Error {
        self.good.swap(&mut self.model.layers);
        self.failed = true;
        Error::Diverged { epoch: self.progress.epoch, step, loss }
    }

    /// Ends the training: the model gets the weights that the settings ask for, those of the best epoch,
    /// averaged ones, or those of the last step; after an error it keeps those that it has.
    pub fn finish(mut self) -> History {
        match &mut self.best {
            _ if self.failed => {}
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
