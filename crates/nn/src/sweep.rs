//! Which learning rate to take: a range test, as L. Smith ("Cyclical learning rates for training neural
//! networks", 2017) and fastai do it. The rate grows exponentially from step to step, and the smoothed loss
//! shows where the training begins to learn, where it learns fastest, and where it diverges.

use crate::average::Average;
use crate::data::{Inputs, Labels};
use crate::engine::Engine;
use crate::error::Error;
use crate::model::Model;
use crate::schedule::{Schedule, WarmUp};
use crate::train::{Event, FitConfig};
use std::ops::ControlFlow;

/// From which learning rate to which, and in how many steps; the defaults are fastai's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sweep {
    /// Learning rate of the first step.
    pub first: f64,
    /// Learning rate of the last step.
    pub last: f64,
    /// Steps.
    pub steps: u64,
}

impl Default for Sweep {
    fn default() -> Self {
        Sweep { first: 1e-7, last: 10.0, steps: 100 }
    }
}

/// What a range test found. Lists have an entry for each step that was taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateSweep {
    /// Learning rates.
    pub rates: Vec<f64>,
    /// Mean loss of each step's batch, before its update.
    pub losses: Vec<f64>,
    /// The losses averaged with decay 0.98, corrected for the start at zero.
    pub smoothed: Vec<f64>,
    /// The rate to take, if the losses fell anywhere: that in the middle of the longest fall.
    pub suggestion: Option<f64>,
    /// Whether the test ended early, since the loss had grown to four times its least.
    pub diverged: bool,
}

/// How much of the smoothed loss remains in a step.
const DECAY: f64 = 0.98;
/// So many times the least loss is the end.
const TOO_HIGH: f64 = 4.0;
/// Steps at the end that a suggestion leaves out: there the loss explodes.
const TAIL: usize = 5;

impl Model {
    /// Trains a copy of the model with a growing learning rate, and tells what its losses say about the
    /// rate to take. Of the settings, those of schedule, validation, averaging and length are not used.
    ///
    /// `observe` is called after every step, and ends the test by breaking.
    ///
    /// # Errors
    /// As [`fit`](Model::fit), but a loss that is not finite ends the test rather than making it fail.
    pub fn find_learning_rate<'l>(
        &self,
        engine: &mut Engine,
        inputs: Inputs<'_>,
        labels: impl Into<Labels<'l>>,
        config: &FitConfig,
        sweep: Sweep,
        observe: &mut impl FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<RateSweep, Error> {
        let Sweep { first, last, steps } = sweep;
        if !(first.is_finite() && first > 0.0 && last > first) || steps < 10 {
            let what = format!("a sweep from {first} to {last} in {steps} steps; 10 are the least");
            return Err(Error::Setting(what));
        }
        let config = FitConfig {
            epochs: usize::MAX,
            max_steps: Some(steps),
            optimizer: config.optimizer.with_lr(first),
            schedule: Schedule::Exponential { last },
            warm_up: WarmUp::default(),
            validation_split: 0.0,
            early_stopping: None,
            restore_best: false,
            average: Average::Off,
            ..*config
        };
        let mut found = RateSweep::default();
        let mut model = self.clone();
        let labels: Labels<'_> = labels.into();
        let mut training = model.train(engine, inputs, labels, &config)?;
        let (mut stopped, mut least) = (None, f64::INFINITY);
        let over = training.advance_while(&mut |event| {
            let Event::Step { epoch, step, lr, batch_loss, .. } = *event else {
                return ControlFlow::Continue(());
            };
            found.note(lr, batch_loss, &mut least);
            stopped = observe(event).is_break().then_some((epoch, step));
            if stopped.is_some() || found.diverged {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        match (over, stopped) {
            (Ok(_), Some((epoch, step))) => return Err(Error::Stopped { epoch, step }),
            (Ok(_), None) => {}
            (Err(Error::Diverged { .. }), _) => found.diverged = true,
            (Err(error), _) => return Err(error),
        }
        let range = found.rates.len() / 10..found.rates.len().saturating_sub(TAIL);
        found.suggestion = valley(found.smoothed.get(range.clone()).unwrap_or(&[]))
            .map(|i| found.rates[range.start + i]);
        Ok(found)
    }
}

impl RateSweep {
    /// Takes note of a step, given the least of the losses before it, smoothed.
    fn note(&mut self, rate: f64, loss: f64, least: &mut f64) {
        let n = self.smoothed.len() as i32;
        // The last one's sum, before its correction.
        let sum = self.smoothed.last().map_or(0.0, |s| s * (1.0 - DECAY.powi(n)));
        let smoothed = (DECAY * sum + (1.0 - DECAY) * loss) / (1.0 - DECAY.powi(n + 1));
        self.rates.push(rate);
        self.losses.push(loss);
        self.smoothed.push(smoothed);
        *least = least.min(smoothed);
        self.diverged = smoothed > TOO_HIGH * *least;
    }
}

/// The middle of the longest fall: of the stretch that is as long as the longest decreasing subsequence and
/// ends where that does. Nearly fastai's `valley`: of a test that ended early a tenth of the steps that were taken is left out, not
/// of those that were planned.
fn valley(losses: &[f64]) -> Option<usize> {
    // Of the decreasing subsequences of each length, from 1 on, the largest last loss; and where the first of the longest ends.
    let (mut ends, mut at) = (Vec::new(), 0_usize);
    for (i, loss) in losses.iter().enumerate() {
        let shorter = ends.partition_point(|end: &f64| end > loss);
        if shorter == ends.len() {
            ends.push(*loss);
            at = i;
        } else {
            ends[shorter] = *loss;
        }
    }
    if ends.len() < 2 {
        return None;
    }
    let start = at.saturating_sub(ends.len());
    let third = (at - start) as f64 / 3.0;
    Some(start + third as usize + (third / 2.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valley_is_in_the_longest_fall() {
        assert_eq!(valley(&[]), None);
        assert_eq!(valley(&[1.0, 1.0, 2.0]), None);
        let flat = [2.3; 10].into_iter();
        let fall = (0..30).map(|i| 2.3 - 0.05 * f64::from(i + 1));
        let rise = (0..10).map(|i| 1.0 + f64::from(i));
        let losses: Vec<f64> = flat.chain(fall).chain(rise).collect();
        // One loss of 2.3 and thirty below it end at step 39: from 8 on, a third and a half of one.
        assert_eq!(valley(&losses), Some(8 + 10 + 5));
        // 9 8 6 5 4.5 4, with others between them.
        let losses = [3.0, 9.0, 7.0, 8.0, 5.0, 6.0, 4.0, 5.0, 4.5, 4.0];
        assert_eq!(valley(&losses), Some(3 + 2 + 1));
    }

    #[test]
    fn a_million_steps_take_no_time() {
        let mut found = RateSweep::default();
        let mut least = f64::INFINITY;
        (0..1_000_000).for_each(|i| found.note(1e-3, 2e6 - f64::from(i), &mut least));
        assert!(found.smoothed.is_sorted_by(|a, b| a > b) && !found.diverged);
        assert_eq!(valley(&found.smoothed), Some(333_333 + 166_666));
    }

    #[test]
    fn smoothing_forgets_its_start() {
        let (mut found, mut least) = (RateSweep::default(), f64::INFINITY);
        (0..20).for_each(|_| found.note(1e-3, 2.0, &mut least));
        assert!(found.smoothed.iter().all(|s| (s - 2.0).abs() < 1e-12) && !found.diverged);
        (0..400).for_each(|_| found.note(1e-3, 1.0, &mut least));
        assert!((found.smoothed[419] - 1.0).abs() < 1e-3);
        (0..400).for_each(|_| found.note(1e-3, 100.0, &mut least));
        assert!(found.diverged);
    }
}
