//! What metrics say, as text for a terminal and as fields of an event.

use crate::columns::{NAME, fit, width};
use crate::term::{BAD, GOOD, Grouped};
use app::numbers::Percent;
use app::report::MOST_CLASSES;
use nn::metrics::{Average, ClassScores, Confused, Confusion, Scored};
use serde::Serialize;
use std::fmt::{self, Write as _};

/// Pairs of classes that are listed.
const PAIRS: usize = 8;
/// With more classes than this, only those that do worst are listed.
const CLASSES: usize = 40;
/// Share of a class from which on a mistake stands out.
const OFTEN: f64 = 0.05;
/// Bins of the calibration, as in Guo et al., 2017.
pub(super) const BINS: usize = 15;

/// Metrics of a model on labelled images.
pub(super) struct Scores<'s> {
    names: &'s [String],
    confusion: Confusion,
    /// Shares of the images whose class is among the first two, and the first three.
    top: [f64; 2],
    confidence: f64,
    calibration_error: f64,
}

#[derive(Serialize)]
struct Class<'s> {
    class: usize,
    name: &'s str,
    precision: f64,
    recall: f64,
    f1: f64,
    support: usize,
}

#[derive(Serialize)]
struct Pair<'s> {
    truth: usize,
    truth_name: &'s str,
    predicted: usize,
    predicted_name: &'s str,
    count: usize,
    /// Of the images that show `truth`.
    share: f64,
}

/// The metrics as fields of an event.
#[derive(Serialize)]
pub(super) struct Fields<'s> {
    top_2_accuracy: f64,
    top_3_accuracy: f64,
    expected_calibration_error: f64,
    classes: Vec<Class<'s>>,
    macro_average: Average,
    weighted_average: Average,
    /// By what an image shows, then by what it is taken for; null above [`MOST_CLASSES`].
    confusion: Option<Vec<Vec<usize>>>,
    most_confused: Vec<Pair<'s>>,
}

impl<'s> Scores<'s> {
    pub(super) fn new<L: Copy + Into<usize>>(
        scored: Scored<'_, L>,
        names: &'s [String],
    ) -> Scores<'s> {
        let calibration = scored.calibration(BINS);
        Scores {
            names,
            confusion: scored.confusion(),
            top: [2, 3].map(|k| scored.top_k(k)),
            confidence: calibration.confidence(),
            calibration_error: calibration.expected_error(),
        }
    }

    pub(super) fn fields(&self) -> Fields<'_> {
        let (confusion, names) = (&self.confusion, self.names);
        let class = |(class, name): (usize, &'s String)| {
            let ClassScores { precision, recall, f1, support } = confusion.class(class);
            Class { class, name, precision, recall, f1, support }
        };
        let pair = |c: Confused| {
            let Confused { truth, predicted, count } = c;
            let (truth_name, predicted_name) = (&*names[truth], &*names[predicted]);
            Pair { truth, truth_name, predicted, predicted_name, count, share: self.share(c) }
        };
        Fields {
            top_2_accuracy: self.top[0],
            top_3_accuracy: self.top[1],
            expected_calibration_error: self.calibration_error,
            classes: names.iter().enumerate().map(class).collect(),
            macro_average: confusion.macro_average(),
            weighted_average: confusion.weighted_average(),
            confusion: (names.len() <= MOST_CLASSES)
                .then(|| (0..names.len()).map(|class| confusion.row(class)).collect()),
            most_confused: confusion.most_confused().into_iter().take(PAIRS).map(pair).collect(),
        }
    }

    /// Of the images of a class, those that are taken for the other.
    fn share(&self, pair: Confused) -> f64 {
        pair.count as f64 / self.confusion.support(pair.truth) as f64
    }

    /// The metrics in so many columns.
    pub(super) fn text(&self, columns: usize) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.shares(&mut text);
        let _ = self.table(&mut text, columns);
        let _ = self.matrix(&mut text, columns);
        let _ = self.pairs(&mut text);
        text
    }

    fn shares(&self, text: &mut String) -> fmt::Result {
        let [two, three] = self.top;
        match self.names.len() {
            0..=2 => {}
            3 => writeln!(text, "The right class is among the first two: {}.", Percent(two))?,
            _ => writeln!(
                text,
                "The right class is among the first two: {}, among the first three: {}.",
                Percent(two),
                Percent(three)
            )?,
        }
        writeln!(
            text,
            "On average it is {} sure of its answer; expected calibration error {:.4}.",
            Percent(self.confidence),
            self.calibration_error
        )
    }

    /// A line a class, and the means.
    fn table(&self, text: &mut String, columns: usize) -> fmt::Result {
        let mut classes: Vec<usize> = (0..self.names.len()).collect();
        let mut head = "Class".to_owned();
        if classes.len() > CLASSES {
            classes.sort_by(|a, b| self.f1(*a).total_cmp(&self.f1(*b)));
            classes.truncate(CLASSES);
            head = format!("The {CLASSES} worst of {} classes", self.names.len());
        }
        let longest = classes.iter().map(|c| width(&self.names[*c])).max().unwrap_or(0);
        let name = longest.max(width("weighted average")).max(width(&head));
        let name = name.min(columns.saturating_sub(38).max(NAME));
        writeln!(text, "\n{}  precision  recall      F1  support", fit(&head, name))?;
        let count = self.confusion.count();
        for &class in &classes {
            let ClassScores { precision, recall, f1, support } = self.confusion.class(class);
            line(text, &fit(&self.names[class], name), [precision, recall, f1], support)?;
        }
        for (what, average) in [
            ("macro average", self.confusion.macro_average()),
            ("weighted average", self.confusion.weighted_average()),
        ] {
            let Average { precision, recall, f1 } = average;
            line(text, &fit(what, name), [precision, recall, f1], count)?;
        }
        Ok(())
    }

    fn f1(&self, class: usize) -> f64 {
        self.confusion.class(class).f1
    }

    /// The confusion matrix, if it is no wider than `columns`.
    fn matrix(&self, text: &mut String, columns: usize) -> fmt::Result {
        let classes = self.names.len();
        if classes > MOST_CLASSES {
            return writeln!(
                text,
                "\nThe confusion matrix is left out: it has {} classes, more than {}.",
                Grouped(classes),
                Grouped(MOST_CLASSES)
            );
        }
        let rows = || (0..classes).map(|class| self.confusion.row(class));
        let largest = rows().flatten().max().unwrap_or(0);
        let digits = |n: usize| n.to_string().len();
        let (cell, number) = (digits(largest).max(digits(classes)) + 2, digits(classes));
        let longest = self.names.iter().map(|n| width(n)).max().unwrap_or(0);
        let room = columns.saturating_sub(classes * cell + number + 1);
        if room < longest.min(NAME) {
            let what = "The confusion matrix is too wide for this terminal; --json has it";
            return writeln!(text, "\n{what}, and `weft report` draws it.");
        }
        let name = longest.min(room);
        writeln!(
            text,
            "\nConfusion matrix: rows are what images show, columns what they are taken for"
        )?;
        write!(text, "{}", " ".repeat(number + 1 + name))?;
        for class in 0..classes {
            write!(text, "{class:>cell$}")?;
        }
        writeln!(text)?;
        for (class, row) in rows().enumerate() {
            write!(text, "{class:>number$} {}", fit(&self.names[class], name))?;
            for (other, count) in row.iter().enumerate() {
                self.cell(text, (class, other), *count, cell)?;
            }
            writeln!(text)?;
        }
        Ok(())
    }

    fn cell(
        &self,
        text: &mut String,
        (truth, predicted): (usize, usize),
        count: usize,
        width: usize,
    ) -> fmt::Result {
        match count {
            0 => write!(text, "{:>width$}", "·"),
            _ if truth == predicted => write!(text, "{GOOD}{count:>width$}{GOOD:#}"),
            _ if self.share(Confused { truth, predicted, count }) >= OFTEN => {
                write!(text, "{BAD}{count:>width$}{BAD:#}")
            }
            _ => write!(text, "{count:>width$}"),
        }
    }

    fn pairs(&self, text: &mut String) -> fmt::Result {
        let pairs = self.confusion.most_confused();
        if pairs.is_empty() {
            return Ok(());
        }
        writeln!(text, "\nMost often confused")?;
        for pair in pairs.into_iter().take(PAIRS) {
            let (truth, predicted) = (&self.names[pair.truth], &self.names[pair.predicted]);
            let (truth, predicted) =
                (crate::columns::plain(truth), crate::columns::plain(predicted));
            let count = Grouped(pair.count).to_string();
            let share = Percent(self.share(pair));
            writeln!(text, "{count:>7}  {truth} taken for {predicted}: {share} of that class")?;
        }
        Ok(())
    }
}

fn line(text: &mut String, name: &str, scores: [f64; 3], support: usize) -> fmt::Result {
    let [precision, recall, f1] = scores;
    let support = Grouped(support).to_string();
    writeln!(text, "{name}  {precision:>9.4}  {recall:>6.4}  {f1:>6.4}  {support:>7}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probabilities that take an example for a class.
    fn sure(class: usize, classes: usize) -> impl Iterator<Item = f32> {
        (0..classes).map(move |c| if c == class { 0.9 } else { 0.1 / (classes - 1) as f32 })
    }

    fn text(seen: &[(u8, usize)], names: &[&str], columns: usize) -> String {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let labels: Vec<u8> = seen.iter().map(|(truth, _)| *truth).collect();
        let probabilities: Vec<f32> =
            seen.iter().flat_map(|(_, class)| sure(*class, names.len())).collect();
        let scored = Scored::new(&probabilities, &labels, names.len()).expect("they fit together");
        anstream::adapter::strip_str(&Scores::new(scored, &names).text(columns)).to_string()
    }

    #[test]
    fn all_of_it_is_said() {
        let seen = [(0, 0), (0, 0), (0, 1), (1, 1), (2, 0), (2, 2)];
        let told = text(&seen, &["Bag", "Coat", "Ankle boot"], 80);
        let want = "\
The right class is among the first two: 83.3%.
On average it is 90.0% sure of its answer; expected calibration error 0.2333.

Class             precision  recall      F1  support
Bag                  0.6667  0.6667  0.6667        3
Coat                 0.5000  1.0000  0.6667        1
Ankle boot           1.0000  0.5000  0.6667        2
macro average        0.7222  0.7222  0.6667        6
weighted average     0.7500  0.6667  0.6667        6

Confusion matrix: rows are what images show, columns what they are taken for
              0  1  2
0 Bag         2  1  ·
1 Coat        ·  1  ·
2 Ankle boot  1  ·  1

Most often confused
      1  Bag taken for Coat: 33.3% of that class
      1  Ankle boot taken for Bag: 50.0% of that class
";
        assert_eq!(told, want);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_because_of_names() {
        let long = "a name that goes on and on, further than any name of a class should ever go";
        let seen: Vec<(u8, usize)> = (0..10).map(|c| (c, 9 - usize::from(c))).collect();
        let told = text(&seen, &[long; 10], 80);
        let (tables, pairs) = told.split_once("\nMost often").expect("pairs");
        for line in tables.lines() {
            assert!(width(line) <= 80, "{line}");
        }
        assert!(pairs.contains(long));
    }

    #[test]
    fn many_classes_are_cut_short() {
        let names: Vec<String> = (0..60).map(|c| format!("class {c}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let told = text(&[(3, 3), (5, 6)], &names, 80);
        assert!(told.contains("The 40 worst of 60 classes"), "{told}");
        assert!(told.contains("too wide for this terminal"), "{told}");
        let told = text(&[(3, 3), (5, 6)], &vec!["a class"; MOST_CLASSES + 1], 80);
        assert!(told.contains("matrix is left out: it has 2,001 classes"), "{told}");
        assert!(
            text(&[(0, 0)], &["a", "b"], 80).starts_with("On average"),
            "nothing to say of two"
        );
    }
}
