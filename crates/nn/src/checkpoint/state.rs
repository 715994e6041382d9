//! The state of a training between two steps, from which it goes on to the same bits.
//!
//! In a file it is a model file with more in it: the model as it is, and beside it, under the prefixes of
//! [`Set`], what else the training needs; settings and progress are in the field `training` of the metadata.

use super::{Header, Metadata, bad, frame, header, read_header, serialized, tensors_named};
use crate::architecture::Architecture;
use crate::arithmetic::Arithmetic;
use crate::average::Average;
use crate::error::Error;
use crate::model::Model;
use crate::progress::Progress;
use crate::tensors::Tensors;
use crate::train::{EpochStats, FitConfig};
use serde::{Deserialize, Serialize};

/// A training between two steps: what [`Training::state`](crate::Training::state) takes and
/// [`Training::resume`](crate::Training::resume) goes on from.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub(crate) architecture: Architecture,
    pub(crate) training: Fields,
    /// In the order of [`Set::ALL`]; the first three are always there.
    pub(crate) sets: [Option<Tensors>; Set::ALL.len()],
}

/// What a state has besides tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fields {
    pub(crate) config: FitConfig,
    /// Examples that are trained on and that are validated on.
    pub(crate) examples: (usize, usize),
    pub(crate) progress: Progress,
    /// How sums were rounded, on which the bits depend that it goes on to; earlier versions did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) arithmetic: Option<Arithmetic>,
}

/// Tensors of the shapes of the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// The weights that are trained.
    Weights,
    /// First moments.
    First,
    /// Second moments.
    Second,
    /// Weights of the best epoch.
    Best,
    /// Weights after the last good epoch, in the middle of the next.
    Good,
    /// Averaged weights.
    Average,
}

impl Set {
    pub(crate) const ALL: [Set; 6] =
        [Set::Weights, Set::First, Set::Second, Set::Best, Set::Good, Set::Average];

    /// What the names of its tensors begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Set::Weights => "",
            Set::First => "m.",
            Set::Second => "v.",
            Set::Best => "best.",
            Set::Good => "good.",
            Set::Average => "average.",
        }
    }
}

impl State {
    /// The settings of the training.
    pub fn config(&self) -> &FitConfig {
        &self.training.config
    }

    /// What the network is made of.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The epochs that are done.
    pub fn epochs(&self) -> &[EpochStats] {
        &self.training.progress.epochs
    }

    /// The epoch that was running, counted from 1, and how many of its steps are done.
    pub fn position(&self) -> (usize, usize) {
        (self.training.progress.epoch, self.training.progress.step)
    }

    /// Steps that are done in all epochs.
    pub fn steps(&self) -> u64 {
        self.training.progress.done
    }

    /// Whether the training was stopped early, and so goes on no further whatever the number of epochs.
    pub fn stopped_early(&self) -> bool {
        self.training.progress.stopped_early
    }

    /// Whether a training with these settings would have nothing left to do.
    pub fn is_over(&self, config: &FitConfig) -> bool {
        self.training.progress.is_over(config)
    }

    /// Examples that were trained on, and that were validated on.
    pub fn examples(&self) -> (usize, usize) {
        self.training.examples
    }

    /// Checks that a training with these settings can go on from here: only the numbers of epochs and of
    /// steps in all may differ, and what changes no result; the numbers not if the last epochs are averaged.
    ///
    /// # Errors
    /// [`Error::Setting`] if it cannot.
    pub fn check_settings(&self, config: &FitConfig) -> Result<(), Error> {
        let FitConfig { epochs, max_steps, skip_zeros, average, .. } = *config;
        if (FitConfig { epochs, max_steps, skip_zeros, ..*self.config() }) != *config {
            let what = "the state is that of a training with other settings";
            return Err(Error::Setting(what.to_owned()));
        }
        let same = (epochs, max_steps) == (self.config().epochs, self.config().max_steps);
        if !same && matches!(average, Average::Last { .. }) {
            let what = "the last epochs are averaged, and their number is another than it was";
            return Err(Error::Setting(what.to_owned()));
        }
        Ok(())
    }

    /// The model with the weights of the last step.
    ///
    /// # Errors
    /// None, unless the architecture is not one that can be built.
    pub fn model(&self) -> Result<Model, Error> {
        let Some(weights) = self.set(Set::Weights) else {
            unreachable!("a state has weights");
        };
        weights.model(&self.architecture)
    }

    pub(crate) fn set(&self, set: Set) -> Option<&Tensors> {
        self.sets[set as usize].as_ref()
    }

    /// Checks that the parts belong together.
    fn check(&self) -> Result<(), Error> {
        self.training.config.check()?;
        self.training.progress.check(&self.training.config, self.training.examples.0)?;
        let needed = [Set::Weights, Set::First, Set::Second];
        if let Some(missing) = needed.into_iter().find(|set| self.set(*set).is_none()) {
            let prefix = missing.prefix();
            return Err(bad(format!("there are no tensors `{prefix}dense_…`")));
        }
        if self.training.progress.best().is_some() != self.set(Set::Best).is_some() {
            return Err(bad("the best epoch and its weights do not go together"));
        }
        let Progress { averaged, step, .. } = self.training.progress;
        if averaged > 0 && self.set(Set::Average).is_none() {
            return Err(bad("there are no averaged weights"));
        }
        if step > 0 && self.set(Set::Good).is_none() {
            return Err(bad("there are no weights of the epoch before"));
        }
        Ok(())
    }
}

/// The bytes of a state. They are those of a model file, too.
///
/// # Errors
/// [`Error::Checkpoint`] if the metadata cannot be written as JSON (a pixel scale that is not finite).
pub fn state_to_bytes(state: &State, metadata: &Metadata) -> Result<Vec<u8>, Error> {
    let training = serde_json::to_value(&state.training).map_err(bad)?;
    let header = Header { training: Some(training), ..header(&state.architecture, metadata)? };
    let sets = Set::ALL.iter().zip(&state.sets);
    let sets = sets.filter_map(|(set, tensors)| Some((set.prefix(), tensors.as_ref()?)));
    serialized(&header, sets)
}

/// The state in a file, and what the file tells about the model.
///
/// # Errors
/// [`Error::Checkpoint`] if the file is not safetensors, holds no state, or its parts do not belong
/// together; [`Error::Architecture`] if its network cannot be built; [`Error::Setting`] if the settings in it make no sense.
pub fn state_from_bytes(file: &[u8]) -> Result<(State, Metadata), Error> {
    let Header { architecture, metadata, training, rng, .. } = read_header(file)?;
    let Some(training) = training else {
        return Err(bad("it holds a model, but no state of a training"));
    };
    if rng != crate::rng::NAME {
        return Err(bad(format!("random numbers by {rng}; this version has {}", crate::rng::NAME)));
    }
    let training: Fields =
        serde_json::from_value(training).map_err(|e| bad(format!("metadata: training: {e}")))?;
    let tensors = frame::tensors(file)?;
    architecture.check()?;
    let known = super::check_tensors(&architecture, &tensors, &Set::ALL)?;
    let set = |set: Set| {
        known.contains(&set).then(|| tensors_named(&architecture, &tensors, set.prefix()))
    };
    let [a, b, c, d, e, f] = Set::ALL.map(|s| set(s).transpose());
    let sets = [a?, b?, c?, d?, e?, f?];
    let state = State { architecture, training, sets };
    state.check()?;
    Ok((state, metadata))
}
