//! `weft train`: data, network, training, evaluation, files.

mod dry_run;
mod keeper;
mod network;
mod record;
mod report;
mod summary;

use super::figures::Figures;
use super::runs;
use super::{halves, info, inputs, locate, network_failure};
use crate::config::{MODEL, Train};
use crate::events::Events;
use crate::exit::{Code, Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::progress::Training as Progress;
use crate::run::{CONFIG, EVENTS, HEAD, HISTORY, LAST, PLOTS, RECORD, RunFolder};
use crate::term::{Grouped, Terminal, print};
use app::datasets::Dataset;
use app::plot::Format;
use idx::Labelled;
use keeper::{Keeper, Saving};
pub(super) use network::{class_weights, network};
use network::{sequential, threads};
use nn::checkpoint::{self, Metadata, State};
use nn::{
    Engine, Evaluation, Event, FitConfig, History, Inputs, Labels, Model, Schedule, StepTimes,
    Training,
};
use record::{Finished, Record, Resolved, Timings};
use std::ops::ControlFlow::{Break, Continue};
use std::path::PathBuf;
use std::time::Instant;
use summary::{Files, Results, undrawn};
pub(super) use summary::{invoked_as, quoted};

/// Brings pixels to 0..1.
pub(super) const PIXEL_SCALE: f32 = 1.0 / 255.0;

/// One step in so many is timed, part by part: often enough, and it costs nothing that can be measured. A prime, or
/// it might always be the last of an epoch.
const STEPS_A_TIME: u64 = 61;

/// What a run works with, but for model and engine, which its training has.
struct Job<'j> {
    config: &'j Train,
    terminal: Terminal,
    dataset: &'j Dataset,
    train: &'j Labelled,
    test: &'j Labelled,
    folder: RunFolder,
    /// Whether the folder is this run's, and no longer that of the run before.
    own: bool,
    events: Events,
    /// What identifies the data.
    hash: String,
    /// Where the run goes on.
    state: Option<&'j State>,
    /// A signal asks for an orderly end.
    interrupt: Interrupt,
}

/// What a training leaves, but for its model.
struct Trained {
    resolved: Resolved,
    history: History,
    /// Where the time of a step went.
    step: Option<StepTimes>,
    /// Seconds until it began.
    loaded: f64,
    /// Its last state.
    saving: Saving,
}

pub(crate) fn run(config: &Train, terminal: Terminal) -> Outcome {
    if config.dry_run {
        return dry_run::run(config, terminal);
    }
    let start = Instant::now();
    let dataset = locate(&config.data, terminal)?;
    let (train, test) = halves(&dataset)?;
    let hash = dataset.hash().map_err(super::data_failure)?;
    let resumed = config.out.as_deref().filter(|_| config.resume);
    let (resumed, state) = match resumed {
        Some(run) => {
            let network = sequential(config, train.dims(), dataset.class_names.len());
            let (folder, state) = keeper::open(config, run, &hash, network.architecture())?;
            (Some(folder), state)
        }
        None => (None, None),
    };
    let mut model = match &state {
        Some(state) => state.model().map_err(network_failure)?,
        None => network(config, &dataset, &train)?,
    };
    let mut engine = config.machine.engine(config.machine.all_threads())?;
    let weights = class_weights(config, &train, model.architecture().classes())?;
    let labels = Labels::from(train.labels()).with_class_weights(&weights);
    let (images, state) = (inputs(&train, PIXEL_SCALE)?, state.as_ref());
    // What cannot be trained is refused here, before there is a folder or the run in it is touched.
    let training = begin(&mut model, &mut engine, images, labels, &config.fit, state)?;
    let folder = match resumed {
        Some(folder) => folder,
        None => RunFolder::create(config.out.as_deref(), config.force, config.fit.seed)?,
    };
    let (dataset, train, test, events) = (&dataset, &train, &test, Events::new(config.json));
    let (interrupt, own) = (Interrupt::listen()?, !config.force && !config.resume);
    let mut job =
        Job { config, terminal, dataset, train, test, folder, own, events, hash, state, interrupt };
    let trained = job.train(training, start);
    let done = trained.and_then(|trained| job.end(trained, &model, &mut engine, start));
    done.map_err(|mut failure| {
        if let Some(before) = job.folder.waiting() {
            let next = failure.next.take().unwrap_or_default();
            failure =
                failure.next(format_args!("{next}; the run before is in {}", before.display()));
        }
        job.events.keep_failure(&failure);
        // Without settings nothing has begun, and the folder stays free. The failure itself is what the user must hear of.
        if job.own && job.folder.join(CONFIG).exists() {
            let _ = job.folder.write(EVENTS, job.events.log());
        }
        failure
    })
}

/// The training, where the state has it or at its beginning.
fn begin<'r>(
    model: &'r mut Model,
    engine: &'r mut Engine,
    images: Inputs<'r>,
    labels: Labels<'r>,
    fit: &FitConfig,
    state: Option<&State>,
) -> Outcome<Training<'r>> {
    let training = model.train(engine, images, labels, fit).map_err(network_failure)?;
    match state {
        Some(state) => training.resume(state).map_err(network_failure),
        None => Ok(training),
    }
}

/// Something ended the training, whose state is saved.
fn interrupted(code: Code, by: &str, folder: &RunFolder, (epoch, step): (usize, usize)) -> Failure {
    let path = folder.path();
    Failure::new(code, format_args!("the training was interrupted{by}; its state is saved"))
        .at(format_args!("epoch {epoch}, step {step}; {}", folder.join(LAST).display()))
        .next(format_args!("go on with it: {} train --resume {}", invoked_as(), quoted(path)))
}

impl Job<'_> {
    /// Trains, once all is told and the settings are written down.
    fn train(&mut self, training: Training<'_>, start: Instant) -> Outcome<Trained> {
        self.greet(&training);
        let resolved = self.resolve(training.model());
        self.events.emit("start", &resolved).map_err(Failure::aloud)?;
        if self.config.force {
            self.folder.make_room()?;
        }
        self.own = true;
        if !self.config.resume || self.config.changed {
            let (version, settings) = (env!("CARGO_PKG_VERSION"), self.config.resolved.to_toml());
            let text = format!("{HEAD}{version}: `weft train --config` takes them\n\n{settings}");
            self.folder.write(CONFIG, text.as_bytes())?;
        }
        let loaded = start.elapsed().as_secs_f64();
        let (history, step, saving) = self.fit(training)?;
        Ok(Trained { resolved, history, step, loaded, saving })
    }

    /// Evaluates, and writes down what came out.
    fn end(
        &mut self,
        trained: Trained,
        model: &Model,
        engine: &mut Engine,
        start: Instant,
    ) -> Outcome {
        let Trained { resolved, history, step, loaded, mut saving } = trained;
        let fitted = start.elapsed();
        let found = self.evaluate(model, engine)?;
        let evaluated = start.elapsed();
        let model_path = self.save(model, &history)?;
        let finished = Finished::new(&history, &found, self.config, &resolved, &model_path, step);
        // Whoever does not read on has all files nevertheless.
        let mut told = self.events.emit("result", &finished);
        self.folder.write(EVENTS, self.events.log())?;
        // What it took before it was resumed.
        let before = (history.seconds() - (fitted.as_secs_f64() - loaded)).max(0.0);
        let record = |plots: &[PathBuf]| {
            let timings = Timings {
                load: loaded,
                train: history.seconds(),
                evaluate: (evaluated - fitted).as_secs_f64(),
                save: (start.elapsed() - evaluated).as_secs_f64(),
                total: before + start.elapsed().as_secs_f64(),
            };
            Record::new(&resolved, &timings, &finished, plots).to_json()
        };
        self.folder.write(RECORD, &record(&[])?)?;
        if self.config.force || self.config.resume {
            self.folder.settle();
        }
        let (config, dataset, folder) = (self.config, self.dataset, self.folder.path());
        if !config.json {
            self.terminal.note("");
            let (history, found, total) = (&history, &found, start.elapsed().as_secs_f64());
            told = print(Results { config, dataset, history, found, total });
        }
        let drawn = self.illustrate(model, engine, &history, record);
        let saved = saving.finish();
        let plots = drawn.map_err(|failure| undrawn(failure, folder))?;
        saved?;
        told?;
        if config.json {
            return Ok(());
        }
        let pictures = self.test.dims().len() == 2;
        print(Files { config, folder, plots: &plots, count: found.count, pictures })
    }

    /// Says what is about to happen.
    fn greet(&self, training: &Training<'_>) {
        let model = training.model();
        let sizes = model.architecture().dense().map(|d| format!("-{}", d.units));
        let sizes = sizes.fold(model.architecture().features().to_string(), |all, d| all + &d);
        let machine = self.config.machine;
        let most = self.config.fit.most_threads(model.architecture());
        let (threads, isa) = (threads(machine.all_threads(), most), machine.isa);
        self.terminal.note(format_args!(
            "Data     {}: {} training and {} test images\n\
             Place    {}\n\
             Network  {sizes}, {} parameters, seed {}\n\
             Machine  {threads}, {isa}",
            self.dataset.name,
            Grouped(self.train.len()),
            Grouped(self.test.len()),
            self.dataset.place(),
            Grouped(model.parameters()),
            self.config.fit.seed,
        ));
        if self.config.resume {
            match self.state.map(State::position) {
                Some((epoch, step)) => {
                    self.terminal.note(format_args!("Resumed  in epoch {epoch}, after step {step}"))
                }
                None => self.terminal.note("Resumed  at the beginning: no state was saved yet"),
            }
        }
        let fit = &self.config.fit;
        let all = fit.epochs.saturating_mul(fit.steps(training.examples().0)) as u64;
        let (warm_up, all) = (fit.warm_up.steps, all.min(fit.max_steps.unwrap_or(u64::MAX)));
        if warm_up > 0 && warm_up >= all {
            self.terminal.warn(format_args!(
                "the learning rate grows for {warm_up} steps, and the run has {all}: see --warmup"
            ));
        }
        if let Some(state) = self.state
            && (fit.epochs, fit.max_steps) != (state.config().epochs, state.config().max_steps)
            && matches!(fit.schedule, Schedule::Cosine { .. } | Schedule::OneCycle { .. })
        {
            let (name, text) = (fit.schedule.name(), "another than that of a run that had so many");
            self.terminal.warn(format_args!(
                "the schedule {name} spans a run of another length now: from here on the learning rate is {text}"
            ));
        }
        if cfg!(debug_assertions) {
            self.terminal.warn("this is a debug build and slow; build with --release");
        }
        if !isa.fused() {
            let text = "rounds twice where others round once: its models differ in the last bits";
            self.terminal.warn(format_args!("the instruction set {isa} {text}"));
        }
    }

    fn resolve(&self, model: &Model) -> Resolved {
        Resolved::new(
            self.config,
            self.dataset,
            record::Counts { train: self.train.len(), test: self.test.len() },
            self.hash.clone(),
            model,
            info::cpu_name(),
            self.folder.path(),
        )
    }

    /// Trains; tells also where the time of a step went.
    fn fit(&mut self, training: Training<'_>) -> Outcome<(History, Option<StepTimes>, Saving)> {
        let metadata = self.metadata();
        let Job { config, terminal, folder, events, state, interrupt, .. } = self;
        let mut progress = Progress::new(*terminal, config.fit.epochs);
        let mut keeper = Keeper::new(config, folder, &metadata, *state);
        let mut training = training.timed(STEPS_A_TIME);
        for stats in state.map_or(&[][..], State::epochs) {
            events.keep("epoch", &record::Epoch::from(stats))?;
        }
        let mut good = state.map_or(0, |state| state.epochs().len());
        loop {
            if let Some(code) = interrupt.code() {
                progress.stop();
                keeper.save(&training)?;
                return Err(interrupted(code, "", folder, training.position()));
            }
            let (mut last, mut due) = (None, false);
            let go_on = training.advance_while(&mut |event| {
                progress.observe(event);
                last = Some(*event);
                due = keeper.is_due(event);
                let stop = due || interrupt.code().is_some() || matches!(event, Event::Epoch(_));
                if stop { Break(()) } else { Continue(()) }
            });
            let event = match go_on {
                Ok(_) => last,
                Err(error) => {
                    progress.stop();
                    let failure = network_failure(error);
                    return Err(match good {
                        0 => failure,
                        epoch => keeper.rescued(training.model(), epoch, failure)?,
                    });
                }
            };
            let Some(event) = event else { break };
            if let Event::Epoch(stats) = &event {
                good = stats.epoch;
                if let Err(failure) = events.emit("epoch", &record::Epoch::from(stats)) {
                    progress.stop();
                    keeper.save(&training)?;
                    let error = failure.place.unwrap_or_default();
                    let why = format!(": it {} ({error})", failure.what);
                    return Err(interrupted(failure.code, &why, folder, training.position()));
                }
                keeper.tell(events, training.epochs());
            }
            if due {
                keeper.save(&training)?;
            }
        }
        let saving = keeper.end(&training)?;
        let step = training.step_times();
        Ok((training.finish(), step, saving))
    }

    /// What model files tell.
    fn metadata(&self) -> Metadata {
        Metadata {
            class_names: self.dataset.class_names.clone(),
            pixel_scale: PIXEL_SCALE,
            data_hash: Some(self.hash.clone()),
            seed: self.config.fit.seed,
            weft_version: env!("CARGO_PKG_VERSION").to_owned(),
            pictures: self.dataset.pictures.clone(),
        }
    }

    fn evaluate(&self, model: &Model, engine: &mut Engine) -> Outcome<Evaluation> {
        let images = inputs(self.test, PIXEL_SCALE)?;
        let found = model.evaluate(engine, images, self.test.labels()).map_err(network_failure)?;
        // The loss of the last step was taken before its update, which may have gone too far.
        if !found.loss.is_finite() {
            let what = format!("training diverged: the test loss is {}", found.loss);
            return Err(Failure::new(Code::Diverged, what)
                .at("after the last step")
                .next("try a smaller learning rate: --lr"));
        }
        Ok(found)
    }

    /// Writes model and history; returns the model's path.
    fn save(&self, model: &Model, history: &History) -> Outcome<PathBuf> {
        let bytes = checkpoint::to_bytes(model, &self.metadata()).map_err(network_failure)?;
        self.folder.write(HISTORY, &record::history_csv(&history.epochs)?)?;
        self.folder.write(MODEL, &bytes)
    }

    /// Fails if a signal has come.
    fn go_on(&self, when: &str) -> Outcome {
        let code = self.interrupt.code();
        code.map_or(Ok(()), |code| Err(Failure::new(code, "interrupted").at(when)))
    }

    /// Draws the pictures and makes the report, once the results are safe: either may fail.
    fn illustrate(
        &self,
        model: &Model,
        engine: &mut Engine,
        history: &History,
        record: impl Fn(&[PathBuf]) -> Outcome<Vec<u8>>,
    ) -> Outcome<Vec<PathBuf>> {
        if !self.config.plots {
            return Ok(Vec::new());
        }
        self.go_on("before anything was drawn")?;
        let figures = Figures {
            model,
            scale: PIXEL_SCALE,
            class_names: &self.dataset.class_names,
            test: self.test,
            photos: self.dataset.photos(),
            folder: &self.folder.join(PLOTS),
            format: Format::Png,
        };
        let plots = figures.tutorial(engine, self.train, &runs::History::from(history))?;
        let record = record(&plots)?;
        self.folder.write(RECORD, &record)?;
        self.go_on("before the report was made")?;
        self.report(model, engine, &record)?;
        Ok(plots)
    }
}
