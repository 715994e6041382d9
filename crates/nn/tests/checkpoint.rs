//! Model files: what is in them, and what damaged ones say.

mod common;

use common::{bytes, network};
use nn::checkpoint::{Metadata, from_bytes, load_weights, to_bytes};
use nn::{Activation, Engine, Error, Inputs, Model, Sequential};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde_json::{Value, json};
use std::collections::HashMap;

fn metadata() -> Metadata {
    Metadata {
        class_names: vec!["Ankle boot".to_owned(), "T-shirt/top \"é\"\n".to_owned()],
        pixel_scale: common::SCALE,
        data_hash: Some("ab".repeat(32)),
        seed: u64::MAX,
        weft_version: "0.1.0".to_owned(),
        pictures: None,
    }
}

/// Three inputs, two classes.
fn small() -> Model {
    Sequential::new(&[3]).dense(2, Activation::Softmax).build(1).expect("a network")
}

/// Two hidden layers, one of them wider than a panel.
fn deep() -> Model {
    let net = Sequential::new(&[3, 1]).flatten().dense(70, Activation::Linear);
    net.dense(3, Activation::Relu).dense(2, Activation::Softmax).build(1).expect("a network")
}

#[test]
fn everything_comes_back() {
    let small_scale = Metadata { pixel_scale: f32::from_bits(1), ..metadata() };
    let pictures = Metadata { pictures: Some("pad".to_owned()), ..metadata() };
    for told in [metadata(), Metadata::default(), small_scale, pictures] {
        for model in [network(&[128]).build(7).expect("a network"), small(), deep()] {
            let file = to_bytes(&model, &told).expect("a file");
            let (back, told_back) = from_bytes(&file).expect("our own file");
            assert_eq!(told, told_back);
            assert_eq!(back.architecture(), model.architecture());
            for layer in 0..model.architecture().dense().count() {
                assert_eq!(back.weights(layer), model.weights(layer));
                assert_eq!(back.biases(layer), model.biases(layer));
            }
            assert_eq!(file, to_bytes(&back, &told_back).expect("a file"), "the same bytes again");
        }
    }
}

#[test]
fn what_is_written_does_not_depend_on_the_run() {
    // Tables that hash with a key of their own in every process, or every table, would show here.
    let files: Vec<_> = (0..20).map(|_| to_bytes(&deep(), &metadata()).expect("a file")).collect();
    assert!(files.windows(2).all(|two| two[0] == two[1]));
}

#[test]
fn tensors_have_the_names_and_shapes_of_pytorch() {
    let model = network(&[128]).build(1).expect("a network");
    let file = to_bytes(&model, &metadata()).expect("a file");
    let tensors = SafeTensors::deserialize(&file).expect("safetensors");
    let mut shapes: Vec<_> = tensors.iter().map(|(name, t)| (name, t.shape().to_vec())).collect();
    shapes.sort();
    assert_eq!(
        shapes,
        [
            ("dense_1.bias", vec![128]),
            ("dense_1.weight", vec![128, 784]),
            ("dense_2.bias", vec![10]),
            ("dense_2.weight", vec![10, 128]),
        ]
    );
    let tensor = tensors.tensor("dense_1.weight").expect("a tensor");
    assert_eq!(tensor.dtype(), Dtype::F32);
    // Row by row of outputs, where the model gives row by row of inputs.
    let weights = model.weights(0);
    let (stored, _) = tensor.data().as_chunks::<4>();
    let stored: Vec<f32> = stored.iter().map(|b| f32::from_le_bytes(*b)).collect();
    assert!((0..784 * 128).all(|at| stored[at] == weights[at % 784 * 128 + at / 784]));
}

/// The metadata entry of a file.
fn entry(file: &[u8]) -> String {
    let (_, info) = SafeTensors::read_metadata(file).expect("safetensors");
    info.metadata().as_ref().and_then(|m| m.get("weft")).expect("an entry").clone()
}

#[test]
fn the_metadata_tells_all_that_is_needed_and_nothing_of_the_machine() {
    let file = to_bytes(&deep(), &metadata()).expect("a file");
    let told: Value = serde_json::from_str(&entry(&file)).expect("JSON");
    let expected = json!({
        "format": 1,
        "architecture": {
            "input": [3, 1],
            "layers": [
                { "type": "flatten" },
                { "type": "dense", "units": 70, "activation": "linear" },
                { "type": "dense", "units": 3, "activation": "relu" },
                { "type": "dense", "units": 2, "activation": "softmax" },
            ],
        },
        "class_names": ["Ankle boot", "T-shirt/top \"é\"\n"],
        "pixel_scale": told["pixel_scale"],
        "data_hash": "ab".repeat(32),
        "seed": u64::MAX,
        "weft_version": "0.1.0",
        "rng": "weft-rng-1",
    });
    assert_eq!(told, expected);
    assert_eq!(told["pixel_scale"].as_f64().map(|x| x as f32), Some(common::SCALE));
}

#[test]
fn tensors_start_at_a_cache_line_whatever_the_metadata() {
    for length in 0..70 {
        let told = Metadata { weft_version: "x".repeat(length), ..metadata() };
        let file = to_bytes(&small(), &told).expect("a file");
        let (header, _) = SafeTensors::read_metadata(&file).expect("safetensors");
        assert_eq!((8 + header) % 64, 0, "a version of {length} letters");
        assert_eq!(file.len(), 8 + header + 4 * small().parameters());
        assert_eq!(from_bytes(&file).expect("our own file").1, told);
    }
}

#[test]
fn a_loaded_model_predicts_the_same_bits() {
    let x: Vec<f32> = (0..30).map(|i| i as f32 / 30.0).collect();
    let inputs = Inputs::f32(&x, 3).expect("whole rows");
    let (loaded, _) = from_bytes(&bytes(&deep())).expect("our own file");
    let [a, b] = [deep(), loaded].map(|model| {
        model.predict(&mut Engine::new(Some(1), None), inputs).expect("probabilities")
    });
    assert_eq!(a, b);
}

#[track_caller]
fn says(loaded: Result<(), Error>, what: &str) {
    let error = loaded.expect_err("a bad file");
    let text = error.to_string();
    assert!(matches!(error, Error::Checkpoint(_) | Error::Architecture(_)), "{text}");
    assert!(text.contains(what), "`{what}` is not in: {text}");
}

#[track_caller]
fn refused(file: &[u8], what: &str) {
    says(from_bytes(file).map(|_| ()), what);
}

/// A tensor of zeros.
type Zeros<'n> = (&'n str, Dtype, &'n [usize]);

/// A safetensors file with tensors of zeros, and perhaps an entry `weft`.
fn file(tensors: &[Zeros<'_>], entry: Option<String>) -> Vec<u8> {
    let size =
        |(_, dtype, shape): &Zeros<'_>| dtype.bitsize() / 8 * shape.iter().product::<usize>();
    let data: Vec<Vec<u8>> = tensors.iter().map(|t| vec![0; size(t)]).collect();
    let views = tensors.iter().zip(&data).map(|((name, dtype, shape), data)| {
        (*name, TensorView::new(*dtype, shape.to_vec(), data).expect("a tensor"))
    });
    let entry = entry.map(|entry| HashMap::from([("weft".to_owned(), entry)]));
    serialize(views, entry).expect("a file")
}

const WEIGHT: Zeros<'_> = ("dense_1.weight", Dtype::F32, &[2, 3]);
const BIAS: Zeros<'_> = ("dense_1.bias", Dtype::F32, &[2]);

#[test]
fn files_of_other_programs_are_refused() {
    let wrong = "bad model file: at byte ";
    let refused = |file: &[u8], what: &str| refused(file, &format!("{wrong}{what}"));
    refused(b"", "0: expected the length of a header in 8 bytes, found 0 bytes");
    let text = b"this is not a model at all, just some text";
    refused(
        text,
        "0: expected the length of a header, at most 100000000, found 2338328219631577204",
    );
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03";
    refused(gzip, "8: expected a header of 559903 bytes, found 2 bytes");
    refused(b"\x04\0\0\0\0\0\0\0{\"a\xff", "11: expected a header in UTF-8, found invalid utf-8");
    refused(b"\x04\0\0\0\0\0\0\0{\"a}", "11: expected a header in JSON, found EOF while parsing");
    // A tensor of all bytes that there can be.
    let header =
        format!(r#"{{"a":{{"dtype":"U8","shape":[{0}],"data_offsets":[0,{0}]}}}}"#, u64::MAX);
    let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    refused(&file, "");
}

#[test]
fn tensors_of_other_programs_are_refused() {
    refused(&file(&[WEIGHT, BIAS], None), "no metadata entry `weft`");
    let pytorch = [("0.weight", Dtype::F32, &[2usize, 3][..]), ("0.bias", Dtype::F32, &[2])];
    let loaded = load_weights(&mut small(), &file(&pytorch, None));
    says(loaded, "there is no tensor `dense_1.weight`; found: 0.bias, 0.weight");
}

#[test]
fn tensors_that_are_not_the_networks_are_refused() {
    let entry = entry(&bytes(&small()));
    let cases: [(&[Zeros<'_>], &str); 8] = [
        (&[], "there is no tensor `dense_1.weight`"),
        (&[WEIGHT], "there is no tensor `dense_1.bias`; found: dense_1.weight"),
        (&[BIAS], "there is no tensor `dense_1.weight`; found: dense_1.bias"),
        (&[WEIGHT, BIAS, ("extra", Dtype::F32, &[1])], "tensor `extra` is none of the network's 2"),
        (&[("dense_1.weight", Dtype::F32, &[3, 2]), BIAS], "F32 [3, 2]; expected F32 [2, 3]"),
        (&[("dense_1.weight", Dtype::F32, &[6]), BIAS], "F32 [6]; expected F32 [2, 3]"),
        (&[("dense_1.weight", Dtype::F16, &[2, 3]), BIAS], "F16 [2, 3]; expected F32 [2, 3]"),
        (&[WEIGHT, ("dense_1.bias", Dtype::F64, &[2])], "F64 [2]; expected F32 [2]"),
    ];
    for (tensors, what) in cases {
        refused(&file(tensors, Some(entry.clone())), what);
        says(load_weights(&mut small(), &file(tensors, None)), what);
    }
    from_bytes(&file(&[WEIGHT, BIAS], Some(entry))).expect("the right ones");
}

#[test]
fn metadata_that_is_not_what_it_should_be_is_refused() {
    let whole: Value = serde_json::from_str(&entry(&bytes(&small()))).expect("JSON");
    let refused = |entry: String, what: &str| refused(&file(&[WEIGHT, BIAS], Some(entry)), what);
    refused(String::new(), "metadata: ");
    refused("[]".to_owned(), "metadata: ");
    refused("{\"format\": 1".to_owned(), "metadata: ");
    let fields: Vec<&String> = whole.as_object().expect("an object").keys().collect();
    assert_eq!(fields.len(), 8);
    for field in fields.into_iter().filter(|field| *field != "data_hash") {
        let mut less = whole.clone();
        less.as_object_mut().expect("an object").remove(field);
        refused(less.to_string(), &format!("missing field `{field}`"));
    }
    let with = |field: &str, value: Value| {
        let mut other = whole.clone();
        other[field] = value;
        other.to_string()
    };
    // Other formats are told from broken ones.
    refused(json!({ "format": 2, "layers": 7 }).to_string(), "format 2; this version reads 1");
    refused(with("seed", json!(-1)), "metadata: ");
    // A number of f64 that f32 has not.
    refused(with("pixel_scale", json!(1e39)), "a pixel scale of inf");
    let net = |input: Value, units: Value, activation: &str| {
        let layers = json!([{ "type": "dense", "units": units, "activation": activation }]);
        with("architecture", json!({ "input": input, "layers": layers }))
    };
    refused(net(json!([3]), json!(2), "tanhh"), "unknown variant `tanhh`");
    refused(net(json!([3]), json!(2), "relu"), "bad architecture: the last layer is relu");
    refused(net(json!([0]), json!(2), "softmax"), "bad architecture: examples of shape [0]");
    refused(net(json!([u64::MAX, 2]), json!(2), "softmax"), "bad architecture: examples of shape");
    refused(net(json!([3]), json!(u64::MAX), "softmax"), "bad architecture: more than");
    refused(net(json!([3]), json!(-2), "softmax"), "metadata: ");
    from_bytes(&file(&[WEIGHT, BIAS], Some(whole.to_string()))).expect("all of it");
}

/// A network of gigabytes in a file of some hundred bytes.
#[test]
fn a_claim_of_a_huge_network_takes_no_memory() {
    let mut told: Value = serde_json::from_str(&entry(&bytes(&small()))).expect("JSON");
    told["architecture"]["input"] = json!([300_000_000]);
    refused(&file(&[WEIGHT, BIAS], Some(told.to_string())), "expected F32 [2, 300000000]");
}

#[test]
fn weights_that_do_not_fit_leave_the_model_as_it_was() {
    // The first layer fits, the second doesn't.
    let net = || Sequential::new(&[3]).dense(4, Activation::Relu);
    let mut model = net().dense(2, Activation::Softmax).build(1).expect("a network");
    let other = net().dense(3, Activation::Softmax).build(2).expect("a network");
    let before = bytes(&model);
    says(load_weights(&mut model, &bytes(&other)), "`dense_2.weight`");
    assert_eq!(before, bytes(&model));
}

#[test]
fn a_pixel_scale_that_is_no_number_is_not_written() {
    for pixel_scale in [f32::NAN, f32::INFINITY] {
        let error = to_bytes(&small(), &Metadata { pixel_scale, ..metadata() });
        let text = error.expect_err("no file").to_string();
        assert!(text.contains("a pixel scale of"), "{text}");
    }
}

#[test]
fn every_shorter_or_longer_file_is_an_error() {
    let file = bytes(&small());
    for end in 0..file.len() {
        assert!(from_bytes(&file[..end]).is_err(), "{end} of {} bytes", file.len());
    }
    let all = file.len();
    for damaged in [&file[..all - 1], &[&file[..], &[0]].concat()] {
        let found = damaged.len();
        let what = format!("expected an end after {all} bytes, found one after {found}");
        refused(damaged, &format!("bad model file: at byte {found}: {what}"));
    }
}

/// What is read from a damaged file can be used, written and read again.
fn holds_together(file: &[u8]) -> Result<(), TestCaseError> {
    let Ok((model, told)) = from_bytes(file) else { return Ok(()) };
    let written = to_bytes(&model, &told).expect("what was read can be written");
    let (again, told_again) = from_bytes(&written).expect("and read again");
    prop_assert_eq!(&told, &told_again);
    prop_assert_eq!(written, to_bytes(&again, &told_again).expect("and written"));
    let features = model.architecture().features();
    let x = vec![0.5; features];
    let inputs = Inputs::f32(&x, features).expect("one row");
    let predicted = model.predict(&mut Engine::new(Some(1), None), inputs).expect("probabilities");
    prop_assert_eq!(predicted.len(), model.architecture().classes());
    Ok(())
}

#[test]
fn every_changed_byte_is_an_error_or_another_model() {
    let file = to_bytes(&small(), &metadata()).expect("a file");
    for at in 0..file.len() {
        for to in [0, b' ', b'0', b'9', b'e', b'"', b'}', 0x7f, 0xff, file[at] ^ 1] {
            let mut changed = file.clone();
            changed[at] = to;
            holds_together(&changed).unwrap_or_else(|e| panic!("byte {at} made {to}: {e}"));
        }
    }
}

proptest! {
    #[test]
    fn changed_bytes_are_an_error_or_another_model(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = bytes(&deep());
        // Most of the file is weights; the header is what can be misread.
        let header = file.len() - 4 * deep().parameters();
        for (at, to) in changes {
            file[at.index(header)] = to;
        }
        holds_together(&file)?;
    }

    #[test]
    fn bytes_of_any_kind_never_panic(file in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(from_bytes(&file).is_err());
        prop_assert!(load_weights(&mut small(), &file).is_err());
    }

    #[test]
    fn headers_of_any_text_never_panic(text in "[\\[\\]{}\":,a-z0-9_. -]{0,200}") {
        let file = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        prop_assert!(from_bytes(&file).is_err());
    }

    #[test]
    fn metadata_of_any_kind_comes_back(
        class_names in prop::collection::vec(".*", 0..4),
        pixel_scale in prop::num::f32::ANY.prop_filter("finite", |x| x.is_finite()),
        data_hash in prop::option::of(".*"),
        seed in any::<u64>(),
        weft_version in ".*",
    ) {
        let pictures = None;
        let told =
            Metadata { class_names, pixel_scale, data_hash, seed, weft_version, pictures };
        let file = to_bytes(&small(), &told).expect("a file");
        let (_, back) = from_bytes(&file).expect("our own file");
        prop_assert_eq!(back.pixel_scale.to_bits(), told.pixel_scale.to_bits());
        prop_assert_eq!(back, told);
    }
}
