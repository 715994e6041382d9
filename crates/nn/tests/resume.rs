//! A training that is stopped between any two steps and goes on from its state, in another process for
//! all it knows, ends with the same bytes as one that was never stopped.

mod common;

use common::{bytes, inputs, network, sample};
use kernels::Isa;
use nn::checkpoint::{Metadata, from_bytes, state_from_bytes, state_to_bytes};
use nn::{
    Activation, Augment, Average, EarlyStopping, Engine, Error, Event, FitConfig, History, Inputs,
    Model, Precision, Schedule, Sequential, Training, WarmUp,
};
use std::collections::HashMap;

/// A training with everything that has a state.
fn everything() -> FitConfig {
    FitConfig {
        epochs: 4,
        batch_size: 48,
        schedule: Schedule::COSINE,
        warm_up: WarmUp { steps: 20, start: 0.1 },
        validation_split: 0.25,
        early_stopping: Some(EarlyStopping { patience: 2, min_delta: 0.001 }),
        restore_best: true,
        augment: Augment { shift: 2, flip: true },
        average: Average::Ema { decay: 0.9 },
        ..FitConfig::default()
    }
}

fn configs() -> Vec<(&'static str, FitConfig)> {
    let plain = FitConfig { epochs: 3, ..FitConfig::default() };
    let schedule =
        Schedule::Plateau { factor: 0.5, patience: 0, threshold: 0.5, cooldown: 1, min: 1e-4 };
    vec![
        ("plain", plain),
        ("everything", everything()),
        ("plateau, no shuffle", FitConfig { schedule, shuffle: false, ..plain }),
        ("mean", FitConfig { average: Average::Last { epochs: 2 }, max_steps: Some(80), ..plain }),
    ]
}

/// What a training ends with; times aside.
fn end(mut training: Training<'_>) -> (History, Vec<f64>) {
    let mut losses = Vec::new();
    while let Some(event) = training.advance().expect("a step") {
        if let Event::Step { batch_loss, .. } = event {
            losses.push(batch_loss);
        }
    }
    let mut history = training.finish();
    history.epochs.iter_mut().for_each(|e| e.seconds = 0.0);
    (history, losses)
}

fn begin<'r>(model: &'r mut Model, engine: &'r mut Engine, config: &FitConfig) -> Training<'r> {
    // Lives as long as the program, as the data of a process does.
    let data = Box::leak(Box::new(sample()));
    model.train(engine, inputs(data), data.labels(), config).expect("a training")
}

/// Steps `n` events ahead, and returns the bytes of the state.
fn state_after(n: usize, config: &FitConfig, engine: &mut Engine, hidden: &[usize]) -> Vec<u8> {
    let mut model = network(hidden).build(1).expect("a network");
    let mut training = begin(&mut model, engine, config);
    for _ in 0..n {
        training.advance().expect("a step");
    }
    state_to_bytes(&training.state(), &Metadata::default()).expect("a state")
}

fn resumed(file: &[u8], engine: &mut Engine) -> (Vec<u8>, History, Vec<f64>) {
    let (state, _) = state_from_bytes(file).expect("a state");
    let mut model = network(&[9]).build(77).expect("any model").clone();
    if model.architecture() != state.architecture() {
        model = state.model().expect("a model");
    }
    let training = begin(&mut model, engine, state.config()).resume(&state).expect("a training");
    let (history, losses) = end(training);
    (bytes(&model), history, losses)
}

#[test]
fn any_step_will_do() {
    for (name, config) in configs() {
        let mut engine = Engine::new(Some(2), None);
        let mut model = network(&[40, 17]).build(1).expect("a network");
        let whole = end(begin(&mut model, &mut engine, &config));
        let expected = bytes(&model);
        let events = whole.1.len() + whole.0.epochs.len();
        // The first steps, both sides of the ends of epochs, the end.
        let steps = whole.0.epochs[0].steps;
        let places = [0, 1, 2, steps - 1, steps, steps + 1, steps + 2, 2 * steps + 1, events - 1];
        for at in places.into_iter().chain([events]) {
            let file = state_after(at, &config, &mut engine, &[40, 17]);
            // Another number of threads for the second half.
            let mut other = Engine::new(Some(1 + at % 3), None);
            let (found, history, losses) = resumed(&file, &mut other);
            assert!(found == expected, "{name} after {at} events");
            assert_eq!(history, whole.0, "{name} after {at} events");
            assert_eq!(losses, whole.1[whole.1.len() - losses.len()..], "{name} after {at}");
        }
    }
}

#[test]
fn a_run_may_be_stopped_again_and_again() {
    let config = everything();
    let mut engine = Engine::new(Some(2), None);
    let mut model = network(&[33]).build(1).expect("a network");
    let whole = end(begin(&mut model, &mut engine, &config));
    let mut file = state_after(0, &config, &mut engine, &[33]);
    for round in 0.. {
        let (state, metadata) = state_from_bytes(&file).expect("a state");
        assert!(state_to_bytes(&state, &metadata).expect("a state") == file, "read and written");
        let mut other = state.model().expect("a model");
        let training = begin(&mut other, &mut engine, state.config());
        let mut training = training.resume(&state).expect("a training");
        for _ in 0..7 {
            training.advance().expect("a step");
        }
        if training.is_over() {
            assert!(round > 5);
            let (history, _) = end(training);
            assert_eq!(history, whole.0);
            assert!(bytes(&other) == bytes(&model));
            return;
        }
        file = state_to_bytes(&training.state(), &metadata).expect("a state");
    }
}

#[test]
fn bf16_resumes_too() {
    let config = FitConfig { epochs: 2, precision: Precision::Bf16, ..everything() };
    let mut engine = Engine::new(Some(2), None);
    let mut model = network(&[70]).build(1).expect("a network");
    let data = sample();
    match model.train(&mut engine, inputs(&data), data.labels(), &config).map(drop) {
        Err(Error::Machine(_)) => return,
        other => other.expect("a training"),
    }
    let mut model = network(&[70]).build(1).expect("a network");
    end(begin(&mut model, &mut engine, &config));
    for at in [0, 5, 16, 17, 20] {
        let file = state_after(at, &config, &mut engine, &[70]);
        assert!(resumed(&file, &mut Engine::new(Some(1), None)).0 == bytes(&model), "{at}");
    }
}

#[test]
fn a_state_is_not_resumed_where_sums_are_rounded_in_another_way() {
    let config = FitConfig::default();
    let on = |isa| Engine::new(Some(1), Some(isa));
    for (there, here) in Isa::available()
        .into_iter()
        .flat_map(|there| Isa::available().into_iter().map(move |here| (there, here)))
    {
        let file = state_after(2, &config, &mut on(there), &[9]);
        let (state, _) = state_from_bytes(&file).expect("a state");
        let (mut model, mut engine) = (state.model().expect("a model"), on(here));
        let resumed = begin(&mut model, &mut engine, &config).resume(&state).map(drop);
        if there.fused() == here.fused() {
            resumed.expect("the same bits");
        } else {
            let error = resumed.expect_err("other bits");
            assert!(matches!(error, Error::Arithmetic { .. }), "{there} and {here}: {error}");
        }
    }
}

#[test]
fn a_state_that_does_not_say_how_sums_were_rounded_is_resumed() {
    let mut engine = Engine::new(Some(1), None);
    let file = state_after(2, &FitConfig::default(), &mut engine, &[9]);
    let name = if Isa::best().fused() { "fused" } else { "unfused" };
    // JSON in a string of JSON.
    let field = format!(r#"\"arithmetic\":\"{name}\","#);
    let at = file.windows(field.len()).position(|bytes| bytes == field.as_bytes());
    let mut silent = file.clone();
    silent[at.expect("the field")..][..field.len()].fill(b' ');
    assert!(resumed(&silent, &mut engine) == resumed(&file, &mut engine));
}

#[test]
fn after_a_divergence_the_good_weights_come_back_in_a_resumed_run_too() {
    // Good in the first epoch, far too high in the second.
    let schedule = Schedule::Step { every: 1, gamma: 1e33 };
    let config = FitConfig { epochs: 4, schedule, ..FitConfig::default() };
    let fails = |file: Option<&[u8]>| {
        let mut engine = Engine::new(Some(1), None);
        let mut model = network(&[20]).build(1).expect("a network");
        let mut training = begin(&mut model, &mut engine, &config);
        if let Some(file) = file {
            training = training.resume(&state_from_bytes(file).expect("a state").0).expect("one");
        }
        let error = loop {
            match training.advance() {
                Ok(event) => assert!(event.is_some(), "it converges"),
                Err(error) => break error.to_string(),
            }
        };
        drop(training);
        (bytes(&model), error)
    };
    let whole = fails(None);
    assert!(whole.1.contains("epoch 2"), "{}", whole.1);
    let mut engine = Engine::new(Some(1), None);
    let mut model = network(&[20]).build(1).expect("a network");
    let mut training = begin(&mut model, &mut engine, &config);
    while !matches!(training.advance(), Ok(Some(Event::Epoch(_)))) {}
    let good = training.state().model().expect("a model");
    assert!(whole.0 == bytes(&good), "the weights after the first epoch");
    training.advance().expect("one more step");
    let file = state_to_bytes(&training.state(), &Metadata::default()).expect("a state");
    assert!(fails(Some(&file)) == whole);
}

#[test]
fn a_state_is_a_model_file_too() {
    let mut engine = Engine::new(Some(1), None);
    let file = state_after(10, &everything(), &mut engine, &[12]);
    let (state, _) = state_from_bytes(&file).expect("a state");
    let (model, _) = from_bytes(&file).expect("a model");
    assert!(bytes(&model) == bytes(&state.model().expect("a model")));
    assert!(state_from_bytes(&bytes(&model)).is_err(), "a model is no state");
    assert_eq!((state.position(), state.examples()), ((1, 10), (750, 250)));
}

#[test]
fn a_state_of_another_training_is_refused() {
    let mut engine = Engine::new(Some(1), None);
    let config = everything();
    let (state, _) =
        state_from_bytes(&state_after(3, &config, &mut engine, &[12])).expect("a state");
    let refused = |hidden: usize, config: FitConfig| {
        let mut engine = Engine::new(Some(1), None);
        let mut model = network(&[hidden]).build(1).expect("a network");
        let error = begin(&mut model, &mut engine, &config).resume(&state).map(drop);
        error.map_or_else(|e| e.to_string(), |()| "accepted".to_owned())
    };
    assert_eq!(refused(12, FitConfig { epochs: 9, ..config }), "accepted");
    assert!(refused(13, config).contains("another network"));
    assert!(refused(12, FitConfig { seed: 2, ..config }).contains("other settings"));
    assert!(refused(12, FitConfig { batch_size: 7, ..config }).contains("other settings"));
    let mut model = network(&[12]).build(1).expect("a network");
    let data = sample();
    let few = model.train(&mut engine, inputs(&data).slice(0, 500), &data.labels()[..500], &config);
    let error = few.and_then(|training| training.resume(&state).map(drop)).expect_err("fewer");
    assert!(error.to_string().contains("750 examples, and 250 to validate on"), "{error}");
}

/// A state's file with something replaced in its metadata, which stays as long.
fn changed(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = file.windows(from.len()).position(|w| w == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("{from}"));
    let mut file = file.to_vec();
    file[at..at + from.len()].copy_from_slice(to.as_bytes());
    file
}

#[test]
fn a_mean_of_the_last_epochs_is_not_made_of_others() {
    let average = Average::Last { epochs: 2 };
    let config = FitConfig { epochs: 3, average, ..FitConfig::default() };
    let mut engine = Engine::new(Some(1), None);
    let (state, _) = state_from_bytes(&state_after(40, &config, &mut engine, &[12])).expect("one");
    assert!(state.check_settings(&config).is_ok());
    for other in [FitConfig { epochs: 6, ..config }, FitConfig { max_steps: Some(70), ..config }] {
        assert!(matches!(state.check_settings(&other), Err(nn::Error::Setting(_))));
    }
}

#[test]
fn states_whose_parts_do_not_fit_together_are_refused() {
    let config = FitConfig { validation_split: 0.25, ..FitConfig::default() };
    let mut engine = Engine::new(Some(1), None);
    let file = state_after(30, &config, &mut engine, &[12]);
    assert!(state_from_bytes(&file).is_ok());
    let other = "x".repeat(nn::rng::NAME.len());
    let cases = HashMap::from([
        (r#"\"batch_size\":32"#, r#"\"batch_size\":00"#),
        (r#"\"done\":29"#, r#"\"done\":28"#),
        (r#"\"epoch\":2,\"epochs\""#, r#"\"epoch\":9,\"epochs\""#),
        (r#"\"examples\":[750,250]"#, r#"\"examples\":[000,250]"#),
        (r#"m.dense_1.bias"#, r#"n.dense_1.bias"#),
        (r#"\"lr\":0.001"#, r#"\"lr\":-9e99"#),
        (r#"\"progress\""#, r#"\"regress!\""#),
        (r#"\"averaged\":0"#, r#"\"averaged\":7"#),
        (r#"good.dense_1.bias"#, r#"gone.dense_1.bias"#),
        (nn::rng::NAME, &*other),
    ]);
    for (from, to) in cases {
        let refused = state_from_bytes(&changed(&file, from, to));
        assert!(refused.is_err(), "{to}");
    }
    for cut in [0, 7, 8, 100, file.len() / 2, file.len() - 1] {
        assert!(state_from_bytes(&file[..cut]).is_err(), "{cut} bytes");
    }
}

/// Four features, two classes, six examples: a state of few bytes, so that changes hit all of its parts.
fn tiny() -> (Vec<f32>, [u8; 6], Vec<u8>) {
    let x: Vec<f32> = (0..24).map(|i| (i * 7 % 11) as f32 / 10.0).collect();
    let y = [0, 1, 0, 1, 1, 0];
    let net = Sequential::new(&[2, 2]).flatten().dense(3, Activation::Relu);
    let mut model = net.dense(2, Activation::Softmax).build(1).expect("a network");
    let config = FitConfig { batch_size: 2, validation_split: 0.34, ..everything() };
    let augment = Augment { shift: 1, flip: true };
    let config = FitConfig { augment, ..config };
    let mut engine = Engine::new(Some(1), None);
    let inputs = Inputs::f32(&x, 4).expect("whole rows");
    let mut training = model.train(&mut engine, inputs, &y, &config).expect("a training");
    for _ in 0..5 {
        training.advance().expect("a step");
    }
    let file = state_to_bytes(&training.state(), &Metadata::default()).expect("a state");
    drop(training);
    (x, y, file)
}

#[test]
fn no_change_of_the_bytes_makes_it_panic() {
    let (x, y, file) = tiny();
    let inputs = Inputs::f32(&x, 4).expect("whole rows");
    let header = 8 + u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
    let digits: Vec<usize> = (0..header).filter(|i| file[*i].is_ascii_digit()).collect();
    let mut engine = Engine::new(Some(1), None);
    let mut random = common::Gen(1);
    let (mut read, mut resumed) = (0, 0);
    for round in 0..4000 {
        let mut bytes = file.clone();
        // Other numbers in the settings and the progress; or any change anywhere.
        for _ in 0..1 + round % 3 {
            if round % 4 > 0 {
                let at = digits[random.bits() as usize % digits.len()];
                bytes[at] = b'0' + (random.bits() % 10) as u8;
            } else {
                let at = random.bits() as usize % bytes.len();
                bytes[at] = random.bits() as u8;
            }
        }
        let Ok((state, metadata)) = state_from_bytes(&bytes) else { continue };
        read += 1;
        state_to_bytes(&state, &metadata).expect("what was read can be written");
        let Ok(mut model) = state.model() else { continue };
        let training = model.train(&mut engine, inputs, &y, state.config());
        let Ok(mut training) = training.and_then(|t| t.resume(&state)) else { continue };
        resumed += 1;
        for _ in 0..4 {
            if training.advance().is_err() {
                break;
            }
        }
        drop(training.state());
    }
    assert!(read > 400 && resumed > 200, "{read} of 4000 could be read, {resumed} resumed");
}
