//! Training follows the mathematics: a network's parameters after some steps are those that Adam reaches in
//! f64 with the gradient of the whole network's loss.
//!
//! The gradient is written out here, in f64, and is itself checked against central differences of the
//! loss. Weights are then compared after all steps, which also shows moments, the correction for the
//! number of the step and short last batches. Learning rate and epsilon are large so that a gradient's
//! error would show: a step is `lr g / (|g| + eps)` at first.

mod common;

use common::{Gen, fit};
use kernels::Elementwise;
use kernels::reference::elementwise;
use nn::Activation::{self, Gelu, LeakyRelu, Linear, Relu, Sigmoid, Tanh};
use nn::{AdamConfig, DenseShape, Engine, FitConfig, Inputs, Isa, Model, Sequential};

const ADAM: AdamConfig = AdamConfig { lr: 0.5, beta1: 0.9, beta2: 0.999, eps: 0.1 };

/// A network with its parameters in f64: weights `[inputs, units]`, biases and activation of each layer.
#[derive(Clone)]
struct Wide(Vec<(Vec<f64>, Vec<f64>, Activation)>);

impl Wide {
    fn of(model: &Model) -> Wide {
        let wide = |v: Vec<f32>| v.into_iter().map(f64::from).collect::<Vec<_>>();
        let layers = model.architecture().dense().enumerate();
        let layer = |(l, d): (usize, DenseShape)| {
            (wide(model.weights(l)), wide(model.biases(l)), d.activation)
        };
        Wide(layers.map(layer).collect())
    }

    /// All parameters in one order, to go through.
    fn parameters(&mut self) -> impl Iterator<Item = &mut f64> {
        self.0.iter_mut().flat_map(|(w, b, _)| w.iter_mut().chain(b))
    }

    /// Outputs of all layers for one example, the example first and the logits last.
    fn forward(&self, x: &[f32]) -> Vec<Vec<f64>> {
        let mut outputs = vec![x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>()];
        for (w, b, activation) in &self.0 {
            let mut z = b.clone();
            for (h, row) in outputs[outputs.len() - 1].iter().zip(w.chunks(b.len())) {
                z.iter_mut().zip(row).for_each(|(z, w)| *z += h * w);
            }
            z.iter_mut().for_each(|z| *z = value(*activation, *z));
            outputs.push(z);
        }
        outputs
    }

    /// Mean cross-entropy.
    fn loss(&self, (x, labels): (&[f32], &[u8])) -> f64 {
        let example = |(x, label): (&[f32], &u8)| {
            let logits = self.forward(x).pop().expect("logits");
            logits.iter().map(|z| z.exp()).sum::<f64>().ln() - logits[usize::from(*label)]
        };
        let examples = x.chunks(x.len() / labels.len()).zip(labels);
        examples.map(example).sum::<f64>() / labels.len() as f64
    }

    /// Gradient of the loss, in the order of `parameters`.
    fn gradient(&self, (x, labels): (&[f32], &[u8])) -> Vec<f64> {
        let mut sums = self.clone();
        sums.parameters().for_each(|p| *p = 0.0);
        for (x, label) in x.chunks(x.len() / labels.len()).zip(labels) {
            let outputs = self.forward(x);
            let logits = &outputs[self.0.len()];
            let sum: f64 = logits.iter().map(|z| z.exp()).sum();
            let mut dz: Vec<f64> = logits.iter().map(|z| z.exp() / sum).collect();
            dz[usize::from(*label)] -= 1.0;
            for (l, (w, b, activation)) in self.0.iter().enumerate().rev() {
                for (j, d) in dz.iter_mut().enumerate() {
                    let inputs = outputs[l].iter().zip(w.chunks(b.len()));
                    let z = b[j] + inputs.map(|(h, row)| h * row[j]).sum::<f64>();
                    *d *= slope(*activation, z);
                }
                let (dw, db, _) = &mut sums.0[l];
                db.iter_mut().zip(&dz).for_each(|(s, d)| *s += d);
                for (h, row) in outputs[l].iter().zip(dw.chunks_mut(b.len())) {
                    row.iter_mut().zip(&dz).for_each(|(s, d)| *s += h * d);
                }
                let dot = |row: &[f64]| row.iter().zip(&dz).map(|(w, d)| w * d).sum();
                dz = w.chunks(b.len()).map(dot).collect();
            }
        }
        sums.parameters().map(|s| *s / labels.len() as f64).collect()
    }

    /// The gradient of parameter `i` by central differences.
    fn difference(&self, i: usize, batch: (&[f32], &[u8])) -> f64 {
        let shifted = |by: f64| {
            let mut shifted = self.clone();
            *shifted.parameters().nth(i).expect("a parameter") += by;
            shifted.loss(batch)
        };
        (shifted(1e-6) - shifted(-1e-6)) / 2e-6
    }

    /// Step `t` of Adam.
    fn step(&mut self, t: i32, gradient: &[f64], moments: &mut [(f64, f64)]) {
        let AdamConfig { lr, beta1, beta2, eps } = ADAM;
        for ((p, g), (m, v)) in self.parameters().zip(gradient).zip(moments) {
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            let (m, v) = (*m / (1.0 - beta1.powi(t)), *v / (1.0 - beta2.powi(t)));
            *p -= lr * m / (v.sqrt() + eps);
        }
    }
}

/// What an activation makes of a sum; softmax is part of the loss.
fn value(activation: Activation, z: f64) -> f64 {
    match activation {
        Relu => z.max(0.0),
        LeakyRelu => elementwise(Elementwise::LeakyRelu, z),
        Gelu => elementwise(Elementwise::Gelu, z),
        Tanh => z.tanh(),
        Sigmoid => elementwise(Elementwise::Sigmoid, z),
        Linear | Activation::Softmax => z,
    }
}

/// Its derivative, by central differences where it has no formula of one line.
fn slope(activation: Activation, z: f64) -> f64 {
    match activation {
        Relu => f64::from(z > 0.0),
        LeakyRelu => {
            if z > 0.0 {
                1.0
            } else {
                f64::from(0.01f32)
            }
        }
        Linear | Activation::Softmax => 1.0,
        _ => (value(activation, z + 1e-5) - value(activation, z - 1e-5)) / 2e-5,
    }
}

struct Case {
    features: usize,
    hidden: &'static [(usize, Activation)],
    classes: u8,
    examples: usize,
    batch: usize,
}

/// Trains for one epoch in f32 and in f64, and compares all parameters.
fn follows_the_gradient(case: &Case) {
    let Case { features, hidden, classes, examples, batch } = *case;
    let net = hidden.iter().fold(Sequential::new(&[features]), |net, (u, a)| net.dense(*u, *a));
    let model = net.dense(classes.into(), Activation::Softmax).build(5).expect("a network");
    let mut random = Gen(9);
    let x: Vec<f32> = (0..examples * features).map(|_| random.float()).collect();
    let labels: Vec<u8> = (0..examples).map(|_| random.bits() as u8 % classes).collect();

    let (start, mut want) = (Wide::of(&model), Wide::of(&model));
    let mut moments = vec![(0.0, 0.0); model.parameters()];
    let batches = x.chunks(batch * features).zip(labels.chunks(batch));
    for (t, batch) in (1..).zip(batches) {
        let gradient = want.gradient(batch);
        if t == 1 {
            let some = (0..gradient.len()).step_by(gradient.len().div_ceil(300));
            for i in some {
                let (analytic, numeric) = (gradient[i], want.difference(i, batch));
                assert!((analytic - numeric).abs() < 1e-8, "{i}: {analytic} and {numeric}");
            }
        }
        want.step(t, &gradient, &mut moments);
    }

    let inputs = Inputs::f32(&x, features).expect("whole rows");
    let config = FitConfig {
        epochs: 1,
        batch_size: batch,
        optimizer: ADAM.into(),
        shuffle: false,
        ..FitConfig::default()
    };
    for isa in Isa::available() {
        let mut trained = model.clone();
        fit(&mut trained, &mut Engine::new(Some(2), Some(isa)), inputs, &labels, &config);
        let (mut got, mut start, mut moved) = (Wide::of(&trained), start.clone(), 0);
        let parameters = got.parameters().zip(want.parameters()).zip(start.parameters());
        for (i, ((got, want), start)) in parameters.enumerate() {
            assert!((*got - *want).abs() < 1e-4, "{isa}, parameter {i}: {got} and {want}");
            moved += usize::from((*want - *start).abs() > 1e-3);
        }
        assert!(3 * moved > moments.len(), "only {moved} of {} parameters moved", moments.len());
    }
}

#[test]
fn of_a_single_layer() {
    follows_the_gradient(&Case { features: 5, hidden: &[], classes: 3, examples: 6, batch: 6 });
}

#[test]
fn of_one_hidden_layer_over_several_steps_and_a_short_one() {
    let hidden = &[(7, Relu)];
    follows_the_gradient(&Case { features: 5, hidden, classes: 3, examples: 20, batch: 6 });
}

#[test]
fn of_three_hidden_layers_one_of_them_wider_than_a_panel() {
    let hidden = &[(9, Relu), (70, Relu), (6, Relu)];
    follows_the_gradient(&Case { features: 5, hidden, classes: 3, examples: 15, batch: 7 });
}

#[test]
fn of_linear_layers_beside_relu_layers() {
    let hidden = &[(9, Linear), (8, Relu), (7, Linear)];
    follows_the_gradient(&Case { features: 5, hidden, classes: 3, examples: 20, batch: 10 });
}

#[test]
fn of_all_activations_above_each_other() {
    let hidden = &[(9, Gelu), (70, Tanh), (12, LeakyRelu), (8, Sigmoid)];
    follows_the_gradient(&Case { features: 5, hidden, classes: 3, examples: 20, batch: 7 });
}

#[test]
fn of_a_first_layer_of_several_panels_with_slopes() {
    let hidden = &[(130, Tanh)];
    follows_the_gradient(&Case { features: 30, hidden, classes: 3, examples: 40, batch: 35 });
}

#[test]
fn of_inputs_and_classes_that_take_several_panels() {
    let hidden = &[(20, Relu)];
    follows_the_gradient(&Case { features: 600, hidden, classes: 70, examples: 12, batch: 5 });
}

#[test]
fn of_a_layer_of_more_panels_than_a_kernel_takes_at_once() {
    let hidden = &[(1100, Relu), (5, Relu)];
    follows_the_gradient(&Case { features: 3, hidden, classes: 3, examples: 6, batch: 6 });
}

#[test]
fn of_batches_of_more_rows_than_sixteen_blocks_of_a_panel() {
    let hidden = &[(4, Relu)];
    follows_the_gradient(&Case { features: 5, hidden, classes: 3, examples: 2300, batch: 1100 });
}
