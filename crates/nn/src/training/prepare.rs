//! What becomes of a network's layers before the first step.

use crate::augment::Augment;
use crate::behind::Behind;
use crate::data::Inputs;
use crate::error::Error;
use crate::group::is_far;
use crate::half::{self, Half, Precision};
use crate::layer::{Division, Part};
use crate::model::Model;
use crate::train::FitConfig;
use kernels::Isa;

impl Model {
    /// Divides the layers among so many threads, for batches of so many rows, and gives them what the settings need.
    pub(super) fn prepare(
        &mut self,
        config: &FitConfig,
        isa: Isa,
        inputs: Inputs<'_>,
        batch: usize,
        threads: usize,
    ) -> Result<(), Error> {
        let far = is_far(self.architecture.parameters(), threads);
        let shared = config.shares_output(&self.architecture, batch);
        let count = self.layers.len();
        // A model that was trained before and the same model from a file go the same way.
        for (l, layer) in self.layers.iter_mut().enumerate() {
            let of_classes = shared && l + 1 == count;
            let division = config.division(l, (layer.columns(), threads), far);
            layer.divide(if of_classes { Division::Blocks } else { division });
            layer.parts.iter_mut().for_each(|part| part.restart(far));
        }
        if config.precision == Precision::Bf16 {
            self.halve(isa, batch, inputs, config.augment)?;
        }
        if config.clip_norm.is_some() {
            self.layers.iter_mut().flat_map(|layer| &mut layer.parts).for_each(Part::keep);
        }
        Ok(())
    }

    /// Prepares the first layer for products in bf16.
    pub(super) fn halve(
        &mut self,
        isa: Isa,
        batch: usize,
        inputs: Inputs<'_>,
        augment: Augment,
    ) -> Result<(), Error> {
        let token = half::token(isa)?;
        if self.layers.len() < 2 {
            let what = "bf16 is for networks with a hidden layer; this one has none";
            return Err(Error::Setting(what.to_owned()));
        }
        let first = &mut self.layers[0];
        if Behind::new(&first.shape, 0, 0).keeps_slopes() {
            let what = "bf16 needs a first layer that is relu or linear, and no dropout behind it";
            return Err(Error::Setting(what.to_owned()));
        }
        for part in &mut first.parts {
            part.half = Some(Box::new(Half::new(token, part, batch, inputs, augment)));
        }
        Ok(())
    }
}
