//! The pixels of a PNG or JPEG file.

use super::{Error, MOST_PIXELS, Photo, close};
use image::codecs::jpeg::JpegDecoder;
use image::{DynamicImage, ImageDecoder as _, ImageError};
use std::io;
use std::path::Path;

/// What the first bytes of a file that is no picture of ours say it is.
fn format_of(bytes: &[u8]) -> &'static str {
    let starts: [(&[u8], &str); 11] = [
        (b"GIF8", "a GIF image"),
        (b"RIFF", "a WebP image or another RIFF file"),
        (b"BM", "a BMP image"),
        (b"II*\0", "a TIFF image"),
        (b"MM\0*", "a TIFF image"),
        (b"%PDF", "a PDF document"),
        (b"<svg", "an SVG drawing"),
        (b"<", "an XML or HTML document"),
        (b"\x1F\x8B", "a gzip file"),
        (b"\0\0\x08\x03", "an IDX data file"),
        (b"P5", "a PGM image"),
    ];
    if bytes.is_empty() {
        return "an empty file";
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return "an AVIF or HEIC image or another ISO media file";
    }
    let known = starts.into_iter().find(|(start, _)| bytes.starts_with(start));
    known.map_or("an unknown format", |(_, name)| name)
}

const PNG: &[u8] = b"\x89PNG\r\n\x1A\n";
const JPEG: &[u8] = b"\xFF\xD8\xFF";

/// Decodes a PNG or JPEG file, whatever its name says, to 8-bit RGB.
pub(super) fn decode(bytes: &[u8], path: &Path, steps: &mut Vec<String>) -> Result<Photo, Error> {
    if bytes.starts_with(PNG) {
        return png(bytes, path, steps);
    }
    if bytes.starts_with(JPEG) {
        return jpeg(bytes, path, steps);
    }
    if !bytes.is_empty() && [PNG, JPEG].iter().any(|whole| whole.starts_with(bytes)) {
        return Err(Error::Truncated { path: path.to_owned(), length: bytes.len() });
    }
    Err(Error::Other { path: path.to_owned(), found: format_of(bytes) })
}

/// The pixels are to be few enough, before anything of that size is allocated.
pub(crate) fn check_size(width: u32, height: u32) -> Result<(), String> {
    match u64::from(width) * u64::from(height) {
        0..=MOST_PIXELS => Ok(()),
        _ => Err(format!("{width} x {height} pixels, at most {MOST_PIXELS} are read")),
    }
}

fn too_large(path: &Path) -> impl Fn(String) -> Error {
    |what| Error::TooLarge { path: path.to_owned(), what }
}

fn jpeg(bytes: &[u8], path: &Path, steps: &mut Vec<String>) -> Result<Photo, Error> {
    let failed = |error: ImageError| match error {
        ImageError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            Error::Truncated { path: path.to_owned(), length: bytes.len() }
        }
        other => Error::Damaged { path: path.to_owned(), detail: other.to_string() },
    };
    let mut decoder = JpegDecoder::new(io::Cursor::new(bytes)).map_err(failed)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height).map_err(too_large(path))?;
    // How the camera was held.
    let orientation = decoder.orientation().map_err(failed)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    let kind = if picture.color().has_color() { "colour" } else { "grey" };
    let rgb = picture.into_rgb8();
    let (width, height) = rgb.dimensions();
    steps.push(format!("read {width} x {height} pixels, JPEG, {kind}"));
    Ok(Photo { width, height, rgb: rgb.as_raw().as_chunks::<3>().0.to_vec() })
}

fn png(bytes: &[u8], path: &Path, steps: &mut Vec<String>) -> Result<Photo, Error> {
    let truncated = || Error::Truncated { path: path.to_owned(), length: bytes.len() };
    let failed = |error: png::DecodingError| match error {
        png::DecodingError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => truncated(),
        png::DecodingError::LimitsExceeded => {
            let what = String::from("decoding it would need more than 512 MiB");
            Error::TooLarge { path: path.to_owned(), what }
        }
        other => Error::Damaged { path: path.to_owned(), detail: other.to_string() },
    };
    let limits = png::Limits { bytes: 512 << 20 };
    let mut decoder = png::Decoder::new_with_limits(io::Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(failed)?;
    let (width, height) = (reader.info().width, reader.info().height);
    let (kind, depth) = (reader.info().color_type, reader.info().bit_depth);
    check_size(width, height).map_err(too_large(path))?;
    let size = reader.output_buffer_size();
    let size = size.ok_or_else(|| too_large(path)(format!("{width} x {height} pixels")))?;
    let mut buffer = vec![0; size];
    let frame = reader.next_frame(&mut buffer).map_err(failed)?;
    buffer.truncate(frame.buffer_size());
    steps.push(format!("read {width} x {height} pixels, {} bits, {}", depth as u8, name(kind)));
    Ok(Photo { width, height, rgb: opaque(&buffer, frame.color_type, steps) })
}

fn name(kind: png::ColorType) -> &'static str {
    match kind {
        png::ColorType::Grayscale => "grey",
        png::ColorType::GrayscaleAlpha => "grey with transparency",
        png::ColorType::Rgb => "colour",
        png::ColorType::Rgba => "colour with transparency",
        png::ColorType::Indexed => "palette",
    }
}

/// Decoded bytes as colours, transparent parts laid on white, or on black if all is white on white.
fn opaque(buffer: &[u8], kind: png::ColorType, steps: &mut Vec<String>) -> Vec<[u8; 3]> {
    let (pairs, quads) = (buffer.as_chunks::<2>().0, buffer.as_chunks::<4>().0);
    match kind {
        png::ColorType::Rgb => buffer.as_chunks::<3>().0.to_vec(),
        png::ColorType::GrayscaleAlpha => flattened(pairs, |&[v, a]| ([v; 3], a), steps),
        png::ColorType::Rgba => flattened(quads, |&[r, g, b, a]| ([r, g, b], a), steps),
        // The decoder turns a palette into colours.
        png::ColorType::Grayscale | png::ColorType::Indexed => {
            buffer.iter().map(|v| [*v; 3]).collect()
        }
    }
}

fn flattened<P>(
    pixels: &[P],
    split: impl Fn(&P) -> ([u8; 3], u8),
    steps: &mut Vec<String>,
) -> Vec<[u8; 3]> {
    let on = |ground: u8| -> Vec<[u8; 3]> {
        let mix = |over: u8, alpha: u8| {
            let (over, under, alpha) = (u32::from(over), u32::from(ground), u32::from(alpha));
            ((over * alpha + under * (255 - alpha) + 127) / 255) as u8
        };
        let lay = |pixel| {
            let (colour, alpha) = split(pixel);
            colour.map(|v| mix(v, alpha))
        };
        pixels.iter().map(lay).collect()
    };
    let white = on(255);
    if pixels.iter().all(|pixel| split(pixel).1 == 255) {
        return white;
    }
    if white.iter().any(|colour| !close(*colour, [255; 3])) {
        steps.push(String::from("laid transparent parts on white"));
        return white;
    }
    steps.push(String::from("laid transparent parts on black: the object is white"));
    on(0)
}
