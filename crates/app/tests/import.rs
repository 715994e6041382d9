//! Networks from other programs' safetensors files.

use app::import::{Error, Imported, Normalisation, Options, from_bytes};
use nn::{Activation, Engine, Inputs};
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::collections::HashMap;

const PLAIN: Normalisation = Normalisation { scale: 1.0 / 255.0, mean: 0.0, deviation: 1.0 };

fn options() -> Options {
    Options { input: None, activations: vec![Activation::Relu], normalisation: PLAIN }
}

/// Some values, none of which another tensor has.
fn values(seed: usize, count: usize) -> Vec<f32> {
    (0..count).map(|i| ((seed * 131 + i * 17) % 199) as f32 / 100.0 - 1.0).collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// A file of tensors of a type, each with its name, shape and bytes.
fn file(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (*name, TensorView::new(*dtype, shape.clone(), bytes).expect("a tensor"))
    });
    serialize(views, None).expect("a file")
}

/// Dense layers `name`, `inputs`, `units`, as PyTorch saves them.
fn network(layers: &[(&str, usize, usize)]) -> Vec<u8> {
    let mut tensors = Vec::new();
    let names: Vec<_> =
        layers.iter().map(|(n, ..)| (format!("{n}.weight"), format!("{n}.bias"))).collect();
    for (i, ((_, inputs, units), (weight, bias))) in layers.iter().zip(&names).enumerate() {
        let (w, b) = (values(i, inputs * units), values(i + 50, *units));
        tensors.push((&**weight, Dtype::F32, vec![*units, *inputs], bytes(&w)));
        tensors.push((&**bias, Dtype::F32, vec![*units], bytes(&b)));
    }
    file(&tensors)
}

fn import(layers: &[(&str, usize, usize)]) -> Imported {
    from_bytes(&network(layers), &options()).expect("a network")
}

fn refused(file: &[u8]) -> Error {
    from_bytes(file, &options()).expect_err("no network")
}

#[test]
fn tensors_become_layers() {
    let imported = import(&[("0", 16, 5), ("2", 5, 3)]);
    let architecture = imported.model.architecture();
    assert_eq!(architecture.input, [4, 4], "a square, for the inputs fill one");
    let units: Vec<_> = architecture.dense().map(|d| (d.units, d.activation)).collect();
    assert_eq!(units, [(5, Activation::Relu), (3, Activation::Softmax)]);
    let weights = imported.model.weights(0);
    let expected = values(0, 80);
    for (unit, input) in [(0, 0), (4, 15), (2, 7)] {
        assert_eq!(weights[input * 5 + unit], expected[unit * 16 + input]);
    }
    assert_eq!(imported.model.biases(1), values(51, 3));
    assert_eq!(imported.pixel_scale, 1.0 / 255.0);
}

#[test]
fn numbers_in_names_count_as_numbers() {
    let imported = import(&[("net.2", 6, 6), ("net.10", 6, 6), ("net.1", 6, 6)]);
    assert_eq!(imported.names, ["net.1", "net.2", "net.10"]);
    assert_eq!(imported.model.biases(2), values(51, 6), "that of net.10");
}

#[test]
fn shapes_decide_where_names_do_not() {
    let imported = import(&[("output", 7, 2), ("encoder", 9, 5), ("second", 5, 7)]);
    assert_eq!(imported.names, ["encoder", "second", "output"]);
}

#[test]
fn layers_that_fit_in_no_order_or_in_several_are_refused() {
    let none = refused(&network(&[("0", 8, 5), ("1", 6, 2)])).to_string();
    assert!(none.contains("`0` gives 5 values and `1` takes 6"), "{none}");
    // By name c d a b would be a, b, c, d, which does not fit; two orders do.
    let two = network(&[("a", 4, 4), ("b", 4, 2), ("c", 9, 4), ("d", 4, 4)]);
    assert!(matches!(refused(&two), Error::Chain(_)));
    let turned = refused(&network(&[("0", 5, 8), ("1", 2, 5)])).to_string();
    assert!(turned.contains("Keras"), "{turned}");
}

#[test]
fn halves_and_doubles_are_floats_too() {
    let expected = [0.5f32, -1.25, 3.0, 0.0, 2.0, -0.75];
    let doubles = expected.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect();
    // 0.5, -1.25, 3, 0, 2, -0.75, which have no more digits than a half has room for.
    let halves = [0x3800u16, 0xbd00, 0x4200, 0, 0x4000, 0xba00];
    let halves = halves.iter().flat_map(|v| v.to_le_bytes()).collect();
    let brains = expected.iter().flat_map(|v| (v.to_bits() >> 16).to_le_bytes()[..2].to_vec());
    let brains = brains.collect();
    for (dtype, data) in [(Dtype::F64, doubles), (Dtype::F16, halves), (Dtype::BF16, brains)] {
        let file = file(&[("0.weight", dtype, vec![2, 3], data)]);
        let imported = from_bytes(&file, &options()).expect("a network");
        assert_eq!(imported.model.weights(0), [0.5, 0.0, -1.25, 2.0, 3.0, -0.75], "{dtype:?}");
        assert_eq!(imported.model.biases(0), [0.0, 0.0], "no bias is a bias of zero");
    }
    let ints = file(&[("0.weight", Dtype::I32, vec![2, 3], vec![0; 24])]);
    assert!(refused(&ints).to_string().contains("I32"));
}

#[test]
fn what_is_no_dense_layer_is_named() {
    let four = |n: usize| bytes(&values(1, n));
    let cases = [
        ("conv.weight", vec![2, 1, 3, 3], "two dimensions"),
        ("norm.running_mean", vec![4], "ends in neither"),
        ("norm.bias", vec![4], "no weight beside it"),
        ("norm.weight", vec![4], "two dimensions"),
        ("0.weight", vec![10, 0], "no inputs"),
        ("0.weight", vec![0, 10], "no units"),
        ("0.weight", vec![1 << 60, 0], "no inputs"),
    ];
    for (name, shape, why) in cases {
        let data = four(shape.iter().product());
        let error = refused(&file(&[(name, Dtype::F32, shape, data)])).to_string();
        assert!(error.contains(name) && error.contains(why), "{error}");
    }
    let wrong = file(&[
        ("0.weight", Dtype::F32, vec![2, 3], four(6)),
        ("0.bias", Dtype::F32, vec![3], four(3)),
    ]);
    assert!(refused(&wrong).to_string().contains("0.bias"));
}

#[test]
fn other_files_are_refused() {
    let zip = refused(b"PK\x03\x04");
    assert!(matches!(zip, Error::Format(_)));
    let what = "at byte 0: expected the length of a header in 8 bytes, found 4 bytes";
    assert_eq!(zip.to_string(), format!("not a safetensors file: {what}"));
    let cut = network(&[("0", 4, 3), ("2", 3, 2)]);
    let told = refused(&cut[..cut.len() - 1]).to_string();
    assert!(told.contains(&format!("expected an end after {} bytes", cut.len())), "{told}");
    assert!(matches!(refused(&file(&[])), Error::Chain(_)));
    assert!(matches!(refused(&network(&[("0", 9, 1)])), Error::Network(_)), "one class");
    let told = HashMap::from([("weft".to_owned(), "{}".to_owned())]);
    let data = bytes(&values(1, 6));
    let view = TensorView::new(Dtype::F32, vec![2, 3], &data).expect("a tensor");
    let ours = serialize([("dense_1.weight", view)], Some(told)).expect("a file");
    assert!(matches!(refused(&ours), Error::Ours));
}

#[test]
fn options_must_fit() {
    let three = network(&[("0", 6, 5), ("1", 5, 5), ("2", 5, 2)]);
    let with = |options: Options| from_bytes(&three, &options);
    let activations = vec![Activation::Relu, Activation::Linear];
    let good = with(Options { activations, input: Some(vec![2, 3]), ..options() }).expect("fits");
    assert_eq!(good.model.architecture().input, [2, 3]);
    let kinds: Vec<_> = good.model.architecture().dense().map(|d| d.activation).collect();
    assert_eq!(kinds, [Activation::Relu, Activation::Linear, Activation::Softmax]);
    let bad = [
        Options { activations: vec![Activation::Relu; 3], ..options() },
        Options { activations: Vec::new(), ..options() },
        Options { input: Some(vec![28, 28]), ..options() },
        Options { input: Some(vec![usize::MAX, 2]), ..options() },
        Options { normalisation: Normalisation { deviation: 0.0, ..PLAIN }, ..options() },
        Options { normalisation: Normalisation { mean: f64::NAN, ..PLAIN }, ..options() },
        Options { normalisation: Normalisation { scale: 0.0, ..PLAIN }, ..options() },
    ];
    for options in bad {
        assert!(matches!(with(options.clone()), Err(Error::Options(_))), "{options:?}");
    }
}

#[test]
fn normalised_inputs_are_taken_into_the_first_layer() {
    let layers = [("0", 9, 8), ("2", 8, 4)];
    let normalisation = Normalisation { scale: 1.0 / 255.0, mean: 0.2860, deviation: 0.3530 };
    let options = Options { normalisation, ..options() };
    let folded = from_bytes(&network(&layers), &options).expect("a network");
    let pixels = [0u8, 9, 255, 128, 77, 3, 200, 31, 64];
    let normalised: Vec<f32> =
        pixels.iter().map(|p| ((f64::from(*p) / 255.0 - 0.2860) / 0.3530) as f32).collect();
    let mut engine = Engine::new(Some(1), None);
    let plain = import(&layers).model;
    let inputs = Inputs::f32(&normalised, 9).expect("an example");
    let expected = plain.predict(&mut engine, inputs).expect("probabilities");
    let inputs = Inputs::u8(&pixels, 9, folded.pixel_scale).expect("an example");
    let found = folded.model.predict(&mut engine, inputs).expect("probabilities");
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() < 1e-5, "{found:?} {expected:?}");
    }
}
