//! Training with the first layer's products in bf16.
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

mod common;

use common::{bytes, first, fit, inputs, network, sample};
use kernels::Isa;
use nn::{Engine, Error, FitConfig, Inputs, Precision};
use std::ops::ControlFlow;

fn bf16() -> FitConfig {
    FitConfig { epochs: 2, precision: Precision::Bf16, ..FitConfig::default() }
}

/// Whether this machine can; where it cannot, it must say so, and the test ends there.
fn can() -> bool {
    let data = sample();
    let mut model = network(&[16]).build(1).expect("a network");
    let (inputs, labels) = first(&data, 32);
    let mut engine = Engine::new(Some(1), None);
    match model.fit(&mut engine, inputs, labels, &bf16(), &mut |_| ControlFlow::Continue(())) {
        Ok(_) => true,
        Err(Error::Machine(what)) => {
            assert!(what.contains("avx512_bf16"), "{what}");
            println!("skipped: {what}");
            false
        }
        Err(other) => panic!("{other}"),
    }
}

fn trained(
    hidden: &[usize],
    inputs: Inputs<'_>,
    labels: &[u16],
    threads: usize,
    batch: usize,
) -> Vec<u8> {
    let mut model = network(hidden).build(1).expect("a network");
    let config = FitConfig { batch_size: batch, ..bf16() };
    fit(&mut model, &mut Engine::new(Some(threads), None), inputs, labels, &config);
    bytes(&model)
}

#[test]
fn other_instructions_than_avx512_are_refused() {
    let data = sample();
    let (inputs, labels) = first(&data, 32);
    for isa in Isa::available().into_iter().filter(|isa| isa.name() != "avx512") {
        let mut model = network(&[16]).build(1).expect("a network");
        let mut engine = Engine::new(Some(1), Some(isa));
        let done =
            model.fit(&mut engine, inputs, labels, &bf16(), &mut |_| ControlFlow::Continue(()));
        let what = format!("bf16 goes with avx512, and this run uses {isa}");
        assert!(matches!(done, Err(Error::Machine(said)) if said == what));
    }
}

#[test]
fn training_does_not_depend_on_the_number_of_threads() {
    if !can() {
        return;
    }
    let data = sample();
    for (hidden, batch, examples) in [
        (&[128][..], 32, 1000),
        (&[64, 48], 50, 1000),
        (&[100], 7, 300),
        (&[130, 70], 300, 1000),
        (&[16], 1, 100),
    ] {
        let (inputs, labels) = first(&data, examples);
        let one = trained(hidden, inputs, labels, 1, batch);
        for threads in [2, 3, 8] {
            let many = trained(hidden, inputs, labels, threads, batch);
            assert!(one == many, "{hidden:?} in batches of {batch} on {threads} threads");
        }
    }
}

#[test]
fn losses_are_near_those_of_f32() {
    if !can() {
        return;
    }
    let data = sample();
    let losses = |precision| {
        let mut model = network(&[128]).build(1).expect("a network");
        let config = FitConfig { epochs: 5, precision, ..bf16() };
        let mut engine = Engine::new(Some(2), None);
        let (history, steps) = fit(&mut model, &mut engine, inputs(&data), data.labels(), &config);
        (history, steps, bytes(&model))
    };
    let ((half, half_steps, a), (full, full_steps, b)) =
        (losses(Precision::Bf16), losses(Precision::F32));
    assert!(a != b, "bf16 rounds");
    for (step, (half, full)) in half_steps.iter().zip(&full_steps).take(20).enumerate() {
        assert!((half - full).abs() < 0.05 * full, "step {step}: {half} and {full}");
    }
    let last = |h: &nn::History| h.epochs.last().expect("an epoch").accuracy;
    assert!((last(&half) - last(&full)).abs() < 0.02, "{} and {}", last(&half), last(&full));
}

#[test]
fn bytes_and_the_floats_they_stand_for_train_alike() {
    if !can() {
        return;
    }
    // Whole numbers are exact in bf16; a scale of one makes both the same problem.
    let data = sample();
    let floats: Vec<f32> = data.images().iter().map(|b| f32::from(*b)).collect();
    let floats = Inputs::f32(&floats, data.features()).expect("whole images");
    let raw = Inputs::u8(data.images(), data.features(), 1.0).expect("whole images");
    let [a, b] = [floats, raw].map(|inputs| trained(&[70], inputs, data.labels(), 2, 50));
    assert!(a == b);
}

#[test]
fn the_model_can_be_trained_on_afterwards() {
    if !can() {
        return;
    }
    let data = sample();
    let mut model = network(&[128]).build(1).expect("a network");
    let mut engine = Engine::new(Some(2), None);
    fit(&mut model, &mut engine, inputs(&data), data.labels(), &bf16());
    let file = bytes(&model);
    let (mut read, _) = nn::checkpoint::from_bytes(&file).expect("a model");
    let full = FitConfig { precision: Precision::F32, ..bf16() };
    for model in [&mut model, &mut read] {
        fit(model, &mut engine, inputs(&data), data.labels(), &full);
    }
    assert!(bytes(&model) == bytes(&read), "the parts of the layers do not matter");
}

#[test]
fn a_network_without_hidden_layers_is_refused() {
    if !can() {
        return;
    }
    let data = sample();
    let mut model = network(&[]).build(1).expect("a network");
    let mut engine = Engine::new(Some(1), None);
    let fitted = model.fit(&mut engine, inputs(&data), data.labels(), &bf16(), &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(matches!(fitted, Err(Error::Setting(what)) if what.contains("hidden layer")));
}
