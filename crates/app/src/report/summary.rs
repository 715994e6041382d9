//! The head of the page: what came out, and what the accuracies say.

use super::{Facts, Percent, grouped, time};
use maud::{Markup, html};
use serde_json::Value;

/// Where chance makes more of an accuracy than this, a gap that it hides would be one worth telling.
const TELLING: f64 = 0.01;
/// Where more is right than by guessing, but no more than this share of what guessing gets wrong as often, hardly anything is
/// learned.
const HARDLY: f64 = 0.2;

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
                @if let Some((epoch, best)) = facts.kept() {
                    (tile("Training accuracy", &Percent(epoch.accuracy).to_string(), &format!("over {}", which(best)), false))
                    @if let Some(validation) = epoch.validation_accuracy {
                        (tile("Validation accuracy", &Percent(validation).to_string(), &format!("after {}", which(best)), false))
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

/// The last epoch, or the one whose weights were restored.
fn which(best: Option<usize>) -> String {
    best.map_or("the last epoch".to_owned(), |best| format!("epoch {best}, the best"))
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
    match facts.kept() {
        None => format!("The network is right about {} of the test images.", Percent(accuracy)),
        Some((epoch, best)) => {
            let classes = facts.report.class_names.len();
            over_fitting((epoch.accuracy, best), accuracy, count, classes).join(" ")
        }
    }
}

/// What the accuracies on the training images, over the last epoch or the `best` of that number, and on `count` test images
/// of so many classes say of over-fitting, in two lines.
pub fn over_fitting(
    (train, best): (f64, Option<usize>),
    test: f64,
    count: usize,
    classes: usize,
) -> [String; 2] {
    let chance = chance(test, count);
    let (gap, same) = (train - test, chance.max(0.001));
    let points = |share: f64| format!("{:.1} points", 100.0 * share.abs());
    let both = format!(
        "It is right about {} of the images it has never seen, and about {} of those it learned from",
        Percent(test),
        Percent(train)
    );
    let guessing = 1.0 / classes.max(1) as f64;
    let guessed = guessing * (1.0 + HARDLY * (1.0 - guessing));
    if train <= guessed && test <= guessed + same {
        let learned = "so it has hardly learned anything.";
        return [both + ":", format!("guessing is right about {}, {learned}", Percent(guessing))];
    }
    if gap.abs() <= same && chance > TELLING {
        let images = if count == 1 { "image is" } else { "images are" };
        let few =
            format!("{} test {images} too few to tell over-fitting from chance", grouped(count));
        return [both + ":", format!("{few}, which makes up to {}.", points(chance.min(1.0)))];
    }
    if gap.abs() <= same {
        return [both + ":", "about the same, so no over-fitting is to be seen.".to_owned()];
    }
    if gap > 0.0 {
        let what = "part of what it learned holds for the training images only.";
        return [both + ".", format!("The gap of {} is over-fitting: {what}", points(gap))];
    }
    [
        format!(
            "It is right about {} of the images it has never seen, {} more than the {} over {}",
            Percent(test),
            points(gap),
            Percent(train),
            which(best)
        ),
        "of training, a mean while it was learning: no over-fitting; more epochs may help."
            .to_owned(),
    ]
}

/// What chance makes of the accuracy on so many images: half an image, and one and a half standard errors (of the binomial
/// distribution) with one more image right and one more wrong, since a few that are all right make nothing certain.
fn chance(accuracy: f64, count: usize) -> f64 {
    let count = count.max(1) as f64;
    let share = (accuracy * count + 1.0) / (count + 2.0);
    0.5 / count + 1.5 * (share * (1.0 - share) / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::over_fitting;

    #[test]
    fn the_gap_decides_what_is_said() {
        let said = |train, test, count| over_fitting((train, None), test, count, 10);
        let [both, gap] = said(0.8912, 0.8725, 10_000);
        assert!(both.contains("87.2% of the images it has never seen, and about 89.1%"), "{both}");
        assert!(gap.starts_with("The gap of 1.9 points is over-fitting"), "{gap}");
        assert!(said(0.87, 0.868, 10_000)[1].contains("no over-fitting is to be seen"));
        assert!(said(0.6, 0.7, 10_000)[0].contains("10.0 points more"));
        assert!(said(0.6, 0.7, 10_000)[0].ends_with("over the last epoch"));
    }

    #[test]
    fn the_epoch_is_that_of_the_weights() {
        let [first, second] = over_fitting((0.6, Some(7)), 0.7, 10_000, 10);
        assert!(first.ends_with("the 60.0% over epoch 7, the best"), "{first}");
        assert!(second.starts_with("of training, a mean while it was learning"), "{second}");
    }

    #[test]
    fn what_few_images_hide_is_not_said() {
        // What is a gap on 10,000 images is chance on 100.
        for (train, test, count) in
            [(0.8912, 0.8725, 100), (1.0, 0.5, 2), (1.0, 1.0, 2), (0.6, 1.0, 2)]
        {
            let [_, told] = over_fitting((train, None), test, count, 2);
            assert!(
                told.starts_with(&format!("{count} test images are too few to tell")),
                "{told}"
            );
        }
        assert!(over_fitting((1.0, None), 0.0, 1, 2)[1].starts_with("1 test image is too few"));
        assert!(
            over_fitting((0.99, None), 0.7, 100, 2)[1]
                .contains("gap of 29.0 points is over-fitting")
        );
    }

    #[test]
    fn guessing_is_not_learning() {
        let [both, told] = over_fitting((0.102, None), 0.098, 10_000, 10);
        assert!(both.ends_with("about 10.2% of those it learned from:"), "{both}");
        assert_eq!(told, "guessing is right about 10.0%, so it has hardly learned anything.");
        assert!(over_fitting((0.5, None), 0.5, 10_000, 2)[1].contains("hardly learned"));
        // Worse than guessing, which is no over-fitting.
        assert!(over_fitting((0.115, None), 0.065, 10_000, 10)[1].contains("hardly learned"));
        assert!(over_fitting((0.15, None), 0.1, 10_000, 10)[1].contains("over-fitting"));
        // What a short training learned shows on the test images.
        assert!(over_fitting((0.1, None), 0.4, 10_000, 10)[0].contains("30.0 points more"));
        assert!(over_fitting((0.5, None), 0.5, 10_000, 10)[1].contains("about the same"));
    }
}
