//! One picture: from a file to grey pixels of a size.

use image::imageops::{FilterType, overlay, resize};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageReader, Luma};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// The most memory for decoding.
const MOST_BYTES: u64 = 1 << 30;

/// What becomes of a picture that has another shape than asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// As large as fits, in the middle of the colour of its own border.
    #[default]
    Pad,
    /// Stretched to the shape.
    Stretch,
}

impl Fit {
    /// What records call it.
    pub fn name(self) -> &'static str {
        match self {
            Fit::Pad => "pad",
            Fit::Stretch => "stretch",
        }
    }
}

/// Ends the words of a look in which dark becomes light.
const INVERT: &str = " invert";

/// What pictures are made to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What becomes of other shapes.
    pub fit: Fit,
    /// Whether dark becomes light: what is drawn should be light on dark, as in MNIST, where 0 is background.
    pub invert: bool,
}

impl Look {
    /// In a word or two, as model files keep it: `pad`, `stretch invert`.
    pub fn words(&self) -> String {
        format!("{}{}", self.fit.name(), if self.invert { INVERT } else { "" })
    }

    /// The look of the images in a folder, if [`pack`](super::pack) made them.
    pub fn recorded(folder: &Path) -> Option<Look> {
        #[derive(serde::Deserialize)]
        struct Record {
            width: u32,
            height: u32,
            fit: String,
            invert: bool,
        }
        let text = std::fs::read(folder.join(super::RECORD)).ok()?;
        let Record { width, height, fit, invert } = serde_json::from_slice(&text).ok()?;
        let fit = [Fit::Pad, Fit::Stretch].into_iter().find(|f| f.name() == fit)?;
        Some(Look { width, height, fit, invert })
    }

    /// Whether these words say that dark becomes light.
    pub fn inverts(words: &str) -> bool {
        words.ends_with(INVERT)
    }

    /// The look of these words at a size.
    pub fn from_words(words: &str, width: u32, height: u32) -> Option<Look> {
        let (fit, invert) = match words.strip_suffix(INVERT) {
            Some(fit) => (fit, true),
            None => (words, false),
        };
        let fit = [Fit::Pad, Fit::Stretch].into_iter().find(|f| f.name() == fit)?;
        Some(Look { width, height, fit, invert })
    }
}

/// Width and height of the picture in a file, as it is looked at.
pub(super) fn size(path: &Path) -> Result<(u32, u32), String> {
    let (decoder, orientation) = open(path)?;
    let (width, height) = decoder.dimensions();
    Ok(if turns(orientation) { (height, width) } else { (width, height) })
}

/// Whether width and height change places.
fn turns(orientation: Orientation) -> bool {
    use Orientation as O;
    matches!(orientation, O::Rotate90 | O::Rotate270 | O::Rotate90FlipH | O::Rotate270FlipH)
}

/// The decoder of a PNG or JPEG file, whatever its name says, and how the camera was held.
fn open(path: &Path) -> Result<(impl ImageDecoder + use<>, Orientation), String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let mut reader =
        ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|e| e.to_string())?;
    if reader.format().is_none() {
        return Err("it is no PNG or JPEG file".to_owned());
    }
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions();
    crate::image::check_size(width, height)?;
    let orientation = decoder.orientation().map_err(|e| e.to_string())?;
    Ok((decoder, orientation))
}

/// The pixels of the picture in a file, row by row.
///
/// The picture is turned upright (Exif), laid on white where it is transparent, made grey (`0.2126 R + 0.7152 G +
/// 0.0722 B`, as everywhere in weft), brought to the size with a triangle filter, and inverted if asked for. One that
/// has the size already keeps its pixels.
///
/// # Errors
/// What is wrong with the file.
pub fn load(path: &Path, look: Look) -> Result<Vec<u8>, String> {
    let (decoder, orientation) = open(path)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?;
    picture.apply_orientation(orientation);
    let mut pixels = fitted(grey(picture), look).into_raw();
    if look.invert {
        pixels.iter_mut().for_each(|v| *v = 255 - *v);
    }
    Ok(pixels)
}

fn grey(picture: DynamicImage) -> GrayImage {
    match picture {
        DynamicImage::ImageLuma8(grey) => grey,
        picture if picture.color().has_alpha() => {
            let rgba = picture.into_rgba8();
            let (width, height) = rgba.dimensions();
            let lay = |[r, g, b, a]: [u8; 4]| {
                let mix = |v: u8| {
                    let (v, a) = (u32::from(v), u32::from(a));
                    ((v * a + 255 * (255 - a) + 127) / 255) as u8
                };
                crate::image::grey(&[mix(r), mix(g), mix(b)])
            };
            GrayImage::from_fn(width, height, |x, y| Luma([lay(rgba.get_pixel(x, y).0)]))
        }
        picture => {
            let rgb = picture.into_rgb8();
            let (width, height) = rgb.dimensions();
            GrayImage::from_fn(width, height, |x, y| {
                Luma([crate::image::grey(&rgb.get_pixel(x, y).0)])
            })
        }
    }
}

fn fitted(picture: GrayImage, look: Look) -> GrayImage {
    let Look { width, height, fit, .. } = look;
    let (w, h) = picture.dimensions();
    if (w, h) == (width, height) {
        return picture;
    }
    if fit == Fit::Stretch {
        return resize(&picture, width, height, FilterType::Triangle);
    }
    let scale = (f64::from(width) / f64::from(w)).min(f64::from(height) / f64::from(h));
    let side = |n: u32, most: u32| ((f64::from(n) * scale).round() as u32).clamp(1, most);
    let (new_w, new_h) = (side(w, width), side(h, height));
    let background = border(&picture);
    let mut canvas = GrayImage::from_pixel(width, height, Luma([background]));
    let small = resize(&picture, new_w, new_h, FilterType::Triangle);
    overlay(&mut canvas, &small, ((width - new_w) / 2).into(), ((height - new_h) / 2).into());
    canvas
}

/// The median of the outermost pixels.
fn border(picture: &GrayImage) -> u8 {
    let (w, h) = picture.dimensions();
    let level = (0..w).flat_map(|x| [(x, 0), (x, h - 1)]);
    let upright = (0..h).flat_map(|y| [(0, y), (w - 1, y)]);
    let mut values: Vec<u8> =
        level.chain(upright).map(|(x, y)| picture.get_pixel(x, y).0[0]).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(width: u32, height: u32) -> Look {
        Look { width, height, fit: Fit::Pad, invert: false }
    }

    #[test]
    fn the_same_size_keeps_every_pixel() {
        let picture = GrayImage::from_fn(3, 2, |x, y| Luma([(10 * x + y) as u8]));
        assert_eq!(fitted(picture.clone(), look(3, 2)), picture);
    }

    #[test]
    fn another_shape_is_padded_with_its_border_or_stretched() {
        let picture = GrayImage::from_fn(4, 2, |x, _| Luma([if x == 1 { 90 } else { 30 }]));
        let padded = fitted(picture.clone(), look(4, 4));
        for (y, expected) in
            [[30; 4], [30, 90, 30, 30], [30, 90, 30, 30], [30; 4]].iter().enumerate()
        {
            let row: Vec<u8> = (0..4).map(|x| padded.get_pixel(x, y as u32).0[0]).collect();
            assert_eq!(row, expected, "row {y}");
        }
        let stretched = fitted(picture, Look { fit: Fit::Stretch, ..look(4, 4) });
        assert!(stretched.rows().all(|mut row| row.nth(1) == Some(&Luma([90]))));
    }

    #[test]
    fn halving_takes_the_mean() {
        let picture =
            GrayImage::from_fn(8, 8, |x, y| Luma([if (x + y) % 2 == 0 { 200 } else { 100 }]));
        let small = fitted(picture, look(4, 4));
        assert!(small.pixels().all(|p| p.0[0].abs_diff(150) <= 1), "{small:?}");
    }

    #[test]
    fn transparency_is_laid_on_white_and_colours_are_weighted() {
        let clear = image::RgbaImage::from_pixel(1, 1, image::Rgba([0, 0, 0, 0]));
        assert_eq!(grey(clear.into()).into_raw(), [255]);
        let half = image::RgbaImage::from_pixel(1, 1, image::Rgba([0, 0, 0, 128]));
        assert_eq!(grey(half.into()).into_raw(), [127]);
        let green = image::RgbImage::from_pixel(1, 1, image::Rgb([0, 255, 0]));
        assert_eq!(grey(green.into()).into_raw(), [182]);
    }

    #[test]
    fn words_tell_the_look() {
        for fit in [Fit::Pad, Fit::Stretch] {
            for invert in [false, true] {
                let look = Look { width: 5, height: 7, fit, invert };
                assert_eq!(Look::from_words(&look.words(), 5, 7), Some(look));
            }
        }
        assert_eq!(Look::from_words("crop", 5, 7), None);
    }
}
