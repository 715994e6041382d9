//! Images and their labels, checked to belong together.

use crate::dtype::DType;
use crate::error::{Difference, Error};
use crate::header::shape;
use crate::source::IdxFile;
use crate::view::row;

/// Images of bytes with a label each.
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
    labels: IdxFile,
    height: usize,
    width: usize,
}

impl Labelled {
    /// Pairs a file of images (`u8`, count × height × width) with a file of labels (`u8`, count).
    ///
    /// # Errors
    /// [`Error::Unsupported`] if a file has another type or other dimensions, [`Error::Mismatch`] if the counts
    /// differ or a label is not below `classes`.
    pub fn new(images: IdxFile, labels: IdxFile, classes: usize) -> Result<Labelled, Error> {
        let [count, height, width] = dims(&images, "images: u8 with 3 dimensions")?;
        let [label_count] = dims(&labels, "labels: u8 with 1 dimension")?;
        let mismatch = |what| {
            let (images, labels) = (images.path().to_owned(), labels.path().to_owned());
            Err(Error::Mismatch { images, labels, what })
        };
        if count != label_count {
            return mismatch(Difference::Count { images: count, labels: label_count });
        }
        let wrong = labels.payload().iter().position(|l| usize::from(*l) >= classes);
        if let Some(index) = wrong {
            let offset = labels.header().start().saturating_add(index);
            let label = labels.payload().get(index).copied().unwrap_or_default();
            return mismatch(Difference::Label { index, offset, label, classes });
        }
        Ok(Labelled { images, labels, height, width })
    }

    /// All pixels, image after image, row after row.
    pub fn images(&self) -> &[u8] {
        self.images.payload()
    }

    /// All labels.
    pub fn labels(&self) -> &[u8] {
        self.labels.payload()
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels().is_empty()
    }

    /// Height and width of an image.
    pub fn shape(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// Pixels of an image.
    pub fn features(&self) -> usize {
        // Exact: no product of a file's sizes overflows.
        self.height.saturating_mul(self.width)
    }

    /// Image `i`, if there is one.
    pub fn image(&self, i: usize) -> Option<&[u8]> {
        row(self.images(), i, self.len(), self.features())
    }

    /// Label `i`, if there is one.
    pub fn label(&self, i: usize) -> Option<u8> {
        self.labels().get(i).copied()
    }

    /// All images, each with its label.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], u8)> {
        let images = self.images();
        let (count, features) = (self.len(), self.features());
        // There are as many rows as labels, so no row is missing.
        let pair = move |(i, label): (usize, &u8)| {
            (row(images, i, count, features).unwrap_or_default(), *label)
        };
        self.labels().iter().enumerate().map(pair)
    }
}

/// The sizes of a file of `u8` with `N` dimensions.
fn dims<const N: usize>(file: &IdxFile, expected: &str) -> Result<[usize; N], Error> {
    let header = file.header();
    match (header.dtype(), header.dims().try_into()) {
        (DType::U8, Ok(dims)) => Ok(dims),
        _ => Err(Error::Unsupported {
            path: file.path().to_owned(),
            expected: expected.to_owned(),
            found: format!("{} of shape {}", header.dtype(), shape(header.dims())),
        }),
    }
}
