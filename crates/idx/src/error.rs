//! What can be wrong with a file, by who is at fault.

use std::fmt;
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
    #[error("cannot read {}: {source}; check that the file is there and may be read", path.display())]
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
    #[error(
        "{}, at bytes 2 and 3: expected {expected}, found {found}; name a file that holds them (are images and labels swapped?)",
        path.display()
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is needed.
        expected: String,
        /// What the file holds.
        found: String,
    },
    /// Two files that should belong together do not.
    #[error(
        "{} and {} do not belong together: {what}; {}",
        images.display(), labels.display(), what.next()
    )]
    Mismatch {
        /// The file of images.
        images: PathBuf,
        /// The file of labels.
        labels: PathBuf,
        /// How they differ.
        what: Difference,
    },
}

/// Why images and labels do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// There is not one label for each image.
    Count {
        /// How many images there are.
        images: usize,
        /// How many labels there are.
        labels: usize,
    },
    /// A label names a class that is not known.
    Label {
        /// The image that has the label: the first of them.
        index: usize,
        /// Where the label is in its file.
        offset: usize,
        /// The label.
        label: i32,
        /// How many classes there are; labels are below.
        classes: usize,
    },
}

impl Difference {
    /// What to do about it.
    fn next(self) -> &'static str {
        match self {
            Difference::Count { .. } => {
                "pair images and labels of the same half of the same data set"
            }
            Difference::Label { .. } => {
                "say how many classes there are, or pair the images with their own labels"
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Difference::Count { images, labels } => {
                write!(
                    f,
                    "expected as many labels as images, found {images} images and {labels} labels"
                )
            }
            Difference::Label { index, offset, label, classes } => write!(
                f,
                "expected labels of {classes} classes (below {classes}), found label {label} of image {index} (byte {offset} of the labels)"
            ),
        }
    }
}
