//! Loss and accuracy over the epochs.

use super::chart::{self, Frame, Series, Ticks};
use super::{Epoch, Facts, Percent, Section, time};
use maud::{Markup, html};

/// Room for the names of the lines.
const NAMES: f64 = 128.0;
/// Epochs that the table shows.
const ROWS: usize = 200;

pub(super) fn section(facts: &Facts<'_>) -> Option<Section> {
    if facts.report.history.is_empty() {
        return None;
    }
    let values =
        |f: fn(&Epoch) -> Option<f64>| facts.report.history.iter().map(f).collect::<Vec<_>>();
    let losses = [values(|e| Some(e.loss)), values(|e| e.validation_loss)];
    let accuracies = [values(|e| Some(e.accuracy)), values(|e| e.validation_accuracy)];
    let rates = values(|e| e.learning_rate);
    let rate_changes = rates.iter().flatten().any(|rate| Some(*rate) != rates[0]);
    let loss = Curves {
        what: "Loss",
        values: &losses,
        test: Some(facts.report.test_loss),
        percent: false,
    };
    let test = Some(facts.confusion.accuracy());
    let accuracy = Curves { what: "Accuracy", values: &accuracies, test, percent: true };
    let body = html! {
        div.charts {
            (loss.draw())
            (accuracy.draw())
            @if rate_changes {
                (Curves { what: "Learning rate", values: &[rates, Vec::new()], test: None, percent: false }.draw())
            }
        }
        p.note { "Training values are means over an epoch, taken before each step: while the network was still learning. "
            "The dashed line is the test set, measured once, after the last epoch." }
        (table(facts))
    };
    Some(Section::new(["learning", "Learning", "Learning"], body))
}

/// Lines of one measure.
struct Curves<'c> {
    what: &'c str,
    /// Of training, and of validation.
    values: &'c [Vec<Option<f64>>; 2],
    test: Option<f64>,
    percent: bool,
}

impl Curves<'_> {
    fn show(&self) -> fn(f64) -> String {
        if self.percent {
            |value| Percent(value).to_string()
        } else {
            // Learning rates are small.
            |value| if value.abs() < 0.01 { format!("{value:.2e}") } else { format!("{value:.3}") }
        }
    }

    fn draw(&self) -> Markup {
        let all = self.values.iter().flatten().flatten().chain(&self.test);
        let finite = || all.clone().copied().filter(|v| v.is_finite());
        let low = finite().fold(f64::INFINITY, f64::min);
        let high = finite().fold(f64::NEG_INFINITY, f64::max);
        if low > high {
            return html! {};
        }
        let (x, y) =
            (Ticks::whole(self.values[0].len()), Ticks::around((low, high), 4, self.percent));
        let frame = Frame::new((1.0, self.values[0].len() as f64), y.range(), NAMES);
        let show = self.show();
        let lines = [("training", "s1"), ("validation", "s2")].into_iter().zip(self.values);
        let lines = lines.filter(|(_, values)| values.iter().any(Option::is_some));
        let mut names = Vec::new();
        let mut told = Vec::new();
        let drawn: Vec<Markup> = lines
            .map(|((name, class), values)| {
                if let Some(last) = values.iter().flatten().last().filter(|v| v.is_finite()) {
                    names.push((*last, class, format!("{name} {}", show(*last))));
                    told.push(format!("{name} ends at {}", show(*last)));
                }
                frame.line(&Series { name: &format!("{name}, epoch"), class, values, show })
            })
            .collect();
        let test = self.test.filter(|v| v.is_finite());
        if let Some(test) = test {
            names.push((test, "s3", format!("test {}", show(test))));
            told.push(format!("test {}", show(test)));
        }
        let (left, right) = (frame.x(1.0), frame.x(self.values[0].len().max(1) as f64));
        let body = html! {
            (frame.axes(&x, &y, "epoch"))
            @if let Some(test) = test {
                @let at = chart::px(frame.y(test));
                line.test x1=(chart::px(left)) x2=(chart::px(right + 6.0)) y1=(at) y2=(at) {}
            }
            @for line in &drawn { (line) }
            (frame.names(names))
        };
        let what = format!("{} over the epochs: {}.", self.what, told.join(", "));
        html! {
            figure { figcaption { (self.what) } (chart::svg(chart::HEIGHT, &what, &body)) }
        }
    }
}

/// The same in numbers.
fn table(facts: &Facts<'_>) -> Markup {
    let history = facts.report.history;
    let any = |f: fn(&Epoch) -> bool| history.iter().any(f);
    let validated = any(|e| e.validation_loss.is_some() || e.validation_accuracy.is_some());
    let (rated, timed) = (any(|e| e.learning_rate.is_some()), any(|e| e.seconds.is_some()));
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"))
    };
    html! {
        details {
            summary { "The numbers" }
            div.scroll tabindex="0" role="region" aria-label="Epochs as a table" {
                table.numbers {
                    thead { tr {
                        th scope="col" { "Epoch" } th scope="col" { "Loss" } th scope="col" { "Accuracy" }
                        @if validated { th scope="col" { "Validation loss" } th scope="col" { "Validation accuracy" } }
                        @if rated { th scope="col" { "Learning rate" } }
                        @if timed { th scope="col" { "Time" } }
                    } }
                    tbody { @for (i, epoch) in history.iter().enumerate().take(ROWS) { tr {
                        th scope="row" { (i + 1) }
                        td { (number(Some(epoch.loss), 4)) } td { (number(Some(epoch.accuracy), 4)) }
                        @if validated { td { (number(epoch.validation_loss, 4)) } td { (number(epoch.validation_accuracy, 4)) } }
                        @if rated { td { (epoch.learning_rate.map_or_else(String::new, |rate| format!("{rate:.3e}"))) } }
                        @if timed { td { (epoch.seconds.map_or_else(String::new, time)) } }
                    } } }
                }
                @if history.len() > ROWS { p.note { "The first " (ROWS) " of " (history.len()) " epochs; history.csv has them all." } }
            }
        }
    }
}
