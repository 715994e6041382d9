//! SVG: real text in a common font family, images as embedded PNG.

use super::Error;
use super::font::{FAMILY, Face, printable};
use super::raster::encode;
use super::surface::{Area, Paint, Picture, Run, Spot};
use base64::Engine as _;
use plotters_backend::BackendColor;
use plotters_backend::text_anchor::HPos;
use std::fmt::{self, Display, Write as _};

/// An SVG document, white at first.
pub(super) struct Svg {
    width: u32,
    height: u32,
    body: String,
}

/// A length with at most two decimals and no trailing zeros.
struct Length(f64);

impl Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", self.0);
        let short = text.trim_end_matches('0').trim_end_matches('.');
        f.write_str(if short == "-0" { "0" } else { short })
    }
}

/// Text with the characters that XML keeps for itself replaced.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            other => f.write_char(other),
        })
    }
}

/// An attribute that colours a shape, with its opacity if it has one.
struct Colour(&'static str, BackendColor);

impl Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (r, g, b) = self.1.rgb;
        write!(f, "{}=\"#{r:02X}{g:02X}{b:02X}\"", self.0)?;
        if self.1.alpha < 1.0 {
            write!(f, " {}-opacity=\"{}\"", self.0, Length(self.1.alpha))?;
        }
        Ok(())
    }
}

/// The value of a `points` attribute.
struct Points<'a>(&'a [Spot]);

impl Display for Points<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (x, y)) in self.0.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}{},{}", Length(*x), Length(*y))?;
        }
        Ok(())
    }
}

impl Svg {
    /// A white document named `title` for screen readers.
    pub(super) fn new(width: u32, height: u32, title: &str) -> Self {
        let title = printable(title);
        let body = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"{FAMILY}\">\n\
             <title>{}</title>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#FFFFFF\"/>\n",
            Escaped(&title)
        );
        Self { width, height, body }
    }

    fn element(&mut self, content: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.body.write_fmt(content);
        self.body.push('\n');
    }
}

impl Paint for Svg {
    fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn rect(&mut self, area: Area, ink: BackendColor) {
        let [x, y, w, h] = [area.x, area.y, area.w, area.h].map(Length);
        let fill = Colour("fill", ink);
        self.element(format_args!(r#"<rect x="{x}" y="{y}" width="{w}" height="{h}" {fill}/>"#));
    }

    fn polygon(&mut self, corners: &[Spot], ink: BackendColor) {
        let (points, fill) = (Points(corners), Colour("fill", ink));
        self.element(format_args!(r#"<polygon points="{points}" {fill}/>"#));
    }

    fn stroke(&mut self, points: &[Spot], width: f64, ink: BackendColor) {
        let (points, width, stroke) = (Points(points), Length(width), Colour("stroke", ink));
        self.element(format_args!(
            r#"<polyline points="{points}" fill="none" stroke-width="{width}" stroke-linejoin="round" {stroke}/>"#
        ));
    }

    fn disc(&mut self, centre: Spot, radius: f64, ink: BackendColor) {
        let [x, y, r] = [centre.0, centre.1, radius].map(Length);
        let fill = Colour("fill", ink);
        self.element(format_args!(r#"<circle cx="{x}" cy="{y}" r="{r}" {fill}/>"#));
    }

    fn text(&mut self, _: &Face, run: &Run) {
        let anchor = match run.end {
            HPos::Left => "",
            HPos::Center => r#" text-anchor="middle""#,
            HPos::Right => r#" text-anchor="end""#,
        };
        let [x, y, drop, turn, size] =
            [run.at.0, run.at.1, run.drop, run.turn, run.size].map(Length);
        let (fill, content) = (Colour("fill", run.ink), Escaped(&run.content));
        let style = format!(r#"font-size="{size}"{anchor} {fill}"#);
        if run.turn == 0.0 {
            let y = Length(run.at.1 + run.drop);
            self.element(format_args!(r#"<text x="{x}" y="{y}" {style}>{content}</text>"#));
        } else {
            let place = format!("translate({x} {y}) rotate({turn})");
            self.element(format_args!(
                r#"<text y="{drop}" transform="{place}" {style}>{content}</text>"#
            ));
        }
    }

    fn picture(&mut self, area: Area, picture: &Picture) -> Result<(), Error> {
        // Enlarged before it is embedded: some viewers smooth an image however it is marked, and of one
        // that is already large they only soften the edges.
        let (width, height) = (area.w.round() as u32, area.h.round() as u32);
        let file = encode(width, height, &picture.resampled(width, height))?;
        let data = base64::engine::general_purpose::STANDARD.encode(file);
        let [x, y] = [area.x, area.y].map(Length);
        self.element(format_args!(
            r#"<image x="{x}" y="{y}" width="{width}" height="{height}" style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>"#
        ));
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, Error> {
        self.body.push_str("</svg>\n");
        Ok(self.body.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_short() {
        let shown = [0.0, -0.001, 1.5, 2.0, 3.456_78, -12.346].map(|v| Length(v).to_string());
        assert_eq!(shown, ["0", "0", "1.5", "2", "3.46", "-12.35"].map(String::from));
    }

    #[test]
    fn names_cannot_leave_their_element() {
        assert_eq!(Escaped(r#"<a b="c">&"#).to_string(), "&lt;a b=&quot;c&quot;&gt;&amp;");
    }
}
