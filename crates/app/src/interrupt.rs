//! Signals while training: Ctrl-C, SIGTERM, and on Linux the end of the terminal. The first asks for an orderly end; the second
//! ends the process at once, unless it only says once more that the terminal is gone.

use crate::exit::{Code, Failure, Outcome};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Listens as long as it lives; after that a single signal ends the process.
#[derive(Debug, Default)]
pub(crate) struct Interrupt {
    signal: Arc<AtomicUsize>,
    /// Whether the next signal ends the process.
    last: Arc<AtomicBool>,
    /// The same of SIGHUP, which comes more than once when a terminal is closed: from the system and from the shell.
    over: Arc<AtomicBool>,
}

impl Interrupt {
    /// Begins to listen.
    pub(crate) fn listen() -> Outcome<Interrupt> {
        let all = Interrupt::default();
        all.register().map_err(|e| Failure::new(Code::Other, "cannot listen for Ctrl-C").at(e))?;
        Ok(all)
    }

    fn register(&self) -> io::Result<()> {
        let Interrupt { signal, last, over } = self;
        for number in [SIGINT, SIGTERM] {
            // In this order: the first signal finds that it is not the last, and says that the next is.
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(last))?;
            flag::register(number, Arc::clone(last))?;
            flag::register_usize(number, Arc::clone(signal), number as usize)?;
        }
        if let Some(number) = hangup() {
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(over))?;
            flag::register_usize(number, Arc::clone(signal), number as usize)?;
        }
        Ok(())
    }

    /// The exit code to end with, once a signal has come.
    pub(crate) fn code(&self) -> Option<Code> {
        match self.signal.load(Ordering::Relaxed) as i32 {
            0 => None,
            SIGINT => Some(Code::Interrupted),
            SIGTERM => Some(Code::Terminated),
            _ => Some(Code::HungUp),
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.last.store(true, Ordering::Relaxed);
        // Whoever ends because the terminal was closed is not disturbed by hearing of it again.
        self.over.store(self.code() != Some(Code::HungUp), Ordering::Relaxed);
    }
}

/// SIGHUP, unless it is ignored, as `nohup` has it, or nobody can tell: that it is ignored must stay so.
#[cfg(target_os = "linux")]
fn hangup() -> Option<i32> {
    use signal_hook::consts::SIGHUP;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let ignored = u64::from_str_radix(ignored.trim(), 16).ok()?;
    (ignored >> (SIGHUP - 1) & 1 == 0).then_some(SIGHUP)
}

#[cfg(not(target_os = "linux"))]
fn hangup() -> Option<i32> {
    None
}
