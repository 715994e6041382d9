//! The head of the page: what came out, and what the accuracies say.

use super::{Facts, Percent, grouped, time};
use maud::{Markup, html};
use serde_json::Value;

pub(super) fn header(facts: &Facts<'_>) -> Markup {
    let record = facts.report.record;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let dataset = text(&record["dataset"]["name"]);
    // The day and the minute are enough for a title.
    let started = text(&record["started"]).map(|s| s.replace('T', " ").chars().take(16).collect());
    let facts_of_run: Vec<String> =
        [dataset, network(record), started].into_iter().flatten().collect();
    html! {
        header {
            p.brand { "weft" span { " report" } }
            h1 { (facts.report.name) }
            @if !facts_of_run.is_empty() { p.sub { (facts_of_run.join(" · ")) } }
        }
    }
}

/// Sizes of the layers.
fn network(record: &Value) -> Option<String> {
    let network = &record["network"];
    let input: u64 = network["input"].as_array()?.iter().filter_map(Value::as_u64).product();
    let hidden = network["hidden"].as_array()?.iter().filter_map(Value::as_u64);
    let classes = network["classes"].as_u64()?;
    let sizes: Vec<String> =
        std::iter::once(input).chain(hidden).chain([classes]).map(|n| n.to_string()).collect();
    Some(sizes.join("–"))
}

pub(super) fn section(facts: &Facts<'_>) -> Markup {
    let (accuracy, count) = (facts.confusion.accuracy(), facts.confusion.count());
    html! {
        section #summary aria-label="Summary" {
            @for warning in facts.report.warnings { p.warning { (warning) } }
            dl.tiles {
                (tile("Test accuracy", &Percent(accuracy).to_string(), &format!("{} of {} right", grouped(facts.confusion.correct()), grouped(count)), true))
                (tile("Test loss", &format!("{:.4}", facts.report.test_loss), "mean cross-entropy", false))
                @if let Some(last) = facts.last() {
                    (tile("Training accuracy", &Percent(last.accuracy).to_string(), "over the last epoch", false))
                    @if let Some(validation) = last.validation_accuracy {
                        (tile("Validation accuracy", &Percent(validation).to_string(), "after the last epoch", false))
                    }
                }
                @if let Some(seconds) = facts.report.record["seconds"]["train"].as_f64() {
                    (tile("Training time", &time(seconds), &epochs(facts), false))
                }
                (tile("Parameters", &grouped(facts.report.parameters), "weights and biases", false))
            }
            p.lead { (verdict(facts)) }
            @if facts.report.class_names.len() > 3 {
                p { "The right class is among the first two answers for " (Percent(facts.top[0]))
                    " of the test images, among the first three for " (Percent(facts.top[1])) "." }
            }
        }
    }
}

fn tile(name: &str, value: &str, detail: &str, main: bool) -> Markup {
    html! {
        div.tile.main[main] {
            dt { (name) }
            dd { strong { (value) } span { (detail) } }
        }
    }
}

fn epochs(facts: &Facts<'_>) -> String {
    match facts.report.history.len() {
        1 => "1 epoch".to_owned(),
        n => format!("{n} epochs"),
    }
}

/// What the accuracies on training and test images say.
fn verdict(facts: &Facts<'_>) -> String {
    let (accuracy, count) = (facts.confusion.accuracy(), facts.confusion.count());
    match facts.last() {
        None => format!("The network is right about {} of the test images.", Percent(accuracy)),
        Some(last) => over_fitting(last.accuracy, accuracy, count).join(" "),
    }
}

/// What the accuracies on the training images and on `count` test images say of over-fitting, in two lines.
pub fn over_fitting(train: f64, test: f64, count: usize) -> [String; 2] {
    // Closer than what chance makes of a test set of this size is the same.
    let same = (1.5 * (test * (1.0 - test) / count.max(1) as f64).sqrt()).max(0.001);
    let gap = train - test;
    let points = format!("{:.1} points", 100.0 * gap.abs());
    let (train, test) = (Percent(train), Percent(test));
    let both = format!(
        "It is right about {test} of the images it has never seen, and about {train} of those it learned from"
    );
    if gap.abs() <= same {
        return [both + ":", "about the same, so no over-fitting is to be seen.".to_owned()];
    }
    if gap > 0.0 {
        let what = "part of what it learned holds for the training images only.";
        return [both + ".", format!("The gap of {points} is over-fitting: {what}")];
    }
    [
        format!(
            "It is right about {test} of the images it has never seen, {points} more than the {train} over the last epoch"
        ),
        "of training, a mean while it was learning: no over-fitting; more epochs may help."
            .to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::over_fitting;

    #[test]
    fn the_gap_decides_what_is_said() {
        let [both, gap] = over_fitting(0.8912, 0.8725, 10_000);
        assert!(both.contains("87.2% of the images it has never seen, and about 89.1%"), "{both}");
        assert!(gap.starts_with("The gap of 1.9 points is over-fitting"), "{gap}");
        assert!(over_fitting(0.87, 0.868, 10_000)[1].contains("no over-fitting is to be seen"));
        assert!(over_fitting(0.6, 0.7, 10_000)[0].contains("10.0 points more"));
        // What is a gap on 10,000 images is chance on 100.
        assert!(over_fitting(0.8912, 0.8725, 100)[1].contains("no over-fitting is to be seen"));
    }
}
