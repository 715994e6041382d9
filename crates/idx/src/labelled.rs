//! Images and their labels, checked to belong together.

use crate::dtype::DType;
use crate::error::{Difference, Error};
use crate::header::shape;
use crate::source::IdxFile;
use crate::view::row;
use std::ops::RangeBounds;

/// Examples of bytes, such as images, with a label each.
///
/// ```
/// # let (mut images, mut labels) = (Vec::new(), Vec::new());
/// # idx::write(&mut images, &[2, 1, 3], &[0u8, 128, 255, 9, 8, 7])?;
/// # idx::write(&mut labels, &[2], &[1u8, 0])?;
/// # let images = idx::IdxFile::from_bytes(images, "images")?;
/// # let labels = idx::IdxFile::from_bytes(labels, "labels")?;
/// let data = idx::Labelled::new(images, labels, 10)?;
/// for (pixels, label) in data.iter() {
///     assert_eq!(pixels.len(), data.features());
///     assert!(label < 10);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Labelled {
    images: IdxFile,
    labels: Vec<u16>,
}

impl Labelled {
    /// Pairs a file of examples (`u8`, count × sizes, as a rule count × height × width) with a file of labels
    /// (`u8`, `i8`, `i16` or `i32`, count). Labels are below `classes`, and below 65,536.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a file has another type or other dimensions, [`Error::Mismatch`] if the counts
    /// differ or a label is not below `classes` and 65,536.
    pub fn new(images: IdxFile, labels: IdxFile, classes: usize) -> Result<Labelled, Error> {
        let count_images = count(&images, 2.., "images: u8 with 2 dimensions or more")?;
        let values = label_values(&labels)?;
        let label_count = values.len();
        let mismatch = |what| {
            let (images, labels) = (images.path().to_owned(), labels.path().to_owned());
            Err(Error::Mismatch { images, labels, what })
        };
        if count_images != label_count {
            return mismatch(Difference::Count { images: count_images, labels: label_count });
        }
        let classes = classes.min(usize::from(u16::MAX) + 1);
        let known = |label: i32| u16::try_from(label).ok().filter(|l| usize::from(*l) < classes);
        let mut checked = Vec::with_capacity(label_count);
        for (index, label) in values.enumerate() {
            let Some(known) = known(label) else {
                let header = labels.header();
                let before = index.saturating_mul(header.dtype().size());
                let offset = header.start().saturating_add(before);
                return mismatch(Difference::Label { index, offset, label, classes });
            };
            checked.push(known);
        }
        Ok(Labelled { images, labels: checked })
    }

    /// All pixels, image after image, row after row.
    pub fn images(&self) -> &[u8] {
        self.images.payload()
    }

    /// All labels.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels().is_empty()
    }

    /// Sizes of one example, such as height and width: the dimensions of the file but the first.
    pub fn dims(&self) -> &[usize] {
        self.images.header().dims().get(1..).unwrap_or(&[])
    }

    /// Rows and columns of an example looked at as a picture, its elements in the order of the file.
    ///
    /// That is height and width where there are two dimensions. One dimension is a single row. More are the rows
    /// of the planes one below the other; but where the innermost size is 4 or less, as that of colours is,
    /// it is part of the columns.
    pub fn shape(&self) -> (usize, usize) {
        let (outer, columns) = match self.dims() {
            [outer @ .., width, colours @ 0..=4] if !outer.is_empty() => {
                (outer, width.saturating_mul(*colours))
            }
            [outer @ .., width] => (outer, *width),
            [] => (&[][..], 1),
        };
        (product(outer), columns)
    }

    /// Elements of an example, such as the pixels of an image.
    pub fn features(&self) -> usize {
        product(self.dims())
    }

    /// Image `i`, if there is one.
    pub fn image(&self, i: usize) -> Option<&[u8]> {
        row(self.images(), i, self.len(), self.features())
    }

    /// Label `i`, if there is one.
    pub fn label(&self, i: usize) -> Option<u16> {
        self.labels().get(i).copied()
    }

    /// All images, each with its label.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], u16)> {
        let images = self.images();
        let (count, features) = (self.len(), self.features());
        // There are as many rows as labels, so no row is missing.
        let pair = move |(i, label): (usize, &u16)| {
            (row(images, i, count, features).unwrap_or_default(), *label)
        };
        self.labels().iter().enumerate().map(pair)
    }
}

/// The labels in a file of integers with one dimension.
fn label_values(file: &IdxFile) -> Result<Box<dyn ExactSizeIterator<Item = i32> + '_>, Error> {
    let view = file.view();
    if view.dims().len() == 1 {
        if let Some(labels) = view.as_u8() {
            return Ok(Box::new(labels.iter().copied().map(i32::from)));
        }
        if let Some(labels) = view.iter::<i8>() {
            return Ok(Box::new(labels.map(i32::from)));
        }
        if let Some(labels) = view.iter::<i16>() {
            return Ok(Box::new(labels.map(i32::from)));
        }
        if let Some(labels) = view.iter::<i32>() {
            return Ok(Box::new(labels));
        }
    }
    Err(unsupported(file, "labels: integers with 1 dimension"))
}

fn unsupported(file: &IdxFile, expected: &str) -> Error {
    let header = file.header();
    Error::Unsupported {
        path: file.path().to_owned(),
        expected: expected.to_owned(),
        found: format!("{} of shape {}", header.dtype(), shape(header.dims())),
    }
}

/// Exact: no product of a file's sizes overflows.
fn product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |n, d| n.saturating_mul(*d))
}

/// The number of items in a file of `u8` with so many dimensions.
fn count(
    file: &IdxFile,
    dimensions: impl RangeBounds<usize>,
    expected: &str,
) -> Result<usize, Error> {
    let header = file.header();
    match header.dims() {
        [count, ..] if header.dtype() == DType::U8 && dimensions.contains(&header.dims().len()) => {
            Ok(*count)
        }
        _ => Err(unsupported(file, expected)),
    }
}
