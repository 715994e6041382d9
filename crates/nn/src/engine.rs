//! What a network runs on: an instruction set and a team of threads.

use crate::error::Error;
use crate::infer::Scratch;
use kernels::{Isa, Team};

/// An instruction set and a team of threads. Neither changes a bit of any result (see
/// [`Isa::fused`] for the one exception).
#[derive(Debug)]
pub struct Engine {
    pub(crate) isa: Isa,
    pub(crate) team: Team,
    /// Memory of the last prediction, which the next one need not ask for again.
    pub(crate) scratch: Vec<Scratch>,
}

impl Engine {
    /// An engine with `threads` threads, or as many as the process may use, and the given instruction
    /// set, or the best of this CPU.
    ///
    /// # Panics
    /// If the system refuses to start a thread, or there are to be more than a [`Team`] can have.
    pub fn new(threads: Option<usize>, isa: Option<Isa>) -> Engine {
        Engine::try_new(threads, isa).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`new`](Engine::new), for callers who can go on with fewer threads or say what is wrong.
    ///
    /// ```
    /// use nn::Engine;
    /// let engine = Engine::try_new(Some(2), None).or_else(|_| Engine::try_new(Some(1), None))?;
    /// assert!(engine.threads() <= 2);
    /// assert!(Engine::try_new(Some(100_000), None).is_err());
    /// # Ok::<(), nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Machine`] if the system refuses to start a thread, or there are to be more than a [`Team`] can have.
    pub fn try_new(threads: Option<usize>, isa: Option<Isa>) -> Result<Engine, Error> {
        let available = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or_else(available);
        let team = Team::try_new(threads)
            .map_err(|why| Error::Machine(format!("{threads} threads cannot be started: {why}")))?;
        Ok(Engine { isa: isa.unwrap_or_else(Isa::best), team, scratch: Vec::new() })
    }

    /// A team of `most` threads, if this one has more; none, too, if the system refuses to start them.
    pub(crate) fn smaller(&self, most: usize) -> Option<Team> {
        (most < self.threads()).then(|| Team::try_new(most).ok()).flatten()
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Threads, the caller among them.
    pub fn threads(&self) -> usize {
        self.team.threads()
    }
}
