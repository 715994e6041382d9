//! The learning rate of each step.
//!
//! The formulas are PyTorch's where it has them, worked out from the number of the step rather than one
//! from the other, so a run that is resumed needs no history. Cosine and powers are those of `libm`: the
//! same bits on every machine.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How the learning rate changes. `lr` is the optimiser's, `t` counts the steps of the run from 0 (after a
/// warm-up, from its end), `T` is how many there will be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Schedule {
    /// It does not.
    #[default]
    Constant,
    /// `lr · gamma^⌊e / every⌋` in epoch `e`, counted from 0 (PyTorch's `StepLR`, stepped each epoch).
    Step {
        /// Epochs from one drop to the next.
        every: usize,
        /// What the rate is multiplied by.
        gamma: f64,
    },
    /// `min + (lr - min)(1 + cos(π t / T)) / 2` (PyTorch's `CosineAnnealingLR`, stepped each step).
    Cosine {
        /// Where it ends.
        min: f64,
    },
    /// From `lr / div` up to `lr` in the first `rise` of the run, then down to `lr / div / final_div`,
    /// both along half a cosine (PyTorch's `OneCycleLR` with `max_lr = lr`, without its cycle of momentum;
    /// L. Smith, N. Topin, "Super-convergence", 2018).
    OneCycle {
        /// Share of the steps that the rise takes.
        rise: f64,
        /// How far below `lr` it starts.
        div: f64,
        /// How far below its start it ends.
        final_div: f64,
    },
    /// `max(factor · rate, min)` after more than `patience` epochs in a row whose loss is not below
    /// `(1 - threshold) · best` (PyTorch's `ReduceLROnPlateau`). The loss is that of the validation set, or
    /// without one that of training.
    Plateau {
        /// What the rate is multiplied by.
        factor: f64,
        /// Epochs to wait.
        patience: usize,
        /// Relative improvement that counts as one.
        threshold: f64,
        /// Epochs after a drop that do not count.
        cooldown: usize,
        /// The rate never falls below.
        min: f64,
    },
    /// `lr · (last / lr)^(t / (T - 1))`: the sweep of a range test.
    Exponential {
        /// Where it ends.
        last: f64,
    },
}

impl Schedule {
    /// A cosine down to 0.
    pub const COSINE: Schedule = Schedule::Cosine { min: 0.0 };
    /// A tenth every ten epochs.
    pub const STEP: Schedule = Schedule::Step { every: 10, gamma: 0.1 };
    /// One cycle with PyTorch's constants.
    pub const ONE_CYCLE: Schedule = Schedule::OneCycle { rise: 0.3, div: 25.0, final_div: 1e4 };
    /// Reduction on a plateau with PyTorch's constants, but patience for training of small networks.
    pub const PLATEAU: Schedule =
        Schedule::Plateau { factor: 0.1, patience: 2, threshold: 1e-4, cooldown: 0, min: 0.0 };

    /// The name that [`Schedule::named`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Schedule::Constant => "constant",
            Schedule::Step { .. } => "step",
            Schedule::Cosine { .. } => "cosine",
            Schedule::OneCycle { .. } => "one-cycle",
            Schedule::Plateau { .. } => "plateau",
            Schedule::Exponential { .. } => "exponential",
        }
    }

    /// The schedules that need nothing but their name, with their usual constants.
    pub const ALL: [Schedule; 5] = [
        Schedule::Constant,
        Schedule::STEP,
        Schedule::COSINE,
        Schedule::ONE_CYCLE,
        Schedule::PLATEAU,
    ];

    /// The schedule of that name, with its usual constants.
    pub fn named(name: &str) -> Option<Schedule> {
        Schedule::ALL.into_iter().find(|s| s.name() == name)
    }

    /// The rate of a step, given the optimiser's and, for [`Schedule::Plateau`], what became of it.
    pub(crate) fn rate(self, lr: f64, warm_up: WarmUp, at: Position, reduced: Option<f64>) -> f64 {
        if at.step < warm_up.steps {
            let done = at.step as f64 / warm_up.steps as f64;
            return lr * (warm_up.start + (1.0 - warm_up.start) * done);
        }
        let (t, total) = (at.step - warm_up.steps, at.total.saturating_sub(warm_up.steps).max(1));
        let share = t as f64 / total as f64;
        match self {
            Schedule::Constant => lr,
            Schedule::Step { every, gamma } => lr * libm::pow(gamma, (at.epoch / every) as f64),
            Schedule::Cosine { min } => between(lr, min, share),
            Schedule::OneCycle { rise, div, final_div } => {
                let (first, last) = (lr / div, lr / div / final_div);
                let (end, top) = ((total - 1) as f64, rise * total as f64 - 1.0);
                let t = t as f64;
                if t <= top && top > 0.0 {
                    between(first, lr, t / top)
                } else if end > top {
                    let top = top.max(0.0);
                    between(lr, last, if end > top { (t - top) / (end - top) } else { 1.0 })
                } else {
                    lr
                }
            }
            Schedule::Plateau { .. } => reduced.unwrap_or(lr),
            Schedule::Exponential { last } => {
                lr * libm::pow(last / lr, t as f64 / (total - 1).max(1) as f64)
            }
        }
    }

    /// Checks the constants.
    pub(crate) fn check(self) -> Result<(), Error> {
        let bad = |what: String| Err(Error::Setting(format!("schedule {}: {what}", self.name())));
        let rate = |min: f64| min.is_finite() && min >= 0.0;
        match self {
            Schedule::Step { every: 0, .. } => bad("a drop every 0 epochs".to_owned()),
            Schedule::Step { gamma, .. } if !(gamma.is_finite() && gamma > 0.0) => {
                bad(format!("a factor of {gamma}; it must be above 0"))
            }
            Schedule::Cosine { min } | Schedule::Plateau { min, .. } if !rate(min) => {
                bad(format!("a lowest rate of {min}; it must be 0 or more"))
            }
            Schedule::OneCycle { rise, div, final_div } => {
                if !(0.0..=1.0).contains(&rise) {
                    return bad(format!(
                        "a rise of {rise} of the run; a share of 0 to 1 is needed"
                    ));
                }
                if !(div.is_finite() && div >= 1.0 && final_div.is_finite() && final_div >= 1.0) {
                    return bad(format!("divisors of {div} and {final_div}; 1 is the least"));
                }
                Ok(())
            }
            Schedule::Plateau { factor, threshold, .. } => {
                if !(0.0..1.0).contains(&factor) {
                    return bad(format!("a factor of {factor}; it must be below 1"));
                }
                if !(0.0..1.0).contains(&threshold) {
                    return bad(format!("a threshold of {threshold}; a share of 0 to 1 is needed"));
                }
                Ok(())
            }
            Schedule::Exponential { last } if !(last.is_finite() && last > 0.0) => {
                bad(format!("a last rate of {last}; it must be above 0"))
            }
            _ => Ok(()),
        }
    }
}

/// From one value to the other along half a cosine.
fn between(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * (1.0 + libm::cos(PI * share)) / 2.0
}

/// Small steps first: `lr · (start + (1 - start) t / steps)` for `t < steps`, and the schedule from there on
/// (PyTorch's `SequentialLR` of a `LinearLR` and the schedule).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WarmUp {
    /// Steps it takes; none is no warm-up.
    pub steps: u64,
    /// Share of the rate that it starts with.
    pub start: f64,
}

impl Default for WarmUp {
    fn default() -> Self {
        WarmUp { steps: 0, start: 0.01 }
    }
}

impl WarmUp {
    pub(crate) fn check(self) -> Result<(), Error> {
        let WarmUp { start, .. } = self;
        if (0.0..=1.0).contains(&start) {
            return Ok(());
        }
        Err(Error::Setting(format!(
            "a warm-up from {start} of the rate; a share of 0 to 1 is needed"
        )))
    }
}

/// Where in a run a step is, all counted from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Position {
    pub(crate) step: u64,
    pub(crate) total: u64,
    pub(crate) epoch: usize,
}

/// What [`Schedule::Plateau`] remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plateau {
    /// The rate, once it was reduced.
    pub(crate) rate: Option<f64>,
    best: Option<f64>,
    /// Epochs in a row without an improvement.
    pub(crate) bad: usize,
    cooling: usize,
}

/// A reduction by less is none, as in PyTorch.
const LEAST: f64 = 1e-8;

impl Plateau {
    /// Takes note of an epoch's loss.
    pub(crate) fn note(&mut self, schedule: Schedule, lr: f64, loss: f64) {
        let Schedule::Plateau { factor, patience, threshold, cooldown, min } = schedule else {
            return;
        };
        if self.best.is_none_or(|best| loss < best * (1.0 - threshold)) {
            (self.best, self.bad) = (Some(loss), 0);
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            (self.cooling, self.bad) = (self.cooling - 1, 0);
        }
        if self.bad > patience {
            (self.cooling, self.bad) = (cooldown, 0);
            let old = self.rate.unwrap_or(lr);
            let new = (old * factor).max(min);
            if old - new > LEAST {
                self.rate = Some(new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Made by PyTorch: see `tests/golden/make_schedules.py`.
    fn golden() -> Value {
        serde_json::from_str(include_str!("../tests/golden/schedules.json")).expect("JSON")
    }

    fn close(ours: f64, theirs: f64) -> bool {
        (ours - theirs).abs() <= 1e-12 + 1e-12 * theirs.abs()
    }

    #[test]
    fn rates_are_those_of_pytorch() {
        let golden = golden();
        let cases = golden["cases"].as_array().expect("cases");
        assert!(cases.len() >= 8, "{}", cases.len());
        for case in cases {
            let schedule: Schedule = serde_json::from_value(case["schedule"].clone()).expect("one");
            schedule.check().expect("good constants");
            let start = case["warm_up"]["start"].as_f64().expect("a share");
            let steps = case["warm_up"]["steps"].as_u64().expect("steps");
            let lr = case["lr"].as_f64().expect("a rate");
            let theirs = case["rates"].as_array().expect("rates");
            let per_epoch = case["steps_per_epoch"].as_u64().expect("steps");
            let total = theirs.len() as u64;
            for (step, theirs) in (0..).zip(theirs) {
                let at = Position { step, total, epoch: (step / per_epoch) as usize };
                let ours = schedule.rate(lr, WarmUp { steps, start }, at, None);
                let theirs = theirs.as_f64().expect("a rate");
                assert!(close(ours, theirs), "{schedule:?} step {step}: {ours} and {theirs}");
            }
        }
    }

    #[test]
    fn plateaus_are_those_of_pytorch() {
        let golden = golden();
        let cases = golden["plateaus"].as_array().expect("cases");
        assert!(cases.len() >= 3, "{}", cases.len());
        for case in cases {
            let schedule: Schedule = serde_json::from_value(case["schedule"].clone()).expect("one");
            let lr = case["lr"].as_f64().expect("a rate");
            let mut plateau = Plateau::default();
            let list = |name: &str| {
                let list = case[name].as_array().expect("numbers").iter();
                list.map(|v| v.as_f64().expect("a number")).collect::<Vec<_>>()
            };
            for (epoch, (loss, theirs)) in list("losses").into_iter().zip(list("rates")).enumerate()
            {
                plateau.note(schedule, lr, loss);
                let ours = plateau.rate.unwrap_or(lr);
                assert!(close(ours, theirs), "{schedule:?} epoch {epoch}: {ours} and {theirs}");
            }
        }
    }

    #[test]
    fn short_runs_have_finite_rates() {
        for schedule in Schedule::ALL {
            for total in 1..8 {
                for warm in 0..10 {
                    for step in 0..total {
                        let at = Position { step, total, epoch: step as usize };
                        let warm_up = WarmUp { steps: warm, ..WarmUp::default() };
                        let rate = schedule.rate(1e-3, warm_up, at, None);
                        assert!(
                            (0.0..=1e-3 + 1e-15).contains(&rate),
                            "{schedule:?} {at:?}: {rate}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn constants_that_make_no_sense_are_refused() {
        let bad = [
            Schedule::Step { every: 0, gamma: 0.5 },
            Schedule::Step { every: 1, gamma: f64::NAN },
            Schedule::Cosine { min: -1.0 },
            Schedule::OneCycle { rise: 1.5, div: 25.0, final_div: 1e4 },
            Schedule::OneCycle { rise: 0.5, div: 0.0, final_div: 1e4 },
            Schedule::Plateau { factor: 1.0, patience: 1, threshold: 0.0, cooldown: 0, min: 0.0 },
            Schedule::Exponential { last: 0.0 },
        ];
        for schedule in bad {
            assert!(schedule.check().is_err(), "{schedule:?}");
        }
        for schedule in Schedule::ALL {
            assert!(schedule.check().is_ok(), "{schedule:?}");
            assert_eq!(Schedule::named(schedule.name()), Some(schedule));
        }
        assert!(WarmUp { steps: 3, start: 1.1 }.check().is_err());
    }
}
