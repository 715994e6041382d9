//! Parts of the inputs that go dark, and a loss that goes to zero, leave no denormal numbers in the model:
//! a processor may take a hundred times as long over them, step after step.
//!
//! What a model holds, moments too, is read from its `Debug` form.

mod common;

use common::{bytes, equal_isas};
use nn::{Activation, AdamConfig, Engine, Event, FitConfig, Inputs, Isa, Model, Sequential};
use std::ops::ControlFlow;
use std::time::Instant;

const FEATURES: usize = 40;
const BATCH: usize = 4;
/// Steps with all features lit, and then with half of them.
const STEPS: [usize; 2] = [50, 3_000];

/// Second moments that forget soon enough to get where the first ones get.
const ADAM: AdamConfig = AdamConfig { lr: 0.01, beta1: 0.9, beta2: 0.97, eps: 1e-7 };

/// Every number that a model holds.
fn numbers(model: &Model) -> Vec<f32> {
    let text = format!("{model:?}");
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
    words.filter_map(|word| word.parse().ok()).collect()
}

/// A network trained on these pixels in the order they come in, and the seconds its steps took.
fn trained(
    pixels: &[u8],
    labels: &[u8],
    scale: f32,
    threads: usize,
    isa: Isa,
) -> (Model, Vec<f64>) {
    let net = Sequential::new(&[FEATURES]).dense(32, Activation::Relu);
    let mut model = net.dense(10, Activation::Softmax).build(1).expect("a network");
    let inputs = Inputs::u8(pixels, FEATURES, scale).expect("whole rows");
    let config = FitConfig {
        epochs: 1,
        batch_size: BATCH,
        optimizer: ADAM.into(),
        shuffle: false,
        ..FitConfig::default()
    };
    let (mut seconds, mut last) = (Vec::with_capacity(labels.len()), Instant::now());
    let mut observe = |event: &Event| {
        if let Event::Step { .. } = event {
            seconds.push(last.elapsed().as_secs_f64());
            last = Instant::now();
        }
        ControlFlow::Continue(())
    };
    let mut engine = Engine::new(Some(threads), Some(isa));
    model
        .fit(&mut engine, inputs, labels, &config, &mut observe)
        .expect("a training that converges");
    (model, seconds)
}

/// Trains on one thread, finds no denormal number in the model, and the same bits on every thread count
/// and instruction set.
fn leaves_none(pixels: &[u8], labels: &[u8], scale: f32) -> (Model, Vec<f64>) {
    let (model, seconds) = trained(pixels, labels, scale, 1, Isa::best());
    let numbers = numbers(&model);
    // Of everything the weight and two moments.
    assert!(numbers.len() >= 3 * model.parameters(), "only {} numbers", numbers.len());
    let denormal = numbers.iter().find(|x| x.is_subnormal());
    assert_eq!(denormal, None, "among {} numbers", numbers.len());
    let file = bytes(&model);
    for isa in equal_isas() {
        for threads in [1, 2, 5] {
            let (other, _) = trained(pixels, labels, scale, threads, isa);
            assert!(file == bytes(&other), "{isa} on {threads} threads");
        }
    }
    (model, seconds)
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[test]
#[expect(clippy::print_stderr, reason = "times are told, not judged")]
fn features_that_go_dark() {
    let steps = STEPS[0] + STEPS[1];
    let labels: Vec<u8> = (0..steps * BATCH).map(|i| (i % 10) as u8).collect();
    let lit = |i: usize| i / FEATURES < STEPS[0] * BATCH || i % FEATURES < FEATURES / 2;
    let pixels: Vec<u8> = (0..labels.len() * FEATURES)
        .map(|i| if lit(i) { (i * 37 % 251) as u8 } else { 0 })
        .collect();
    let (_, seconds) = leaves_none(&pixels, &labels, common::SCALE);
    let (before, after) = (&seconds[..STEPS[0]], &seconds[steps - 1_000..]);
    eprintln!(
        "a step takes {:.1} µs at first and {:.1} µs after {} steps half in the dark",
        1e6 * median(before),
        1e6 * median(after),
        STEPS[1]
    );
}

#[test]
fn everything_goes_dark() {
    let labels: Vec<u8> = (0..(STEPS[0] + STEPS[1]) * BATCH).map(|i| (i % 10) as u8).collect();
    let mut pixels = vec![0; labels.len() * FEATURES];
    pixels[..STEPS[0] * BATCH * FEATURES]
        .iter_mut()
        .zip(0..)
        .for_each(|(p, i)| *p = (i * 37 % 251) as u8);
    leaves_none(&pixels, &labels, common::SCALE);
}

#[test]
fn a_loss_that_goes_to_nothing() {
    // Four features tell the class, loudly.
    let labels: Vec<u8> = (0..STEPS[1] * BATCH).map(|i| (i % 10) as u8).collect();
    let mut pixels = vec![0; labels.len() * FEATURES];
    for (row, label) in pixels.chunks_mut(FEATURES).zip(&labels) {
        row[4 * usize::from(*label)..][..4].fill(255);
    }
    let (model, _) = leaves_none(&pixels, &labels, 1.0);
    let inputs = Inputs::u8(&pixels, FEATURES, 1.0).expect("whole rows");
    let after =
        model.evaluate(&mut Engine::new(Some(1), None), inputs, &labels).expect("evaluated");
    assert!(after.loss < 1e-9, "{after:?}");
}
