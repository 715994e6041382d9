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
//! Waiting is spinning for about as long as a phase lasts, then giving up the processor, then sleep.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
use sync::thread::{JoinHandle, Thread};
use sync::{hint, thread};

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
/// Tasks that one phase can hand out; longer loops run as several phases.
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

/// What the workers run: a closure behind a thin pointer, and how to call it.
struct Job<'a> {
    /// Given the number of the thread and that of the task.
    run: &'a (dyn Fn(usize, usize) + Sync),
}

/// One claim word to a cache line (two, for the prefetcher that fetches pairs).
#[repr(align(128))]
struct Padded<T>(T);

struct Shared {
    phase: Padded<AtomicU64>,
    left: Padded<AtomicUsize>,
    job: AtomicPtr<Job<'static>>,
    claims: Box<[Padded<AtomicU64>]>,
    asleep: Box<[AtomicBool]>,
    stop: AtomicBool,
    panic: Mutex<Option<Box<dyn core::any::Any + Send>>>,
}

impl Shared {
    /// Claims and runs tasks of `phase` until none is left to claim.
    fn work(&self, phase: u64, me: usize) {
        let job = self.job.load(Ordering::Relaxed);
        let threads = self.claims.len();
        for home in (me..threads).chain(0..me) {
            while let Some(task) = self.claim(home, phase) {
                // SAFETY: the claim succeeded, so `phase` is still running and `job` is its job (see the
                // protocol on top): `run` keeps the closure alive until `left` is 0, and this task is
                // counted in it.
                let job = unsafe { &*job };
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (job.run)(me, task))) {
                    *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                }
                self.left.0.fetch_sub(1, Ordering::Release);
            }
        }
    }

    fn claim(&self, home: usize, phase: u64) -> Option<usize> {
        let word = &self.claims[home].0;
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            let claim = Claim::unpack(seen);
            if claim.phase != phase || claim.next >= claim.end {
                return None;
            }
            let taken = Claim { next: claim.next + 1, ..claim }.pack();
            match word.compare_exchange_weak(seen, taken, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(claim.next),
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
    /// A team of `threads`, the caller among them; 0 counts as 1.
    ///
    /// # Panics
    /// If the system refuses to start a thread.
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
    /// What the system says if it refuses to start a thread.
    pub fn try_new(threads: usize) -> io::Result<Team> {
        let threads = threads.max(1);
        let shared = Arc::new(Shared {
            phase: Padded(AtomicU64::new(0)),
            left: Padded(AtomicUsize::new(0)),
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
            self.phase(MAX_TASKS.min(tasks - from), &|thread, i| task(thread, from + i));
        }
    }

    /// Runs `task(i, &mut items[i])` for every item, as [`for_each`](Team::for_each) does.
    ///
    /// # Panics
    /// With a task's panic, when no task runs any more; tasks that had not begun may be left out.
    pub fn for_each_mut<T: Send>(&mut self, items: &mut [T], task: impl Fn(usize, &mut T) + Sync) {
        let cells = Cells::new(items);
        // SAFETY: `for_each` hands out each index once, so each item has one borrower.
        self.for_each(cells.len(), |i| task(i, unsafe { cells.get(i) }));
    }

    /// Runs `a(own, i, &mut first[i])` and `b(own, j, &mut second[j])` for all items of both in one phase, in
    /// each thread's range those of the first before those of the second. `own` is what the thread that runs a
    /// task has for itself: one of `owns`.
    ///
    /// # Panics
    /// If there are fewer `owns` than threads; and with a task's panic, when no task runs any more. Tasks that
    /// had not begun may be left out.
    pub fn for_each_mut2<O: Send, T: Send, U: Send>(
        &mut self,
        owns: &mut [O],
        (first, a): (&mut [T], impl Fn(&mut O, usize, &mut T) + Sync),
        second: (&mut [U], impl Fn(&mut O, usize, &mut U) + Sync),
    ) {
        let (second, b) = second;
        let a = |own: &mut O, i: usize, item: &mut [T]| a(own, i, &mut item[0]);
        let b = |own: &mut O, i: usize, item: &mut [U]| b(own, i, &mut item[0]);
        self.for_each_zip(owns, (first.len(), first, a), (second.len(), second, b));
    }

    /// Cuts what `first` is into `n` equal pieces and runs `a(own, i, piece i)` for all of them, and in the same phase
    /// `b(own, j, piece j)` for `m` pieces of `second`. `own` is what the thread that runs a task has for itself: one
    /// of `owns`. Slices that are cut side by side are pairs, or pairs of pairs, and so are their pieces.
    ///
    /// ```
    /// use kernels::Team;
    /// let (mut owns, mut a, mut b) = ([0; 2], [1, 2, 3, 4, 5, 6], ["x", "y", "z"].map(String::from));
    /// let piece = |own: &mut i32, i: usize, (a, b): (&mut [i32], &mut [String])| {
    ///     *own += 1;
    ///     b[0] = format!("{i}: {} and {}", a[0], a[1]);
    /// };
    /// let nothing = (0, &mut [][..], |_: &mut i32, _, _: &mut [()]| ());
    /// Team::new(2).for_each_zip(&mut owns, (3, (&mut a[..], &mut b[..]), piece), nothing);
    /// assert_eq!((owns.iter().sum(), &b[2][..]), (3, "2: 5 and 6"));
    /// ```
    ///
    /// # Panics
    /// If a slice cannot be cut into `n` equal pieces, or there are fewer `owns` than threads; and with a task's
    /// panic, when no task runs any more. Tasks that had not begun may be left out.
    pub fn for_each_zip<O: Send, T: Zip, U: Zip>(
        &mut self,
        owns: &mut [O],
        (n, first, a): (usize, T, impl Fn(&mut O, usize, T) + Sync),
        (m, second, b): (usize, U, impl Fn(&mut O, usize, U) + Sync),
    ) {
        let (ts, us, threads) = (first.cells(n), second.cells(m), self.threads());
        assert!(owns.len() >= threads, "one's own for each of {threads} threads");
        let owns = Cells::new(owns);
        self.run(n + m, |thread, i| {
            // SAFETY: a thread runs one task at a time, and no two threads of a team have the same number.
            let own = unsafe { owns.get(thread) };
            match dealt(i, n, m, threads) {
                // SAFETY: `run` hands out each index once and `dealt` is one to one, so each piece has one
                // borrower.
                Kind::First(i) => a(own, i, unsafe { T::piece(&ts, i) }),
                // SAFETY: as above.
                Kind::Second(j) => b(own, j, unsafe { U::piece(&us, j) }),
            }
        });
    }

    fn phase(&mut self, tasks: usize, run: &(dyn Fn(usize, usize) + Sync)) {
        let shared = &*self.shared;
        let threads = self.workers.len() + 1;
        let job = Job { run };
        self.phase = (self.phase + 1) & MOST_PHASES;
        shared.job.store((&raw const job).cast_mut().cast(), Ordering::Relaxed);
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
        let mut tries = 0;
        while shared.left.0.load(Ordering::Acquire) > 0 {
            tries += 1;
            if tries < SPINS {
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
        let panic = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
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

/// A task of a phase with two kinds of them.
#[derive(Debug, PartialEq)]
enum Kind {
    First(usize),
    Second(usize),
}

/// Task `i` of `n` of the first kind and `m` of the second. Where they can be dealt out evenly, each thread's
/// home range has its share of both, so that nobody has to come for what is left at the end; else all of the
/// first kind come before the second.
fn dealt(i: usize, n: usize, m: usize, threads: usize) -> Kind {
    let (threads, [n, m]) = match [n, m].map(|count| count.is_multiple_of(threads)) {
        [true, true] => (threads, [n / threads, m / threads]),
        _ => (1, [n, m]),
    };
    debug_assert!(i < threads * (n + m));
    let (thread, at) = (i / (n + m), i % (n + m));
    if at < n { Kind::First(thread * n + at) } else { Kind::Second(thread * m + at - n) }
}

/// What [`Team::for_each_zip`] cuts into pieces: a mutable slice, or a pair of such.
pub trait Zip: Sized {
    /// All pieces.
    #[doc(hidden)]
    type Cells: Sync;

    /// Makes `n` pieces.
    #[doc(hidden)]
    fn cells(self, n: usize) -> Self::Cells;

    /// Piece `i`.
    ///
    /// # Safety
    /// Nobody else borrows it as long as this is borrowed.
    #[doc(hidden)]
    unsafe fn piece(cells: &Self::Cells, i: usize) -> Self;
}

impl<'a, T: Send> Zip for &'a mut [T] {
    type Cells = (Cells<'a, T>, usize);

    fn cells(self, n: usize) -> Self::Cells {
        let (len, piece) = (self.len(), self.len() / n.max(1));
        assert_eq!(piece * n, len, "{len} items in {n} equal pieces");
        (Cells::new(self), piece)
    }

    unsafe fn piece((cells, len): &Self::Cells, i: usize) -> Self {
        // SAFETY: pieces do not overlap, and the caller vouches for the exclusiveness of this one.
        unsafe { cells.piece(i * len, *len) }
    }
}

impl<A: Zip, B: Zip> Zip for (A, B) {
    type Cells = (A::Cells, B::Cells);

    fn cells(self, n: usize) -> Self::Cells {
        (self.0.cells(n), self.1.cells(n))
    }

    unsafe fn piece((a, b): &Self::Cells, i: usize) -> Self {
        // SAFETY: the caller vouches for the exclusiveness of both.
        unsafe { (A::piece(a, i), B::piece(b, i)) }
    }
}

/// A mutable slice that several threads borrow different items of.
#[derive(Debug)]
pub struct Cells<'a, T>(&'a [UnsafeCell<T>]);

// SAFETY: an item is reached only through `get` and `piece`, whose callers vouch for exclusiveness; the items
// themselves may move between threads.
unsafe impl<T: Send> Sync for Cells<'_, T> {}

impl<'a, T> Cells<'a, T> {
    fn new(items: &'a mut [T]) -> Self {
        // SAFETY: `UnsafeCell<T>` has the layout of `T`, and the exclusive borrow is given up for 'a.
        Cells(unsafe { &*(core::ptr::from_mut(items) as *const [UnsafeCell<T>]) })
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    /// # Safety
    /// Nobody else borrows item `i` meanwhile.
    #[expect(clippy::mut_from_ref, reason = "that is what the contract is about")]
    unsafe fn get(&self, i: usize) -> &mut T {
        // SAFETY: the caller vouches for exclusiveness; the slice outlives `self`.
        unsafe { &mut *self.0[i].get() }
    }

    /// # Safety
    /// Nobody else borrows the items `from..from + len` as long as these are borrowed.
    unsafe fn piece(&self, from: usize, len: usize) -> &'a mut [T] {
        let piece = &self.0[from..from + len];
        // SAFETY: the caller vouches for exclusiveness; the slice is borrowed for 'a, and `UnsafeCell<T>` has
        // the layout of `T`.
        unsafe { core::slice::from_raw_parts_mut(UnsafeCell::raw_get(piece.as_ptr()), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_dealt_once() {
        for (n, m, threads) in [(2, 2, 2), (4, 6, 2), (3, 5, 2), (8, 0, 4), (0, 3, 3), (1, 1, 1)] {
            let all: Vec<Kind> = (0..n + m).map(|i| dealt(i, n, m, threads)).collect();
            assert!((0..n).all(|i| all.contains(&Kind::First(i))), "{n} {m} {threads}");
            assert!((0..m).all(|j| all.contains(&Kind::Second(j))), "{n} {m} {threads}");
        }
    }

    #[test]
    fn threads_have_their_share_of_both_kinds() {
        let range = |thread: usize| [2 * thread, 2 * thread + 1].map(|i| dealt(i, 2, 2, 2));
        assert_eq!(range(0), [Kind::First(0), Kind::Second(0)]);
        assert_eq!(range(1), [Kind::First(1), Kind::Second(1)]);
    }
}
