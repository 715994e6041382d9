//! Where the time of a step goes: some steps are timed, part by part, on every thread.
//!
//! The others ask one pointer whether it is there. Nothing here has a part in any number that is learned.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a thread does in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepPart {
    /// The next batch becomes floats, varied if that is wanted, and the one after it is asked for.
    Fetch,
    /// Outputs of the hidden layers; those of the first are already the next batch's. In bf16 the first
    /// layer fetches its batch by itself, as part of this.
    Forward,
    /// Logits, softmax, loss, and the gradient of the logits.
    Output,
    /// Gradients of the hidden layers' outputs.
    Backward,
    /// Gradients of the weights, each of which ends in the optimiser's update.
    Update,
    /// The average of the weights, if there is one.
    Average,
    /// The rest: threads wait for each other or for a task, or one of them works alone.
    Wait,
}

impl StepPart {
    /// All of them, in the order of a step.
    pub const ALL: [StepPart; 7] = [
        StepPart::Fetch,
        StepPart::Forward,
        StepPart::Output,
        StepPart::Backward,
        StepPart::Update,
        StepPart::Average,
        StepPart::Wait,
    ];

    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            StepPart::Fetch => "fetch",
            StepPart::Forward => "forward",
            StepPart::Output => "output",
            StepPart::Backward => "backward",
            StepPart::Update => "update",
            StepPart::Average => "average",
            StepPart::Wait => "wait",
        }
    }
}

/// How long steps took, and their parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepTimes {
    /// Steps that were timed.
    pub steps: u64,
    /// Mean time of a step, in seconds.
    pub seconds: f64,
    /// Mean time of each of [`StepPart::ALL`] in a step, in seconds: that of all threads over their number,
    /// so that the sum is that of the step, or more where a thread ends one while others have begun the next.
    pub parts: [f64; StepPart::ALL.len()],
}

/// The sums of the steps that were timed.
#[derive(Debug)]
pub(crate) struct Laps {
    /// One step in so many is timed.
    every: u64,
    steps: AtomicU64,
    /// Nanoseconds of the steps, and of them those that averaging took.
    wall: AtomicU64,
    averaging: AtomicU64,
    /// Nanoseconds of all threads.
    spent: [AtomicU64; StepPart::ALL.len()],
}

impl Laps {
    pub(crate) fn new(every: u64) -> Laps {
        let spent = [const { AtomicU64::new(0) }; StepPart::ALL.len()];
        let [steps, wall, averaging] = [const { AtomicU64::new(0) }; 3];
        Laps { every: every.max(1), steps, wall, averaging, spent }
    }

    /// Whether step `number` is timed.
    pub(crate) fn wants(&self, number: u64) -> bool {
        number.is_multiple_of(self.every)
    }

    /// A step is done, but for the average of the weights.
    pub(crate) fn step(&self, spent: Duration) {
        self.steps.fetch_add(1, Ordering::Relaxed);
        add(&self.wall, spent);
    }

    /// The average of such a step is there, too.
    pub(crate) fn average(&self, spent: Duration) {
        add(&self.wall, spent);
        add(&self.averaging, spent);
    }

    /// The means, if any step was timed.
    pub(crate) fn times(&self, threads: usize) -> Option<StepTimes> {
        let timed = self.steps.load(Ordering::Relaxed);
        let steps = (timed > 0).then_some(timed as f64)?;
        let mean = |nanos: &AtomicU64| nanos.load(Ordering::Relaxed) as f64 * 1e-9 / steps;
        let seconds = mean(&self.wall);
        let mut parts = self.spent.each_ref().map(|nanos| mean(nanos) / threads as f64);
        parts[StepPart::Average as usize] = mean(&self.averaging);
        let known: f64 = parts.iter().sum();
        parts[StepPart::Wait as usize] = (seconds - known).max(0.0);
        Some(StepTimes { steps: timed, seconds, parts })
    }
}

/// Any thread may add, while others do.
fn add(nanos: &AtomicU64, spent: Duration) {
    nanos.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Times the parts of a step, if it is one that is timed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock<'l>(pub(crate) Option<&'l Laps>);

impl<'l> Clock<'l> {
    /// For step `number`.
    #[inline]
    pub(crate) fn of(laps: Option<&'l Laps>, number: u64) -> Clock<'l> {
        Clock(laps.filter(|laps| laps.wants(number)))
    }

    /// A thread begins with something.
    #[inline]
    pub(crate) fn start(self) -> Watch<'l> {
        Watch(self.0.map(|laps| (laps, Instant::now())))
    }
}

/// Times what one thread does.
#[derive(Debug)]
pub(crate) struct Watch<'l>(Option<(&'l Laps, Instant)>);

impl Watch<'_> {
    /// What was done since the last call, or the start, was this.
    #[inline]
    pub(crate) fn lap(&mut self, part: StepPart) {
        if let Some((laps, since)) = &mut self.0 {
            let now = Instant::now();
            add(&laps.spent[part as usize], now - *since);
            *since = now;
        }
    }
}
