//! The same bits, whatever the number of threads, the instruction set and the grouping of the rows.

mod common;

use common::{bytes, fit, inputs, network, sample};
use nn::{Engine, FitConfig, Inputs, Isa, Model};

/// The file of a network after two epochs on the first `examples` of the sample.
fn trained(hidden: &[usize], batch_size: usize, threads: usize, isa: Isa, seed: u64) -> Vec<u8> {
    let data = sample();
    let mut model = network(hidden).build(seed).expect("a network");
    let mut engine = Engine::new(Some(threads), Some(isa));
    let config = FitConfig { epochs: 2, batch_size, seed, ..FitConfig::default() };
    fit(&mut model, &mut engine, inputs(&data), data.labels(), &config);
    bytes(&model)
}

const NETWORKS: [(&[usize], usize); 5] =
    [(&[128], 32), (&[64, 48], 50), (&[100], 7), (&[], 32), (&[130, 70], 300)];

#[test]
fn training_does_not_depend_on_the_number_of_threads() {
    for (hidden, batch) in NETWORKS {
        let one = trained(hidden, batch, 1, Isa::best(), 1);
        for threads in 2..=8 {
            let many = trained(hidden, batch, threads, Isa::best(), 1);
            assert!(one == many, "{hidden:?} in batches of {batch} on {threads} threads");
        }
    }
}

#[test]
fn training_does_not_depend_on_the_instruction_set() {
    let fused: Vec<Isa> = Isa::available().into_iter().filter(|isa| isa.fused()).collect();
    for (hidden, batch) in NETWORKS {
        let first = trained(hidden, batch, 2, Isa::best(), 1);
        for isa in fused.iter().filter(|isa| isa.fused() == Isa::best().fused()) {
            assert!(first == trained(hidden, batch, 2, *isa, 1), "{hidden:?} on {isa}");
        }
    }
}

#[test]
fn seeds_and_orders_matter() {
    let one = trained(&[32], 32, 1, Isa::best(), 1);
    assert_eq!(one, trained(&[32], 32, 1, Isa::best(), 1), "the same seed");
    assert_ne!(one, trained(&[32], 32, 1, Isa::best(), 2), "another seed");
    let data = sample();
    let mut model = network(&[32]).build(1).expect("a network");
    let config = FitConfig { epochs: 2, shuffle: false, ..FitConfig::default() };
    fit(&mut model, &mut Engine::new(Some(1), None), inputs(&data), data.labels(), &config);
    assert_ne!(one, bytes(&model), "another order");
}

fn predict(model: &Model, threads: usize, inputs: Inputs<'_>) -> Vec<u32> {
    let predicted = model.predict(&mut Engine::new(Some(threads), None), inputs);
    predicted.expect("probabilities").into_iter().map(f32::to_bits).collect()
}

#[test]
fn an_image_gets_the_same_probabilities_alone_and_in_company() {
    let data = sample();
    let all = inputs(&data);
    for hidden in [&[128][..], &[64, 48], &[]] {
        let model = network(hidden).build(3).expect("a network");
        let together = predict(&model, 2, all);
        for threads in [1, 3, 8] {
            assert!(together == predict(&model, threads, all), "{threads} threads");
        }
        for size in [1, 7, 63, 65, 500] {
            let starts = (0..data.len()).step_by(size);
            let mut engine = Engine::new(Some(1), None);
            let apart: Vec<u32> = starts
                .flat_map(|i| {
                    let some = all.slice(i, size.min(data.len() - i));
                    model.predict(&mut engine, some).expect("probabilities")
                })
                .map(f32::to_bits)
                .collect();
            assert!(together == apart, "{hidden:?} in groups of {size}");
        }
    }
}

#[test]
fn evaluation_does_not_depend_on_the_number_of_threads() {
    let data = sample();
    let model = network(&[128]).build(1).expect("a network");
    let evaluate = |threads| {
        let mut engine = Engine::new(Some(threads), None);
        model.evaluate(&mut engine, inputs(&data), data.labels()).expect("an evaluation")
    };
    let one = evaluate(1);
    for threads in 2..=8 {
        assert_eq!(one, evaluate(threads), "{threads} threads");
    }
}

#[test]
fn bytes_and_the_floats_they_stand_for_give_the_same() {
    let data = sample();
    let floats: Vec<f32> = data.images().iter().map(|p| f32::from(*p) * common::SCALE).collect();
    let model = network(&[128]).build(1).expect("a network");
    let as_floats = Inputs::f32(&floats, data.features()).expect("whole images");
    assert!(predict(&model, 2, inputs(&data)) == predict(&model, 2, as_floats));
}

#[test]
fn inputs_that_go_dark_leave_no_denormal_numbers_behind() {
    // Lit in the first 64 examples only; then two thousand steps without a single lit pixel.
    let (features, examples) = (40, 64_000);
    let mut pixels = vec![0u8; features * examples];
    pixels[..features * 64].iter_mut().zip(0u32..).for_each(|(p, i)| *p = (i * 37 % 251) as u8);
    let labels: Vec<u8> = (0..examples).map(|i| (i % 10) as u8).collect();
    let dark = |threads, isa| {
        let net = nn::Sequential::new(&[features]).dense(32, nn::Activation::Relu);
        let mut model = net.dense(10, nn::Activation::Softmax).build(1).expect("a network");
        let inputs = Inputs::u8(&pixels, features, common::SCALE).expect("whole rows");
        let config = FitConfig { epochs: 1, shuffle: false, ..FitConfig::default() };
        fit(&mut model, &mut Engine::new(Some(threads), Some(isa)), inputs, &labels, &config);
        model
    };
    let first = dark(1, Isa::best());
    assert!(first.weights(0).iter().all(|w| !w.is_subnormal()));
    for isa in Isa::available().into_iter().filter(|isa| isa.fused() == Isa::best().fused()) {
        assert!(bytes(&first) == bytes(&dark(2, isa)), "{isa}");
    }
}
