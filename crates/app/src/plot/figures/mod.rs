//! The layout of every figure, in units that are pixels at natural size.

mod axes;
mod bars;
mod check;
mod curves;
mod images;
mod predictions;
mod sweep;

pub(super) use check::check;

use super::canvas::Canvas;
use super::font::Face;
use super::{Error, Figure};

/// White space around a figure.
const MARGIN: f64 = 24.0;

/// The width and height that `figure` is designed for.
pub(super) fn sheet(figure: &Figure<'_>, face: &Face) -> (f64, f64) {
    match figure {
        Figure::Image { image, title } => images::single_sheet(*image, title),
        Figure::Gallery { items, columns, .. } => images::gallery_sheet(items.len(), *columns),
        Figure::Prediction { class_names, .. } => predictions::one_sheet(class_names.len()),
        Figure::Predictions { items, class_names, columns } => {
            predictions::grid_sheet(items.len(), class_names.len(), *columns)
        }
        Figure::Bars { class_names, .. } => bars::sheet(class_names, face),
        Figure::Curves { .. } => curves::SHEET,
        Figure::Sweep { .. } => sweep::SHEET,
        Figure::Comparison { curves } => curves::comparison_sheet(curves.len()),
    }
}

/// What `figure` shows, in words.
pub(super) fn title(figure: &Figure<'_>) -> String {
    match figure {
        Figure::Image { title: "", .. } => String::from("Image"),
        Figure::Image { title, .. } => (*title).to_owned(),
        Figure::Gallery { items, .. } => format!("{} images with their classes", items.len()),
        Figure::Prediction { prediction, class_names } => {
            bars::Verdict::of(prediction.probabilities, prediction.truth).caption(class_names)
        }
        Figure::Predictions { items, .. } => {
            format!("{} images with their predictions", items.len())
        }
        Figure::Bars { probabilities, truth, class_names } => {
            bars::Verdict::of(probabilities, *truth).caption(class_names)
        }
        Figure::Curves { .. } => String::from("Loss and accuracy over the epochs"),
        Figure::Sweep { .. } => String::from("Loss while the learning rate grows"),
        Figure::Comparison { curves } => {
            format!("Loss and accuracy of {} runs over the epochs", curves.len())
        }
    }
}

/// Draws a figure that was checked.
pub(super) fn draw(figure: &Figure<'_>, canvas: &Canvas<'_>) -> Result<(), Error> {
    match figure {
        Figure::Image { image, title } => images::single(canvas, *image, title),
        Figure::Gallery { items, class_names, columns } => {
            images::gallery(canvas, items, class_names, *columns)
        }
        Figure::Prediction { prediction, class_names } => {
            predictions::one(canvas, prediction, class_names)
        }
        Figure::Predictions { items, class_names, columns } => {
            predictions::grid(canvas, items, class_names, *columns)
        }
        Figure::Bars { probabilities, truth, class_names } => {
            bars::named(canvas, probabilities, *truth, class_names)
        }
        Figure::Curves { training, validation } => curves::draw(canvas, training, validation),
        Figure::Sweep { rates, losses, smoothed, suggestion } => {
            sweep::draw(canvas, rates, (losses, smoothed), *suggestion)
        }
        Figure::Comparison { curves } => curves::compare(canvas, curves),
    }
}

/// The position of item `index` in rows of `columns`.
fn cell(index: usize, columns: usize) -> (f64, f64) {
    ((index % columns) as f64, (index / columns) as f64)
}

/// The numbers of columns and rows that `count` items take.
fn cells(count: usize, columns: usize) -> (f64, f64) {
    (columns.min(count) as f64, count.div_ceil(columns) as f64)
}

/// The least of 1, 2, 5, 10, 20, … and of their tenths that is not below. Never zero, of which there would be multiples
/// without end.
pub(crate) fn round_step(least: f64) -> f64 {
    let least = least.max(f64::MIN_POSITIVE);
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// Whole multiples of a round step from `low` to `high`, about `count` of them: a step of 1, 2 or 5
/// times a power of ten. Returns the step and the multiples.
fn round_ticks(low: f64, high: f64, count: f64) -> (f64, Vec<f64>) {
    let step = round_step((high - low) / count);
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    let ticks = (0..=(last - first).clamp(0.0, 100.0) as u32)
        .map(|i| (first + f64::from(i)) * step)
        .collect();
    (step, ticks)
}

/// How many of `count` labels to show if each needs `needed` and has `room`: every 1st, 2nd, 5th…
fn stride(count: usize, needed: f64, room: f64) -> usize {
    let mut stride = 1;
    for factor in [2.0, 2.5, 2.0].into_iter().cycle() {
        if needed <= room * stride as f64 || stride >= count {
            break;
        }
        stride = (stride as f64 * factor) as usize;
    }
    stride
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(round_ticks(0.0, 27.0, 6.0), (5.0, vec![0.0, 5.0, 10.0, 15.0, 20.0, 25.0]));
        assert_eq!(round_ticks(1.0, 5.0, 6.0), (1.0, vec![1.0, 2.0, 3.0, 4.0, 5.0]));
        let (step, ticks) = round_ticks(0.28, 0.51, 5.0);
        assert_eq!((step, ticks.len()), (0.05, 5));
        assert_eq!(round_ticks(3.0, 3.0, 5.0).1, [3.0]);
    }

    #[test]
    fn labels_are_thinned_until_they_fit() {
        assert_eq!(stride(10, 10.0, 12.0), 1);
        assert_eq!(stride(30, 15.0, 8.0), 2);
        assert_eq!(stride(100, 30.0, 7.0), 5);
        assert_eq!(stride(3, 1000.0, 1.0), 5);
    }

    #[test]
    fn rows_are_filled_from_the_left() {
        assert_eq!([cell(0, 5), cell(7, 5)], [(0.0, 0.0), (2.0, 1.0)]);
        assert_eq!([cells(25, 5), cells(3, 5), cells(6, 5)], [(5.0, 5.0), (3.0, 1.0), (5.0, 2.0)]);
    }
}
