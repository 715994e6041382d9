//! The protocol of `Team` under the model checker loom, which runs every order of its atomic operations
//! that the memory model allows (with a bound on preemptions where that is too many):
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release -p kernels --test loom_team
//! ```
//!
//! Loom has to see every order of fences and sleeping threads, so the phases are few and the tasks small.
#![allow(unexpected_cfgs, reason = "the model checker is asked for from outside")]
#![cfg(loom)]

use kernels::{At, Steps, Team};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::hint::black_box;
use std::ops::ControlFlow::{Break, Continue};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the caller and the tasks of a phase share. The team has to order their accesses: relaxed loads
/// are free to miss whatever is not ordered, and the checker lets them.
struct Cells(Vec<AtomicUsize>);

impl Cells {
    fn new(n: usize) -> Cells {
        Cells((0..n).map(|_| AtomicUsize::new(0)).collect())
    }

    /// Not one atomic addition, so that of two at once one would be lost.
    fn add(&self, i: usize, by: usize) {
        self.0[i].store(self.get(i) + by, Relaxed);
    }

    fn get(&self, i: usize) -> usize {
        self.0[i].load(Relaxed)
    }
}

fn check(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

/// The caller writes before a phase, tasks read and write in it, the caller reads after it. A task of an
/// old phase would show in that phase's cells at the end.
fn phases(phases: usize, threads: usize, tasks: usize) {
    let mut team = Team::new(threads);
    let cells: Vec<Cells> = (0..phases).map(|_| Cells::new(tasks)).collect();
    for (phase, cells) in cells.iter().enumerate() {
        (0..tasks).for_each(|i| cells.add(i, 10));
        deeper(phase, &mut || {
            team.for_each(tasks, |i| {
                assert_eq!(cells.get(i), 10, "the caller's write is there, and no other task's");
                cells.add(i, 1);
            });
        });
        (0..tasks).for_each(|i| assert_eq!(cells.get(i), 11, "task {i} ran once"));
    }
    drop(team);
    let all = cells.iter().flat_map(|cells| (0..tasks).map(|i| cells.get(i)));
    assert!(all.into_iter().all(|x| x == 11), "a task ran again after its phase");
}

/// Runs `f` further down the stack: with all jobs in one place, a stale pointer to one would point to its
/// successor and do no harm.
#[inline(never)]
fn deeper(levels: usize, f: &mut dyn FnMut()) {
    let pad = black_box([levels; 64]);
    if levels == 0 {
        f()
    } else {
        deeper(levels - 1, f)
    }
    black_box(pad);
}

#[test]
fn a_phase_on_two_threads() {
    check(Some(4), || phases(1, 2, 2));
}

#[test]
fn a_phase_on_three_threads() {
    check(Some(2), || phases(1, 3, 2));
    check(Some(1), || phases(1, 3, 3));
}

#[test]
fn two_phases_on_two_threads() {
    check(Some(3), || phases(2, 2, 2));
    check(Some(2), || phases(2, 2, 3));
}

#[test]
fn three_phases_on_two_threads() {
    check(Some(1), || phases(3, 2, 2));
}

#[test]
fn a_team_without_work_ends() {
    check(None, || drop(Team::new(2)));
}

#[test]
fn a_panic_comes_out_and_the_team_goes_on() {
    check(Some(2), || {
        let mut team = Team::new(2);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            team.for_each(2, |i| {
                if i == 1 {
                    std::panic::resume_unwind(Box::new("task 1"));
                }
            });
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"task 1"));
        let cells = Cells::new(2);
        team.for_each(2, |i| cells.add(i, 1));
        assert_eq!((cells.get(0), cells.get(1)), (1, 1));
    });
}

/// Each cell becomes one more than the sum of all, and threads count the tasks and the ends of steps they had.
struct Sums;

impl Steps for Sums {
    type Own = [AtomicUsize; 2];
    type Items = &'static mut [()];
    type Turn = AtomicUsize;

    fn task<'p>(
        &self,
        own: &mut Self::Own,
        _: At,
        _: &'p mut [()],
        (now, next): (&[AtomicUsize], &mut [AtomicUsize]),
    ) where
        Self::Items: 'p,
    {
        let sum: usize = now.iter().map(|cell| cell.load(Relaxed)).sum();
        next[0].store(sum + 1, Relaxed);
        own[0].store(own[0].load(Relaxed) + 1, Relaxed);
    }

    fn then(&self, own: &mut Self::Own, _: usize) {
        own[1].store(own[1].load(Relaxed) + 1, Relaxed);
    }
}

/// Steps of two tasks, then an ordinary phase: a thread that is behind must not take the one for the other.
fn steps(threads: usize, steps: usize) {
    let mut team = Team::new(threads);
    let cells = || [0; 2].map(AtomicUsize::new);
    let (mut even, mut odd) = (cells(), cells());
    let mut owns: Vec<_> = (0..threads).map(|_| cells()).collect();
    let (mut sum, mut ended) = (0, 0);
    deeper(2, &mut || {
        let items = Box::leak(Box::new([(); 2]));
        team.for_each_step(&Sums, &mut owns, (2, items), [&mut even, &mut odd], |_, _, now| {
            assert!(now.iter().all(|cell| cell.load(Relaxed) == sum), "what the last step wrote");
            (sum, ended) = (2 * sum + 1, ended + 1);
            if ended == steps { Break(()) } else { Continue(()) }
        });
    });
    let counted = |i: usize| -> usize { owns.iter().map(|own| own[i].load(Relaxed)).sum() };
    assert_eq!(counted(0), 2 * steps, "tasks");
    assert!((steps..=threads * steps).contains(&counted(1)), "ends of steps");
    let cells = Cells::new(2);
    team.for_each(2, |i| cells.add(i, 1));
    assert_eq!((cells.get(0), cells.get(1)), (1, 1));
}

#[test]
fn one_step_and_a_phase_on_two_threads() {
    check(Some(2), || steps(2, 1));
}

#[test]
fn two_steps_and_a_phase_on_two_threads() {
    check(Some(1), || steps(2, 2));
}
