//! How far a training has come: all of its state but tensors.

use crate::error::Error;
use crate::schedule::{Plateau, Position};
use crate::train::{EpochStats, FitConfig, Running};
use serde::{Deserialize, Serialize};

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

    /// The learning rate of the next step, with so many steps in an epoch.
    pub(crate) fn rate(&self, config: &FitConfig, steps: usize) -> f64 {
        let FitConfig { optimizer, schedule, warm_up, epochs, max_steps, .. } = *config;
        let total = (epochs as u64).saturating_mul(steps as u64);
        let total = max_steps.map_or(total, |most| total.min(most));
        let at = Position { step: self.done, total, epoch: self.epoch - 1 };
        schedule.rate(optimizer.lr(), warm_up, at, self.plateau.rate)
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
        Ok(())
    }
}
