//! The figures of the tutorial, as SVG that takes the page's colours.

use super::{Error, Facts, Section};
use crate::plot::{Figure, Format, Size, render};
use maud::{Markup, PreEscaped, html};

pub(super) fn section(facts: &Facts<'_>) -> Result<Option<Section>, Error> {
    let figures = facts.report.figures;
    if figures.is_empty() {
        return Ok(None);
    }
    let mut drawn = Vec::new();
    for (title, figure) in figures {
        drawn.push(one(title, figure, facts.report.photos)?);
    }
    let body = html! { div.drawings { @for figure in &drawn { (figure) } } };
    Ok(Some(Section::new(["figures", "Figures", "Figures of the tutorial"], body)))
}

fn one(title: &str, figure: &Figure<'_>, photos: bool) -> Result<Markup, Error> {
    let svg = String::from_utf8_lossy(&render(figure, Format::Svg, Size::Natural)?).into_owned();
    // Its text is escaped by the one who drew it.
    let wide = matches!(
        figure,
        Figure::Predictions { .. } | Figure::Gallery { .. } | Figure::Curves { .. }
    );
    // The others' pictures are grey, and are inverted on a dark page unless they are photos.
    let grey = !photos && !matches!(figure, Figure::Image { .. });
    Ok(html! {
        figure.drawing.wide[wide].grey[grey] {
            figcaption { (title) }
            div.scroll tabindex="0" role="region" aria-label=(title) { (PreEscaped(svg)) }
        }
    })
}
