//! Images beside the bar charts of their probabilities.

use super::bars::{Axes, MOST, NUMBERS, SCALE, Verdict, chart, count};
use super::{MARGIN, cell, cells};
use crate::plot::canvas::{Canvas, Label};
use crate::plot::style::{BODY, LARGE};
use crate::plot::surface::Area;
use crate::plot::{Error, Prediction};

/// The side of a single image: 10 units a pixel of 28.
const SIDE: f64 = 280.0;
const GAP: f64 = 28.0;
const CAPTION: f64 = 40.0;

fn chart_width(classes: usize) -> f64 {
    (count(classes, MOST) as f64 * 12.0).max(300.0)
}

/// The sheet of one prediction.
pub(super) fn one_sheet(classes: usize) -> (f64, f64) {
    (MARGIN + SIDE + GAP + SCALE + chart_width(classes) + MARGIN, MARGIN + SIDE + CAPTION + MARGIN)
}

/// Draws one image and its bars.
pub(super) fn one(
    canvas: &Canvas<'_>,
    prediction: &Prediction<'_>,
    class_names: &[String],
) -> Result<(), Error> {
    let image = Area::new(MARGIN, MARGIN, SIDE, SIDE);
    let bars_x = image.right() + GAP + SCALE;
    // The top of the scale needs room for its label.
    let bars = Area::new(bars_x, MARGIN + 5.0, chart_width(class_names.len()), SIDE - 5.0);
    let verdict = Verdict::of(prediction.probabilities, prediction.truth);
    canvas.image(prediction.image, prediction.image.greys(), image)?;
    chart(canvas, bars, prediction.probabilities, &verdict, Axes::Scale)?;
    let caption = verdict.fitted(canvas, class_names, LARGE, bars.right() - MARGIN);
    let at = (MARGIN, image.bottom() + 30.0);
    canvas.label(Label::new(&caption, at).size(LARGE).colour(verdict.colour()))
}

/// The side of an image of a grid: 5 units a pixel of 28.
const THUMB: f64 = 140.0;
const THUMB_GAP: f64 = 16.0;
const COLUMN_GAP: f64 = 44.0;
const ROW_GAP: f64 = 22.0;
const NAME: f64 = 16.0;

fn pitch(classes: usize) -> (f64, f64) {
    let bars = (count(classes, MOST) as f64 * 6.0).max(THUMB);
    (THUMB + THUMB_GAP + bars, THUMB + NUMBERS + NAME)
}

/// The sheet of a grid of predictions.
pub(super) fn grid_sheet(count: usize, classes: usize, columns: usize) -> (f64, f64) {
    let ((columns, rows), (w, h)) = (cells(count, columns), pitch(classes));
    (
        2.0 * MARGIN + columns * (w + COLUMN_GAP) - COLUMN_GAP,
        2.0 * MARGIN + rows * (h + ROW_GAP) - ROW_GAP,
    )
}

/// Draws many images, each with its bars and a caption under both.
pub(super) fn grid(
    canvas: &Canvas<'_>,
    items: &[Prediction<'_>],
    class_names: &[String],
    columns: usize,
) -> Result<(), Error> {
    let (w, h) = pitch(class_names.len());
    for (i, item) in items.iter().enumerate() {
        let (column, row) = cell(i, columns);
        let (x, y) = (MARGIN + column * (w + COLUMN_GAP), MARGIN + row * (h + ROW_GAP));
        let image = Area::new(x, y, THUMB, THUMB);
        let bars_x = image.right() + THUMB_GAP;
        let bars = Area::new(bars_x, y, x + w - bars_x, THUMB);
        let verdict = Verdict::of(item.probabilities, item.truth);
        canvas.image(item.image, item.image.greys(), image)?;
        chart(canvas, bars, item.probabilities, &verdict, Axes::Plain)?;
        let caption = verdict.fitted(canvas, class_names, BODY, w);
        let at = (x, image.bottom() + NUMBERS + NAME / 2.0);
        canvas.label(Label::new(&caption, at).colour(verdict.colour()))?;
    }
    Ok(())
}
