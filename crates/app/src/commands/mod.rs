//! The commands, and what several of them do.

pub(crate) mod data;
pub(crate) mod eval;
pub(crate) mod export;
mod failures;
pub(crate) mod fetch;
mod figures;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod lr_find;
pub(crate) mod pack;
pub(crate) mod plot;
pub(crate) mod predict;
pub(crate) mod report;
pub(crate) mod runs;
mod scores;
pub(crate) mod shell;
pub(crate) mod show;
pub(crate) mod train;

use crate::config::MODEL;
use crate::exit::{Code, Failure, Outcome};
use crate::progress::Download;
use crate::run::{BEFORE, GOOD, LAST, RunFolder};
use crate::term::Terminal;
use app::datasets::{self, Dataset, Half};
use failures::{data_failure, network_failure, no_image, no_pixel};
use idx::Labelled;
use nn::checkpoint::{self, Metadata};
use nn::{Inputs, Model};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use train::{invoked_as, quoted};

/// Finds the data set, fetching it if need be.
fn locate(options: &datasets::Options, terminal: Terminal) -> Outcome<Dataset> {
    let mut download = Download::new(terminal);
    let dataset = datasets::locate(options, &mut |progress| download.observe(progress));
    download.finish();
    let dataset = dataset.map_err(data_failure)?;
    if let Some((set, file)) = dataset.altered() {
        terminal.warn(format_args!(
            "{} is not as {set} was published: its SHA-256 is another; remove it and fetch the set anew, or name the \
             folder otherwise if the data is your own",
            file.display()
        ));
    }
    Ok(dataset)
}

/// Finds the data set that a model is used on, and says so if that is not what the model was trained on: it may be meant,
/// or only the default.
fn locate_for(
    loaded: &Loaded,
    options: &datasets::Options,
    terminal: Terminal,
) -> Outcome<Dataset> {
    let dataset = locate(options, terminal)?;
    if is_foreign(&dataset, &loaded.metadata)? {
        let (name, place) = (&dataset.name, dataset.place());
        terminal.warn(format_args!(
            "the model was trained on other data than {name}, in {place}; \
             --data, --dataset and --files name another"
        ));
    }
    Ok(dataset)
}

/// Whether a model tells that it was trained on other data.
fn is_foreign(dataset: &Dataset, metadata: &Metadata) -> Outcome<bool> {
    let hash = dataset.hash().map_err(data_failure)?;
    Ok(metadata.data_hash.as_ref().is_some_and(|known| *known != hash))
}

/// Opens one half of a data set.
fn open(dataset: &Dataset, half: Half) -> Outcome<Labelled> {
    let labelled = dataset.open(half).map_err(data_failure)?;
    if labelled.is_empty() {
        return Err(no_image(&dataset.images(half)));
    }
    if labelled.features() == 0 {
        return Err(no_pixel(&dataset.images(half), labelled.dims()));
    }
    Ok(labelled)
}

/// Opens both halves of a data set, whose examples have one size.
fn halves(dataset: &Dataset) -> Outcome<(Labelled, Labelled)> {
    let (train, test) = (open(dataset, Half::Train)?, open(dataset, Half::Test)?);
    if train.features() == test.features() {
        return Ok((train, test));
    }
    Err(Failure::new(Code::Data, "training and test images are of different sizes")
        .at(format_args!(
            "{}: {:?}, and {}: {:?}",
            dataset.images(Half::Train).display(),
            train.dims(),
            dataset.images(Half::Test).display(),
            test.dims()
        ))
        .next("put files of the same data set side by side"))
}

/// The images as a network takes them.
fn inputs(images: &Labelled, scale: f32) -> Outcome<Inputs<'_>> {
    Inputs::u8(images.images(), images.features(), scale).map_err(network_failure)
}

/// A file of so many bytes is read whatever is in it.
const SMALL: u64 = 16 << 20;

/// A model file.
struct Loaded {
    model: Model,
    metadata: Metadata,
}

/// The bytes of a model file.
fn load_file(path: &Path) -> Outcome<Vec<u8>> {
    read_model(path).map_err(|e| {
        let run = path.parent().unwrap_or(Path::new(""));
        Failure::io("cannot read the model file", path, &e).next(instead(run))
    })
}

/// Reads what begins as a model file does: others may have no end.
fn read_model(path: &Path) -> std::io::Result<Vec<u8>> {
    // Asked before it is opened: a pipe would wait for somebody to write.
    let about = std::fs::metadata(path)?;
    let not = |what: &str| Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
    if !about.is_file() && !about.is_dir() {
        return not("it is no regular file");
    }
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    (&mut file).take(8).read_to_end(&mut bytes)?;
    let header = bytes.first_chunk().map_or(u64::MAX, |length| u64::from_le_bytes(*length));
    // What is small is told more about once it is read.
    if about.len() > SMALL && header > about.len() - 8 {
        return not("it is no safetensors file: its header would be longer than the file");
    }
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What there is in a run's folder that has no model.
fn instead(run: &Path) -> String {
    let there = |name: &str| Some(run.join(name)).filter(|path| path.is_file());
    let mut next = match there(LAST) {
        _ if RunFolder::has_diverged(run) => {
            let good =
                there(GOOD).map(|good| format!("; its last good weights: {}", quoted(&good)));
            let good = good.unwrap_or_default();
            format!("its training diverged, and a smaller --lr may help{good}")
        }
        Some(last) => format!(
            "its training was interrupted: `{} train --resume {}` goes on; or take the weights of then: {}",
            invoked_as(),
            quoted(run),
            quoted(&last)
        ),
        None => "check the path; `weft train` makes a model".to_owned(),
    };
    if there(&format!("{BEFORE}/{MODEL}")).is_some() {
        next += &format!("; the run before is in {}", quoted(&run.join(BEFORE)));
    }
    next
}

/// Reads a model file.
fn load(path: &Path) -> Outcome<Loaded> {
    let (model, metadata) = checkpoint::from_bytes(&load_file(path)?).map_err(|e| {
        Failure::new(Code::Model, e)
            .at(path.display())
            .next("name a model.safetensors that `weft train` wrote")
    })?;
    Ok(Loaded { model, metadata })
}

/// What to do about a model that is [`unsound`].
const ANEW: &str = "train it anew, with a smaller learning rate (--lr)";

/// What is wrong with a model that gives no numbers, or has some that are none, as after a training that diverged: weft keeps
/// no such model, but other programs do.
fn unsound(model: &Model, outputs: &[f32]) -> Option<&'static str> {
    let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
    let mut layers = 0..model.architecture().dense().count();
    if !layers.all(|i| finite(&model.weights(i)) && finite(&model.biases(i))) {
        return Some("some of the model's weights are not finite");
    }
    (!finite(outputs)).then_some("some of the model's outputs are not finite")
}

/// Refuses to tell what a model gives if that is no number; of weights that are none and do not show, it warns.
fn check_outputs(model: &Model, path: &Path, outputs: &[f32], terminal: Terminal) -> Outcome {
    match unsound(model, outputs) {
        Some(what) if outputs.iter().any(|value| !value.is_finite()) => {
            Err(Failure::new(Code::Other, what).at(path.display()).next(ANEW))
        }
        Some(what) => {
            terminal.warn(format_args!("{what}, so this says little: {ANEW}"));
            Ok(())
        }
        None => Ok(()),
    }
}

impl Loaded {
    /// Names of the classes: the model's, else those of the data it is used on.
    fn class_names(&self, dataset: Option<&Dataset>) -> Vec<String> {
        let classes = self.model.architecture().classes();
        let given = [Some(&self.metadata.class_names), dataset.map(|d| &d.class_names)];
        let names = given.into_iter().flatten().find(|names| names.len() == classes);
        names.cloned().unwrap_or_else(|| (0..classes).map(|c| c.to_string()).collect())
    }
}
