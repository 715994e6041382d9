//! Agreement with PyTorch and Keras: the traces and the programs that made them are in `golden/`.

mod common;

use common::{fit, inputs, network, repository, sample};
use nn::{Engine, FitConfig, Model, checkpoint};
use serde_json::Value;

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(repository("crates/nn/tests/golden").join(name)).expect("a golden file")
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list of numbers");
    list.iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// The network with the weights of a golden file.
fn model(hidden: &[usize], weights: &str) -> Model {
    let mut model = network(hidden).build(1).expect("a network");
    checkpoint::load_weights(&mut model, &golden(weights)).expect("golden weights");
    model
}

/// Largest difference of two tensors, in units of the second's largest entry.
fn apart(got: &[f32], want: &[f32]) -> f32 {
    let largest = want.iter().fold(0.0f32, |m, w| m.max(w.abs()));
    got.iter().zip(want).fold(0.0f32, |m, (g, w)| m.max((g - w).abs())) / largest
}

/// Trains from PyTorch's initial weights in PyTorch's order and compares every loss and every tensor.
fn follows_pytorch(hidden: &[usize], batch_size: usize, prefix: &str) {
    let trace: Value =
        serde_json::from_slice(&golden(&format!("{prefix}trace.json"))).expect("a trace");
    let losses = numbers(&trace["losses"]["f32"]);
    let data = sample();
    let mut trained = model(hidden, &format!("{prefix}init.safetensors"));
    let steps = losses.len() as u64;
    let config = FitConfig {
        epochs: 1000,
        batch_size,
        shuffle: false,
        max_steps: Some(steps),
        ..FitConfig::default()
    };
    let mut engine = Engine::new(Some(2), None);
    let (_, got) = fit(&mut trained, &mut engine, inputs(&data), data.labels(), &config);
    assert_eq!(got.len(), losses.len());
    for (step, (got, want)) in got.iter().zip(&losses).enumerate() {
        let relative = (got - want).abs() / want;
        assert!(relative < 1e-4, "loss of step {}: {got}, PyTorch {want}", step + 1);
    }
    let wanted = model(hidden, &format!("{prefix}final.safetensors"));
    for layer in 0..=hidden.len() {
        let weights = apart(&trained.weights(layer), &wanted.weights(layer));
        assert!(weights < 1e-4, "weights of layer {layer} differ by {weights:e}");
        let biases = apart(&trained.biases(layer), &wanted.biases(layer));
        assert!(biases < 1e-4, "biases of layer {layer} differ by {biases:e}");
    }
}

#[test]
fn a_hundred_steps_agree_with_pytorch() {
    follows_pytorch(&[128], 32, "");
}

#[test]
fn a_deeper_network_with_biases_agrees_with_pytorch() {
    follows_pytorch(&[64, 48], 50, "deep_");
}

#[test]
fn the_sample_is_the_one_the_traces_were_made_from() {
    let trace: Value = serde_json::from_slice(&golden("trace.json")).expect("a trace");
    assert_eq!(trace["data"]["count"].as_u64(), Some(sample().len() as u64));
}

/// Keras leaves the correction of epsilon out; with it undone, our Adam is Keras'.
#[test]
fn adam_agrees_with_keras_once_epsilon_is_left_uncorrected() {
    let golden: Value = serde_json::from_slice(&golden("keras_adam.json")).expect("a record");
    let setting = |name: &str| golden["adam"][name].as_f64().expect("a setting");
    let (beta1, beta2) = (setting("beta_1"), setting("beta_2"));
    let floats = |v: &Value| -> Vec<f32> { numbers(v).iter().map(|x| *x as f32).collect() };
    let mut w = floats(&golden["start"]);
    let (mut m, mut v) = (vec![0.0; w.len()], vec![0.0; w.len()]);
    let steps = golden["gradients"].as_array().expect("gradients").iter();
    for (t, (g, want)) in (1..).zip(steps.zip(golden["weights"].as_array().expect("weights"))) {
        let eps = setting("epsilon") / (1.0 - beta2.powi(t)).sqrt();
        let step = kernels::AdamStep::new(setting("learning_rate"), beta1, beta2, eps, t as u64);
        kernels::adam_step(kernels::Isa::best(), &step, &floats(g), &mut w, &mut m, &mut v);
        let apart = apart(&w, &floats(want));
        assert!(apart < 1e-6, "step {t}: {apart:e}");
    }
}
