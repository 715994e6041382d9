//! The report of a run: one HTML file that needs nothing else.
//!
//! [`render`] makes it from plain data. Charts are SVG, images PNG inside the file, and a content security policy
//! forbids to fetch anything; there is no script. All text is escaped by the template library (maud).

mod calibration;
mod chart;
mod classes;
mod figures;
mod learning;
mod mistakes;
mod picture;
mod provenance;
mod speed;
mod summary;
mod weights;

pub use classes::MOST_CLASSES;
pub use summary::over_fitting;

use crate::numbers::{Percent, grouped};
use crate::plot;
use idx::Labelled;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use nn::metrics::{Calibration, Confusion, Scored};
use serde_json::Value;

/// Bins of the calibration, as in C. Guo et al., 2017.
const BINS: usize = 15;
/// What browsers may load: what is in the file.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";
const STYLE: &str = include_str!("style.css");

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Probabilities, labels and classes do not fit together.
    #[error(transparent)]
    Scores(#[from] nn::Error),
    /// A picture could not be encoded.
    #[error("a picture could not be encoded as PNG: {0}")]
    Picture(#[from] png::EncodingError),
    /// A figure could not be drawn.
    #[error(transparent)]
    Figure(#[from] plot::Error),
}

/// An epoch, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Epoch {
    /// Mean loss on the training images.
    pub loss: f64,
    /// Share of the training images classified right.
    pub accuracy: f64,
    /// Mean loss on the validation images.
    pub validation_loss: Option<f64>,
    /// Share of the validation images classified right.
    pub validation_accuracy: Option<f64>,
    /// Learning rate at its end.
    pub learning_rate: Option<f64>,
    /// Wall time in seconds.
    pub seconds: Option<f64>,
    /// Steps.
    pub steps: Option<usize>,
}

/// The weights of the first dense layer.
#[derive(Clone, Debug)]
pub struct FirstLayer {
    /// Row-major, an input a row, a unit a column.
    pub weights: Vec<f32>,
    /// Units.
    pub units: usize,
    /// Whether the units are the classes: there is no hidden layer.
    pub is_output: bool,
}

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct Report<'r> {
    /// What the run is called.
    pub name: &'r str,
    /// Names of the classes.
    pub class_names: &'r [String],
    /// The test images.
    pub test: &'r Labelled,
    /// Whether 0 is black in the images, as in photos: else it is the paper.
    pub photos: bool,
    /// Probabilities of the classes for every test image, row-major.
    pub probabilities: &'r [f32],
    /// Mean cross-entropy on the test images.
    pub test_loss: f64,
    /// The epochs, if they are known.
    pub history: &'r [Epoch],
    /// The first layer, if its inputs are the pixels of an image.
    pub first_layer: Option<FirstLayer>,
    /// Parameters of the network.
    pub parameters: usize,
    /// The figures: what each is, and the figure.
    pub figures: &'r [(String, plot::Figure<'r>)],
    /// What `run.json` tells, or null.
    pub record: &'r Value,
    /// What the reader must know before all else.
    pub warnings: &'r [String],
}

/// A report and what was computed for it.
struct Facts<'r> {
    report: &'r Report<'r>,
    confusion: Confusion,
    calibration: Calibration,
    /// What each test image is, is taken for, and the loss on it.
    truths: Vec<usize>,
    predicted: Vec<usize>,
    losses: Vec<f64>,
    /// Shares of the test images whose class is among the first two, and the first three.
    top: [f64; 2],
}

impl<'r> Facts<'r> {
    fn new(report: &'r Report<'r>) -> Result<Facts<'r>, Error> {
        let labels = report.test.labels();
        let scored = Scored::new(report.probabilities, labels, report.class_names.len())?;
        Ok(Facts {
            report,
            confusion: scored.confusion(),
            calibration: scored.calibration(BINS),
            truths: labels.iter().map(|l| usize::from(*l)).collect(),
            predicted: scored.predicted().collect(),
            losses: scored.losses(),
            top: [2, 3].map(|k| scored.top_k(k)),
        })
    }

    fn name(&self, class: usize) -> &str {
        &self.report.class_names[class]
    }

    /// The probability of a class for a test image.
    fn probability(&self, image: usize, class: usize) -> f64 {
        f64::from(self.report.probabilities[image * self.report.class_names.len() + class])
    }

    /// The test images that are taken for another class, the worst first.
    fn mistakes(&self) -> Vec<usize> {
        let wrong = |i: &usize| self.truths[*i] != self.predicted[*i];
        let mut wrong: Vec<usize> = (0..self.truths.len()).filter(wrong).collect();
        wrong.sort_by(|a, b| self.losses[*b].total_cmp(&self.losses[*a]));
        wrong
    }

    /// The epoch whose weights the model has: the best where those were restored, else the last. With its number if it is not
    /// the last.
    fn kept(&self) -> Option<(&Epoch, Option<usize>)> {
        let Report { history, record, .. } = self.report;
        let restored = record["settings"]["validation"]["restore_best"].as_bool() == Some(true);
        let best = record["result"]["best_epoch"].as_u64().filter(|_| restored);
        let best = best.and_then(|best| usize::try_from(best).ok()).filter(|b| *b < history.len());
        match best.and_then(|best| Some((history.get(best.checked_sub(1)?)?, best))) {
            Some((epoch, best)) => Some((epoch, Some(best))),
            None => history.last().map(|last| (last, None)),
        }
    }
}

/// A part of the page: where links lead, what they are called, its title, what is in it.
struct Section {
    id: &'static str,
    short: &'static str,
    title: &'static str,
    body: Markup,
}

impl Section {
    fn new([id, short, title]: [&'static str; 3], body: Markup) -> Section {
        Section { id, short, title, body }
    }
}

/// Makes the report: the text of an HTML file.
///
/// # Errors
/// [`Error::Scores`] if probabilities, labels and names do not fit together; [`Error::Figure`] and
/// [`Error::Picture`] if a figure or an image cannot be drawn.
pub fn render(report: &Report<'_>) -> Result<String, Error> {
    let facts = Facts::new(report)?;
    let sections: Vec<Section> = [
        learning::section(&facts),
        Some(classes::table(&facts)),
        Some(classes::matrix(&facts)?),
        mistakes::pairs(&facts)?,
        mistakes::worst(&facts)?,
        Some(calibration::section(&facts)),
        weights::section(&facts)?,
        figures::section(&facts)?,
        speed::section(&facts),
        provenance::section(&facts),
    ]
    .into_iter()
    .flatten()
    .collect();
    Ok(page(&facts, &sections).into_string())
}

fn page(facts: &Facts<'_>, sections: &[Section]) -> Markup {
    let title = format!("{} · weft report", facts.report.name);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(format!("weft {}", env!("CARGO_PKG_VERSION")));
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "To the report" }
                (summary::header(facts))
                nav aria-label="Sections" {
                    ul { @for s in sections { li { a href=(format!("#{}", s.id)) { (s.short) } } } }
                }
                main #main {
                    (summary::section(facts))
                    @for s in sections {
                        section id=(s.id) aria-labelledby=(format!("{}-title", s.id)) {
                            h2 id=(format!("{}-title", s.id)) { (s.title) }
                            (s.body)
                        }
                    }
                }
                footer { "Made by weft " (env!("CARGO_PKG_VERSION")) ". Everything is in this file; it loads nothing." }
            }
        }
    }
}

/// A time in a unit that suits it.
fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.1} µs", s * 1e6),
    }
}
