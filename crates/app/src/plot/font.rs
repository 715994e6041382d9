//! The embedded font: widths for the layout, outlines for the bitmap.

use super::Error;
use ab_glyph::{Font as _, FontRef, GlyphId, OutlineCurve, Point, point};

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

    fn advance(&self, glyph: GlyphId) -> f32 {
        self.font.h_advance_unscaled(glyph)
    }

    /// The width of `text` set in `size` pixels an em.
    pub(super) fn width(&self, text: &str, size: f64) -> f64 {
        let units: f32 = text.chars().map(|c| self.advance(self.font.glyph_id(c))).sum();
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
            let glyph = self.font.glyph_id(c);
            let place = |p: Point| point((pen + p.x) * scale, -p.y * scale);
            for outline in self.font.outline(glyph).into_iter().flat_map(|o| o.curves) {
                curve(match outline {
                    OutlineCurve::Line(a, b) => OutlineCurve::Line(place(a), place(b)),
                    OutlineCurve::Quad(a, b, c) => OutlineCurve::Quad(place(a), place(b), place(c)),
                    OutlineCurve::Cubic(a, b, c, d) => {
                        OutlineCurve::Cubic(place(a), place(b), place(c), place(d))
                    }
                });
            }
            pen += self.advance(glyph);
        }
    }
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
        let notdef = face.font.glyph_id('\u{10FFFF}');
        for c in (' '..='~').chain('\u{A1}'..='\u{17F}').chain("–—‘’“”…€−×≤≥".chars())
        {
            // A hyphen that is never shown, and a letter that Unicode has withdrawn.
            assert!(
                matches!(c, '\u{AD}' | '\u{149}') || face.font.glyph_id(c) != notdef,
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

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(printable("a\nb\u{0}c\u{FFFF}d"), "a b c d");
    }
}
