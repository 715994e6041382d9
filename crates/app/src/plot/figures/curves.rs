//! Loss and accuracy over the epochs.

use super::{MARGIN, cell, round_ticks};
use crate::plot::canvas::{Canvas, Label};
use crate::plot::style::{
    BLUE, BODY, FAINT, GREY, INK, LARGE, LINE, MUTED, ORANGE, PAPER, RED, SMALL,
};
use crate::plot::surface::Area;
use crate::plot::{Curve, Epoch, Error, MOST_RUNS};
use plotters::chart::ChartBuilder;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos as H, Pos, VPos as V};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle};
use plotters_backend::text_anchor::HPos;
use std::ops::Range;

/// The sheet: two panels side by side.
pub(super) const SHEET: (f64, f64) = (980.0, 380.0);

const HEADER: f64 = 44.0;
const GAP: f64 = 40.0;
/// Space for the numbers left of, under and right of a panel, and for the name of the horizontal axis.
const LEFT: f64 = 48.0;
const BELOW: f64 = 44.0;
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
/// How a value of an axis with this step is written.
type Write = fn(f64, f64) -> String;

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

/// Decimals that tell multiples of `step` apart.
fn decimals(step: f64) -> usize {
    (-(step * 1.000_001).log10().floor()).clamp(0.0, 6.0) as usize
}

pub(super) fn number(value: f64, step: f64) -> String {
    if value != 0.0 && (value.abs() >= 1e5 || step < 1e-5) {
        return format!("{value:.1e}");
    }
    format!("{value:.0$}", decimals(step))
}

fn share(value: f64, step: f64) -> String {
    format!("{}%", number(value * 100.0, step * 100.0))
}

/// A linear axis with chosen ticks.
#[derive(Clone)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) step: f64,
    ticks: Vec<f64>,
}

impl Axis {
    /// The vertical axis that holds all values, with round ends.
    pub(super) fn holding(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        // Equal values still need an axis with a height.
        let pad = if high - low > 1e-9 * high.abs() { 0.0 } else { high.abs().max(1e-3) * 0.05 };
        let (step, _) = round_ticks(low - pad, high + pad, 5.0);
        let ends = (((low - pad) / step).floor() * step, ((high + pad) / step).ceil() * step);
        let (_, ticks) = round_ticks(ends.0, ends.1, (ends.1 - ends.0) / step);
        Self { low: ends.0, high: ends.1, step, ticks }
    }

    /// The axis of the logarithms of these numbers, with a tick for each power of ten.
    pub(super) fn decades(first: f64, last: f64) -> Self {
        let (low, high) = (first.log10(), last.log10());
        let ticks = (low.ceil() as i32..=high.floor() as i32).map(f64::from).collect();
        Self { low, high, step: 1.0, ticks }
    }

    /// The horizontal axis of `epochs` epochs, counted from 1.
    fn epochs(epochs: usize) -> Self {
        let last = epochs as f64;
        let pad = if last > 1.0 { (last - 1.0) * 0.03 } else { 0.5 };
        let (step, ticks) = round_ticks(1.0, last, 6.0);
        let ticks = ticks.into_iter().filter(|t| t.fract() == 0.0).collect();
        Self { low: 1.0 - pad, high: last + pad, step, ticks }
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.low) / (self.high - self.low);
        limit.0 + (f64::from(limit.1 - limit.0) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // All ticks are bold.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
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
        let step = up.step;
        let outside = Area::new(plot.x - LEFT, plot.y, plot.w + LEFT, plot.h + BELOW);
        let mut chart = ChartBuilder::on(&canvas.part(outside))
            .x_label_area_size(canvas.steps(BELOW))
            .y_label_area_size(canvas.steps(LEFT))
            .build_cartesian_2d(across, up)?;
        let font = ("Inter", f64::from(canvas.steps(SMALL))).into_font().color(&MUTED);
        let line = |colour: RGBColor, width: f64| ShapeStyle {
            color: colour.to_rgba(),
            filled: true,
            stroke_width: canvas.steps(width),
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .set_all_tick_mark_size(canvas.steps(4.0))
            .max_light_lines(1)
            .bold_line_style(line(FAINT, 1.0))
            .light_line_style(line(FAINT, 1.0))
            .axis_style(line(LINE, 1.0))
            .x_label_style(font.clone().pos(Pos::new(H::Center, V::Top)))
            .y_label_style(font.pos(Pos::new(H::Right, V::Center)))
            .x_label_formatter(&|epoch| format!("{epoch:.0}"))
            .y_label_formatter(&|value| (self.format)(*value, step))
            .draw()?;
        for Series { values, colour, width } in self.series.iter().rev() {
            let (colour, width) = (*colour, *width);
            let points = || (1..).zip(values).map(|(epoch, v)| (f64::from(epoch), *v));
            chart.draw_series(LineSeries::new(points(), line(colour, width)))?;
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
