//! Sixels: six rows of pixels at a time, one colour after the other.
//!
//! A character from `?` on says which of six pixels in a column have the colour; `!n` repeats it, `$` goes back to
//! the start of the six rows, `-` on to the next (DEC, VT330/VT340 Programmer Reference Manual, chapter 14).

use super::{GAP, Layout, Strip};
use crate::plot::Image;
use std::io::{self, Write};

/// Greys; more would not be told apart and not all terminals have more.
const LEVELS: usize = 32;

pub(super) fn strip(out: &mut Vec<u8>, images: &[Image<'_>], layout: &Layout) -> io::Result<()> {
    let rows = images.iter().map(|image| layout.rows(*image)).max().unwrap_or(0);
    let (cell_w, cell_h) = (layout.cell.0 as usize, layout.cell.1 as usize);
    let size = (layout.columns * cell_w, rows * cell_h);
    let strip = Strip::new(images, size, GAP * cell_w);
    // Pixels of no colour stay as they are; a pixel is a square.
    write!(out, "\x1bP0;1q\"1;1;{};{}", strip.width, strip.height)?;
    for level in 0..LEVELS {
        let percent = level * 100 / (LEVELS - 1);
        write!(out, "#{level};2;{percent};{percent};{percent}")?;
    }
    for six in strip.pixels.chunks(6 * strip.width) {
        band(out, six, strip.width)?;
    }
    out.extend(b"\x1b\\\n");
    Ok(())
}

/// Up to six rows.
fn band(out: &mut Vec<u8>, pixels: &[Option<u8>], width: usize) -> io::Result<()> {
    let level = |v: u8| (usize::from(v) * (LEVELS - 1) + 127) / 255;
    let mut masks = vec![Vec::new(); LEVELS];
    for (i, value) in pixels.iter().enumerate() {
        let Some(value) = *value else { continue };
        let mask = &mut masks[level(value)];
        mask.resize(width, 0u8);
        mask[i % width] |= 1 << (i / width);
    }
    for (level, mask) in masks.iter().enumerate().filter(|(_, mask)| !mask.is_empty()) {
        write!(out, "#{level}")?;
        for run in mask.chunk_by(|a, b| a == b) {
            let sixel = char::from(b'?' + run[0]);
            match run.len() {
                n @ 0..=3 => write!(out, "{}", String::from(sixel).repeat(n))?,
                n => write!(out, "!{n}{sixel}")?,
            }
        }
        out.push(b'$');
    }
    out.push(b'-');
    Ok(())
}
