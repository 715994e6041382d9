//! Networks from safetensors files of other programs.
//!
//! The names and shapes of the tensors are all there is to go by. `NAME.weight` of two dimensions, `[units,
//! inputs]` as PyTorch's `Linear` has them, is a dense layer, and `NAME.bias` its biases; layers without biases
//! get zeros. Layers follow each other in the order of the numbers in their names (`0`, `2`, `10`;
//! `net.1`, `net.4`); where there are no numbers and sizes do not fit in the order of the names, in the only order in
//! which they do.

use crate::natural;
use nn::{Activation, Model, Sequential};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;

/// The most bytes of a header that safetensors allows.
const MOST_HEADER: u64 = 100_000_000;

/// What the tensors do not tell.
#[derive(Clone, Debug)]
pub struct Options {
    /// Shape of one example; if not given, a square if the first layer's inputs fill one, else a row.
    pub input: Option<Vec<usize>>,
    /// What follows each hidden layer: one for all, or one for each.
    pub activations: Vec<Activation>,
    /// What the network's inputs were: pixels times `scale`, less `mean`, divided by `deviation`.
    pub normalisation: Normalisation,
}

/// `(pixel · scale − mean) / deviation`, with pixels of 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    /// What brings pixels to the range that `mean` is of.
    pub scale: f64,
    /// What was subtracted.
    pub mean: f64,
    /// What was divided by.
    pub deviation: f64,
}

/// A network that was put together.
#[derive(Debug)]
pub struct Imported {
    /// The network.
    pub model: Model,
    /// What its pixels are multiplied by.
    pub pixel_scale: f32,
    /// Where each dense layer comes from: the part of the tensors' names before `.weight`.
    pub names: Vec<String>,
}

/// Why a file is no network of dense layers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is something else.
    #[error("not a safetensors file: {0}")]
    Format(String),
    /// It is a model file of weft's.
    #[error("this is a model file of weft's already")]
    Ours,
    /// A tensor is neither weight nor bias of a dense layer.
    #[error("tensor `{name}`, {dtype} {shape:?}, is no weight or bias of a dense layer: {why}")]
    Foreign {
        /// The tensor.
        name: String,
        /// The type of its elements.
        dtype: String,
        /// Its shape.
        shape: Vec<usize>,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The layers do not follow each other.
    #[error("the layers do not make a chain: {0}")]
    Chain(String),
    /// The options do not fit the layers.
    #[error("{0}")]
    Options(String),
    /// Such a network cannot be built.
    #[error(transparent)]
    Network(#[from] nn::Error),
}

/// A dense layer as it was found.
struct Layer {
    name: String,
    inputs: usize,
    units: usize,
    /// `[units, inputs]`
    weights: Vec<f32>,
    biases: Vec<f32>,
}

/// What is wrong with a file, and where, which the reader of safetensors does not say.
fn unreadable(file: &[u8], error: &SafeTensorError) -> Error {
    match nn::checkpoint::check_safetensors(file) {
        Err(nn::Error::Checkpoint(what)) => Error::Format(what),
        _ => Error::Format(error.to_string()),
    }
}

/// Puts together the network whose tensors are in a safetensors file.
///
/// # Errors
/// See [`Error`].
pub fn from_bytes(file: &[u8], options: &Options) -> Result<Imported, Error> {
    if is_ours(file) {
        return Err(Error::Ours);
    }
    let tensors = SafeTensors::deserialize(file).map_err(|error| unreadable(file, &error))?;
    let mut layers = chain(layers(&tensors)?)?;
    let Some(first) = layers.first_mut() else {
        return Err(Error::Chain("there is no tensor whose name ends in .weight".to_owned()));
    };
    let input = input(options.input.as_deref(), first.inputs)?;
    let pixel_scale = fold(options.normalisation, first)?;
    let activations = activations(&options.activations, layers.len() - 1)?;
    let mut network = Sequential::new(&input);
    if input.len() > 1 {
        network = network.flatten();
    }
    for (layer, activation) in layers.iter().zip(activations) {
        network = network.dense(layer.units, activation);
    }
    let (mut names, mut parameters) = (Vec::new(), Vec::new());
    for layer in layers {
        names.push(layer.name);
        parameters.push([layer.weights, layer.biases]);
    }
    let model = Model::from_parameters(network.architecture(), parameters)?;
    Ok(Imported { model, pixel_scale, names })
}

/// Whether a safetensors file is a model file, or a state, of weft's. What follows the header, which may have no end, is not read.
pub fn is_ours(mut file: impl Read) -> bool {
    let (mut length, mut header) = ([0; 8], Vec::new());
    let read = file.read_exact(&mut length).and_then(|()| {
        file.take(u64::from_le_bytes(length).min(MOST_HEADER)).read_to_end(&mut header)
    });
    let header: Option<Value> = read.ok().and_then(|_| serde_json::from_slice(&header).ok());
    header.is_some_and(|header| !header["__metadata__"]["weft"].is_null())
}

/// Weight and bias, each with its name, as far as they are there.
type Pair<'t> = [Option<(String, TensorView<'t>)>; 2];

/// The dense layers in a file, in the order of their names.
fn layers(tensors: &SafeTensors<'_>) -> Result<Vec<Layer>, Error> {
    let mut found: BTreeMap<(Vec<natural::Piece>, String), Pair<'_>> = BTreeMap::new();
    for (name, tensor) in tensors.tensors() {
        let (prefix, leaf) = name.rsplit_once('.').unwrap_or(("", &name));
        let place = match leaf {
            "weight" => 0,
            "bias" => 1,
            _ => return Err(foreign(&name, &tensor, "its name ends in neither")),
        };
        let key = (natural::key(prefix), prefix.to_owned());
        found.entry(key).or_default()[place] = Some((name, tensor));
    }
    found.into_values().map(layer).collect()
}

/// One layer from its tensors.
fn layer([weight, bias]: Pair<'_>) -> Result<Layer, Error> {
    let Some((name, weight)) = weight else {
        let (name, tensor) = bias.unwrap_or_else(|| unreachable!("one of both was found"));
        return Err(foreign(&name, &tensor, "there is no weight beside it"));
    };
    let &[units, inputs] = weight.shape() else {
        return Err(foreign(&name, &weight, "it does not have two dimensions"));
    };
    // Without elements a small file may claim sizes that no memory has.
    if units == 0 || inputs == 0 {
        return Err(foreign(&name, &weight, "it has no units or no inputs"));
    }
    let biases = match &bias {
        None => vec![0.0; units],
        Some((name, bias)) if bias.shape() == [units] => {
            floats(bias).ok_or_else(|| foreign(name, bias, FLOATS))?
        }
        Some((name, bias)) => {
            return Err(foreign(name, bias, "its size is not that of the weight beside it"));
        }
    };
    let weights = floats(&weight).ok_or_else(|| foreign(&name, &weight, FLOATS))?;
    let name = name.strip_suffix("weight").unwrap_or(&name).trim_end_matches('.').to_owned();
    Ok(Layer { name, inputs, units, weights, biases })
}

const FLOATS: &str = "its elements are not F32, F64, F16 or BF16";

fn foreign(name: &str, tensor: &TensorView<'_>, why: &'static str) -> Error {
    let dtype = format!("{:?}", tensor.dtype());
    Error::Foreign { name: name.to_owned(), dtype, shape: tensor.shape().to_vec(), why }
}

/// The elements as `f32`, if they are floats.
fn floats(tensor: &TensorView<'_>) -> Option<Vec<f32>> {
    fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks::<N>().0.iter().map(|b| value(*b)).collect()
    }
    let bytes = tensor.data();
    Some(match tensor.dtype() {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::F16 => each(bytes, |b| half(u16::from_le_bytes(b))),
        Dtype::BF16 => each(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
        _ => return None,
    })
}

/// The value of an IEEE half: a sign, 5 bits of exponent, 10 of significand. Every one is an `f32`.
fn half(bits: u16) -> f32 {
    let (sign, exponent) = (u32::from(bits >> 15) << 31, u32::from((bits >> 10) & 0x1f));
    let significand = u32::from(bits & 0x3ff);
    let size = match exponent {
        // Multiples of the smallest half, 2^-24.
        0 => significand as f32 * f32::from_bits((127 - 24) << 23),
        0x1f => f32::from_bits((0xff << 23) | (significand << 13)),
        e => f32::from_bits(((e + 127 - 15) << 23) | (significand << 13)),
    };
    f32::from_bits(size.to_bits() | sign)
}

/// Layers in an order in which each takes what the one before gives.
fn chain(layers: Vec<Layer>) -> Result<Vec<Layer>, Error> {
    let fits = |a: &Layer, b: &Layer| a.units == b.inputs;
    let Some(broken) = layers.windows(2).find(|w| !fits(&w[0], &w[1])) else { return Ok(layers) };
    let mut orders = Orders { layers: &layers, found: Vec::new(), tries: 0 };
    // Numbers are an order. Layers that are transposed would fit in the reverse of theirs.
    if !layers.iter().any(|layer| layer.name.contains(|c: char| c.is_ascii_digit())) {
        orders.extend(&mut Vec::new());
    }
    let found = orders.found;
    if let [order] = &found[..] {
        let mut layers: Vec<_> = layers.into_iter().map(Some).collect();
        return Ok(order.iter().filter_map(|i| layers[*i].take()).collect());
    }
    let [a, b] = [&broken[0], &broken[1]];
    let fits_turned = layers.windows(2).all(|w| w[0].inputs == w[1].units);
    let hint = if fits_turned { "; they would if transposed, as Keras has them" } else { "" };
    let (a_name, b_name, units, inputs) = (&a.name, &b.name, a.units, b.inputs);
    Err(Error::Chain(format!(
        "`{a_name}` gives {units} values and `{b_name}` takes {inputs}, and no other order is known{hint}"
    )))
}

/// The orders of layers in which their sizes fit.
struct Orders<'l> {
    layers: &'l [Layer],
    /// Two are enough to know that the sizes do not decide.
    found: Vec<Vec<usize>>,
    tries: usize,
}

impl Orders<'_> {
    /// More than this are not tried: a network of so many layers of the same sizes has many orders anyway.
    const MOST: usize = 100_000;

    fn extend(&mut self, order: &mut Vec<usize>) {
        if order.len() == self.layers.len() {
            self.found.push(order.clone());
            return;
        }
        for next in 0..self.layers.len() {
            self.tries += 1;
            let last = order.last().map(|l| self.layers[*l].units);
            let fits = last.is_none_or(|units| units == self.layers[next].inputs);
            if self.found.len() < 2 && self.tries < Self::MOST && fits && !order.contains(&next) {
                order.push(next);
                self.extend(order);
                order.pop();
            }
        }
    }
}

/// Shape of an example for a first layer of so many inputs.
fn input(given: Option<&[usize]>, inputs: usize) -> Result<Vec<usize>, Error> {
    let side = inputs.isqrt();
    match given {
        Some(shape)
            if shape.iter().try_fold(1, |n: usize, d| n.checked_mul(*d)) == Some(inputs) =>
        {
            Ok(shape.to_vec())
        }
        Some(shape) => Err(Error::Options(format!(
            "examples of {shape:?} do not fill the {inputs} inputs of the first layer"
        ))),
        None if side > 1 && side * side == inputs => Ok(vec![side, side]),
        None => Ok(vec![inputs]),
    }
}

/// Takes the normalisation into the first layer: `W (s·x − m)/d + b = W (s/d · x) + (b − m/d · W·1)`. Returns the
/// scale that remains.
fn fold(how: Normalisation, first: &mut Layer) -> Result<f32, Error> {
    let Normalisation { scale, mean, deviation } = how;
    let left = (scale / deviation) as f32;
    if !left.is_normal() || !mean.is_finite() {
        return Err(Error::Options(format!(
            "pixels times {scale}, less {mean}, divided by {deviation} are no inputs of a network"
        )));
    }
    if mean != 0.0 {
        let rows = first.weights.chunks_exact(first.inputs);
        for (bias, row) in first.biases.iter_mut().zip(rows) {
            let sum: f64 = row.iter().copied().map(f64::from).sum();
            *bias = (f64::from(*bias) - mean / deviation * sum) as f32;
        }
    }
    Ok(left)
}

/// What follows each layer: the last one's outputs are logits.
fn activations(given: &[Activation], hidden: usize) -> Result<Vec<Activation>, Error> {
    let mut all = match given {
        [one] => vec![*one; hidden],
        many if many.len() == hidden => many.to_vec(),
        many => {
            return Err(Error::Options(format!(
                "{} activations for {hidden} hidden layers: one for all, or one for each",
                many.len()
            )));
        }
    };
    all.push(Activation::Softmax);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn halves_have_the_values_of_the_standard() {
        // IEEE 754-2019, and NumPy: `np.uint16(bits).view(np.float16)`.
        let values = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x03ff, 6.097_555e-5),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, value) in values {
            assert_eq!(half(bits), value, "{bits:04x}");
        }
        assert_eq!(half(0x8000).to_bits(), (-0.0f32).to_bits());
        assert!(half(0x7e01).is_nan());
    }
}
