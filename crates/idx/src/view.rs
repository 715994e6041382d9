//! A file's bytes, seen as what they hold.

use crate::dtype::{DType, Element};
use crate::error::FormatError;
use crate::header::Header;

/// A parsed IDX file that borrows its bytes.
///
/// ```
/// let file = [0, 0, 0x08, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];
/// let idx = idx::Idx::parse(&file)?;
/// assert_eq!(idx.dims(), [2, 3]);
/// assert_eq!(idx.row(1), Some(&[4, 5, 6][..]));
/// # Ok::<(), idx::FormatError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx<'a> {
    header: Header,
    payload: &'a [u8],
}

impl<'a> Idx<'a> {
    /// Parses a whole file.
    ///
    /// # Errors
    /// [`FormatError`] if it is not one.
    pub fn parse(file: &'a [u8]) -> Result<Idx<'a>, FormatError> {
        let header = Header::parse(file)?;
        Ok(Idx::with_header(header, file))
    }

    /// The view for a header that was parsed from these bytes.
    pub(crate) fn with_header(header: Header, file: &'a [u8]) -> Idx<'a> {
        let payload = file.get(header.start()..).unwrap_or(&[]);
        Idx { header, payload }
    }

    /// Type of the elements.
    pub fn dtype(&self) -> DType {
        self.header.dtype()
    }

    /// Sizes of the dimensions, outermost first.
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

    /// Elements of one item: the product of the inner dimensions.
    pub fn item_len(&self) -> usize {
        // No overflow: the product of all dimensions fits, or an outer one is 0 and this is not used.
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

    /// Item `i`, if the elements are `u8` and there is one.
    pub fn row(&self, i: usize) -> Option<&'a [u8]> {
        if i >= self.len() {
            return None;
        }
        let start = i.checked_mul(self.item_len())?;
        self.as_u8()?.get(start..start.checked_add(self.item_len())?)
    }

    /// All elements in order, if they are of type `T`.
    pub fn iter<T: Element>(&self) -> Option<impl ExactSizeIterator<Item = T> + use<'a, T>> {
        let chunks = self.payload.chunks_exact(T::DTYPE.size());
        // A chunk has the size of an element, so `from_be` never declines.
        (T::DTYPE == self.dtype())
            .then(|| chunks.map(|b| T::from_be(b).unwrap_or_else(|| unreachable!())))
    }
}
