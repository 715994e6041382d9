//! `weft report`: one HTML file that says everything about a run.

use super::figures::Figures;
use super::runs::{History, epochs_of_model};
use super::{ANEW, halves, inputs, load, locate, network_failure, unsound};
use crate::cli::ReportArgs;
use crate::config::{self, Machine};
use crate::exit::{Code, Failure, Outcome};
use crate::run::{self, HISTORY, RECORD, REPORT};
use crate::term::{Terminal, print};
use app::datasets::Dataset;
use app::plot::Format;
use app::report::{self, Epoch, FirstLayer, Report};
use idx::Labelled;
use nn::checkpoint::Metadata;
use nn::{Engine, Model};
use serde_json::Value;
use std::path::Path;

pub(crate) fn run(args: &ReportArgs, terminal: Terminal) -> Outcome {
    if let Some(out) = &args.out {
        config::check_ending(out, "html", "--out", REPORT)?;
    }
    let file = config::model_file(&args.run);
    let loaded = load(&file)?;
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    let (record, data) = (record(&folder)?, config::data_of(&args.data, &file)?);
    terminal.note(format_args!("Measuring and drawing {}", file.display()));
    let dataset = locate(&data, terminal)?;
    let (train, test) = halves(&dataset)?;
    let machine = Machine::resolve(&args.engine, "--isa")?;
    let mut engine = machine.engine(machine.all_threads())?;
    let class_names = loaded.class_names(Some(&dataset));
    let (mut history, mut warnings) =
        (history(&folder, terminal), warnings(&dataset, &loaded.metadata)?);
    if let Some(most) = epochs_of_model(&folder).filter(|most| *most < history.len()) {
        history.truncate(most);
        warnings.push(format!(
            "The run is being trained further: this is about its model after epoch {most}, and later epochs are not shown."
        ));
    }
    let mut subject = Subject {
        name: name(&args.run),
        model: &loaded.model,
        scale: loaded.metadata.pixel_scale,
        class_names: &class_names,
        train: &train,
        test: &test,
        photos: dataset.photos(),
        record: &record,
        history: &history,
        warnings,
    };
    let html = subject
        .render(&mut engine)
        .map_err(|failure| subject.blame(failure, &file, &mut engine))?;
    let out = args.out.clone().unwrap_or_else(|| folder.join(REPORT));
    run::write(&out, html.as_bytes())?;
    for warning in std::mem::take(&mut subject.warnings) {
        terminal.warn(warning);
    }
    print(format_args!("{}\n", out.display()))
}

/// What a report is about.
pub(super) struct Subject<'s> {
    pub(super) name: String,
    pub(super) model: &'s Model,
    pub(super) scale: f32,
    pub(super) class_names: &'s [String],
    pub(super) train: &'s Labelled,
    pub(super) test: &'s Labelled,
    /// Whether 0 is black in the images.
    pub(super) photos: bool,
    /// What `run.json` tells, or null.
    pub(super) record: &'s Value,
    pub(super) history: &'s [Epoch],
    pub(super) warnings: Vec<String>,
}

impl Subject<'_> {
    /// The text of the file, at the end of a training.
    pub(super) fn html(&self, engine: &mut Engine) -> Outcome<String> {
        let next = || Some("train with --no-report".to_owned());
        self.render(engine).map_err(|e| Failure { next: e.next.or_else(next), ..e })
    }

    /// What keeps a model that is there from having a report: often the model itself.
    fn blame(&self, failure: Failure, file: &Path, engine: &mut Engine) -> Failure {
        let outputs = inputs(self.test, self.scale)
            .and_then(|images| self.model.predict(engine, images).map_err(network_failure));
        match unsound(self.model, &outputs.unwrap_or_default()) {
            Some(what) => Failure::new(failure.code, what).at(file.display()).next(ANEW),
            None => {
                let next = || Some("`weft eval` tells the numbers without a report".to_owned());
                Failure { next: failure.next.or_else(next), ..failure }
            }
        }
    }

    /// The text of the file.
    fn render(&self, engine: &mut Engine) -> Outcome<String> {
        let images = inputs(self.test, self.scale)?;
        let found =
            self.model.evaluate(engine, images, self.test.labels()).map_err(network_failure)?;
        let probabilities = self.model.predict(engine, images).map_err(network_failure)?;
        let figures = Figures {
            model: self.model,
            scale: self.scale,
            class_names: self.class_names,
            test: self.test,
            photos: self.photos,
            folder: Path::new(""),
            format: Format::Svg,
        };
        let known = figures.known(engine)?;
        let material = figures.material(self.train, &known)?;
        // The page has curves of its own.
        let no_epochs = History::default();
        let figures =
            material.figures(&no_epochs).into_iter().map(|named| (named.title, named.figure));
        let figures: Vec<_> = figures.collect();
        report::render(&Report {
            name: &self.name,
            class_names: self.class_names,
            test: self.test,
            photos: self.photos,
            probabilities: &probabilities,
            test_loss: found.loss,
            history: self.history,
            first_layer: first_layer(self.model),
            parameters: self.model.parameters(),
            figures: &figures,
            record: self.record,
            warnings: &self.warnings,
        })
        .map_err(|e| Failure::new(Code::Other, e).at("making the report"))
    }
}

/// The first layer, if it looks at pixels.
fn first_layer(model: &Model) -> Option<FirstLayer> {
    let architecture = model.architecture();
    let mut dense = architecture.dense();
    let first = dense.next()?;
    let (units, is_output) = (first.units, dense.next().is_none());
    (architecture.input.len() == 2).then(|| FirstLayer {
        weights: model.weights(0),
        units,
        is_output,
    })
}

/// What the run is called: its folder's or its file's name.
pub(super) fn name(run: &Path) -> String {
    let whole = std::fs::canonicalize(run).unwrap_or_else(|_| run.to_owned());
    let name = whole.file_name().unwrap_or(run.as_os_str());
    name.to_string_lossy().into_owned()
}

/// `run.json`, or null if there is none.
fn record(folder: &Path) -> Outcome<Value> {
    let path = folder.join(RECORD);
    match std::fs::read(&path) {
        Ok(json) => serde_json::from_slice(&json).map_err(|e| {
            Failure::new(Code::Io, "the run's record cannot be read")
                .at(format_args!("{}: {e}", path.display()))
                .next("remove the file to make a report without it")
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(e) => Err(Failure::io("cannot read the run's record", &path, &e)
            .next("check the permissions of the run's folder")),
    }
}

/// What the reader must know.
fn warnings(dataset: &Dataset, metadata: &Metadata) -> Outcome<Vec<String>> {
    let text = "The model was trained on other data than this report was made with";
    let told = || format!("{text}: {}, in {}.", dataset.name, dataset.place());
    Ok(super::is_foreign(dataset, metadata)?.then(told).into_iter().collect())
}

/// The epochs, if the run's folder tells.
pub(super) fn history(folder: &Path, terminal: Terminal) -> Vec<Epoch> {
    let path = folder.join(HISTORY);
    let Ok(mut reader) = csv::Reader::from_path(&path) else {
        terminal.note(format_args!("No {HISTORY} beside the model, so no curves."));
        return Vec::new();
    };
    let rows = reader.deserialize::<Row>().map(|row| row.map(Epoch::from));
    rows.collect::<Result<Vec<_>, _>>().unwrap_or_else(|error| {
        terminal.warn(format_args!("no curves: {}: {error}", path.display()));
        Vec::new()
    })
}

/// A row of the history; what an older version did not write is not there.
#[derive(serde::Deserialize)]
struct Row {
    loss: f64,
    accuracy: f64,
    #[serde(default)]
    val_loss: Option<f64>,
    #[serde(default)]
    val_accuracy: Option<f64>,
    #[serde(default)]
    lr: Option<f64>,
    #[serde(default)]
    seconds: Option<f64>,
    #[serde(default)]
    steps: Option<usize>,
}

impl From<Row> for Epoch {
    fn from(row: Row) -> Epoch {
        Epoch {
            loss: row.loss,
            accuracy: row.accuracy,
            validation_loss: row.val_loss,
            validation_accuracy: row.val_accuracy,
            learning_rate: row.lr,
            seconds: row.seconds,
            steps: row.steps,
        }
    }
}
