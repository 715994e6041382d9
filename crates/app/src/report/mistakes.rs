//! Classes that are confused, and the images that are most wrong.

use super::picture::grey;
use super::{Error, Facts, Percent, Section, grouped};
use maud::{Markup, html};
use nn::metrics::Confused;

/// Pairs that are shown.
const PAIRS: usize = 6;
/// Images of a pair.
const OF_PAIR: usize = 6;
/// Mistakes that are shown.
const WORST: usize = 24;

/// The classes that are most often taken for others, with images.
pub(super) fn pairs(facts: &Facts<'_>) -> Result<Option<Section>, Error> {
    let all = facts.confusion.most_confused();
    let Some(most) = all.first().map(|pair| pair.count) else { return Ok(None) };
    let mistakes = facts.mistakes();
    let mut items = Vec::new();
    for pair in all.into_iter().take(PAIRS) {
        items.push(self::pair(facts, pair, most, &mistakes)?);
    }
    let body = html! {
        ol.pairs { @for item in &items { li { (item) } } }
        p.note { "With the images of each pair on which the loss is highest." }
    };
    Ok(Some(Section::new(["pairs", "Pairs", "Most often confused"], body)))
}

fn pair(
    facts: &Facts<'_>,
    pair: Confused,
    most: usize,
    mistakes: &[usize],
) -> Result<Markup, Error> {
    let Confused { truth, predicted, count } = pair;
    let support = facts.confusion.support(truth);
    let share = Percent(count as f64 / support as f64);
    let of_pair = |i: &&usize| facts.truths[**i] == truth && facts.predicted[**i] == predicted;
    let images: Vec<usize> = mistakes.iter().filter(of_pair).take(OF_PAIR).copied().collect();
    let images = images.into_iter().map(|i| image(facts, i)).collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        div {
            p { b { (facts.name(truth)) } " taken for " b { (facts.name(predicted)) } }
            p.note { (grouped(count)) " of " (grouped(support)) ": " (share) }
            div.meter style=(format!("--v:{:.1}%", 100.0 * count as f64 / most as f64)) {}
        }
        div.strip { @for image in &images { (image) } }
    })
}

/// The mistakes with the highest loss.
pub(super) fn worst(facts: &Facts<'_>) -> Result<Option<Section>, Error> {
    let mistakes = facts.mistakes();
    if mistakes.is_empty() {
        return Ok(None);
    }
    let mut figures = Vec::new();
    for &i in mistakes.iter().take(WORST) {
        figures.push(mistake(facts, i)?);
    }
    let these = match figures.len() {
        1 => "this is the one".to_owned(),
        count => format!("these are the {count}"),
    };
    let body = html! {
        p { "To these images the network gave the right class the least probability. \
            Some of the labels may be wrong instead." }
        div.gallery { @for figure in &figures { (figure) } }
        p.note { (grouped(mistakes.len())) " of " (grouped(facts.truths.len()))
            " test images are classified wrong; " (these) " with the highest loss." }
    };
    Ok(Some(Section::new(["worst", "Worst mistakes", "Worst mistakes"], body)))
}

fn mistake(facts: &Facts<'_>, i: usize) -> Result<Markup, Error> {
    let (truth, predicted) = (facts.truths[i], facts.predicted[i]);
    let (sure, of_truth) = (facts.probability(i, predicted), facts.probability(i, truth));
    Ok(html! {
        figure title=(format!("Test image {i}, loss {:.2}", facts.losses[i])) {
            (image(facts, i)?)
            figcaption {
                span.wrong { (facts.name(predicted)) " " (percent(sure)) }
                span.truth { (facts.name(truth)) " " (percent(of_truth)) }
            }
        }
    })
}

/// A share with as few digits as say something.
fn percent(share: f64) -> String {
    match 100.0 * share {
        p if p >= 10.0 => format!("{p:.0}%"),
        p if p >= 0.1 => format!("{p:.1}%"),
        _ => "<0.1%".to_owned(),
    }
}

/// A test image.
fn image(facts: &Facts<'_>, i: usize) -> Result<Markup, Error> {
    let (truth, predicted) = (facts.name(facts.truths[i]), facts.name(facts.predicted[i]));
    let what = format!("Test image {i}: {truth}, taken for {predicted}");
    let (height, width) = facts.report.test.shape();
    let pixels = facts.report.test.image(i).unwrap_or(&[]);
    let photo = facts.report.photos;
    let src = grey(pixels, (width, height), photo)?;
    Ok(html! { img.pixels.photo[photo] src=(src) alt=(what) width="56" height="56"; })
}
