//! Model files: safetensors with one metadata entry.
//!
//! `dense_{i}.weight` has shape `[units, inputs]` as in PyTorch, `dense_{i}.bias` `[units]`, `i` from 1, all
//! `F32`. The metadata entry `weft` is a JSON object ([`Metadata`] and the architecture); nothing in it
//! depends on threads or instruction set, so the same training gives the same bytes. Spaces at the end of
//! that entry make the tensors start at a multiple of 64 bytes.

use crate::architecture::Architecture;
use crate::error::Error;
use crate::model::Model;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// Version of the metadata.
const FORMAT: u32 = 1;
/// Tensors start at a multiple of this.
const ALIGNMENT: usize = 64;
/// Name of the metadata entry.
const ENTRY: &str = "weft";

/// What a model file tells besides the weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// Names of the classes, or none.
    pub class_names: Vec<String>,
    /// What pixels are multiplied by on the way in.
    pub pixel_scale: f32,
    /// SHA-256 that identifies the data the model was trained on.
    pub data_hash: Option<String>,
    /// Seed of the initial weights and the shuffles.
    pub seed: u64,
    /// Version of the program that wrote the file.
    pub weft_version: String,
}

/// The JSON object in the file.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    architecture: Architecture,
    #[serde(flatten)]
    metadata: Metadata,
    rng: String,
}

/// The part of [`Header`] that every format has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

fn bad(what: impl std::fmt::Display) -> Error {
    Error::Checkpoint(what.to_string())
}

/// The bytes of a model file.
///
/// # Errors
/// [`Error::Checkpoint`] if the metadata cannot be written as JSON (a pixel scale that is not a number).
pub fn to_bytes(model: &Model, metadata: &Metadata) -> Result<Vec<u8>, Error> {
    if !metadata.pixel_scale.is_finite() {
        return Err(bad(format!("a pixel scale of {}", metadata.pixel_scale)));
    }
    let header = Header {
        format: FORMAT,
        architecture: model.architecture.clone(),
        metadata: metadata.clone(),
        rng: crate::rng::NAME.to_owned(),
    };
    let json = serde_json::to_string(&header).map_err(bad)?;
    let mut tensors = Vec::new();
    for (i, dense) in model.layers.iter().enumerate() {
        let (inputs, units) = (dense.shape.inputs, dense.shape.units);
        let weight = (0..units).flat_map(|j| (0..inputs).map(move |k| dense.get(k, j)));
        tensors.push((format!("dense_{}.weight", i + 1), vec![units, inputs], bytes(weight)));
        tensors.push((format!("dense_{}.bias", i + 1), vec![units], bytes(dense.biases())));
    }
    let write = |padding: usize| {
        let entry = format!("{json}{}", " ".repeat(padding));
        let views = tensors.iter().map(|(name, shape, data)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), data);
            view.map(|view| (name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(bad)?;
        serialize(views, Some(HashMap::from([(ENTRY.to_owned(), entry)]))).map_err(bad)
    };
    let plain = write(0)?;
    match data_start(&plain)? % ALIGNMENT {
        0 => Ok(plain),
        over => write(ALIGNMENT - over),
    }
}

/// Offset of the first tensor.
fn data_start(file: &[u8]) -> Result<usize, Error> {
    let (size, _) = SafeTensors::read_metadata(file).map_err(bad)?;
    Ok(8 + size)
}

fn bytes(floats: impl Iterator<Item = f32>) -> Vec<u8> {
    floats.flat_map(f32::to_le_bytes).collect()
}

/// The model in a file, and what the file tells about it.
///
/// # Errors
/// [`Error::Checkpoint`] if the file is not safetensors, has no `weft` entry, or its tensors are not those
/// of its architecture.
pub fn from_bytes(file: &[u8]) -> Result<(Model, Metadata), Error> {
    let (_, tensors) = SafeTensors::read_metadata(file).map_err(bad)?;
    let entry = tensors.metadata().as_ref().and_then(|m| m.get(ENTRY));
    let Some(entry) = entry else {
        return Err(bad("it has no metadata entry `weft`, so its architecture is not known"));
    };
    let no_json = |e| bad(format!("metadata: {e}"));
    // First of all, for what stands beside it may be something else in another format.
    let Version { format } = serde_json::from_str(entry).map_err(no_json)?;
    if format != FORMAT {
        return Err(bad(format!("format {format}; this version reads {FORMAT}")));
    }
    let header: Header = serde_json::from_str(entry).map_err(no_json)?;
    if !header.metadata.pixel_scale.is_finite() {
        return Err(bad(format!("metadata: a pixel scale of {}", header.metadata.pixel_scale)));
    }
    let tensors = SafeTensors::deserialize(file).map_err(bad)?;
    header.architecture.check()?;
    // Before memory is taken for a network of the size that the header claims.
    check_tensors(&header.architecture, &tensors)?;
    let mut model = Model::zeros(header.architecture)?;
    fill(&mut model, &tensors)?;
    Ok((model, header.metadata))
}

/// Replaces a model's weights by those in a safetensors file of any origin that has the same tensors.
///
/// # Errors
/// [`Error::Checkpoint`] if the file is not safetensors or its tensors do not fit; the model is then as it
/// was.
pub fn load_weights(model: &mut Model, file: &[u8]) -> Result<(), Error> {
    let tensors = SafeTensors::deserialize(file).map_err(bad)?;
    check_tensors(&model.architecture, &tensors)?;
    fill(model, &tensors)
}

/// Names of the two tensors of dense layer `i`, counted from 0.
fn names(i: usize) -> [String; 2] {
    ["weight", "bias"].map(|what| format!("dense_{}.{what}", i + 1))
}

/// Checks that the tensors are those of the network, no more and no less.
fn check_tensors(architecture: &Architecture, tensors: &SafeTensors<'_>) -> Result<(), Error> {
    let mut expected = HashSet::new();
    for (i, dense) in architecture.dense().enumerate() {
        for (name, shape) in
            names(i).into_iter().zip([&[dense.units, dense.inputs][..], &[dense.units]])
        {
            let Ok(tensor) = tensors.tensor(&name) else {
                let mut found: Vec<&str> = tensors.names().into_iter().take(8).collect();
                found.sort_unstable();
                return Err(bad(format!(
                    "there is no tensor `{name}`; found: {}",
                    found.join(", ")
                )));
            };
            if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
                let (dtype, got) = (tensor.dtype(), tensor.shape());
                return Err(bad(format!("`{name}` is {dtype:?} {got:?}; expected F32 {shape:?}")));
            }
            expected.insert(name);
        }
    }
    let foreign = tensors.names().into_iter().filter(|name| !expected.contains(*name)).min();
    match foreign {
        Some(name) => {
            Err(bad(format!("tensor `{name}` is none of the network's {}", expected.len())))
        }
        None => Ok(()),
    }
}

/// Copies the tensors into the model.
fn fill(model: &mut Model, tensors: &SafeTensors<'_>) -> Result<(), Error> {
    for (i, dense) in model.layers.iter_mut().enumerate() {
        let [weight, bias] = names(i);
        let inputs = dense.shape.inputs;
        for (at, value) in floats(tensors, &weight)?.enumerate() {
            dense.set(at % inputs, at / inputs, value);
        }
        for (j, value) in floats(tensors, &bias)?.enumerate() {
            dense.set_bias(j, value);
        }
        dense.check();
    }
    Ok(())
}

/// The floats of one tensor.
fn floats<'t>(
    tensors: &SafeTensors<'t>,
    name: &str,
) -> Result<impl Iterator<Item = f32> + use<'t>, Error> {
    let (chunks, _) = tensors.tensor(name).map_err(bad)?.data().as_chunks::<4>();
    Ok(chunks.iter().map(|b| f32::from_le_bytes(*b)))
}
