//! Steps: phases of one job, the next of which begins while threads still do what each does for itself.

use super::lend::{Cells, Zip};
use super::{Job, MOST_PHASES, Shared, Task, Team};
use core::ops::ControlFlow;
use std::sync::Arc;

/// Which task it is.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The number of its step, counted from 0.
    pub step: usize,
    /// Its own in the step.
    pub task: usize,
    /// Whether it is the last of the tasks that are one thread's first choice, whoever has it; the thread may take others' later.
    pub last: bool,
}

/// What a team does in steps, each of as many tasks: see [`Team::for_each_step`].
pub trait Steps: Sync {
    /// What a thread has for itself.
    type Own: Send;
    /// Mutable slices that are cut side by side, or pairs of such: each task has its piece, in every step the same.
    type Items: Zip;
    /// What a step passes on to the next.
    type Turn: Send + Sync;

    /// A task, with its piece; in `turn`, all that the step before has passed on, and this task's piece of
    /// what this step does.
    fn task<'p>(
        &self,
        own: &mut Self::Own,
        at: At,
        piece: <Self::Items as Zip>::Piece<'p>,
        turn: (&[Self::Turn], &mut [Self::Turn]),
    ) where
        Self::Items: 'p;

    /// What a thread that had a task of a step does for itself when there is none left; meanwhile others may go on to
    /// the next steps.
    fn then(&self, own: &mut Self::Own, step: usize);
}

/// Waits for the threads that still do something for themselves, whatever happens.
struct Guests<'s>(&'s Shared);

impl Drop for Guests<'_> {
    fn drop(&mut self) {
        self.0.wait(&self.0.guests.0);
        if std::thread::panicking() {
            // The caller goes on with another panic already, and the team's next job has no part in this one.
            self.0.forget();
        }
    }
}

impl Team {
    /// Takes steps of `n` tasks each until `between` breaks. That is called on this thread, when all tasks of a step are done,
    /// with what this thread has for itself, the number of the step, counted from 0, and what that one's tasks read.
    ///
    /// A step begins when the tasks of the one before are done, not when every thread is through with
    /// [`then`](Steps::then): who is behind there catches up in it.
    ///
    /// ```
    /// use core::ops::ControlFlow::{Break, Continue};
    /// use core::marker::PhantomData;
    /// use kernels::{At, Steps, Team};
    ///
    /// /// Each cell becomes the sum of all, times what its item is.
    /// struct Sums<'a>(PhantomData<&'a ()>);
    ///
    /// impl<'a> Steps for Sums<'a> {
    ///     type Own = usize;
    ///     type Items = &'a mut [u64];
    ///     type Turn = u64;
    ///
    ///     fn task<'p>(&self, _: &mut usize, _: At, item: &'p mut [u64], turn: (&[u64], &mut [u64]))
    ///     where
    ///         Self::Items: 'p,
    ///     {
    ///         turn.1[0] = item[0] * turn.0.iter().sum::<u64>();
    ///     }
    ///     fn then(&self, own: &mut usize, step: usize) {
    ///         *own += 1;
    ///     }
    /// }
    ///
    /// let (mut items, mut even, mut odd, mut seen) = ([1, 2, 3], [1, 1, 1], [0; 3], Vec::new());
    /// let turns = [&mut even[..], &mut odd[..]];
    /// Team::new(2).for_each_step(&Sums(PhantomData), &mut [0; 2], (3, &mut items[..]), turns, |_, step, now| {
    ///     seen.push(now[2]);
    ///     if step == 2 { Break(()) } else { Continue(()) }
    /// });
    /// assert_eq!((seen, odd), (vec![1, 9, 54], [108, 216, 324]));
    /// ```
    ///
    /// # Panics
    /// If a slice cannot be cut into `n` equal pieces, there are fewer `owns` than threads, or more than
    /// [`MOST_STEP_TASKS`](Team::MOST_STEP_TASKS); and with
    /// a panic of a task, of `then` or of `between`, when no thread is in the job any more.
    pub fn for_each_step<S: Steps>(
        &mut self,
        steps: &S,
        owns: &mut [S::Own],
        (n, items): (usize, S::Items),
        turns: [&mut [S::Turn]; 2],
        mut between: impl FnMut(&mut S::Own, usize, &[S::Turn]) -> ControlFlow<()>,
    ) {
        let (threads, alone) = (self.threads(), self.workers.is_empty() || n <= 1);
        assert!(owns.len() >= threads, "one's own for each of {threads} threads");
        assert!(n <= Team::MOST_STEP_TASKS, "{n} tasks; {} are the most", Team::MOST_STEP_TASKS);
        let (owns, items, turns) =
            (Cells::new(owns), items.cells(n), turns.map(|turn| turn.cells(n)));
        // Phases are counted on from the last one; alone, there are none.
        let first = self.phase + 1;
        let step_of = |phase: u64| (phase.wrapping_sub(first) & MOST_PHASES) as usize;
        // SAFETY: those who borrow this side to write to it are tasks of the steps before and after `step`. Those of
        // the one are done when a step begins, those of the other begin when `between` has returned.
        let now = |step: usize| unsafe { turns[step % 2].0.all() };
        let run = |Task { thread, phase, i, last }: Task| {
            let step = step_of(phase);
            // SAFETY: a thread does one thing at a time, and no two threads of a team have the same number.
            let own = unsafe { owns.get(thread) };
            // SAFETY: in each step, each index is handed out once, and no step begins before the tasks of the one before are
            // done. `briefly` makes the loan end with the task. Nobody reads this side of `turns` in this step.
            let (piece, next) = unsafe {
                (S::Items::piece(&items, i), <&mut [S::Turn]>::piece(&turns[(step + 1) % 2], i))
            };
            let at = At { step, task: i, last };
            steps.task(own, at, piece.briefly(), (now(step), next));
        };
        let then = |thread: usize, phase: u64| {
            // SAFETY: as above.
            steps.then(unsafe { owns.get(thread) }, step_of(phase));
        };
        let job = Job { run: &run, then: Some(&then) };
        // A handle of its own: phases need all of the team.
        let shared = Arc::clone(&self.shared);
        let guests = Guests(&shared);
        for step in 0.. {
            if alone {
                let phase = first.wrapping_add(step as u64);
                (0..n).for_each(|i| run(Task { thread: 0, phase, i, last: i + 1 == n }));
                if n > 0 {
                    then(0, phase);
                }
            } else {
                self.phase(&job, n);
            }
            // SAFETY: the caller has no task now, and is number 0.
            if between(unsafe { owns.get(0) }, step, now(step)).is_break() {
                break;
            }
        }
        drop(guests);
        shared.raise();
    }
}
