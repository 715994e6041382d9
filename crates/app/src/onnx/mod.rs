//! A network as an ONNX model.
//!
//! The graph takes pixels as they lie in the data set, 0 to 255, any number of examples at once, and gives the
//! probabilities of the classes:
//!
//! ```text
//! pixels [N, …] ─ Cast ─ Mul scale ─ Flatten ─ Gemm ─ Relu ─ … ─ Gemm ─ Softmax ─ probabilities [N, classes]
//! ```
//!
//! Scaling is part of the graph, so nobody can forget it, and pixels are `uint8` unless asked otherwise, so nobody
//! can do it twice: a model that takes floats accepts pixels of 0 to 1 in silence, and is wrong about all of
//! them. What the model file tells (names of the classes, hash of the data, seed, version) is in the file's
//! metadata.

mod schema;

use nn::checkpoint::Metadata;
use nn::{Activation, Model};
use prost::Message as _;
use schema::{Attribute, Dimension, Entry, Graph, Node, OperatorSet, Shape, Size, Tensor};
use schema::{TensorType, Type, ValueInfo, element};

/// Name of the graph's input.
pub const INPUT: &str = "pixels";
/// Name of the graph's output.
pub const OUTPUT: &str = "probabilities";

/// Version of the file format, and of the operators: of 2020, which all that runs ONNX today reads.
const FORMAT: i64 = 7;
const OPERATORS: i64 = 13;

/// Protocol buffers end at two gigabytes; some room is for all that is no weight.
const MOST_BYTES: usize = (1 << 31) - (1 << 20);

/// Type of the pixels that the model takes. Their values are 0 to 255 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pixels {
    /// `uint8`, as images are stored.
    #[default]
    U8,
    /// `float`, for programs that have nothing else.
    F32,
}

/// Why a model cannot be written as ONNX.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It has more weights than the format can hold.
    #[error("{bytes} bytes of weights are more than an ONNX file can hold, 2 GB")]
    TooLarge {
        /// Bytes of all weights and biases.
        bytes: usize,
    },
}

/// The bytes of an ONNX model that computes what the network does. The same network gives the same bytes.
///
/// # Errors
/// [`Error::TooLarge`] for more than 2 GB of weights.
pub fn to_bytes(model: &Model, metadata: &Metadata, pixels: Pixels) -> Result<Vec<u8>, Error> {
    let bytes = model.parameters().saturating_mul(4);
    if bytes > MOST_BYTES {
        return Err(Error::TooLarge { bytes });
    }
    let file = schema::Model {
        ir_version: FORMAT,
        producer_name: "weft".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: "Takes pixels of 0 to 255, gives the probabilities of the classes.".to_owned(),
        graph: Some(graph(model, metadata, pixels)),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPERATORS }],
        metadata_props: provenance(metadata),
    };
    Ok(file.encode_to_vec())
}

fn graph(model: &Model, metadata: &Metadata, pixels: Pixels) -> Graph {
    let architecture = model.architecture();
    let mut chain = Chain { value: INPUT.to_owned(), nodes: Vec::new(), constants: Vec::new() };
    if pixels == Pixels::U8 {
        chain.then("Cast", &[], vec![Attribute::int("to", element::F32.into())]);
    }
    if metadata.pixel_scale.to_bits() != 1.0f32.to_bits() {
        let scale = chain.constant("scale", &[], &[metadata.pixel_scale]);
        chain.then("Mul", &[scale], Vec::new());
    }
    if architecture.input.len() != 1 {
        chain.then("Flatten", &[], vec![Attribute::int("axis", 1)]);
    }
    for (i, dense) in architecture.dense().enumerate() {
        let name = |what: &str| format!("dense_{}.{what}", i + 1);
        let weight =
            chain.constant(&name("weight"), &[dense.inputs, dense.units], &model.weights(i));
        let bias = chain.constant(&name("bias"), &[dense.units], &model.biases(i));
        chain.then("Gemm", &[weight, bias], Vec::new());
        chain.activation(dense.activation);
    }
    chain.end(OUTPUT);
    let kind = if pixels == Pixels::U8 { element::U8 } else { element::F32 };
    Graph {
        name: "weft".to_owned(),
        input: vec![value(INPUT, kind, &architecture.input, "Pixels from 0 to 255.")],
        output: vec![value(
            OUTPUT,
            element::F32,
            &[architecture.classes()],
            "Probabilities of the classes; their names are in the metadata, as class_names.",
        )],
        node: chain.nodes,
        initializer: chain.constants,
    }
}

/// Nodes that each take what the one before gives.
struct Chain {
    /// What the last node gives.
    value: String,
    nodes: Vec<Node>,
    constants: Vec<Tensor>,
}

impl Chain {
    /// Adds a node that takes the last value and some constants.
    fn then(&mut self, op: &str, constants: &[String], attribute: Vec<Attribute>) {
        let name = format!("{}_{}", op.to_lowercase(), self.nodes.len() + 1);
        let input = std::iter::once(self.value.clone()).chain(constants.iter().cloned()).collect();
        self.value.clone_from(&name);
        let output = vec![name.clone()];
        self.nodes.push(Node { input, output, name, op_type: op.to_owned(), attribute });
    }

    /// Adds what follows a product; probabilities are the softmax over the classes.
    fn activation(&mut self, activation: Activation) {
        match activation {
            Activation::Linear => {}
            Activation::Relu => self.then("Relu", &[], Vec::new()),
            Activation::LeakyRelu => {
                self.then("LeakyRelu", &[], vec![Attribute::float("alpha", 0.01)]);
            }
            Activation::Gelu => self.gelu(),
            Activation::Tanh => self.then("Tanh", &[], Vec::new()),
            Activation::Sigmoid => self.then("Sigmoid", &[], Vec::new()),
            Activation::Softmax => self.then("Softmax", &[], vec![Attribute::int("axis", -1)]),
        }
    }

    /// Adds `x (1 + erf(x / √2)) / 2`; an operator of its own came to ONNX only in 2023.
    fn gelu(&mut self) {
        let x = self.value.clone();
        let [root, one, half] =
            [("gelu.root", std::f32::consts::FRAC_1_SQRT_2), ("gelu.one", 1.0), ("gelu.half", 0.5)]
                .map(|(name, value)| self.shared(name, value));
        self.then("Mul", &[root], Vec::new());
        self.then("Erf", &[], Vec::new());
        self.then("Add", &[one], Vec::new());
        self.then("Mul", &[x], Vec::new());
        self.then("Mul", &[half], Vec::new());
    }

    /// Adds a constant that several nodes may take; returns its name.
    fn shared(&mut self, name: &str, value: f32) -> String {
        if self.constants.iter().any(|constant| constant.name == name) {
            return name.to_owned();
        }
        self.constant(name, &[], &[value])
    }

    /// Adds a constant; returns its name.
    fn constant(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        self.constants.push(Tensor {
            dims: dims.iter().map(|d| *d as i64).collect(),
            data_type: element::F32,
            name: name.to_owned(),
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        });
        name.to_owned()
    }

    /// Gives the last value its public name.
    fn end(&mut self, name: &str) {
        if let Some(last) = self.nodes.last_mut() {
            last.output = vec![name.to_owned()];
        }
        name.clone_into(&mut self.value);
    }
}

/// An input or output: any number of examples of this shape.
fn value(name: &str, elem_type: i32, shape: &[usize], doc_string: &str) -> ValueInfo {
    let size = |d: &usize| Dimension { size: Some(Size::Fixed(*d as i64)) };
    let examples = Dimension { size: Some(Size::Named("N".to_owned())) };
    let dim = std::iter::once(examples).chain(shape.iter().map(size)).collect();
    let tensor = Some(TensorType { elem_type, shape: Some(Shape { dim }) });
    let (name, doc_string) = (name.to_owned(), doc_string.to_owned());
    ValueInfo { name, kind: Some(Type { tensor }), doc_string }
}

/// Where the model comes from; lists are JSON.
fn provenance(metadata: &Metadata) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut tell = |key: &str, value: String| entries.push(Entry { key: key.to_owned(), value });
    if !metadata.class_names.is_empty() {
        tell("class_names", serde_json::Value::from(metadata.class_names.clone()).to_string());
    }
    if let Some(hash) = &metadata.data_hash {
        tell("data_hash", hash.clone());
    }
    tell("pixel_scale", metadata.pixel_scale.to_string());
    tell("seed", metadata.seed.to_string());
    tell("weft_version", metadata.weft_version.clone());
    entries
}

#[cfg(test)]
mod tests;
