//! What can be wrong with a file, by who is at fault.

use std::path::PathBuf;

/// Why bytes are not an IDX file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: expected {expected}, found {found}{}", hint(next))]
pub struct FormatError {
    /// Where the bytes stop making sense.
    pub offset: usize,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// What to do about it, if that is known.
    pub next: Option<&'static str>,
}

fn hint(next: &Option<&'static str>) -> String {
    next.map_or_else(String::new, |n| format!("; {n}"))
}

/// An error with the file it is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system could not open, map or read the file.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not IDX.
    #[error("{} is not a valid IDX file: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: FormatError,
    },
    /// The file is IDX, but not of the type or the number of dimensions that is needed.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is needed.
        expected: String,
        /// What the file holds.
        found: String,
    },
    /// Two files that should belong together do not.
    #[error("{} and {} do not belong together: {what}", images.display(), labels.display())]
    Mismatch {
        /// The file of images.
        images: PathBuf,
        /// The file of labels.
        labels: PathBuf,
        /// How they differ.
        what: String,
    },
}
