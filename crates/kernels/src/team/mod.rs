//! A team of worker threads for phases that last microseconds.
//!
//! A phase is a parallel `for` over tasks with a barrier at its end. Each worker has a home range of
//! tasks, the same in every phase of as many tasks, so it finds its own panels again in its own cache;
//! when its range is used up it claims from the others'. A phase ends when every task is done, not when
//! every worker has come: a worker that the system has not scheduled claims nothing and is not waited
//! for.
//!
//! The protocol, all of it:
//!
//! - A task is claimed by a compare-exchange on one word that holds `(phase, next, end)` of a home range.
//!   The phase number in the word makes a claim by a late worker fail.
//! - The caller writes the job, then the claim words, then the phase number (release). A worker reads the
//!   phase number (acquire), the job, and claims. A successful claim proves that the phase it read
//!   the job of is still running: it cannot end before the claimed task is done, and the next job is not
//!   written before that.
//! - Every finished task decrements `left` (release); the caller leaves when it reads 0 (acquire).
//!
//! A team may go on from step to step, each a phase of the same job (`steps.rs`). Each thread then has something to do
//! for itself when no task of a step is left, and the next step does not wait for that:
//!
//! - A thread that has claimed its first task of such a phase counts itself among the `guests` before that task
//!   counts as done, and leaves (release) when it is through with what it does for itself. The caller waits for
//!   every guest to leave (acquire) before the job goes away. Since the last task is done by somebody who counts, a caller
//!   that reads 0 in `left` sees all that came.
//!
//! Waiting is spinning for about as long as a phase lasts, then giving up the processor, then sleep.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
use sync::thread::{JoinHandle, Thread};
use sync::{hint, thread};

mod lend;
mod steps;

pub use lend::Zip;
pub use steps::{At, Steps};

/// Atomics and threads: the real ones, or those of the model checker (`tests/loom_team.rs`).
#[allow(unexpected_cfgs, reason = "set from outside for the model checker")]
mod sync {
    #[cfg(not(loom))]
    pub(super) use {core::hint, core::sync::atomic, std::thread};
    #[cfg(loom)]
    pub(super) use {loom::hint, loom::sync::atomic, loom::thread};
    /// Whether waiting threads sleep at once: the checker need not see all the spinning.
    pub(super) const HASTY: bool = cfg!(loom);
}

/// Spins before a waiting thread first yields: some microseconds.
const SPINS: u32 = if sync::HASTY { 1 } else { 2_000 };
/// Yields before a waiting worker goes to sleep: a millisecond or two on an idle core, many times what a
/// phase lasts. Waking up takes longer than some phases: a worker that slept through one, which the caller
/// then did alone, must not fall asleep before the next.
const YIELDS: u32 = if sync::HASTY { 0 } else { 5_000 };
/// Tasks that one phase can hand out, and threads of a team; longer loops run as several phases.
const MAX_TASKS: usize = 0xfff;
/// Phase numbers start again after this one, which takes days; no worker sleeps through just as many.
const MOST_PHASES: u64 = (1 << 40) - 1;

/// `(phase, next, end)` in one word: 40, 12 and 12 bits.
#[derive(Clone, Copy)]
struct Claim {
    phase: u64,
    next: usize,
    end: usize,
}

impl Claim {
    fn pack(self) -> u64 {
        self.phase << 24 | (self.next as u64) << 12 | self.end as u64
    }
    fn unpack(word: u64) -> Claim {
        let twelve = |w: u64| (w & 0xfff) as usize;
        Claim { phase: word >> 24, next: twelve(word >> 12), end: twelve(word) }
    }
}

/// What the workers run: closures behind a thin pointer.
struct Job<'a> {
    /// Runs a task.
    run: &'a (dyn Fn(Task) + Sync),
    /// What a thread that had a task does for itself when none is left, given its number and that of the phase.
    then: Option<&'a (dyn Fn(usize, u64) + Sync)>,
}

/// A task that was claimed.
struct Task {
    /// The number of the thread that runs it.
    thread: usize,
    phase: u64,
    /// Its number in the phase.
    i: usize,
    /// Whether it is the last of those that one thread begins with.
    last: bool,
}

/// One claim word to a cache line (two, for the prefetcher that fetches pairs).
#[repr(align(128))]
struct Padded<T>(T);

struct Shared {
    phase: Padded<AtomicU64>,
    left: Padded<AtomicUsize>,
    guests: Padded<AtomicUsize>,
    job: AtomicPtr<Job<'static>>,
    claims: Box<[Padded<AtomicU64>]>,
    asleep: Box<[AtomicBool]>,
    stop: AtomicBool,
    panic: Mutex<Option<Box<dyn core::any::Any + Send>>>,
}

impl Shared {
    /// Claims and runs tasks of `phase` until none is left to claim, and then, if there was one, what this thread does for
    /// itself.
    fn work(&self, phase: u64, me: usize) {
        let job = self.job.load(Ordering::Relaxed);
        let threads = self.claims.len();
        let mut then = None;
        for home in (me..threads).chain(0..me) {
            while let Some((i, last)) = self.claim(home, phase) {
                // SAFETY: the claim succeeded, so `phase` is still running and `job` is its job (see the
                // protocol on top): the caller keeps its closures alive until `left` is 0, and this task is
                // counted in it.
                let job = unsafe { &*job };
                if then.is_none() && job.then.is_some() {
                    // From here on they are alive until this guest leaves.
                    self.guests.0.fetch_add(1, Ordering::Relaxed);
                    then = job.then;
                }
                self.catch(|| (job.run)(Task { thread: me, phase, i, last }));
                self.left.0.fetch_sub(1, Ordering::Release);
            }
        }
        if let Some(then) = then {
            self.catch(|| then(me, phase));
            self.guests.0.fetch_sub(1, Ordering::Release);
        }
    }

    /// Keeps the first panic for the caller.
    fn catch(&self, run: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
            match &*first {
                None => *first = Some(panic),
                // To drop it may panic as well, and here nothing may: the task still counts.
                Some(_) => core::mem::forget(panic),
            }
        }
    }

    /// Leaves out a panic that was kept.
    fn forget(&self) {
        core::mem::forget(self.panic.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Goes on with a panic that was kept.
    fn raise(&self) {
        let panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Waits until a count that threads take part in is 0.
    fn wait(&self, count: &AtomicUsize) {
        let mut tries = 0;
        while count.load(Ordering::Acquire) > 0 {
            tries += 1;
            if tries < SPINS {
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }

    /// A task of those that thread `home` begins with, and whether it is the last of them.
    fn claim(&self, home: usize, phase: u64) -> Option<(usize, bool)> {
        let word = &self.claims[home].0;
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            let claim = Claim::unpack(seen);
            if claim.phase != phase || claim.next >= claim.end {
                return None;
            }
            let taken = Claim { next: claim.next + 1, ..claim }.pack();
            match word.compare_exchange_weak(seen, taken, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some((claim.next, claim.next + 1 == claim.end)),
                Err(now) => seen = now,
            }
        }
    }

    /// A worker's life.
    fn serve(&self, me: usize) {
        let mut served = 0;
        while let Some(phase) = self.next_phase(me, served) {
            self.work(phase, me);
            served = phase;
        }
    }

    /// Waits for a phase other than `served`; none when the team is dropped.
    fn next_phase(&self, me: usize, served: u64) -> Option<u64> {
        let mut tries = 0;
        loop {
            let phase = self.phase.0.load(Ordering::Acquire);
            if phase != served {
                return (!self.stop.load(Ordering::Relaxed)).then_some(phase);
            }
            tries += 1;
            if tries < SPINS {
                hint::spin_loop();
            } else if tries < SPINS + YIELDS {
                thread::yield_now();
            } else {
                // The fence here and that in `publish` come in some order: either the caller sees the
                // flag and wakes us, or we see its phase and do not park.
                self.asleep[me].store(true, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                if self.phase.0.load(Ordering::Relaxed) == served {
                    thread::park();
                }
                self.asleep[me].store(false, Ordering::Relaxed);
                tries = 0;
            }
        }
    }
}

/// Threads that run phases together; the calling thread is one of them.
///
/// ```
/// let mut team = kernels::Team::new(2);
/// let mut squares = vec![0; 1000];
/// team.for_each_mut(&mut squares, |i, s| *s = i * i);
/// assert_eq!(squares[31], 961);
/// ```
pub struct Team {
    shared: Arc<Shared>,
    workers: Vec<(Thread, JoinHandle<()>)>,
    phase: u64,
}

impl Team {
    /// Tasks of a step of [`for_each_step`](Team::for_each_step), at most.
    pub const MOST_STEP_TASKS: usize = MAX_TASKS;

    /// A team of `threads`, the caller among them; 0 counts as 1.
    ///
    /// # Panics
    /// If the system refuses to start a thread, or there are more than 4,095.
    pub fn new(threads: usize) -> Team {
        Team::try_new(threads).expect("the system starts a worker thread")
    }

    /// A team of `threads`, the caller among them; 0 counts as 1.
    ///
    /// ```
    /// let mut team = kernels::Team::try_new(2).or_else(|_| kernels::Team::try_new(1))?;
    /// team.for_each(5, |_| {});
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the system says if it refuses to start a thread; [`InvalidInput`](io::ErrorKind::InvalidInput) for more than 4,095, which
    /// would never all have a task.
    pub fn try_new(threads: usize) -> io::Result<Team> {
        let threads = threads.max(1);
        if threads > MAX_TASKS {
            let why = format!("a team has {MAX_TASKS} threads at most");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let shared = Arc::new(Shared {
            phase: Padded(AtomicU64::new(0)),
            left: Padded(AtomicUsize::new(0)),
            guests: Padded(AtomicUsize::new(0)),
            job: AtomicPtr::new(core::ptr::null_mut()),
            claims: (0..threads).map(|_| Padded(AtomicU64::new(0))).collect(),
            asleep: (0..threads).map(|_| AtomicBool::new(false)).collect(),
            stop: AtomicBool::new(false),
            panic: Mutex::new(None),
        });
        let start = |me: usize| -> io::Result<_> {
            let shared = Arc::clone(&shared);
            let name = format!("weft-{me}");
            let handle = thread::Builder::new().name(name).spawn(move || shared.serve(me))?;
            Ok((handle.thread().clone(), handle))
        };
        let mut team = Team { shared: Arc::clone(&shared), workers: Vec::new(), phase: 0 };
        for me in 1..threads {
            // If this one fails, the team ends those before it.
            team.workers.push(start(me)?);
        }
        Ok(team)
    }

    /// Threads, the caller among them.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task(i)` for every `i < tasks`, on all threads, and returns when all are done.
    ///
    /// # Panics
    /// With a task's panic, when no task runs any more; tasks that had not begun may be left out.
    pub fn for_each(&mut self, tasks: usize, task: impl Fn(usize) + Sync) {
        self.run(tasks, |_, i| task(i));
    }

    /// Runs `task(thread, i)` for every `i < tasks`, where `thread` is the number of the thread that runs it.
    fn run(&mut self, tasks: usize, task: impl Fn(usize, usize) + Sync) {
        if self.workers.is_empty() || tasks <= 1 {
            return (0..tasks).for_each(|i| task(0, i));
        }
        for from in (0..tasks).step_by(MAX_TASKS) {
            let run = |Task { thread, i, .. }: Task| task(thread, from + i);
            self.phase(&Job { run: &run, then: None }, MAX_TASKS.min(tasks - from));
        }
    }

    /// Runs a phase of so many tasks.
    fn phase(&mut self, job: &Job<'_>, tasks: usize) {
        let shared = &*self.shared;
        let threads = self.workers.len() + 1;
        self.phase = (self.phase + 1) & MOST_PHASES;
        shared.job.store(core::ptr::from_ref(job).cast_mut().cast(), Ordering::Relaxed);
        shared.left.0.store(tasks, Ordering::Relaxed);
        // With fewer tasks than threads the first threads have one each, and the others may sleep on.
        let homes = threads.min(tasks);
        for (w, claim) in shared.claims.iter().enumerate() {
            let (w, after) = (w.min(homes), (w + 1).min(homes));
            let (next, end) = (w * tasks / homes, after * tasks / homes);
            let word = Claim { phase: self.phase, next, end }.pack();
            claim.0.store(word, Ordering::Release);
        }
        self.publish(homes - 1);
        shared.work(self.phase, 0);
        shared.wait(&shared.left.0);
        shared.raise();
    }

    /// Announces the phase and wakes whoever sleeps of the first `workers`.
    fn publish(&self, workers: usize) {
        self.shared.phase.0.store(self.phase, Ordering::Release);
        fence(Ordering::SeqCst);
        for (asleep, (thread, _)) in self.shared.asleep[1..].iter().zip(&self.workers).take(workers)
        {
            if asleep.load(Ordering::Relaxed) {
                thread.unpark();
            }
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.phase = (self.phase + 1) & MOST_PHASES;
        self.publish(self.workers.len());
        for (_, handle) in self.workers.drain(..) {
            // A worker catches its tasks' panics, so there is none to report here.
            let _ = handle.join();
        }
    }
}

impl core::fmt::Debug for Team {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Team").field("threads", &self.threads()).finish_non_exhaustive()
    }
}
