//! Bar charts of probabilities.

use super::{MARGIN, stride};
use crate::plot::Error;
use crate::plot::canvas::{Canvas, Label};
use crate::plot::font::Face;
use crate::plot::style::{BLUE, BODY, FAINT, GREY, INK, LARGE, LINE, MUTED, PAPER, RED, SMALL};
use crate::plot::surface::Area;
use plotters::style::RGBColor;
use plotters_backend::text_anchor::HPos;

/// The outcome of one prediction.
pub(super) struct Verdict {
    predicted: usize,
    probability: f32,
    truth: Option<usize>,
}

impl Verdict {
    /// The class of the highest probability, the first of equals, against the truth.
    pub(super) fn of(probabilities: &[f32], truth: Option<usize>) -> Self {
        let predicted = kernels::first_largest(probabilities);
        let probability = probabilities.get(predicted).copied().unwrap_or(f32::NAN);
        Self { predicted, probability, truth }
    }

    /// Blue for right, red for wrong, dark for not known.
    pub(super) fn colour(&self) -> RGBColor {
        match self.truth {
            None => INK,
            Some(truth) if truth == self.predicted => BLUE,
            Some(_) => RED,
        }
    }

    /// "Ankle boot 97% (Ankle boot)": the predicted class, its probability, the true class.
    pub(super) fn caption(&self, class_names: &[String]) -> String {
        self.compose(|class| class_names[class].clone())
    }

    /// The caption with names shortened until it is no wider than `width`; the per cent always stays.
    pub(super) fn fitted(
        &self,
        canvas: &Canvas<'_>,
        class_names: &[String],
        size: f64,
        width: f64,
    ) -> String {
        let whole = self.caption(class_names);
        if canvas.width(&whole, size) <= width {
            return whole;
        }
        let room = width - canvas.width(&self.compose(|_| String::new()), size);
        let wide = |class: usize| canvas.width(&class_names[class], size);
        // What one name leaves of its half is the other's.
        let other = |class| if class == self.predicted { self.truth } else { Some(self.predicted) };
        let share = |class| (room / 2.0).max(other(class).map_or(room, |o| room - wide(o)));
        self.compose(|class| canvas.fit(&class_names[class], size, share(class)))
    }

    fn compose(&self, name: impl Fn(usize) -> String) -> String {
        let (predicted, percent) = (name(self.predicted), percent(self.probability));
        match self.truth {
            None => format!("{predicted} {percent}"),
            Some(truth) => format!("{predicted} {percent} ({})", name(truth)),
        }
    }

    fn bar(&self, class: usize) -> RGBColor {
        if class == self.predicted {
            self.colour()
        } else if Some(class) == self.truth {
            BLUE
        } else {
            GREY
        }
    }

    /// The colour of a class's label: that of its bar, which may be too low to be seen.
    fn tick(&self, class: usize) -> RGBColor {
        if class == self.predicted || Some(class) == self.truth { self.bar(class) } else { MUTED }
    }

    fn marked(&self, class: usize) -> bool {
        class == self.predicted || Some(class) == self.truth
    }
}

fn percent(probability: f32) -> String {
    format!("{:.0}%", f64::from(probability) * 100.0)
}

/// What stands at the axes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Axes {
    /// Class numbers.
    Plain,
    /// Class numbers and a scale from 0% to 100%.
    Scale,
}

/// Space left of a chart for its scale.
pub(super) const SCALE: f64 = 44.0;
/// Space under a chart for class numbers.
pub(super) const NUMBERS: f64 = 20.0;

/// The share of its column that a bar fills.
const FILL: f64 = 0.76;

/// The most bars of a chart, with numbers and with names. Of more classes only the likeliest are shown.
pub(super) const MOST: usize = 60;
const MOST_NAMED: usize = 40;
/// So many are shown then: fewer, so that it is plain that some are missing.
const LIKELIEST: usize = 20;

/// Bars of a chart of so many classes.
pub(super) fn count(classes: usize, most: usize) -> usize {
    if classes <= most { classes } else { LIKELIEST }
}

/// The classes to show, in this order: all, or the likeliest first; the true class is always among them.
fn shown(probabilities: &[f32], truth: Option<usize>, most: usize) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..probabilities.len()).collect();
    let count = count(classes.len(), most);
    if count == classes.len() {
        return classes;
    }
    classes.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]).then(a.cmp(b)));
    if let Some(truth) = truth.filter(|truth| !classes[..count].contains(truth)) {
        classes[count - 1] = truth;
    }
    classes.truncate(count);
    classes
}

/// Draws the bars of one prediction with class numbers under them.
pub(super) fn chart(
    canvas: &Canvas<'_>,
    room: Area,
    probabilities: &[f32],
    verdict: &Verdict,
    axes: Axes,
) -> Result<(), Error> {
    grid(canvas, room, axes)?;
    let shown = shown(probabilities, verdict.truth, MOST);
    columns(canvas, room, &shown, probabilities, verdict)?;
    let pitch = room.w / shown.len() as f64;
    let size = if axes == Axes::Plain { SMALL - 1.0 } else { SMALL };
    let last = (probabilities.len() - 1).to_string();
    let stride = stride(shown.len(), canvas.width(&last, size) + 4.0, pitch);
    for (i, class) in shown.iter().copied().enumerate().step_by(stride) {
        let at = (room.x + (i as f64 + 0.5) * pitch, room.bottom() + 12.0);
        let number = class.to_string();
        let label = Label::new(&number, at).size(size).end(HPos::Center);
        canvas.label(label.colour(verdict.tick(class)))?;
    }
    Ok(())
}

fn grid(canvas: &Canvas<'_>, room: Area, axes: Axes) -> Result<(), Error> {
    let shares: &[f64] =
        if axes == Axes::Scale { &[0.0, 0.25, 0.5, 0.75, 1.0] } else { &[0.5, 1.0] };
    for share in shares {
        let y = room.bottom() - share * room.h;
        canvas.rule((room.x, y), room.w, FAINT)?;
        if axes == Axes::Scale {
            let label = format!("{:.0}%", share * 100.0);
            let label = Label::new(&label, (room.x - 8.0, y)).end(HPos::Right);
            canvas.label(label.size(SMALL).colour(MUTED))?;
        }
    }
    Ok(())
}

fn columns(
    canvas: &Canvas<'_>,
    room: Area,
    shown: &[usize],
    probabilities: &[f32],
    verdict: &Verdict,
) -> Result<(), Error> {
    let pitch = room.w / shown.len() as f64;
    for (i, class) in shown.iter().copied().enumerate() {
        let height = f64::from(probabilities[class].min(1.0)) * room.h;
        let x = room.x + (i as f64 + (1.0 - FILL) / 2.0) * pitch;
        let bar = Area::new(x, room.bottom() - height, pitch * FILL, height);
        canvas.rect(bar, verdict.bar(class))?;
    }
    canvas.rule((room.x, room.bottom()), room.w, LINE)
}

/// The chart with names: its height, and the width of a class.
const HEIGHT: f64 = 300.0;
const TITLE: f64 = 52.0;
/// The most that a tilted name may reach down.
const LONGEST: f64 = 130.0;
const TILT: f64 = -45.0;

fn pitch(classes: usize) -> f64 {
    match classes {
        // Few bars still leave the caption room.
        0..=6 => 320.0 / classes as f64,
        7..=12 => 54.0,
        13..=20 => 38.0,
        _ => 26.0,
    }
}

/// How far the tilted names reach to the left and down.
fn reach(class_names: &[String], width: impl Fn(&str) -> f64) -> f64 {
    let longest = class_names.iter().map(|name| width(name)).fold(0.0, f64::max);
    (longest * std::f64::consts::FRAC_1_SQRT_2).min(LONGEST)
}

/// The sheet of the chart with names.
pub(super) fn sheet(class_names: &[String], face: &Face) -> (f64, f64) {
    let down = reach(class_names, |name| face.width(name, BODY));
    let count = count(class_names.len(), MOST_NAMED);
    let bars = count as f64 * pitch(count);
    (left(count, down) + bars + MARGIN, MARGIN + TITLE + HEIGHT + 22.0 + down + MARGIN)
}

/// The first name reaches to the left of its bar, under the scale.
fn left(classes: usize, down: f64) -> f64 {
    MARGIN + SCALE.max(down - pitch(classes) / 2.0 + 6.0)
}

/// Draws the bars of one prediction with the names of the classes.
pub(super) fn named(
    canvas: &Canvas<'_>,
    probabilities: &[f32],
    truth: Option<usize>,
    class_names: &[String],
) -> Result<(), Error> {
    let verdict = Verdict::of(probabilities, truth);
    let shown = shown(probabilities, truth, MOST_NAMED);
    let pitch = pitch(shown.len());
    let down = reach(class_names, |name| canvas.width(name, BODY));
    let width = shown.len() as f64 * pitch;
    let room = Area::new(left(shown.len(), down), MARGIN + TITLE, width, HEIGHT);
    let caption = verdict.fitted(canvas, class_names, LARGE, room.right() - MARGIN);
    let start = room.x.min(room.right() - canvas.width(&caption, LARGE));
    canvas
        .label(Label::new(&caption, (start, MARGIN + 10.0)).size(LARGE).colour(verdict.colour()))?;
    grid(canvas, room, Axes::Scale)?;
    columns(canvas, room, &shown, probabilities, &verdict)?;
    for (i, class) in shown.iter().copied().enumerate() {
        let x = room.x + (i as f64 + 0.5) * pitch;
        let name = canvas.fit(&class_names[class], BODY, LONGEST * std::f64::consts::SQRT_2);
        let label = Label::new(&name, (x + 2.0, room.bottom() + 13.0)).end(HPos::Right);
        canvas.label(label.turn(TILT).colour(verdict.tick(class)))?;
        value(canvas, room, (x, pitch), probabilities[class], class, &verdict)?;
    }
    Ok(())
}

/// The per cent above a bar, where it says something and does not touch its neighbours'.
fn value(
    canvas: &Canvas<'_>,
    room: Area,
    (x, pitch): (f64, f64),
    probability: f32,
    class: usize,
    verdict: &Verdict,
) -> Result<(), Error> {
    let text = percent(probability);
    let width = canvas.width(&text, SMALL) + 4.0;
    if !verdict.marked(class) && (probability < 0.005 || width > pitch) {
        return Ok(());
    }
    let at = (x, room.bottom() - f64::from(probability.min(1.0)) * room.h - 5.0);
    // No grid line through the number.
    canvas.rect(Area::new(at.0 - width / 2.0, at.1 - SMALL, width, SMALL + 3.0), PAPER)?;
    let label = Label::new(&text, at).size(SMALL).end(HPos::Center).above();
    canvas.label(label.colour(verdict.tick(class)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["Sneaker", "Bag", "Ankle boot"].map(String::from).to_vec()
    }

    #[test]
    fn the_caption_is_the_tutorials() {
        let right = Verdict::of(&[0.01, 0.02, 0.97], Some(2));
        assert_eq!(right.caption(&names()), "Ankle boot 97% (Ankle boot)");
        assert_eq!(right.colour(), BLUE);
        let wrong = Verdict::of(&[0.996, 0.0, 0.004], Some(2));
        assert_eq!(wrong.caption(&names()), "Sneaker 100% (Ankle boot)");
        assert_eq!([wrong.bar(0), wrong.bar(1), wrong.bar(2)], [RED, GREY, BLUE]);
        let unknown = Verdict::of(&[0.2, 0.5, 0.3], None);
        assert_eq!(unknown.caption(&names()), "Bag 50%");
        assert_eq!([unknown.bar(0), unknown.bar(1)], [GREY, INK]);
    }

    #[test]
    fn of_many_classes_the_likeliest_are_shown_and_the_true_one() {
        assert_eq!(shown(&[0.2, 0.5, 0.3], Some(2), 3), [0, 1, 2], "all, in their order");
        let many: Vec<f32> = (0..100).map(|i| ((i * 37) % 100) as f32 / 4950.0).collect();
        let some = shown(&many, None, MOST);
        assert_eq!((some.len(), many[some[0]]), (LIKELIEST, 99.0 / 4950.0));
        assert!(some.is_sorted_by(|a, b| many[*a] >= many[*b]));
        let with_truth = shown(&many, Some(0), MOST);
        assert_eq!((with_truth.len(), with_truth[LIKELIEST - 1]), (LIKELIEST, 0));
        assert_eq!(with_truth[..LIKELIEST - 1], some[..LIKELIEST - 1]);
    }

    #[test]
    fn the_first_of_equals_is_predicted() {
        assert_eq!(Verdict::of(&[0.2, 0.4, 0.4], None).predicted, 1);
        assert_eq!(Verdict::of(&[0.0, 0.0], None).predicted, 0);
    }
}
