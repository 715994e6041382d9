use thiserror::Error;

/// Why a figure could not be drawn.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is too little to draw.
    #[error("nothing to draw: {what} has {found}, needs {least}")]
    Empty {
        /// The input that is too short.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// The least count that makes a figure.
        least: usize,
    },
    /// The pixels do not fill the image's shape.
    #[error(
        "image of {width} x {height} pixels needs {} bytes, found {found}; \
         give one byte a pixel, row by row, and sides of at least 1", 
        u64::from(*width) * u64::from(*height)
    )]
    Pixels {
        /// Columns of the image.
        width: u32,
        /// Rows of the image.
        height: u32,
        /// Bytes that were given.
        found: usize,
    },
    /// A prediction has not one probability a class.
    #[error(
        "{place}: expected {expected} probabilities, one a class, found {found}; \
         use the class names the model was trained with"
    )]
    Probabilities {
        /// Which prediction.
        place: String,
        /// The number of class names.
        expected: usize,
        /// The number of probabilities.
        found: usize,
    },
    /// A value cannot be plotted.
    #[error("{place}: expected {expected}, found {found}; look for divergence in the training run")]
    Value {
        /// Which value of which input.
        place: String,
        /// What would have been valid.
        expected: &'static str,
        /// The value.
        found: f64,
    },
    /// A label has no class name.
    #[error(
        "{place}: label {found} is outside 0..{classes}; \
         use the class names the labels were made for"
    )]
    Label {
        /// Which label.
        place: String,
        /// The number of class names.
        classes: usize,
        /// The label.
        found: usize,
    },
    /// The picture would be too small to show anything or too large to hold in memory.
    #[error(
        "picture of {width} x {height} pixels cannot be drawn; \
         choose sides of at least {least} and at most {most} pixels in all"
    )]
    Size {
        /// Width asked for.
        width: f64,
        /// Height asked for.
        height: f64,
        /// The least side.
        least: u32,
        /// The most pixels.
        most: u32,
    },
    /// The plotting library failed.
    #[error("the figure could not be laid out: {0}; please report this with the command you ran")]
    Layout(String),
    /// The picture could not be encoded.
    #[error("the picture could not be encoded as PNG: {0}; try the SVG format")]
    Encode(#[from] png::EncodingError),
    /// The font inside the program could not be read.
    #[error("the embedded font cannot be read; this build is damaged: install it again")]
    Font,
}
