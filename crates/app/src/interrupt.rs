//! Ctrl-C while training: the first asks for an orderly end, the second ends the process at once.

use crate::exit::{Code, Failure, Outcome};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Listens as long as it lives; after that a single signal ends the process.
#[derive(Debug)]
pub(crate) struct Interrupt {
    signal: Arc<AtomicUsize>,
    /// Whether the next signal ends the process.
    last: Arc<AtomicBool>,
}

impl Interrupt {
    /// Begins to listen.
    pub(crate) fn listen() -> Outcome<Interrupt> {
        let (signal, last) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        for number in [SIGINT, SIGTERM] {
            // In this order: the first signal finds that it is not the last, and says that the next is.
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&last))
                .and_then(|_| flag::register(number, Arc::clone(&last)))
                .and_then(|_| flag::register_usize(number, Arc::clone(&signal), number as usize))
                .map_err(|e| Failure::new(Code::Other, "cannot listen for Ctrl-C").at(e))?;
        }
        Ok(Interrupt { signal, last })
    }

    /// The exit code to end with, once a signal has come.
    pub(crate) fn code(&self) -> Option<Code> {
        match self.signal.load(Ordering::Relaxed) as i32 {
            0 => None,
            SIGINT => Some(Code::Interrupted),
            _ => Some(Code::Terminated),
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.last.store(true, Ordering::Relaxed);
    }
}
