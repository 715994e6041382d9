//! The team: every task once, whatever the number of threads, tasks, phases and panics.

mod common;

use common::{Gen, assert_bits, isas, panel_of};
use kernels::twin::Twin;
use kernels::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

const THREADS: std::ops::RangeInclusive<usize> = 1..=8;

fn counters(n: usize) -> Vec<AtomicUsize> {
    (0..n).map(|_| AtomicUsize::new(0)).collect()
}

fn counts(counters: &[AtomicUsize]) -> Vec<usize> {
    counters.iter().map(|c| c.load(Relaxed)).collect()
}

#[test]
fn a_team_has_as_many_threads_as_asked_for_and_at_least_one() {
    for threads in 0..9 {
        assert_eq!(Team::new(threads).threads(), threads.max(1));
    }
}

#[test]
fn every_task_runs_exactly_once() {
    for threads in THREADS {
        let mut team = Team::new(threads);
        for tasks in [0, 1, 2, 3, 7, 8, 9, 100, 4094, 4095, 4096, 4097, 10_000] {
            let ran = counters(tasks);
            team.for_each(tasks, |i| {
                ran[i].fetch_add(1, Relaxed);
            });
            assert_eq!(counts(&ran), vec![1; tasks], "{tasks} tasks on {threads} threads");
        }
    }
}

#[test]
fn every_item_is_lent_once() {
    for threads in THREADS {
        let mut team = Team::new(threads);
        for n in [0, 1, 5, 64, 5000] {
            let mut items: Vec<Vec<usize>> = vec![Vec::new(); n];
            for _ in 0..3 {
                team.for_each_mut(&mut items, |i, item| item.push(i));
            }
            assert!(items.iter().enumerate().all(|(i, item)| *item == [i; 3]), "{n}, {threads}");
        }
    }
}

#[test]
fn pieces_of_three_slices_are_lent_once() {
    for threads in THREADS {
        let mut team = Team::new(threads);
        for (n, t, u, m, v) in [
            (0, 1, 1, 0, 1),
            (0, 1, 1, 3, 1),
            (1, 1, 1, 0, 0),
            (2, 3, 0, 1, 1),
            (5, 1, 4, 7, 3),
            (13, 2, 2, 50, 2),
            (600, 7, 1, 3, 0),
            (4000, 1, 0, 200, 1),
        ] {
            let (mut a, mut b, mut c) =
                (vec![0; n * t], vec![String::new(); n * u], vec![0; m * v]);
            let mut owns = vec![0; threads];
            let piece = |own: &mut usize, i: usize, (a, b): (&mut [usize], &mut [String])| {
                *own += 1;
                assert_eq!((a.len(), b.len()), (t, u));
                a.iter_mut().zip(1..).for_each(|(a, k)| *a += 100 * i + k);
                b.iter_mut().for_each(|b| b.push_str(&i.to_string()));
            };
            let third = |own: &mut usize, j: usize, c: &mut [usize]| {
                *own += 1;
                assert_eq!(c.len(), v);
                c.iter_mut().for_each(|c| *c += j + 1);
            };
            let both = (n, (&mut a[..], &mut b[..]), piece);
            team.for_each_zip(&mut owns, both, (m, &mut c[..], third));
            assert_eq!(owns.iter().sum::<usize>(), n + m, "tasks that the threads counted");
            assert!(a.iter().enumerate().all(|(at, a)| *a == 100 * (at / t) + at % t + 1), "{n}");
            assert!(b.iter().enumerate().all(|(at, b)| *b == (at / u).to_string()), "{n}");
            assert!(c.iter().enumerate().all(|(at, c)| *c == at / v + 1), "{n}");
        }
    }
}

#[test]
#[should_panic(expected = "5 items in 2 equal pieces")]
fn slices_that_cannot_be_cut_evenly_are_refused() {
    let (pieces, nothing) = ((&mut [0; 4][..], &mut [0; 5][..]), |_: &mut (), _, _: &mut [()]| ());
    Team::new(1).for_each_zip(&mut [()], (2, pieces, |_, _, _| ()), (0, &mut [][..], nothing));
}

#[test]
#[should_panic(expected = "one's own for each of 2 threads")]
fn each_thread_has_its_own() {
    let nothing = |_: &mut (), _, _: &mut [()]| ();
    let (tasks, none) = ((3, &mut [(); 3][..], nothing), (0, &mut [][..], nothing));
    Team::new(2).for_each_zip(&mut [()], tasks, none);
}

/// A phase sees all that the phase before it wrote, on whichever thread.
#[test]
fn many_short_phases() {
    for threads in [1, 2, 3, 8] {
        let mut team = Team::new(threads);
        // More threads than cores take turns, so they get fewer phases.
        let phases = if threads <= 2 { 100_000 } else { 3_000 };
        let mut items = vec![0usize; 5];
        for phase in 0..phases {
            team.for_each_mut(&mut items, |_, x| {
                assert_eq!(*x, phase);
                *x += 1;
            });
        }
        assert_eq!(items, [phases; 5], "{threads} threads");
    }
}

#[test]
fn phases_after_a_pause_wake_the_workers() {
    for threads in [2, 4] {
        let mut team = Team::new(threads);
        for _ in 0..5 {
            // Far longer than a worker waits before it sleeps.
            thread::sleep(Duration::from_millis(30));
            let together = std::sync::Barrier::new(threads);
            // Ends only when every thread has come.
            team.for_each(threads, |_| {
                together.wait();
            });
        }
    }
}

#[test]
fn a_team_may_be_dropped_while_its_workers_sleep_or_spin() {
    for threads in THREADS {
        for pause in [0, 0, 0, 20] {
            let mut team = Team::new(threads);
            team.for_each(3, |_| {});
            thread::sleep(Duration::from_millis(pause));
        }
        drop(Team::new(threads));
    }
}

#[test]
fn a_panic_comes_out_when_no_task_runs_and_the_team_goes_on() {
    for threads in THREADS {
        let mut team = Team::new(threads);
        for bad in 0..8 {
            let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                team.for_each(8, |i| {
                    begun.fetch_add(1, Relaxed);
                    if i == bad {
                        std::panic::resume_unwind(Box::new(format!("task {i}")));
                    }
                    thread::yield_now();
                    ended.fetch_add(1, Relaxed);
                });
            }));
            let payload = panicked.expect_err("the panic comes out");
            assert_eq!(payload.downcast_ref(), Some(&format!("task {bad}")));
            assert_eq!(begun.into_inner(), ended.into_inner() + 1, "a task was still running");

            let ran = counters(50);
            team.for_each(50, |i| {
                ran[i].fetch_add(1, Relaxed);
            });
            assert_eq!(counts(&ran), [1; 50], "{threads} threads after a panic");
        }
    }
}

/// A panic on the caller's thread and one on a worker's: both at once.
#[test]
fn a_panic_on_every_thread_comes_out_as_one() {
    for threads in [2, 4] {
        let mut team = Team::new(threads);
        let together = std::sync::Barrier::new(threads);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            team.for_each(threads, |_| {
                together.wait();
                std::panic::resume_unwind(Box::new(7));
            });
        }));
        assert_eq!(panicked.expect_err("a panic comes out").downcast_ref(), Some(&7));
        team.for_each(100, |_| {});
    }
}

/// What a task panics with may itself panic when it is dropped. The first one comes out; nobody drops the others.
#[test]
fn a_second_panic_is_not_dropped_while_tasks_run() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::process::abort();
        }
    }
    let (mut team, together) = (Team::new(2), std::sync::Barrier::new(2));
    let ended = AtomicUsize::new(0);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        team.for_each(8, |_| {
            if ended.fetch_add(1, Relaxed) < 2 {
                together.wait();
            }
            std::panic::resume_unwind(Box::new(Bomb));
        });
    }));
    let first = panicked.expect_err("a panic comes out").downcast::<Bomb>().expect("the bomb");
    assert_eq!(ended.into_inner(), 8);
    std::mem::forget(first);
    team.for_each(100, |_| {});
}

#[test]
fn more_threads_than_can_have_a_task_are_refused() {
    for threads in [4096, usize::MAX] {
        let error = Team::try_new(threads).expect_err("too many");
        assert_eq!(error.to_string(), "a team has 4095 threads at most");
    }
}

#[test]
fn items_are_dropped_once_after_a_panic() {
    let counted = std::sync::Arc::new(());
    let mut items = vec![Some(counted.clone()), Some(counted.clone()), Some(counted.clone())];
    let mut team = Team::new(2);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        team.for_each_mut(&mut items, |i, item| {
            if i == 1 {
                std::panic::resume_unwind(Box::new(()));
            }
            *item = None;
        });
    }));
    assert!(panicked.is_err() && items[1].is_some());
    drop(items);
    assert_eq!(std::sync::Arc::strong_count(&counted), 1);
}

/// A forward pass and an update of a layer with one task a panel.
fn step(team: &mut Team, isa: Isa, x: &Panel, owned: &mut [Owned], h: &mut [Panel]) {
    let bias = Panel::zeros(1, PANEL_COLS);
    let weights: &[Owned] = owned;
    team.for_each_mut(h, |q, h| {
        let (x, w) = (|_: usize| x.view(), |_: usize| weights[q].w.view());
        let (x, w) = (Blocks::new(1, &x), Blocks::new(1, &w));
        let bias = &bias.lines()[..h.vectors()];
        dense_forward(isa, x, w, bias, Then::Relu, h, 0);
    });
    let h: &[Panel] = h;
    team.for_each_mut(owned, |q, owned| {
        let (x, dz) = (|_: usize| x.view(), |_: usize| h[q].view());
        let step = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 1);
        dense_update(isa, Blocks::new(1, &x), Blocks::new(1, &dz), owned, step);
    });
}

#[test]
fn layers_give_the_same_bits_on_any_number_of_threads() {
    let (batch, inputs, outputs) = (32, 60, 700);
    let mut g = Gen::new(12);
    let (x, w) = (g.floats(batch * inputs), g.floats(inputs * outputs));
    let widths: Vec<usize> =
        (0..outputs).step_by(PANEL_COLS).map(|j| PANEL_COLS.min(outputs - j)).collect();
    for isa in isas() {
        let twin = Twin::of(isa);
        let shape = (batch, inputs, outputs);
        let h = twin.dense_forward(shape, &x, &w, &vec![0.0; outputs], Then::Relu);
        let gradient = twin.dense_gradient(shape, &x, &h);
        let (mut want, mut m, mut v) = (w.clone(), vec![0.0; w.len()], vec![0.0; w.len()]);
        let adam = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 1);
        twin.adam_step(&adam, &gradient, (&mut want, &mut m, &mut v));

        for threads in THREADS {
            let packed = Panels::pack(inputs, outputs, &w);
            let mut owned: Vec<Owned> = packed
                .panels()
                .iter()
                .map(|w| Owned { w: w.clone(), ..Owned::zeros(inputs, w.cols()) })
                .collect();
            let mut h: Vec<Panel> = widths.iter().map(|n| Panel::zeros(batch, *n)).collect();
            let x = panel_of(batch, inputs, &x);
            step(&mut Team::new(threads), isa, &x, &mut owned, &mut h);
            for (q, owned) in owned.iter().enumerate() {
                for i in 0..inputs {
                    let got = &Line::flat(owned.w.row(i))[..widths[q]];
                    let want = &want[i * outputs + q * PANEL_COLS..][..widths[q]];
                    assert_bits(got, want, format_args!("row {i}, {threads} threads, {isa}"));
                }
            }
        }
    }
}
