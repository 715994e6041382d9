//! Where the run comes from: everything that `run.json` has, in tables.

use super::{Facts, Section};
use maud::{Markup, html};
use serde_json::{Map, Value};

/// What other parts of the page have.
const ELSEWHERE: [&str; 4] = ["schema", "result", "seconds", "plots"];
/// Longer lists are cut.
const LIST: usize = 30;

pub(super) fn section(facts: &Facts<'_>) -> Option<Section> {
    let record = facts.report.record.as_object()?;
    let shown = || record.iter().filter(|(key, _)| !ELSEWHERE.contains(&key.as_str()));
    let plain: Map<String, Value> =
        shown().filter(|(_, v)| !v.is_object()).map(|(k, v)| (k.clone(), v.clone())).collect();
    let body = html! {
        p { "The same data, settings and seed make the same model, byte for byte, on any number of threads." }
        div.tables {
            (table("Run", &plain))
            @for (key, value) in shown() { @if let Value::Object(fields) = value { (table(&words(key), fields)) } }
        }
    };
    Some(Section::new(["provenance", "Provenance", "Provenance"], body))
}

fn table(title: &str, fields: &Map<String, Value>) -> Markup {
    let mut rows = Vec::new();
    flatten("", fields, &mut rows);
    html! {
        table.record {
            caption { (title) }
            tbody { @for (name, value) in &rows { tr { th scope="row" { (words(name)) } td { (value) } } } }
        }
    }
}

/// Every value with its place.
fn flatten(above: &str, fields: &Map<String, Value>, rows: &mut Vec<(String, String)>) {
    for (key, value) in fields {
        let name = if above.is_empty() { key.clone() } else { format!("{above} {key}") };
        match value {
            Value::Object(inner) => flatten(&name, inner, rows),
            Value::Null => rows.push((name, "–".to_owned())),
            Value::Bool(yes) => rows.push((name, if *yes { "yes" } else { "no" }.to_owned())),
            Value::String(text) => rows.push((name, text.clone())),
            Value::Array(all) => {
                let texts = all.iter().take(LIST).map(|v| match v {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                let mut text = texts.collect::<Vec<_>>().join(", ");
                if all.len() > LIST {
                    text.push_str(", …");
                }
                rows.push((name, text));
            }
            Value::Number(number) => rows.push((name, number.to_string())),
        }
    }
}

/// A key as words.
fn words(key: &str) -> String {
    match key {
        "cpu" => return "CPU".to_owned(),
        "os" => return "Operating system".to_owned(),
        "arch" => return "Architecture".to_owned(),
        "isa" => return "Instruction set".to_owned(),
        "sha256" => return "SHA-256".to_owned(),
        "lr" => return "Learning rate".to_owned(),
        "weft_version" => return "Version of weft".to_owned(),
        "out" => return "Folder".to_owned(),
        _ => {}
    }
    let mut text = key.replace('_', " ");
    if let Some(first) = text.get(..1).map(str::to_uppercase) {
        text.replace_range(..1, &first);
    }
    text
}
