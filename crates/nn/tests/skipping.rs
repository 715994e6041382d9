//! Leaving out zeros changes no bit, and is left alone where it could.

mod common;

use common::{bytes, first, fit, inputs, network, sample};
use nn::{Engine, Error, FitConfig, Inputs, Isa, Model};
use std::ops::ControlFlow;

fn config(batch_size: usize, skip_zeros: bool) -> FitConfig {
    FitConfig { epochs: 2, batch_size, skip_zeros, ..FitConfig::default() }
}

#[test]
fn networks_are_the_same() {
    let data = sample();
    for (hidden, batch, examples) in [
        (&[128][..], 32, 1000),
        (&[64, 48], 50, 1000),
        (&[100], 7, 300),
        (&[], 32, 500),
        (&[130, 70], 300, 1000),
        (&[16], 1, 100),
        (&[20], 1000, 1000),
    ] {
        let (inputs, labels) = first(&data, examples);
        for isa in Isa::available() {
            let trained = |skip| {
                let mut model = network(hidden).build(1).expect("a network");
                let mut engine = Engine::new(Some(2), Some(isa));
                fit(&mut model, &mut engine, inputs, labels, &config(batch, skip));
                bytes(&model)
            };
            assert!(trained(true) == trained(false), "{hidden:?} in batches of {batch}, {isa}");
        }
    }
}

#[test]
fn floats_with_and_without_zeros_train_the_same() {
    let data = sample();
    let pixels: Vec<f32> = data.images().iter().map(|b| f32::from(*b) / 255.0).collect();
    // Standardised pixels, of which none is zero.
    let standard: Vec<f32> = pixels.iter().map(|p| (p - 0.286) / 0.353).collect();
    // And both, so that the look at the zeros stops and starts again.
    let mixed: Vec<f32> = pixels
        .iter()
        .zip(&standard)
        .enumerate()
        .map(|(i, (p, s))| if i / 784 % 500 < 250 { *p } else { *s })
        .collect();
    for floats in [&pixels, &standard, &mixed] {
        let inputs = Inputs::f32(floats, data.features()).expect("whole images");
        let trained = |skip| {
            let mut model = network(&[64]).build(1).expect("a network");
            let config = FitConfig { shuffle: false, ..config(10, skip) };
            fit(&mut model, &mut Engine::new(Some(2), None), inputs, data.labels(), &config);
            bytes(&model)
        };
        assert!(trained(true) == trained(false));
    }
}

/// A step with weights among which is `bad`, at an input that no image lights.
fn step_with(bad: f32, skip: bool) -> (String, Vec<u32>) {
    let data = sample();
    let dark = vec![0u8; 784 * 32];
    let inputs = Inputs::u8(&dark, 784, 1.0).expect("whole images");
    let mut model: Model = network(&[64]).build(1).expect("a network");
    let mut file = bytes(&model);
    // The last tensor bytes of the first layer are some weights: put the bad one into the file.
    let weight = model.weights(0)[5 * 64 + 9].to_le_bytes();
    let at = file.windows(4).position(|w| w == weight).expect("the weight in the file");
    file[at..at + 4].copy_from_slice(&bad.to_le_bytes());
    nn::checkpoint::load_weights(&mut model, &file).expect("the same tensors");
    let config = FitConfig { max_steps: Some(2), ..config(32, skip) };
    let mut engine = Engine::new(Some(1), None);
    let fitted = model.fit(&mut engine, inputs, &data.labels()[..32], &config, &mut |_| {
        ControlFlow::Continue(())
    });
    let outcome = match fitted {
        Ok(_) => "trained".to_owned(),
        Err(error @ Error::Diverged { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
    };
    let bits = |x: &f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
    (outcome, model.weights(0).iter().map(bits).collect())
}

#[test]
fn weights_that_are_not_finite_are_not_skipped() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (skipping, whole) = (step_with(bad, true), step_with(bad, false));
        assert!(whole.0.contains("diverged"), "zero times {bad} is NaN: {}", whole.0);
        assert_eq!(skipping, whole, "{bad}");
    }
    // Finite weights there do train.
    assert_eq!(step_with(0.5, true).0, "trained");
    assert_eq!(step_with(0.5, true), step_with(0.5, false));
}

#[test]
fn predictions_do_not_skip_what_is_not_finite() {
    let data = sample();
    let mut model = network(&[64]).build(1).expect("a network");
    let mut file = bytes(&model);
    let weight = model.weights(0)[5 * 64 + 9].to_le_bytes();
    let at = file.windows(4).position(|w| w == weight).expect("the weight in the file");
    file[at..at + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    nn::checkpoint::load_weights(&mut model, &file).expect("the same tensors");
    let mut engine = Engine::new(Some(1), None);
    let all = model.predict(&mut engine, inputs(&data).slice(0, 8)).expect("probabilities");
    let one = model.predict(&mut engine, inputs(&data).slice(0, 1)).expect("probabilities");
    let bits = |x: &[f32]| x.iter().map(|x| x.is_nan()).collect::<Vec<_>>();
    assert_eq!(bits(&all[..10]), bits(&one));
    assert!(one.iter().any(|p| p.is_nan()), "a dark pixel times infinity: {one:?}");
}
