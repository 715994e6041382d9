//! Model files: safetensors with one metadata entry.
//!
//! `dense_{i}.weight` has shape `[units, inputs]` as in PyTorch, `dense_{i}.bias` `[units]`, `i` from 1, all
//! `F32`. The metadata entry `weft` is a JSON object ([`Metadata`] and the architecture); nothing in it
//! depends on threads or instruction set, so the same training gives the same bytes. Spaces at the end of
//! that entry make the tensors start at a multiple of 64 bytes.

use crate::architecture::Architecture;
use crate::error::Error;
use crate::model::Model;
use crate::tensors::Tensors;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

mod frame;
mod state;

pub(crate) use state::{Fields, Set};
pub use state::{State, state_from_bytes, state_to_bytes};

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
    /// How pictures became examples, in the words of the program that did it, if the examples were pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<String>,
}

/// The JSON object in the file.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    architecture: Architecture,
    #[serde(flatten)]
    metadata: Metadata,
    rng: String,
    /// Settings and progress of a training, if the file holds its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    training: Option<Value>,
}

/// The part of [`Header`] that every format has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

fn bad(what: impl std::fmt::Display) -> Error {
    Error::Checkpoint(what.to_string())
}

/// The header of a model file.
fn header(architecture: &Architecture, metadata: &Metadata) -> Result<Header, Error> {
    if !metadata.pixel_scale.is_finite() {
        return Err(bad(format!("a pixel scale of {}", metadata.pixel_scale)));
    }
    Ok(Header {
        format: FORMAT,
        architecture: architecture.clone(),
        metadata: metadata.clone(),
        rng: crate::rng::NAME.to_owned(),
        training: None,
    })
}

/// The bytes of a model file.
///
/// # Errors
/// [`Error::Checkpoint`] if the metadata cannot be written as JSON (a pixel scale that is not finite).
pub fn to_bytes(model: &Model, metadata: &Metadata) -> Result<Vec<u8>, Error> {
    let header = header(&model.architecture, metadata)?;
    let weights = Tensors::of(&model.layers, |owned| &owned.w);
    serialized(&header, std::iter::once(("", &weights)))
}

/// A file of this header and of these sets of tensors, each with what its names begin with.
fn serialized<'t>(
    header: &Header,
    sets: impl Iterator<Item = (&'static str, &'t Tensors)>,
) -> Result<Vec<u8>, Error> {
    let json = serde_json::to_string(header).map_err(bad)?;
    let mut tensors = Vec::new();
    for (prefix, set) in sets {
        for (i, (dense, values)) in header.architecture.dense().zip(&set.0).enumerate() {
            let shapes = [vec![dense.units, dense.inputs], vec![dense.units]];
            for ((name, shape), values) in names(prefix, i).into_iter().zip(shapes).zip(values) {
                tensors.push((name, shape, bytes(values)));
            }
        }
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
    Ok(frame::LENGTH + frame::header(file)?.0)
}

fn bytes(floats: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; 4 * floats.len()];
    let (chunks, _) = bytes.as_chunks_mut::<4>();
    chunks.iter_mut().zip(floats).for_each(|(to, x)| *to = x.to_le_bytes());
    bytes
}

/// The model in a file, and what the file tells about it. A file that holds the state of a training holds
/// a model, too.
///
/// # Errors
/// [`Error::Checkpoint`] if the file is not safetensors, has no `weft` entry, or its tensors are not those
/// of its architecture; [`Error::Architecture`] if that cannot be built.
pub fn from_bytes(file: &[u8]) -> Result<(Model, Metadata), Error> {
    let header = read_header(file)?;
    let tensors = frame::tensors(file)?;
    header.architecture.check()?;
    let sets: &[Set] = if header.training.is_some() { &Set::ALL } else { &[Set::Weights] };
    // Before memory is taken for a network of the size that the header claims.
    check_tensors(&header.architecture, &tensors, sets)?;
    let weights = tensors_named(&header.architecture, &tensors, "")?;
    Ok((weights.model(&header.architecture)?, header.metadata))
}

/// The JSON object of a file.
fn read_header(file: &[u8]) -> Result<Header, Error> {
    let (_, tensors) = frame::header(file)?;
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
    Ok(header)
}

/// Checks that a file of any origin is safetensors: the length of a header, the header in JSON, and tensors that follow
/// each other.
///
/// # Errors
/// [`Error::Checkpoint`] names the byte, what was expected there and what was found.
pub fn check_safetensors(file: &[u8]) -> Result<(), Error> {
    frame::tensors(file).map(|_| ())
}

/// Replaces a model's weights by those in a safetensors file of any origin that has the same tensors.
///
/// # Errors
/// [`Error::Checkpoint`] if the file is not safetensors or its tensors do not fit; the model is then as it
/// was.
pub fn load_weights(model: &mut Model, file: &[u8]) -> Result<(), Error> {
    let tensors = frame::tensors(file)?;
    check_tensors(&model.architecture, &tensors, &[Set::Weights])?;
    tensors_named(&model.architecture, &tensors, "")?.copy(&model.layers).swap(&mut model.layers);
    Ok(())
}

/// Names of the two tensors of dense layer `i`, counted from 0.
fn names(prefix: &str, i: usize) -> [String; 2] {
    ["weight", "bias"].map(|what| format!("{prefix}dense_{}.{what}", i + 1))
}

/// Checks that the tensors are those of the network, no more and no less, in some of these sets, the
/// first of which must be there; returns which are.
fn check_tensors(
    architecture: &Architecture,
    tensors: &SafeTensors<'_>,
    sets: &[Set],
) -> Result<Vec<Set>, Error> {
    let first = |set: Set| names(set.prefix(), 0).into_iter().any(|n| tensors.tensor(&n).is_ok());
    let there = |set: &Set| *set == Set::Weights || first(*set);
    let found: Vec<Set> = sets.iter().copied().filter(there).collect();
    let mut expected = HashSet::new();
    for set in &found {
        for (i, dense) in architecture.dense().enumerate() {
            let shapes = [&[dense.units, dense.inputs][..], &[dense.units]];
            for (name, shape) in names(set.prefix(), i).into_iter().zip(shapes) {
                check_tensor(tensors, &name, shape)?;
                expected.insert(name);
            }
        }
    }
    let foreign = tensors.names().into_iter().filter(|name| !expected.contains(*name)).min();
    match foreign {
        Some(name) => {
            Err(bad(format!("tensor `{name}` is none of the network's {}", expected.len())))
        }
        None => Ok(found),
    }
}

/// Checks that there is a tensor of this name and shape.
fn check_tensor(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<(), Error> {
    let Ok(tensor) = tensors.tensor(name) else {
        let mut found: Vec<&str> = tensors.names().into_iter().take(8).collect();
        found.sort_unstable();
        return Err(bad(format!("there is no tensor `{name}`; found: {}", found.join(", "))));
    };
    if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
        let (dtype, got) = (tensor.dtype(), tensor.shape());
        return Err(bad(format!("`{name}` is {dtype:?} {got:?}; expected F32 {shape:?}")));
    }
    Ok(())
}

/// The tensors whose names begin with `prefix`, which were checked.
fn tensors_named(
    architecture: &Architecture,
    tensors: &SafeTensors<'_>,
    prefix: &str,
) -> Result<Tensors, Error> {
    let layer = |i: usize| -> Result<[Vec<f32>; 2], Error> {
        let [weight, bias] = names(prefix, i);
        Ok([floats(tensors, &weight)?, floats(tensors, &bias)?])
    };
    (0..architecture.dense().count()).map(layer).collect::<Result<_, _>>().map(Tensors)
}

/// The floats of one tensor.
fn floats(tensors: &SafeTensors<'_>, name: &str) -> Result<Vec<f32>, Error> {
    let (chunks, _) = tensors.tensor(name).map_err(bad)?.data().as_chunks::<4>();
    Ok(chunks.iter().map(|b| f32::from_le_bytes(*b)).collect())
}
