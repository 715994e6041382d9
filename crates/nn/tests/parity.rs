//! Agreement with PyTorch and Keras: the traces and the programs that made them are in `golden/`.

mod common;

use common::{fit, inputs, network, repository, sample};
use nn::{AdamConfig, Engine, FitConfig, Model, checkpoint};
use serde_json::Value;
use sha2::Digest as _;

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

fn trace(prefix: &str) -> Value {
    serde_json::from_slice(&golden(&format!("{prefix}trace.json"))).expect("a trace")
}

/// How far two tensors are apart.
struct Apart {
    /// Largest difference, in units of the second's largest entry.
    of_largest: f32,
    /// Largest relative difference of those entries that are at least a tenth of the largest. A weight next
    /// to zero has no relative precision to speak of.
    relative: f32,
}

fn apart(got: &[f32], want: &[f32]) -> Apart {
    assert_eq!(got.len(), want.len());
    let largest = want.iter().fold(0.0f32, |m, w| m.max(w.abs()));
    let most = |differences: &mut dyn Iterator<Item = f32>| {
        // Unlike `f32::max` this lets no NaN pass.
        differences.fold(0.0, |most, d| if d <= most { most } else { d })
    };
    let pairs = || got.iter().zip(want).map(|(g, w)| ((g - w).abs(), w.abs()));
    Apart {
        of_largest: most(&mut pairs().map(|(d, _)| d / largest)),
        relative: most(&mut pairs().filter(|(_, w)| *w >= 0.1 * largest).map(|(d, w)| d / w)),
    }
}

/// Trains from PyTorch's initial weights in PyTorch's order and compares every loss, and then every tensor,
/// each to 1e-4: a loss relative to PyTorch's, tensors as [`Apart`] says.
fn follows_pytorch(hidden: &[usize], batch_size: usize, prefix: &str) {
    let losses = trace(prefix)["losses"].clone();
    let data = sample();
    let mut trained = model(hidden, &format!("{prefix}init.safetensors"));
    let steps = numbers(&losses["f32"]).len() as u64;
    let config = FitConfig {
        epochs: 1000,
        batch_size,
        shuffle: false,
        max_steps: Some(steps),
        ..FitConfig::default()
    };
    let mut engine = Engine::new(Some(2), None);
    let (_, got) = fit(&mut trained, &mut engine, inputs(&data), data.labels(), &config);
    for precision in ["f32", "f64"] {
        let wanted = numbers(&losses[precision]);
        assert_eq!(got.len(), wanted.len());
        for (step, (got, want)) in (1..).zip(got.iter().zip(wanted)) {
            let relative = (got - want).abs() / want;
            assert!(relative < 1e-4, "loss of step {step}: {got}, PyTorch in {precision} {want}");
        }
    }
    let wanted = model(hidden, &format!("{prefix}final.safetensors"));
    for layer in 0..=hidden.len() {
        for (got, want, what) in [
            (trained.weights(layer), wanted.weights(layer), "weights"),
            (trained.biases(layer), wanted.biases(layer), "biases"),
        ] {
            let Apart { of_largest, relative } = apart(&got, &want);
            let place = format!("{what} of layer {layer}");
            assert!(of_largest < 1e-4, "{place} differ by {of_largest:e} of the largest");
            assert!(relative < 1e-4, "{place} differ by {relative:e}");
        }
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

/// Probabilities of the first images are the softmax of PyTorch's logits.
#[test]
fn first_predictions_agree_with_pytorch() {
    let data = sample();
    for (hidden, prefix) in [(&[128][..], ""), (&[64, 48], "deep_")] {
        let model = model(hidden, &format!("{prefix}init.safetensors"));
        let logits = trace(prefix)["step_1"]["logits"].clone();
        for (i, logits) in logits.as_array().expect("rows").iter().enumerate() {
            let powers: Vec<f64> = numbers(logits).into_iter().map(f64::exp).collect();
            let sum: f64 = powers.iter().sum();
            let want: Vec<f32> = powers.iter().map(|p| (p / sum) as f32).collect();
            let mut engine = Engine::new(Some(1), None);
            let got = model.predict(&mut engine, inputs(&data).slice(i, 1)).expect("ten");
            let apart = apart(&got, &want).of_largest;
            assert!(apart < 2e-6, "image {i}: {apart:e}");
        }
    }
}

/// The first step's gradients, read from the step itself: with a learning rate of `lr` and an epsilon of 1
/// it is `-lr g / (|g| + 1)`.
#[test]
fn first_gradients_agree_with_pytorch() {
    let data = sample();
    for (hidden, batch_size, prefix) in [(&[128][..], 32, ""), (&[64, 48], 50, "deep_")] {
        let before = model(hidden, &format!("{prefix}init.safetensors"));
        let mut after = before.clone();
        let lr = 1024.0;
        let optimizer = AdamConfig { lr, eps: 1.0, ..AdamConfig::default() }.into();
        let (shuffle, max_steps) = (false, Some(1));
        let config =
            FitConfig { batch_size, optimizer, shuffle, max_steps, ..FitConfig::default() };
        fit(&mut after, &mut Engine::new(Some(2), None), inputs(&data), data.labels(), &config);
        let gradient = |after: Vec<f32>, before: Vec<f32>| -> Vec<f64> {
            let step = |(a, b): (f32, f32)| (f64::from(b) - f64::from(a)) / lr;
            let steps = after.into_iter().zip(before).map(step);
            steps.map(|s| s / (1.0 - s.abs())).collect()
        };
        let facts = trace(prefix)["step_1"]["gradients"].clone();
        for layer in 0..=hidden.len() {
            let weights = gradient(after.weights(layer), before.weights(layer));
            let biases = gradient(after.biases(layer), before.biases(layer));
            let (units, inputs) = (biases.len(), weights.len() / biases.len());
            // PyTorch's weights are [units, inputs].
            let turned = (0..units).flat_map(|j| (0..inputs).map(move |i| (i, j)));
            let weights = turned.map(|(i, j)| weights[i * units + j]).collect();
            agrees(weights, &facts[format!("dense_{}.weight", layer + 1)]);
            agrees(biases, &facts[format!("dense_{}.bias", layer + 1)]);
        }
    }
}

/// Norm, first and largest entries of a gradient.
#[track_caller]
fn agrees(gradient: Vec<f64>, facts: &Value) {
    let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    let want = facts["l2"].as_f64().expect("a norm");
    assert!((norm - want).abs() < 1e-5 * want, "a norm of {norm}, PyTorch {want}");
    let largest = numbers(&facts["largest"]["value"]);
    let at = numbers(&facts["largest"]["index"]).into_iter().map(|i| i as usize);
    let entries = (0..).zip(numbers(&facts["first"])).chain(at.zip(largest.iter().copied()));
    for (i, want) in entries {
        let got = gradient[i];
        assert!((got - want).abs() < 1e-5 * largest[0].abs(), "entry {i}: {got}, PyTorch {want}");
    }
}

#[test]
fn the_sample_is_the_one_the_traces_were_made_from() {
    for prefix in ["", "deep_"] {
        for what in ["images", "labels"] {
            let facts = &trace(prefix)["data"];
            let name = facts[what].as_str().expect("a file name");
            let file = std::fs::read(repository("data/sample").join(name)).expect("the sample");
            let hash: String =
                sha2::Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(facts[format!("{what}_sha256")], hash, "{name}: make the traces again");
        }
    }
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
        let apart = apart(&w, &floats(want)).of_largest;
        assert!(apart < 1e-6, "step {t}: {apart:e}");
    }
}
