//! Bytes to type and dimensions.
//!
//! ```text
//! 0      two zero bytes
//! 2      type code
//! 3      number of dimensions, n
//! 4      n sizes, 32 bits each, big-endian
//! 4+4n   the elements, row-major, big-endian
//! ```
//! The elements must fill the file exactly. Nothing is allocated from a size that a header claims: sizes
//! are read from bytes that are there, and their product is checked against what follows.

use crate::dtype::DType;
use crate::error::FormatError;

/// Type and dimensions of a file, and where its elements start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    dtype: DType,
    dims: Vec<usize>,
    start: usize,
}

impl Header {
    /// Reads the header of a whole file and checks that the elements fill the rest of it.
    ///
    /// A dimension may be 0: then there are no elements. There must be at least one dimension.
    ///
    /// # Errors
    /// [`FormatError`] with the offset, what was expected and what was found.
    pub fn parse(file: &[u8]) -> Result<Header, FormatError> {
        let (dtype, n) = magic(file)?;
        let start = 4usize.saturating_add(usize::from(n).saturating_mul(4));
        let Some(sizes) = file.get(4..start) else {
            return Err(FormatError {
                offset: file.len(),
                expected: format!("{start} bytes of header for {n} dimensions"),
                found: format!("the end of the file after {} bytes", file.len()),
                next: Some("the file is cut off: fetch it again"),
            });
        };
        let dims: Vec<usize> = sizes.as_chunks().0.iter().map(|b| size(*b)).collect();
        let bytes = dims.iter().try_fold(dtype.size(), |n, d| n.checked_mul(*d));
        let there = file.len().saturating_sub(start);
        if bytes == Some(there) {
            return Ok(Header { dtype, dims, start });
        }
        let shape = shape(&dims);
        let (expected, next) = match bytes {
            None => (format!("sizes {shape} of {dtype} whose bytes can be counted"), None),
            Some(n) if n > there => (
                format!("{n} bytes of elements for {shape} {dtype}"),
                Some("the file is cut off: fetch it again"),
            ),
            Some(n) => (format!("{n} bytes of elements for {shape} {dtype}"), None),
        };
        let found = format!("{there} bytes");
        Err(FormatError { offset: start, expected, found, next })
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Sizes of the dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Offset of the first element.
    pub fn start(&self) -> usize {
        self.start
    }
}

/// A size as the file holds it. On a 16-bit machine, where it may not fit, it is out of every range.
fn size(bytes: [u8; 4]) -> usize {
    usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX)
}

/// `60000x28x28`
pub(crate) fn shape(dims: &[usize]) -> String {
    let sizes: Vec<String> = dims.iter().map(usize::to_string).collect();
    sizes.join("x")
}

/// Type and number of dimensions from the first four bytes.
fn magic(file: &[u8]) -> Result<(DType, u8), FormatError> {
    let bad = |offset, expected: &str, found, next| {
        Err(FormatError { offset, expected: expected.to_owned(), found, next })
    };
    const MAGIC: &str = "two zero bytes, a type code and a number of dimensions";
    let Some(&[a, b, code, n]) = file.first_chunk::<4>() else {
        let found = match file.len() {
            0 => "an empty file".to_owned(),
            n => format!("the end of the file after {n} bytes"),
        };
        return bad(file.len(), MAGIC, found, None);
    };
    if (a, b) == (0x1f, 0x8b) {
        let next = Some("decompress it first (gunzip)");
        return bad(0, MAGIC, "a gzip file".to_owned(), next);
    }
    if is_markup(file) {
        let next = Some("a server sent a page instead of the file: fetch it from another place");
        return bad(0, MAGIC, "an HTML or XML page".to_owned(), next);
    }
    if (a, b) != (0, 0) {
        let found = format!("the bytes {a:02x} {b:02x} {code:02x} {n:02x}");
        return bad(0, MAGIC, found, Some("this is not an IDX file"));
    }
    let Some(dtype) = DType::from_code(code) else {
        return bad(2, "a type code (08, 09, 0b, 0c, 0d or 0e)", format!("{code:02x}"), None);
    };
    if n == 0 {
        return bad(3, "at least one dimension", "0 dimensions".to_owned(), None);
    }
    Ok((dtype, n))
}

/// Whether the file starts like a page.
fn is_markup(file: &[u8]) -> bool {
    let start: Vec<u8> = file
        .iter()
        .take(64)
        .skip_while(|b| b.is_ascii_whitespace())
        .map(u8::to_ascii_lowercase)
        .collect();
    [&b"<!doctype"[..], b"<html", b"<?xml", b"<head"].iter().any(|tag| start.starts_with(tag))
}
