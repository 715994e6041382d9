//! Config files: TOML read with the line of every value, and written.

use super::schema::Setting;
use crate::exit::{Failure, Outcome};
use std::fmt::Write as _;
use toml::de::{DeTable, DeValue};

/// One setting in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Section and key.
    pub(super) name: String,
    /// The value as a flag takes it.
    pub(super) text: String,
    /// File and line.
    pub(super) place: String,
}

/// All settings in a file called `file`.
pub(super) fn read(text: &str, file: &str) -> Outcome<Vec<Entry>> {
    let place = |at: usize| {
        let before = text.get(..at).unwrap_or(text);
        format!("{file}, line {}", before.matches('\n').count() + 1)
    };
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Failure::usage(format_args!("the config file is not TOML: {}", error.message()))
            .at(place(at))
            .next("`weft train --dry-run` prints a config file to begin with")
    })?;
    let mut entries = Vec::new();
    for (section, inner) in table.get_ref() {
        let Some(inner) = inner.get_ref().as_table() else {
            let at = place(section.span().start);
            let section = section.get_ref();
            return Err(Failure::usage(format_args!("`{section}` is in no section"))
                .at(at)
                .next("put settings into sections, as `weft train --dry-run` prints them"));
        };
        for (key, value) in inner {
            let (at, place) = (key.span().start, place(key.span().start));
            let name = format!("{}.{}", section.get_ref(), key.get_ref());
            let text = flat(value.get_ref()).ok_or_else(|| {
                let what = format!("`{name}` cannot be a {}", value.get_ref().type_str());
                Failure::usage(what)
                    .at(&place)
                    .next("numbers, texts, true, false and lists of them are possible")
            })?;
            entries.push((at, Entry { name, text, place }));
        }
    }
    entries.sort_by_key(|(at, _)| *at);
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

/// A value as a flag takes it: lists with commas.
fn flat(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(n) if n.radix() == 10 => Some(n.as_str().to_owned()),
        DeValue::Integer(n) => {
            u64::from_str_radix(n.as_str(), n.radix()).ok().map(|n| n.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(on) => Some(on.to_string()),
        DeValue::Array(all) => {
            let all: Option<Vec<_>> = all.iter().map(|value| flat(value.get_ref())).collect();
            all.map(|all| all.join(","))
        }
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// What was typed after `--set key=`: as in a file, or without the quotes.
pub(super) fn plain(value: &str) -> String {
    let parsed = DeValue::parse(value).ok();
    parsed.and_then(|parsed| flat(parsed.get_ref())).unwrap_or_else(|| value.to_owned())
}

/// Settings as a file. `look` tells the value of each, and where it came from if it is not the default.
pub(super) fn write<'p>(
    all: &[Setting],
    look: impl Fn(&Setting) -> (Option<toml::Value>, Option<&'p str>),
) -> String {
    let mut text = String::new();
    let mut section = "";
    for setting in all {
        if setting.section() != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            section = setting.section();
            let _ = writeln!(text, "{gap}[{section}]");
        }
        let (value, place) = look(setting);
        let line = match value {
            Some(value) => format!("{} = {value}", setting.key()),
            None => format!("# {} = {}", setting.key(), setting.placeholder()),
        };
        let _ = match place {
            Some(place) => writeln!(text, "{line:<30}  # {}", place.escape_debug()),
            None => writeln!(text, "{line}"),
        };
    }
    text
}
