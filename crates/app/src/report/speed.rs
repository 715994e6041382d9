//! Where the time went.

use super::{Facts, Percent, Section, grouped, time};
use maud::{Markup, html};
use nn::StepPart;
use serde_json::Value;

/// The parts of a run in time; parts of other names come before them.
const ORDER: [&str; 4] = ["load", "train", "evaluate", "save"];

/// The parts of a step, and what each is.
const STEP: [(StepPart, &str); StepPart::ALL.len()] = [
    (StepPart::Fetch, "Fetching the next images"),
    (StepPart::Forward, "Forward: hidden layers"),
    (StepPart::Output, "Output layer, softmax and loss"),
    (StepPart::Backward, "Backward: hidden layers"),
    (StepPart::Update, "Weight gradients and optimiser"),
    (StepPart::Average, "Averaging the weights"),
    (StepPart::Wait, "Waiting, and the rest"),
];

pub(super) fn section(facts: &Facts<'_>) -> Option<Section> {
    let record = facts.report.record;
    let seconds = record["seconds"].as_object()?;
    let mut parts: Vec<(&String, f64)> = seconds
        .iter()
        .filter(|(name, _)| *name != "total")
        .filter_map(|(name, value)| Some((name, value.as_f64()?)))
        .collect();
    parts.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name));
    let total = seconds.get("total").and_then(Value::as_f64);
    let longest = parts.iter().map(|(_, s)| *s).fold(0.0, f64::max);
    let body = html! {
        @if let Some(rates) = rates(facts) { p.lead { (rates) } }
        table.times {
            thead { tr { th scope="col" { "Part" } th scope="col" { "Time" } th scope="col" { "Share of the longest" } } }
            tbody { @for (name, spent) in &parts { tr {
                th scope="row" { (what(name)) } td { (time(*spent)) }
                td { div.meter style=(format!("--v:{:.1}%", 100.0 * spent / longest.max(f64::MIN_POSITIVE))) {} }
            } } }
            @if let Some(total) = total { tfoot { tr { th scope="row" { "All of it" } td { (time(total)) } td {} } } }
        }
        @if let Some(step) = step(&record["result"]["step"]) { (step) }
        p.note { "Wall time from the start of the process to the last file but this report." }
    };
    Some(Section::new(["speed", "Speed", "Speed"], body))
}

/// Where the time of a step went.
fn step(step: &Value) -> Option<Markup> {
    let (timed, whole) = (step["timed"].as_u64()?, step["seconds"].as_f64().filter(|s| *s > 0.0)?);
    let parts =
        STEP.iter().filter_map(|(part, what)| Some((what, step["parts"][part.name()].as_f64()?)));
    let parts: Vec<_> = parts.collect();
    let longest = parts.iter().map(|(_, s)| *s).fold(f64::MIN_POSITIVE, f64::max);
    Some(html! {
        table.times.step {
            caption { "A step of training" }
            thead { tr { th scope="col" { "Part" } th scope="col" { "Time" } th scope="col" { "Share" } th scope="col" { "Beside the longest" } } }
            tbody { @for (what, spent) in &parts { tr {
                th scope="row" { (what) } td { (micros(*spent)) } td { (Percent(spent / whole)) }
                td { div.meter style=(format!("--v:{:.1}%", 100.0 * spent / longest)) {} }
            } } }
            tfoot { tr { th scope="row" { "The step" } td { (micros(whole)) } td {} td {} } }
        }
        p.note { "Means over " (grouped(timed as usize)) " steps from all over the training, and over the threads, each of which was timed by itself." }
    })
}

/// Microseconds, to compare.
fn micros(seconds: f64) -> String {
    format!("{:.1} µs", seconds * 1e6)
}

/// What a part of the run is called here.
fn what(name: &str) -> String {
    match name {
        "load" => "Finding and mapping the data".to_owned(),
        "train" => "Training".to_owned(),
        "evaluate" => "Testing".to_owned(),
        "save" => "Saving and drawing".to_owned(),
        other => other.replace('_', " "),
    }
}

/// Images a second, and time of a step.
fn rates(facts: &Facts<'_>) -> Option<String> {
    let record = facts.report.record;
    let train = record["seconds"]["train"].as_f64().filter(|s| *s > 0.0)?;
    let steps: usize = facts.report.history.iter().map(|e| e.steps).sum::<Option<usize>>()?;
    let batch = record["batch_size"].as_u64().filter(|b| *b > 0)? as usize;
    let images = record["dataset"]["images"]["train"].as_u64()? as usize;
    // The last step of an epoch may be short, but no step is longer than a batch.
    let seen = (steps * batch).min(images * facts.report.history.len());
    let rate = (seen as f64 / train).round() as usize;
    let step = time(train / steps.max(1) as f64);
    Some(format!(
        "{} images a second while training, {step} a step of {batch} images.",
        grouped(rate)
    ))
}
