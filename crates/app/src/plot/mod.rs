//! Figures of a training run and of its predictions, as PNG or SVG.
//!
//! [`render`] draws any [`Figure`] from plain data and returns the bytes of the file. Both formats have the
//! same layout; text is set in an embedded font, so no font of the system is needed. The same figure
//! gives the same bytes every time.
//!
//! ```
//! use app::plot::{Figure, Format, Image, Prediction, Size, render};
//!
//! let pixels = [0, 64, 128, 255];
//! let image = Image::new(&pixels, 2, 2)?;
//! let names = ["Shirt".to_owned(), "Bag".to_owned()];
//! let prediction = Prediction { image, probabilities: &[0.03, 0.97], truth: Some(1) };
//! let figure = Figure::Prediction { prediction, class_names: &names };
//! let svg = render(&figure, Format::Svg, Size::Natural)?;
//! assert!(String::from_utf8_lossy(&svg).contains("Bag 97% (Bag)"));
//! # Ok::<(), app::plot::Error>(())
//! ```

mod canvas;
mod error;
mod figures;
mod font;
mod raster;
mod style;
mod surface;
mod svg;

pub use error::Error;
pub(crate) use figures::round_step;
use style::ColourMap;
use surface::{Paint, Surface};

/// A grey image: one byte a pixel, row by row, 0 for the background and 255 for full intensity.
///
/// Its background is drawn white, as in the tutorial, unless it is a [photo](Image::photo).
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    pixels: &'a [u8],
    width: u32,
    height: u32,
    photo: bool,
}

impl<'a> Image<'a> {
    /// An image of `width` columns and `height` rows.
    ///
    /// # Errors
    /// [`Error::Pixels`] if a side is zero or `pixels.len() != width * height`.
    pub fn new(pixels: &'a [u8], width: u32, height: u32) -> Result<Self, Error> {
        let found = pixels.len();
        if found == 0 || u64::from(width) * u64::from(height) != found as u64 {
            return Err(Error::Pixels { width, height, found });
        }
        Ok(Self { pixels, width, height, photo: false })
    }

    /// Says whether 0 is black and 255 white, as in a photo.
    #[must_use]
    pub fn photo(self, photo: bool) -> Self {
        Self { photo, ..self }
    }

    /// The colours of its intensities where colours stand for nothing else.
    fn greys(&self) -> ColourMap {
        if self.photo { ColourMap::Grey } else { ColourMap::Binary }
    }

    /// The pixels, row by row.
    #[must_use]
    pub fn pixels(&self) -> &'a [u8] {
        self.pixels
    }

    /// The number of columns.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The number of rows.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }
}

/// An image and the class it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    /// The image.
    pub image: Image<'a>,
    /// Its class, an index into the class names.
    pub label: usize,
}

/// An image and what a model makes of it.
#[derive(Clone, Copy, Debug)]
pub struct Prediction<'a> {
    /// The image.
    pub image: Image<'a>,
    /// One probability a class.
    pub probabilities: &'a [f32],
    /// The class it belongs to, if that is known.
    pub truth: Option<usize>,
}

/// The metrics of one epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Mean loss.
    pub loss: f64,
    /// Share of correct predictions, 0..=1.
    pub accuracy: f64,
}

/// The epochs of one run among others.
#[derive(Clone, Copy, Debug)]
pub struct Curve<'a> {
    /// What the run is called.
    pub name: &'a str,
    /// The metrics on the training data.
    pub training: &'a [Epoch],
    /// The metrics on other data; may be empty.
    pub validation: &'a [Epoch],
}

/// The most runs in one figure: so many colours are told apart.
pub const MOST_RUNS: usize = 8;

/// What to draw.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Figure<'a> {
    /// One image with pixel coordinates and a colour bar.
    Image {
        /// The image.
        image: Image<'a>,
        /// A line above it; may be empty.
        title: &'a str,
    },
    /// Many images, each with the name of its class under it.
    Gallery {
        /// The images, row by row.
        items: &'a [Labelled<'a>],
        /// The names of all classes.
        class_names: &'a [String],
        /// Images in a row.
        columns: usize,
    },
    /// An image beside a bar chart of its probabilities: blue if right, red if wrong.
    Prediction {
        /// The image and its probabilities.
        prediction: Prediction<'a>,
        /// The names of all classes.
        class_names: &'a [String],
    },
    /// Many images, each beside its bar chart.
    Predictions {
        /// The images and their probabilities, row by row.
        items: &'a [Prediction<'a>],
        /// The names of all classes.
        class_names: &'a [String],
        /// Images in a row.
        columns: usize,
    },
    /// The bar chart of one prediction, with the names of the classes.
    Bars {
        /// One probability a class.
        probabilities: &'a [f32],
        /// The right class, if it is known.
        truth: Option<usize>,
        /// The names of all classes.
        class_names: &'a [String],
    },
    /// The loss of each step while the learning rate grew.
    Sweep {
        /// Learning rates, growing.
        rates: &'a [f64],
        /// The loss of each.
        losses: &'a [f64],
        /// The losses, smoothed.
        smoothed: &'a [f64],
        /// The rate to mark.
        suggestion: Option<f64>,
    },
    /// Loss and accuracy over the epochs.
    Curves {
        /// The metrics on the training data.
        training: &'a [Epoch],
        /// The metrics on other data; may be empty.
        validation: &'a [Epoch],
    },
    /// Loss and accuracy of up to [`MOST_RUNS`] runs over the epochs.
    Comparison {
        /// The runs.
        curves: &'a [Curve<'a>],
    },
}

/// The format of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A bitmap.
    Png,
    /// A vector graphic with real text.
    Svg,
}

impl Format {
    /// The format that the ending of a file's name stands for.
    #[must_use]
    pub fn of(path: &std::path::Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_lowercase();
        [Self::Png, Self::Svg].into_iter().find(|format| format.extension() == ending)
    }

    /// The usual ending of a file's name: `png` or `svg`.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }
}

/// How large the picture is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// The size the figure was designed for, about 400 to 1100 pixels wide.
    Natural,
    /// That size times a factor.
    Scaled(f64),
    /// Exactly this many pixels; the figure is fitted and centred.
    Exact {
        /// Pixels in a row.
        width: u32,
        /// Rows of pixels.
        height: u32,
    },
}

/// The least side of a picture.
const LEAST_SIDE: u32 = 32;
/// The most pixels of a picture: 192 MiB of memory while it is drawn.
const MOST_PIXELS: u32 = 1 << 26;

impl Size {
    fn pixels(self, (width, height): (f64, f64)) -> Result<(u32, u32), Error> {
        let (w, h) = match self {
            Self::Natural => (width, height),
            Self::Scaled(factor) => (width * factor, height * factor),
            Self::Exact { width, height } => (f64::from(width), f64::from(height)),
        };
        let (w, h) = (w.round(), h.round());
        let least = f64::from(LEAST_SIDE);
        // Written so that NaN fails.
        if w >= least && h >= least && w * h <= f64::from(MOST_PIXELS) {
            Ok((w as u32, h as u32))
        } else {
            Err(Error::Size { width: w, height: h, least: LEAST_SIDE, most: MOST_PIXELS })
        }
    }
}

/// Draws `figure` and returns the bytes of a file in `format`.
///
/// # Errors
/// Inputs that cannot be drawn: nothing at all, lengths that differ, labels without a name, probabilities
/// that are not within 0..=1, metrics that are not finite, a size that is too small or too large.
pub fn render(figure: &Figure<'_>, format: Format, size: Size) -> Result<Vec<u8>, Error> {
    figures::check(figure)?;
    let face = font::Face::load()?;
    let sheet = figures::sheet(figure, &face);
    let (width, height) = size.pixels(sheet)?;
    let mut paint: Box<dyn Paint> = match format {
        Format::Png => Box::new(raster::Raster::new(width, height)),
        Format::Svg => Box::new(svg::Svg::new(width, height, &figures::title(figure))),
    };
    let surface = Surface::new(&mut *paint, &face);
    figures::draw(figure, &canvas::Canvas::new(surface, &face, sheet, (width, height)))?;
    paint.finish()
}
