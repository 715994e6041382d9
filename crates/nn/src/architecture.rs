//! What a network is made of, before it has weights.

use crate::error::Error;
use serde::{Deserialize, Serialize};

/// What follows a dense layer's product and bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// Nothing.
    Linear,
    /// `max(0, x)`
    Relu,
    /// `x`, or `x / 100` where it is negative: PyTorch's default slope.
    LeakyRelu,
    /// `x Φ(x)`, the exact one: default in PyTorch and Keras.
    Gelu,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// Probabilities of classes. The last layer's only; training works from the logits.
    Softmax,
}

impl Activation {
    /// Those that a hidden layer may have.
    pub const HIDDEN: &'static [Activation] = &[
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Gelu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Linear,
    ];

    /// Its name, as in model files.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Linear => "linear",
            Activation::Relu => "relu",
            Activation::LeakyRelu => "leaky-relu",
            Activation::Gelu => "gelu",
            Activation::Tanh => "tanh",
            Activation::Sigmoid => "sigmoid",
            Activation::Softmax => "softmax",
        }
    }

    /// The activation of that name that a hidden layer may have.
    pub fn named(name: &str) -> Option<Activation> {
        Activation::HIDDEN.iter().copied().find(|activation| activation.name() == name)
    }
}

/// A layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Layer {
    /// Examples of any shape become rows. Costs nothing: they lie that way already.
    Flatten,
    /// `act(x W + b)`
    Dense {
        /// Outputs.
        units: usize,
        /// What follows.
        activation: Activation,
    },
    /// In training, sets outputs of the dense layer before it to zero at random and multiplies the others by
    /// `1 / (1 - rate)`. Otherwise it does nothing.
    Dropout {
        /// How likely an output is to become zero, in 0..1.
        rate: f64,
    },
}

/// Shape of one example and the layers it passes through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Shape of one example, such as 28 × 28.
    pub input: Vec<usize>,
    /// The layers in order.
    pub layers: Vec<Layer>,
}

/// One dense layer, resolved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DenseShape {
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub units: usize,
    /// What follows.
    pub activation: Activation,
    /// Rate of the dropout behind it; 0 without one.
    pub dropout: f64,
}

/// More parameters than this are a mistake, not a small network.
const MOST_PARAMETERS: usize = 1 << 30;

/// Labels are numbers of up to two bytes.
const MOST_CLASSES: usize = 1 << 16;

impl DenseShape {
    /// Weights and biases; `usize::MAX` if there are more.
    pub fn parameters(&self) -> usize {
        self.inputs.saturating_add(1).saturating_mul(self.units)
    }
}

impl Architecture {
    /// Floats in one example; `usize::MAX` if there are more.
    pub fn features(&self) -> usize {
        self.input.iter().fold(1, |n, size| n.saturating_mul(*size))
    }

    /// Outputs of the last layer.
    pub fn classes(&self) -> usize {
        self.dense().last().map_or(0, |d| d.units)
    }

    /// The dense layers in order.
    pub fn dense(&self) -> impl Iterator<Item = DenseShape> + '_ {
        let mut inputs = self.features();
        self.layers.iter().enumerate().filter_map(move |(i, layer)| match *layer {
            Layer::Flatten | Layer::Dropout { .. } => None,
            Layer::Dense { units, activation } => {
                let dropout = match self.layers.get(i + 1) {
                    Some(Layer::Dropout { rate }) => *rate,
                    _ => 0.0,
                };
                let shape = DenseShape { inputs, units, activation, dropout };
                inputs = units;
                Some(shape)
            }
        })
    }

    /// Weights and biases; `usize::MAX` if there are more.
    pub fn parameters(&self) -> usize {
        self.dense().fold(0, |n, shape| n.saturating_add(shape.parameters()))
    }

    /// Checks that this can be built: sizes that exist, softmax at the end and nowhere else.
    ///
    /// # Errors
    /// [`Error::Architecture`] says what is wrong.
    pub fn check(&self) -> Result<(), Error> {
        let bad = |what: String| Err(Error::Architecture(what));
        if !(1..=MOST_PARAMETERS).contains(&self.features()) {
            let shape = &self.input;
            return bad(format!(
                "examples of shape {shape:?}; each size is 1 or more, and their product {MOST_PARAMETERS} at most"
            ));
        }
        let dense: Vec<DenseShape> = self.dense().collect();
        let Some((last, hidden)) = dense.split_last() else {
            return bad("there is no dense layer".to_owned());
        };
        if let Some(d) = dense.iter().find(|d| d.units == 0) {
            return bad(format!("a dense layer of {} inputs has no units", d.inputs));
        }
        if self.parameters() > MOST_PARAMETERS {
            return bad(format!("more than {MOST_PARAMETERS} parameters"));
        }
        if last.activation != Activation::Softmax {
            return bad(format!("the last layer is {}, not softmax", last.activation.name()));
        }
        if !(2..=MOST_CLASSES).contains(&last.units) {
            return bad(format!("{} classes; 2 to {MOST_CLASSES} are possible", last.units));
        }
        if hidden.iter().any(|d| d.activation == Activation::Softmax) {
            return bad("softmax in a hidden layer".to_owned());
        }
        self.check_dropout()
    }

    /// Checks that dropout stands behind hidden layers only, with rates that are some.
    fn check_dropout(&self) -> Result<(), Error> {
        let bad = |what: String| Err(Error::Architecture(what));
        for (i, layer) in self.layers.iter().enumerate() {
            let Layer::Dropout { rate } = layer else { continue };
            if !(0.0..1.0).contains(rate) {
                return bad(format!("a dropout rate of {rate}; it is in 0..1"));
            }
            let before = i.checked_sub(1).map(|i| self.layers[i]);
            let hidden = matches!(before, Some(Layer::Dense { activation, .. }) if activation != Activation::Softmax);
            if !hidden {
                return bad("dropout stands right behind a hidden dense layer".to_owned());
            }
        }
        Ok(())
    }
}

/// Builds an [`Architecture`] layer by layer, as Keras' `Sequential` does.
///
/// ```
/// use nn::{Activation, Sequential};
/// let model = Sequential::new(&[28, 28])
///     .flatten()
///     .dense(128, Activation::Relu)
///     .dense(10, Activation::Softmax)
///     .build(1)?;
/// assert_eq!(model.parameters(), 101_770);
/// # Ok::<(), nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sequential(Architecture);

impl Sequential {
    /// A network for examples of this shape.
    pub fn new(input: &[usize]) -> Sequential {
        Sequential(Architecture { input: input.to_vec(), layers: Vec::new() })
    }

    /// Adds a layer that makes a row of an example.
    pub fn flatten(mut self) -> Sequential {
        self.0.layers.push(Layer::Flatten);
        self
    }

    /// Adds a dense layer.
    pub fn dense(mut self, units: usize, activation: Activation) -> Sequential {
        self.0.layers.push(Layer::Dense { units, activation });
        self
    }

    /// Adds dropout to the dense layer before.
    ///
    /// ```
    /// use nn::{Activation, Sequential};
    /// let net = Sequential::new(&[784]).dense(128, Activation::Gelu).dropout(0.3);
    /// assert!(net.dense(10, Activation::Softmax).build(1).is_ok());
    /// ```
    pub fn dropout(mut self, rate: f64) -> Sequential {
        self.0.layers.push(Layer::Dropout { rate });
        self
    }

    /// What was put together so far.
    pub fn architecture(&self) -> &Architecture {
        &self.0
    }

    /// The network with Glorot-uniform weights drawn from the seed, and zero biases.
    ///
    /// # Errors
    /// [`Error::Architecture`] if it cannot be built.
    pub fn build(self, seed: u64) -> Result<crate::Model, Error> {
        crate::Model::new(self.0, seed)
    }
}
