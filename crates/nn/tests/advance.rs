//! One step at a time, or many at once: what is learned and told is the same.

mod common;

use common::{bytes, inputs, network, sample};
use nn::{
    Average, Engine, Error, Event, FitConfig, Model, Optimizer, Schedule, SgdConfig, StepPart,
};
use std::ops::ControlFlow::{Break, Continue};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Trains in stretches of so many events; what was told, and the model.
fn trained(
    hidden: &[usize],
    threads: usize,
    config: &FitConfig,
    stretch: usize,
) -> (Vec<Event>, Model) {
    let (data, mut engine) = (sample(), Engine::new(Some(threads), None));
    let mut model = network(hidden).build(1).expect("a network");
    let training = model.train(&mut engine, inputs(&data), data.labels(), config);
    let (mut training, mut events) = (training.expect("a training"), Vec::new());
    loop {
        let flow = training.advance_while(&mut |event| {
            events.push(untimed(*event));
            if events.len().is_multiple_of(stretch) { Break(()) } else { Continue(()) }
        });
        if flow.expect("finite losses").is_continue() {
            break;
        }
        let last = events.last().expect("an event");
        if let Event::Step { epoch, step, .. } = last {
            assert_eq!(training.position(), (*epoch, *step), "it stops where it is told to");
        }
    }
    assert!(training.is_over());
    training.finish();
    (events, model)
}

/// The same event without how long it took.
fn untimed(mut event: Event) -> Event {
    if let Event::Epoch(stats) = &mut event {
        stats.seconds = 0.0;
    }
    event
}

#[test]
fn stretches_of_any_length_learn_and_tell_the_same() {
    let plain = FitConfig { epochs: 2, ..FitConfig::default() };
    let averaged = FitConfig { average: Average::Ema { decay: 0.9 }, ..plain };
    let scheduled = FitConfig { schedule: Schedule::COSINE, max_steps: Some(50), ..plain };
    let clipped = FitConfig { clip_norm: Some(0.5), batch_size: 96, ..plain };
    for (hidden, config) in [
        (&[128][..], plain),
        (&[130], averaged),
        (&[96], scheduled),
        (&[128], clipped),
        (&[70, 20], plain),
        (&[], plain),
    ] {
        let (events, model) = trained(hidden, 1, &config, 1);
        let steps = events.iter().filter(|event| matches!(event, Event::Step { .. })).count();
        let all = 2 * config.steps(1_000);
        assert_eq!(steps, config.max_steps.map_or(all, |most| all.min(most as usize)));
        for (threads, stretch) in [(1, usize::MAX), (2, 1), (2, 7), (2, usize::MAX), (3, 20)] {
            let (these, other) = trained(hidden, threads, &config, stretch);
            assert!(bytes(&other) == bytes(&model), "{hidden:?}, {threads} threads, {stretch}");
            assert_eq!(these, events, "{hidden:?}, {threads} threads, {stretch}");
        }
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_a_stretch_at_its_step() {
    let (data, mut engine) = (sample(), Engine::new(Some(2), None));
    let sgd = Optimizer::Sgd(SgdConfig { lr: 1e30, ..SgdConfig::default() });
    let config = FitConfig { optimizer: sgd, ..FitConfig::default() };
    let mut model = network(&[128]).build(1).expect("a network");
    let first = bytes(&model);
    let mut training =
        model.train(&mut engine, inputs(&data), data.labels(), &config).expect("a training");
    let mut seen = 0;
    let error = training.advance_while(&mut |_| {
        seen += 1;
        Continue(())
    });
    let Err(Error::Diverged { epoch: 1, step, .. }) = error else { panic!("{error:?}") };
    assert_eq!(step, seen + 1, "the step after those that were told of");
    drop(training);
    assert!(bytes(&model) == first, "the weights are those of the last good epoch");
}

/// An observer's panic comes out, and model and engine can be used again.
#[test]
fn an_observer_may_panic() {
    let (data, mut engine) = (sample(), Engine::new(Some(2), None));
    let config = FitConfig { epochs: 1, ..FitConfig::default() };
    let mut model = network(&[128]).build(1).expect("a network");
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let mut steps = 0;
        model.fit(&mut engine, inputs(&data), data.labels(), &config, &mut |_| {
            steps += 1;
            assert!(steps < 5, "as planned");
            Continue(())
        })
    }));
    assert_eq!(panic.expect_err("a panic").downcast_ref(), Some(&"as planned"));
    let mut again = network(&[128]).build(1).expect("a network");
    let fit = again.fit(&mut engine, inputs(&data), data.labels(), &config, &mut |_| Continue(()));
    fit.expect("finite losses");
    let (_, model) = trained(&[128], 1, &config, 1);
    assert!(bytes(&again) == bytes(&model));
}

/// To know where the time goes costs no bit, and what is told of a step adds up to it.
#[test]
fn a_training_that_is_timed_learns_the_same_and_its_parts_are_the_step() {
    let data = sample();
    let mut engine = Engine::new(Some(2), None);
    for (hidden, clip_norm) in [(&[70, 20][..], Some(1.0)), (&[128], None)] {
        let config = FitConfig { epochs: 2, clip_norm, ..FitConfig::default() };
        let mut trained = |every: Option<u64>| {
            let mut model = network(hidden).build(1).expect("a network");
            let training = model.train(&mut engine, inputs(&data), data.labels(), &config);
            let mut training = training.expect("a training");
            if let Some(every) = every {
                training = training.timed(every);
            }
            let over = training.advance_while(&mut |_| Continue(()));
            assert!(over.expect("finite losses").is_continue());
            let times = training.step_times();
            drop(training);
            (bytes(&model), times)
        };
        let ((plain, none), (timed, times)) = (trained(None), trained(Some(10)));
        assert!(plain == timed && none.is_none());
        let times = times.expect("times");
        // 64 steps in all.
        assert_eq!(times.steps, 6);
        // Where steps overlap, a thread may end one after the next has begun.
        let (sum, overlap) = (times.parts.iter().sum::<f64>(), clip_norm.is_none());
        assert!(times.seconds > 0.0 && sum > 0.95 * times.seconds, "{times:?}");
        assert!(overlap || sum < 1.05 * times.seconds, "{times:?}");
        for (part, seconds) in StepPart::ALL.into_iter().zip(times.parts) {
            let there = match part {
                StepPart::Average => false,
                // What overlaps may leave nothing to wait.
                StepPart::Wait => !overlap,
                _ => true,
            };
            assert!(seconds > 0.0 || !there, "{part:?}: {times:?}");
        }
        assert!(trained(Some(1_000)).1.is_none());
    }
}

#[test]
fn after_an_error_a_training_is_over_and_the_model_keeps_its_weights() {
    let sgd =
        |lr, weight_decay| Optimizer::Sgd(SgdConfig { lr, weight_decay, ..SgdConfig::default() });
    let plain = FitConfig { average: Average::Ema { decay: 0.5 }, ..FitConfig::default() };
    // In the second step; and by the update of the last one of an epoch.
    let early = FitConfig { optimizer: sgd(1e30, 0.0), ..plain };
    let late = FitConfig { optimizer: sgd(3e38, 1e10), batch_size: 1_000, ..plain };
    for config in [early, late, FitConfig { average: Average::Off, ..late }] {
        let (data, mut engine) = (sample(), Engine::new(Some(2), None));
        let mut model = network(&[40]).build(1).expect("a network");
        let before = bytes(&model);
        let training = model.train(&mut engine, inputs(&data), data.labels(), &config);
        let mut training = training.expect("a training");
        let error = loop {
            match training.advance() {
                Ok(event) => assert!(event.is_some(), "it ends without an error"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Diverged { epoch: 1, .. }), "{error}");
        assert!(training.is_over());
        assert_eq!(training.advance().expect("nothing to do"), None);
        assert!(bytes(training.model()) == before);
        let history = training.finish();
        assert!(history.epochs.is_empty() && bytes(&model) == before);
    }
}

#[test]
fn time_between_stretches_is_not_that_of_an_epoch() {
    let (data, mut engine) = (sample(), Engine::new(Some(1), None));
    let mut model = network(&[20]).build(1).expect("a network");
    let config = FitConfig { epochs: 1, ..FitConfig::default() };
    let training = model.train(&mut engine, inputs(&data), data.labels(), &config);
    let mut training = training.expect("a training");
    let start = Instant::now();
    let mut paused = Duration::ZERO;
    while training.advance().expect("a step").is_some() {
        let pause = Instant::now();
        sleep(Duration::from_millis(2));
        paused += pause.elapsed();
    }
    let all = start.elapsed() - paused;
    let seconds = training.finish().seconds();
    assert!(0.0 < seconds && seconds <= all.as_secs_f64(), "{seconds} of {all:?}");
}
