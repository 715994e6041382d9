//! How the command ends: exit codes, and errors in three parts.

use std::fmt::{self, Display};
use std::io;
use std::path::Path;

/// What a script can tell from the exit code; `weft --help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Anything else.
    Other = 1,
    /// The command line.
    Usage = 2,
    /// The data set, or a picture to predict.
    Data = 3,
    /// The loss is no longer finite.
    Diverged = 4,
    /// A file or folder could not be read or written.
    Io = 5,
    /// A model file is not one.
    Model = 6,
    /// The terminal was closed.
    HungUp = 129,
    /// The user pressed Ctrl-C.
    Interrupted = 130,
    /// The system asked to end.
    Terminated = 143,
}

/// Why a command failed: what is wrong, where, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) what: String,
    pub(crate) place: Option<String>,
    pub(crate) next: Option<String>,
    /// Nobody reads our output any more: end without a word.
    pub(crate) silent: bool,
}

/// What a command gives back.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(code: Code, what: impl Display) -> Failure {
        Failure { code, what: what.to_string(), place: None, next: None, silent: false }
    }

    /// Says where.
    pub(crate) fn at(mut self, place: impl Display) -> Failure {
        self.place = Some(place.to_string());
        self
    }

    /// Says what to do next.
    pub(crate) fn next(mut self, next: impl Display) -> Failure {
        self.next = Some(next.to_string());
        self
    }

    pub(crate) fn usage(what: impl Display) -> Failure {
        Failure::new(Code::Usage, what)
    }

    /// A setting that cannot be, in the words of the library.
    pub(crate) fn setting(what: impl Display) -> Failure {
        Failure::usage("a setting cannot be used")
            .at(what)
            .next("choose another value or leave it out; `weft train --help` has them all")
    }

    /// A file or folder that the system refused.
    pub(crate) fn io(what: impl Display, path: &Path, error: &io::Error) -> Failure {
        Failure::new(Code::Io, what).at(format_args!("{}: {error}", path.display()))
    }

    /// Standard output did not take what we wrote. A closed pipe is the reader's way to say "enough".
    pub(crate) fn stdout(error: &io::Error) -> Failure {
        let mut failure = Failure::new(Code::Io, "cannot write to standard output").at(error);
        failure.silent = error.kind() == io::ErrorKind::BrokenPipe;
        failure
    }

    /// The same where work is left undone, and a closed pipe is a failure like others.
    pub(crate) fn aloud(self) -> Failure {
        Failure { silent: false, ..self }
    }

    /// The number that the process ends with.
    pub(crate) fn status(&self) -> u8 {
        if self.silent { 0 } else { self.code as u8 }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(place) = &self.place {
            write!(f, "\n  where: {place}")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  next:  {next}")?;
        }
        Ok(())
    }
}

/// The codes, as `weft --help` shows them.
pub(crate) const HELP: &str = "\
Exit codes:
  0    success
  1    any other failure
  2    the command line is wrong
  3    the data set or a picture is missing or bad
  4    training diverged: the loss is no longer finite
  5    a file, a folder or standard output cannot be read or written
  6    a model file is not one, or does not fit
  129  the terminal was closed (Linux); `weft train` saves its state before
  130  interrupted by Ctrl-C (143: by SIGTERM); `weft train` saves its state before";
