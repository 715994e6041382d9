//! Averages of the weights of many steps or epochs, which do better on new examples than those of the last.

use crate::error::Error;
use crate::layer::Dense;
use crate::weights::{Weights, lines};
use kernels::{Isa, Line, Team};
use serde::{Deserialize, Serialize};

/// Which weights are averaged. The averaged ones are validated, and the model has them in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Average {
    /// None.
    #[default]
    Off,
    /// After every step `a += (1 - decay)(w - a)`, from `a = w` after the first: PyTorch's
    /// `AveragedModel` with `get_ema_multi_avg_fn`, but for a decay of up to 0.5, where that rounds otherwise.
    Ema {
        /// What remains of the average in a step.
        decay: f64,
    },
    /// The mean of the weights at the ends of the last epochs (stochastic weight averaging; P. Izmailov
    /// and others, 2018). Which are the last must be known from the beginning: it goes neither with early stopping nor with
    /// another number of epochs or steps when a training is resumed.
    Last {
        /// How many of them.
        epochs: usize,
    },
}

impl Average {
    pub(crate) fn check(self) -> Result<(), Error> {
        match self {
            Average::Ema { decay } if !(0.0..1.0).contains(&decay) => {
                Err(Error::Setting(format!("an average that decays by {decay}; 0..1 is needed")))
            }
            Average::Last { epochs: 0 } => {
                Err(Error::Setting("a mean over the last 0 epochs".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// The share that weights get in the average, in which there are `count` already: after a step, or at
    /// the end of an epoch, of which `left` are to come.
    pub(crate) fn share(self, end_of_epoch: bool, count: u64, left: u64) -> Option<f32> {
        match self {
            Average::Ema { .. } if !end_of_epoch && count == 0 => Some(1.0),
            Average::Ema { decay } if !end_of_epoch => Some((1.0 - decay) as f32),
            Average::Last { epochs } if end_of_epoch && left < epochs as u64 => {
                Some(1.0 / (count + 1) as f32)
            }
            _ => None,
        }
    }
}

/// `average += share (weights - average)`, rounded after each operation; a share of 1 copies.
pub(crate) fn mix(isa: Isa, average: &mut Weights, layers: &[Dense], share: f32, team: &mut Team) {
    if share == 1.0 {
        return average.copy(layers);
    }
    for (layer, averages) in layers.iter().zip(&mut average.0) {
        team.for_each_mut(averages, |p, average| {
            let mut to = &mut average[..];
            for from in lines(&layer.parts[p]) {
                let (here, rest) = to.split_at_mut(from.len());
                kernels::lerp(isa, Line::flat_mut(here), Line::flat(from), share);
                to = rest;
            }
        });
    }
}
