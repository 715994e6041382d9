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
//! - [`Idx`] is a view of bytes that are in memory already, [`Header`] their type and shape alone.
//! - [`IdxFile`] is a file, [read](IdxFile::read) or [mapped](IdxFile::map), and gives views.
//! - [`Labelled`] is a file of images and a file of labels that were checked to belong together.
//! - [`write`](fn@write) writes elements of any of the six types.
//!
//! # The format
//! All six element types ([`DType`]) and 1 to 255 dimensions; a dimension may have the size 0, which makes an
//! empty set. The elements must fill the file exactly. The format's description fixes big-endian order for the
//! header only; here the elements are big-endian too, as in every known file whose elements have several bytes.
//! Bytes are lent without a copy ([`Idx::as_u8`], [`Idx::row`]), wider elements are decoded one by one
//! ([`Idx::iter`], [`Idx::values`]).
//!
//! # Bytes that are not IDX
//! Whatever the bytes are, the answer is a view or an [`Error`] that names the file, the offset, what was
//! expected, what was found, and what to do; never a panic, and never an allocation of a size that a header claims.
//!
//! ```
//! let error = idx::IdxFile::from_bytes(&b"\x1f\x8b\x08"[..], "t10k.gz").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "t10k.gz is not a valid IDX file: at byte 0: expected two zero bytes, a type code and a \
//!      number of dimensions, found a gzip file; decompress it first: gunzip FILE"
//! );
//! ```
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
pub use error::{Difference, Error, FormatError};
pub use header::Header;
pub use labelled::Labelled;
pub use source::IdxFile;
pub use view::{Elements, Idx};
pub use write::write;
