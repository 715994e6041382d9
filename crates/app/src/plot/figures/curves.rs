//! Loss and accuracy over the epochs.

use super::axes::{self, Axis, BELOW, LEFT, Write, number};
use super::{MARGIN, cell};
use crate::plot::canvas::{Canvas, Label};
use crate::plot::style::{BLUE, BODY, GREY, INK, LARGE, MUTED, ORANGE, PAPER, RED, SMALL};
use crate::plot::surface::Area;
use crate::plot::{Curve, Epoch, Error, MOST_RUNS};
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::{Color, RGBColor};
use plotters_backend::text_anchor::HPos;

/// The sheet: two panels side by side.
pub(super) const SHEET: (f64, f64) = (980.0, 380.0);

const HEADER: f64 = 44.0;
const GAP: f64 = 40.0;
/// Space for the numbers right of a panel.
const RIGHT: f64 = 52.0;

/// Height of a line of the names of runs.
const NAME: f64 = 24.0;
/// Names of runs side by side.
const NAMES: usize = 3;
/// Colours of runs, as far apart as lines can be.
const COLOURS: [RGBColor; MOST_RUNS] =
    [BLUE, ORANGE, RGBColor(0x00, 0x80, 0x5A), RED, RGBColor(0x7A, 0x3E, 0xB1), INK, GREY, OLIVE];
const OLIVE: RGBColor = RGBColor(0x8A, 0x7A, 0x00);

/// One curve.
struct Series {
    values: Vec<f64>,
    colour: RGBColor,
    /// Of the line; thin ones have no dots and no number at their end.
    width: f64,
}

impl Series {
    fn new(epochs: &[Epoch], of: Metric, colour: RGBColor) -> Self {
        Self { values: epochs.iter().map(of).collect(), colour, width: THICK }
    }

    fn thin(self) -> Self {
        Self { width: THIN, ..self }
    }
}

type Metric = fn(&Epoch) -> f64;
const THICK: f64 = 2.0;
const THIN: f64 = 1.0;

/// Curves of one metric. The last are drawn first.
struct Panel<'a> {
    title: &'a str,
    series: Vec<Series>,
    /// Names of curves, from the right.
    legend: &'a [(&'a str, RGBColor)],
    format: Write,
}

/// The two metrics of an epoch.
const METRICS: [(&str, Metric, Write); 2] =
    [("Loss", |e| e.loss, number), ("Accuracy", |e| e.accuracy, share)];

/// Draws loss and accuracy of one run.
pub(super) fn draw(
    canvas: &Canvas<'_>,
    training: &[Epoch],
    validation: &[Epoch],
) -> Result<(), Error> {
    let both = [("validation", ORANGE), ("training", BLUE)];
    let legend = if validation.is_empty() { &[][..] } else { &both };
    panels(canvas, 0.0, |(title, of, format)| {
        let series = [(training, BLUE), (validation, ORANGE)];
        let series = series.map(|(epochs, colour)| Series::new(epochs, of, colour)).into();
        Panel { title, series, legend, format }
    })
}

/// The sheet for these runs: their names above the panels.
pub(super) fn comparison_sheet(runs: usize) -> (f64, f64) {
    (SHEET.0, SHEET.1 + NAME * runs.div_ceil(NAMES) as f64)
}

/// Draws loss and accuracy of several runs.
pub(super) fn compare(canvas: &Canvas<'_>, runs: &[Curve<'_>]) -> Result<(), Error> {
    let width = (SHEET.0 - 2.0 * MARGIN) / NAMES as f64;
    for (i, (run, colour)) in runs.iter().zip(COLOURS).enumerate() {
        let (column, row) = cell(i, NAMES);
        let (x, y) = (MARGIN + column * width, MARGIN + row * NAME);
        canvas.rect(Area::new(x, y - 1.0, 20.0, 2.0), colour)?;
        let name = canvas.fit(run.name, BODY, width - 26.0 - 12.0);
        canvas.label(Label::new(&name, (x + 26.0, y)))?;
    }
    let validated = runs.iter().any(|run| !run.validation.is_empty());
    let legend = [("thin: validation", PAPER)];
    let legend = if validated { &legend[..] } else { &[] };
    panels(canvas, comparison_sheet(runs.len()).1 - SHEET.1, |(title, of, format)| {
        let all = || runs.iter().zip(COLOURS);
        let training = all().map(|(run, colour)| Series::new(run.training, of, colour));
        let validation = all().map(|(run, colour)| Series::new(run.validation, of, colour).thin());
        Panel { title, series: training.chain(validation).collect(), legend, format }
    })
}

/// Draws a panel of each metric, side by side.
fn panels<'a>(
    canvas: &Canvas<'_>,
    top: f64,
    panel: impl Fn((&'static str, Metric, Write)) -> Panel<'a>,
) -> Result<(), Error> {
    let width = (SHEET.0 - 2.0 * MARGIN - GAP) / 2.0;
    for (metric, x) in METRICS.into_iter().zip([MARGIN, MARGIN + width + GAP]) {
        let room = Area::new(x, top + MARGIN, width, SHEET.1 - 2.0 * MARGIN);
        panel(metric).draw(canvas, room)?;
    }
    Ok(())
}

fn share(value: f64, step: f64) -> String {
    format!("{}%", number(value * 100.0, step * 100.0))
}

impl Panel<'_> {
    fn draw(&self, canvas: &Canvas<'_>, room: Area) -> Result<(), Error> {
        let plot = Area::new(
            room.x + LEFT,
            room.y + HEADER,
            room.w - LEFT - RIGHT,
            room.h - HEADER - BELOW,
        );
        canvas.label(Label::new(self.title, (plot.x, room.y + 10.0)).size(LARGE))?;
        self.names(canvas, plot.right(), room.y + 10.0)?;
        let at = (plot.x + plot.w / 2.0, room.bottom() - 6.0);
        canvas.label(Label::new("epoch", at).size(SMALL).colour(MUTED).end(HPos::Center))?;
        self.chart(canvas, plot)?;
        self.last_values(canvas, plot)
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.series.iter().flat_map(|series| &series.values).copied()
    }

    fn chart(&self, canvas: &Canvas<'_>, plot: Area) -> Result<(), Error> {
        let across = Axis::epochs(self.series.iter().map(|s| s.values.len()).max().unwrap_or(0));
        let up = Axis::holding(self.values());
        let write: [Write; 2] = [|epoch, _| format!("{epoch:.0}"), self.format];
        let mut chart = axes::chart(canvas, plot, [across, up], write)?;
        for Series { values, colour, width } in self.series.iter().rev() {
            let (colour, width) = (*colour, *width);
            let points = || (1..).zip(values).map(|(epoch, v)| (f64::from(epoch), *v));
            chart.draw_series(LineSeries::new(points(), axes::line(canvas, colour, width)))?;
            if values.len() <= 30 && width == THICK {
                let dots = points().map(|p| Circle::new(p, canvas.steps(3.5), colour.filled()));
                chart.draw_series(dots)?;
            }
        }
        Ok(())
    }

    /// The last value of each curve, right of it, moved apart if they would touch.
    fn last_values(&self, canvas: &Canvas<'_>, plot: Area) -> Result<(), Error> {
        let Axis { low, high, step, .. } = Axis::holding(self.values());
        let height = |v: f64| plot.bottom() - (v - low) / (high - low) * plot.h;
        let ends = self.series.iter().filter(|s| s.width == THICK);
        let mut ends: Vec<(f64, f64, RGBColor)> =
            ends.filter_map(|s| s.values.last().map(|v| (height(*v), *v, s.colour))).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Pairs that touch move apart, which may make others touch.
        let count = ends.len();
        for pair in (0..count).flat_map(|_| 1..count) {
            let overlap = (SMALL + 3.0 - (ends[pair].0 - ends[pair - 1].0)).max(0.0);
            ends[pair - 1].0 -= overlap / 2.0;
            ends[pair].0 += overlap / 2.0;
        }
        for (y, value, colour) in ends {
            // Finer than the axis, as far as there is room.
            let step = if value < 100.0 { (step / 10.0).min(0.001) } else { step / 10.0 };
            let text = (self.format)(value, step);
            canvas.label(Label::new(&text, (plot.right() + 6.0, y)).size(SMALL).colour(colour))?;
        }
        Ok(())
    }

    /// Names the curves, right-aligned.
    fn names(&self, canvas: &Canvas<'_>, right: f64, y: f64) -> Result<(), Error> {
        let mut end = right;
        for (name, colour) in self.legend {
            let start = end - canvas.width(name, BODY);
            canvas.label(Label::new(name, (start, y)).colour(INK))?;
            canvas.rect(Area::new(start - 26.0, y - 1.0, 20.0, 2.0), *colour)?;
            end = start - 26.0 - 18.0;
        }
        Ok(())
    }
}
