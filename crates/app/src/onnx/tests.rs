//! The graph, read back and computed in plain Rust. Python's libraries read it in `tests/python/exchange.py`.

use super::*;
use nn::{Engine, Inputs, Sequential};
use std::collections::HashMap;

const CLASSES: usize = 3;

fn deep() -> Model {
    let hidden = Sequential::new(&[2, 3]).flatten().dense(20, Activation::Relu);
    let hidden = Activation::HIDDEN.iter().fold(hidden, |all, a| all.dense(7, *a));
    hidden.dense(CLASSES, Activation::Softmax).build(5).expect("a network")
}

fn metadata() -> Metadata {
    let class_names = ["a", "b \"é\"", "c"].map(str::to_owned).to_vec();
    Metadata { class_names, pixel_scale: 1.0 / 255.0, seed: 5, ..Metadata::default() }
}

fn read_back(model: &Model, metadata: &Metadata, pixels: Pixels) -> schema::Model {
    let bytes = to_bytes(model, metadata, pixels).expect("a file");
    schema::Model::decode(&bytes[..]).expect("our own file")
}

/// What a graph makes of one example.
fn compute(graph: &Graph, pixels: &[u8]) -> Vec<f32> {
    let constants = graph.initializer.iter().map(|tensor| {
        let (floats, rest) = tensor.raw_data.as_chunks::<4>();
        assert!(rest.is_empty());
        assert_eq!(floats.len() as i64, tensor.dims.iter().product::<i64>(), "{}", tensor.name);
        (tensor.name.as_str(), floats.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<_>>())
    });
    let mut values: HashMap<&str, Vec<f32>> = constants.collect();
    values.insert(&graph.input[0].name, pixels.iter().copied().map(f32::from).collect());
    for node in &graph.node {
        let of = |i: usize| &values[node.input[i].as_str()];
        let x = of(0).clone();
        let y: Vec<f32> = match node.op_type.as_str() {
            "Cast" | "Flatten" => x,
            // A constant for all, or one value for each.
            "Mul" => x.iter().zip(of(1).iter().cycle()).map(|(x, y)| x * y).collect(),
            "Add" => x.iter().zip(of(1).iter().cycle()).map(|(x, y)| x + y).collect(),
            "LeakyRelu" => {
                let slope = node.attribute[0].f.expect("a slope");
                x.iter().map(|x| if *x < 0.0 { slope * x } else { *x }).collect()
            }
            "Tanh" => x.iter().map(|x| x.tanh()).collect(),
            "Sigmoid" => x.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
            "Erf" => x.iter().map(|x| erf(f64::from(*x)) as f32).collect(),
            "Relu" => x.iter().map(|x| x.max(0.0)).collect(),
            "Gemm" => {
                let (w, b) = (of(1), of(2));
                let at = |j: usize| x.iter().zip(w[j..].iter().step_by(b.len()));
                let sum = |j: usize| at(j).map(|(x, w)| x * w).sum::<f32>() + b[j];
                (0..b.len()).map(sum).collect()
            }
            "Softmax" => {
                let sum: f32 = x.iter().map(|x| x.exp()).sum();
                x.iter().map(|x| x.exp() / sum).collect()
            }
            other => panic!("{other} is not expected"),
        };
        values.insert(&node.output[0], y);
    }
    values[graph.output[0].name.as_str()].clone()
}

/// Maclaurin's series, to 1e-8 as far as it is more than that from ±1.
fn erf(x: f64) -> f64 {
    if x.abs() > 4.2 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..120 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

#[test]
fn the_graph_computes_what_the_network_does() {
    let pixels = [0, 255, 128, 3, 77, 200];
    for pixel_scale in [1.0 / 255.0, 1.0] {
        let (model, metadata) = (deep(), Metadata { pixel_scale, ..metadata() });
        let inputs = Inputs::u8(&pixels, 6, pixel_scale).expect("an example");
        let mut engine = Engine::new(Some(1), None);
        let expected = model.predict(&mut engine, inputs).expect("probabilities");
        for kind in [Pixels::U8, Pixels::F32] {
            let file = read_back(&model, &metadata, kind);
            let found = compute(&file.graph.expect("a graph"), &pixels);
            assert_eq!(found.len(), CLASSES);
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-6, "{found:?} {expected:?}");
            }
        }
    }
}

#[test]
fn inputs_and_outputs_have_names_types_and_any_number_of_examples() {
    let (input, output) = ([2, 3], [CLASSES as i64]);
    for (pixels, elem_type) in [(Pixels::U8, element::U8), (Pixels::F32, element::F32)] {
        let graph = read_back(&deep(), &metadata(), pixels).graph.expect("a graph");
        let told = [(&graph.input, INPUT, elem_type, &input[..])];
        let told = told.into_iter().chain([(&graph.output, OUTPUT, element::F32, &output[..])]);
        for (values, name, elem_type, shape) in told {
            let [value] = &values[..] else { panic!("{values:?}") };
            let tensor = value.kind.clone().and_then(|k| k.tensor).expect("a tensor");
            assert_eq!((value.name.as_str(), tensor.elem_type), (name, elem_type));
            let sizes: Vec<_> = tensor.shape.expect("a shape").dim.into_iter().collect();
            let sizes: Vec<_> = sizes.into_iter().map(|d| d.size.expect("a size")).collect();
            assert_eq!(sizes[0], Size::Named("N".to_owned()));
            let rest: Vec<_> = shape.iter().map(|d| Size::Fixed(*d)).collect();
            assert_eq!(sizes[1..], rest);
        }
    }
}

#[test]
fn the_metadata_tells_where_the_model_comes_from() {
    let metadata = Metadata { data_hash: Some("ab".repeat(32)), ..metadata() };
    let file = read_back(&deep(), &metadata, Pixels::U8);
    let told: HashMap<_, _> = file.metadata_props.into_iter().map(|e| (e.key, e.value)).collect();
    let names: Vec<String> = serde_json::from_str(&told["class_names"]).expect("JSON");
    assert_eq!(names, metadata.class_names);
    assert_eq!((&told["data_hash"], told["seed"].as_str()), (&"ab".repeat(32), "5"));
    assert_eq!(told["pixel_scale"].parse(), Ok(metadata.pixel_scale));
    assert_eq!(file.producer_name, "weft");
}

#[test]
fn the_same_network_gives_the_same_bytes() {
    let file = || to_bytes(&deep(), &metadata(), Pixels::U8).expect("a file");
    assert!((0..20).all(|_| file() == file()));
}

#[test]
fn attributes_of_zero_are_written() {
    // ONNX tells an attribute that is there from one that is not, whatever its value.
    for (attribute, value) in [(Attribute::int("a", 0), 3), (Attribute::float("a", 0.0), 2)] {
        let bytes = attribute.encode_to_vec();
        assert_eq!(Attribute::decode(&bytes[..]), Ok(attribute));
        assert!(bytes.windows(1).any(|b| b[0] >> 3 == value), "{bytes:?}");
    }
}
