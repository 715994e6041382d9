//! Colours and type sizes, chosen once for all figures.
//!
//! Blue and red differ in lightness and on the blue-yellow axis, so they stay apart for readers with
//! protanopia or deuteranopia; both have a contrast of more than 4.5 on white, which text needs.

use plotters::style::RGBColor;
use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};

/// A correct prediction, and the bar of the true class.
pub(crate) const BLUE: RGBColor = RGBColor(0x0B, 0x5F, 0xC1);
/// A wrong prediction.
pub(crate) const RED: RGBColor = RGBColor(0xC9, 0x2A, 0x1E);
/// The second curve of a panel.
pub(super) const ORANGE: RGBColor = RGBColor(0xC8, 0x5A, 0x00);
/// Text, axes, and a prediction whose truth is unknown.
pub(super) const INK: RGBColor = RGBColor(0x1D, 0x23, 0x2E);
/// Tick labels.
pub(super) const MUTED: RGBColor = RGBColor(0x5A, 0x63, 0x70);
/// The bars of all other classes.
pub(super) const GREY: RGBColor = RGBColor(0x9A, 0xA2, 0xAE);
/// Grid lines.
pub(super) const FAINT: RGBColor = RGBColor(0xE4, 0xE7, 0xEB);
/// Axis lines and the border of images.
pub(super) const LINE: RGBColor = RGBColor(0xAE, 0xB5, 0xBF);

/// The paper, for a clear space behind text.
pub(super) const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);

/// Type size of tick labels.
pub(super) const SMALL: f64 = 12.0;
/// Type size of captions.
pub(super) const BODY: f64 = 14.0;
/// Type size of titles.
pub(super) const LARGE: f64 = 17.0;

/// How an intensity 0..=255 becomes a colour.
#[derive(Clone, Copy)]
pub(super) enum ColourMap {
    /// White for 0, black for 255: matplotlib's `binary`.
    Binary,
    /// Black for 0, white for 255: matplotlib's `gray`.
    Grey,
    /// Dark violet for 0, yellow for 255: matplotlib's default.
    Viridis,
}

impl ColourMap {
    /// The colour of `intensity`.
    pub(super) fn rgb(self, intensity: u8) -> [u8; 3] {
        match self {
            Self::Binary => [255 - intensity; 3],
            Self::Grey => [intensity; 3],
            Self::Viridis => {
                let RGBColor(r, g, b) =
                    ViridisRGB.get_color_normalized(f32::from(intensity), 0.0, 255.0);
                [r, g, b]
            }
        }
    }
}
