//! How well each class is told apart, and what it is taken for.

use super::picture::heat_map;
use super::{Error, Facts, Percent, Section, grouped};
use maud::{Markup, html};
use nn::metrics::{Average, ClassScores};

/// With more classes than this the matrix is a picture, not a table.
const TABLE: usize = 26;
/// With more classes than this, of which not every one has a pixel, the matrix is left out.
pub const MOST_CLASSES: usize = 2_000;

/// Precision, recall and F1.
pub(super) fn table(facts: &Facts<'_>) -> Section {
    let (confusion, names) = (&facts.confusion, facts.report.class_names);
    let count = confusion.count();
    let means = [
        ("Macro average", confusion.macro_average()),
        ("Weighted average", confusion.weighted_average()),
    ];
    let body = html! {
        div.scroll tabindex="0" role="region" aria-label="Scores by class" {
            table.numbers.bars {
                thead { tr {
                    th scope="col" { "Class" } th scope="col" { "Precision" } th scope="col" { "Recall" }
                    th scope="col" { "F1" } th scope="col" { "Images" }
                } }
                tbody { @for (class, name) in names.iter().enumerate() { tr {
                    @let ClassScores { precision, recall, f1, support } = confusion.class(class);
                    th scope="row" { (name) }
                    (score(precision)) (score(recall)) (score(f1)) td { (grouped(support)) }
                } } }
                tfoot { @for (name, Average { precision, recall, f1 }) in means { tr {
                    th scope="row" { (name) }
                    (score(precision)) (score(recall)) (score(f1)) td { (grouped(count)) }
                } } }
            }
        }
        p.note { b { "Precision" } ": of the images taken for a class, the share that belong to it. " b { "Recall" }
            ": of the images of a class, the share taken for it. " b { "F1" } ": their harmonic mean." }
    };
    Section::new(["classes", "Classes", "By class"], body)
}

/// A cell with a bar behind the number.
fn score(value: f64) -> Markup {
    html! { td.bar style=(format!("--v:{:.1}%", 100.0 * value)) { (format!("{value:.3}")) } }
}

/// The confusion matrix.
pub(super) fn matrix(facts: &Facts<'_>) -> Result<Section, Error> {
    let classes = facts.report.class_names.len();
    let body = match classes {
        n if n <= TABLE => cells(facts),
        n if n <= MOST_CLASSES => picture(facts)?,
        _ => html! {
            p { "Left out: it has " (grouped(classes)) " classes, more than " (grouped(MOST_CLASSES)) "." }
        },
    };
    let body = html! {
        (body)
        @if classes <= MOST_CLASSES {
            p.note { "A row for what the images show, a column for what they are taken for. The diagonal is right; "
                "shades are shares of a row." }
        }
    };
    Ok(Section::new(["confusion", "Confusion", "Confusion matrix"], body))
}

fn cells(facts: &Facts<'_>) -> Markup {
    let (confusion, names) = (&facts.confusion, facts.report.class_names);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Confusion matrix" {
            table.matrix style=(format!("--n:{}", names.len())) {
                thead { tr {
                    td {} @for name in names { th scope="col" { span { (name) } } }
                } }
                tbody { @for (truth, name) in names.iter().enumerate() { tr {
                    th scope="row" { (name) }
                    @let support = confusion.support(truth);
                    @for (class, count) in confusion.row(truth).into_iter().enumerate() {
                        @let share = count as f64 / support.max(1) as f64;
                        td class=(shade(share, truth == class))
                            title=(format!("{name} taken for {}: {count}, {}", names[class], Percent(share))) {
                            @if count == 0 { "·" } @else { (count) }
                        }
                    }
                } } }
            }
        }
    }
}

/// The class of a cell: steps whose text is readable, on the diagonal d1 to d8, elsewhere e1 to e5.
fn shade(share: f64, right: bool) -> String {
    if share == 0.0 {
        return "zero".to_owned();
    }
    if right {
        return format!("d{}", 1 + (share * 8.0).min(7.0) as usize);
    }
    // Mistakes are rare; their root makes them visible.
    format!("e{}", 1 + (share.sqrt() * 8.0).min(4.0) as usize)
}

fn picture(facts: &Facts<'_>) -> Result<Markup, Error> {
    let confusion = &facts.confusion;
    let classes = confusion.classes();
    let share = |truth: usize, class: usize| {
        confusion.at(truth, class) as f64 / confusion.support(truth).max(1) as f64
    };
    let shares: Vec<f64> =
        (0..classes * classes).map(|i| share(i / classes, i % classes).sqrt()).collect();
    let what =
        format!("Confusion matrix of {classes} classes as a picture: the diagonal is right.");
    Ok(html! { img.heat src=(heat_map(&shares, classes)?) alt=(what); })
}
