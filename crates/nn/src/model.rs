//! A network with weights.

use crate::architecture::Architecture;
use crate::error::Error;
use crate::layer::Dense;
use crate::tensors::Tensors;

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

    /// The network with these weights, `[units, inputs]` row by row as PyTorch and model files have them, and
    /// biases, of every dense layer.
    ///
    /// # Errors
    /// [`Error::Architecture`] if the network cannot be built, [`Error::Input`] if the sizes are not those of its
    /// layers.
    pub fn from_parameters(
        architecture: &Architecture,
        parameters: Vec<[Vec<f32>; 2]>,
    ) -> Result<Model, Error> {
        architecture.check()?;
        let sizes = architecture.dense().map(|d| [d.inputs * d.units, d.units]);
        let found = parameters.iter().map(|layer| layer.each_ref().map(Vec::len));
        if !sizes.eq(found) {
            let what = "the weights and biases are not those of the network's layers";
            return Err(Error::Input(what.to_owned()));
        }
        Tensors(parameters).model(architecture)
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
