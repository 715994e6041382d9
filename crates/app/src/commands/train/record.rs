//! What is written down about a run: in events, in `run.json`, in `history.csv`.

use crate::config::Train;
use crate::events::SCHEMA;
use crate::exit::{Code, Failure, Outcome};
use app::datasets::Dataset;
use nn::{EpochStats, Evaluation, History, Model, Optimizer, StepPart, StepTimes};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Images of the two halves.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Counts {
    pub(super) train: usize,
    pub(super) test: usize,
}

#[derive(Debug, Serialize)]
struct Data {
    name: String,
    source: String,
    sha256: String,
    images: Counts,
    class_names: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Network {
    input: Vec<usize>,
    hidden: Vec<usize>,
    activation: &'static str,
    dropout: f64,
    classes: usize,
    parameters: usize,
    init: Option<String>,
}

/// Everything that was resolved before the first step.
#[derive(Debug, Serialize)]
pub(super) struct Resolved {
    weft_version: &'static str,
    started: String,
    out: String,
    dataset: Data,
    network: Network,
    epochs: usize,
    batch_size: usize,
    optimizer: Optimizer,
    clip_norm: Option<f64>,
    label_smoothing: f64,
    shuffle: bool,
    max_steps: Option<u64>,
    seed: u64,
    threads: usize,
    isa: &'static str,
    precision: &'static str,
    fused_multiply_add: bool,
    cpu: String,
    os: &'static str,
    arch: &'static str,
    /// As in the run's config file.
    settings: toml::Table,
}

impl Resolved {
    pub(super) fn new(
        config: &Train,
        dataset: &Dataset,
        images: Counts,
        sha256: String,
        model: &Model,
        cpu: String,
        out: &Path,
    ) -> Resolved {
        let (architecture, isa) = (model.architecture(), config.machine.isa);
        Resolved {
            weft_version: env!("CARGO_PKG_VERSION"),
            started: jiff::Zoned::now().strftime("%FT%T%:z").to_string(),
            out: out.display().to_string(),
            dataset: Data {
                name: dataset.name.clone(),
                source: dataset.place(),
                sha256,
                images,
                class_names: dataset.class_names.clone(),
            },
            network: Network {
                input: architecture.input.clone(),
                hidden: config.hidden.clone(),
                activation: config.activation.name(),
                dropout: config.dropout,
                classes: architecture.classes(),
                parameters: model.parameters(),
                init: config.init.as_ref().map(|p| p.display().to_string()),
            },
            epochs: config.fit.epochs,
            batch_size: config.fit.batch_size,
            optimizer: config.fit.optimizer,
            clip_norm: config.fit.clip_norm,
            label_smoothing: config.fit.label_smoothing,
            shuffle: config.fit.shuffle,
            max_steps: config.fit.max_steps,
            seed: config.fit.seed,
            threads: config.machine.all_threads(),
            isa: isa.name(),
            precision: config.fit.precision.name(),
            fused_multiply_add: isa.fused(),
            cpu,
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            settings: config.resolved.to_table(),
        }
    }
}

/// An epoch, in events and in the history.
#[derive(Debug, Serialize)]
pub(super) struct Epoch {
    epoch: usize,
    steps: usize,
    seconds: f64,
    loss: f64,
    accuracy: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    val_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    val_accuracy: Option<f64>,
    lr: f64,
}

impl From<&EpochStats> for Epoch {
    fn from(stats: &EpochStats) -> Epoch {
        let EpochStats { epoch, steps, seconds, loss, accuracy, val_loss, val_accuracy, lr } =
            *stats;
        Epoch { epoch, steps, seconds, loss, accuracy, val_loss, val_accuracy, lr }
    }
}

/// Where the time of a step went, in seconds: means over the steps that were timed.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    timed: u64,
    seconds: f64,
    parts: BTreeMap<&'static str, f64>,
}

impl From<StepTimes> for Step {
    fn from(StepTimes { steps, seconds, parts }: StepTimes) -> Step {
        let parts = StepPart::ALL.map(StepPart::name).into_iter().zip(parts);
        // What a step does not have.
        let parts = parts.filter(|(_, seconds)| *seconds > 0.0).collect();
        Step { timed: steps, seconds, parts }
    }
}

/// What came out.
#[derive(Debug, Serialize)]
pub(super) struct Finished {
    train_seconds: f64,
    train_loss: f64,
    train_accuracy: f64,
    test_loss: f64,
    test_accuracy: f64,
    epochs: usize,
    /// Where there is a validation set.
    #[serde(skip_serializing_if = "Option::is_none")]
    best_epoch: Option<usize>,
    stopped_early: bool,
    seed: u64,
    threads: usize,
    isa: &'static str,
    model: String,
    /// Where there were steps enough to time some.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<Step>,
}

impl Finished {
    pub(super) fn new(
        history: &History,
        found: &Evaluation,
        config: &Train,
        resolved: &Resolved,
        model: &Path,
        step: Option<StepTimes>,
    ) -> Finished {
        let kept = kept(history, config);
        Finished {
            train_seconds: history.seconds(),
            train_loss: kept.map_or(f64::NAN, |e| e.loss),
            train_accuracy: kept.map_or(f64::NAN, |e| e.accuracy),
            test_loss: found.loss,
            test_accuracy: found.accuracy,
            epochs: history.epochs.len(),
            best_epoch: history.best,
            stopped_early: history.stopped_early,
            seed: resolved.seed,
            threads: resolved.threads,
            isa: resolved.isa,
            model: model.display().to_string(),
            step: step.map(Step::from),
        }
    }
}

/// The epoch whose weights the model has: the last, or the best where those were restored.
pub(super) fn kept<'h>(history: &'h History, config: &Train) -> Option<&'h EpochStats> {
    let best = history.best.filter(|_| config.fit.restore_best);
    best.map_or(history.epochs.last(), |best| history.epochs.get(best - 1))
}

/// Where the time went, in seconds.
#[derive(Debug, Serialize)]
pub(super) struct Timings {
    pub(super) load: f64,
    pub(super) train: f64,
    pub(super) evaluate: f64,
    pub(super) save: f64,
    pub(super) total: f64,
}

/// `run.json`
#[derive(Debug, Serialize)]
pub(super) struct Record<'r> {
    schema: u32,
    #[serde(flatten)]
    resolved: &'r Resolved,
    seconds: &'r Timings,
    result: &'r Finished,
    plots: Vec<String>,
}

impl<'r> Record<'r> {
    pub(super) fn new(
        resolved: &'r Resolved,
        seconds: &'r Timings,
        result: &'r Finished,
        plots: &[PathBuf],
    ) -> Record<'r> {
        let plots = plots.iter().map(|p| p.display().to_string()).collect();
        Record { schema: SCHEMA, resolved, seconds, result, plots }
    }

    pub(super) fn to_json(&self) -> Outcome<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|e| Failure::new(Code::Other, "cannot write the run's record").at(e))?;
        json.push(b'\n');
        Ok(json)
    }
}

/// A header and a row an epoch.
pub(super) fn history_csv(epochs: &[EpochStats]) -> Outcome<Vec<u8>> {
    let failed = |e: csv::Error| Failure::new(Code::Other, "cannot write the history").at(e);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for epoch in epochs {
        writer.serialize(Epoch::from(epoch)).map_err(failed)?;
    }
    writer
        .into_inner()
        .map_err(|e| Failure::new(Code::Other, "cannot write the history").at(e.error()))
}
