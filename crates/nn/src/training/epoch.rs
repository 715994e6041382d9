//! The end of an epoch: average, validation, best weights, early stopping.

use super::Training;
use crate::average::mix;
use crate::error::Error;
use crate::held::Held;
use crate::progress::Progress;
use crate::train::{EpochStats, FitConfig, Monitor, Running};
use crate::weights::{Weights, finite};
use std::time::Instant;

impl Training<'_> {
    /// Ends the epoch that runs.
    pub(super) fn end_epoch(&mut self) -> Result<EpochStats, Error> {
        let seconds = self.progress.seconds + self.since.elapsed().as_secs_f64();
        // The rate of the step that was the last: a plateau is not over before the epoch is noted.
        let lr = self.rates().of(self.progress.done);
        let Progress { epoch, step, running, .. } = self.progress;
        // The last step's loss was taken before its update, which may have gone too far.
        if !finite(&self.model.layers) {
            return Err(self.diverged(step, f64::NAN));
        }
        self.average(true);
        self.swap_average();
        let found = self.validate();
        let loss = if finite(&self.model.layers) { found.map_or(0.0, |f| f.0) } else { f64::NAN };
        if !loss.is_finite() {
            return Err(self.diverged(step, loss));
        }
        let stats = EpochStats {
            epoch,
            steps: step,
            seconds,
            loss: running.loss(),
            accuracy: running.accuracy(),
            val_loss: found.map(|f| f.0),
            val_accuracy: found.map(|f| f.1),
            lr,
        };
        self.note(&stats);
        self.swap_average();
        self.good.copy(&self.model.layers);
        let progress = &mut self.progress;
        progress.epochs.push(stats);
        (progress.epoch, progress.step) = (epoch + 1, 0);
        (progress.running, progress.seconds) = (Running::default(), 0.0);
        self.begun = false;
        self.since = Instant::now();
        Ok(stats)
    }

    /// Adds the weights to the average, if that is to be done now.
    pub(super) fn average(&mut self, end_of_epoch: bool) {
        let FitConfig { average, epochs, max_steps, .. } = self.config;
        let steps = self.steps() as u64;
        let Progress { epoch, averaged, done, .. } = &mut self.progress;
        let left = max_steps.map_or(u64::MAX, |most| most.saturating_sub(*done).div_ceil(steps));
        let left = left.min((epochs - *epoch) as u64);
        let share = average.share(end_of_epoch, *averaged, left);
        let laps = self.laps.as_ref().filter(|laps| !end_of_epoch && laps.wants(*done));
        let start = laps.map(|laps| (laps, Instant::now()));
        if let (Some(share), Some(average)) = (share, &mut self.average) {
            let team = self.team.as_mut().unwrap_or(&mut self.engine.team);
            mix(self.engine.isa, average, &self.model.layers, share, team);
            *averaged += 1;
        }
        if let Some((laps, start)) = start {
            laps.average(start.elapsed());
        }
    }

    /// Exchanges the weights with the averaged ones, if there are some.
    pub(super) fn swap_average(&mut self) {
        if self.progress.averaged > 0
            && let Some(average) = &mut self.average
        {
            average.swap(&mut self.model.layers);
        }
    }

    /// Loss and accuracy over the validation set.
    fn validate(&mut self) -> Option<(f64, f64)> {
        let Held { inputs, labels, rows } = self.held.as_ref()?;
        let found = self.model.evaluate_rows(self.engine, *inputs, *labels, rows.as_deref());
        Some((found.loss, found.accuracy))
    }

    /// Schedule, best weights and early stopping take note of an epoch.
    fn note(&mut self, stats: &EpochStats) {
        let FitConfig { optimizer, schedule, early_stopping, monitor, .. } = self.config;
        let progress = &mut self.progress;
        progress.plateau.note(schedule, optimizer.lr(), stats.val_loss.unwrap_or(stats.loss));
        let (Some(loss), Some(accuracy)) = (stats.val_loss, stats.val_accuracy) else { return };
        // The lower the better.
        let measure = match monitor {
            Monitor::Loss => loss,
            Monitor::Accuracy => -accuracy,
        };
        let delta = early_stopping.map_or(0.0, |early| early.min_delta);
        if progress.reference.is_none_or(|reference| measure + delta < reference) {
            (progress.reference, progress.waited) = (Some(measure), 0);
        } else {
            progress.waited += 1;
        }
        progress.stopped_early =
            early_stopping.is_some_and(|early| progress.waited >= early.patience.max(1));
        if progress.best.is_none_or(|(_, best)| measure < best) {
            progress.best = Some((stats.epoch, measure));
            match &mut self.best {
                Some(best) => best.copy(&self.model.layers),
                None => self.best = Some(Weights::of(&self.model.layers)),
            }
        }
    }
}
