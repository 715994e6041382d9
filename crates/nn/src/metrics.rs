//! How well probabilities agree with labels: confusion, precision and recall, top-k accuracy, calibration.
//!
//! ```
//! use nn::metrics::Scored;
//!
//! // Three examples of class 0, 1 and 1; the last is taken for class 0.
//! let scored = Scored::new(&[0.9, 0.1, 0.2, 0.8, 0.6, 0.4], &[0u8, 1, 1], 2)?;
//! let confusion = scored.confusion();
//! assert_eq!(confusion.at(1, 0), 1);
//! assert_eq!((confusion.class(0).precision, confusion.class(0).recall), (0.5, 1.0));
//! assert_eq!((scored.top_k(1), scored.top_k(2)), (2.0 / 3.0, 1.0));
//! # Ok::<(), nn::Error>(())
//! ```
//!
//! Where a ratio has a denominator of zero it is zero, as in scikit-learn. `tests/metrics.rs` compares all of this
//! with scikit-learn.

use crate::error::Error;
use serde::Serialize;

/// Examples with the probabilities a network gives them and the classes they belong to.
///
/// A label is any integer that is an index: `u8`, `u16`, `usize`.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'s, L> {
    probabilities: &'s [f32],
    labels: &'s [L],
    classes: usize,
}

impl<'s, L: Copy + Into<usize>> Scored<'s, L> {
    /// Probabilities `[examples, classes]`, row-major, as [`predict`](crate::Model::predict) returns them, and one
    /// label an example.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no class, the lengths do not fit together, or a label is not below `classes`.
    pub fn new(
        probabilities: &'s [f32],
        labels: &'s [L],
        classes: usize,
    ) -> Result<Scored<'s, L>, Error> {
        let found = probabilities.len();
        if classes == 0 || labels.len().checked_mul(classes) != Some(found) {
            let examples = labels.len();
            let what =
                format!("{found} probabilities for {examples} examples of {classes} classes");
            return Err(Error::Input(what));
        }
        if let Some(i) = labels.iter().position(|&l| l.into() >= classes) {
            let label: usize = labels[i].into();
            return Err(Error::Input(format!(
                "label {i} is {label}, but there are {classes} classes"
            )));
        }
        Ok(Scored { probabilities, labels, classes })
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Class and probabilities of every example.
    fn rows(&self) -> impl Iterator<Item = (usize, &'s [f32])> {
        let labels = self.labels.iter().map(|&label| label.into());
        labels.zip(self.probabilities.chunks_exact(self.classes))
    }

    /// The class predicted for every example: the first of the largest probability.
    pub fn predicted(&self) -> impl Iterator<Item = usize> {
        self.rows().map(|(_, row)| kernels::first_largest(row))
    }

    /// How often each class is taken for each.
    pub fn confusion(&self) -> Confusion {
        let mut classes = vec![Totals::default(); self.classes];
        let seen = self.rows().map(|(truth, row)| (truth, kernels::first_largest(row)));
        let mut seen: Vec<(usize, usize)> = seen.collect();
        seen.sort_unstable();
        let counted = |same: &[(usize, usize)]| {
            let ((truth, predicted), count) = (same[0], same.len());
            classes[truth].support += count;
            classes[predicted].predicted += count;
            Confused { truth, predicted, count }
        };
        let pairs = seen.chunk_by(|a, b| a == b).map(counted).collect();
        Confusion { classes, pairs }
    }

    /// Share of the examples whose class is among the `k` most probable; of equal probabilities the first count as
    /// larger, and NaN is never among them (in [`confusion`](Scored::confusion) a row that begins with NaN is taken for its first class).
    pub fn top_k(&self, k: usize) -> f64 {
        let within = |(truth, row): &(usize, &[f32])| {
            let (before, after) = row.split_at(*truth);
            let of_it = row[*truth];
            let larger = after.iter().filter(|p| **p > of_it).count();
            !of_it.is_nan() && before.iter().filter(|p| **p >= of_it).count() + larger < k
        };
        ratio(self.rows().filter(within).count(), self.len())
    }

    /// Cross-entropy of every example, `−ln p` of its class, in nats. A probability that rounded to zero counts as
    /// the smallest normal float, so that the worst are comparable.
    pub fn losses(&self) -> Vec<f64> {
        let loss = |(truth, row): (usize, &[f32])| {
            let p = row[truth];
            -f64::from(if p < f32::MIN_POSITIVE { f32::MIN_POSITIVE } else { p }).ln()
        };
        self.rows().map(loss).collect()
    }

    /// How well confidence (the largest probability) matches accuracy (reliability diagram, ECE): examples in `bins` bins of
    /// equal width by confidence, the first from 0, each without its upper end but the last.
    ///
    /// # Panics
    /// If there is to be no bin.
    pub fn calibration(&self, bins: usize) -> Calibration {
        assert!(bins > 0, "a calibration without bins");
        let mut sums = vec![(0usize, 0.0f64, 0usize); bins];
        for (truth, row) in self.rows() {
            let class = kernels::first_largest(row);
            let confidence = f64::from(row[class]);
            let bin = ((confidence * bins as f64) as usize).min(bins - 1);
            let (count, sum, right) = &mut sums[bin];
            *count += 1;
            *sum += confidence;
            *right += usize::from(class == truth);
        }
        let bin = |(count, sum, right): (usize, f64, usize)| Bin {
            count,
            confidence: if count == 0 { 0.0 } else { sum / count as f64 },
            accuracy: ratio(right, count),
        };
        Calibration { bins: sums.into_iter().map(bin).collect() }
    }
}

/// How often each class is taken for each: counts by what an example is and what it is taken for.
///
/// It takes memory for the pairs that occur only: of all pairs there may be billions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: Vec<Totals>,
    /// Those that occur, right ones too, in the order of both classes.
    pairs: Vec<Confused>,
}

/// How often a class occurs and is predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    support: usize,
    predicted: usize,
}

/// How well one class is told from the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScores {
    /// Share of the examples taken for this class that are of it.
    pub precision: f64,
    /// Share of the examples of this class that are taken for it.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Examples of this class.
    pub support: usize,
}

/// Precision, recall and F1 over all classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Average {
    /// Mean precision.
    pub precision: f64,
    /// Mean recall.
    pub recall: f64,
    /// Mean F1.
    pub f1: f64,
}

/// A class that is taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confused {
    /// What the examples are.
    pub truth: usize,
    /// What they are taken for.
    pub predicted: usize,
    /// How many.
    pub count: usize,
}

impl Confused {
    fn classes(&self) -> (usize, usize) {
        (self.truth, self.predicted)
    }
}

impl Confusion {
    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// Examples of class `truth` that are taken for class `predicted`.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn at(&self, truth: usize, predicted: usize) -> usize {
        assert!(truth.max(predicted) < self.classes(), "there is no such class");
        let found = self.pairs.binary_search_by_key(&(truth, predicted), Confused::classes);
        found.map_or(0, |at| self.pairs[at].count)
    }

    /// What the examples of class `truth` are taken for, one count a class.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn row(&self, truth: usize) -> Vec<usize> {
        (0..self.classes()).map(|predicted| self.at(truth, predicted)).collect()
    }

    /// Number of examples.
    pub fn count(&self) -> usize {
        self.classes.iter().map(|class| class.support).sum()
    }

    /// Examples that are taken for what they are.
    pub fn correct(&self) -> usize {
        let right = self.pairs.iter().filter(|pair| pair.truth == pair.predicted);
        right.map(|pair| pair.count).sum()
    }

    /// Share of the examples that are taken for what they are.
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.count())
    }

    /// Examples of class `class`.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn support(&self, class: usize) -> usize {
        self.classes[class].support
    }

    /// Precision, recall and F1 of class `class`:
    /// `tp / predicted`, `tp / support`, `2 tp / (predicted + support)`.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn class(&self, class: usize) -> ClassScores {
        let right = self.at(class, class);
        let Totals { support, predicted } = self.classes[class];
        ClassScores {
            precision: ratio(right, predicted),
            recall: ratio(right, support),
            f1: ratio(2 * right, predicted + support),
            support,
        }
    }

    /// The mean over the classes, each counting the same. Classes that neither occur nor are predicted are left out.
    pub fn macro_average(&self) -> Average {
        let occurs = |class: &usize| self.classes[*class] != Totals::default();
        self.average((0..self.classes()).filter(occurs).map(|class| (class, 1)))
    }

    /// The mean over the classes, each counting as often as it occurs.
    pub fn weighted_average(&self) -> Average {
        self.average((0..self.classes()).map(|class| (class, self.support(class))))
    }

    fn average(&self, weights: impl Iterator<Item = (usize, usize)>) -> Average {
        let (mut all, mut sums) = (0, [0.0; 3]);
        for (class, weight) in weights {
            let ClassScores { precision, recall, f1, .. } = self.class(class);
            all += weight;
            for (sum, value) in sums.iter_mut().zip([precision, recall, f1]) {
                *sum += weight as f64 * value;
            }
        }
        let [precision, recall, f1] = sums.map(|sum| if all == 0 { 0.0 } else { sum / all as f64 });
        Average { precision, recall, f1 }
    }

    /// The classes that are taken for others, the most frequent first, of equally frequent ones the first.
    pub fn most_confused(&self) -> Vec<Confused> {
        let wrong = self.pairs.iter().filter(|pair| pair.truth != pair.predicted);
        let mut all: Vec<Confused> = wrong.copied().collect();
        all.sort_by_key(|c| std::cmp::Reverse(c.count));
        all
    }
}

/// Examples of about the same largest probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Examples.
    pub count: usize,
    /// Mean largest probability.
    pub confidence: f64,
    /// Share that is right.
    pub accuracy: f64,
}

/// How well confidence (the largest probability) matches accuracy (reliability diagram, ECE).
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// The bins, from the lowest probabilities to the highest.
    pub bins: Vec<Bin>,
}

impl Calibration {
    /// Expected calibration error: the mean distance of accuracy and confidence, `Σ n_b/n |acc_b − conf_b|` over the
    /// bins (C. Guo et al., On Calibration of Modern Neural Networks, 2017).
    pub fn expected_error(&self) -> f64 {
        self.mean(|bin| (bin.accuracy - bin.confidence).abs())
    }

    /// Mean largest probability of all examples.
    pub fn confidence(&self) -> f64 {
        self.mean(|bin| bin.confidence)
    }

    /// Share of all examples that is right.
    pub fn accuracy(&self) -> f64 {
        self.mean(|bin| bin.accuracy)
    }

    fn mean(&self, value: impl Fn(&Bin) -> f64) -> f64 {
        let count: usize = self.bins.iter().map(|bin| bin.count).sum();
        let sum: f64 = self.bins.iter().map(|bin| bin.count as f64 * value(bin)).sum();
        if count == 0 { 0.0 } else { sum / count as f64 }
    }
}

/// A share; zero of nothing.
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
