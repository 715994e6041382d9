//! One step changes every parameter as Adam does with the gradient of the whole network's loss, which is
//! taken here by central differences in f64.

mod common;

use common::{Gen, fit};
use nn::{Activation, AdamConfig, Engine, FitConfig, Inputs, Model, Sequential};

const FEATURES: usize = 5;
const CLASSES: usize = 3;
const EXAMPLES: usize = 6;

/// All parameters, layer by layer: weights, then biases.
fn parameters(model: &Model, layers: usize) -> Vec<Vec<f64>> {
    let wide = |v: Vec<f32>| v.into_iter().map(f64::from).collect::<Vec<_>>();
    (0..layers).flat_map(|l| [wide(model.weights(l)), wide(model.biases(l))]).collect()
}

/// Mean cross-entropy of the network with these parameters, in f64.
fn loss(parameters: &[Vec<f64>], x: &[f32], labels: &[u8]) -> f64 {
    let layers = parameters.len() / 2;
    let example = |(row, label): (&[f32], &u8)| {
        let mut h: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
        for (l, wb) in parameters.chunks(2).enumerate() {
            let units = wb[1].len();
            let z = |j: usize| {
                wb[1][j] + h.iter().enumerate().map(|(k, h)| h * wb[0][k * units + j]).sum::<f64>()
            };
            let hidden = |z: f64| if l + 1 < layers { z.max(0.0) } else { z };
            h = (0..units).map(z).map(hidden).collect();
        }
        h.iter().map(|z| z.exp()).sum::<f64>().ln() - h[usize::from(*label)]
    };
    x.chunks(FEATURES).zip(labels).map(example).sum::<f64>() / labels.len() as f64
}

fn step_follows_the_gradient(hidden: &[usize]) {
    let net = Sequential::new(&[FEATURES]);
    let net = hidden.iter().fold(net, |net, units| net.dense(*units, Activation::Relu));
    let mut model = net.dense(CLASSES, Activation::Softmax).build(5).expect("a network");
    let mut random = Gen(9);
    let x: Vec<f32> = (0..EXAMPLES * FEATURES).map(|_| random.float()).collect();
    let labels: Vec<u8> = (0..EXAMPLES).map(|i| (i % CLASSES) as u8).collect();
    let layers = hidden.len() + 1;
    let before = parameters(&model, layers);
    // Large steps show in f32. In the first step Adam's moments are the gradient's multiples.
    let (lr, eps) = (0.5, 0.1);
    let adam = AdamConfig { lr, eps, ..AdamConfig::default() };
    let config =
        FitConfig { epochs: 1, batch_size: EXAMPLES, adam, shuffle: false, ..FitConfig::default() };
    let inputs = Inputs::f32(&x, FEATURES).expect("whole rows");
    fit(&mut model, &mut Engine::new(Some(1), None), inputs, &labels, &config);
    let after = parameters(&model, layers);
    let mut moved = 0;
    for (t, tensor) in before.iter().enumerate() {
        for i in 0..tensor.len() {
            let at = |delta: f64| {
                let mut shifted = before.clone();
                shifted[t][i] += delta;
                loss(&shifted, &x, &labels)
            };
            let g = (at(1e-6) - at(-1e-6)) / 2e-6;
            let want = before[t][i] - lr * g / (g.abs() + eps);
            assert!(
                (after[t][i] - want).abs() < 1e-4,
                "tensor {t}, entry {i}: {} and {want}",
                after[t][i]
            );
            moved += usize::from((want - before[t][i]).abs() > 1e-3);
        }
    }
    assert!(
        moved > before.iter().map(Vec::len).sum::<usize>() / 3,
        "only {moved} parameters moved"
    );
}

#[test]
fn of_a_single_layer() {
    step_follows_the_gradient(&[]);
}

#[test]
fn of_one_hidden_layer() {
    step_follows_the_gradient(&[7]);
}

#[test]
fn of_three_hidden_layers_wider_than_a_panel() {
    step_follows_the_gradient(&[9, 70, 6]);
}
