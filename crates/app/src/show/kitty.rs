//! The graphics protocol of kitty: a PNG file in base64, in pieces, shown over a number of cells.
//!
//! <https://sw.kovidgoyal.net/kitty/graphics-protocol/>

use super::{GAP, Layout, Strip};
use crate::plot::Image;
use base64::Engine as _;
use std::io::{self, Write};

/// Bytes of a piece, at most.
const PIECE: usize = 4096;
/// Pixels of a column. The terminal scales them smoothly; a pixel of the image should stay a square.
const PER_COLUMN: usize = 8;

pub(super) fn strip(out: &mut Vec<u8>, images: &[Image<'_>], layout: &Layout) -> io::Result<()> {
    let rows = images.iter().map(|image| layout.rows(*image)).max().unwrap_or(0);
    let size = (layout.columns * PER_COLUMN, rows * 2 * PER_COLUMN);
    let strip = Strip::new(images, size, GAP * PER_COLUMN);
    let columns = strip.width / PER_COLUMN;
    let text = base64::engine::general_purpose::STANDARD.encode(png(&strip)?);
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(PIECE).collect();
    for (i, piece) in pieces.iter().enumerate() {
        let more = u8::from(i + 1 < pieces.len());
        // Show at once, a PNG, over so many cells, without an answer.
        let what = format!("a=T,f=100,c={columns},r={rows},q=2,");
        write!(out, "\x1b_G{}m={more};", if i == 0 { &what } else { "" })?;
        out.extend_from_slice(piece);
        out.extend(b"\x1b\\");
    }
    out.push(b'\n');
    Ok(())
}

/// Grey with transparent gaps.
fn png(strip: &Strip) -> io::Result<Vec<u8>> {
    let side = |n: usize| u32::try_from(n).map_err(|_| io::ErrorKind::InvalidInput);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(strip.width)?, side(strip.height)?);
    encoder.set_color(png::ColorType::GrayscaleAlpha);
    let pixels: Vec<u8> =
        strip.pixels.iter().flat_map(|p| p.map_or([0, 0], |v| [v, 255])).collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}
