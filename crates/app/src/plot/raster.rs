//! PNG: shapes are filled by the exact area they cover of each pixel.

use super::Error;
use super::font::Face;
use super::surface::{Area, Paint, Picture, Run, Spot};
use ab_glyph::{OutlineCurve, Point, point};
use ab_glyph_rasterizer::Rasterizer;
use plotters_backend::BackendColor;
use plotters_backend::text_anchor::HPos;

/// An RGB bitmap, white at first.
pub(super) struct Raster {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

/// The corners of a circle, enough of them to look round.
pub(super) fn circle(centre: Spot, radius: f64) -> Vec<Spot> {
    let corners = (radius * 8.0).ceil().clamp(12.0, 360.0) as u32;
    (0..corners)
        .map(|i| {
            let (sin, cos) = (f64::from(i) * std::f64::consts::TAU / f64::from(corners)).sin_cos();
            (centre.0 + radius * cos, centre.1 + radius * sin)
        })
        .collect()
}

/// The four corners of one segment of a line.
fn segment(a: Spot, b: Spot, width: f64) -> Vec<Spot> {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx.hypot(dy).max(f64::MIN_POSITIVE);
    let (nx, ny) = (-dy / length * width / 2.0, dx / length * width / 2.0);
    vec![(a.0 - nx, a.1 - ny), (b.0 - nx, b.1 - ny), (b.0 + nx, b.1 + ny), (a.0 + nx, a.1 + ny)]
}

/// The smallest whole-pixel rectangle that holds all points, a pixel wider for rounding.
struct Bounds {
    x: i64,
    y: i64,
    w: usize,
    h: usize,
}

impl Bounds {
    /// The bounds of `points`, or nothing if there are none that a picture could show.
    fn of(points: impl Iterator<Item = Spot>, (width, height): (u32, u32)) -> Option<Self> {
        let (mut low, mut high) = ((f64::MAX, f64::MAX), (f64::MIN, f64::MIN));
        for (x, y) in points {
            low = (low.0.min(x), low.1.min(y));
            high = (high.0.max(x), high.1.max(y));
        }
        // A shape far outside would cost memory for pixels that nobody sees.
        let slack = 4.0 * f64::from(width.max(height));
        let limit = |v: f64| v.clamp(-slack, slack) as i64;
        let (x, y) = (limit(low.0.floor()) - 1, limit(low.1.floor()) - 1);
        let (right, bottom) = (limit(high.0.ceil()) + 1, limit(high.1.ceil()) + 1);
        let (w, h) = (usize::try_from(right - x).ok()?, usize::try_from(bottom - y).ok()?);
        Some(Self { x, y, w, h })
    }

    fn local(&self, (x, y): Spot) -> Point {
        point((x - self.x as f64) as f32, (y - self.y as f64) as f32)
    }
}

impl Raster {
    /// A white bitmap.
    pub(super) fn new(width: u32, height: u32) -> Self {
        Self { width, height, rgb: vec![0xFF; width as usize * height as usize * 3] }
    }

    fn blend(&mut self, x: i64, y: i64, coverage: f64, ink: BackendColor) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if x >= self.width || y >= self.height {
            return;
        }
        let share = coverage.clamp(0.0, 1.0) * ink.alpha;
        let start = (y as usize * self.width as usize + x as usize) * 3;
        let (r, g, b) = ink.rgb;
        for (under, over) in self.rgb[start..start + 3].iter_mut().zip([r, g, b]) {
            let mixed = f64::from(*under) + (f64::from(over) - f64::from(*under)) * share;
            *under = mixed.round() as u8;
        }
    }

    fn pour(&mut self, bounds: &Bounds, filled: &Rasterizer, ink: BackendColor) {
        filled.for_each_pixel_2d(|x, y, coverage| {
            if coverage > 0.0 {
                let at = (bounds.x + i64::from(x), bounds.y + i64::from(y));
                self.blend(at.0, at.1, f64::from(coverage), ink);
            }
        });
    }

    /// Fills the union of convex outlines. All are turned the same way round first, so that where they
    /// overlap their coverage adds up and is cut at one, instead of cancelling.
    fn union(&mut self, outlines: &[Vec<Spot>], ink: BackendColor) {
        let size = (self.width, self.height);
        let Some(bounds) = Bounds::of(outlines.iter().flatten().copied(), size) else { return };
        let mut filled = Rasterizer::new(bounds.w, bounds.h);
        for outline in outlines {
            let closed = || outline.iter().zip(outline.iter().cycle().skip(1));
            let turn: f64 = closed().map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum();
            for (a, b) in closed() {
                let (a, b) = if turn < 0.0 { (b, a) } else { (a, b) };
                filled.draw_line(bounds.local(*a), bounds.local(*b));
            }
        }
        self.pour(&bounds, &filled, ink);
    }
}

/// All points that bound a curve of an outline.
fn hull(curve: &OutlineCurve) -> Vec<Point> {
    match *curve {
        OutlineCurve::Line(a, b) => vec![a, b],
        OutlineCurve::Quad(a, b, c) => vec![a, b, c],
        OutlineCurve::Cubic(a, b, c, d) => vec![a, b, c, d],
    }
}

impl Paint for Raster {
    fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    fn rect(&mut self, area: Area, ink: BackendColor) {
        // What a rectangle covers of a row or a column of pixels is a product of two lengths.
        let cover =
            |low: f64, high: f64, i: i64| (high.min(i as f64 + 1.0) - low.max(i as f64)).max(0.0);
        let rows =
            area.y.max(0.0).floor() as i64..area.bottom().min(f64::from(self.height)).ceil() as i64;
        let columns =
            area.x.max(0.0).floor() as i64..area.right().min(f64::from(self.width)).ceil() as i64;
        for y in rows {
            let tall = cover(area.y, area.bottom(), y);
            for x in columns.clone() {
                self.blend(x, y, tall * cover(area.x, area.right(), x), ink);
            }
        }
    }

    fn polygon(&mut self, corners: &[Spot], ink: BackendColor) {
        self.union(&[corners.to_vec()], ink);
    }

    fn stroke(&mut self, points: &[Spot], width: f64, ink: BackendColor) {
        let mut outlines: Vec<Vec<Spot>> =
            points.windows(2).map(|pair| segment(pair[0], pair[1], width)).collect();
        let joins = points.get(1..points.len().saturating_sub(1)).unwrap_or_default();
        outlines.extend(joins.iter().map(|join| circle(*join, width / 2.0)));
        self.union(&outlines, ink);
    }

    fn disc(&mut self, centre: Spot, radius: f64, ink: BackendColor) {
        self.union(&[circle(centre, radius)], ink);
    }

    fn text(&mut self, face: &Face, run: &Run) {
        let width = face.width(&run.content, run.size);
        let start = match run.end {
            HPos::Left => 0.0,
            HPos::Center => -width / 2.0,
            HPos::Right => -width,
        };
        let (sin, cos) = run.turn.to_radians().sin_cos();
        let place = |p: Point| {
            let x = start + f64::from(p.x) * run.size;
            let y = run.drop + f64::from(p.y) * run.size;
            (run.at.0 + x * cos - y * sin, run.at.1 + x * sin + y * cos)
        };
        let mut curves = Vec::new();
        face.trace(&run.content, |curve| curves.push(curve));
        let hulls = curves.iter().flat_map(hull).map(place);
        let Some(bounds) = Bounds::of(hulls, self.size()) else { return };
        let local = |p: Point| bounds.local(place(p));
        let mut filled = Rasterizer::new(bounds.w, bounds.h);
        for curve in curves {
            match curve {
                OutlineCurve::Line(a, b) => filled.draw_line(local(a), local(b)),
                OutlineCurve::Quad(a, b, c) => filled.draw_quad(local(a), local(b), local(c)),
                OutlineCurve::Cubic(a, b, c, d) => {
                    filled.draw_cubic(local(a), local(b), local(c), local(d));
                }
            }
        }
        self.pour(&bounds, &filled, run.ink);
    }

    fn picture(&mut self, area: Area, picture: &Picture) -> Result<(), Error> {
        let (width, height) = (area.w.round() as u32, area.h.round() as u32);
        let pixels = picture.resampled(width, height);
        let corner = (area.x.round() as i64, area.y.round() as i64);
        for (row, y) in pixels.chunks_exact(width.max(1) as usize * 3).zip(corner.1..) {
            for (rgb, x) in row.as_chunks::<3>().0.iter().zip(corner.0..) {
                let ink = BackendColor { alpha: 1.0, rgb: (rgb[0], rgb[1], rgb[2]) };
                self.blend(x, y, 1.0, ink);
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, Error> {
        encode(self.width, self.height, &self.rgb)
    }
}

/// An RGB bitmap as a PNG file.
pub(super) fn encode(width: u32, height: u32, rgb: &[u8]) -> Result<Vec<u8>, Error> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(rgb)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: BackendColor = BackendColor { alpha: 1.0, rgb: (0, 0, 0) };

    fn grey(raster: &Raster, x: usize, y: usize) -> u8 {
        raster.rgb[(y * raster.width as usize + x) * 3]
    }

    #[test]
    fn a_rectangle_darkens_by_what_it_covers() {
        let mut raster = Raster::new(4, 4);
        raster.rect(Area::new(1.0, 1.0, 1.5, 1.0), BLACK);
        assert_eq!([grey(&raster, 0, 1), grey(&raster, 1, 1)], [255, 0]);
        assert_eq!([grey(&raster, 2, 1), grey(&raster, 3, 1)], [128, 255]);
        assert_eq!(grey(&raster, 1, 2), 255);
    }

    #[test]
    fn a_stroke_that_crosses_itself_stays_filled() {
        let mut raster = Raster::new(20, 20);
        raster.stroke(&[(2.0, 2.0), (18.0, 18.0), (18.0, 2.0), (2.0, 18.0)], 3.0, BLACK);
        assert_eq!(grey(&raster, 10, 10), 0);
        assert_eq!(grey(&raster, 17, 10), 0);
        assert_eq!(grey(&raster, 10, 1), 255);
    }

    #[test]
    fn shapes_outside_the_picture_are_cut() {
        let mut raster = Raster::new(4, 4);
        raster.rect(Area::new(-5.0, -5.0, 6.0, 6.0), BLACK);
        raster.disc((1e9, -1e9), 3.0, BLACK);
        raster.stroke(&[], 1.0, BLACK);
        assert_eq!([grey(&raster, 0, 0), grey(&raster, 1, 1)], [0, 255]);
    }

    #[test]
    fn a_picture_is_enlarged_without_smoothing() {
        let mut raster = Raster::new(6, 3);
        let picture = Picture { width: 2, height: 1, rgb: vec![[0; 3], [9; 3]] };
        raster.picture(Area::new(0.0, 0.0, 6.0, 3.0), &picture).unwrap();
        let row: Vec<u8> = (0..6).map(|x| grey(&raster, x, 2)).collect();
        assert_eq!(row, [0, 0, 0, 9, 9, 9]);
    }
}
