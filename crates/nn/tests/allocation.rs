//! After the first step, training allocates nothing, on no thread; after the first prediction, the next ones hardly
//! anything.

mod common;

use common::{inputs, network, sample};
use nn::{Augment, Average, Engine, Event, FitConfig, Schedule};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts what it passes on to the system's allocator. This program is the one place in the tests of this
/// crate that needs `unsafe`: the trait of an allocator is an unsafe one.
struct Counting;

/// Allocations by all threads; a reallocation is one.
static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the contract. The
// methods left out (`alloc_zeroed`, `realloc`) are made of these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the system's.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, which is the system's.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations between the steps of one training, and those around the ends of its epochs.
#[derive(Default)]
struct Counts {
    steps: Vec<usize>,
    ends: Vec<usize>,
}

fn counted(engine: &mut Engine, hidden: &[usize], config: &FitConfig) -> Counts {
    let data = sample();
    let mut model = network(hidden).build(1).expect("a network");
    let mut counts = Counts { steps: Vec::with_capacity(3_000), ends: Vec::with_capacity(2) };
    let (mut before, mut ended) = (None, false);
    let mut observe = |event: &Event| {
        let Event::Step { .. } = event else {
            ended = true;
            return ControlFlow::Continue(());
        };
        let now = COUNT.load(Ordering::Relaxed);
        if let Some(before) = before.replace(now) {
            let list = if ended { &mut counts.ends } else { &mut counts.steps };
            list.push(now - before);
        }
        ended = false;
        ControlFlow::Continue(())
    };
    model
        .fit(engine, inputs(&data), data.labels(), config, &mut observe)
        .expect("a training that converges");
    counts
}

/// One test, so that no other test allocates meanwhile.
#[test]
fn steps_after_the_first_allocate_nothing_and_predictions_hardly_anything() {
    let count = COUNT.load(Ordering::Relaxed);
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(COUNT.load(Ordering::Relaxed), count + 1, "the counter counts");

    // Averages and varied images have their memory, too.
    let varied = FitConfig {
        augment: Augment { shift: 2, flip: true },
        average: Average::Ema { decay: 0.99 },
        schedule: Schedule::COSINE,
        ..FitConfig::default()
    };
    for (hidden, batch_size, config) in [
        (&[128][..], 32, FitConfig::default()),
        (&[64, 48], 50, varied),
        (&[64, 48], 50, FitConfig::default()),
        (&[100], 300, varied),
        (&[], 7, FitConfig::default()),
    ] {
        let config = FitConfig { epochs: 2, batch_size, ..config };
        for threads in [1, 2, 3] {
            let what = format!("{hidden:?} in batches of {batch_size} on {threads} threads");
            let mut engine = Engine::new(Some(threads), None);
            // A thread allocates when it starts, which is when the system comes to it: what happens in
            // one of three trainings only is not counted.
            let all = [(); 3].map(|()| counted(&mut engine, hidden, &config));
            let least = |of: fn(&Counts) -> &[usize]| {
                (0..of(&all[0]).len()).filter_map(|i| all.iter().map(|c| of(c)[i]).min()).collect()
            };
            let counts = Counts { steps: least(|c| &c.steps), ends: least(|c| &c.ends) };
            assert_eq!(counts.steps.len(), 2 * (1000usize.div_ceil(batch_size) - 1), "{what}");
            let some = counts.steps.iter().position(|n| *n > 0);
            assert_eq!(some, None, "{what}: {:?}", counts.steps);
            // The list of epochs grows; the step after is counted in.
            assert!(matches!(counts.ends[..], [0 | 1]), "{what}: {:?}", counts.ends);
        }
    }
    predictions();
}

/// What a prediction returns, and a list of what threads are to do.
fn predictions() {
    let (data, mut engine) = (sample(), Engine::new(Some(1), None));
    let model = network(&[64, 48]).build(1).expect("a network");
    let mut predict = |rows| {
        let before = COUNT.load(Ordering::Relaxed);
        drop(model.predict(&mut engine, inputs(&data).slice(0, rows)));
        COUNT.load(Ordering::Relaxed) - before
    };
    assert!(predict(300) > 2, "memory for the first time");
    for rows in [1, 300, 65] {
        assert_eq!(predict(rows), 2, "{rows} images");
    }
}
