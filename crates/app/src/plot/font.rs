//! The embedded font: widths for the layout, outlines for the bitmap.

use super::Error;
use ab_glyph::{Font as _, FontRef, GlyphId, OutlineCurve, Point, point};
use unicode_width::UnicodeWidthChar as _;

/// Inter Regular, reduced to Latin, so that a figure needs no font of the system.
const BYTES: &[u8] = include_bytes!("../../assets/inter-latin.otf");

/// What an SVG viewer shall use: the embedded face where it is installed, else one of similar widths.
pub(super) const FAMILY: &str =
    "Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif";

/// The height of capital letters, in ems.
pub(super) const CAP_HEIGHT: f64 = 2048.0 / 2816.0;

/// The embedded font, ready to measure and to trace text.
pub(super) struct Face {
    font: FontRef<'static>,
    units_per_em: f32,
}

impl Face {
    /// Reads the embedded font.
    pub(super) fn load() -> Result<Self, Error> {
        let font = FontRef::try_from_slice(BYTES).map_err(|_| Error::Font)?;
        let units_per_em = font.units_per_em().ok_or(Error::Font)?;
        Ok(Self { font, units_per_em })
    }

    /// The glyph of a character, if the font has it.
    fn glyph(&self, c: char) -> Option<GlyphId> {
        Some(self.font.glyph_id(c)).filter(|glyph| *glyph != GlyphId(0))
    }

    /// How far the pen moves for a character, in the font's units.
    fn advance(&self, c: char) -> f32 {
        match self.glyph(c) {
            Some(glyph) => self.font.h_advance_unscaled(glyph),
            None => self.units_per_em * substitute(c),
        }
    }

    /// The width of `text` set in `size` pixels an em.
    pub(super) fn width(&self, text: &str, size: f64) -> f64 {
        let units: f32 = text.chars().map(|c| self.advance(c)).sum();
        f64::from(units) * size / f64::from(self.units_per_em)
    }

    /// `text`, shortened with an ellipsis until it is no wider than `width`.
    pub(super) fn fit(&self, text: &str, size: f64, width: f64) -> String {
        if self.width(text, size) <= width {
            return text.to_owned();
        }
        let mut kept: Vec<char> = text.chars().collect();
        while kept.pop().is_some() {
            let shorter = format!("{}…", kept.iter().collect::<String>().trim_end());
            if self.width(&shorter, size) <= width {
                return shorter;
            }
        }
        String::from("…")
    }

    /// Traces `text` in ems: x to the right from the first pen position, y down from the baseline.
    pub(super) fn trace(&self, text: &str, mut curve: impl FnMut(OutlineCurve)) {
        let scale = 1.0 / self.units_per_em;
        let mut pen = 0.0;
        for c in text.chars() {
            let place = |p: Point| point((pen + p.x) * scale, -p.y * scale);
            let drawn = match self.glyph(c) {
                Some(glyph) => self.font.outline(glyph).map_or_else(Vec::new, |o| o.curves),
                None if c.is_whitespace() => Vec::new(),
                None => hollow_box(self.advance(c), self.units_per_em),
            };
            for outline in drawn {
                curve(match outline {
                    OutlineCurve::Line(a, b) => OutlineCurve::Line(place(a), place(b)),
                    OutlineCurve::Quad(a, b, c) => OutlineCurve::Quad(place(a), place(b), place(c)),
                    OutlineCurve::Cubic(a, b, c, d) => {
                        OutlineCurve::Cubic(place(a), place(b), place(c), place(d))
                    }
                });
            }
            pen += self.advance(c);
        }
    }
}

/// The width in ems of what stands for a character that the font does not have. It is about that of the character, as an
/// SVG viewer will draw it; what has none of its own, such as an accent that follows its letter, is left out.
fn substitute(c: char) -> f32 {
    match c.width() {
        None | Some(0) => 0.0,
        Some(1) => 0.62,
        Some(_) => 1.0,
    }
}

/// A box as high as capital letters: an outline, and within it another that turns the other way. Nothing if there is no room.
fn hollow_box(advance: f32, units_per_em: f32) -> Vec<OutlineCurve> {
    let (side, line) = (0.07 * units_per_em, 0.06 * units_per_em);
    if advance <= 2.0 * (side + line) {
        return Vec::new();
    }
    let height = CAP_HEIGHT as f32 * units_per_em;
    let corners = |inset: f32| {
        let (left, right) = (side + inset, advance - side - inset);
        let (low, high) = (inset, height - inset);
        [point(left, low), point(right, low), point(right, high), point(left, high)]
    };
    let (outer, mut inner) = (corners(0.0), corners(line));
    inner.reverse();
    let closed = |corners: [Point; 4]| {
        (0..4).map(move |i| OutlineCurve::Line(corners[i], corners[(i + 1) % 4]))
    };
    closed(outer).chain(closed(inner)).collect()
}

/// `text` without characters that neither a picture nor XML can hold.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_font_has_every_latin_letter() {
        let face = Face::load().unwrap();
        for c in (' '..='~').chain('\u{A1}'..='\u{17F}').chain("–—‘’“”…€−×≤≥".chars())
        {
            // A hyphen that is never shown, and a letter that Unicode has withdrawn.
            assert!(
                matches!(c, '\u{AD}' | '\u{149}') || face.glyph(c).is_some(),
                "no glyph for {c:?}"
            );
        }
        assert!(BYTES.len() <= 150 * 1024);
    }

    #[test]
    fn widths_add_up_and_scale() {
        let face = Face::load().unwrap();
        let one = face.width("Ankle boot", 10.0);
        assert!((40.0..70.0).contains(&one), "{one}");
        assert!((face.width("Ankle boot", 20.0) - 2.0 * one).abs() < 1e-3);
        assert_eq!(face.width("", 10.0), 0.0);
    }

    #[test]
    fn a_long_name_is_shortened_to_its_space() {
        let face = Face::load().unwrap();
        assert_eq!(face.fit("Bag", 12.0, 100.0), "Bag");
        let short = face.fit("An unreasonably long class name", 12.0, 100.0);
        assert!(short.ends_with('…') && short.starts_with("An un"), "{short}");
        assert!(face.width(&short, 12.0) <= 100.0);
        assert_eq!(face.fit("Bag", 12.0, 0.0), "…");
    }

    /// The curves of `text`, and how far right they reach.
    fn traced(text: &str) -> (usize, f32) {
        let (mut count, mut right) = (0, 0.0_f32);
        Face::load().unwrap().trace(text, |curve| {
            count += 1;
            if let OutlineCurve::Line(a, b) = curve {
                right = right.max(a.x).max(b.x);
            }
        });
        (count, right)
    }

    #[test]
    fn a_character_that_the_font_does_not_have_is_a_box_as_wide_as_it_is_measured() {
        let face = Face::load().unwrap();
        for (text, boxes) in [("Ж", 1), ("日", 1), ("Жёлтый цвет", 10), ("日本語", 3)]
        {
            let (curves, right) = traced(text);
            let width = face.width(text, 1.0) as f32;
            assert_eq!(curves, 8 * boxes, "{text}");
            assert!(right > 0.8 * width && right < width, "{text}: {right} of {width}");
        }
        assert!(face.width("日", 10.0) > face.width("Ж", 10.0), "as wide as such letters are");
        // What follows stands behind them.
        assert!(traced("Жl").1 > traced("l").1 + 0.5);
    }

    #[test]
    fn what_has_no_width_of_its_own_is_no_box() {
        let face = Face::load().unwrap();
        for text in ["\u{3000}", "\u{2003}", "\u{200B}", "\u{FE0F}"] {
            assert_eq!(traced(text).0, 0, "{text:?}");
        }
        assert_eq!(face.width("\u{5D0}\u{5BC}", 1.0), face.width("\u{5D0}", 1.0), "a point");
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(printable("a\nb\u{0}c\u{FFFF}d"), "a b c d");
    }
}
