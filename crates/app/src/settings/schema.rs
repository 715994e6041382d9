//! What the settings are, as clap knows them from the structs: names, types, defaults, checks.

use super::{NONE, SECTIONS, Settings};
use crate::exit::Failure;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgMatches, Args, Command};
use std::any::TypeId;
use std::borrow::Cow;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// How alike a word must be to a name to be taken for it (Jaro-Winkler).
const ALIKE: f64 = 0.8;

/// One setting.
pub(super) struct Setting {
    section: &'static str,
    arg: Arg,
}

/// All settings, in the order of the sections.
pub(super) fn all() -> Vec<Setting> {
    let of = |&(section, augment): &(&'static str, fn(Command) -> Command)| {
        let command = augment(Command::new(section));
        let args: Vec<Arg> = command.get_arguments().cloned().collect();
        args.into_iter().map(move |arg| Setting { section, arg })
    };
    SECTIONS.iter().flat_map(of).collect()
}

/// A command that takes settings as its flags and nothing else.
pub(super) fn command() -> Command {
    Settings::augment_args(Command::new("weft").no_binary_name(true))
}

impl Setting {
    /// As clap calls it.
    pub(super) fn id(&self) -> &str {
        self.arg.get_id().as_str()
    }

    pub(super) fn section(&self) -> &'static str {
        self.section
    }

    /// As a config file calls it within its section.
    pub(super) fn key(&self) -> &str {
        self.id().rsplit('.').next().unwrap_or_default()
    }

    /// Section and key.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.section, self.key())
    }

    /// As the command line calls it.
    pub(super) fn flag(&self) -> String {
        format!("--{}", self.arg.get_long().unwrap_or_default())
    }

    /// What a value stands for, such as `N`.
    pub(super) fn placeholder(&self) -> &str {
        self.arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str())
    }

    /// Whether its flag takes no value.
    fn is_switch(&self) -> bool {
        !self.arg.get_action().takes_values()
    }

    /// What to type for a list without an item, where leaving it out means some.
    pub(super) fn none(&self) -> Option<&'static str> {
        (self.is_list() && !self.arg.get_default_values().is_empty()).then_some(NONE)
    }

    /// Whether it takes several values.
    pub(super) fn is_list(&self) -> bool {
        self.arg.get_value_delimiter().is_some()
    }

    /// The command line that sets this to that: nothing where it is so already.
    pub(super) fn typed(&self, text: &OsStr) -> Option<OsString> {
        let mut flag = OsString::from(self.flag());
        if self.is_switch() {
            let (on, set) = (text == "true", self.arg.get_action());
            return (on == matches!(set, clap::ArgAction::SetTrue)).then_some(flag);
        }
        flag.push("=");
        flag.push(text);
        Some(flag)
    }

    /// What was typed on the command line, if anything was.
    pub(super) fn typed_in(&self, matches: &ArgMatches) -> Option<OsString> {
        let typed = matches.value_source(self.id()) == Some(clap::parser::ValueSource::CommandLine);
        typed.then(|| {
            if self.is_switch() {
                return matches.get_flag(self.id()).to_string().into();
            }
            let values: Vec<&OsStr> = matches.get_raw(self.id()).into_iter().flatten().collect();
            values.join(OsStr::new(","))
        })
    }

    /// Its value, if it has one.
    pub(super) fn value(&self, matches: &ArgMatches) -> Option<toml::Value> {
        if self.is_switch() {
            return Some(matches.get_flag(self.id()).into());
        }
        let texts = matches.get_raw(self.id())?.map(|text| self.anywhere(text));
        let mut values = texts.map(|text| {
            let text = text.to_string_lossy();
            let number = is_number(&self.arg);
            let whole = text.parse().ok().filter(|_| number).map(toml::Value::Integer);
            // What is too large for TOML is no less exact in quotes.
            let real = || text.contains(['.', 'e', 'E']).then(|| text.parse().ok()).flatten();
            let real = || real().filter(|_| number).map(toml::Value::Float);
            whole.or_else(real).unwrap_or_else(|| text.into_owned().into())
        });
        if !self.is_list() {
            return values.next();
        }
        let values: Vec<_> =
            values.filter(|v| self.none().is_none_or(|none| v.as_str() != Some(none))).collect();
        Some(values.into())
    }

    /// A part of its value that a config file, which is UTF-8, cannot have: paths can be of other bytes.
    pub(super) fn no_text(&self, matches: &ArgMatches) -> Option<OsString> {
        let mut values = matches.get_raw(self.id()).into_iter().flatten().map(|v| self.anywhere(v));
        values.find(|value| value.to_str().is_none()).map(Cow::into_owned)
    }

    /// A value that means the same in every folder: paths are absolute.
    fn anywhere<'t>(&self, text: &'t OsStr) -> Cow<'t, OsStr> {
        let is_path = self.arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        let path = is_path.then(|| std::path::absolute(text).ok()).flatten();
        path.map_or(Cow::Borrowed(text), |path| Cow::Owned(path.into()))
    }

    /// Checks a value that was not typed as a flag, as the flag does.
    pub(super) fn check(&self, text: &OsStr) -> Result<(), String> {
        if self.is_switch() {
            let good = text == "true" || text == "false";
            return if good { Ok(()) } else { Err("true or false is needed".to_owned()) };
        }
        let alone = Command::new("weft").no_binary_name(true).arg(self.arg.clone());
        alone.try_get_matches_from(self.typed(text)).map(drop).map_err(|error| reason(&error))
    }
}

/// Whether an argument is a number.
pub(crate) fn is_number(arg: &Arg) -> bool {
    let id = arg.get_value_parser().type_id();
    let numbers = [
        TypeId::of::<u8>(),
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
        TypeId::of::<f32>(),
        TypeId::of::<f64>(),
    ];
    numbers.iter().any(|number| id == *number)
}

/// Why clap does not take a value, in a few words.
fn reason(error: &clap::Error) -> String {
    if let Some(source) = error.source() {
        return source.to_string();
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(one)) => Some(one.clone()),
        Some(ContextValue::Strings(many)) if !many.is_empty() => Some(many.join(", ")),
        _ => None,
    };
    match (text(ContextKind::SuggestedValue), text(ContextKind::ValidValue)) {
        (Some(alike), Some(valid)) => format!("did you mean {alike}? There are: {valid}"),
        (None, Some(valid)) => format!("there are: {valid}"),
        _ => "a value is needed".to_owned(),
    }
}

/// The setting of that name: `section.key`, or `key` alone where only one has it.
pub(super) fn find<'s>(
    all: &'s [Setting],
    name: &str,
    place: &str,
) -> Result<&'s Setting, Failure> {
    let mut of_key = all.iter().filter(|setting| setting.key() == name);
    let alone = of_key.next().filter(|_| of_key.next().is_none());
    if let Some(found) = all.iter().find(|setting| setting.name() == name).or(alone) {
        return Ok(found);
    }
    let likeness = |setting: &&Setting| {
        let whole = strsim::jaro_winkler(name, &setting.name());
        whole.max(strsim::jaro_winkler(name.rsplit('.').next().unwrap_or(name), setting.key()))
    };
    let alike = all.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let alike = alike.filter(|setting| likeness(setting) >= ALIKE).map(Setting::name);
    let next = alike.map_or_else(
        || "`weft train --help` lists what can be set".to_owned(),
        |alike| format!("did you mean `{alike}`?"),
    );
    Err(Failure::usage(format_args!("there is no setting `{name}`")).at(place).next(next))
}
