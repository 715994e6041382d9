//! Brings a photo to the shape and the look of the images a model was trained on.
//!
//! [`prepare`] follows what the authors of Fashion-MNIST did to their product photos (Xiao, Rasul and Vollgraf
//! 2017, section 2), for any target size: trim edges that are close to the corner colour, fit the rest by
//! skipping rows and columns, sharpen, centre, negate, convert to 8-bit grey. Beyond the paper it lays
//! transparent parts on a plain colour, negates only if the background is light, and sets the
//! background to exactly 0. It says in words what it did.

mod decode;

pub(crate) use decode::check_size;
use decode::decode;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The most pixels of an image that is read.
pub(crate) const MOST_PIXELS: u64 = 64_000_000;
/// The most bytes of a file that is read.
const MOST_BYTES: u64 = 256 << 20;
/// How far a colour may be from the corner's to be background: 5% of the range, as root mean square.
const CLOSE: f64 = 0.05 * 255.0;

/// Why an image could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read.
    #[error("cannot read the image {}: {source}; check the path and its permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error(
        "{}: expected a PNG or JPEG image, found {found} at offset 0; convert it to PNG first",
        path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What its first bytes say.
        found: &'static str,
    },
    /// The file ends too early.
    #[error(
        "{}: the file ends at byte {length}, inside the image; copy or download it again",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: usize,
    },
    /// The file is not a valid PNG or JPEG.
    #[error("{}: damaged image: {detail}; save or download it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder found.
        detail: String,
    },
    /// The image or the file is larger than what is read.
    #[error("{}: {what}; reduce the image first", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The size and the limit.
        what: String,
    },
    /// There is no object in the image.
    #[error(
        "{}: all {width} x {height} pixels are within 5% of the corner colour: \
         no object to recognise; choose an image whose object stands out from its background",
        path.display()
    )]
    Blank {
        /// The file.
        path: PathBuf,
        /// Columns of the image.
        width: u32,
        /// Rows of the image.
        height: u32,
    },
}

/// An image as a model takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Intensities, row by row: 0 is background.
    pub pixels: Vec<u8>,
    /// What was done to the image, in order.
    pub steps: Vec<String>,
}

/// Reads the PNG or JPEG file `path` and brings it to `width` x `height`; see [`prepare`].
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::TooLarge`] if it has more than 256 MiB, and those of
/// [`prepare`].
pub fn load(path: &Path, width: u32, height: u32) -> Result<Prepared, Error> {
    let failed = |source| Error::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        let what = format!("the file has more than {} MiB", MOST_BYTES >> 20);
        return Err(Error::TooLarge { path: path.to_owned(), what });
    }
    prepare(&bytes, path, width, height)
}

/// Brings the PNG or JPEG file `bytes` to `width` x `height` intensities on a background of 0.
///
/// An image that already has this size is only negated, if its background is light; an image of this size whose
/// pixels were each enlarged to the same square is reduced to it without loss. `path` is for messages.
///
/// # Errors
/// A file that is neither PNG nor JPEG, is truncated or damaged, has more than 64 million pixels, or shows nothing.
///
/// # Panics
/// If `width` or `height` is 0.
pub fn prepare(bytes: &[u8], path: &Path, width: u32, height: u32) -> Result<Prepared, Error> {
    assert!(width > 0 && height > 0, "an image of {width} x {height} pixels has none");
    let mut steps = Vec::new();
    let photo = decode(bytes, path, &mut steps)?;
    let light = photo.light_background();
    let target = (width, height);
    let (mut pixels, level) = if (photo.width, photo.height) == target {
        photo.check_not_plain(path)?;
        steps.push(format!("kept as it is: {width} x {height} pixels"));
        (photo.rgb.iter().map(grey).collect::<Vec<u8>>(), 0)
    } else if let Some((factor, small)) = photo.reduced(target) {
        steps.push(format!("reduced to {width} x {height}: each pixel was {factor} x {factor}"));
        (small.rgb.iter().map(grey).collect(), 0)
    } else {
        let level = photo.background_level(light);
        (photo.fitted(path, target, light, &mut steps)?, level)
    };
    if light {
        pixels.iter_mut().for_each(|v| *v = 255 - *v);
        steps.push(String::from("inverted: light background"));
    }
    if level > 0 {
        let lift = |v: u8| u32::from(v.saturating_sub(level)) * 255 / u32::from(255 - level);
        pixels.iter_mut().for_each(|v| *v = lift(*v) as u8);
        steps.push(format!("set the background from {level} to 0"));
    }
    Ok(Prepared { pixels, steps })
}

/// The luma of a colour (ITU-R BT.709), exact for greys.
pub(crate) fn grey(&[r, g, b]: &[u8; 3]) -> u8 {
    let [r, g, b] = [r, g, b].map(u32::from);
    ((2126 * r + 7152 * g + 722 * b + 5000) / 10_000) as u8
}

/// Whether two colours differ by no more than 5% of the range.
fn close(a: [u8; 3], b: [u8; 3]) -> bool {
    let squares = a.iter().zip(b).map(|(x, y)| f64::from(x.abs_diff(y)).powi(2)).sum::<f64>();
    squares <= 3.0 * CLOSE * CLOSE
}

/// A decoded image without transparency.
struct Photo {
    width: u32,
    height: u32,
    rgb: Vec<[u8; 3]>,
}

impl Photo {
    fn at(&self, x: u32, y: u32) -> [u8; 3] {
        self.rgb[y as usize * self.width as usize + x as usize]
    }

    /// The colours at top left, top right, bottom left, bottom right.
    fn corners(&self) -> [[u8; 3]; 4] {
        let (right, bottom) = (self.width - 1, self.height - 1);
        [self.at(0, 0), self.at(right, 0), self.at(0, bottom), self.at(right, bottom)]
    }

    /// Whether the background is light: three corners of four, or else half of the border.
    fn light_background(&self) -> bool {
        let light = |colour: &[u8; 3]| grey(colour) >= 128;
        match self.corners().iter().filter(|c| light(c)).count() {
            0 | 1 => false,
            3 | 4 => true,
            _ => {
                let (right, bottom) = (self.width - 1, self.height - 1);
                let level = (0..self.width).flat_map(|x| [self.at(x, 0), self.at(x, bottom)]);
                let upright = (0..self.height).flat_map(|y| [self.at(0, y), self.at(right, y)]);
                let border: Vec<_> = level.chain(upright).collect();
                border.iter().filter(|c| light(c)).count() * 2 >= border.len()
            }
        }
    }

    /// The lower middle one of the corners' distances from white, if the background is light, else from black.
    fn background_level(&self, light: bool) -> u8 {
        let mut levels = self.corners().map(|c| if light { 255 - grey(&c) } else { grey(&c) });
        levels.sort_unstable();
        levels[1]
    }

    /// The image of `target` size that this one is an exact enlargement of, and the factor.
    fn reduced(&self, target: (u32, u32)) -> Option<(u32, Self)> {
        let (width, height) = target;
        let factor = self.width / width;
        if factor < 2
            || self.width != width * factor
            || u64::from(self.height) != u64::from(height) * u64::from(factor)
        {
            return None;
        }
        let same = |x: u32, y: u32| self.at(x, y) == self.at(x - x % factor, y - y % factor);
        let exact = (0..self.height).all(|y| (0..self.width).all(|x| same(x, y)));
        let rgb: Vec<_> = (0..height)
            .flat_map(|y| (0..width).map(move |x| self.at(x * factor, y * factor)))
            .collect();
        // A single colour is an enlargement of anything, and shows nothing.
        let plain = rgb.iter().all(|colour| *colour == rgb[0]);
        (exact && !plain).then_some((factor, Self { width, height, rgb }))
    }

    /// Refuses what is of one colour, and so shows nothing.
    fn check_not_plain(&self, path: &Path) -> Result<(), Error> {
        let plain = self.rgb.len() > 1 && self.rgb.iter().all(|colour| *colour == self.rgb[0]);
        if !plain {
            return Ok(());
        }
        Err(Error::Blank { path: path.to_owned(), width: self.width, height: self.height })
    }

    /// Trims, resizes, sharpens and centres, as the authors of the data set did. Pixels around the object are
    /// those of a plain background: 255 if `light`, else 0.
    fn fitted(
        &self,
        path: &Path,
        target: (u32, u32),
        light: bool,
        steps: &mut Vec<String>,
    ) -> Result<Vec<u8>, Error> {
        let object = self.trimmed(path, steps)?.resized(target, steps).sharpened();
        steps.push(String::from("sharpened: Gaussian of radius 1 and deviation 1"));
        let (left, top) = ((target.0 - object.width) / 2, (target.1 - object.height) / 2);
        let mut pixels = vec![if light { 255 } else { 0 }; target.0 as usize * target.1 as usize];
        for (row, y) in object.rgb.chunks_exact(object.width as usize).zip(top as usize..) {
            let start = y * target.0 as usize + left as usize;
            let line = &mut pixels[start..start + row.len()];
            line.iter_mut().zip(row).for_each(|(to, from)| *to = grey(from));
        }
        steps.push(format!("centred on {} x {} pixels", target.0, target.1));
        Ok(pixels)
    }

    /// Without the rows and columns at the edges that are close to the corner: the top left one for the left and
    /// the top edge, the others for theirs.
    fn trimmed(&self, path: &Path, steps: &mut Vec<String>) -> Result<Self, Error> {
        let [first, right_corner, bottom_corner, _] = self.corners();
        let column = |x: u32, colour| (0..self.height).any(|y| !close(self.at(x, y), colour));
        let row = |y: u32, colour| (0..self.width).any(|x| !close(self.at(x, y), colour));
        let left = (0..self.width).find(|x| column(*x, first));
        let top = (0..self.height).find(|y| row(*y, first));
        let right = (0..self.width).rev().find(|x| column(*x, right_corner));
        let bottom = (0..self.height).rev().find(|y| row(*y, bottom_corner));
        let (Some(left), Some(top)) = (left, top) else {
            let (path, width, height) = (path.to_owned(), self.width, self.height);
            return Err(Error::Blank { path, width, height });
        };
        // Corners of different colours may leave nothing between two edges: then neither is trimmed.
        let kept = |low: u32, high: Option<u32>, side: u32| {
            high.filter(|high| low <= *high).map_or((0, side - 1), |high| (low, high))
        };
        let (left, right) = kept(left, right, self.width);
        let (top, bottom) = kept(top, bottom, self.height);
        let (from_right, from_bottom) = (self.width - 1 - right, self.height - 1 - bottom);
        if left + top + from_right + from_bottom > 0 {
            steps.push(format!(
                "trimmed edges close to the corner colour: {left} px left, {from_right} px right, \
                 {top} px top, {from_bottom} px bottom"
            ));
        }
        let rgb = (top..=bottom).flat_map(|y| (left..=right).map(move |x| self.at(x, y))).collect();
        Ok(Self { width: right - left + 1, height: bottom - top + 1, rgb })
    }

    /// As large as fits into `target`, by skipping or repeating rows and columns.
    fn resized(self, target: (u32, u32), steps: &mut Vec<String>) -> Self {
        let (w, h) = (f64::from(self.width), f64::from(self.height));
        let scale = (f64::from(target.0) / w).min(f64::from(target.1) / h);
        let width = ((w * scale).round() as u32).clamp(1, target.0);
        let height = ((h * scale).round() as u32).clamp(1, target.1);
        // The source pixel under the centre of a new one.
        let near = |i: u32, from: u32, to: u32| {
            ((2 * u64::from(i) + 1) * u64::from(from) / (2 * u64::from(to))) as u32
        };
        let rgb = (0..height)
            .map(|y| near(y, self.height, height))
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| self.at(near(x, self.width, width), y))
            .collect();
        steps.push(format!(
            "resized from {} x {} to {width} x {height} by subsampling",
            self.width, self.height
        ));
        Self { width, height, rgb }
    }

    /// Sharpened as by ImageMagick's `-sharpen 1x1`, which the data set's description matches: each pixel times twice
    /// the sum of a 3 x 3 Gaussian, less its eight neighbours times theirs, divided by the sum of the weights.
    fn sharpened(&self) -> Self {
        let weight = |dx: i64, dy: i64| (-((dx * dx + dy * dy) as f64) / 2.0).exp();
        let around: Vec<(i64, i64)> =
            (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))).collect();
        let sum: f64 = around.iter().map(|(dx, dy)| weight(*dx, *dy)).sum();
        let kernel = |dx, dy| if (dx, dy) == (0, 0) { 2.0 * sum } else { -weight(dx, dy) };
        let norm: f64 = around.iter().map(|(dx, dy)| kernel(*dx, *dy)).sum();
        let inside = |v: i64, side: u32| v.clamp(0, i64::from(side) - 1) as u32;
        let sharp = |x: u32, y: u32, channel: usize| {
            let value = around.iter().map(|&(dx, dy)| {
                let neighbour = self.at(
                    inside(i64::from(x) + dx, self.width),
                    inside(i64::from(y) + dy, self.height),
                );
                kernel(dx, dy) * f64::from(neighbour[channel])
            });
            (value.sum::<f64>() / norm).round().clamp(0.0, 255.0) as u8
        };
        let rgb = (0..self.height)
            .flat_map(|y| (0..self.width).map(move |x| (x, y)))
            .map(|(x, y)| [0, 1, 2].map(|channel| sharp(x, y, channel)))
            .collect();
        Self { width: self.width, height: self.height, rgb }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(width: u32, values: &[u8]) -> Photo {
        let height = values.len() as u32 / width;
        Photo { width, height, rgb: values.iter().map(|v| [*v; 3]).collect() }
    }

    #[test]
    fn greys_stay_what_they_are() {
        assert!((0..=255).all(|v| grey(&[v; 3]) == v));
        assert_eq!([grey(&[255, 0, 0]), grey(&[0, 255, 0]), grey(&[0, 0, 255])], [54, 182, 18]);
    }

    #[test]
    fn sharpening_agrees_with_imagemagick() {
        // `convert -size 5x4 -depth 8 gray:- -sharpen 1x1` of ImageMagick 6.9.11 printed these values.
        let before =
            [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 100, 90, 80, 70, 60, 50, 40, 30, 20];
        let after = photo(5, &before).sharpened();
        let seen: Vec<u8> = after.rgb.iter().map(|c| c[0]).collect();
        // It rounds on the way; one level is the most that differs.
        assert!(seen.iter().zip(SHARPENED).all(|(a, b)| a.abs_diff(b) <= 1), "{seen:?}");
    }

    const SHARPENED: [u8; 20] =
        [0, 8, 18, 28, 40, 58, 74, 89, 103, 119, 133, 118, 103, 89, 73, 50, 38, 28, 18, 6];

    #[test]
    fn polarity_is_read_from_the_corners() {
        assert!(photo(2, &[255, 200, 250, 0]).light_background());
        assert!(!photo(2, &[0, 20, 250, 0]).light_background());
        let half = [255, 255, 255, 9, 9, 0, 0, 0, 0];
        assert!(!photo(3, &half).light_background());
        let most = [255, 255, 255, 255, 9, 255, 0, 0, 0];
        assert!(photo(3, &most).light_background());
    }

    #[test]
    fn colours_within_five_per_cent_are_close() {
        assert!(close([100; 3], [112; 3]));
        assert!(!close([100; 3], [113; 3]));
        assert!(close([100, 100, 100], [120, 105, 95]));
    }
}
