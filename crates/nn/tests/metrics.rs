//! Metrics: scikit-learn's values (`golden/make_metrics.py`), cases one can count, and the edges.

mod common;

use common::repository;
use nn::metrics::{Confused, Scored};
use proptest::prelude::*;
use serde_json::Value;

/// What scikit-learn found.
struct Golden {
    found: Value,
    probabilities: Vec<f32>,
    labels: Vec<u8>,
}

impl Golden {
    fn read() -> Golden {
        let path = repository("crates/nn/tests/golden/metrics.json");
        let found: Value = serde_json::from_slice(&std::fs::read(path).expect("a golden file"))
            .expect("a golden file");
        let probabilities = floats(&found["probabilities"]).iter().map(|p| *p as f32).collect();
        let labels = floats(&found["labels"]).iter().map(|l| *l as u8).collect();
        Golden { found, probabilities, labels }
    }

    fn scored(&self) -> Scored<'_, u8> {
        let classes = self.found["classes"].as_u64().expect("a number") as usize;
        Scored::new(&self.probabilities, &self.labels, classes).expect("they fit together")
    }
}

fn floats(list: &Value) -> Vec<f64> {
    let list = list.as_array().expect("a list");
    list.iter().map(|v| v.as_f64().expect("a number")).collect()
}

#[track_caller]
fn assert_close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    let close = got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-12);
    assert!(close, "{got:?}\n{want:?}");
}

#[test]
fn counts_and_scores_are_those_of_scikit_learn() {
    let golden = Golden::read();
    let confusion = golden.scored().confusion();
    let found = &golden.found;
    let classes = 0..confusion.classes();
    for class in classes.clone() {
        let row: Vec<f64> = confusion.row(class).iter().map(|n| *n as f64).collect();
        assert_eq!(row, floats(&found["confusion"][class]));
    }
    let scores: Vec<_> = classes.map(|class| confusion.class(class)).collect();
    let want = &found["precision_recall_f1_support"];
    assert_close(&scores.iter().map(|s| s.precision).collect::<Vec<_>>(), &floats(&want[0]));
    assert_close(&scores.iter().map(|s| s.recall).collect::<Vec<_>>(), &floats(&want[1]));
    assert_close(&scores.iter().map(|s| s.f1).collect::<Vec<_>>(), &floats(&want[2]));
    assert_close(&scores.iter().map(|s| s.support as f64).collect::<Vec<_>>(), &floats(&want[3]));
    for (average, name) in
        [(confusion.macro_average(), "macro"), (confusion.weighted_average(), "weighted")]
    {
        assert_close(&[average.precision, average.recall, average.f1], &floats(&found[name]));
    }
    assert_close(&[confusion.accuracy()], &[found["accuracy"].as_f64().expect("a number")]);
}

#[test]
fn top_k_and_losses_are_those_of_scikit_learn() {
    let golden = Golden::read();
    let scored = golden.scored();
    let top: Vec<f64> = (1..7).map(|k| scored.top_k(k)).collect();
    assert_close(&top, &floats(&golden.found["top"]));
    assert_eq!((scored.top_k(0), scored.top_k(7), scored.top_k(100)), (0.0, 1.0, 1.0));
    let mean = scored.losses().iter().sum::<f64>() / scored.len() as f64;
    assert_close(&[mean], &[golden.found["mean_loss"].as_f64().expect("a number")]);
}

#[test]
fn calibration_is_that_of_scikit_learn() {
    let golden = Golden::read();
    let found = &golden.found;
    let calibration = golden.scored().calibration(15);
    let sizes: Vec<f64> = calibration.bins.iter().map(|b| b.count as f64).collect();
    assert_eq!(sizes, floats(&found["bin_sizes"]));
    let filled: Vec<_> = calibration.bins.iter().filter(|b| b.count > 0).collect();
    let accuracies: Vec<f64> = filled.iter().map(|b| b.accuracy).collect();
    let confidences: Vec<f64> = filled.iter().map(|b| b.confidence).collect();
    assert_close(&accuracies, &floats(&found["bin_accuracies"]));
    assert_close(&confidences, &floats(&found["bin_confidences"]));
    let error = found["expected_calibration_error"].as_f64().expect("a number");
    assert_close(&[calibration.expected_error()], &[error]);
    assert_close(&[calibration.accuracy()], &[golden.scored().confusion().accuracy()]);
}

#[test]
fn pairs_are_ordered_by_how_often_they_are_confused() {
    // What it is, what it is taken for.
    let seen = [(0, 0), (0, 1), (2, 1), (2, 0), (2, 0), (1, 1), (2, 0), (0, 1), (1, 2)];
    let labels: Vec<u16> = seen.iter().map(|(truth, _)| *truth).collect();
    let row = |predicted| (0..3).map(move |c| if c == predicted { 0.5 } else { 0.25 });
    let probabilities: Vec<f32> = seen.iter().flat_map(|(_, predicted)| row(*predicted)).collect();
    let scored = Scored::new(&probabilities, &labels, 3).expect("they fit together");
    let pair = |truth, predicted, count| Confused { truth, predicted, count };
    let want = [pair(2, 0, 3), pair(0, 1, 2), pair(1, 2, 1), pair(2, 1, 1)];
    assert_eq!(scored.confusion().most_confused(), want);
    assert_eq!(scored.predicted().collect::<Vec<_>>(), seen.map(|(_, predicted)| predicted));
}

#[test]
fn of_equal_probabilities_the_first_counts_as_larger() {
    let scored = Scored::new(&[0.4, 0.4, 0.2, 0.4, 0.4, 0.2], &[0u8, 1], 3).expect("they fit");
    assert_eq!((scored.top_k(1), scored.top_k(2)), (0.5, 1.0));
    assert_eq!(scored.confusion().correct(), 1);
}

#[test]
fn a_probability_of_one_is_in_the_last_bin_and_one_of_zero_has_a_finite_loss() {
    let scored = Scored::new(&[1.0, 0.0, 1.0, 0.0], &[0u8, 1], 2).expect("they fit");
    let calibration = scored.calibration(10);
    assert_eq!(calibration.bins[9].count, 2);
    assert_eq!((calibration.confidence(), calibration.expected_error()), (1.0, 0.5));
    let losses = scored.losses();
    assert_eq!(losses[0], 0.0);
    assert!(losses[1].is_finite() && losses[1] > 87.0, "{losses:?}");
}

#[test]
fn many_classes_take_no_memory_for_pairs_that_do_not_occur() {
    // As a square of counts these would take 32 GB.
    let (classes, labels) = (1 << 16, [65_535_u16, 7]);
    let mut probabilities = vec![0.0; 2 * classes];
    (probabilities[65_535], probabilities[classes + 65_535]) = (1.0, 1.0);
    let confusion = Scored::new(&probabilities, &labels, classes).expect("they fit").confusion();
    assert_eq!((confusion.at(7, 65_535), confusion.at(65_535, 7), confusion.correct()), (1, 0, 1));
    assert_eq!(confusion.most_confused(), [Confused { truth: 7, predicted: 65_535, count: 1 }]);
    assert_eq!(confusion.macro_average().recall, 0.5);
}

#[test]
fn nothing_scores_nothing() {
    let scored = Scored::<u8>::new(&[], &[], 4).expect("nothing fits nothing");
    let confusion = scored.confusion();
    assert!(scored.is_empty());
    assert_eq!((confusion.accuracy(), scored.top_k(1)), (0.0, 0.0));
    assert_eq!(confusion.macro_average(), confusion.weighted_average());
    assert_eq!(scored.calibration(3).expected_error(), 0.0);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let message = |p: &[f32], l: &[u8], c| Scored::new(p, l, c).expect_err("refused").to_string();
    assert_eq!(message(&[0.5; 3], &[0], 2), "3 probabilities for 1 examples of 2 classes");
    assert_eq!(message(&[], &[], 0), "0 probabilities for 0 examples of 0 classes");
    assert_eq!(message(&[0.5; 4], &[0, 2], 2), "label 1 is 2, but there are 2 classes");
    assert!(Scored::new(&[], &[0usize; 4], usize::MAX).is_err(), "a product that overflows");
}

#[test]
fn probabilities_that_are_no_numbers_are_never_right_by_chance() {
    let scored = Scored::new(&[f32::NAN; 6], &[0u8, 1], 3).expect("they fit");
    assert_eq!(scored.top_k(3), 0.0);
    assert!(scored.losses().iter().all(|loss| loss.is_nan()));
    assert_eq!(scored.calibration(5).bins.iter().map(|b| b.count).sum::<usize>(), 2);
}

proptest! {
    #[test]
    fn totals_agree(rows in prop::collection::vec((0u8..5, prop::array::uniform5(0.0f32..1.0)), 0..200)) {
        let labels: Vec<u8> = rows.iter().map(|(label, _)| *label).collect();
        let probabilities: Vec<f32> = rows.iter().flat_map(|(_, row)| *row).collect();
        let scored = Scored::new(&probabilities, &labels, 5).expect("they fit together");
        let confusion = scored.confusion();
        prop_assert_eq!(confusion.count(), rows.len());
        prop_assert!((confusion.accuracy() - scored.top_k(1)).abs() < 1e-12);
        // Each mistake is a false positive of one class and a false negative of another.
        prop_assert!((confusion.weighted_average().recall - confusion.accuracy()).abs() < 1e-12);
        let wrong: usize = confusion.most_confused().iter().map(|c| c.count).sum();
        prop_assert_eq!(confusion.correct() + wrong, rows.len());
        let top: Vec<f64> = (0..=5).map(|k| scored.top_k(k)).collect();
        prop_assert!(top.is_sorted());
        let counted: usize = scored.calibration(7).bins.iter().map(|b| b.count).sum();
        prop_assert_eq!(counted, rows.len());
    }
}
