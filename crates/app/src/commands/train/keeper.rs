//! The checkpoints of a run: its state, from which it can be resumed, and its best model so far.

use super::record::history_csv;
use super::{invoked_as, quoted};
use crate::commands::network_failure;
use crate::config::Train;
use crate::events::Events;
use crate::exit::{Code, Failure, Outcome};
use crate::run::{self, BEST, CHECKPOINTS, CONFIG, EVENTS, GOOD, HISTORY, LAST, RECORD, RunFolder};
use crate::settings::Resolved;
use nn::checkpoint::{self, Metadata, State};
use nn::{Architecture, EpochStats, Event, FitConfig, Layer, Model, Training};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Without being asked, the state is saved at the end of an epoch if this has gone by…
const SOON: Duration = Duration::from_secs(10);
/// …and in the middle of one if this has.
const LATE: Duration = Duration::from_secs(60);
/// What a run tells of itself is written down at the end of an epoch if this has gone by.
const OFTEN: Duration = Duration::from_secs(1);
/// The clock is looked at once in so many steps.
const STEPS_A_LOOK: u64 = 64;

/// Saves what a run needs to go on.
pub(super) struct Keeper<'k> {
    folder: &'k RunFolder,
    metadata: &'k Metadata,
    every: Option<u64>,
    saved: Instant,
    told: Instant,
    steps: u64,
    /// Steps until the training ends by their number.
    left: Option<u64>,
    /// Whether that was in the middle of an epoch: a longer training goes on there.
    cut: bool,
    /// Whether the state that is saved is that of now.
    kept: bool,
    /// The best epoch whose model is saved.
    best: Option<usize>,
}

/// A state that is being written. Nobody leaves before it is, or half a file would stay.
pub(super) struct Saving(Option<JoinHandle<Outcome>>);

impl Saving {
    /// Waits until it is written.
    pub(super) fn finish(&mut self) -> Outcome {
        match self.0.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(written)) => written,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        // Something else has failed, and is told.
        let _ = self.finish();
    }
}

impl<'k> Keeper<'k> {
    pub(super) fn new(
        config: &Train,
        folder: &'k RunFolder,
        metadata: &'k Metadata,
        state: Option<&State>,
    ) -> Self {
        let (every, now) = (config.checkpoint_every, Instant::now());
        let left =
            config.fit.max_steps.map(|most| most.saturating_sub(state.map_or(0, State::steps)));
        let cut = left == Some(0) && state.is_some_and(|state| state.position().1 > 0);
        let (steps, kept, best) = (0, state.is_some(), None);
        Keeper { folder, metadata, every, saved: now, told: now, steps, left, cut, kept, best }
    }

    /// Whether the state is to be saved after an event.
    pub(super) fn is_due(&mut self, event: &Event) -> bool {
        self.kept = false;
        match event {
            Event::Step { step, steps, .. } => {
                self.steps += 1;
                self.cut = self.left == Some(self.steps) && step < steps;
                let look = self.steps.is_multiple_of(STEPS_A_LOOK);
                self.every.is_some_and(|every| self.steps.is_multiple_of(every))
                    || look && self.saved.elapsed() >= LATE
                    || self.cut
            }
            _ => !self.cut && (self.every.is_some() || self.saved.elapsed() >= SOON),
        }
    }

    /// Saves state and best model.
    pub(super) fn save(&mut self, training: &Training<'_>) -> Outcome<PathBuf> {
        // The model first: a state must not know of a better one than is there.
        self.save_best(training)?;
        let bytes = checkpoint::state_to_bytes(&training.state(), self.metadata);
        let path = self.write(LAST, bytes)?;
        self.folder.write(HISTORY, &history_csv(training.epochs())?)?;
        (self.saved, self.kept) = (Instant::now(), true);
        Ok(path)
    }

    /// Saves what the training ended with: more epochs go on from there. Of a training that was cut within an epoch the
    /// state before that epoch's end is kept, which a longer one goes through otherwise.
    ///
    /// It is written beside what follows the training, since a disk takes longer for it than that does.
    pub(super) fn end(&mut self, training: &Training<'_>) -> Outcome<Saving> {
        self.save_best(training)?;
        if self.cut || self.kept {
            return Ok(Saving(None));
        }
        self.folder.below(CHECKPOINTS)?;
        let (state, metadata, path) =
            (training.state(), self.metadata.clone(), self.folder.join(LAST));
        let started = thread::Builder::new().spawn(move || {
            let bytes = checkpoint::state_to_bytes(&state, &metadata).map_err(network_failure)?;
            run::write(&path, &bytes)
        });
        if started.is_err() {
            // The system starts no thread, so this one waits for the disk.
            self.write(LAST, checkpoint::state_to_bytes(&training.state(), self.metadata))?;
        }
        Ok(Saving(started.ok()))
    }

    /// Writes down what happened so far, for those who watch a long training from elsewhere.
    pub(super) fn tell(&mut self, events: &Events, epochs: &[EpochStats]) {
        if self.told.elapsed() < OFTEN {
            return;
        }
        // Where that fails, so does the end of the run, and says so.
        let _ = self.folder.write(EVENTS, events.log());
        let _ = history_csv(epochs).and_then(|csv| self.folder.write(HISTORY, &csv));
        self.told = Instant::now();
    }

    /// Saves the best model if there is a new one.
    fn save_best(&mut self, training: &Training<'_>) -> Outcome {
        let epoch = training.best_epoch();
        if epoch == self.best {
            return Ok(());
        }
        if let Some(model) = training.best_model().map_err(network_failure)? {
            self.write(BEST, checkpoint::to_bytes(&model, self.metadata))?;
        }
        self.best = epoch;
        Ok(())
    }

    /// Saves the weights that a failed training went back to, those after `epoch`, and says so.
    pub(super) fn rescued(
        &self,
        model: &Model,
        epoch: usize,
        failure: Failure,
    ) -> Outcome<Failure> {
        if failure.code != Code::Diverged {
            return Ok(failure);
        }
        let path = self.write(GOOD, checkpoint::to_bytes(model, self.metadata))?;
        let next = failure.next.clone().unwrap_or_default();
        let weights = format!("the weights after epoch {epoch} are in {}", path.display());
        Ok(failure.next(format_args!("{next}; {weights}")))
    }

    fn write(&self, name: &str, bytes: Result<Vec<u8>, nn::Error>) -> Outcome<PathBuf> {
        self.folder.below(CHECKPOINTS)?;
        self.folder.write(name, &bytes.map_err(network_failure)?)
    }
}

/// The folder of a run that is to go on, and its state if one was saved: without, it begins anew, to the
/// same end. `network` is what the settings ask for.
pub(super) fn open(
    config: &Train,
    run: &Path,
    hash: &str,
    network: &Architecture,
) -> Outcome<(RunFolder, Option<State>)> {
    let folder = RunFolder::resumed(run)?;
    let state = load(&folder, hash)?;
    if let Some(state) = &state {
        state.check_settings(&config.fit).map_err(|e| {
            Failure::usage("a run is resumed with the settings it was begun with").at(e).next(
                "leave them out; only --epochs, --max-steps and what changes no result may be others",
            )
        })?;
        check_begun(config, &folder, state.architecture(), network)?;
        check_length(&config.fit, state, &folder.join(LAST))?;
    }
    let over = |length| state.as_ref().is_none_or(|state| is_complete(state, length, &config.fit));
    if recorded_length(&folder).is_some_and(over) {
        return Err(complete(&folder, state.as_ref()));
    }
    Ok((folder, state))
}

/// Epochs and steps that a training was to have at most.
type Length = (usize, Option<u64>);

/// The length of the training that the record of a run is about, if the run has one.
fn recorded_length(folder: &RunFolder) -> Option<Length> {
    #[derive(serde::Deserialize)]
    struct Asked {
        epochs: usize,
        max_steps: Option<u64>,
    }
    let json = std::fs::read(folder.join(RECORD)).ok()?;
    let Asked { epochs, max_steps } = serde_json::from_slice(&json).ok()?;
    Some((epochs, max_steps))
}

/// Whether a run whose record is about a training of that length has all that is asked for. A state of another length is
/// that of a longer training that has not come to its end.
fn is_complete(state: &State, recorded: Length, fit: &FitConfig) -> bool {
    let length = |fit: &FitConfig| (fit.epochs, fit.max_steps);
    let no_more = || fit.max_steps.is_some_and(|most| state.steps() >= most);
    length(state.config()) == recorded
        && (length(fit) == recorded || state.is_over(fit) || no_more())
}

/// Refuses what would be told of a run and is not so: the state knows the network, and of other settings that `nn` does
/// not know the run's config file tells.
fn check_begun(
    config: &Train,
    folder: &RunFolder,
    begun: &Architecture,
    asked: &Architecture,
) -> Outcome {
    let hidden = hidden(asked).into_iter().zip(hidden(begun));
    let hidden = hidden.map(|((id, asked), (_, begun))| (id, asked, begun));
    let told = Resolved::of_file(&folder.join(CONFIG))?.to_table();
    let resolved = config.resolved.to_table();
    let value = |table: &toml::Table, section: &str, id: &str| {
        let value = table.get(section).and_then(|section| section.get(id));
        value.map_or("none".to_owned(), ToString::to_string)
    };
    let others = [("network", "init"), ("training", "class_weights")];
    let others = others.map(|(s, id)| (id, value(&resolved, s, id), value(&told, s, id)));
    match hidden.chain(others).find(|(_, asked, begun)| asked != begun) {
        None => Ok(()),
        Some((id, asked, begun)) => Err(Failure::usage(
            "a run is resumed with the network and the weights it was begun with",
        )
        .at(format_args!(
            "{}: {id} is {asked}, and the run was begun with {begun}",
            config.resolved.place(id)
        ))
        .next("leave it as it was, or train another run to another folder: --out")),
    }
}

/// What settings say of the hidden layers.
fn hidden(network: &Architecture) -> [(&'static str, String); 3] {
    let mut units: Vec<usize> = network.dense().map(|dense| dense.units).collect();
    // The output layer has as many as there are classes.
    units.pop();
    let first = |of: fn(&Layer) -> Option<String>| network.layers.iter().find_map(of);
    let activation = first(|layer| match layer {
        Layer::Dense { activation, .. } => Some(activation.name().to_owned()),
        _ => None,
    });
    let dropout = first(|layer| match layer {
        Layer::Dropout { rate } => Some(rate.to_string()),
        _ => None,
    });
    [
        ("hidden", format!("{units:?}")),
        ("activation", activation.unwrap_or_default()),
        ("dropout", dropout.unwrap_or("0".to_owned())),
    ]
}

/// Why a run that has ended does not go on, and what does.
fn complete(folder: &RunFolder, state: Option<&State>) -> Failure {
    let (what, longer) = match state {
        None => ("it has saved no state to go on from", ""),
        Some(state) if state.stopped_early() => ("was stopped early", ""),
        Some(_) => ("there is nothing left to do", "ask for more --epochs or --max-steps, or "),
    };
    Failure::usage(format_args!("that run is complete, and {what}"))
        .at(folder.join(RECORD).display())
        .next(format_args!(
            "`plot --model` and `report` draw what this one did not; {longer}{}",
            another(folder)
        ))
}

/// How a run that is complete is trained further.
fn another(folder: &RunFolder) -> String {
    let (weft, run, config) = (invoked_as(), quoted(folder.path()), quoted(&folder.join(CONFIG)));
    format!("begin another run with its weights: {weft} train --config {config} --init {run}")
}

/// A run cannot end before where it is.
fn check_length(fit: &FitConfig, state: &State, path: &Path) -> Outcome {
    let ((epoch, step), steps) = (state.position(), state.steps());
    // Between two epochs it is not in the next one yet.
    let begun = if step == 0 { epoch - 1 } else { epoch };
    let (what, asked) = match fit.max_steps {
        _ if begun > fit.epochs => (format!("epoch {}", fit.epochs), "--epochs"),
        Some(most) if steps > most => (format!("step {most}"), "--max-steps"),
        _ => return Ok(()),
    };
    Err(Failure::usage(format_args!("the run is past {what} already"))
        .at(format_args!("it is in epoch {begun}, after {steps} steps; {}", path.display()))
        .next(format_args!("ask for more {asked}, or train another run to another folder")))
}

/// The state in a run's folder.
fn load(folder: &RunFolder, hash: &str) -> Outcome<Option<State>> {
    let path = folder.join(LAST);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => {
            return Err(Failure::io("cannot read the state of the run", &path, &e)
                .next("check the path and its permissions"));
        }
    };
    let (state, metadata) = checkpoint::state_from_bytes(&bytes).map_err(|e| {
        let next = if folder.join(RECORD).exists() {
            let another = another(folder);
            format!("the run is complete, and its model is whole without it; {another}")
        } else {
            "remove the file, and the run begins anew, to the same end".to_owned()
        };
        Failure::new(Code::Model, e).at(path.display()).next(next)
    })?;
    if metadata.data_hash.as_deref() != Some(hash) {
        return Err(Failure::new(Code::Data, "the run was trained on other data")
            .at(format_args!("{}: its data has another SHA-256", path.display()))
            .next("name the folder with the data of then: --data DIR"));
    }
    Ok(Some(state))
}
