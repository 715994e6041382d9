//! After the first step, training allocates nothing, on no thread.

mod common;

use common::{inputs, network, sample};
use nn::{Engine, Event, FitConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts what it passes on to the system's allocator.
struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the contract.
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

/// One test, so that no other test allocates meanwhile.
#[test]
fn steps_after_the_first_allocate_nothing() {
    let data = sample();
    for (hidden, batch_size) in [(&[128][..], 32), (&[64, 48], 50), (&[100], 300), (&[], 7)] {
        for threads in [1, 2, 3] {
            let mut model = network(hidden).build(1).expect("a network");
            let mut engine = Engine::new(Some(threads), None);
            let config = FitConfig { epochs: 2, batch_size, ..FitConfig::default() };
            let (mut before, mut worst, mut epochs) = (None, 0, 0);
            let fitted =
                model.fit(&mut engine, inputs(&data), data.labels(), &config, &mut |event| {
                    match event {
                        // A thread that starts allocates for itself: the first epoch is for that.
                        Event::Step { .. } if epochs > 0 => {
                            let now = COUNT.load(Ordering::Relaxed);
                            worst = worst.max(now - before.unwrap_or(now));
                            before = Some(now);
                        }
                        Event::Epoch(_) => {
                            epochs += 1;
                            std::thread::sleep(std::time::Duration::from_millis(20));
                        }
                        _ => {}
                    }
                    ControlFlow::Continue(())
                });
            fitted.expect("a training that converges");
            assert_eq!(worst, 0, "{hidden:?} in batches of {batch_size} on {threads} threads");
        }
    }
}
