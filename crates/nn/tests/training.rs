//! Training learns, counts right, stops when told, and says what is wrong.

mod common;

use common::{bytes, fit, inputs, network, sample};
use nn::{Activation, AdamConfig, Engine, Error, Event, FitConfig, Inputs, Sequential};
use std::ops::ControlFlow;

fn one_thread() -> Engine {
    Engine::new(Some(1), None)
}

#[test]
fn exclusive_or_is_learned() {
    let (x, y) = ([0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0f32], [0, 1, 1, 0u8]);
    let net = Sequential::new(&[2]).dense(16, Activation::Relu).dense(2, Activation::Softmax);
    let mut model = net.build(1).expect("a network");
    let config = FitConfig { epochs: 400, batch_size: 4, ..FitConfig::default() };
    let inputs = Inputs::f32(&x, 2).expect("whole rows");
    fit(&mut model, &mut one_thread(), inputs, &y, &config);
    let after = model.evaluate(&mut one_thread(), inputs, &y).expect("an evaluation");
    assert_eq!((after.accuracy, after.correct, after.count), (1.0, 4, 4));
}

#[test]
fn the_sample_is_learned_and_the_loss_falls() {
    let data = sample();
    let mut model = network(&[128]).build(1).expect("a network");
    let config = FitConfig { epochs: 10, ..FitConfig::default() };
    let mut engine = Engine::new(Some(2), None);
    let (history, _) = fit(&mut model, &mut engine, inputs(&data), data.labels(), &config);
    let losses: Vec<f64> = history.epochs.iter().map(|e| e.loss).collect();
    assert!(losses.windows(2).all(|w| w[1] < w[0]), "{losses:?}");
    let after = model.evaluate(&mut engine, inputs(&data), data.labels()).expect("an evaluation");
    assert!(after.accuracy > 0.85, "{after:?}");
}

#[test]
fn the_first_loss_is_that_of_the_first_batch_and_sums_are_of_the_examples() {
    let data = sample();
    let all = inputs(&data);
    let mut model = network(&[20]).build(1).expect("a network");
    let first = model.evaluate(&mut one_thread(), all.slice(0, 64), &data.labels()[..64]);
    // 1,000 in batches of 64: the last has 40.
    let config = FitConfig { epochs: 1, batch_size: 64, shuffle: false, ..FitConfig::default() };
    let (history, losses) = fit(&mut model, &mut one_thread(), all, data.labels(), &config);
    assert!((losses[0] - first.expect("an evaluation").loss).abs() < 1e-12);
    assert_eq!((losses.len(), history.epochs[0].steps), (16, 16));
    let sum: f64 = losses[..15].iter().map(|l| l * 64.0).sum::<f64>() + losses[15] * 40.0;
    assert!((history.epochs[0].loss - sum / 1000.0).abs() < 1e-9);
}

#[test]
fn the_last_examples_of_an_epoch_count_too() {
    let data = sample();
    let train = |examples: usize| {
        let mut model = network(&[20]).build(1).expect("a network");
        let (some, labels) = (inputs(&data).slice(0, examples), &data.labels()[..examples]);
        let config = FitConfig { epochs: 1, shuffle: false, ..FitConfig::default() };
        let (_, losses) = fit(&mut model, &mut one_thread(), some, labels, &config);
        (bytes(&model), losses.len())
    };
    let ((whole, steps), (more, more_steps)) = (train(64), train(65));
    assert_eq!((steps, more_steps), (2, 3));
    assert_ne!(whole, more, "a batch of one example changes the weights");
}

#[test]
fn training_again_starts_adam_afresh() {
    let data = sample();
    let config = FitConfig { epochs: 1, ..FitConfig::default() };
    let mut model = network(&[20]).build(1).expect("a network");
    fit(&mut model, &mut one_thread(), inputs(&data), data.labels(), &config);
    let (mut loaded, _) = nn::checkpoint::from_bytes(&bytes(&model)).expect("our own file");
    for model in [&mut model, &mut loaded] {
        fit(model, &mut one_thread(), inputs(&data), data.labels(), &config);
    }
    assert_eq!(bytes(&model), bytes(&loaded));
}

#[test]
fn training_stops_after_the_steps_it_was_given() {
    let data = sample();
    let mut model = network(&[20]).build(1).expect("a network");
    let config = FitConfig { max_steps: Some(40), ..FitConfig::default() };
    let (history, losses) =
        fit(&mut model, &mut one_thread(), inputs(&data), data.labels(), &config);
    let steps: Vec<usize> = history.epochs.iter().map(|e| e.steps).collect();
    assert_eq!((losses.len(), steps), (40, vec![32, 8]));
}

fn failing(config: &FitConfig, observe: &mut impl FnMut(&Event) -> ControlFlow<()>) -> Error {
    let data = sample();
    let mut model = network(&[20]).build(1).expect("a network");
    let fitted = model.fit(&mut one_thread(), inputs(&data), data.labels(), config, observe);
    fitted.expect_err("a training that fails")
}

#[test]
fn an_observer_can_end_it() {
    let mut left = 5;
    let error = failing(&FitConfig::default(), &mut |_| {
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(error, Error::Stopped { epoch: 1, step: 5 }), "{error}");
}

#[test]
fn a_loss_that_leaves_the_numbers_ends_it() {
    let adam = AdamConfig { lr: 1e30, ..AdamConfig::default() };
    let error =
        failing(&FitConfig { adam, ..FitConfig::default() }, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(error, Error::Diverged { epoch: 1, step: 2.., .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("epoch 1") && text.contains("smaller learning rate"), "{text}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let adam = AdamConfig::default();
    let fine = FitConfig::default();
    let cases = [
        (FitConfig { batch_size: 0, ..fine }, "batch size of 0"),
        (FitConfig { adam: AdamConfig { lr: f64::NAN, ..adam }, ..fine }, "learning rate of NaN"),
        (FitConfig { adam: AdamConfig { lr: -1.0, ..adam }, ..fine }, "learning rate of -1"),
        (FitConfig { adam: AdamConfig { beta1: 1.0, ..adam }, ..fine }, "decay of 1"),
        (FitConfig { adam: AdamConfig { beta2: -0.1, ..adam }, ..fine }, "decay of -0.1"),
        (FitConfig { adam: AdamConfig { eps: 0.0, ..adam }, ..fine }, "epsilon of 0"),
    ];
    for (config, what) in cases {
        let error = failing(&config, &mut |_| ControlFlow::Continue(())).to_string();
        assert!(error.contains(what), "`{what}` is not in: {error}");
    }
}

#[test]
fn data_that_does_not_fit_is_refused() {
    let data = sample();
    let model = network(&[20]).build(1).expect("a network");
    let error = |inputs: Inputs<'_>, labels: &[u8]| {
        model.evaluate(&mut one_thread(), inputs, labels).expect_err("bad data").to_string()
    };
    let all = inputs(&data);
    assert!(error(all, &data.labels()[1..]).contains("1000 examples and 999 labels"));
    let mut labels = data.labels().to_vec();
    labels[7] = 10;
    assert!(error(all, &labels).contains("label 10 of example 7"));
    let narrow = Inputs::u8(data.images(), 16, 1.0).expect("whole rows of 16");
    assert!(error(narrow, data.labels()).contains("the network takes 784"));
    assert!(Inputs::u8(&[0; 5], 2, 1.0).is_err() && Inputs::f32(&[], 0).is_err());
    let nothing = all.slice(0, 0);
    let mut model = network(&[20]).build(1).expect("a network");
    let config = FitConfig::default();
    let fitted =
        model.fit(&mut one_thread(), nothing, &[], &config, &mut |_| ControlFlow::Continue(()));
    assert!(fitted.expect_err("no data").to_string().contains("no examples"));
    assert_eq!(model.predict(&mut one_thread(), nothing).expect("nothing"), Vec::<f32>::new());
}

#[test]
fn networks_that_make_no_sense_are_refused() {
    let new = || Sequential::new(&[28, 28]).flatten();
    let error = |net: Sequential| net.build(1).expect_err("a bad network").to_string();
    let soft = Activation::Softmax;
    assert!(error(new()).contains("no dense layer"));
    assert!(error(new().dense(10, Activation::Relu)).contains("relu, not softmax"));
    assert!(error(new().dense(0, Activation::Relu).dense(10, soft)).contains("no units"));
    assert!(error(new().dense(10, soft).dense(10, soft)).contains("softmax in a hidden layer"));
    assert!(error(new().dense(1, soft)).contains("1 classes"));
    assert!(error(Sequential::new(&[0]).dense(10, soft)).contains("shape [0]"));
    assert!(error(Sequential::new(&[usize::MAX, 2]).dense(10, soft)).contains("shape"));
    assert!(
        error(new().dense(usize::MAX / 2, Activation::Relu).dense(10, soft)).contains("parameters")
    );
}

#[test]
fn a_linear_hidden_layer_passes_gradients_through() {
    let data = sample();
    let net = Sequential::new(&[784]).dense(32, Activation::Linear).dense(10, Activation::Softmax);
    let mut model = net.build(1).expect("a network");
    let config = FitConfig { epochs: 5, ..FitConfig::default() };
    fit(&mut model, &mut one_thread(), inputs(&data), data.labels(), &config);
    let after = model.evaluate(&mut one_thread(), inputs(&data), data.labels()).expect("evaluated");
    assert!(after.accuracy > 0.8, "{after:?}");
}
