//! Charts as SVG in the page's colours: axes, ticks, lines with their names at the end.

use crate::plot::round_step;
use maud::{Markup, html};

/// Width of a chart in its own units; text has 13 of them.
pub(super) const WIDTH: f64 = 460.0;
/// Height of a chart.
pub(super) const HEIGHT: f64 = 290.0;
/// Room around the plot: left, right, top, bottom.
const LEFT: f64 = 46.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 42.0;
/// The least distance of two names.
const LINE: f64 = 16.0;

/// Where values are in a chart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    x: (f64, f64),
    y: (f64, f64),
    right: f64,
}

impl Frame {
    /// A frame for these ranges, with room for names at the right.
    pub(super) fn new(x: (f64, f64), y: (f64, f64), right: f64) -> Frame {
        // A range of a single value is made wider.
        let wide =
            |(low, high): (f64, f64)| if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
        Frame { x: wide(x), y: wide(y), right }
    }

    pub(super) fn x(&self, value: f64) -> f64 {
        let (low, high) = self.x;
        LEFT + (value - low) / (high - low) * (WIDTH - LEFT - self.right)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        let (low, high) = self.y;
        HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
    }

    /// The point of two values, for `points`.
    fn point(&self, x: f64, y: f64) -> String {
        format!("{:.1},{:.1}", self.x(x), self.y(y))
    }

    /// Level lines with their values, the axis of x with its values, and its name.
    pub(super) fn axes(&self, x: &Ticks, y: &Ticks, name: &str) -> Markup {
        let (left, right) = (self.x(self.x.0), self.x(self.x.1));
        let bottom = self.y(self.y.0);
        html! {
            g.grid { @for tick in &y.values {
                @let at = px(self.y(*tick));
                line x1=(px(left)) x2=(px(right)) y1=(at) y2=(at) {}
            } }
            g.ticks {
                @for tick in &y.values {
                    text x=(px(left - 8.0)) y=(px(self.y(*tick) + 4.5)) text-anchor="end" { (y.label(*tick)) }
                }
                @for tick in &x.values {
                    text x=(px(self.x(*tick))) y=(px(bottom + 19.0)) text-anchor="middle" { (x.label(*tick)) }
                }
                text x=(px((left + right) / 2.0)) y=(px(bottom + 37.0)) text-anchor="middle" { (name) }
            }
            line.axis x1=(px(left)) x2=(px(right)) y1=(px(bottom)) y2=(px(bottom)) {}
        }
    }

    /// A line through values at 1, 2, 3, …
    pub(super) fn line(&self, series: &Series<'_>) -> Markup {
        let known = || {
            let values = series.values.iter().enumerate();
            values.filter_map(|(i, v)| v.filter(|v| v.is_finite()).map(|v| ((i + 1) as f64, v)))
        };
        let points: Vec<String> = known().map(|(x, y)| self.point(x, y)).collect();
        let dots = points.len() <= 25;
        html! {
            g class=(series.class) {
                polyline.line points=(points.join(" ")) {}
                @if dots { @for (x, y) in known() {
                    circle cx=(px(self.x(x))) cy=(px(self.y(y))) r="3.5" { title { (format!("{} {x}: {}", series.name, (series.show)(y))) } }
                } }
            }
        }
    }

    /// Names at the right end, moved apart where they would touch.
    pub(super) fn names(&self, mut names: Vec<(f64, &str, String)>) -> Markup {
        names.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut at: Vec<f64> = names.iter().map(|(value, ..)| self.y(*value) + 4.5).collect();
        for i in 1..at.len() {
            at[i] = at[i].max(at[i - 1] + LINE);
        }
        // What was pushed below the plot goes back up.
        let mut limit = HEIGHT - BOTTOM + 4.0;
        for y in at.iter_mut().rev() {
            *y = y.min(limit);
            limit = *y - LINE;
        }
        let x = px(self.x(self.x.1) + 10.0);
        html! {
            g.names { @for ((_, class, text), y) in names.iter().zip(&at) {
                text class=(class) x=(x) y=(px(*y)) { (text) }
            } }
        }
    }
}

/// Values and how a line of them looks.
pub(super) struct Series<'s> {
    pub(super) name: &'s str,
    pub(super) class: &'s str,
    pub(super) values: &'s [Option<f64>],
    pub(super) show: fn(f64) -> String,
}

/// Round values on an axis.
#[derive(Clone, Debug)]
pub(super) struct Ticks {
    pub(super) values: Vec<f64>,
    digits: usize,
    percent: bool,
}

impl Ticks {
    /// About `count` round values that surround a range.
    pub(super) fn around((low, high): (f64, f64), count: usize, percent: bool) -> Ticks {
        let (low, high) = if high > low { (low, high) } else { (low - 0.05, low + 0.05) };
        let step = round_step((high - low) / count as f64);
        let (first, last) = ((low / step).floor() as i64, (high / step - 1e-9).ceil() as i64);
        let values = (first..=last).map(|i| i as f64 * step).collect();
        let shown = if percent { step * 100.0 } else { step };
        let digits = (-shown.log10().floor()).clamp(0.0, 9.0) as usize;
        Ticks { values, digits, percent }
    }

    /// Whole numbers from 1 to `last`, at most ten of them.
    pub(super) fn whole(last: usize) -> Ticks {
        let step = round_step(last as f64 / 10.0).max(1.0) as usize;
        let all = (1..=last).filter(|i| step == 1 || i.is_multiple_of(step));
        let values = all.map(|i| i as f64).collect();
        Ticks { values, digits: 0, percent: false }
    }

    /// From the first to the last.
    pub(super) fn range(&self) -> (f64, f64) {
        let first = self.values.first().copied().unwrap_or(0.0);
        (first, self.values.last().copied().unwrap_or(1.0))
    }

    fn label(&self, value: f64) -> String {
        let digits = self.digits;
        if self.percent {
            format!("{:.digits$}%", value * 100.0)
        } else {
            format!("{value:.digits$}")
        }
    }
}

/// A length with one digit behind the point.
pub(super) fn px(length: f64) -> String {
    let text = format!("{length:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// An SVG that fills its column, with what it shows in words.
pub(super) fn svg(height: f64, what: &str, body: &Markup) -> Markup {
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(what) { (body) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_surround_the_values() {
        let ticks = Ticks::around((0.297, 0.5), 4, false);
        assert_eq!(
            ticks.values.iter().map(|v| ticks.label(*v)).collect::<Vec<_>>(),
            ["0.2", "0.3", "0.4", "0.5"]
        );
        let ticks = Ticks::around((0.825, 0.8905), 4, true);
        let labels: Vec<String> = ticks.values.iter().map(|v| ticks.label(*v)).collect();
        assert_eq!(labels, ["82%", "84%", "86%", "88%", "90%"]);
        assert_eq!(Ticks::whole(5).values, [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(Ticks::whole(30).values, [5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        let flat = Ticks::around((1.0, 1.0), 4, true);
        assert!(flat.range().0 < 1.0 && flat.range().1 > 1.0);
        // The least of all numbers, of which no quarter is a number.
        let tiny = Ticks::around((0.0, f64::from_bits(1)), 4, false);
        assert_eq!(tiny.values, [0.0]);
    }

    #[test]
    fn names_keep_their_distance() {
        let frame = Frame::new((1.0, 5.0), (0.0, 1.0), 90.0);
        let names = vec![
            (0.0, "a", "a".to_owned()),
            (0.01, "b", "b".to_owned()),
            (0.02, "c", "c".to_owned()),
        ];
        let text = frame.names(names).into_string();
        let at: Vec<f64> = text
            .split(" y=\"")
            .skip(1)
            .map(|t| t.split('"').next().expect("a value").parse().expect("a number"))
            .collect();
        assert!(at.windows(2).all(|w| w[1] - w[0] >= LINE - 0.01), "{at:?}");
        assert!(at[2] <= HEIGHT - BOTTOM + 5.0, "{at:?}");
    }
}
