//! Images as text: half-blocks with two pixels a character, or characters of different density.

use super::{GAP, Layout, scaled, trim};
use crate::plot::Image;
use std::io::{self, Write};

/// From nothing to dense.
const DENSITY: &[u8] = b" .:-=+*#%@";

/// The upper half in the colour of the text, the lower half in that of the background.
pub(super) fn half_blocks(
    out: &mut Vec<u8>,
    images: &[Image<'_>],
    layout: &Layout,
    any_colour: bool,
) -> io::Result<()> {
    let rows = images.iter().map(|image| layout.rows(*image)).max().unwrap_or(0);
    let scaled: Vec<Vec<u8>> =
        images.iter().map(|image| scaled(*image, layout.columns, 2 * rows)).collect();
    for row in 0..rows {
        for (i, pixels) in scaled.iter().enumerate() {
            if i > 0 {
                out.extend([b' '; GAP]);
            }
            let upper = &pixels[2 * row * layout.columns..][..layout.columns];
            let lower = &pixels[(2 * row + 1) * layout.columns..][..layout.columns];
            let mut last = None;
            for pair in upper.iter().zip(lower) {
                // Colours stay until they are changed.
                if last != Some(pair) {
                    let (u, l) = pair;
                    if any_colour {
                        write!(out, "\x1b[38;2;{u};{u};{u};48;2;{l};{l};{l}m")?;
                    } else {
                        write!(out, "\x1b[38;5;{};48;5;{}m", of_256(*u), of_256(*l))?;
                    }
                    last = Some(pair);
                }
                out.extend("▀".as_bytes());
            }
            out.extend(b"\x1b[0m");
        }
        out.push(b'\n');
    }
    Ok(())
}

/// The entry of the 256-colour palette nearest to a grey: its ramp has 8, 18, … 238, its cube black and white.
fn of_256(grey: u8) -> u8 {
    match grey {
        0..=3 => 16,
        247..=255 => 231,
        _ => 232 + (grey.saturating_sub(3) / 10).min(23),
    }
}

/// A character for the two pixels that it covers.
pub(super) fn characters(
    out: &mut Vec<u8>,
    images: &[Image<'_>],
    layout: &Layout,
) -> io::Result<()> {
    let rows = images.iter().map(|image| layout.rows(*image)).max().unwrap_or(0);
    let scaled: Vec<Vec<u8>> =
        images.iter().map(|image| scaled(*image, layout.columns, rows)).collect();
    for row in 0..rows {
        for (i, pixels) in scaled.iter().enumerate() {
            if i > 0 {
                out.extend([b' '; GAP]);
            }
            let level = |v: &u8| DENSITY[(usize::from(*v) * (DENSITY.len() - 1) + 127) / 255];
            out.extend(pixels[row * layout.columns..][..layout.columns].iter().map(level));
        }
        trim(out);
        out.push(b'\n');
    }
    Ok(())
}
