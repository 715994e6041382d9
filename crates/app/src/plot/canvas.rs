//! Drawing in layout units, whatever the size of the picture.

use super::Error;
use super::Image;
use super::font::{Face, printable};
use super::style::{BODY, ColourMap, INK, LINE};
use super::surface::{Area, Picture, Run, STEPS, Spot, Surface, baseline};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Drawable, PointCollection, Rectangle};
use plotters::style::{Color, RGBColor};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendCoord, DrawingErrorKind};

impl From<DrawingAreaErrorKind<Error>> for Error {
    fn from(error: DrawingAreaErrorKind<Error>) -> Self {
        match error {
            DrawingAreaErrorKind::BackendError(DrawingErrorKind::DrawingError(own)) => own,
            other => Self::Layout(other.to_string()),
        }
    }
}

/// A line of text in layout units, to be refined by its methods.
#[derive(Clone, Copy)]
pub(super) struct Label<'a> {
    content: &'a str,
    at: Spot,
    size: f64,
    colour: RGBColor,
    end: HPos,
    align: VPos,
    turn: f64,
}

impl<'a> Label<'a> {
    /// Dark text of body size that starts at `at`, on whose height its capitals are centred.
    pub(super) fn new(content: &'a str, at: Spot) -> Self {
        let (end, align) = (HPos::Left, VPos::Center);
        Self { content, at, size: BODY, colour: INK, end, align, turn: 0.0 }
    }

    /// The type size.
    pub(super) fn size(self, size: f64) -> Self {
        Self { size, ..self }
    }

    /// The colour.
    pub(super) fn colour(self, colour: RGBColor) -> Self {
        Self { colour, ..self }
    }

    /// Which end of the text is at the anchor.
    pub(super) fn end(self, end: HPos) -> Self {
        Self { end, ..self }
    }

    /// Puts the baseline at the anchor.
    pub(super) fn above(self) -> Self {
        Self { align: VPos::Bottom, ..self }
    }

    /// Turns the text clockwise around its anchor.
    pub(super) fn turn(self, degrees: f64) -> Self {
        Self { turn: degrees, ..self }
    }
}

/// A shape that plotters has no element for.
enum Extra {
    Text(Run),
    Picture(Area, Picture),
}

impl<'a> PointCollection<'a, BackendCoord> for &'a Extra {
    type Point = BackendCoord;
    type IntoIter = std::iter::Empty<BackendCoord>;
    fn point_iter(self) -> Self::IntoIter {
        std::iter::empty()
    }
}

impl Drawable<Surface<'_>> for Extra {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        _: I,
        surface: &mut Surface<'_>,
        _: (u32, u32),
    ) -> Result<(), DrawingErrorKind<Error>> {
        match self {
            Self::Text(run) => surface.run(run),
            Self::Picture(area, picture) => surface.picture(*area, picture)?,
        }
        Ok(())
    }
}

/// A sheet of paper `width` x `height` layout units large, fitted to a picture.
pub(super) struct Canvas<'a> {
    area: DrawingArea<Surface<'a>, Shift>,
    face: &'a Face,
    /// Pixels a layout unit.
    scale: f64,
    /// Where the sheet starts in the picture.
    origin: Spot,
}

impl<'a> Canvas<'a> {
    /// Fits a sheet of `width` x `height` units to the middle of `surface`, `size` pixels large.
    pub(super) fn new(
        surface: Surface<'a>,
        face: &'a Face,
        (width, height): (f64, f64),
        size: (u32, u32),
    ) -> Self {
        let (w, h) = (f64::from(size.0), f64::from(size.1));
        let scale = (w / width).min(h / height);
        let origin = (((w - width * scale) / 2.0).floor(), ((h - height * scale) / 2.0).floor());
        Self { area: surface.into_drawing_area(), face, scale, origin }
    }

    fn pixels(&self, (x, y): Spot) -> Spot {
        (self.origin.0 + x * self.scale, self.origin.1 + y * self.scale)
    }

    /// A length in plotters' steps, at least one.
    pub(super) fn steps(&self, length: f64) -> u32 {
        ((length * self.scale * f64::from(STEPS)).round() as u32).max(1)
    }

    fn coord(&self, at: Spot) -> BackendCoord {
        let (x, y) = self.pixels(at);
        let steps = f64::from(STEPS);
        ((x * steps).round() as i32, (y * steps).round() as i32)
    }

    /// The part of the sheet in `area`, for a plotters chart.
    pub(super) fn part(&self, area: Area) -> DrawingArea<Surface<'a>, Shift> {
        let (x, y) = self.coord((area.x, area.y));
        let (right, bottom) = self.coord((area.right(), area.bottom()));
        self.area.clone().shrink((x, y), (right - x, bottom - y))
    }

    /// The width of `text` in layout units.
    pub(super) fn width(&self, text: &str, size: f64) -> f64 {
        self.face.width(text, size)
    }

    /// `text`, shortened with an ellipsis to `width` layout units.
    pub(super) fn fit(&self, text: &str, size: f64, width: f64) -> String {
        self.face.fit(&printable(text), size, width)
    }

    /// Fills `area`, its edges moved to whole pixels so that they are sharp.
    pub(super) fn rect(&self, area: Area, colour: RGBColor) -> Result<(), Error> {
        let snap = |at: Spot| {
            let (x, y) = self.pixels(at);
            (x.round() as i32 * STEPS, y.round() as i32 * STEPS)
        };
        let (from, to) = (snap((area.x, area.y)), snap((area.right(), area.bottom())));
        Ok(self.area.draw(&Rectangle::new([from, to], colour.filled()))?)
    }

    /// A level line, at least a pixel thick, that hangs from `at`.
    pub(super) fn rule(&self, at: Spot, length: f64, colour: RGBColor) -> Result<(), Error> {
        self.rect(Area::new(at.0, at.1, length, self.hair()), colour)
    }

    /// An upright line, at least a pixel thick, to the right of `at`.
    pub(super) fn stem(&self, at: Spot, length: f64, colour: RGBColor) -> Result<(), Error> {
        self.rect(Area::new(at.0, at.1, self.hair(), length), colour)
    }

    /// The thickness of thin lines: a whole number of pixels.
    pub(super) fn hair(&self) -> f64 {
        self.scale.round().max(1.0) / self.scale
    }

    /// Writes a line of text.
    pub(super) fn label(&self, label: Label<'_>) -> Result<(), Error> {
        let size = label.size * self.scale;
        let run = Run {
            content: printable(label.content),
            at: self.pixels(label.at),
            end: label.end,
            drop: baseline(&label.align, size),
            turn: label.turn,
            size,
            ink: label.colour.to_backend_color(),
        };
        Ok(self.area.draw(&Extra::Text(run))?)
    }

    /// Draws `image` as large as `cell` allows, each pixel enlarged by the same whole number, in the middle
    /// of the cell, with a thin border. Returns where it is.
    pub(super) fn image(
        &self,
        image: Image<'_>,
        map: ColourMap,
        cell: Area,
    ) -> Result<Area, Error> {
        let (room_w, room_h) = (cell.w * self.scale, cell.h * self.scale);
        let (w, h) = (f64::from(image.width()), f64::from(image.height()));
        let factor = (room_w / w).min(room_h / h);
        // An image of more pixels than there is room for is reduced.
        let factor = if factor >= 1.0 { factor.floor() } else { factor };
        let (w, h) = ((w * factor).round().max(1.0), (h * factor).round().max(1.0));
        let (x, y) = self.pixels((cell.x, cell.y));
        let corner = ((x + (room_w - w) / 2.0).round(), (y + (room_h - h) / 2.0).round());
        let drawn = Area::new(
            (corner.0 - self.origin.0) / self.scale,
            (corner.1 - self.origin.1) / self.scale,
            w / self.scale,
            h / self.scale,
        );
        let hair = self.hair();
        let border =
            Area::new(drawn.x - hair, drawn.y - hair, drawn.w + 2.0 * hair, drawn.h + 2.0 * hair);
        self.rect(border, LINE)?;
        let picture = Picture {
            width: image.width(),
            height: image.height(),
            rgb: image.pixels().iter().map(|p| map.rgb(*p)).collect(),
        };
        self.area.draw(&Extra::Picture(Area::new(corner.0, corner.1, w, h), picture))?;
        Ok(drawn)
    }

    /// A scale of all intensities, 255 at the top, that fills `area`.
    pub(super) fn scale_bar(&self, map: ColourMap, area: Area) -> Result<(), Error> {
        let (x, y) = self.pixels((area.x, area.y));
        let (right, bottom) = self.pixels((area.right(), area.bottom()));
        let (x, y) = (x.round(), y.round());
        let filled = Area::new(x, y, right.round() - x, bottom.round() - y);
        let rgb = (0..=255).rev().map(|v| map.rgb(v)).collect();
        let picture = Picture { width: 1, height: 256, rgb };
        Ok(self.area.draw(&Extra::Picture(filled, picture))?)
    }
}
