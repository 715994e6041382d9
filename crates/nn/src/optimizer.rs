//! Optimisers and their settings.

use crate::error::Error;
use kernels::{AdamStep, AdamWStep, SgdStep, Step};
use serde::{Deserialize, Serialize};

/// Largest epsilon: divided by the smallest step that Adam takes, it is still a number.
const MOST_EPS: f64 = (1_u128 << 64) as f64;

/// Constants of Adam; the defaults are Keras', the formula PyTorch's (see
/// [`kernels::AdamStep`]).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdamConfig {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moments.
    pub beta1: f64,
    /// Decay of the second moments.
    pub beta2: f64,
    /// Added to the square root of the (corrected) second moment.
    pub eps: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        AdamConfig { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-7 }
    }
}

/// Constants of AdamW: Adam, and every parameter loses `lr · weight_decay` of itself in a step, whatever its
/// gradient (see [`kernels::AdamWStep`]). Biases too, as with PyTorch's optimisers over all parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdamWConfig {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moments.
    pub beta1: f64,
    /// Decay of the second moments.
    pub beta2: f64,
    /// Added to the square root of the (corrected) second moment.
    pub eps: f64,
    /// Decay of the parameters, as a share of the learning rate; the default is PyTorch's.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        let AdamConfig { lr, beta1, beta2, eps } = AdamConfig::default();
        AdamWConfig { lr, beta1, beta2, eps, weight_decay: 0.01 }
    }
}

/// Constants of stochastic gradient descent (see [`kernels::SgdStep`]); the defaults are Keras'.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SgdConfig {
    /// Learning rate.
    pub lr: f64,
    /// What is left of the momentum after a step; 0 is plain gradient descent.
    pub momentum: f64,
    /// Whether a step looks ahead along the momentum.
    pub nesterov: bool,
    /// Added to the gradient, times the parameter: an L2 penalty. Of biases too, as in PyTorch.
    pub weight_decay: f64,
}

impl Default for SgdConfig {
    fn default() -> Self {
        SgdConfig { lr: 1e-2, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

/// What makes steps of gradients.
///
/// ```
/// use nn::{FitConfig, Optimizer, SgdConfig};
/// let sgd = SgdConfig { lr: 0.05, momentum: 0.9, ..SgdConfig::default() };
/// let config = FitConfig { optimizer: sgd.into(), ..FitConfig::default() };
/// assert_eq!((config.optimizer.name(), config.optimizer.lr()), ("sgd", 0.05));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam.
    Adam(AdamConfig),
    /// Adam with decoupled weight decay.
    AdamW(AdamWConfig),
    /// Gradient descent, with momentum or without.
    Sgd(SgdConfig),
}

impl Default for Optimizer {
    fn default() -> Self {
        Optimizer::Adam(AdamConfig::default())
    }
}

impl From<AdamConfig> for Optimizer {
    fn from(config: AdamConfig) -> Self {
        Optimizer::Adam(config)
    }
}

impl From<AdamWConfig> for Optimizer {
    fn from(config: AdamWConfig) -> Self {
        Optimizer::AdamW(config)
    }
}

impl From<SgdConfig> for Optimizer {
    fn from(config: SgdConfig) -> Self {
        Optimizer::Sgd(config)
    }
}

impl Optimizer {
    /// Names that [`Optimizer::named`] takes.
    pub const NAMES: &'static [&'static str] = &["adam", "adamw", "sgd"];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Optimizer::Adam(_) => "adam",
            Optimizer::AdamW(_) => "adamw",
            Optimizer::Sgd(_) => "sgd",
        }
    }

    /// The optimiser of that name, with its defaults.
    pub fn named(name: &str) -> Option<Optimizer> {
        let all: [Optimizer; 3] = [
            AdamConfig::default().into(),
            AdamWConfig::default().into(),
            SgdConfig::default().into(),
        ];
        all.into_iter().find(|optimizer| optimizer.name() == name)
    }

    /// The learning rate it is given; a training may vary it from step to step.
    pub fn lr(self) -> f64 {
        match self {
            Optimizer::Adam(AdamConfig { lr, .. })
            | Optimizer::AdamW(AdamWConfig { lr, .. })
            | Optimizer::Sgd(SgdConfig { lr, .. }) => lr,
        }
    }

    /// The same with another learning rate.
    #[must_use]
    pub fn with_lr(self, lr: f64) -> Optimizer {
        match self {
            Optimizer::Adam(config) => AdamConfig { lr, ..config }.into(),
            Optimizer::AdamW(config) => AdamWConfig { lr, ..config }.into(),
            Optimizer::Sgd(config) => SgdConfig { lr, ..config }.into(),
        }
    }

    /// Weight decay; 0 if it has none.
    pub fn weight_decay(self) -> f64 {
        match self {
            Optimizer::Adam(_) => 0.0,
            Optimizer::AdamW(AdamWConfig { weight_decay, .. })
            | Optimizer::Sgd(SgdConfig { weight_decay, .. }) => weight_decay,
        }
    }

    /// The constants of step `t`, counted from 1, with the learning rate of that step.
    pub(crate) fn step(self, lr: f64, t: u64) -> Step {
        match self {
            Optimizer::Adam(AdamConfig { beta1, beta2, eps, .. }) => {
                AdamStep::new(lr, beta1, beta2, eps, t).into()
            }
            Optimizer::AdamW(AdamWConfig { beta1, beta2, eps, weight_decay, .. }) => {
                AdamWStep::new(lr, beta1, beta2, eps, weight_decay, t).into()
            }
            Optimizer::Sgd(SgdConfig { momentum, nesterov, weight_decay, .. }) => {
                let [lr, momentum, decay] = [lr, momentum, weight_decay].map(|x| x as f32);
                SgdStep { lr, momentum, nesterov, decay }.into()
            }
        }
    }

    /// Checks that the settings make sense.
    pub(crate) fn check(self) -> Result<(), Error> {
        let bad = |what: String| Err(Error::Setting(what));
        let lr = self.lr();
        if !((lr as f32).is_finite() && lr >= 0.0) {
            return bad(format!("a learning rate of {lr:?}; it must be 0 or more, and an f32"));
        }
        let decay = self.weight_decay();
        if !((decay as f32).is_finite() && decay >= 0.0) {
            return bad(format!("a weight decay of {decay:?}; it must be 0 or more, and an f32"));
        }
        match self {
            Optimizer::Adam(AdamConfig { beta1, beta2, eps, .. })
            | Optimizer::AdamW(AdamWConfig { beta1, beta2, eps, .. }) => {
                if let Some(beta) = [beta1, beta2].iter().find(|beta| !(0.0..1.0).contains(*beta)) {
                    return bad(format!("a decay of {beta:?}; Adam's betas are in 0..1"));
                }
                // Where gradients were zero, eps alone is what a moment is divided by. It is corrected, the first
                // step's most, and rounded; its reciprocal must be finite, and not denormal.
                let smallest = AdamStep::new(lr, beta1, beta2, eps, 1).eps;
                if !(smallest >= f32::MIN_POSITIVE && eps <= MOST_EPS) {
                    let least = f64::from(f32::MIN_POSITIVE) * lr / (1.0 - beta1);
                    return bad(format!(
                        "an epsilon of {eps:?}; with a learning rate of {lr:?} and a beta1 of {beta1:?} it must be \
                         from {least:.2e} to {MOST_EPS:.1e}"
                    ));
                }
            }
            Optimizer::Sgd(SgdConfig { momentum, nesterov, .. }) => {
                if !(0.0..1.0).contains(&momentum) {
                    return bad(format!("a momentum of {momentum:?}; it is in 0..1"));
                }
                if nesterov && momentum == 0.0 {
                    return bad("Nesterov's momentum needs a momentum above 0".to_owned());
                }
            }
        }
        Ok(())
    }
}
