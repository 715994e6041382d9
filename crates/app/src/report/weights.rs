//! What the units of the first layer look for: their weights as images.

use super::picture::signed;
use super::{Error, Facts, FirstLayer, Section};
use maud::{Markup, html};

/// Units that are shown.
const UNITS: usize = 128;
/// Units of a picture.
const STRIP: usize = 8;

pub(super) fn section(facts: &Facts<'_>) -> Result<Option<Section>, Error> {
    let Some(layer) = &facts.report.first_layer else { return Ok(None) };
    let (height, width) = facts.report.test.shape();
    if layer.units == 0 || layer.weights.len() != height * width * layer.units {
        return Ok(None);
    }
    let body = if layer.is_output { classes(facts, layer)? } else { strips(facts, layer)? };
    Ok(Some(Section::new(["weights", "First layer", "First layer"], body)))
}

/// The weights of a unit as an image, the largest as 1.
fn unit(layer: &FirstLayer, unit: usize) -> Vec<f32> {
    let own: Vec<f32> = layer.weights.iter().skip(unit).step_by(layer.units).copied().collect();
    let largest = own.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    let scale = if largest > 0.0 && largest.is_finite() { 1.0 / largest } else { 0.0 };
    own.into_iter().map(|w| w * scale).collect()
}

fn strips(facts: &Facts<'_>, layer: &FirstLayer) -> Result<Markup, Error> {
    let (height, width) = facts.report.test.shape();
    let mut norms = vec![0.0f64; layer.units];
    for row in layer.weights.chunks_exact(layer.units) {
        norms.iter_mut().zip(row).for_each(|(norm, w)| *norm += f64::from(*w) * f64::from(*w));
    }
    let mut units: Vec<usize> = (0..layer.units).collect();
    units.sort_by(|a, b| norms[*b].total_cmp(&norms[*a]));
    units.truncate(UNITS);
    let mut pictures = Vec::new();
    for (at, strip) in units.chunks(STRIP).enumerate() {
        let images: Vec<Vec<f32>> = strip.iter().map(|u| unit(layer, *u)).collect();
        // A transparent column between two units.
        let whole = strip.len() * (width + 1) - 1;
        let mut values = vec![0.0; whole * height];
        for (i, image) in images.iter().enumerate() {
            for (y, row) in image.chunks_exact(width).enumerate() {
                values[y * whole + i * (width + 1)..][..width].copy_from_slice(row);
            }
        }
        let alt =
            format!("Weights of {} units, from number {} in strength", strip.len(), at * STRIP + 1);
        pictures.push((signed(&values, whole, height)?, alt, strip.len()));
    }
    let shown = units.len();
    Ok(html! {
        p { "Each image is a unit of the first layer: where it wants light (" span.more { "orange" }
            ") and where it wants none (" span.less { "blue" } ")." }
        div.strips { @for (uri, alt, count) in &pictures {
            img.pixels.weights src=(uri) alt=(alt) style=(format!("--n:{count}"));
        } }
        p.note { @if shown < layer.units { "The " (shown) " strongest of " } @else { "All " } (layer.units)
            " units, by the size of their weights; each is scaled to its own largest weight." }
    })
}

/// Without a hidden layer, units are classes.
fn classes(facts: &Facts<'_>, layer: &FirstLayer) -> Result<Markup, Error> {
    let (height, width) = facts.report.test.shape();
    let mut figures = Vec::new();
    for (class, name) in facts.report.class_names.iter().enumerate().take(layer.units.min(UNITS)) {
        figures.push((signed(&unit(layer, class), width, height)?, name));
    }
    Ok(html! {
        p { "There is no hidden layer, so each class has one image of weights: light there (" span.more { "orange" }
            ") speaks for the class, light there (" span.less { "blue" } ") against it." }
        div.gallery { @for (uri, name) in &figures {
            figure { img.pixels.weights src=(uri) alt=(format!("Weights of {name}")); figcaption { (name) } }
        } }
    })
}
