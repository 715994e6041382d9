//! Writing.

use crate::dtype::Element;
use crate::header::byte_count;
use std::io::{Error, ErrorKind, Result, Write};

/// Writes an IDX file with these dimensions, outermost first, and these elements, row-major.
///
/// ```
/// let mut file = Vec::new();
/// idx::write(&mut file, &[2, 2], &[1i16, -2, 3, -4])?;
/// let back: Vec<i16> = idx::Idx::parse(&file).unwrap().iter().unwrap().collect();
/// assert_eq!(back, [1, -2, 3, -4]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`], before anything is written, if there are no dimensions or more than 255, if one
/// does not fit 32 bits, or if their product is not the number of elements; else what the writer says.
pub fn write<T: Element>(mut to: impl Write, dims: &[usize], elements: &[T]) -> Result<()> {
    let invalid = |what: String| Err(Error::new(ErrorKind::InvalidInput, what));
    let n = match u8::try_from(dims.len()) {
        Ok(n) if n > 0 => n,
        _ => return invalid(format!("{} dimensions; IDX has 1 to 255", dims.len())),
    };
    if byte_count(T::DTYPE, dims) != Some(size_of_val(elements)) {
        return invalid(format!("{} elements for dimensions {dims:?}", elements.len()));
    }
    let mut header = vec![0, 0, T::DTYPE.code(), n];
    for d in dims {
        let Ok(d) = u32::try_from(*d) else {
            return invalid(format!("a dimension of {d}; IDX has 32 bits"));
        };
        header.extend_from_slice(&d.to_be_bytes());
    }
    to.write_all(&header)?;
    let mut bytes = Vec::new();
    for chunk in elements.chunks(4096) {
        bytes.clear();
        chunk.iter().for_each(|e| e.to_be(&mut bytes));
        to.write_all(&bytes)?;
    }
    to.flush()
}
