//! Images in a terminal, each with lines of text below it.
//!
//! [`sheet`] lays images out in rows and returns the bytes to write: PNG in the kitty protocol, sixels, half-blocks
//! in 16 million or 256 colours, or plain characters. [`Look::of`] chooses from what the environment tells; nothing
//! is asked of the terminal, so nothing waits for an answer.

mod blocks;
mod kitty;
mod sixel;

use crate::plot::Image;
use std::io::{self, Write};

/// How a terminal shows images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Characters from light to dense; goes anywhere.
    Ascii,
    /// Half-blocks in the colours of the 256-colour palette.
    Blocks256,
    /// Half-blocks in any colour.
    Blocks,
    /// The graphics protocol of kitty, which Ghostty, Konsole and WezTerm understand, too.
    Kitty,
    /// The graphics of DEC's terminals: foot, mlterm, contour, iTerm2 and others.
    Sixel,
}

impl Look {
    /// The best that a terminal can do which says in its environment what it is, and whose output takes colours.
    /// Inside tmux and screen images would not stay where they are drawn.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Look {
        let value = |name: &str| variable(name).unwrap_or_default();
        let (term, program) = (value("TERM"), value("TERM_PROGRAM"));
        let one_of = |names: &[&str], name: &str| names.iter().any(|n| name.starts_with(n));
        let colours = match value("COLORTERM").as_str() {
            "truecolor" | "24bit" => Look::Blocks,
            _ if term.contains("direct") => Look::Blocks,
            _ => Look::Blocks256,
        };
        let multiplexed = variable("TMUX").is_some() || one_of(&["screen", "tmux"], &term);
        if multiplexed {
            return colours;
        }
        let konsole = value("KONSOLE_VERSION").parse().is_ok_and(|v: u32| v >= 220_400);
        if variable("KITTY_WINDOW_ID").is_some()
            || one_of(&["xterm-kitty", "xterm-ghostty"], &term)
            || ["ghostty", "WezTerm"].contains(&program.as_str())
            || konsole
        {
            return Look::Kitty;
        }
        let sixel = ["foot", "mlterm", "contour", "yaft"];
        if one_of(&sixel, &term) || program == "iTerm.app" {
            return Look::Sixel;
        }
        colours
    }
}

/// What a line of text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// No more than its words.
    Plain,
    /// That something is right.
    Good,
    /// That something is wrong.
    Bad,
}

/// An image and the lines below it.
#[derive(Clone, Debug)]
pub struct Item<'i> {
    /// The image.
    pub image: Image<'i>,
    /// The lines: text of the sheet's width that takes one column a character, and what it says.
    pub lines: Vec<(String, Tone)>,
}

/// How images are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How images are shown.
    pub look: Look,
    /// Whether text is coloured.
    pub coloured: bool,
    /// Columns of an image, and of the lines below it.
    pub columns: usize,
    /// Images in a row.
    pub across: usize,
    /// Pixels of a character cell, for sixels.
    pub cell: (u32, u32),
}

/// Columns between two images.
const GAP: usize = 2;
/// The least columns of an image: half of one of MNIST's, and room for a name.
const LEAST: usize = 14;
/// Images in a row, where there is room for fewer columns than an image has pixels.
const ACROSS: usize = 5;
/// Cells of a terminal that does not tell: those of the VT340.
pub const CELL: (u32, u32) = (10, 20);

impl Layout {
    /// A layout of `count` images for a terminal of `width` columns: as large as their pixels if all fit into a row,
    /// else five in a row.
    pub fn new(look: Look, coloured: bool, width: usize, image: Image<'_>, count: usize) -> Layout {
        // An image of few pixels is enlarged: each pixel by the same whole number.
        let pixels = image.width() as usize;
        let natural = pixels * (LEAST * 2 / pixels).max(1);
        let fits = |columns: usize| ((width + GAP) / (columns + GAP)).max(1);
        let shared = ((width + GAP) / ACROSS).saturating_sub(GAP);
        let columns =
            if fits(natural) >= count { natural } else { shared.clamp(LEAST, natural.max(LEAST)) };
        let columns = columns.min(width.max(1));
        let across = fits(columns).min(count.max(1));
        Layout { look, coloured, columns, across, cell: CELL }
    }

    /// Rows of character cells, each about twice as high as wide, that an image takes.
    fn rows(&self, image: Image<'_>) -> usize {
        let height = self.columns as f64 * f64::from(image.height()) / f64::from(image.width());
        ((height / 2.0).round() as usize).max(1)
    }
}

/// Images in rows, as bytes for the terminal.
pub fn sheet(items: &[Item<'_>], layout: &Layout) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, row) in items.chunks(layout.across).enumerate() {
        if i > 0 {
            out.push(b'\n');
        }
        // Writing to a Vec cannot fail.
        let _ = pictures(&mut out, row, layout).and_then(|()| lines(&mut out, row, layout));
    }
    out
}

/// The images of a row.
fn pictures(out: &mut Vec<u8>, row: &[Item<'_>], layout: &Layout) -> io::Result<()> {
    let images: Vec<Image<'_>> = row.iter().map(|item| item.image).collect();
    match layout.look {
        Look::Ascii => blocks::characters(out, &images, layout),
        Look::Blocks256 => blocks::half_blocks(out, &images, layout, false),
        Look::Blocks => blocks::half_blocks(out, &images, layout, true),
        Look::Kitty => kitty::strip(out, &images, layout),
        Look::Sixel => sixel::strip(out, &images, layout),
    }
}

/// The text below a row of images, line by line.
fn lines(out: &mut Vec<u8>, row: &[Item<'_>], layout: &Layout) -> io::Result<()> {
    let most = row.iter().map(|item| item.lines.len()).max().unwrap_or(0);
    for line in 0..most {
        for (i, item) in row.iter().enumerate() {
            let gap = if i == 0 { 0 } else { GAP };
            let nothing = (" ".repeat(layout.columns), Tone::Plain);
            let (text, tone) = item.lines.get(line).unwrap_or(&nothing);
            let (on, off) = match tone {
                _ if !layout.coloured => ("", ""),
                Tone::Plain => ("", ""),
                Tone::Good => ("\x1b[34m", "\x1b[39m"),
                Tone::Bad => ("\x1b[31m", "\x1b[39m"),
            };
            write!(out, "{:gap$}{on}{text}{off}", "")?;
        }
        trim(out);
        out.push(b'\n');
    }
    Ok(())
}

/// Removes the spaces at the end.
fn trim(out: &mut Vec<u8>) {
    let end = out.iter().rposition(|b| *b != b' ').map_or(0, |last| last + 1);
    out.truncate(end);
}

/// An image of another size: the mean of what each new pixel covers.
fn scaled(image: Image<'_>, width: usize, height: usize) -> Vec<u8> {
    let (from_w, from_h) = (image.width() as usize, image.height() as usize);
    // What new pixel `i` covers of the old ones: their indices and shares.
    let cover = |i: usize, from: usize, to: usize| {
        let (start, end) = (i * from, (i + 1) * from);
        (start / to..end.div_ceil(to)).map(move |old| {
            let (left, right) = ((old * to).max(start), ((old + 1) * to).min(end));
            (old, right - left)
        })
    };
    let pixels = image.pixels();
    let mean = |x: usize, y: usize| {
        let column = |(row, high): (usize, usize)| {
            cover(x, from_w, width).map(move |(at, wide)| (row * from_w + at, high * wide))
        };
        let covered = cover(y, from_h, height).flat_map(column);
        let sum: usize = covered.map(|(at, share)| share * usize::from(pixels[at])).sum();
        ((sum + from_w * from_h / 2) / (from_w * from_h)) as u8
    };
    (0..height).flat_map(|y| (0..width).map(move |x| mean(x, y))).collect()
}

/// A row of images side by side, as pixels that are grey or nothing.
struct Strip {
    width: usize,
    height: usize,
    pixels: Vec<Option<u8>>,
}

impl Strip {
    /// Each image in a box of so many pixels, with gaps between the boxes.
    fn new(images: &[Image<'_>], (width, height): (usize, usize), gap: usize) -> Strip {
        let whole = images.len() * (width + gap) - gap;
        let mut pixels = vec![None; whole * height];
        for (i, image) in images.iter().enumerate() {
            let image = scaled(*image, width, height);
            for (y, row) in image.chunks_exact(width).enumerate() {
                let at = y * whole + i * (width + gap);
                pixels[at..at + width].iter_mut().zip(row).for_each(|(to, v)| *to = Some(*v));
            }
        }
        Strip { width: whole, height, pixels }
    }
}

#[cfg(test)]
mod tests;
