//! IDX, the file format of MNIST and its relatives: parsing without copies, mapping, labelled pairs, writing.
//!
//! ```
//! use idx::{IdxFile, Labelled};
//! # let mut images = Vec::new();
//! # idx::write(&mut images, &[2, 1, 3], &[0u8, 128, 255, 9, 8, 7])?;
//! # let mut labels = Vec::new();
//! # idx::write(&mut labels, &[2], &[1u8, 0])?;
//! // Usually IdxFile::read("train-images-idx3-ubyte").
//! let images = IdxFile::from_bytes(images, "images")?;
//! let labels = IdxFile::from_bytes(labels, "labels")?;
//! let data = Labelled::new(images, labels, 10)?;
//! assert_eq!((data.len(), data.shape()), (2, (1, 3)));
//! assert_eq!(data.image(1), Some(&[9, 8, 7][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! All six element types and up to 255 dimensions. The format's description fixes big-endian order for the
//! header only; the elements are big-endian too, as every known file of more than a byte an element is.
//! Whatever the bytes are, the answer is a view or an error that says where and why, never a panic, and never
//! an allocation of a size that a header claims.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used,
        clippy::expect_used
    )
)]

mod dtype;
mod error;
mod header;
mod labelled;
mod source;
mod view;
mod write;

pub use dtype::{DType, Element};
pub use error::{Error, FormatError};
pub use header::Header;
pub use labelled::Labelled;
pub use source::IdxFile;
pub use view::Idx;
pub use write::write;
