//! Examples, borrowed from wherever they lie.

use crate::augment::Augmenter;
use crate::error::Error;

/// Examples as rows of features: bytes that are scaled on the way in, or floats.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    rows: Rows<'a>,
    features: usize,
    /// What varies them when a batch is gathered.
    pub(crate) augmenter: Option<&'a Augmenter>,
}

#[derive(Clone, Copy, Debug)]
enum Rows<'a> {
    U8 { data: &'a [u8], scale: f32 },
    F32(&'a [f32]),
}

/// One example.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row<'a> {
    U8 { data: &'a [u8], scale: f32 },
    F32(&'a [f32]),
}

impl<'a> Inputs<'a> {
    /// Rows of bytes, each multiplied by `scale` when it is used (1/255 brings pixels to 0..1).
    ///
    /// # Errors
    /// [`Error::Input`] if the data is not whole rows.
    pub fn u8(data: &'a [u8], features: usize, scale: f32) -> Result<Self, Error> {
        check(data.len(), features)?;
        Ok(Inputs { rows: Rows::U8 { data, scale }, features, augmenter: None })
    }

    /// Rows of floats, used as they are.
    ///
    /// # Errors
    /// [`Error::Input`] if the data is not whole rows.
    pub fn f32(data: &'a [f32], features: usize) -> Result<Self, Error> {
        check(data.len(), features)?;
        Ok(Inputs { rows: Rows::F32(data), features, augmenter: None })
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        let floats = match self.rows {
            Rows::U8 { data, .. } => data.len(),
            Rows::F32(data) => data.len(),
        };
        floats / self.features
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Features of an example.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The examples `from..from + count`.
    ///
    /// # Panics
    /// If they are not all there.
    pub fn slice(&self, from: usize, count: usize) -> Inputs<'a> {
        let all = from.checked_add(count).filter(|end| *end <= self.len());
        let Some(end) = all else { panic!("examples {from} and {count} more, of {}", self.len()) };
        let span = from * self.features..end * self.features;
        let rows = match self.rows {
            Rows::U8 { data, scale } => Rows::U8 { data: &data[span], scale },
            Rows::F32(data) => Rows::F32(&data[span]),
        };
        Inputs { rows, ..*self }
    }

    /// The same, varied by what is given when a batch is gathered.
    pub(crate) fn augmented<'b>(&'b self, augmenter: Option<&'b Augmenter>) -> Inputs<'b> {
        Inputs { augmenter, ..*self }
    }

    /// Whether the features are bytes.
    pub(crate) fn is_u8(&self) -> bool {
        matches!(self.rows, Rows::U8 { .. })
    }

    /// What features are multiplied by.
    pub(crate) fn scale(&self) -> f32 {
        match self.rows {
            Rows::U8 { scale, .. } => scale,
            Rows::F32(_) => 1.0,
        }
    }

    /// Asks for example `i` to be brought near.
    pub(crate) fn prefetch(&self, i: usize) {
        if let Some(data) = self.bytes(i) {
            kernels::prefetch(data);
        }
    }

    /// Example `i`, if its features are bytes.
    pub(crate) fn bytes(&self, i: usize) -> Option<&'a [u8]> {
        match self.row(i) {
            Row::U8 { data, .. } => Some(data),
            Row::F32(_) => None,
        }
    }

    /// Example `i`.
    pub(crate) fn row(&self, i: usize) -> Row<'a> {
        let span = i * self.features..(i + 1) * self.features;
        match self.rows {
            Rows::U8 { data, scale } => Row::U8 { data: &data[span], scale },
            Rows::F32(data) => Row::F32(&data[span]),
        }
    }
}

/// The classes of examples, numbers from 0: bytes, or for more than 256 classes numbers of two bytes.
///
/// ```
/// use nn::Labels;
/// let (few, many) = ([0, 9, 255u8], [0, 999u16]);
/// assert_eq!((Labels::from(&few).get(2), Labels::from(&many).get(1)), (255, 999));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    classes: Classes<'a>,
    weights: &'a [f32],
}

#[derive(Clone, Copy, Debug)]
enum Classes<'a> {
    U8(&'a [u8]),
    U16(&'a [u16]),
}

impl<'a> Labels<'a> {
    /// The same labels, with a weight for each class: in training, the loss of an example is multiplied by the
    /// weight of its class, and the loss of a batch is the sum of these divided by the number of its examples,
    /// as Keras' `class_weight` has it. (PyTorch divides by the sum of the weights.) Evaluations take no notice.
    ///
    /// ```
    /// use nn::Labels;
    /// let labels = Labels::from(&[0, 0, 0, 1u8]).with_class_weights(&[0.5, 2.0]);
    /// assert_eq!(labels.class_weights(), [0.5, 2.0]);
    /// ```
    #[must_use]
    pub fn with_class_weights(self, weights: &'a [f32]) -> Labels<'a> {
        Labels { weights, ..self }
    }

    /// The weights of the classes; empty if there are none.
    pub fn class_weights(&self) -> &'a [f32] {
        self.weights
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        match self.classes {
            Classes::U8(labels) => labels.len(),
            Classes::U16(labels) => labels.len(),
        }
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Label `i`.
    ///
    /// # Panics
    /// If there is no such label.
    #[inline]
    pub fn get(&self, i: usize) -> u16 {
        match self.classes {
            Classes::U8(labels) => labels[i].into(),
            Classes::U16(labels) => labels[i],
        }
    }
}

macro_rules! labels_from {
    ($($number:ty => $variant:ident),*) => {$(
        impl<'a> From<&'a [$number]> for Labels<'a> {
            fn from(labels: &'a [$number]) -> Self {
                Labels { classes: Classes::$variant(labels), weights: &[] }
            }
        }
        impl<'a> From<&'a Vec<$number>> for Labels<'a> {
            fn from(labels: &'a Vec<$number>) -> Self {
                Labels { classes: Classes::$variant(labels), weights: &[] }
            }
        }
        impl<'a, const N: usize> From<&'a [$number; N]> for Labels<'a> {
            fn from(labels: &'a [$number; N]) -> Self {
                Labels { classes: Classes::$variant(labels), weights: &[] }
            }
        }
    )*};
}

labels_from!(u8 => U8, u16 => U16);

fn check(len: usize, features: usize) -> Result<(), Error> {
    if features == 0 || !len.is_multiple_of(features) {
        return Err(Error::Input(format!("{len} values are not whole examples of {features}")));
    }
    Ok(())
}
