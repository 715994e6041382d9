//! Averages of weights and varied images, in whole trainings.

mod common;

use common::{bytes, fit, inputs, network, sample};
use nn::{
    Augment, Average, EarlyStopping, Engine, Error, Event, FitConfig, Inputs, Model, Precision,
    Training,
};
use std::ops::ControlFlow::{Break, Continue};

fn weights(model: &Model) -> Vec<f32> {
    (0..2).flat_map(|l| model.weights(l).into_iter().chain(model.biases(l))).collect()
}

/// The weights after each step and epoch of a training without averages, and the averaged ones.
fn averaged(config: &FitConfig) -> (Vec<Vec<f32>>, Vec<Vec<f32>>, Vec<f32>) {
    let data = sample();
    let mut engine = Engine::new(Some(2), None);
    let mut model = network(&[24]).build(1).expect("a network");
    let plain = FitConfig { average: Average::Off, ..*config };
    let mut training: Training<'_> =
        model.train(&mut engine, inputs(&data), data.labels(), &plain).expect("a training");
    let (mut steps, mut epochs) = (Vec::new(), Vec::new());
    while let Some(event) = training.advance().expect("a step") {
        let list = if let Event::Step { .. } = event { &mut steps } else { &mut epochs };
        list.push(weights(training.model()));
    }
    drop(training);
    let mut model = network(&[24]).build(1).expect("a network");
    fit(&mut model, &mut engine, inputs(&data), data.labels(), config);
    (steps, epochs, weights(&model))
}

/// `a += share (w - a)` over a list of weights.
fn mix(list: &[Vec<f32>], share: impl Fn(usize) -> f32) -> Vec<f32> {
    let mut average = list[0].clone();
    for (n, weights) in list.iter().enumerate().skip(1) {
        average.iter_mut().zip(weights).for_each(|(a, w)| *a += share(n) * (*w - *a));
    }
    average
}

#[test]
fn a_moving_average_is_taken_after_every_step() {
    let average = Average::Ema { decay: 0.95 };
    let config = FitConfig { epochs: 2, average, ..FitConfig::default() };
    let (steps, _, found) = averaged(&config);
    assert!(found == mix(&steps, |_| (1.0 - 0.95f64) as f32));
}

#[test]
fn a_mean_is_that_of_the_last_epochs() {
    let config =
        FitConfig { epochs: 5, average: Average::Last { epochs: 3 }, ..FitConfig::default() };
    let (_, epochs, found) = averaged(&config);
    assert!(found == mix(&epochs[2..], |n| 1.0 / (n + 1) as f32));
    let one = FitConfig { average: Average::Last { epochs: 1 }, ..config };
    assert!(averaged(&one).2 == epochs[4], "the mean over one epoch is that epoch");
}

#[test]
fn the_last_epochs_are_those_before_the_last_step() {
    // 32 steps an epoch: 70 of them end in the third.
    let average = Average::Last { epochs: 2 };
    let cut = |epochs| FitConfig { epochs, average, max_steps: Some(70), ..FitConfig::default() };
    let (_, epochs, found) = averaged(&cut(10));
    assert!(found == mix(&epochs[1..3], |n| 1.0 / (n + 1) as f32));
    assert!(found == averaged(&cut(3)).2);
}

#[test]
fn averaged_weights_are_the_ones_that_are_validated() {
    let data = sample();
    let mut engine = Engine::new(Some(1), None);
    let mut model = network(&[24]).build(1).expect("a network");
    let average = Average::Ema { decay: 0.99 };
    let config = FitConfig { epochs: 3, average, ..FitConfig::default() };
    let held = (inputs(&data).slice(0, 100), &data.labels()[..100]);
    let mut training = model
        .train(&mut engine, inputs(&data), data.labels(), &config)
        .and_then(|training| training.validate_on(held.0, held.1))
        .expect("a training");
    let mut last = None;
    while let Some(event) = training.advance().expect("a step") {
        if let Event::Epoch(stats) = event {
            last = stats.val_loss;
        }
    }
    training.finish();
    let found = model.evaluate(&mut engine, held.0, held.1).expect("an evaluation");
    assert_eq!(last, Some(found.loss));
}

#[test]
fn varied_images_are_the_same_on_any_threads_as_bytes_and_as_floats() {
    let data = sample();
    let floats: Vec<f32> = data.images().iter().map(|p| f32::from(*p) * common::SCALE).collect();
    let floats = Inputs::f32(&floats, data.features()).expect("whole images");
    let augment = Augment { shift: 3, flip: true };
    let trained = |inputs: Inputs<'_>, threads, augment, seed| {
        let mut model = network(&[70]).build(1).expect("a network");
        let config = FitConfig { epochs: 2, augment, seed, ..FitConfig::default() };
        fit(&mut model, &mut Engine::new(Some(threads), None), inputs, data.labels(), &config);
        bytes(&model)
    };
    let one = trained(inputs(&data), 1, augment, 1);
    for threads in [2, 5] {
        assert!(one == trained(inputs(&data), threads, augment, 1), "{threads} threads");
    }
    assert!(one == trained(floats, 2, augment, 1));
    for other in [Augment::default(), Augment { flip: false, ..augment }] {
        assert!(one != trained(inputs(&data), 1, other, 1), "{other:?}");
    }
}

#[test]
fn bf16_sees_the_same_varied_images_as_bytes_and_as_floats() {
    let data = sample();
    let floats: Vec<f32> = data.images().iter().map(|p| f32::from(*p)).collect();
    let floats = Inputs::f32(&floats, data.features()).expect("whole images");
    let bytes_in = Inputs::u8(data.images(), data.features(), 1.0).expect("whole images");
    let config = FitConfig {
        epochs: 1,
        precision: Precision::Bf16,
        augment: Augment { shift: 2, flip: true },
        optimizer: nn::AdamConfig { lr: 1e-5, ..nn::AdamConfig::default() }.into(),
        ..FitConfig::default()
    };
    let trained = |inputs: Inputs<'_>, threads| {
        let mut model = network(&[70]).build(1).expect("a network");
        let mut engine = Engine::new(Some(threads), None);
        let mut training = model.train(&mut engine, inputs, data.labels(), &config)?;
        while training.advance()?.is_some() {}
        training.finish();
        Ok(bytes(&model))
    };
    match trained(bytes_in, 1) {
        Err(Error::Machine(_)) => {}
        one => {
            let one = one.expect("a training");
            assert!(one == trained(bytes_in, 3).expect("a training"));
            assert!(one == trained(floats, 2).expect("a training"), "bytes are exact in bf16");
        }
    }
}

#[test]
fn averages_that_make_no_sense_are_refused() {
    let data = sample();
    let mut engine = Engine::new(Some(1), None);
    let mut model = network(&[8]).build(1).expect("a network");
    for average in
        [Average::Ema { decay: 1.0 }, Average::Ema { decay: -0.5 }, Average::Last { epochs: 0 }]
    {
        let config = FitConfig { average, ..FitConfig::default() };
        let refused = model.train(&mut engine, inputs(&data), data.labels(), &config);
        assert!(matches!(refused.map(drop), Err(Error::Setting(_))), "{average:?}");
    }
    // Which epochs are the last would not be known in time.
    let config = FitConfig {
        average: Average::Last { epochs: 2 },
        early_stopping: Some(EarlyStopping { patience: 1, min_delta: 0.0 }),
        validation_split: 0.1,
        ..FitConfig::default()
    };
    assert!(matches!(config.check(), Err(Error::Setting(_))));
}

#[test]
fn a_sweep_finds_where_training_begins_and_ends() {
    let data = sample();
    let mut engine = Engine::new(Some(2), None);
    let model = network(&[32]).build(1).expect("a network");
    let before = bytes(&model);
    let config = FitConfig::default();
    let mut find = |sweep| {
        model.find_learning_rate(
            &mut engine,
            inputs(&data),
            data.labels(),
            &config,
            sweep,
            &mut |_| Continue(()),
        )
    };
    let found = find(nn::Sweep::default()).expect("a sweep");
    assert!(bytes(&model) == before, "the model is not touched");
    assert_eq!(found.rates.len(), 100);
    assert!((found.rates[0] - 1e-7).abs() < 1e-20 && found.rates.is_sorted_by(|a, b| a < b));
    let rate = found.suggestion.expect("a suggestion");
    assert!((1e-4..1e-1).contains(&rate), "{rate}");
    let high = find(nn::Sweep { last: 1e4, ..nn::Sweep::default() }).expect("a sweep");
    assert!(high.diverged && high.rates.len() < 100, "{:?}", high.rates.last());
    // 32 steps an epoch; nobody hears of epochs.
    let mut steps = 0;
    let stopped = model.find_learning_rate(
        &mut Engine::new(Some(1), None),
        inputs(&data),
        data.labels(),
        &config,
        nn::Sweep::default(),
        &mut |event| {
            assert!(matches!(event, Event::Step { .. }));
            steps += 1;
            if steps == 40 { Break(()) } else { Continue(()) }
        },
    );
    assert!(matches!(stopped, Err(Error::Stopped { epoch: 2, step: 8 })), "{stopped:?}");
    for sweep in [
        nn::Sweep { first: 0.0, ..nn::Sweep::default() },
        nn::Sweep { last: 1e-9, ..nn::Sweep::default() },
        nn::Sweep { steps: 3, ..nn::Sweep::default() },
    ] {
        assert!(matches!(find(sweep), Err(Error::Setting(_))), "{sweep:?}");
    }
}
