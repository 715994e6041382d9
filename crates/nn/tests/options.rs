//! Agreement with PyTorch of every optimiser, activation and form of the loss, and of clipping; the trace and the
//! program that made it are in `golden/`. Dropout, whose masks are our own, by differences of the loss.

mod common;

use common::{equal_isas, first, fit, inputs, repository, sample};
use nn::{
    Activation, AdamConfig, AdamWConfig, Engine, FitConfig, Labels, Model, Optimizer, Sequential,
    SgdConfig, checkpoint,
};
use serde_json::Value;

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(repository("crates/nn/tests/golden").join(name)).expect("a golden file")
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list of numbers");
    list.iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// 784-64-48-10 with PyTorch's first weights.
fn model(activation: Activation) -> Model {
    let net = Sequential::new(&[28, 28]).flatten().dense(64, activation).dense(48, activation);
    let mut model = net.dense(10, Activation::Softmax).build(1).expect("a network");
    checkpoint::load_weights(&mut model, &golden("deep_init.safetensors")).expect("weights");
    model
}

fn optimizer(case: &Value) -> Optimizer {
    let settings = &case["settings"];
    let of = |name: &str| settings[name].as_f64().unwrap_or(0.0);
    let (lr, weight_decay, eps) = (of("lr"), of("weight_decay"), of("eps"));
    let betas = || numbers(&settings["betas"]);
    match case["optimizer"].as_str() {
        Some("adam") => AdamConfig { lr, beta1: betas()[0], beta2: betas()[1], eps }.into(),
        Some("adamw") => {
            AdamWConfig { lr, beta1: betas()[0], beta2: betas()[1], eps, weight_decay }.into()
        }
        Some("sgd") => {
            let nesterov = settings["nesterov"] == true;
            SgdConfig { lr, momentum: of("momentum"), nesterov, weight_decay }.into()
        }
        other => panic!("no optimiser {other:?}"),
    }
}

#[test]
fn every_option_agrees_with_pytorch() {
    let trace: Value = serde_json::from_slice(&golden("options.json")).expect("a trace");
    let data = sample();
    let weights: Vec<f32> = numbers(&trace["class_weights"]).iter().map(|w| *w as f32).collect();
    let cases = trace["cases"].as_array().expect("cases");
    assert!(cases.len() >= 15);
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let activation = case["activation"].as_str().and_then(Activation::named);
        let mut trained = model(activation.expect("an activation"));
        let weighted = case["class_weights"] == true;
        let labels = Labels::from(data.labels());
        let labels = labels.with_class_weights(if weighted { &weights } else { &[] });
        let config = FitConfig {
            epochs: 100,
            batch_size: trace["batch_size"].as_u64().expect("a size") as usize,
            optimizer: optimizer(case),
            label_smoothing: case["label_smoothing"].as_f64().expect("a share"),
            clip_norm: case["clip_norm"].as_f64(),
            shuffle: false,
            max_steps: trace["steps"].as_u64(),
            ..FitConfig::default()
        };
        let mut engine = Engine::new(Some(2), None);
        let (_, losses) = fit(&mut trained, &mut engine, inputs(&data), labels, &config);
        let wanted = numbers(&case["losses"]["f64"]);
        assert_eq!(losses.len(), wanted.len(), "{name}");
        for (step, (got, want)) in (1..).zip(losses.iter().zip(wanted)) {
            let off = (got - want).abs() / want;
            assert!(off < 1e-4, "{name}, loss of step {step}: {got}, PyTorch {want}");
        }
        for layer in 0..3 {
            let (w, biases) = (trained.weights(layer), trained.biases(layer));
            let (units, inputs) = (biases.len(), w.len() / biases.len());
            // PyTorch's weights are [units, inputs].
            let turned = (0..units).flat_map(|j| (0..inputs).map(move |i| (i, j)));
            let w = turned.map(|(i, j)| w[i * units + j]).collect();
            for (what, got) in [("weight", w), ("bias", biases)] {
                agrees(name, got, &case["final"][format!("dense_{}.{what}", layer + 1)]);
            }
        }
    }
}

/// Norm, first and largest entries of a tensor, to 1e-4 of its largest entry.
fn agrees(name: &str, got: Vec<f32>, facts: &Value) {
    let norm = got.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let want = facts["l2"].as_f64().expect("a norm");
    assert!((norm - want).abs() < 1e-4 * want, "{name}: a norm of {norm}, PyTorch {want}");
    let largest = numbers(&facts["largest"]["value"]);
    let at = numbers(&facts["largest"]["index"]).into_iter().map(|i| i as usize);
    for (i, want) in (0..).zip(numbers(&facts["first"])).chain(at.zip(largest.iter().copied())) {
        let off = (f64::from(got[i]) - want).abs();
        assert!(off < 1e-4 * largest[0].abs(), "{name}, {i}: {}, PyTorch {want}", got[i]);
    }
}

fn with_dropout(activation: Activation) -> Model {
    let net = Sequential::new(&[784]).dense(40, activation).dropout(0.4).dense(24, activation);
    net.dropout(0.2).dense(10, Activation::Softmax).build(3).expect("a network")
}

/// The loss of the first step, which is that of the weights before it, and the model after it.
fn one_step(mut model: Model, lr: f64) -> (f64, Model) {
    let data = sample();
    let (some, labels) = first(&data, 50);
    let optimizer = SgdConfig { lr, ..SgdConfig::default() }.into();
    let config = FitConfig {
        optimizer,
        shuffle: false,
        batch_size: 50,
        max_steps: Some(1),
        ..FitConfig::default()
    };
    let mut engine = Engine::new(Some(2), None);
    let (_, losses) = fit(&mut model, &mut engine, some, labels, &config);
    (losses[0], model)
}

/// The model with `by` more on one weight of a layer, through a file.
fn moved(model: &Model, layer: usize, at: usize, by: f32) -> Model {
    let bytes = common::bytes(model);
    let (mut moved, _) = checkpoint::from_bytes(&bytes).expect("our own file");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("our own file");
    let name = format!("dense_{}.weight", layer + 1);
    let tensors: Vec<_> = file
        .tensors()
        .into_iter()
        .map(|(n, view)| {
            let mut data = view.data().to_vec();
            if n == name {
                let old: [u8; 4] = data[4 * at..][..4].try_into().expect("a float");
                data[4 * at..][..4].copy_from_slice(&(f32::from_le_bytes(old) + by).to_le_bytes());
            }
            (n, view.shape().to_vec(), data)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, data)| {
        let f32s = safetensors::Dtype::F32;
        (name, safetensors::tensor::TensorView::new(f32s, shape.clone(), data).expect("a tensor"))
    });
    let file = safetensors::serialize(views, None).expect("a file");
    checkpoint::load_weights(&mut moved, &file).expect("the same tensors");
    moved
}

/// A step of plain gradient descent with a rate of 1 shows the gradient; the masks of the first step are always
/// the same, so differences of its loss must agree.
#[test]
fn the_gradient_through_dropout_agrees_with_differences_of_the_loss() {
    for activation in Activation::HIDDEN.iter().copied() {
        let model = with_dropout(activation);
        let (loss, after) = one_step(model.clone(), 1.0);
        let plain = model.evaluate(
            &mut Engine::new(Some(1), None),
            first(&sample(), 50).0,
            first(&sample(), 50).1,
        );
        assert!((loss - plain.expect("evaluated").loss).abs() > 1e-3, "something is dropped");
        for layer in 0..3 {
            let (before, after) = (model.weights(layer), after.weights(layer));
            let units = model.biases(layer).len();
            let gradient: Vec<f32> = before.iter().zip(&after).map(|(b, a)| b - a).collect();
            let most = gradient.iter().fold(0.0f32, |m, g| m.max(g.abs()));
            // The largest, and some others.
            let at = (0..gradient.len())
                .max_by(|a, b| gradient[*a].abs().total_cmp(&gradient[*b].abs()));
            for at in [at.expect("a weight"), gradient.len() / 3, gradient.len() / 2] {
                let (i, j) = (at / units, at % units);
                let turned = j * (before.len() / units) + i;
                let by = 2e-3;
                let [more, less] =
                    [by, -by].map(|by| one_step(moved(&model, layer, turned, by), 1.0).0);
                let measured = (more - less) / (2.0 * f64::from(by));
                let off = (f64::from(gradient[at]) - measured).abs();
                let name = activation.name();
                assert!(
                    off < 0.01 * f64::from(most) + 1e-4,
                    "{name}, layer {layer}, weight {at}: {} and {measured}",
                    gradient[at]
                );
            }
        }
    }
}

#[test]
fn dropout_is_for_training_only() {
    let data = sample();
    let (some, _) = first(&data, 20);
    let with = with_dropout(Activation::Gelu);
    let net = Sequential::new(&[784]).dense(40, Activation::Gelu).dense(24, Activation::Gelu);
    let without = net.dense(10, Activation::Softmax).build(3).expect("a network");
    let [a, b] = [with, without]
        .map(|m| m.predict(&mut Engine::new(Some(1), None), some).expect("predicted"));
    assert_eq!(a, b);
}

/// More classes than a byte can tell, learned on every instruction set.
#[test]
fn three_hundred_classes_are_learned() {
    let classes = 300;
    let one_hot = |i: usize| f32::from(i / classes == i % classes);
    let x: Vec<f32> = (0..classes * classes).map(one_hot).collect();
    let labels: Vec<u16> = (0..300).collect();
    let x_inputs = nn::Inputs::f32(&x, classes).expect("whole rows");
    for isa in equal_isas() {
        let net = Sequential::new(&[classes]).dense(64, Activation::Relu);
        let mut model = net.dense(classes, Activation::Softmax).build(1).expect("a network");
        let optimizer = AdamConfig { lr: 0.02, ..AdamConfig::default() }.into();
        let config = FitConfig { epochs: 60, optimizer, ..FitConfig::default() };
        let mut engine = Engine::new(Some(2), Some(isa));
        fit(&mut model, &mut engine, x_inputs, &labels, &config);
        let after = model.evaluate(&mut engine, x_inputs, &labels).expect("evaluated");
        assert_eq!(after.correct, classes, "{isa}");
    }
}
