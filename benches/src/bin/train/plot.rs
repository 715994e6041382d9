//! How the time of a step grows, as a picture: a panel for each of batch, width and depth.

use plotters::prelude::*;
use std::error::Error;
use std::path::Path;

/// Times of steps that differ in one number.
pub(crate) struct Growth {
    /// What grows.
    pub(crate) what: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// Of one number of threads: what grows, and microseconds.
pub(crate) struct Line {
    pub(crate) threads: usize,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Distance from an end of an axis to the first or last point, as a factor.
const MARGIN: f64 = 1.4;
const FONT: &str = "sans-serif";

/// Writes the picture: both axes are logarithmic, so that what grows linearly has the slope of the grey line.
pub(crate) fn write(growths: &[Growth], to: &Path) -> Result<(), Box<dyn Error>> {
    let sheet = SVGBackend::new(to, (420 * growths.len() as u32, 380)).into_drawing_area();
    sheet.fill(&WHITE)?;
    for (growth, area) in growths.iter().zip(sheet.split_evenly((1, growths.len()))) {
        draw(growth, &area)?;
    }
    sheet.present()?;
    Ok(())
}

fn draw(
    Growth { what, lines }: &Growth,
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
) -> Result<(), Box<dyn Error>> {
    let all = || lines.iter().flat_map(|line| line.points.iter().copied());
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        low / MARGIN..high * MARGIN
    };
    let (across, up) = (ends(&mut all().map(|p| p.0)), ends(&mut all().map(|p| p.1)));
    let sizes: Vec<f64> = lines.iter().take(1).flat_map(|line| &line.points).map(|p| p.0).collect();
    let mut chart = ChartBuilder::on(area)
        .caption(format!("µs a step, by {what}"), (FONT, 17))
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(56)
        .build_cartesian_2d(
            across.clone().log_scale().with_key_points(sizes),
            up.clone().log_scale(),
        )?;
    let number = |x: &f64| format!("{x:.0}");
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(*what)
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .draw()?;
    // Through the last point, where what does not grow counts least.
    if let Some((x, y)) = lines.first().and_then(|line| line.points.last().copied()) {
        let from = across.start.max(up.start * x / y);
        let linear = [(from, from * y / x), (x, y)];
        let label = "in proportion";
        chart
            .draw_series(LineSeries::new(linear, RGBColor(170, 170, 170).stroke_width(1)))?
            .label(label)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], RGBColor(170, 170, 170)));
    }
    for (line, colour) in lines.iter().zip([BLUE, RED]) {
        let name =
            if line.threads == 1 { "1 thread".into() } else { format!("{} threads", line.threads) };
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style).point_size(3))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font((FONT, 13))
        .border_style(TRANSPARENT)
        .draw()?;
    Ok(())
}
