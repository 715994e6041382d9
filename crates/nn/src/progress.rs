//! How far a training has come: all of its state but tensors.

use crate::error::Error;
use crate::optimizer::Optimizer;
use crate::schedule::{Plateau, Position, Schedule, WarmUp};
use crate::train::{EpochStats, Event, FitConfig, Running};
use crate::workspace::Losses;
use kernels::Step;
use serde::{Deserialize, Serialize};

/// The learning rates of an epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    optimizer: Optimizer,
    schedule: Schedule,
    warm_up: WarmUp,
    /// Steps of the whole training.
    total: u64,
    /// Counted from 0.
    epoch: usize,
    /// By a plateau.
    reduced: Option<f64>,
}

impl Rates {
    /// That of step `number`, counted from 1 over all epochs.
    pub(crate) fn of(self, number: u64) -> f64 {
        let Rates { optimizer, schedule, warm_up, total, epoch, reduced } = self;
        let at = Position { step: number - 1, total, epoch };
        schedule.rate(optimizer.lr(), warm_up, at, reduced)
    }

    /// The optimiser's constants of that step.
    pub(crate) fn step(self, number: u64) -> Step {
        self.optimizer.step(self.of(number), number)
    }
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The epoch that runs, from 1.
    pub(crate) epoch: usize,
    /// Its steps that are done.
    pub(crate) step: usize,
    /// Steps that are done in all.
    pub(crate) done: u64,
    /// Sums over this epoch's steps, and the time they took.
    pub(crate) running: Running,
    pub(crate) seconds: f64,
    /// The epochs that are done.
    pub(crate) epochs: Vec<EpochStats>,
    pub(crate) plateau: Plateau,
    /// The best epoch so far and its measure.
    pub(crate) best: Option<(usize, f64)>,
    /// What the next improvement is measured against, and epochs without one.
    pub(crate) reference: Option<f64>,
    pub(crate) waited: usize,
    /// Weights that are in the average.
    pub(crate) averaged: u64,
    pub(crate) stopped_early: bool,
}

impl Progress {
    pub(crate) fn begin() -> Progress {
        Progress {
            epoch: 1,
            step: 0,
            done: 0,
            running: Running::default(),
            seconds: 0.0,
            epochs: Vec::new(),
            plateau: Plateau::default(),
            best: None,
            reference: None,
            waited: 0,
            averaged: 0,
            stopped_early: false,
        }
    }

    /// A step is done, of so many in an epoch.
    pub(crate) fn stepped(&mut self, losses: Losses<'_>, steps: usize, rates: Rates) -> Event {
        let batch = losses.add_to(&mut self.running);
        self.done += 1;
        self.step += 1;
        let Progress { epoch, step, done, running, .. } = *self;
        let batch_loss = batch.loss();
        let (loss, accuracy, lr) = (running.loss(), running.accuracy(), rates.of(done));
        Event::Step { epoch, step, steps, loss, accuracy, batch_loss, lr }
    }

    /// The learning rates of the epoch that runs, with so many steps in each.
    pub(crate) fn rates(&self, config: &FitConfig, steps: usize) -> Rates {
        let FitConfig { optimizer, schedule, warm_up, epochs, max_steps, .. } = *config;
        let total = (epochs as u64).saturating_mul(steps as u64);
        let total = max_steps.map_or(total, |most| total.min(most));
        let (epoch, reduced) = (self.epoch - 1, self.plateau.rate);
        Rates { optimizer, schedule, warm_up, total, epoch, reduced }
    }

    /// Whether a training with these settings has nothing left to do.
    pub(crate) fn is_over(&self, config: &FitConfig) -> bool {
        let most = || config.max_steps.is_some_and(|most| self.done >= most);
        self.stopped_early || self.epoch > config.epochs || self.step == 0 && most()
    }

    /// The best epoch.
    pub(crate) fn best(&self) -> Option<usize> {
        self.best.map(|(epoch, _)| epoch)
    }

    /// Checks that a training with these settings and so many examples can have come to this.
    pub(crate) fn check(&self, config: &FitConfig, examples: usize) -> Result<(), Error> {
        let bad = |what: &str| Err(Error::Checkpoint(format!("progress: {what}")));
        let steps = config.steps(examples);
        if self.epoch.checked_sub(1) != Some(self.epochs.len()) || self.epochs.len() > config.epochs
        {
            return bad("the epochs are not those that are done");
        }
        if examples == 0 || self.step > steps || self.epochs.iter().any(|e| e.steps > steps) {
            return bad("more steps than an epoch has");
        }
        let done = self.epochs.iter().map(|e| e.steps as u128).sum::<u128>() + self.step as u128;
        if u128::from(self.done) != done || self.running.examples > examples {
            return bad("the counts of steps do not fit together");
        }
        if self.best().is_some_and(|best| !(1..self.epoch).contains(&best)) {
            return bad("the best epoch is none of those that are done");
        }
        if self.averaged > self.done {
            return bad("more weights in the average than there were steps");
        }
        let epochs = self.epochs.len();
        for (field, found, most) in [
            ("running.correct", self.running.correct, self.running.examples),
            ("waited", self.waited, epochs),
            ("plateau.bad", self.plateau.bad, epochs),
        ] {
            if found > most {
                return bad(&format!("{field}: expected {most} at most, found {found}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_that_no_training_comes_to_are_refused_by_name() {
        let config = FitConfig::default();
        let begun = Progress::begin();
        assert!(begun.check(&config, 100).is_ok());
        let running = Running { correct: 1, ..begun.running };
        let mut plateau = begun.plateau;
        plateau.bad = usize::MAX;
        for (progress, what) in [
            (Progress { running, ..begun.clone() }, "running.correct: expected 0 at most, found 1"),
            (Progress { waited: 1, ..begun.clone() }, "waited: expected 0 at most, found 1"),
            (Progress { plateau, ..begun.clone() }, "plateau.bad: expected 0 at most, found 184"),
        ] {
            let refused = progress.check(&config, 100).expect_err("it would overflow").to_string();
            assert!(refused.contains(what), "{refused}");
        }
    }
}
