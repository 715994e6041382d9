//! Axes with chosen ticks, and the empty chart between two of them.

use super::round_ticks;
use crate::plot::Error;
use crate::plot::canvas::Canvas;
use crate::plot::style::{FAINT, LINE, MUTED, SMALL};
use crate::plot::surface::{Area, Surface};
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle};
use std::ops::Range;

/// Space for the numbers left of and under a chart, and for the name of the horizontal axis.
pub(super) const LEFT: f64 = 48.0;
pub(super) const BELOW: f64 = 44.0;

/// How a value of an axis with this step is written.
pub(super) type Write = fn(f64, f64) -> String;

/// A chart without curves.
pub(super) type Chart<'c> = ChartContext<'c, Surface<'c>, Cartesian2d<Axis, Axis>>;

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
    pub(super) fn epochs(epochs: usize) -> Self {
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

/// The style of a line.
pub(super) fn line(canvas: &Canvas<'_>, colour: RGBColor, width: f64) -> ShapeStyle {
    ShapeStyle { color: colour.to_rgba(), filled: true, stroke_width: canvas.steps(width) }
}

/// Draws the axes of a chart whose curves fill `plot`.
pub(super) fn chart<'c>(
    canvas: &Canvas<'c>,
    plot: Area,
    [across, up]: [Axis; 2],
    [write_across, write_up]: [Write; 2],
) -> Result<Chart<'c>, Error> {
    let steps = [across.step, up.step];
    let outside = Area::new(plot.x - LEFT, plot.y, plot.w + LEFT, plot.h + BELOW);
    let mut chart = ChartBuilder::on(&canvas.part(outside))
        .x_label_area_size(canvas.steps(BELOW))
        .y_label_area_size(canvas.steps(LEFT))
        .build_cartesian_2d(across, up)?;
    let font = ("Inter", f64::from(canvas.steps(SMALL))).into_font().color(&MUTED);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .set_all_tick_mark_size(canvas.steps(4.0))
        .max_light_lines(1)
        .bold_line_style(line(canvas, FAINT, 1.0))
        .light_line_style(line(canvas, FAINT, 1.0))
        .axis_style(line(canvas, LINE, 1.0))
        .x_label_style(font.clone().pos(Pos::new(HPos::Center, VPos::Top)))
        .y_label_style(font.pos(Pos::new(HPos::Right, VPos::Center)))
        .x_label_formatter(&|value| write_across(*value, steps[0]))
        .y_label_formatter(&|value| write_up(*value, steps[1]))
        .draw()?;
    Ok(chart)
}
