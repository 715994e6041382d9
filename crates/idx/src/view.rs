//! A file's bytes, seen as what they hold.

use crate::dtype::{DType, Element};
use crate::error::FormatError;
use crate::header::Header;
use std::borrow::Cow;
use std::fmt;
use std::iter::FusedIterator;
use std::slice::ChunksExact;

/// A parsed IDX file that borrows its bytes.
///
/// ```
/// let file = [0, 0, 0x08, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];
/// let idx = idx::Idx::parse(&file)?;
/// assert_eq!(idx.dims(), [2, 3]);
/// assert_eq!(idx.row(1), Some(&[4, 5, 6][..]));
/// # Ok::<(), idx::FormatError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Idx<'a> {
    header: Cow<'a, Header>,
    payload: &'a [u8],
}

/// Type and dimensions; not the elements, of which there may be millions.
impl fmt::Debug for Idx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut idx = f.debug_struct("Idx");
        idx.field("dtype", &self.dtype()).field("dims", &self.dims()).finish_non_exhaustive()
    }
}

impl<'a> Idx<'a> {
    /// Parses a whole file.
    ///
    /// # Errors
    /// [`FormatError`] if it is not one.
    pub fn parse(file: &'a [u8]) -> Result<Idx<'a>, FormatError> {
        let header = Header::parse(file)?;
        Ok(Idx::with_header(Cow::Owned(header), file))
    }

    /// The view for a header that was parsed from these bytes.
    pub(crate) fn with_header(header: Cow<'a, Header>, file: &'a [u8]) -> Idx<'a> {
        let payload = file.get(header.start()..).unwrap_or(&[]);
        Idx { header, payload }
    }

    /// Type, dimensions, and where the elements start.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.header.dtype()
    }

    /// Sizes of the dimensions, outermost first; at least one.
    pub fn dims(&self) -> &[usize] {
        self.header.dims()
    }

    /// Size of the outermost dimension: the number of items.
    pub fn len(&self) -> usize {
        self.dims().first().copied().unwrap_or(0)
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements of one item: the product of the inner dimensions, 1 if there are none.
    pub fn item_len(&self) -> usize {
        // Exact: `Header::parse` has made sure that no product of sizes overflows.
        self.dims().iter().skip(1).fold(1, |n, d| n.saturating_mul(*d))
    }

    /// The bytes of the elements, as they are in the file.
    pub fn bytes(&self) -> &'a [u8] {
        self.payload
    }

    /// All elements, if they are `u8`: no copy.
    pub fn as_u8(&self) -> Option<&'a [u8]> {
        (self.dtype() == DType::U8).then_some(self.payload)
    }

    /// Item `i`, if the elements are `u8` and there is one: no copy.
    pub fn row(&self, i: usize) -> Option<&'a [u8]> {
        row(self.as_u8()?, i, self.len(), self.item_len())
    }

    /// All elements in order, if they are of type `T`.
    ///
    /// Skipping costs nothing, so the elements of item `i` are
    /// `iter.skip(i * item_len).take(item_len)`.
    ///
    /// ```
    /// let mut file = Vec::new();
    /// idx::write(&mut file, &[2, 2], &[1i32, 2, 3, -4])?;
    /// let idx = idx::Idx::parse(&file).unwrap();
    /// let second: Vec<i32> = idx.iter().unwrap().skip(2).collect();
    /// assert_eq!(second, [3, -4]);
    /// assert!(idx.iter::<f32>().is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn iter<T: Element>(&self) -> Option<Elements<'a, T>> {
        (T::DTYPE == self.dtype()).then(|| self.elements(T::from_be))
    }

    /// All elements in order as `f64`, whatever their type: every value of the six types is exact.
    ///
    /// ```
    /// let mut file = Vec::new();
    /// idx::write(&mut file, &[3], &[-1i16, 0, 256])?;
    /// let idx = idx::Idx::parse(&file).unwrap();
    /// assert_eq!(idx.values().collect::<Vec<f64>>(), [-1.0, 0.0, 256.0]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn values(&self) -> Elements<'a, f64> {
        self.elements(match self.dtype() {
            DType::U8 => value::<u8>,
            DType::I8 => value::<i8>,
            DType::I16 => value::<i16>,
            DType::I32 => value::<i32>,
            DType::F32 => value::<f32>,
            DType::F64 => value::<f64>,
        })
    }

    fn elements<T>(&self, decode: fn(&[u8]) -> Option<T>) -> Elements<'a, T> {
        Elements { chunks: self.payload.chunks_exact(self.dtype().size()), decode }
    }
}

/// Bytes `i * len ..` of `count` rows, `len` each.
pub(crate) fn row(bytes: &[u8], i: usize, count: usize, len: usize) -> Option<&[u8]> {
    if i >= count {
        return None;
    }
    let start = i.checked_mul(len)?;
    bytes.get(start..start.checked_add(len)?)
}

fn value<T: Element + Into<f64>>(bytes: &[u8]) -> Option<f64> {
    T::from_be(bytes).map(T::into)
}

/// The elements of a file in order, decoded one by one; made by [`Idx::iter`] and [`Idx::values`].
#[derive(Clone)]
pub struct Elements<'a, T> {
    chunks: ChunksExact<'a, u8>,
    /// Never declines: a chunk has the size of an element.
    decode: fn(&[u8]) -> Option<T>,
}

impl<T> fmt::Debug for Elements<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elements").field("left", &self.chunks.len()).finish()
    }
}

impl<T> Iterator for Elements<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.chunks.next().and_then(self.decode)
    }

    fn nth(&mut self, n: usize) -> Option<T> {
        self.chunks.nth(n).and_then(self.decode)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.chunks.size_hint()
    }
}

impl<T> DoubleEndedIterator for Elements<'_, T> {
    fn next_back(&mut self) -> Option<T> {
        self.chunks.next_back().and_then(self.decode)
    }
}

impl<T> ExactSizeIterator for Elements<'_, T> {}
impl<T> FusedIterator for Elements<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn i16s() -> Vec<u8> {
        let mut file = Vec::new();
        crate::write(&mut file, &[2, 3], &[1i16, -2, 3, -4, 5, -6]).expect("a file in memory");
        file
    }

    #[test]
    fn elements_come_from_both_ends_and_are_counted() {
        let file = i16s();
        let idx = Idx::parse(&file).expect("a good file");
        let mut elements = idx.iter::<i16>().expect("its own type");
        assert_eq!(elements.len(), 6);
        assert_eq!((elements.next(), elements.next_back()), (Some(1), Some(-6)));
        assert_eq!((elements.nth(1), elements.len()), (Some(3), 2));
        assert_eq!(elements.clone().rev().collect::<Vec<_>>(), [5, -4]);
        assert_eq!((elements.nth(2), elements.next(), elements.next_back()), (None, None, None));
    }

    #[test]
    fn another_type_is_no_iterator_and_no_slice() {
        let file = i16s();
        let idx = Idx::parse(&file).expect("a good file");
        assert!(idx.iter::<u8>().is_none() && idx.iter::<i32>().is_none());
        assert!(idx.as_u8().is_none() && idx.row(0).is_none());
        assert_eq!(idx.bytes().len(), 12);
    }

    #[test]
    fn rows_of_no_elements_are_counted_too() {
        let idx = Idx::parse(&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 0]).expect("two empty rows");
        assert_eq!((idx.len(), idx.item_len()), (2, 0));
        assert_eq!((idx.row(1), idx.row(2)), (Some(&[][..]), None));
    }

    #[test]
    fn messages_do_not_show_the_elements() {
        let file = i16s();
        let idx = Idx::parse(&file).expect("a good file");
        assert_eq!(format!("{idx:?}"), "Idx { dtype: I16, dims: [2, 3], .. }");
        assert_eq!(format!("{:?}", idx.values()), "Elements { left: 6 }");
    }

    #[test]
    fn the_view_outlives_what_it_came_through() {
        let file = [0, 0, 8, 1, 0, 0, 0, 1, 9];
        let payload = Idx::parse(&file).expect("a good file").as_u8();
        assert_eq!(payload, Some(&[9][..]));
    }
}
