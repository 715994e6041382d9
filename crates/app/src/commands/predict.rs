//! `weft predict`: probabilities of the classes for test images or a picture.

use super::failures::{network_failure, picture_failure, unusable};
use super::{Loaded, check_outputs, load, locate_for, open};
use crate::columns::{NAME, fit, of_stdout, plain, width};
use crate::config::{Predict, Style, What};
use crate::events;
use crate::exit::{Code, Failure, Outcome};
use crate::term::{BAD, GOOD, Grouped, Terminal, print, print_bytes};
use app::datasets::{Dataset, Half};
use app::image::{self, Prepared};
use app::pack::{self, Look};
use nn::Inputs;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

/// With more images than this, text has one line an image.
const DETAILED: usize = 16;
/// Columns of the bar of a certain class where there is room, and of one for which names are cut.
const BAR: usize = 30;
const SHORT_BAR: usize = 10;
/// Fewer images than this are done before a second thread has started.
const WORTH_THREADS: usize = 256;

/// The images to classify.
struct Examples {
    pixels: Vec<u8>,
    /// What to call each: its index or its path.
    names: Vec<Name>,
    truths: Vec<Option<usize>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Name {
    Index(usize),
    Image(String),
}

/// One prediction as an event.
#[derive(Serialize)]
struct Prediction<'p> {
    #[serde(flatten)]
    name: &'p Name,
    class: usize,
    class_name: &'p str,
    probability: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truth_name: Option<&'p str>,
    probabilities: &'p [f32],
}

pub(crate) fn run(config: &Predict, terminal: Terminal) -> Outcome {
    let loaded = load(&config.model)?;
    let (examples, dataset) = match &config.what {
        What::Picture(path) => (picture(path, &loaded, terminal)?, None),
        What::Indices(indices) => {
            let dataset = locate_for(&loaded, &config.data, terminal)?;
            (tests(&dataset, Some(indices))?, Some(dataset))
        }
        What::All => {
            let dataset = locate_for(&loaded, &config.data, terminal)?;
            (tests(&dataset, None)?, Some(dataset))
        }
    };
    let count = examples.names.len();
    let few = count < WORTH_THREADS && config.machine.threads.is_none();
    let mut engine = config.machine.engine(if few { 1 } else { config.machine.all_threads() })?;
    let features = examples.pixels.len() / count.max(1);
    let images = Inputs::u8(&examples.pixels, features, loaded.metadata.pixel_scale)
        .map_err(network_failure)?;
    let probabilities = loaded.model.predict(&mut engine, images).map_err(network_failure)?;
    check_outputs(&loaded.model, &config.model, &probabilities, terminal)?;
    let mut names = loaded.class_names(dataset.as_ref());
    if config.style == Style::Text {
        names.iter_mut().for_each(|name| *name = plain(name));
    }
    let predictions = predictions(&examples, &probabilities, &names);
    match config.style {
        Style::Json => print_bytes(&json(&predictions)?),
        Style::Csv => print_bytes(&csv(&predictions, &names)?),
        Style::Text if count > DETAILED => print(table(&predictions)),
        Style::Text => print(details(&predictions, &names, of_stdout())),
    }
}

/// A picture, brought to the shape that the network takes.
fn picture(path: &Path, loaded: &Loaded, terminal: Terminal) -> Outcome<Examples> {
    let &[height, width] = loaded.model.architecture().input.as_slice() else {
        let shape = &loaded.model.architecture().input;
        return Err(Failure::usage(format_args!("the network takes {shape:?}, not pictures"))
            .at("--image")
            .next("name test images instead: --index 0, or --all"));
    };
    let large = |_| {
        Failure::usage("the network takes images larger than any picture")
            .at(format_args!("{height} x {width} pixels"))
            .next("name test images instead: --index 0, or --all")
    };
    let side = |n: usize| u32::try_from(n).map_err(large);
    let (width, height) = (side(width)?, side(height)?);
    File::open(path)
        .map_err(|source| picture_failure(image::Error::Io { path: path.to_owned(), source }))?;
    let words = loaded.metadata.pictures.as_deref();
    let prepared = match words.and_then(|words| Look::from_words(words, width, height)) {
        // As those that the model has learned from.
        Some(look) => Prepared {
            pixels: pack::load(path, look).map_err(|what| unusable(path, &what))?,
            steps: vec![format!("as `weft data pack` does: {}", look.words())],
        },
        None => image::load(path, width, height).map_err(picture_failure)?,
    };
    terminal.note(format_args!("{} became {width} x {height} pixels:", path.display()));
    for step in &prepared.steps {
        terminal.note(format_args!("  - {step}"));
    }
    let names = vec![Name::Image(path.display().to_string())];
    Ok(Examples { pixels: prepared.pixels, names, truths: vec![None] })
}

/// Test images with what they show: those of these indices, or all.
fn tests(dataset: &Dataset, indices: Option<&[usize]>) -> Outcome<Examples> {
    let test = open(dataset, Half::Test)?;
    let Some(indices) = indices else {
        let names = (0..test.len()).map(Name::Index).collect();
        let truths = test.labels().iter().map(|l| Some(usize::from(*l))).collect();
        return Ok(Examples { pixels: test.images().to_vec(), names, truths });
    };
    let mut pixels = Vec::with_capacity(indices.len() * test.features());
    for &index in indices {
        let image = test.image(index).ok_or_else(|| no_such_image(index, test.len()))?;
        pixels.extend_from_slice(image);
    }
    let names = indices.iter().copied().map(Name::Index).collect();
    let truths = indices.iter().map(|&i| test.label(i).map(usize::from)).collect();
    Ok(Examples { pixels, names, truths })
}

/// An index past the last image.
pub(super) fn no_such_image(index: usize, count: usize) -> Failure {
    Failure::usage(format_args!("there is no test image {index}")).at("--index").next(format_args!(
        "the {} test images count from 0 to {}",
        Grouped(count),
        count - 1
    ))
}

fn predictions<'p>(
    examples: &'p Examples,
    probabilities: &'p [f32],
    names: &'p [String],
) -> Vec<Prediction<'p>> {
    let rows = probabilities.chunks_exact(names.len());
    let known = examples.names.iter().zip(&examples.truths);
    rows.zip(known)
        .map(|(probabilities, (name, &truth))| {
            let class = kernels::first_largest(probabilities);
            Prediction {
                name,
                class,
                class_name: &names[class],
                probability: probabilities[class],
                truth,
                truth_name: truth.and_then(|t| names.get(t)).map(String::as_str),
                probabilities,
            }
        })
        .collect()
}

fn json(predictions: &[Prediction<'_>]) -> Outcome<Vec<u8>> {
    let lines = predictions.iter().map(|p| events::line("prediction", p));
    Ok(lines.collect::<Outcome<Vec<_>>>()?.concat())
}

/// A header, then a row an image; the columns of the probabilities have the names of the classes.
fn csv(predictions: &[Prediction<'_>], names: &[String]) -> Outcome<Vec<u8>> {
    let failed = |e: csv::Error| Failure::new(Code::Other, "cannot write CSV").at(e);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let known = ["image", "class", "class_name", "truth", "truth_name"];
    writer
        .write_record(known.into_iter().chain(names.iter().map(String::as_str)))
        .map_err(failed)?;
    for p in predictions {
        let truth = p.truth.map(|t| t.to_string()).unwrap_or_default();
        let mut row = vec![p.name.to_string(), p.class.to_string(), p.class_name.to_owned(), truth];
        row.push(p.truth_name.unwrap_or_default().to_owned());
        row.extend(p.probabilities.iter().map(f32::to_string));
        writer.write_record(row).map_err(failed)?;
    }
    writer.into_inner().map_err(|e| Failure::new(Code::Other, "cannot write CSV").at(e))
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Name::Index(index) => index.fmt(f),
            Name::Image(path) => f.pad(path),
        }
    }
}

/// Whether it is right, if that is known.
fn verdict(p: &Prediction<'_>) -> String {
    match (p.truth, p.truth_name) {
        (None, _) => String::new(),
        (Some(truth), _) if truth == p.class => format!("{GOOD}right{GOOD:#}"),
        (Some(_), Some(name)) => format!("{BAD}wrong: it is {name}{BAD:#}"),
        (Some(truth), None) => format!("{BAD}wrong: it is class {truth}{BAD:#}"),
    }
}

/// A line an image.
fn table(predictions: &[Prediction<'_>]) -> String {
    let columns = predictions.iter().map(|p| width(p.class_name)).max().unwrap_or(0);
    let mut text = String::new();
    for p in predictions {
        let (percent, name) = (100.0 * p.probability, fit(p.class_name, columns));
        let line = format!("{:>5}  {name}  {percent:5.1}%  {}", p.name, verdict(p));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// All probabilities of every image, whose lines with bars have so many columns at most.
fn details(predictions: &[Prediction<'_>], names: &[String], most: usize) -> String {
    let room = most.saturating_sub("    100.00%  ".len());
    let longest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let columns = longest.min(room.saturating_sub(SHORT_BAR).max(NAME)).min(room);
    let full = BAR.min(room - columns) as f32;
    let mut text = String::new();
    for p in predictions {
        let what = if matches!(p.name, Name::Index(_)) { "Test image " } else { "" };
        let (percent, verdict) = (100.0 * p.probability, verdict(p));
        let comma = if verdict.is_empty() { "" } else { ", " };
        let head = format!("{what}{}: {} ({percent:.1}%){comma}{verdict}", p.name, p.class_name);
        let _ = writeln!(text, "{head}");
        for (name, probability) in names.iter().zip(p.probabilities) {
            let bar = "█".repeat((probability * full).round() as usize);
            let name = fit(name, columns);
            let line = format!("  {name}  {:6.2}%  {bar}", 100.0 * probability);
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_names_fit_the_terminal() {
        let names = ["Coat".to_owned(), "A sandal with many straps".to_owned()];
        let prediction = Prediction {
            name: &Name::Index(0),
            class: 1,
            class_name: &names[1],
            probability: 1.0,
            probabilities: &[0.0, 1.0],
            truth: None,
            truth_name: None,
        };
        let lines = |most: usize| -> Vec<String> {
            let text = details(std::slice::from_ref(&prediction), &names, most);
            text.lines().skip(1).map(str::to_owned).collect()
        };
        let bar = |line: &str| line.chars().filter(|c| *c == '█').count();
        assert_eq!((bar(&lines(80)[1]), width(&lines(80)[1])), (BAR, 25 + 13 + BAR));
        for most in [40, 30] {
            assert!(lines(most).iter().all(|line| width(line) <= most), "{:?}", lines(most));
            assert_eq!(bar(&lines(most)[1]), SHORT_BAR, "{most} columns");
        }
        assert!(lines(20).iter().all(|line| width(line) <= 20), "{:?}", lines(20));
    }
}
