//! The plotters backend that all figures are drawn on.
//!
//! plotters lays out coordinates, meshes and series; its own bitmap and SVG backends are not used, as
//! they know neither tilted text nor embedded pictures and disagree on where text stands. This one lowers
//! plotters' calls to seven shapes that a painter can draw, so both formats share every position.

use super::Error;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontTransform,
};

use super::font::{CAP_HEIGHT, Face, printable};

/// Steps of plotters' whole-number coordinates in one pixel of the picture.
pub(super) const STEPS: i32 = 16;

/// A position in pixels of the picture.
pub(super) type Spot = (f64, f64);

/// A rectangle in pixels of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    /// Left edge.
    pub(super) x: f64,
    /// Top edge.
    pub(super) y: f64,
    /// Width.
    pub(super) w: f64,
    /// Height.
    pub(super) h: f64,
}

impl Area {
    /// A rectangle from its corner and sides.
    pub(super) const fn new(x: f64, y: f64, w: f64, h: f64) -> Self {
        Self { x, y, w, h }
    }

    /// The right edge.
    pub(super) fn right(self) -> f64 {
        self.x + self.w
    }

    /// The bottom edge.
    pub(super) fn bottom(self) -> f64 {
        self.y + self.h
    }
}

/// A line of text. It stands on a baseline `drop` pixels below `at`, then turns around `at`.
pub(super) struct Run {
    /// What to write.
    pub(super) content: String,
    /// Where the text is anchored.
    pub(super) at: Spot,
    /// Which end of the text is at the anchor.
    pub(super) end: HPos,
    /// From the anchor down to the baseline.
    pub(super) drop: f64,
    /// Clockwise turn in degrees.
    pub(super) turn: f64,
    /// Pixels an em.
    pub(super) size: f64,
    /// Colour.
    pub(super) ink: BackendColor,
}

/// From the anchor of a text down to its baseline: capitals are aligned, not line boxes.
pub(super) fn baseline(align: &VPos, size: f64) -> f64 {
    match align {
        VPos::Top => CAP_HEIGHT * size,
        VPos::Center => CAP_HEIGHT * size / 2.0,
        VPos::Bottom => 0.0,
    }
}

/// Pixels as they are shown, before enlargement: 3 bytes each, row by row.
pub(super) struct Picture {
    /// Columns.
    pub(super) width: u32,
    /// Rows.
    pub(super) height: u32,
    /// `width * height` colours.
    pub(super) rgb: Vec<[u8; 3]>,
}

impl Picture {
    /// The picture enlarged or reduced to `width` x `height` by nearest neighbour, as bytes.
    pub(super) fn resampled(&self, width: u32, height: u32) -> Vec<u8> {
        let near = |i: u32, from: u32, to: u32| {
            // The centre of the target pixel, in source pixels.
            let centre = (2 * u64::from(i) + 1) * u64::from(from) / (2 * u64::from(to));
            centre as usize
        };
        let columns: Vec<usize> = (0..width).map(|x| near(x, self.width, width)).collect();
        (0..height)
            .flat_map(|y| {
                let row = near(y, self.height, height) * self.width as usize;
                columns.iter().flat_map(move |x| self.rgb[row + x])
            })
            .collect()
    }
}

/// What an output format must be able to draw. All lengths are pixels of the picture.
pub(super) trait Paint {
    /// Width and height of the picture.
    fn size(&self) -> (u32, u32);
    /// A filled rectangle.
    fn rect(&mut self, area: Area, ink: BackendColor);
    /// A filled polygon.
    fn polygon(&mut self, corners: &[Spot], ink: BackendColor);
    /// A line through all `points`, with round joins.
    fn stroke(&mut self, points: &[Spot], width: f64, ink: BackendColor);
    /// A filled disc.
    fn disc(&mut self, centre: Spot, radius: f64, ink: BackendColor);
    /// A line of text.
    fn text(&mut self, face: &Face, run: &Run);
    /// A picture, nearest neighbour, over `area`, whose edges are whole pixels.
    fn picture(&mut self, area: Area, picture: &Picture) -> Result<(), Error>;
    /// The finished file.
    fn finish(self: Box<Self>) -> Result<Vec<u8>, Error>;
}

/// A plotters backend that lowers every call to a [`Paint`]er.
pub(super) struct Surface<'a> {
    paint: &'a mut dyn Paint,
    face: &'a Face,
}

type Drawn = Result<(), DrawingErrorKind<Error>>;

fn spot((x, y): BackendCoord) -> Spot {
    (f64::from(x) / f64::from(STEPS), f64::from(y) / f64::from(STEPS))
}

fn thickness<S: BackendStyle>(style: &S) -> f64 {
    f64::from(style.stroke_width()) / f64::from(STEPS)
}

impl<'a> Surface<'a> {
    /// A surface that draws with `paint` and measures with `face`.
    pub(super) fn new(paint: &'a mut dyn Paint, face: &'a Face) -> Self {
        Self { paint, face }
    }

    /// Writes a line of text, at any turn.
    pub(super) fn run(&mut self, run: &Run) {
        self.paint.text(self.face, run);
    }

    /// Draws a picture, without smoothing.
    pub(super) fn picture(&mut self, area: Area, picture: &Picture) -> Drawn {
        self.paint.picture(area, picture).map_err(DrawingErrorKind::DrawingError)
    }
}

impl DrawingBackend for Surface<'_> {
    type ErrorType = Error;

    fn get_size(&self) -> (u32, u32) {
        let (width, height) = self.paint.size();
        (width * STEPS.unsigned_abs(), height * STEPS.unsigned_abs())
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        let (x, y) = spot(point);
        let side = 1.0 / f64::from(STEPS);
        self.paint.rect(Area::new(x, y, side, side), color);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.paint.stroke(&[spot(from), spot(to)], thickness(style), style.color());
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let ((x0, y0), (x1, y1)) = (spot(upper_left), spot(bottom_right));
        if fill {
            let (x, y) = (x0.min(x1), y0.min(y1));
            self.paint.rect(Area::new(x, y, (x1 - x0).abs(), (y1 - y0).abs()), style.color());
        } else {
            let round = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)];
            self.paint.stroke(&round, thickness(style), style.color());
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let points: Vec<Spot> = path.into_iter().map(spot).collect();
        self.paint.stroke(&points, thickness(style), style.color());
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let (centre, radius) = (spot(center), f64::from(radius) / f64::from(STEPS));
        if fill {
            self.paint.disc(centre, radius, style.color());
        } else {
            let points = super::raster::circle(centre, radius);
            let closed: Vec<Spot> = points.iter().chain(&points[..1]).copied().collect();
            self.paint.stroke(&closed, thickness(style), style.color());
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vert: I,
        style: &S,
    ) -> Drawn {
        let corners: Vec<Spot> = vert.into_iter().map(spot).collect();
        self.paint.polygon(&corners, style.color());
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        pos: BackendCoord,
    ) -> Drawn {
        let size = style.size() / f64::from(STEPS);
        let anchor = style.anchor();
        self.run(&Run {
            content: printable(text),
            at: spot(pos),
            end: anchor.h_pos,
            drop: baseline(&anchor.v_pos, size),
            turn: match style.transform() {
                FontTransform::None => 0.0,
                FontTransform::Rotate90 => 90.0,
                FontTransform::Rotate180 => 180.0,
                FontTransform::Rotate270 => 270.0,
            },
            size,
            ink: style.color(),
        });
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Error>> {
        let width = self.face.width(text, style.size());
        Ok((width.ceil() as u32, (style.size() * CAP_HEIGHT).ceil() as u32))
    }
}
