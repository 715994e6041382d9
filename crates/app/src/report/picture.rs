//! PNG pictures as part of the page.

use base64::Engine as _;
use png::{BitDepth, ColorType, Compression, EncodingError};

/// Steps of a colour from nothing to full.
const STEPS: u8 = 24;
/// Of positive and of negative weights: orange and blue, which differ for all readers.
const POSITIVE: [u8; 3] = [0xD8, 0x6A, 0x00];
const NEGATIVE: [u8; 3] = [0x2B, 0x7B, 0xE0];

/// A PNG as a URI.
fn uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(png))
}

fn side(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn encoder(out: &mut Vec<u8>, width: usize, height: usize) -> png::Encoder<'_, &mut Vec<u8>> {
    let mut encoder = png::Encoder::new(out, side(width), side(height));
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Balanced);
    encoder
}

/// A grey image, dark on light as the figures have it unless it is a photo.
pub(super) fn grey(
    pixels: &[u8],
    (width, height): (usize, usize),
    photo: bool,
) -> Result<String, EncodingError> {
    let mut out = Vec::new();
    let mut encoder = encoder(&mut out, width, height);
    encoder.set_color(ColorType::Grayscale);
    let mut writer = encoder.write_header()?;
    let shades: Vec<u8> = pixels.iter().map(|v| if photo { *v } else { 255 - v }).collect();
    writer.write_image_data(&shades)?;
    writer.finish()?;
    Ok(uri(&out))
}

/// Values of both signs in −1..=1: the stronger, the less transparent, so that zero is the page in any theme.
pub(super) fn signed(values: &[f32], width: usize, height: usize) -> Result<String, EncodingError> {
    let step = |v: &f32| (v * f32::from(STEPS)).round().clamp(-f32::from(STEPS), f32::from(STEPS));
    let indices: Vec<u8> = values.iter().map(|v| (step(v) + f32::from(STEPS)) as u8).collect();
    let colours = [NEGATIVE; STEPS as usize].into_iter().chain([POSITIVE; 1 + STEPS as usize]);
    let opacity = |i: u8| (u16::from(i.abs_diff(STEPS)) * 255 / u16::from(STEPS)) as u8;
    palette(
        &indices,
        (width, height),
        colours.flatten().collect(),
        (0..=2 * STEPS).map(opacity).collect(),
    )
}

/// Values in 0..=1 of a square.
pub(super) fn heat_map(values: &[f64], side: usize) -> Result<String, EncodingError> {
    let indices: Vec<u8> = values.iter().map(|v| (v * f64::from(STEPS)).round() as u8).collect();
    let colours = [NEGATIVE; 1 + STEPS as usize].as_flattened().to_vec();
    let opacity = (0..=STEPS).map(|i| (u16::from(i) * 255 / u16::from(STEPS)) as u8);
    palette(&indices, (side, side), colours, opacity.collect())
}

fn palette(
    indices: &[u8],
    (width, height): (usize, usize),
    colours: Vec<u8>,
    opacity: Vec<u8>,
) -> Result<String, EncodingError> {
    let mut out = Vec::new();
    let mut encoder = encoder(&mut out, width, height);
    encoder.set_color(ColorType::Indexed);
    encoder.set_palette(colours);
    encoder.set_trns(opacity);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(indices)?;
    writer.finish()?;
    Ok(uri(&out))
}
