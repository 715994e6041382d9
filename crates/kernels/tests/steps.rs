//! Steps of a team: in order, each task once, and nobody waits for what a thread does for itself.

use kernels::{At, Steps, Team};
use std::marker::PhantomData;
use std::ops::ControlFlow::{self, Break, Continue};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

/// What a thread has for itself.
#[derive(Clone, Debug, Default, PartialEq)]
struct Own {
    me: usize,
    /// The step of the last task, and the steps that were ended.
    step: Option<usize>,
    ended: Vec<usize>,
    /// Tasks that were the last of those that a thread begins with.
    lasts: usize,
}

fn owns(threads: usize) -> Vec<Own> {
    (0..threads).map(|me| Own { me, ..Own::default() }).collect()
}

/// Each cell becomes a mixture of all those before it and of what its task has counted.
struct Mixing<'a>(PhantomData<&'a ()>);

fn mixed(cells: &[u64], i: usize, counted: u64) -> u64 {
    cells.iter().fold(i as u64, |sum, cell| sum.wrapping_mul(31).wrapping_add(*cell)) ^ counted
}

impl<'a> Steps for Mixing<'a> {
    type Own = Own;
    type Items = (&'a mut [u64], &'a mut [Vec<usize>]);
    type Turn = u64;

    fn task<'p>(
        &self,
        own: &mut Own,
        At { step, task: i, last }: At,
        (count, seen): (&'p mut [u64], &'p mut [Vec<usize>]),
        (now, next): (&[u64], &mut [u64]),
    ) where
        Self::Items: 'p,
    {
        count[0] += 1;
        seen[0].push(step);
        next[0] = mixed(now, i, count[0]);
        assert!(
            own.step <= Some(step) && !own.ended.contains(&step),
            "its end is behind its tasks"
        );
        own.step = Some(step);
        own.lasts += usize::from(last);
    }

    fn then(&self, own: &mut Own, step: usize) {
        assert_eq!(own.step, Some(step), "the end of a step whose task this thread had");
        own.ended.push(step);
    }
}

#[test]
fn steps_without_tasks_have_no_end_of_their_own() {
    for threads in [1, 3] {
        let (mut owns, mut steps) = (owns(threads), 0);
        let none: (&mut [u64], &mut [Vec<usize>]) = (&mut [], &mut []);
        let job = (0, none);
        let between = |_: &mut Own, step: usize, _: &[u64]| {
            steps += 1;
            if step == 2 { Break(()) } else { Continue(()) }
        };
        let turns: [&mut [u64]; 2] = [&mut [], &mut []];
        Team::new(threads).for_each_step(&Mixing(PhantomData), &mut owns, job, turns, between);
        assert_eq!((steps, owns.iter().all(|own| own.ended.is_empty())), (3, true));
    }
}

#[test]
fn each_task_runs_once_in_each_step_and_reads_what_the_step_before_wrote() {
    for threads in 1..=8 {
        let mut team = Team::new(threads);
        for (n, steps) in [(1, 5), (2, 2_000), (3, 200), (8, 100), (61, 20)] {
            let (mut counts, mut seen, mut owns) = (vec![0; n], vec![Vec::new(); n], owns(threads));
            let (mut even, mut odd) = (vec![1; n], vec![0; n]);
            let mut expected = even.clone();
            let items = (n, (&mut counts[..], &mut seen[..]));
            let turns = [&mut even[..], &mut odd[..]];
            let mut ended = 0;
            team.for_each_step(&Mixing(PhantomData), &mut owns, items, turns, |own, step, now| {
                assert_eq!((own.me, step), (0, ended), "the caller, after each step");
                assert_eq!(now, expected, "{n} tasks on {threads} threads, step {step}");
                expected = (0..n).map(|i| mixed(now, i, step as u64 + 1)).collect();
                ended += 1;
                if ended == steps { Break(()) } else { Continue(()) }
            });
            assert_eq!(if steps % 2 == 0 { even } else { odd }, expected, "of the last step");
            assert!(seen.iter().all(|seen| seen.iter().copied().eq(0..steps)), "{n}, {threads}");
            let lasts: usize = owns.iter().map(|own| own.lasts).sum();
            assert_eq!(lasts, steps * n.min(threads), "one of each thread that has a task");
            for step in 0..steps {
                let who = owns.iter().filter(|own| own.ended.contains(&step)).count();
                assert!((1..=n.min(threads)).contains(&who), "{who} threads ended step {step}");
            }
        }
    }
}

/// Steps of two tasks, which two threads have one each of in the first; what the others do is given.
struct Given<F, G> {
    started: AtomicUsize,
    task: F,
    then: G,
}

impl<F: Fn(usize, usize) + Sync, G: Fn(usize, usize) + Sync> Steps for Given<F, G> {
    type Own = Own;
    type Items = &'static mut [()];
    type Turn = ();

    fn task<'p>(&self, own: &mut Own, At { step, .. }: At, _: &'p mut [()], _: (&[()], &mut [()]))
    where
        Self::Items: 'p,
    {
        self.started.fetch_add(1, SeqCst);
        while self.started.load(SeqCst) < 2 {
            thread::yield_now();
        }
        (self.task)(own.me, step);
    }

    fn then(&self, own: &mut Own, step: usize) {
        (self.then)(own.me, step);
    }
}

/// Takes such steps on two threads.
fn given(
    team: &mut Team,
    task: impl Fn(usize, usize) + Sync,
    then: impl Fn(usize, usize) + Sync,
    mut between: impl FnMut(usize) -> ControlFlow<()>,
) {
    let steps = Given { started: AtomicUsize::new(0), task, then };
    let (items, mut turns) = (Box::leak(Box::new([(); 2])), [[(); 2]; 2]);
    let [even, odd] = &mut turns;
    team.for_each_step(&steps, &mut owns(2), (2, items), [even, odd], |_, step, _| between(step));
}

#[test]
fn steps_go_on_while_a_thread_still_does_something_for_itself() {
    let (third, through) = (AtomicBool::new(false), AtomicBool::new(false));
    // The worker does not come out of its first step before the caller is through with the third.
    let then = |me: usize, step: usize| {
        if (me, step) == (1, 0) {
            while !third.load(SeqCst) {
                thread::yield_now();
            }
            through.store(true, SeqCst);
        }
    };
    given(
        &mut Team::new(2),
        |_, _| (),
        then,
        |step| {
            third.store(step == 2, SeqCst);
            if step == 2 { Break(()) } else { Continue(()) }
        },
    );
    assert!(through.load(SeqCst), "the caller has waited for the worker in the end");
}

#[test]
fn a_panic_anywhere_comes_out_when_nobody_is_in_the_job_any_more() {
    let mut team = Team::new(2);
    for (place, who) in [("task", 0), ("task", 1), ("then", 0), ("then", 1), ("between", 0)] {
        let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let fail = |at: &str, me: usize, step: usize| {
            assert!((at, me, step) != (place, who, 0), "as planned");
        };
        let then = |me: usize, step: usize| {
            begun.fetch_add(1, SeqCst);
            if me == 1 && who == 0 {
                thread::sleep(std::time::Duration::from_millis(20));
            }
            ended.fetch_add(1, SeqCst);
            fail("then", me, step);
        };
        let between = |step: usize| {
            fail("between", 0, step);
            if step == 1 { Break(()) } else { Continue(()) }
        };
        let task = |me: usize, step: usize| fail("task", me, step);
        let panic = catch_unwind(AssertUnwindSafe(|| given(&mut team, task, then, between)));
        let panic = panic.expect_err(place).downcast::<&str>().expect("a text");
        assert_eq!((*panic, begun.load(SeqCst)), ("as planned", ended.load(SeqCst)), "{place}");
    }
    let mut items = [0; 100];
    team.for_each_mut(&mut items, |i, item| *item = i);
    assert!(items.iter().enumerate().all(|(i, item)| i == *item), "the team goes on");
}

/// One in a task, and in the same step one of the other thread when it has no task left.
#[test]
fn of_two_panics_one_comes_out_and_none_stays_behind() {
    let mut team = Team::new(2);
    let fail = |on: usize| move |me: usize, _: usize| assert!(me != on, "as planned");
    let run = || given(&mut team, fail(0), fail(1), |_| Break(()));
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("a panic comes out");
    assert_eq!(panic.downcast_ref(), Some(&"as planned"));
    team.for_each(100, |_| {});
}

#[test]
#[should_panic(expected = "5000 tasks; 4095 are the most")]
fn too_many_tasks_are_refused() {
    let (mut counts, mut seen) = (vec![0; 5000], vec![Vec::new(); 5000]);
    let (mut even, mut odd) = (vec![0; 5000], vec![0; 5000]);
    let (items, turns) = ((5000, (&mut counts[..], &mut seen[..])), [&mut even[..], &mut odd[..]]);
    let between = |_: &mut Own, _: usize, _: &[u64]| Break(());
    Team::new(2).for_each_step(&Mixing(PhantomData), &mut owns(2), items, turns, between);
}
