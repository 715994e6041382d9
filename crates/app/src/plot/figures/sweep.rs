//! The loss over growing learning rates.

use super::MARGIN;
use super::axes::{self, Axis, BELOW, LEFT, Write, number};
use crate::plot::Error;
use crate::plot::canvas::{Canvas, Label};
use crate::plot::style::{BLUE, GREY, LARGE, MUTED, ORANGE, SMALL};
use crate::plot::surface::Area;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::Color;
use plotters_backend::text_anchor::HPos;

/// The sheet.
pub(super) const SHEET: (f64, f64) = (720.0, 420.0);
const HEADER: f64 = 48.0;

/// Draws the losses of a range test, and the rate that it suggests.
pub(super) fn draw(
    canvas: &Canvas<'_>,
    rates: &[f64],
    (losses, smoothed): (&[f64], &[f64]),
    suggestion: Option<f64>,
) -> Result<(), Error> {
    let room = Area::new(MARGIN, MARGIN, SHEET.0 - 2.0 * MARGIN, SHEET.1 - 2.0 * MARGIN);
    let plot = Area::new(room.x + LEFT, room.y + HEADER, room.w - LEFT, room.h - HEADER - BELOW);
    canvas.label(
        Label::new("Loss while the learning rate grows", (plot.x, room.y + 10.0)).size(LARGE),
    )?;
    let at = (plot.x + plot.w / 2.0, room.bottom() - 6.0);
    canvas.label(Label::new("learning rate", at).size(SMALL).colour(MUTED).end(HPos::Center))?;

    let across = Axis::decades(rates[0], rates[rates.len() - 1]);
    // Losses of single steps may lie far above the curve, and are then left out; below it, none are.
    let highest = smoothed.iter().copied().fold(f64::MIN, f64::max);
    let shown = losses.iter().filter(|loss| **loss <= highest);
    let up = Axis::holding(smoothed.iter().chain(shown).copied());
    let (left, right, low, high) = (across.low, across.high, up.low, up.high);
    let write: [Write; 2] = [|power, _| format!("1e{power:.0}"), number];
    let mut chart = axes::chart(canvas, plot, [across, up], write)?;
    let points = |values: &[f64]| {
        let points = rates.iter().zip(values).filter(|(_, v)| (low..=high).contains(*v));
        points.map(|(rate, v)| (rate.log10(), *v)).collect::<Vec<_>>()
    };
    let dot = |at| Circle::new(at, canvas.steps(1.5), GREY.filled());
    chart.draw_series(points(losses).into_iter().map(dot))?;
    chart.draw_series(LineSeries::new(points(smoothed), axes::line(canvas, BLUE, 2.0)))?;
    let place = |rate: f64| plot.x + (rate.log10() - left) / (right - left) * plot.w;
    if let Some(rate) = suggestion {
        let x = place(rate);
        canvas.rect(Area::new(x - 0.75, plot.y, 1.5, plot.h), ORANGE)?;
        let text = format!("{rate:.1e}");
        // On the side where there is room.
        let (x, end) =
            if x < plot.x + plot.w / 2.0 { (x + 8.0, HPos::Left) } else { (x - 8.0, HPos::Right) };
        canvas.label(Label::new(&text, (x, plot.y + 10.0)).size(SMALL).colour(ORANGE).end(end))?;
    }
    Ok(())
}
