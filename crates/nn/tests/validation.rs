//! Validation, early stopping and schedules, in whole trainings.

mod common;

use common::{bytes, fit, inputs, network, sample};
use nn::{
    EarlyStopping, Engine, EpochStats, Error, Event, FitConfig, History, Inputs, Model, Monitor,
    Schedule, WarmUp,
};

/// Trains 784-32-10 on the sample.
fn trained(config: &FitConfig) -> (Model, History) {
    let data = sample();
    let mut model = network(&[32]).build(1).expect("a network");
    let mut engine = Engine::new(Some(2), None);
    let (history, _) = fit(&mut model, &mut engine, inputs(&data), data.labels(), config);
    (model, history)
}

#[test]
fn a_split_is_neither_trained_on_nor_lost() {
    let data = sample();
    let mut engine = Engine::new(Some(1), None);
    let mut model = network(&[8]).build(1).expect("a network");
    for (split, held) in [(0.2, 200), (0.0004, 1), (0.999, 999)] {
        let config = FitConfig { validation_split: split, ..FitConfig::default() };
        let training = model.train(&mut engine, inputs(&data), data.labels(), &config);
        assert_eq!(training.expect("a training").examples(), (1000 - held, held));
    }
    for split in [1.0, -0.1, f64::NAN, 0.9999] {
        let config = FitConfig { validation_split: split, ..FitConfig::default() };
        let refused = model.train(&mut engine, inputs(&data), data.labels(), &config);
        assert!(matches!(refused.map(drop), Err(Error::Setting(_))), "{split}");
    }
}

#[test]
fn the_measures_are_those_of_evaluate_on_the_same_examples() {
    let data = sample();
    let all = inputs(&data);
    let (train, held) = (all.slice(0, 800), all.slice(800, 200));
    let (train_labels, held_labels) = data.labels().split_at(800);
    let config = FitConfig { epochs: 3, ..FitConfig::default() };
    let mut engine = Engine::new(Some(2), None);
    let mut model = network(&[32]).build(1).expect("a network");
    let mut training = model
        .train(&mut engine, train, train_labels, &config)
        .and_then(|training| training.validate_on(held, held_labels))
        .expect("a training");
    let mut found = Vec::new();
    while let Some(event) = training.advance().expect("a step") {
        if let Event::Epoch(EpochStats { val_loss, val_accuracy, .. }) = event {
            let model = training.model().clone();
            found.push((model, val_loss.expect("a loss"), val_accuracy.expect("an accuracy")));
        }
    }
    let best = training.finish().best.expect("a best epoch");
    assert_eq!(found.len(), 3);
    for (model, loss, accuracy) in &found {
        let expected = model.evaluate(&mut engine, held, held_labels).expect("an evaluation");
        assert_eq!((*loss, *accuracy), (expected.loss, expected.accuracy));
    }
    let lowest = found.iter().map(|f| f.1).fold(f64::MAX, f64::min);
    assert_eq!(found[best - 1].1, lowest);
    // Validation is no part of the training: the weights are those of a training without.
    let mut alone = network(&[32]).build(1).expect("a network");
    fit(&mut alone, &mut engine, train, train_labels, &config);
    assert!(bytes(&alone) == bytes(&model));
}

#[test]
fn a_split_is_a_function_of_the_seed() {
    let config = FitConfig { epochs: 2, validation_split: 0.3, ..FitConfig::default() };
    let first = |seed, epochs| {
        let (model, history) = trained(&FitConfig { seed, epochs, ..config });
        (bytes(&model), history.epochs[0].val_loss)
    };
    assert!(first(1, 2) == first(1, 2));
    assert_ne!(first(1, 1).1, first(2, 1).1);
    assert_eq!(first(1, 2).1, first(1, 1).1, "the number of epochs does not change the split");
}

/// Ten images and their labels are learned by heart, so the loss on the others rises soon.
fn over_fitted(config: FitConfig) -> (Model, History, f64) {
    let data = sample();
    let (few, held) = (inputs(&data).slice(0, 10), inputs(&data).slice(10, 300));
    let (few_labels, held_labels) = (&data.labels()[..10], &data.labels()[10..310]);
    let mut engine = Engine::new(Some(1), None);
    let mut model = network(&[32]).build(1).expect("a network");
    let mut training = model
        .train(&mut engine, few, few_labels, &config)
        .and_then(|training| training.validate_on(held, held_labels))
        .expect("a training");
    while training.advance().expect("a step").is_some() {}
    let history = training.finish();
    let loss = model.evaluate(&mut engine, held, held_labels).expect("an evaluation").loss;
    (model, history, loss)
}

#[test]
fn early_stopping_waits_and_the_best_weights_come_back() {
    let early = |patience, min_delta| FitConfig {
        epochs: 200,
        batch_size: 10,
        early_stopping: Some(EarlyStopping { patience, min_delta }),
        ..FitConfig::default()
    };
    let (_, whole, _) = over_fitted(FitConfig { early_stopping: None, ..early(0, 0.0) });
    let losses: Vec<f64> = whole.epochs.iter().filter_map(|e| e.val_loss).collect();
    assert!(losses.len() == 200 && !whole.stopped_early);
    // What Keras does, said in other words.
    let expected = |patience: usize, delta: f64| {
        let (mut best, mut at) = (f64::INFINITY, 0);
        for (i, loss) in losses.iter().enumerate() {
            if loss + delta < best {
                (best, at) = (*loss, i);
            } else if i - at >= patience {
                return i + 1;
            }
        }
        200
    };
    for (patience, delta) in [(1, 0.0), (3, 0.0), (3, 0.02), (10, 0.0)] {
        let config = FitConfig { restore_best: true, ..early(patience, delta) };
        let (_, history, loss) = over_fitted(config);
        assert!(history.stopped_early);
        assert_eq!(history.epochs.len(), expected(patience, delta), "patience {patience}, {delta}");
        let lowest = history.epochs.iter().filter_map(|e| e.val_loss).fold(f64::MAX, f64::min);
        assert_eq!(loss, lowest, "the weights of the best epoch");
        assert_eq!(history.epochs[history.best.expect("a best") - 1].val_loss, Some(lowest));
    }
    let (_, history, loss) = over_fitted(early(3, 0.0));
    assert_eq!(history.epochs.last().and_then(|e| e.val_loss), Some(loss), "the last weights");
    let by = FitConfig { monitor: Monitor::Accuracy, restore_best: true, ..early(5, 0.0) };
    let (_, history, _) = over_fitted(by);
    let best = history.epochs[history.best.expect("a best") - 1].val_accuracy;
    assert!(history.epochs.iter().all(|e| e.val_accuracy <= best));
}

#[test]
fn without_validation_there_is_nothing_to_stop_by() {
    let data = sample();
    let mut engine = Engine::new(Some(1), None);
    let mut model = network(&[8]).build(1).expect("a network");
    let early = EarlyStopping { patience: 1, min_delta: 0.0 };
    for config in [
        FitConfig { early_stopping: Some(early), ..FitConfig::default() },
        FitConfig { restore_best: true, ..FitConfig::default() },
    ] {
        let mut training =
            model.train(&mut engine, inputs(&data), data.labels(), &config).expect("a training");
        let error = training.advance().expect_err("no validation set");
        assert!(error.to_string().contains("need a validation set"), "{error}");
    }
    let early_stopping = Some(EarlyStopping { min_delta: -1.0, ..early });
    let error = FitConfig { early_stopping, ..FitConfig::default() }.check().expect_err("too low");
    assert_eq!(error.to_string(), "a least improvement of -1; it must be 0 or more");
    let config = FitConfig { validation_split: 0.1, ..FitConfig::default() };
    let training = model.train(&mut engine, inputs(&data), data.labels(), &config);
    let both = training.and_then(|t| t.validate_on(inputs(&data), data.labels()).map(drop));
    assert!(both.is_err());
    let training = model.train(&mut engine, inputs(&data), data.labels(), &FitConfig::default());
    let empty = Inputs::u8(&[], 784, 1.0).expect("no images");
    assert!(training.and_then(|t| t.validate_on(empty, &[0u8; 0]).map(drop)).is_err());
}

/// The rates of all steps.
fn rates(config: &FitConfig) -> (Vec<f64>, History) {
    let data = sample();
    let mut engine = Engine::new(Some(1), None);
    let mut model = network(&[8]).build(1).expect("a network");
    let mut training =
        model.train(&mut engine, inputs(&data), data.labels(), config).expect("a training");
    let mut rates = Vec::new();
    while let Some(event) = training.advance().expect("a step") {
        match event {
            Event::Step { lr, .. } => rates.push(lr),
            Event::Epoch(stats) => assert_eq!(Some(&stats.lr), rates.last()),
            _ => unreachable!("no other events"),
        }
    }
    (rates, training.finish())
}

#[test]
fn a_schedule_spans_the_run() {
    let base = FitConfig { epochs: 4, batch_size: 100, ..FitConfig::default() };
    let with = |schedule| rates(&FitConfig { schedule, ..base }).0;
    assert!(with(Schedule::Constant).iter().all(|lr| *lr == 1e-3));
    let step = with(Schedule::Step { every: 2, gamma: 0.5 });
    assert!(step[..20].iter().all(|lr| *lr == 1e-3) && step[20..].iter().all(|lr| *lr == 5e-4));
    let cosine = with(Schedule::COSINE);
    assert!(cosine.len() == 40 && cosine.is_sorted_by(|a, b| a > b), "{cosine:?}");
    assert!((cosine[20] - 5e-4).abs() < 1e-12 && cosine[39] < 1e-5, "{cosine:?}");
    let cycle = with(Schedule::ONE_CYCLE);
    assert!((cycle[11] - 1e-3).abs() < 1e-12 && cycle[0] < 5e-5 && cycle[39] < 1e-8, "{cycle:?}");
    // Steps that are not taken are not planned with.
    let short = FitConfig { max_steps: Some(13), schedule: Schedule::ONE_CYCLE, ..base };
    let short = rates(&short).0;
    assert!(short.len() == 13 && short[12] < 1e-8, "{short:?}");
    let warm_up = WarmUp { steps: 10, start: 0.1 };
    let warm = rates(&FitConfig { warm_up, schedule: Schedule::COSINE, ..base }).0;
    assert!(warm[..11].is_sorted_by(|a, b| a < b) && warm[10..].is_sorted_by(|a, b| a > b));
    assert!((warm[0] - 1e-4).abs() < 1e-12 && warm[10] == 1e-3, "{warm:?}");
}

#[test]
fn a_plateau_lowers_the_rate_for_the_epochs_to_come() {
    // With a threshold of almost one, no epoch is an improvement.
    let schedule =
        Schedule::Plateau { factor: 0.5, patience: 0, threshold: 0.99, cooldown: 0, min: 2e-4 };
    let config = FitConfig { epochs: 5, batch_size: 500, schedule, ..FitConfig::default() };
    let (_, history) = rates(&config);
    let rates: Vec<f64> = history.epochs.iter().map(|e| e.lr).collect();
    assert_eq!(rates, [1e-3, 1e-3, 5e-4, 2.5e-4, 2e-4]);
}

#[test]
fn a_schedule_that_stays_constant_changes_no_bit() {
    let plain = FitConfig { epochs: 2, ..FitConfig::default() };
    let same = Schedule::Step { every: 100, gamma: 0.1 };
    let (one, _) = trained(&plain);
    let (other, _) = trained(&FitConfig { schedule: same, ..plain });
    assert!(bytes(&one) == bytes(&other));
}
