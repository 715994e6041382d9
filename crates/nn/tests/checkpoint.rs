//! Model files: what is in them, and what damaged ones say.

mod common;

use common::{bytes, network};
use nn::checkpoint::{Metadata, from_bytes, load_weights, to_bytes};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

fn metadata() -> Metadata {
    Metadata {
        class_names: vec!["Ankle boot".to_owned(), "T-shirt/top".to_owned()],
        pixel_scale: common::SCALE,
        data_hash: Some("ab".repeat(32)),
        seed: u64::MAX,
        weft_version: "0.1.0".to_owned(),
    }
}

#[test]
fn everything_comes_back() {
    for hidden in [&[128][..], &[], &[65, 3]] {
        let model = network(hidden).build(7).expect("a network");
        let file = to_bytes(&model, &metadata()).expect("a file");
        let (back, told) = from_bytes(&file).expect("our own file");
        assert_eq!(told, metadata());
        assert_eq!(back.architecture(), model.architecture());
        assert_eq!(file, to_bytes(&back, &told).expect("a file"), "the same bytes again");
    }
}

#[test]
fn tensors_have_the_names_and_shapes_of_pytorch_and_lie_aligned() {
    let file =
        to_bytes(&network(&[128]).build(1).expect("a network"), &metadata()).expect("a file");
    let (header, info) = SafeTensors::read_metadata(&file).expect("safetensors");
    assert_eq!((8 + header) % 64, 0);
    let told = info.metadata().as_ref().and_then(|m| m.get("weft")).expect("an entry");
    let told: serde_json::Value = serde_json::from_str(told).expect("JSON");
    assert_eq!(told["format"], 1);
    assert_eq!(told["architecture"]["input"], serde_json::json!([28, 28]));
    assert_eq!(told["architecture"]["layers"][1]["units"], 128);
    assert_eq!(told["rng"], "weft-rng-1");
    let tensors = SafeTensors::deserialize(&file).expect("safetensors");
    let shape = |name: &str| tensors.tensor(name).expect("a tensor").shape().to_vec();
    assert_eq!(shape("dense_1.weight"), [128, 784]);
    assert_eq!(shape("dense_1.bias"), [128]);
    assert_eq!(shape("dense_2.weight"), [10, 128]);
    assert_eq!(shape("dense_2.bias"), [10]);
}

#[track_caller]
fn refused(file: &[u8], what: &str) {
    let error = from_bytes(file).expect_err("a bad file").to_string();
    assert!(error.contains(what), "`{what}` is not in: {error}");
}

/// A safetensors file with one tensor.
fn file(name: &str, dtype: Dtype, shape: Vec<usize>, data: &[u8]) -> Vec<u8> {
    let view = TensorView::new(dtype, shape, data).expect("a tensor");
    serialize([(name, view)], None).expect("a file")
}

#[test]
fn files_that_are_something_else_are_refused() {
    refused(b"", "bad model file");
    refused(b"this is not a model at all, just some text", "bad model file");
    refused(&file("x", Dtype::F32, vec![1], &[0; 4]), "no metadata entry `weft`");
    let mut model = network(&[]).build(1).expect("a network");
    let mut load =
        |file: &[u8]| load_weights(&mut model, file).expect_err("a bad file").to_string();
    assert!(
        load(&file("x", Dtype::F32, vec![1], &[0; 4]))
            .contains("no tensor `dense_1.weight`; found: x")
    );
    let two = |w: (Dtype, Vec<usize>), bytes: &[u8]| {
        let weight = TensorView::new(w.0, w.1, bytes).expect("a tensor");
        let bias = TensorView::new(Dtype::F32, vec![10], &[0; 40]).expect("a tensor");
        serialize([("dense_1.weight", weight), ("dense_1.bias", bias)], None).expect("a file")
    };
    let transposed = two((Dtype::F32, vec![784, 10]), &vec![0; 31360]);
    assert!(load(&transposed).contains("expected F32 [10, 784]"));
    let halves = two((Dtype::F16, vec![10, 784]), &vec![0; 15680]);
    assert!(load(&halves).contains("F16"));
}

#[test]
fn a_claim_of_a_huge_network_takes_no_memory() {
    let model =
        nn::Sequential::new(&[3]).dense(2, nn::Activation::Softmax).build(1).expect("a network");
    let file = bytes(&model);
    // A network of gigabytes in a file of some hundred bytes.
    let at = file.windows(3).position(|w| w == b"[3]").expect("the input's shape");
    let mut claim = [&file[..at], b"[300000000]", &file[at + 3..]].concat();
    let grown = claim.len() - file.len();
    let header = u64::from_le_bytes(claim[..8].try_into().expect("eight bytes")) + grown as u64;
    claim[..8].copy_from_slice(&header.to_le_bytes());
    refused(&claim, "expected F32 [2, 300000000]");
}

#[test]
fn weights_that_do_not_fit_leave_the_model_as_it_was() {
    let mut model = network(&[20]).build(1).expect("a network");
    let before = bytes(&model);
    let other = bytes(&network(&[21]).build(2).expect("a network"));
    assert!(load_weights(&mut model, &other).is_err());
    assert_eq!(before, bytes(&model));
}

#[test]
fn a_pixel_scale_that_is_no_number_is_refused() {
    let model = network(&[]).build(1).expect("a network");
    assert!(to_bytes(&model, &Metadata { pixel_scale: f32::NAN, ..metadata() }).is_err());
}

#[test]
fn every_shorter_file_is_an_error() {
    let file = bytes(
        &nn::Sequential::new(&[3]).dense(2, nn::Activation::Softmax).build(1).expect("a network"),
    );
    for end in 0..file.len() {
        assert!(from_bytes(&file[..end]).is_err(), "{end} of {} bytes", file.len());
    }
}

proptest! {
    #[test]
    fn a_changed_byte_is_an_error_or_another_model(at in 0usize..600, to in any::<u8>()) {
        let net = nn::Sequential::new(&[3]).dense(2, nn::Activation::Softmax);
        let mut file = bytes(&net.build(1).expect("a network"));
        let at = at % file.len();
        file[at] = to;
        if let Ok((model, told)) = from_bytes(&file) {
            prop_assert!(to_bytes(&model, &told).is_ok());
        }
    }
}
