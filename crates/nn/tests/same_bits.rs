//! The same bits, whatever the number of threads, the instruction set and the grouping of the rows.

mod common;

use common::{Gen, bytes, equal_isas, first, fit, inputs, network, sample};
use nn::checkpoint::from_bytes;
use nn::{
    Activation, AdamWConfig, Engine, FitConfig, Inputs, Isa, Model, Optimizer, Sequential,
    SgdConfig,
};
use proptest::prelude::*;

/// Hidden layers and batch sizes: with and without a short last batch, one panel and several, layers that
/// fill their last vector and layers that don't, fewer tasks than threads and more; work for one thread, and for all of
/// eight; groups of four columns on one thread, and of two, one or single panels on others.
const NETWORKS: [(&[usize], usize); 12] = [
    (&[128], 32),
    (&[150], 90),
    (&[96, 130], 128),
    (&[64, 48], 50),
    (&[100], 7),
    (&[], 32),
    (&[130, 70], 300),
    (&[16], 1),
    (&[530], 20),
    (&[540, 520], 64),
    (&[768, 512], 200),
    (&[], 500),
];

/// The file of a network after two epochs, shuffled.
fn trained(hidden: &[usize], batch_size: usize, threads: usize, isa: Isa, seed: u64) -> Vec<u8> {
    let data = sample();
    // A thousand steps of one example are enough.
    let (inputs, labels) = first(&data, if batch_size == 1 { 500 } else { data.len() });
    let mut model = network(hidden).build(seed).expect("a network");
    let mut engine = Engine::new(Some(threads), Some(isa));
    let config = FitConfig { epochs: 2, batch_size, seed, ..FitConfig::default() };
    fit(&mut model, &mut engine, inputs, labels, &config);
    bytes(&model)
}

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
    for (hidden, batch) in NETWORKS {
        let best = trained(hidden, batch, 1, Isa::best(), 1);
        for isa in equal_isas() {
            for threads in [1, 3] {
                let other = trained(hidden, batch, threads, isa, 1);
                assert!(
                    best == other,
                    "{hidden:?} in batches of {batch}, {isa}, {threads} threads"
                );
            }
        }
    }
}

/// Every activation, dropout, optimiser and form of the loss, and clipping.
fn trained_with_options(threads: usize, isa: Isa, number: usize, hidden: &[usize]) -> Vec<u8> {
    let data = sample();
    let (inputs, labels) = first(&data, 300);
    let net =
        hidden.iter().enumerate().fold(Sequential::new(&[28, 28]).flatten(), |net, (i, units)| {
            let activation = Activation::HIDDEN[(number + i) % Activation::HIDDEN.len()];
            let net = net.dense(*units, activation);
            if (number + i).is_multiple_of(2) { net.dropout(0.25) } else { net }
        });
    let mut model = net.dense(10, Activation::Softmax).build(1).expect("a network");
    let optimizers: [Optimizer; 3] = [
        AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() }.into(),
        SgdConfig { lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 1e-3 }.into(),
        Optimizer::default(),
    ];
    let weights = [0.5, 1.0, 2.0, 1.0, 1.0, 0.0, 1.0, 1.5, 1.0, 3.0];
    let config = FitConfig {
        epochs: 2,
        batch_size: [32, 50, 7, 128][number % 4],
        optimizer: optimizers[number % 3],
        label_smoothing: if number.is_multiple_of(2) { 0.1 } else { 0.0 },
        clip_norm: (number % 3 != 1).then_some(0.5),
        ..FitConfig::default()
    };
    let labels =
        nn::Labels::from(labels).with_class_weights(if number > 2 { &weights } else { &[] });
    fit(&mut model, &mut Engine::new(Some(threads), Some(isa)), inputs, labels, &config);
    bytes(&model)
}

#[test]
fn options_do_not_depend_on_threads_or_instructions() {
    for (number, hidden) in
        [&[128][..], &[300, 530], &[100, 30, 20], &[130], &[], &[70, 200], &[16], &[530]]
            .into_iter()
            .enumerate()
    {
        let one = trained_with_options(1, Isa::best(), number, hidden);
        for threads in 2..=8 {
            let many = trained_with_options(threads, Isa::best(), number, hidden);
            assert!(one == many, "{number}: {hidden:?} on {threads} threads");
        }
        for isa in equal_isas() {
            let other = trained_with_options(2, isa, number, hidden);
            assert!(one == other, "{number}: {hidden:?} on {isa}");
        }
    }
}

#[test]
fn threads_do_not_matter_on_any_instruction_set() {
    for isa in Isa::available() {
        let one = trained(&[300, 270], 50, 1, isa, 1);
        for threads in [2, 5] {
            assert!(one == trained(&[300, 270], 50, threads, isa, 1), "{isa} on {threads} threads");
        }
    }
}

/// A training may cut the first layer differently, and the norm of a gradient is summed by what it is cut into.
#[test]
fn a_second_training_does_not_depend_on_the_first() {
    let data = sample();
    let plain = FitConfig { epochs: 1, batch_size: 100, ..FitConfig::default() };
    let clipped = FitConfig { clip_norm: Some(0.5), ..plain };
    let mut model = network(&[128, 192]).build(1).expect("a network");
    let train = |model: &mut Model, threads, config| {
        let mut engine = Engine::new(Some(threads), None);
        fit(model, &mut engine, inputs(&data), data.labels(), config);
        bytes(model)
    };
    train(&mut model, 1, &plain);
    let (mut from_file, _) = from_bytes(&bytes(&model)).expect("what was just written");
    let want = train(&mut from_file, 1, &clipped);
    assert!(want == train(&mut model.clone(), 1, &clipped), "the model that was trained before");
    // And on more threads than the layer has columns, where a plain training cuts it as well.
    let many = train(&mut model.clone(), 3, &plain);
    assert!(many == train(&mut model, 1, &plain), "three threads after one");
}

/// FNV-1a, 64 bits, of the tensors in a model file.
fn fingerprint(file: &[u8]) -> u64 {
    let (header, tensors) = file.split_first_chunk().expect("a model file");
    let tensors = &tensors[u64::from_le_bytes(*header) as usize..];
    tensors.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Two machines cannot be compared in one test, but each with what is written here. A change of the
/// generator, of a kernel's formula or of the order within a batch makes other numbers; nothing else may.
#[test]
fn every_machine_makes_the_same_models() {
    for isa in Isa::available() {
        let made = [(&[32][..], 32), (&[64, 48], 50), (&[130], 32)]
            .map(|(hidden, batch)| fingerprint(&trained(hidden, batch, 2, isa, 1)));
        // Where multiply-add rounds once, and where it rounds twice.
        let expected = if isa.fused() {
            [0xe022_810e_a800_6e51, 0xce15_cab2_9cdd_d2a1, 0x5a3b_ff9f_6a85_2e08]
        } else {
            [0x6a91_cbf7_47f6_2eb1, 0x02b1_5020_04ce_1bb9, 0xb352_18b1_7c5d_914c]
        };
        assert_eq!(made, expected, "{isa}: {made:#x?}");
    }
}

#[test]
fn seeds_and_orders_matter() {
    let one = trained(&[32], 32, 1, Isa::best(), 1);
    assert!(one == trained(&[32], 32, 1, Isa::best(), 1), "the same seed");
    assert!(one != trained(&[32], 32, 1, Isa::best(), 2), "another seed");
    let data = sample();
    let other = |config: FitConfig| {
        let mut model = network(&[32]).build(1).expect("a network");
        fit(&mut model, &mut Engine::new(Some(1), None), inputs(&data), data.labels(), &config);
        bytes(&model)
    };
    let same = FitConfig { epochs: 2, ..FitConfig::default() };
    assert!(one == other(same), "the same again");
    assert!(one != other(FitConfig { seed: 2, ..same }), "the same weights, another order");
    assert!(one != other(FitConfig { shuffle: false, ..same }), "the order of the file");
}

#[test]
fn without_shuffling_the_seed_of_the_orders_does_not_matter() {
    let data = sample();
    let trained = |seed| {
        let mut model = network(&[32]).build(1).expect("a network");
        let config = FitConfig { epochs: 2, shuffle: false, seed, ..FitConfig::default() };
        fit(&mut model, &mut Engine::new(Some(1), None), inputs(&data), data.labels(), &config);
        bytes(&model)
    };
    assert!(trained(1) == trained(2));
}

fn predict(model: &Model, engine: &mut Engine, inputs: Inputs<'_>) -> Vec<u32> {
    let predicted = model.predict(engine, inputs).expect("probabilities");
    predicted.into_iter().map(f32::to_bits).collect()
}

#[test]
fn an_image_gets_the_same_probabilities_alone_and_in_company() {
    let data = sample();
    let all = inputs(&data);
    for hidden in [&[128][..], &[64, 48], &[130, 70], &[]] {
        let model = network(hidden).build(3).expect("a network");
        let together = predict(&model, &mut Engine::new(Some(2), None), all);
        for size in [1, 7, 63, 64, 65, 500] {
            for isa in equal_isas() {
                let mut engine = Engine::new(Some(1), Some(isa));
                let starts = (0..data.len()).step_by(size);
                let groups = starts.map(|i| all.slice(i, size.min(data.len() - i)));
                let apart: Vec<u32> =
                    groups.flat_map(|some| predict(&model, &mut engine, some)).collect();
                assert!(together == apart, "{hidden:?} in groups of {size}, {isa}");
            }
        }
    }
}

#[test]
fn an_engine_predicts_with_one_network_after_another() {
    let data = sample();
    let mut engine = Engine::new(Some(2), None);
    let hidden: [&[usize]; 4] = [&[64], &[48, 64], &[], &[130]];
    let models = hidden.map(|hidden| network(hidden).build(5).expect("a network"));
    // More and fewer rows than before, of the same network and of another.
    for rows in [1, 70, 3, 500, 1, 20] {
        for (model, hidden) in models.iter().zip(hidden) {
            let some = inputs(&data).slice(100, rows);
            let alone = predict(model, &mut Engine::new(Some(1), None), some);
            assert!(predict(model, &mut engine, some) == alone, "{hidden:?}, {rows} images");
        }
    }
}

#[test]
fn predictions_do_not_depend_on_threads_or_instructions() {
    let data = sample();
    let model = network(&[64, 48]).build(3).expect("a network");
    let one = predict(&model, &mut Engine::new(Some(1), None), inputs(&data));
    for isa in equal_isas() {
        for threads in 1..=8 {
            let many = predict(&model, &mut Engine::new(Some(threads), Some(isa)), inputs(&data));
            assert!(one == many, "{isa} on {threads} threads");
        }
    }
}

#[test]
fn evaluation_does_not_depend_on_threads_or_instructions() {
    let data = sample();
    let model = network(&[128]).build(1).expect("a network");
    let evaluate = |threads, isa| {
        let mut engine = Engine::new(Some(threads), Some(isa));
        model.evaluate(&mut engine, inputs(&data), data.labels()).expect("an evaluation")
    };
    let one = evaluate(1, Isa::best());
    for isa in equal_isas() {
        for threads in 1..=8 {
            assert_eq!(one, evaluate(threads, isa), "{isa} on {threads} threads");
        }
    }
}

#[test]
fn bytes_and_the_floats_they_stand_for_give_the_same() {
    let data = sample();
    let floats: Vec<f32> = data.images().iter().map(|p| f32::from(*p) * common::SCALE).collect();
    let as_floats = Inputs::f32(&floats, data.features()).expect("whole images");
    let trained = |inputs: Inputs<'_>| {
        let mut model = network(&[128]).build(1).expect("a network");
        let mut engine = Engine::new(Some(2), None);
        let config = FitConfig { epochs: 1, ..FitConfig::default() };
        let (_, losses) = fit(&mut model, &mut engine, inputs, data.labels(), &config);
        (bytes(&model), losses, predict(&model, &mut engine, inputs))
    };
    assert!(trained(inputs(&data)) == trained(as_floats));
}

#[test]
fn an_example_that_is_no_number_spoils_no_other() {
    let data = sample();
    let mut floats: Vec<f32> = data.images().iter().map(|p| f32::from(*p)).collect();
    let model = network(&[64, 48]).build(3).expect("a network");
    let mut engine = Engine::new(Some(2), None);
    let clean = predict(&model, &mut engine, Inputs::f32(&floats, 784).expect("whole images"));
    floats[784 * 70 + 5] = f32::NAN;
    floats[784 * 71 + 5] = f32::INFINITY;
    let spoiled = predict(&model, &mut engine, Inputs::f32(&floats, 784).expect("whole images"));
    for (i, (clean, spoiled)) in clean.chunks(10).zip(spoiled.chunks(10)).enumerate() {
        assert!(clean == spoiled || [70, 71].contains(&i), "image {i}");
    }
    assert!(spoiled[700..720].iter().all(|p| f32::from_bits(*p).is_nan()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Networks and batches of all shapes: training, evaluation and prediction give the same bits on one
    /// thread of the best instruction set and on several of another.
    #[test]
    fn shapes_of_all_kinds(
        features in 1usize..300,
        hidden in prop::collection::vec((1usize..200, any::<bool>()), 0..4),
        classes in 2usize..90,
        examples in 1usize..150,
        batch_size in 1usize..160,
        threads in 2usize..6,
        isa in prop::sample::select(equal_isas().collect::<Vec<_>>()),
        seed in any::<u64>(),
    ) {
        let mut random = Gen(seed);
        let x: Vec<f32> = (0..examples * features).map(|_| random.float()).collect();
        let labels: Vec<u8> =
            (0..examples).map(|_| (random.bits() % classes as u64) as u8).collect();
        let inputs = Inputs::f32(&x, features).expect("whole rows");
        let activation = |relu| if relu { Activation::Relu } else { Activation::Linear };
        let net = hidden.iter().fold(Sequential::new(&[features]), |net, (units, relu)| {
            net.dense(*units, activation(*relu))
        });
        let start = net.dense(classes, Activation::Softmax).build(seed).expect("a network");
        let config = FitConfig { epochs: 2, batch_size, seed, ..FitConfig::default() };
        let outcome = |mut engine: Engine| {
            let mut model = start.clone();
            let (_, losses) = fit(&mut model, &mut engine, inputs, &labels, &config);
            let evaluated = model.evaluate(&mut engine, inputs, &labels).expect("an evaluation");
            let together = predict(&model, &mut engine, inputs);
            let one = |i| predict(&model, &mut engine, inputs.slice(i, 1));
            let alone: Vec<u32> = (0..examples).flat_map(one).collect();
            assert!(together == alone);
            (bytes(&model), losses, evaluated, together)
        };
        let one = outcome(Engine::new(Some(1), None));
        prop_assert_eq!(one.1.len(), 2 * examples.div_ceil(batch_size));
        prop_assert!(one == outcome(Engine::new(Some(threads), Some(isa))));
    }
}
