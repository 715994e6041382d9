//! Whether the network is as sure as it is right.

use super::chart::{self, Frame, Ticks, px};
use super::{Facts, Percent, Section, grouped};
use maud::{Markup, html};
use nn::metrics::Bin;

pub(super) fn section(facts: &Facts<'_>) -> Section {
    let calibration = &facts.calibration;
    let (sure, right) = (calibration.confidence(), calibration.accuracy());
    let error = calibration.expected_error();
    let body = html! {
        div.beside {
            figure {
                figcaption { "Share that is right, by how sure the network is" }
                (reliability(facts))
            }
            div {
                p.lead { (verdict(sure - right)) }
                dl.facts {
                    dt { "Expected calibration error" } dd { (format!("{error:.4}")) }
                    dt { "Sure, on average" } dd { (Percent(sure)) }
                    dt { "Right, on average" } dd { (Percent(right)) }
                }
                p.note { "The images are sorted into " (calibration.bins.len()) " bins by the probability of the answer. "
                    "A bar on the dashed line is as often right as the network is sure. The expected calibration error "
                    "is the mean distance from that line, weighted by the images in each bin. "
                    "Below: where the images are." }
            }
        }
        (table(&calibration.bins))
    };
    Section::new(["calibration", "Calibration", "Calibration"], body)
}

fn verdict(over: f64) -> String {
    let points = format!("{:.1} points", 100.0 * over.abs());
    match over {
        o if o.abs() < 0.005 => "On average the network is as sure as it is right.".to_owned(),
        o if o > 0.0 => format!("The network is over-confident: {points} surer than it is right."),
        _ => format!("The network is under-confident: {points} more often right than it is sure."),
    }
}

/// Height of the histogram below the diagram.
const BELOW: f64 = 64.0;

fn reliability(facts: &Facts<'_>) -> Markup {
    let bins = &facts.calibration.bins;
    let frame = Frame::new((0.0, 1.0), (0.0, 1.0), 24.0);
    let ticks = Ticks::around((0.0, 1.0), 4, true);
    let largest = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1);
    let bottom = chart::HEIGHT + BELOW - 6.0;
    let width = frame.x(1.0 / bins.len() as f64) - frame.x(0.0) - 2.0;
    let body = html! {
        (frame.axes(&ticks, &ticks, "probability of the answer"))
        @for (i, bin) in bins.iter().enumerate() {
            @if bin.count > 0 {
                @let x = px(frame.x(i as f64 / bins.len() as f64) + 1.0);
                @let what = words(i, bins.len(), bin);
                @let high = (bin.count as f64 / largest as f64 * (BELOW - 18.0)).max(1.0);
                rect.right x=(x) y=(px(frame.y(bin.accuracy))) width=(px(width)) height=(px(frame.y(0.0) - frame.y(bin.accuracy))) {
                    title { (what) }
                }
                rect.count x=(x) y=(px(bottom - high)) width=(px(width)) height=(px(high)) { title { (what) } }
            }
        }
        g.ticks { text x=(px(frame.x(0.0))) y=(px(bottom - 30.0)) { "images" } }
        line.ideal x1=(px(frame.x(0.0))) y1=(px(frame.y(0.0))) x2=(px(frame.x(1.0))) y2=(px(frame.y(1.0))) {}
        @for bin in bins.iter().filter(|bin| bin.count > 0) {
            circle.dot cx=(px(frame.x(bin.confidence))) cy=(px(frame.y(bin.accuracy))) r="3.5" {}
        }
    };
    let error = facts.calibration.expected_error();
    let what = format!(
        "Reliability diagram: bars of the share that is right over how sure the network is. \
         Expected calibration error {error:.4}. The table below has the numbers."
    );
    chart::svg(chart::HEIGHT + BELOW, &what, &body)
}

/// A bin in words.
fn words(i: usize, bins: usize, bin: &Bin) -> String {
    let edge = |i: usize| format!("{:.0}%", 100.0 * i as f64 / bins as f64);
    let Bin { count, accuracy, .. } = bin;
    let plural = if *count == 1 { "" } else { "s" };
    format!(
        "{} to {}: {} image{plural}, {} right",
        edge(i),
        edge(i + 1),
        grouped(*count),
        Percent(*accuracy)
    )
}

fn table(bins: &[Bin]) -> Markup {
    html! {
        details {
            summary { "The numbers" }
            table.numbers {
                thead { tr {
                    th scope="col" { "Bin" } th scope="col" { "Images" } th scope="col" { "Sure" } th scope="col" { "Right" }
                } }
                tbody { @for (i, bin) in bins.iter().enumerate() { tr {
                    th scope="row" { (format!("{:.2}–{:.2}", i as f64 / bins.len() as f64, (i + 1) as f64 / bins.len() as f64)) }
                    td { (grouped(bin.count)) }
                    @if bin.count == 0 { td { "–" } td { "–" } } @else { td { (Percent(bin.confidence)) } td { (Percent(bin.accuracy)) } }
                } } }
            }
        }
    }
}
