//! Every input is checked before anything is drawn.

use crate::plot::{Epoch, Error, Figure, MOST_RUNS};

/// Refuses figures that cannot be drawn.
pub(in crate::plot) fn check(figure: &Figure<'_>) -> Result<(), Error> {
    match figure {
        Figure::Image { .. } => Ok(()),
        Figure::Gallery { items, class_names, columns } => {
            at_least("the list of images", items.len(), 1)?;
            at_least("a row (columns)", *columns, 1)?;
            at_least("the list of class names", class_names.len(), 1)?;
            items.iter().enumerate().try_for_each(|(i, item)| {
                label(|| format!("image {i} of {}", items.len()), item.label, class_names.len())
            })
        }
        Figure::Prediction { prediction, class_names } => {
            let place = || String::from("the prediction");
            scores(place, prediction.probabilities, prediction.truth, class_names.len())
        }
        Figure::Predictions { items, class_names, columns } => {
            at_least("the list of predictions", items.len(), 1)?;
            at_least("a row (columns)", *columns, 1)?;
            items.iter().enumerate().try_for_each(|(i, item)| {
                let place = || format!("prediction {i} of {}", items.len());
                scores(place, item.probabilities, item.truth, class_names.len())
            })
        }
        Figure::Bars { probabilities, truth, class_names } => {
            scores(|| String::from("the prediction"), probabilities, *truth, class_names.len())
        }
        Figure::Curves { training, validation } => {
            at_least("the history", training.len(), 1)?;
            epochs("training", training)?;
            epochs("validation", validation)
        }
        Figure::Sweep { rates, losses, smoothed, suggestion } => {
            sweep(rates, losses, smoothed, suggestion.as_ref())
        }
        Figure::Comparison { curves } => {
            at_least("the list of runs", curves.len(), 1)?;
            if curves.len() > MOST_RUNS {
                let (runs, most) = (curves.len(), MOST_RUNS);
                return Err(Error::Layout(format!("{runs} runs are too many for {most} colours")));
            }
            curves.iter().try_for_each(|run| {
                at_least("the history", run.training.len(), 1)?;
                epochs(&format!("{}: training", run.name), run.training)?;
                epochs(&format!("{}: validation", run.name), run.validation)
            })
        }
    }
}

/// Of the test for a learning rate.
fn sweep(rates: &[f64], losses: &[f64], smoothed: &[f64], best: Option<&f64>) -> Result<(), Error> {
    at_least("the list of rates", rates.len(), 2)?;
    let (n, m, k) = (rates.len(), losses.len(), smoothed.len());
    if (m, k) != (n, n) {
        return Err(Error::Layout(format!("{n} rates, {m} losses and {k} smoothed ones")));
    }
    let wrong = rates.iter().chain(best).find(|r| !(r.is_finite() && **r > 0.0));
    let losses = || losses.iter().chain(smoothed.iter()).find(|loss| !loss.is_finite());
    match wrong.map(|r| (r, "a rate above 0")).or_else(|| losses().map(|l| (l, "a finite loss"))) {
        Some((found, expected)) => {
            let place = "the range test".to_owned();
            Err(Error::Value { place, expected, found: *found })
        }
        None if rates.is_sorted_by(|a, b| a < b) => Ok(()),
        None => Err(Error::Layout("rates that do not grow".to_owned())),
    }
}

fn at_least(what: &'static str, found: usize, least: usize) -> Result<(), Error> {
    if found < least { Err(Error::Empty { what, found, least }) } else { Ok(()) }
}

fn label(place: impl Fn() -> String, found: usize, classes: usize) -> Result<(), Error> {
    if found < classes { Ok(()) } else { Err(Error::Label { place: place(), classes, found }) }
}

fn scores(
    place: impl Fn() -> String,
    probabilities: &[f32],
    truth: Option<usize>,
    classes: usize,
) -> Result<(), Error> {
    at_least("the list of class names", classes, 2)?;
    if probabilities.len() != classes {
        let found = probabilities.len();
        return Err(Error::Probabilities { place: place(), expected: classes, found });
    }
    // A softmax may round to a little more than one. NaN is in no range.
    let wrong = probabilities.iter().position(|p| !(0.0..=1.0001).contains(p));
    if let Some(class) = wrong {
        return Err(Error::Value {
            place: format!("{}: class {class}", place()),
            expected: "a probability within 0..=1",
            found: f64::from(probabilities[class]),
        });
    }
    truth.map_or(Ok(()), |found| label(place, found, classes))
}

fn epochs(name: &str, history: &[Epoch]) -> Result<(), Error> {
    for (i, epoch) in history.iter().enumerate() {
        let place = |metric: &str| format!("{name} {metric} of epoch {}", i + 1);
        if !epoch.loss.is_finite() || epoch.loss.abs() > 1e30 {
            let (place, expected) = (place("loss"), "a finite loss");
            return Err(Error::Value { place, expected, found: epoch.loss });
        }
        if !(0.0..=1.0).contains(&epoch.accuracy) {
            let (place, expected) = (place("accuracy"), "a share within 0..=1");
            return Err(Error::Value { place, expected, found: epoch.accuracy });
        }
    }
    Ok(())
}
