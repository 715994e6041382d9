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
use std::cmp::Ordering;

/// Type and dimensions of a file, and where its elements start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    dtype: DType,
    dims: Vec<usize>,
    start: usize,
}

impl Header {
    /// Reads the header of a whole file and checks that the elements fill the rest of it.
    ///
    /// There must be at least one dimension. A size may be 0: then there are no elements, as in an empty set.
    /// The product of the other sizes must still fit `usize`, so that callers may multiply any of them, in any
    /// order, without overflow.
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
                found: format!("the end of the file after {}", count(file.len())),
                next: Some(CUT_OFF),
            });
        };
        let dims: Vec<usize> = sizes.as_chunks().0.iter().map(|b| size(*b)).collect();
        let Some(bytes) = byte_count(dtype, &dims) else {
            return Err(FormatError {
                offset: 4,
                expected: "sizes whose product can be counted".to_owned(),
                found: format!("{} {dtype}", shape(&dims)),
                next: Some(DAMAGED),
            });
        };
        let there = file.len().saturating_sub(start);
        let elements = || format!("{} of elements ({} {dtype})", count(bytes), shape(&dims));
        match there.cmp(&bytes) {
            Ordering::Equal => Ok(Header { dtype, dims, start }),
            Ordering::Less => Err(FormatError {
                offset: file.len(),
                expected: elements(),
                found: format!("the end of the file after {there} of them"),
                next: Some(CUT_OFF),
            }),
            Ordering::Greater => Err(FormatError {
                offset: start.saturating_add(bytes),
                expected: format!("the end of the file after {}", elements()),
                found: format!("{} more", count(there.saturating_sub(bytes))),
                next: Some(DAMAGED),
            }),
        }
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Sizes of the dimensions, outermost first; at least one.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Offset of the first element.
    pub fn start(&self) -> usize {
        self.start
    }
}

const CUT_OFF: &str = "the file is cut off: copy or download it again";
const DAMAGED: &str = "the file is damaged or not an IDX file: copy or download it again";

/// A size as the file holds it. On a 16-bit machine, where it may not fit, it is out of every range.
fn size(bytes: [u8; 4]) -> usize {
    usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX)
}

/// Bytes of all elements, if they can be counted even without the sizes that are 0.
///
/// Counting only up to a 0 would make the answer depend on where the 0 stands.
pub(crate) fn byte_count(dtype: DType, dims: &[usize]) -> Option<usize> {
    let bytes =
        dims.iter().filter(|d| **d != 0).try_fold(dtype.size(), |n, d| n.checked_mul(*d))?;
    Some(if dims.contains(&0) { 0 } else { bytes })
}

/// `1 byte`, `2 bytes`
fn count(bytes: usize) -> String {
    format!("{bytes} byte{}", if bytes == 1 { "" } else { "s" })
}

/// `60000x28x28`, and no more than eight sizes of a longer shape.
pub(crate) fn shape(dims: &[usize]) -> String {
    const SHOWN: usize = 8;
    let sizes: Vec<String> = dims.iter().take(SHOWN).map(usize::to_string).collect();
    let rest = dims.len().saturating_sub(SHOWN);
    let tail = if rest == 0 { String::new() } else { format!("x... ({rest} more sizes)") };
    sizes.join("x") + &tail
}

const MAGIC: &str = "two zero bytes, a type code and a number of dimensions";

/// Type and number of dimensions from the first four bytes.
fn magic(file: &[u8]) -> Result<(DType, u8), FormatError> {
    let bad = |offset, expected: &str, found, next| {
        Err(FormatError { offset, expected: expected.to_owned(), found, next: Some(next) })
    };
    if let Some((what, next)) = disguise(file) {
        return bad(0, MAGIC, what.to_owned(), next);
    }
    let Some(&[a, b, code, n]) = file.first_chunk::<4>() else {
        let found = match file.len() {
            0 => "an empty file".to_owned(),
            n => format!("the end of the file after {}", count(n)),
        };
        return bad(file.len(), MAGIC, found, CUT_OFF);
    };
    if (a, b) != (0, 0) {
        let found = format!("the bytes {a:02x} {b:02x} {code:02x} {n:02x}");
        return bad(0, MAGIC, found, "this is not an IDX file: name one that is");
    }
    let Some(dtype) = DType::from_code(code) else {
        let found = format!("{code:02x}");
        return bad(2, "a type code (08, 09, 0b, 0c, 0d or 0e)", found, DAMAGED);
    };
    if n == 0 {
        return bad(3, "at least one dimension", "0 dimensions".to_owned(), DAMAGED);
    }
    Ok((dtype, n))
}

/// What data sets are often mistaken for: how it starts, what it is, what to do. An IDX file starts with two
/// zero bytes, so none of these can be one.
const DISGUISES: [(&[u8], &str, &str); 11] = [
    (b"\x1f\x8b", "a gzip file", "decompress it first: gunzip FILE"),
    (b"PK\x03\x04", "a zip archive", "unpack it first: unzip FILE"),
    (b"BZh", "a bzip2 file", "decompress it first: bunzip2 FILE"),
    (b"\xfd7zXZ", "an xz file", "decompress it first: unxz FILE"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "decompress it first: unzstd FILE"),
    (b"\x93NUMPY", "a NumPy array", "convert it to IDX first"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch what it points to: git lfs pull"),
    (b"<!", PAGE, ELSEWHERE),
    (b"<html", PAGE, ELSEWHERE),
    (b"<head", PAGE, ELSEWHERE),
    (b"<?xml", PAGE, ELSEWHERE),
];
const PAGE: &str = "an HTML or XML page";
const ELSEWHERE: &str = "a server sent a page instead of the file: download it from another place";

/// What the file is instead of IDX, and what to do, if it can be told from its start.
fn disguise(file: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file).trim_ascii_start();
    let starts = |bytes: &[u8], tag: &[u8]| {
        bytes.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    // Pages may start with white space and in any case; what is binary may not.
    DISGUISES.iter().find_map(|(tag, what, next)| {
        let found = if tag.starts_with(b"<") { starts(text, tag) } else { file.starts_with(tag) };
        found.then_some((*what, *next))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_do_not_hide_an_overflow() {
        let m = usize::MAX;
        assert_eq!(byte_count(DType::F64, &[2, 3]), Some(48));
        assert_eq!(byte_count(DType::I16, &[3, 0, 5]), Some(0));
        assert_eq!(byte_count(DType::U8, &[m, 0]), Some(0));
        assert_eq!(byte_count(DType::I16, &[m, 0]), None);
        for dims in [[0, m, 2], [m, 0, 2], [m, 2, 0]] {
            assert_eq!(byte_count(DType::U8, &dims), None, "{dims:?}");
        }
    }

    #[test]
    fn long_shapes_are_shortened() {
        assert_eq!(shape(&[60_000, 28, 28]), "60000x28x28");
        assert_eq!(shape(&[1; 8]), "1x1x1x1x1x1x1x1");
        assert_eq!(shape(&[2; 255]), "2x2x2x2x2x2x2x2x... (247 more sizes)");
    }

    #[test]
    fn disguises_are_told_apart() {
        let what = |bytes: &[u8]| disguise(bytes).map(|(what, _)| what);
        for (tag, name, _) in DISGUISES {
            assert_eq!(what(tag), Some(name));
            assert_eq!(what(&tag[..tag.len() - 1]), None, "a part of {name}");
        }
        assert_eq!(what(b"\xef\xbb\xbf\r\n <HTML>"), Some(PAGE));
        assert_eq!(what(b" \x1f\x8b"), None);
        assert_eq!(what(&[0, 0, 8, 1]), None);
        assert_eq!(what(b""), None);
    }
}
