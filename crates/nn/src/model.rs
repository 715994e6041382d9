//! A network with weights.

use crate::architecture::Architecture;
use crate::error::Error;
use crate::layer::Dense;

/// A network with weights. Train it with [`fit`](Model::fit), measure it with
/// [`evaluate`](Model::evaluate), use it with [`predict`](Model::predict).
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) architecture: Architecture,
    pub(crate) layers: Vec<Dense>,
}

impl Model {
    /// Glorot-uniform weights drawn from the seed, zero biases.
    ///
    /// # Errors
    /// [`Error::Architecture`] if the network cannot be built.
    pub fn new(architecture: Architecture, seed: u64) -> Result<Model, Error> {
        architecture.check()?;
        let shapes = architecture.dense().zip(0..);
        let layers = shapes.map(|(shape, n)| Dense::glorot_uniform(shape, seed, n)).collect();
        Ok(Model { architecture, layers })
    }

    /// Zero weights, to be filled.
    pub(crate) fn zeros(architecture: Architecture) -> Result<Model, Error> {
        architecture.check()?;
        let shapes = architecture.dense().enumerate();
        let layers = shapes.map(|(n, shape)| Dense::zeros(shape, n == 0)).collect();
        Ok(Model { architecture, layers })
    }

    /// What the network is made of.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Weights and biases.
    pub fn parameters(&self) -> usize {
        self.architecture.parameters()
    }

    /// The layers as a table: name, output shape, parameters.
    pub fn summary(&self) -> String {
        self.architecture.summary()
    }

    /// Weights of dense layer `layer`, counted from 0, row-major `[inputs, units]`.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn weights(&self, layer: usize) -> Vec<f32> {
        let dense = &self.layers[layer];
        let at = |k: usize| dense.get(k / dense.shape.units, k % dense.shape.units);
        (0..dense.shape.inputs * dense.shape.units).map(at).collect()
    }

    /// Biases of dense layer `layer`, counted from 0.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn biases(&self, layer: usize) -> Vec<f32> {
        self.layers[layer].biases().collect()
    }
}
