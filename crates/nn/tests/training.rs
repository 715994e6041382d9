//! Training learns, counts right, stops when told, and says what is wrong.

mod common;

use common::{bytes, first, fit, inputs, network, sample};
use nn::{
    Activation, AdamConfig, Engine, Error, Event, FitConfig, Inputs, Schedule, Sequential,
    SgdConfig,
};
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
    let mut model = network(&[20]).build(1).expect("a network");
    let (some, labels) = first(&data, 64);
    let before = model.evaluate(&mut one_thread(), some, labels).expect("an evaluation");
    // 1,000 in batches of 64: the last has 40.
    let config = FitConfig { epochs: 1, batch_size: 64, shuffle: false, ..FitConfig::default() };
    let all = inputs(&data);
    let (history, losses) = fit(&mut model, &mut one_thread(), all, data.labels(), &config);
    assert!((losses[0] - before.loss).abs() < 1e-12);
    assert_eq!((losses.len(), history.epochs[0].steps), (16, 16));
    let sum: f64 = losses[..15].iter().map(|l| l * 64.0).sum::<f64>() + losses[15] * 40.0;
    assert!((history.epochs[0].loss - sum / 1000.0).abs() < 1e-9);
}

/// With a learning rate of nothing every step sees the same weights, so what is shown after a step is what
/// an evaluation of the epoch's examples so far finds.
#[test]
fn what_is_shown_is_the_mean_over_the_examples_so_far() {
    let data = sample();
    let mut model = network(&[20]).build(1).expect("a network");
    let untouched = model.clone();
    let optimizer = AdamConfig { lr: 0.0, ..AdamConfig::default() }.into();
    let config =
        FitConfig { epochs: 2, batch_size: 64, optimizer, shuffle: false, ..FitConfig::default() };
    let (mut seen, mut ends) = (Vec::new(), Vec::new());
    let mut observe = |event: &Event| {
        match *event {
            Event::Step { epoch, step, steps, loss, accuracy, .. } => {
                assert_eq!(steps, 16);
                seen.push((epoch, step, loss, accuracy));
            }
            Event::Epoch(stats) => ends.push(stats),
            _ => unreachable!("an event of another kind"),
        }
        ControlFlow::Continue(())
    };
    let history = model
        .fit(&mut one_thread(), inputs(&data), data.labels(), &config, &mut observe)
        .expect("a training that stands still");
    assert_eq!(seen.len(), 32);
    for (i, (epoch, step, loss, accuracy)) in seen.into_iter().enumerate() {
        assert_eq!((epoch, step), (1 + i / 16, 1 + i % 16));
        let (so_far, labels) = first(&data, 1000.min(64 * step));
        let want = untouched.evaluate(&mut one_thread(), so_far, labels).expect("an evaluation");
        assert!((loss - want.loss).abs() < 1e-9, "step {step}: {loss} and {}", want.loss);
        assert!((accuracy - want.accuracy).abs() < 1e-12, "step {step}");
    }
    assert_eq!(history.epochs, ends);
    let whole = untouched.evaluate(&mut one_thread(), inputs(&data), data.labels());
    let whole = whole.expect("an evaluation");
    for (i, stats) in ends.iter().enumerate() {
        assert_eq!((stats.epoch, stats.steps), (i + 1, 16));
        assert!((stats.loss - whole.loss).abs() < 1e-9 && stats.accuracy == whole.accuracy);
        assert!(stats.seconds > 0.0);
    }
    assert!((history.seconds() - ends[0].seconds - ends[1].seconds).abs() < 1e-12);
    assert_eq!(bytes(&model), bytes(&untouched), "nothing was learned");
}

#[test]
fn the_last_example_of_an_epoch_counts_even_alone() {
    let data = sample();
    let train = |examples: usize| {
        let mut model = network(&[20]).build(1).expect("a network");
        let (some, labels) = first(&data, examples);
        let config = FitConfig { epochs: 1, shuffle: false, ..FitConfig::default() };
        let (_, losses) = fit(&mut model, &mut one_thread(), some, labels, &config);
        (model, losses)
    };
    let ((without, two), (with, three)) = (train(64), train(65));
    assert_eq!(two, three[..2]);
    // The third step's loss is that of the one example left.
    let (last, label) = (inputs(&data).slice(64, 1), &data.labels()[64..65]);
    let alone = without.evaluate(&mut one_thread(), last, label).expect("an evaluation").loss;
    assert_eq!(three.len(), 3);
    assert!((three[2] - alone).abs() < 1e-12, "{} and {alone}", three[2]);
    let after = with.evaluate(&mut one_thread(), last, label).expect("an evaluation").loss;
    assert!(after < alone, "the step was taken: {after} and {alone}");
}

#[test]
fn a_batch_larger_than_the_data_is_all_of_it() {
    let data = sample();
    let (some, labels) = first(&data, 100);
    let train = |batch_size| {
        let mut model = network(&[20]).build(1).expect("a network");
        let config = FitConfig { epochs: 3, batch_size, shuffle: false, ..FitConfig::default() };
        let (_, losses) = fit(&mut model, &mut one_thread(), some, labels, &config);
        (bytes(&model), losses)
    };
    assert_eq!(train(100).1.len(), 3);
    assert!(train(100) == train(101) && train(100) == train(usize::MAX));
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
    assert_eq!(error.to_string(), "training was stopped in epoch 1, step 5");
    let error = failing(&FitConfig::default(), &mut |event| match event {
        Event::Epoch(stats) if stats.epoch == 2 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(matches!(error, Error::Stopped { epoch: 2, step: 32 }), "{error}");
}

#[test]
fn a_training_that_was_stopped_leaves_the_weights_of_its_last_step() {
    let data = sample();
    let trained = |max_steps, stop_at| {
        let mut model = network(&[20]).build(1).expect("a network");
        let config = FitConfig { max_steps, ..FitConfig::default() };
        let mut steps = 0;
        let ended =
            model.fit(&mut one_thread(), inputs(&data), data.labels(), &config, &mut |_| {
                steps += 1;
                if steps == stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        (bytes(&model), ended.is_ok())
    };
    let ((limited, true), (stopped, false)) = (trained(Some(7), 0), trained(None, 7)) else {
        panic!("only one of them was stopped")
    };
    assert!(limited == stopped);
}

#[test]
fn no_epochs_and_no_steps_change_nothing() {
    let data = sample();
    let untouched = network(&[20]).build(1).expect("a network");
    let none = FitConfig::default();
    for config in [FitConfig { epochs: 0, ..none }, FitConfig { max_steps: Some(0), ..none }] {
        let mut model = untouched.clone();
        let (history, losses) =
            fit(&mut model, &mut one_thread(), inputs(&data), data.labels(), &config);
        assert_eq!((history.epochs.len(), losses.len()), (0, 0));
        assert!(bytes(&model) == bytes(&untouched));
    }
}

#[test]
fn a_loss_that_leaves_the_numbers_ends_it() {
    let optimizer = AdamConfig { lr: 1e20, ..AdamConfig::default() }.into();
    let mut steps = 0;
    let error = failing(&FitConfig { optimizer, ..FitConfig::default() }, &mut |_| {
        steps += 1;
        ControlFlow::Continue(())
    });
    let Error::Diverged { epoch: 1, step, loss } = error else { panic!("{error}") };
    assert!(step == steps + 1 && step > 1, "step {step} after {steps} good ones");
    assert!(!loss.is_finite());
    let text = error.to_string();
    let place = format!("training diverged: the loss of epoch 1, step {step} is {loss}");
    assert!(text.starts_with(&place) && text.contains("a smaller learning rate"), "{text}");
}

#[test]
fn an_input_that_is_no_number_ends_it_at_its_step() {
    let mut x = vec![0.5; 12 * 3];
    x[9 * 3 + 1] = f32::NAN;
    let net = Sequential::new(&[3]).dense(8, Activation::Relu).dense(2, Activation::Softmax);
    let mut model = net.build(1).expect("a network");
    let inputs = Inputs::f32(&x, 3).expect("whole rows");
    let config = FitConfig { batch_size: 4, shuffle: false, ..FitConfig::default() };
    let fitted = model
        .fit(&mut one_thread(), inputs, &[0u8; 12], &config, &mut |_| ControlFlow::Continue(()));
    let error = fitted.expect_err("a training that fails");
    assert!(matches!(error, Error::Diverged { epoch: 1, step: 3, .. }), "{error}");
}

/// However wild the steps, the weights are numbers or the training says that it failed.
#[test]
fn success_means_weights_that_are_numbers() {
    let data = sample();
    let (some, labels) = first(&data, 200);
    let mut ended = [0, 0];
    for power in -3..39 {
        let optimizer = AdamConfig { lr: 10f64.powi(power), ..AdamConfig::default() }.into();
        let mut model = network(&[20, 9]).build(1).expect("a network");
        let config = FitConfig { epochs: 3, optimizer, ..FitConfig::default() };
        let fitted =
            model.fit(&mut one_thread(), some, labels, &config, &mut |_| ControlFlow::Continue(()));
        let finite = (0..3).all(|l| {
            let (w, b) = (model.weights(l), model.biases(l));
            w.iter().chain(&b).all(|x| x.is_finite())
        });
        assert!(finite || fitted.is_err(), "a learning rate of 1e{power}");
        ended[usize::from(fitted.is_ok())] += 1;
    }
    assert!(ended[0] > 5 && ended[1] > 5, "{ended:?}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let adam = AdamConfig::default();
    let fine = FitConfig::default();
    let with = |adam: AdamConfig| FitConfig { optimizer: adam.into(), ..fine };
    let scheduled = |lr, schedule| FitConfig { schedule, ..with(AdamConfig { lr, ..adam }) };
    let descent = SgdConfig::default();
    let sgd = |sgd: SgdConfig| FitConfig { optimizer: sgd.into(), ..fine };
    let cases = [
        (FitConfig { batch_size: 0, ..fine }, "batch size of 0"),
        (FitConfig { label_smoothing: 1.0, ..fine }, "label smoothing of 1"),
        (FitConfig { label_smoothing: f64::NAN, ..fine }, "label smoothing of NaN"),
        (FitConfig { clip_norm: Some(0.0), ..fine }, "norm of 0"),
        (FitConfig { clip_norm: Some(f64::NAN), ..fine }, "norm of NaN"),
        (sgd(SgdConfig { momentum: 1.0, ..descent }), "momentum of 1"),
        (sgd(SgdConfig { nesterov: true, ..descent }), "needs a momentum"),
        (sgd(SgdConfig { weight_decay: -0.1, ..descent }), "weight decay of -0.1"),
        (with(AdamConfig { lr: f64::NAN, ..adam }), "learning rate of NaN"),
        (with(AdamConfig { lr: f64::INFINITY, ..adam }), "learning rate of inf"),
        (with(AdamConfig { lr: 1e39, ..adam }), "learning rate of 1e39"),
        (with(AdamConfig { lr: -1.0, ..adam }), "learning rate of -1.0"),
        (with(AdamConfig { beta1: 1.0, ..adam }), "decay of 1.0;"),
        (with(AdamConfig { beta1: f64::NAN, ..adam }), "decay of NaN"),
        (with(AdamConfig { beta2: 1.5, ..adam }), "decay of 1.5"),
        (with(AdamConfig { beta2: -0.1, ..adam }), "decay of -0.1"),
        (with(AdamConfig { eps: 0.0, ..adam }), "epsilon of 0.0;"),
        (with(AdamConfig { eps: -1e-7, ..adam }), "epsilon of -1e-7"),
        (with(AdamConfig { eps: f64::NAN, ..adam }), "epsilon of NaN"),
        (with(AdamConfig { eps: f64::INFINITY, ..adam }), "epsilon of inf"),
        // Corrected for the first step these are zero in f32, or have no reciprocal there.
        (with(AdamConfig { eps: 2e-45, ..adam }), "epsilon of 2e-45"),
        (with(AdamConfig { eps: 1e-30, beta1: 1.0 - 1e-16, ..adam }), "epsilon of 1e-30"),
        (with(AdamConfig { eps: 1.1e-40, ..adam }), "from 1.18e-40 to 1.8e19"),
        (with(AdamConfig { eps: 1e38, ..adam }), "epsilon of 1e38"),
        // The schedule's rates count, too.
        (scheduled(1e-3, Schedule::Cosine { min: 1e300 }), "learning rate of 1e300"),
        (scheduled(1e-3, Schedule::Exponential { last: 1e300 }), "learning rate of 1e300"),
        (scheduled(1e-3, Schedule::Exponential { last: 1e35 }), "with a learning rate of 1e35"),
        (scheduled(0.0, Schedule::Exponential { last: 1.0 }), "begins with a learning rate above"),
    ];
    for (config, what) in cases {
        let error = failing(&config, &mut |_| ControlFlow::Continue(()));
        assert!(matches!(error, Error::Setting(_)), "{error}");
        assert!(error.to_string().contains(what), "`{what}` is not in: {error}");
    }
}

#[test]
fn data_that_does_not_fit_is_refused() {
    let data = sample();
    let model = network(&[20]).build(1).expect("a network");
    let refused = |inputs: Inputs<'_>, labels: &[u16], what: &str| {
        let evaluated = model.evaluate(&mut one_thread(), inputs, labels).expect_err("bad data");
        let config = FitConfig::default();
        let mut observe = |_: &Event| ControlFlow::Continue(());
        let mut trained = model.clone();
        let fitted = trained.fit(&mut one_thread(), inputs, labels, &config, &mut observe);
        for error in [evaluated, fitted.expect_err("bad data")] {
            assert!(matches!(error, Error::Input(_)), "{error}");
            assert!(error.to_string().contains(what), "`{what}` is not in: {error}");
        }
        assert!(bytes(&trained) == bytes(&model), "refused before anything is changed");
    };
    let all = inputs(&data);
    refused(all, &data.labels()[1..], "1000 examples and 999 labels");
    let mut labels = data.labels().to_vec();
    labels[7] = 10;
    refused(all, &labels, "example 7 has label 10; labels must be below 10");
    let narrow = Inputs::u8(data.images(), 16, 1.0).expect("whole rows of 16");
    refused(narrow, data.labels(), "examples of 16 features; the network takes 784 ([28, 28])");
    let predicted = model.predict(&mut one_thread(), narrow).expect_err("narrow rows");
    assert!(predicted.to_string().contains("takes 784"), "{predicted}");
}

#[test]
fn values_that_are_not_whole_examples_are_refused() {
    let text = |made: Result<Inputs<'_>, Error>| made.expect_err("no examples").to_string();
    assert_eq!(text(Inputs::u8(&[0; 5], 2, 1.0)), "5 values are not whole examples of 2");
    assert_eq!(text(Inputs::f32(&[0.0; 5], 2)), "5 values are not whole examples of 2");
    assert_eq!(text(Inputs::f32(&[], 0)), "0 values are not whole examples of 0");
}

#[test]
fn of_no_examples_nothing_is_learned_and_nothing_predicted() {
    let mut model = network(&[20]).build(1).expect("a network");
    let nothing = Inputs::u8(&[], 784, 1.0).expect("no rows");
    let mut observe = |_: &Event| ControlFlow::Continue(());
    let fitted =
        model.fit(&mut one_thread(), nothing, &[0u8; 0], &FitConfig::default(), &mut observe);
    assert!(fitted.expect_err("no data").to_string().contains("no examples"));
    assert_eq!(model.predict(&mut one_thread(), nothing).expect("nothing"), Vec::<f32>::new());
    let evaluated = model.evaluate(&mut one_thread(), nothing, &[0u8; 0]).expect("nothing");
    assert_eq!((evaluated.count, evaluated.correct), (0, 0));
    assert_eq!((evaluated.loss, evaluated.accuracy), (0.0, 0.0));
}

#[test]
fn probabilities_are_probabilities() {
    let data = sample();
    let model = network(&[20]).build(1).expect("a network");
    let predicted = model.predict(&mut one_thread(), inputs(&data)).expect("probabilities");
    let evaluated = model.evaluate(&mut one_thread(), inputs(&data), data.labels());
    let evaluated = evaluated.expect("an evaluation");
    let (mut loss, mut correct) = (0.0, 0);
    for (row, label) in predicted.chunks(10).zip(data.labels()) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6 && row.iter().all(|p| *p >= 0.0));
        loss -= f64::from(row[usize::from(*label)]).ln();
        correct += usize::from(row.iter().all(|p| *p <= row[usize::from(*label)]));
    }
    assert!((loss / 1000.0 - evaluated.loss).abs() < 1e-6, "{loss} and {}", evaluated.loss);
    assert_eq!((correct, 1000), (evaluated.correct, evaluated.count));
}

#[test]
fn networks_that_make_no_sense_are_refused() {
    let new = || Sequential::new(&[28, 28]).flatten();
    let refused = |net: Sequential, what: &str| {
        let error = net.build(1).expect_err("a bad network");
        assert!(matches!(error, Error::Architecture(_)), "{error}");
        assert!(error.to_string().contains(what), "`{what}` is not in: {error}");
    };
    let (soft, relu) = (Activation::Softmax, Activation::Relu);
    refused(Sequential::new(&[28, 28]), "no dense layer");
    refused(new(), "no dense layer");
    refused(new().dense(10, relu), "the last layer is relu, not softmax");
    refused(new().dense(10, Activation::Linear), "the last layer is linear, not softmax");
    refused(new().dense(0, relu).dense(10, soft), "a dense layer of 784 inputs has no units");
    refused(new().dense(10, soft).dense(10, soft), "softmax in a hidden layer");
    refused(new().dense(1, soft), "1 classes; 2 to 65536");
    refused(new().dense(65_537, soft), "65537 classes; 2 to 65536");
    refused(Sequential::new(&[28, 0]).dense(10, soft), "shape [28, 0]; each size is 1 or more");
    refused(Sequential::new(&[usize::MAX, 2]).dense(10, soft), "examples of shape");
    refused(new().dense(usize::MAX / 2, relu).dense(10, soft), "parameters");
    refused(new().dense(usize::MAX, relu).dense(10, soft), "parameters");
    refused(new().dense(1 << 15, relu).dense(1 << 15, relu).dense(10, soft), "parameters");
}

#[test]
fn dropout_that_makes_no_sense_is_refused() {
    let new = || Sequential::new(&[28, 28]).flatten();
    let refused = |net: Sequential, what: &str| {
        let error = net.build(1).expect_err("a bad network").to_string();
        assert!(error.contains(what), "`{what}` is not in: {error}");
    };
    let (soft, relu) = (Activation::Softmax, Activation::Relu);
    let behind = "right behind a hidden dense layer";
    refused(new().dropout(0.5).dense(10, soft), behind);
    refused(new().dense(10, soft).dropout(0.5), behind);
    refused(new().dense(9, relu).dropout(0.5).dropout(0.5).dense(10, soft), behind);
    for rate in [1.0, -0.1, f64::NAN] {
        refused(new().dense(9, relu).dropout(rate).dense(10, soft), "a dropout rate of");
    }
}

#[test]
fn class_weights_that_do_not_fit_are_refused() {
    let data = sample();
    for (weights, what) in [
        (&[1.0; 9][..], "9 class weights for 10 classes"),
        (&[-1.0; 10], "a class weight of -1"),
        (&[f32::NAN; 10], "a class weight of NaN"),
        (&[0.0; 10], "all class weights are 0"),
    ] {
        let labels = nn::Labels::from(data.labels()).with_class_weights(weights);
        let mut model = network(&[20]).build(1).expect("a network");
        let error = model
            .fit(&mut one_thread(), inputs(&data), labels, &FitConfig::default(), &mut |_| {
                ControlFlow::Continue(())
            })
            .expect_err("bad weights");
        assert!(matches!(&error, nn::Error::Setting(found) if found.contains(what)), "{error}");
        let measured = model.evaluate(&mut one_thread(), inputs(&data), labels);
        assert!(matches!(measured, Err(nn::Error::Setting(_))), "{measured:?}");
    }
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

#[test]
fn a_training_takes_no_more_threads_than_it_keeps_busy() {
    let data = sample();
    let threads = |hidden: &[usize], batch_size, threads| {
        let mut engine = Engine::new(Some(threads), None);
        let config = FitConfig { batch_size, ..FitConfig::default() };
        let mut model = network(hidden).build(1).expect("a network");
        let training = model.train(&mut engine, inputs(&data), data.labels(), &config);
        training.expect("a training").threads()
    };
    assert_eq!(threads(&[128], 32, 8), 2);
    assert_eq!(threads(&[128], 65, 8), 4);
    assert_eq!(threads(&[300, 64], 32, 8), 1);
    assert_eq!(threads(&[512], 32, 3), 3);
    assert_eq!(threads(&[], 32, 8), 1);
    let all = FitConfig { batch_size: usize::MAX, ..FitConfig::default() };
    let model = network(&[4096]).build(1).expect("a network");
    assert_eq!(all.most_threads(model.architecture()), usize::MAX);
}

#[test]
fn a_hidden_layer_may_have_any_number_of_columns() {
    // One more than a step of a team has tasks.
    let units = (kernels::Team::MOST_STEP_TASKS + 1) * kernels::PANEL_COLS;
    let mut model = nn::Sequential::new(&[1])
        .dense(units, nn::Activation::Relu)
        .dense(2, nn::Activation::Softmax)
        .build(1)
        .expect("a network");
    let inputs = Inputs::f32(&[0.0, 1.0], 1).expect("two examples");
    let config = FitConfig { epochs: 2, ..FitConfig::default() };
    let mut engine = Engine::new(Some(2), None);
    let history =
        model.fit(&mut engine, inputs, &[0, 1u8], &config, &mut |_| ControlFlow::Continue(()));
    let history = history.expect("finite losses");
    assert!(history.epochs[1].loss < history.epochs[0].loss);
}

#[test]
#[should_panic(expected = "examples 9223372036854775808 and 1 more, of 2")]
fn examples_that_are_not_there_are_no_slice() {
    let _ = Inputs::f32(&[0.0; 4], 2).expect("two examples").slice(1 << 63, 1);
}
