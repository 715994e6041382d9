//! One image with its colour bar, and many with their names.

use super::{MARGIN, cell, cells, round_ticks};
use crate::plot::canvas::{Canvas, Label};
use crate::plot::style::{BODY, ColourMap, LARGE, LINE, MUTED, SMALL};
use crate::plot::surface::Area;
use crate::plot::{Error, Image, Labelled};
use plotters_backend::text_anchor::HPos;

/// The longer side of a single image: 17 units a pixel of 28.
const SINGLE: f64 = 476.0;
const TICK: f64 = 5.0;
/// From an axis to the middle of its labels.
const TICK_LABEL: f64 = 18.0;
/// Space left of the image for the row numbers.
const LEFT: f64 = 40.0;
/// Space between the image and its colour bar, the bar, and its numbers.
const BAR_GAP: f64 = 28.0;
const BAR: f64 = 22.0;
const BAR_LABELS: f64 = 36.0;

fn title_height(title: &str) -> f64 {
    if title.is_empty() { 0.0 } else { 34.0 }
}

/// The least height of the colour bar, so that its numbers do not touch.
const LEAST_BAR: f64 = 120.0;

/// The size at which a single image is shown.
fn shape(image: Image<'_>) -> (f64, f64) {
    let (w, h) = (f64::from(image.width()), f64::from(image.height()));
    let factor = SINGLE / w.max(h);
    let factor = if factor >= 1.0 { factor.floor() } else { factor };
    ((w * factor).max(1.0), (h * factor).max(1.0))
}

/// The sheet of one image.
pub(super) fn single_sheet(image: Image<'_>, title: &str) -> (f64, f64) {
    let (w, h) = shape(image);
    let width = MARGIN + LEFT + w + BAR_GAP + BAR + BAR_LABELS + MARGIN;
    (width, MARGIN + title_height(title) + h.max(LEAST_BAR) + 26.0 + MARGIN)
}

/// Draws one image with pixel coordinates and a colour bar.
pub(super) fn single(canvas: &Canvas<'_>, image: Image<'_>, title: &str) -> Result<(), Error> {
    let top = MARGIN + title_height(title);
    let (w, h) = shape(image);
    let room = Area::new(MARGIN + LEFT, top, w, h.max(LEAST_BAR));
    let shown = canvas.image(image, ColourMap::Viridis, room)?;
    if !title.is_empty() {
        let text = canvas.fit(title, LARGE, w + BAR_GAP + BAR + BAR_LABELS);
        canvas.label(Label::new(&text, (shown.x, room.y - 16.0)).size(LARGE).above())?;
    }
    coordinates(canvas, image, shown)?;
    let height = shown.h.max(LEAST_BAR);
    let bar = Area::new(shown.right() + BAR_GAP, room.y + (room.h - height) / 2.0, BAR, height);
    colour_bar(canvas, bar)
}

/// Numbers of columns or rows, as many as `length` has room for.
fn numbers(pixels: f64, length: f64) -> Vec<f64> {
    let count = (length / 60.0).floor().min(6.0);
    if count < 1.0 {
        return vec![0.0];
    }
    let (_, ticks) = round_ticks(0.0, pixels - 1.0, count);
    ticks.into_iter().filter(|tick| tick.fract() == 0.0).collect()
}

/// Column and row numbers, at the middle of their pixels.
fn coordinates(canvas: &Canvas<'_>, image: Image<'_>, shown: Area) -> Result<(), Error> {
    let (columns, rows) = (f64::from(image.width()), f64::from(image.height()));
    for tick in numbers(columns, shown.w) {
        let x = shown.x + (tick + 0.5) * shown.w / columns;
        canvas.stem((x - canvas.hair() / 2.0, shown.bottom() + canvas.hair()), TICK, LINE)?;
        let label = tick.to_string();
        let label = Label::new(&label, (x, shown.bottom() + TICK_LABEL)).end(HPos::Center);
        canvas.label(label.size(SMALL).colour(MUTED))?;
    }
    for tick in numbers(rows, shown.h) {
        let y = shown.y + (tick + 0.5) * shown.h / rows;
        let start = shown.x - canvas.hair() - TICK;
        canvas.rule((start, y - canvas.hair() / 2.0), TICK, LINE)?;
        let label = tick.to_string();
        let label = Label::new(&label, (start - 5.0, y)).end(HPos::Right);
        canvas.label(label.size(SMALL).colour(MUTED))?;
    }
    Ok(())
}

fn colour_bar(canvas: &Canvas<'_>, bar: Area) -> Result<(), Error> {
    canvas.scale_bar(ColourMap::Viridis, bar)?;
    for intensity in [0.0, 50.0, 100.0, 150.0, 200.0, 255.0] {
        // The bar has 256 steps; its ends are the ends of the scale.
        let y = bar.bottom() - intensity / 255.0 * bar.h;
        let inside = y.clamp(bar.y, bar.bottom() - canvas.hair());
        canvas.rule((bar.right(), inside), TICK, LINE)?;
        let label = intensity.to_string();
        let at = (bar.right() + TICK + 5.0, inside + canvas.hair() / 2.0);
        canvas.label(Label::new(&label, at).size(SMALL).colour(MUTED))?;
    }
    Ok(())
}

/// The side of an image of a gallery: 5 units a pixel of 28.
const THUMB: f64 = 140.0;
const THUMB_GAP: f64 = 22.0;
/// Space under an image for its name.
const NAME: f64 = 24.0;
const ROW_GAP: f64 = 14.0;

/// The sheet of a gallery.
pub(super) fn gallery_sheet(count: usize, columns: usize) -> (f64, f64) {
    let (columns, rows) = cells(count, columns);
    (
        2.0 * MARGIN + columns * (THUMB + THUMB_GAP) - THUMB_GAP,
        2.0 * MARGIN + rows * (THUMB + NAME + ROW_GAP) - ROW_GAP,
    )
}

/// Draws many images with their names.
pub(super) fn gallery(
    canvas: &Canvas<'_>,
    items: &[Labelled<'_>],
    class_names: &[String],
    columns: usize,
) -> Result<(), Error> {
    for (i, item) in items.iter().enumerate() {
        let (column, row) = cell(i, columns);
        let x = MARGIN + column * (THUMB + THUMB_GAP);
        let y = MARGIN + row * (THUMB + NAME + ROW_GAP);
        canvas.image(item.image, item.image.greys(), Area::new(x, y, THUMB, THUMB))?;
        let name = canvas.fit(&class_names[item.label], BODY, THUMB + THUMB_GAP - 6.0);
        let at = (x + THUMB / 2.0, y + THUMB + 15.0);
        canvas.label(Label::new(&name, at).end(HPos::Center))?;
    }
    Ok(())
}
