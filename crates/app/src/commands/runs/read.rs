//! What the files of a run tell.

use crate::commands::train::{invoked_as, quoted};
use crate::config::MODEL;
use crate::run::{EVENTS, HISTORY, RECORD, RunFolder, settings_in};
use app::plot::Epoch;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A finished run.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Run {
    pub(super) run: String,
    pub(super) started: String,
    pub(super) data: String,
    /// Units from the input to the classes.
    pub(super) network: String,
    pub(super) parameters: usize,
    pub(super) epochs: usize,
    pub(super) train_accuracy: f64,
    pub(super) test_accuracy: f64,
    pub(super) test_loss: f64,
    pub(super) train_seconds: f64,
    pub(super) total_seconds: f64,
    #[serde(skip)]
    pub(super) folder: PathBuf,
    #[serde(skip)]
    pub(super) settings: toml::Table,
    #[serde(skip)]
    pub(super) machine: String,
    #[serde(skip)]
    pub(super) weft: String,
}

/// What is needed of `run.json`.
#[derive(Deserialize)]
struct Record {
    weft_version: String,
    started: String,
    dataset: Dataset,
    network: Network,
    threads: usize,
    isa: String,
    cpu: String,
    #[serde(default)]
    settings: toml::Table,
    seconds: Seconds,
    result: Finished,
}

#[derive(Deserialize)]
struct Dataset {
    name: String,
}

#[derive(Deserialize)]
struct Network {
    input: Vec<usize>,
    hidden: Vec<usize>,
    classes: usize,
    parameters: usize,
}

#[derive(Deserialize)]
struct Seconds {
    total: f64,
}

#[derive(Deserialize)]
struct Finished {
    train_seconds: f64,
    train_accuracy: Option<f64>,
    test_loss: f64,
    test_accuracy: f64,
    epochs: usize,
}

impl Run {
    /// When it began, to the minute, where it began.
    pub(super) fn date(&self) -> String {
        self.started.get(..16).unwrap_or(&self.started).replace('T', " ")
    }
}

/// The run in a folder, nothing if there is none, or why it cannot be shown.
pub(super) fn run(folder: &Path) -> Result<Option<Run>, String> {
    let path = folder.join(RECORD);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            if RunFolder::is_busy(folder) {
                return Err("its training is running".to_owned());
            }
            if RunFolder::has_diverged(folder) {
                return Err("its training diverged; a smaller --lr may help".to_owned());
            }
            // The settings are all that it takes to go on.
            if settings_in(folder).is_some() {
                let (weft, run) = (invoked_as(), quoted(folder));
                return Err(format!(
                    "a run that did not end; `{weft} train --resume {run}` goes on"
                ));
            }
            let begun =
                [EVENTS, HISTORY, MODEL].into_iter().find(|name| folder.join(name).exists());
            return begun.map_or(Ok(None), |name| {
                Err(format!("a run that did not end: {name} is there, {RECORD} is not"))
            });
        }
        Err(e) => return Err(format!("{RECORD}: {e}")),
    };
    let record: Record =
        serde_json::from_str(&text).map_err(|e| format!("{RECORD} is not a run's: {e}"))?;
    Ok(Some(shown(folder, record)))
}

fn shown(folder: &Path, record: Record) -> Run {
    let Record { dataset, network, seconds, result, .. } = record;
    let features = network.input.iter().product::<usize>();
    let units = [features].into_iter().chain(network.hidden).chain([network.classes]);
    let units: Vec<String> = units.map(|n| n.to_string()).collect();
    Run {
        run: folder.display().to_string(),
        started: record.started,
        data: dataset.name,
        network: units.join("-"),
        parameters: network.parameters,
        epochs: result.epochs,
        train_accuracy: result.train_accuracy.unwrap_or(f64::NAN),
        test_accuracy: result.test_accuracy,
        test_loss: result.test_loss,
        train_seconds: result.train_seconds,
        total_seconds: seconds.total,
        folder: folder.to_owned(),
        settings: record.settings,
        machine: format!("{}, {}, {}", record.threads, record.isa, record.cpu),
        weft: record.weft_version,
    }
}

/// The epochs of the training whose model is in a run's folder, if it has come to its end.
pub(crate) fn epochs_of_model(folder: &Path) -> Option<usize> {
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join(RECORD)).ok()?).ok()?;
    record["result"]["epochs"].as_u64().and_then(|epochs| usize::try_from(epochs).ok())
}

/// A row of the history.
#[derive(Deserialize)]
struct Row {
    loss: f64,
    accuracy: f64,
    val_loss: Option<f64>,
    val_accuracy: Option<f64>,
}

/// Epochs on the training images, and on the validation images if there are any.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) training: Vec<Epoch>,
    pub(crate) validation: Vec<Epoch>,
}

/// The epochs of a run that its model has gone through: while it is trained further its history has more.
pub(crate) fn history(path: &Path) -> Result<History, csv::Error> {
    let most = path.parent().and_then(epochs_of_model).unwrap_or(usize::MAX);
    let rows = csv::Reader::from_path(path)?.into_deserialize::<Row>().take(most);
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(rows.iter().map(|r| ((r.loss, r.accuracy), r.val_loss.zip(r.val_accuracy))).collect())
}

type Metrics = (f64, f64);

impl FromIterator<(Metrics, Option<Metrics>)> for History {
    fn from_iter<I: IntoIterator<Item = (Metrics, Option<Metrics>)>>(epochs: I) -> History {
        let of = |(loss, accuracy)| Epoch { loss, accuracy };
        let mut history = History::default();
        for (training, validation) in epochs {
            history.training.push(of(training));
            history.validation.extend(validation.map(of));
        }
        history
    }
}

impl From<&nn::History> for History {
    fn from(history: &nn::History) -> History {
        let epoch = |e: &nn::EpochStats| ((e.loss, e.accuracy), e.val_loss.zip(e.val_accuracy));
        history.epochs.iter().map(epoch).collect()
    }
}
