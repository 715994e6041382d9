//! What a program can read of a run: one JSON object a line.
//!
//! Every line has `schema` and `event`. `start` comes first and has everything that was resolved, `epoch` after
//! each epoch, `result` last, or `error`; both if only the pictures could not be drawn. Fields are only ever added within a schema.

use crate::exit::{Failure, Outcome};
use crate::term;
use serde::Serialize;

/// Version of the events.
pub(crate) const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Line<'e, T> {
    schema: u32,
    event: &'e str,
    #[serde(flatten)]
    fields: &'e T,
}

/// One event as a line.
pub(crate) fn line(event: &str, fields: &impl Serialize) -> Outcome<Vec<u8>> {
    let mut line = serde_json::to_vec(&Line { schema: SCHEMA, event, fields })
        .map_err(|e| Failure::new(crate::exit::Code::Other, "cannot write an event").at(e))?;
    line.push(b'\n');
    Ok(line)
}

/// The events of a run: printed if that is wanted, and kept.
#[derive(Debug, Default)]
pub(crate) struct Events {
    print: bool,
    log: Vec<u8>,
}

impl Events {
    pub(crate) fn new(print: bool) -> Events {
        Events { print, log: Vec::new() }
    }

    /// Keeps an event, and prints it if that is wanted.
    pub(crate) fn emit(&mut self, event: &str, fields: &impl Serialize) -> Outcome {
        let line = line(event, fields)?;
        self.log.extend_from_slice(&line);
        if self.print { term::print_bytes(&line) } else { Ok(()) }
    }

    /// Keeps an event of the past, which was printed when it happened.
    pub(crate) fn keep(&mut self, event: &str, fields: &impl Serialize) -> Outcome {
        let line = line(event, fields)?;
        self.log.extend_from_slice(&line);
        Ok(())
    }

    /// Keeps the event of a failure. The one who ends the process prints it.
    pub(crate) fn keep_failure(&mut self, failure: &Failure) {
        if let Ok(line) = line("error", &Ended::from(failure)) {
            self.log.extend_from_slice(&line);
        }
    }

    /// All events so far.
    pub(crate) fn log(&self) -> &[u8] {
        &self.log
    }
}

/// A failure as an event.
#[derive(Serialize)]
pub(crate) struct Ended<'f> {
    code: u8,
    what: &'f str,
    #[serde(rename = "where")]
    place: Option<&'f str>,
    next: Option<&'f str>,
}

impl<'f> From<&'f Failure> for Ended<'f> {
    fn from(failure: &'f Failure) -> Ended<'f> {
        let Failure { what, place, next, .. } = failure;
        let (place, next) = (place.as_deref(), next.as_deref());
        Ended { code: failure.status(), what, place, next }
    }
}

/// Prints the event of a failure.
pub(crate) fn print_failure(failure: &Failure) {
    if failure.silent {
        return;
    }
    // If that fails too, the exit code remains.
    if let Ok(line) = line("error", &Ended::from(failure)) {
        let _ = term::print_bytes(&line);
    }
}
