//! Images and their labels, checked to belong together.

use crate::dtype::DType;
use crate::error::Error;
use crate::header::shape;
use crate::source::IdxFile;

/// Images of bytes with a label each.
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
        let &[count, height, width] = expect(&images, "images: u8 with 3 dimensions")? else {
            return Err(unsupported(&images, "images: u8 with 3 dimensions"));
        };
        let &[label_count] = expect(&labels, "labels: u8 with 1 dimension")? else {
            return Err(unsupported(&labels, "labels: u8 with 1 dimension"));
        };
        let mismatch = |what: String| {
            let (images, labels) = (images.path().to_owned(), labels.path().to_owned());
            Err(Error::Mismatch { images, labels, what })
        };
        if count != label_count {
            return mismatch(format!("{count} images and {label_count} labels"));
        }
        let wrong = labels.payload().iter().enumerate().find(|(_, l)| usize::from(**l) >= classes);
        if let Some((i, label)) = wrong {
            return mismatch(format!("label {label} of image {i} is not one of {classes} classes"));
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
        self.height.saturating_mul(self.width)
    }

    /// Image `i`, if there is one.
    pub fn image(&self, i: usize) -> Option<&[u8]> {
        let start = i.checked_mul(self.features())?;
        self.images().get(start..start.checked_add(self.features())?)
    }

    /// Label `i`, if there is one.
    pub fn label(&self, i: usize) -> Option<u8> {
        self.labels().get(i).copied()
    }
}

/// The dimensions of a file of bytes.
fn expect<'f>(file: &'f IdxFile, what: &str) -> Result<&'f [usize], Error> {
    match file.header().dtype() {
        DType::U8 => Ok(file.header().dims()),
        _ => Err(unsupported(file, what)),
    }
}

fn unsupported(file: &IdxFile, expected: &str) -> Error {
    let header = file.header();
    let found = format!("{} of shape {}", header.dtype(), shape(header.dims()));
    Error::Unsupported { path: file.path().to_owned(), expected: expected.to_owned(), found }
}
