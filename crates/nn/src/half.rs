//! The first layer in bf16: its two products, forward and gradient of the weights, take operands rounded
//! to bf16; weights, moments and sums stay f32. For the tutorial's network that is 98 % of the arithmetic.
//!
//! Pixels are whole numbers up to 255, which bf16 holds exactly: they are multiplied as they are, and
//! their scale is applied to the sums.

use crate::augment::Augment;
use crate::data::{Inputs, Row};
use crate::error::Error;
use crate::layer::Part;
use crate::own::load_row;
use kernels::{AdamStep, Bf16, Blocks, Isa, Left16, Line, Panel, Right16, Then, View};
use serde::{Deserialize, Serialize};

/// In what precision the large products are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Precision {
    /// `f32`: the same bits on every machine with fused multiply-add.
    #[default]
    F32,
    /// The products of the first layer in bf16, which needs a CPU with AMX or with AVX-512 for bf16: the same bits on all of
    /// either kind, but not those of `f32`.
    Bf16,
}

impl Precision {
    /// The name that [`Precision::named`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        }
    }

    /// The precision of that name.
    pub fn named(name: &str) -> Option<Precision> {
        [Precision::F32, Precision::Bf16].into_iter().find(|p| p.name() == name)
    }
}

/// The token for bf16, which goes with AVX-512: who asks for other instructions does not get these.
///
/// # Errors
/// [`Error::Machine`] if this CPU has neither AMX nor AVX-512 for bf16, or `isa` is another one.
pub(crate) fn token(isa: Isa) -> Result<Bf16, Error> {
    if isa.name() != "avx512" {
        return Err(Error::Machine(format!("bf16 goes with avx512, and this run uses {isa}")));
    }
    Bf16::new().ok_or_else(|| {
        let what = "bf16 needs a CPU that multiplies such numbers, by AVX-512 (avx512_bf16) or AMX (amx_bf16)";
        Error::Machine(what.to_owned())
    })
}

/// What a column of the first layer has in bf16: its weights, and its own copy of the batch, which is
/// faster to make than to fetch from another core.
#[derive(Clone, Debug)]
pub(crate) struct Half {
    token: Bf16,
    weights: Right16,
    x: Left16,
    x_t: Left16,
    dz: Right16,
    /// What inputs that are floats are rounded from.
    floats: Panel,
    /// Images that are varied.
    images: Vec<u8>,
}

impl Half {
    /// For a column in one part, and batches of these inputs.
    pub(crate) fn new(
        token: Bf16,
        part: &Part,
        batch: usize,
        inputs: Inputs<'_>,
        augment: Augment,
    ) -> Half {
        let (features, cols) = (part.owned.w.rows(), part.owned.w.cols());
        let mut weights = Right16::zeros(features, cols);
        kernels::pairs16(token, part.owned.w.view(), &mut weights, 0);
        let (x, x_t) = (Left16::zeros(batch, features), Left16::zeros(features, batch));
        let rows = if inputs.is_u8() { 0 } else { batch };
        let floats = Panel::zeros(rows, features);
        let images = if inputs.is_u8() && augment.is_on() { batch * features } else { 0 };
        let images = vec![0; images];
        Half { token, weights, x, x_t, dz: Right16::zeros(batch, cols), floats, images }
    }

    /// Takes the examples at these indices.
    pub(crate) fn gather(&mut self, isa: Isa, inputs: Inputs<'_>, order: &[u32]) {
        let Half { token, x, x_t, dz, floats, images, .. } = self;
        if x.rows() != order.len() {
            x.set_shape(order.len(), x.depth());
            x_t.set_shape(x_t.rows(), order.len());
            dz.set_shape(order.len(), dz.cols());
        }
        let features = inputs.features();
        let bytes = |i: usize| match inputs.row(order[i] as usize) {
            Row::U8 { data, .. } => data,
            Row::F32(_) => &[],
        };
        match inputs.augmenter {
            None if inputs.is_u8() => kernels::pixels16(*token, &bytes, x),
            Some(augmenter) if inputs.is_u8() => {
                for (i, image) in images.chunks_exact_mut(features).take(order.len()).enumerate() {
                    augmenter.apply(order[i], bytes(i), image);
                }
                kernels::pixels16(*token, &|i| &images[i * features..][..features], x);
            }
            augmenter => {
                for (i, &at) in order.iter().enumerate() {
                    match (inputs.row(at as usize), augmenter) {
                        (Row::F32(data), Some(augmenter)) => {
                            let to = &mut Line::flat_mut(floats.row_mut(i))[..features];
                            augmenter.apply(at, data, to);
                        }
                        (row, _) => load_row(isa, row, floats, i),
                    }
                }
                kernels::round16(*token, floats.view().rows_at(0, order.len()), x, 0);
            }
        }
        kernels::transpose16(*token, x, x_t);
    }

    /// Outputs for the examples, into panels of rows.
    pub(crate) fn forward(&self, part: &Part, then: Then, inputs: Inputs<'_>, out: &mut [Panel]) {
        let Some(bias) = &part.bias else { unreachable!("a column in one part has its biases") };
        let epilogue = (bias.w.lines(), then);
        kernels::forward16(self.token, &self.x, &[&self.weights], inputs.scale(), epilogue, out);
    }

    /// A step of Adam, given the gradients of the outputs by blocks of rows.
    pub(crate) fn update<'v>(
        &mut self,
        part: &mut Part,
        isa: Isa,
        inputs: Inputs<'_>,
        (blocks, dz): (usize, &(dyn Fn(usize) -> View<'v> + Sync)),
        adam: AdamStep,
    ) {
        let mut row = 0;
        for block in (0..blocks).map(dz) {
            kernels::pairs16(self.token, block, &mut self.dz, row);
            row += block.rows();
        }
        let (x, dz16, scale) = ((&self.x_t, 0), &self.dz, inputs.scale());
        let weights = &mut self.weights;
        kernels::update16(self.token, x, dz16, scale, &mut part.owned, weights, adam);
        if let Some(bias) = &mut part.bias {
            kernels::bias_update(isa, Blocks::new(blocks, dz), bias, adam);
        }
    }
}
