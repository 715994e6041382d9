//! Where settings come from: defaults, a recipe, config files, `--set`, flags; the later, the stronger.

use super::file::Entry;
use super::schema::{self, Setting};
use super::{Data, DatasetName, Settings, file, recipes};
use crate::exit::{Failure, Outcome};
use app::datasets::{Search, manifest};
use app::store;
use clap::builder::{PossibleValuesParser, StyledStr};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where settings may come from, beside the flags.
#[derive(Clone, Debug, Default, Args)]
#[command(
    next_help_heading = "Settings from elsewhere (defaults < recipe < files < --set < flags)"
)]
pub(crate) struct LayerArgs {
    /// Begin with a set of settings that is built in
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(recipes::names()))]
    pub(crate) recipe: Option<String>,
    /// Take settings from a TOML file, such as the config.toml of a run; the last file wins
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Vec<PathBuf>,
    #[allow(
        rustdoc::broken_intra_doc_links,
        reason = "help of a command, in which brackets are no link"
    )]
    /// Change one setting by its name in such a file: epochs=10, network.hidden=[256,128]; `epochs=` is the default
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// The settings that were typed as flags, by clap's name for them.
#[derive(Debug, Default)]
pub(crate) struct Flags(Vec<(String, OsString)>);

impl Flags {
    /// Whether none were typed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        Settings::augment_args(command)
    }
    fn augment_args_for_update(command: Command) -> Command {
        Settings::augment_args_for_update(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Flags, clap::Error> {
        let typed = |s: Setting| s.typed_in(matches).map(|text| (s.id().to_owned(), text));
        Ok(Flags(schema::all().into_iter().filter_map(typed).collect()))
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Flags::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Which data a model is used on.
#[derive(Debug)]
pub(crate) struct DataOfModel {
    pub(crate) data: Data,
    /// Whether a set or its place was typed: if not, the data is that of the model's run.
    pub(crate) named: bool,
}

impl Args for DataOfModel {
    fn augment_args(command: Command) -> Command {
        // What comes first where there is a model.
        let told = |text: &StyledStr| {
            text.to_string().replace("[default: ", "[default: that of the model's run, else ")
        };
        Data::augment_args(command).mut_arg("folder", |arg| {
            let (short, long) = (arg.get_help().map(told), arg.get_long_help().map(told));
            arg.help(short.unwrap_or_default()).long_help(long.unwrap_or_default())
        })
    }
    fn augment_args_for_update(command: Command) -> Command {
        DataOfModel::augment_args(command)
    }
}

impl FromArgMatches for DataOfModel {
    fn from_arg_matches(matches: &ArgMatches) -> Result<DataOfModel, clap::Error> {
        let typed = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let named = ["folder", "dataset", "files"].iter().any(typed);
        Ok(DataOfModel { data: Data::from_arg_matches(matches)?, named })
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = DataOfModel::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A value that is not the default.
#[derive(Clone, Debug)]
struct Given {
    text: OsString,
    /// `--epochs`, `--set`, `file.toml, line 3`
    place: String,
}

/// The settings of a run, and where each came from.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) settings: Settings,
    matches: ArgMatches,
    given: BTreeMap<String, Given>,
}

impl Resolved {
    /// Puts one layer on the other.
    pub(crate) fn new(flags: &Flags, layers: &LayerArgs) -> Outcome<Resolved> {
        let all = schema::all();
        let mut stack = Stack { all: &all, given: BTreeMap::new() };
        if let Some(recipe) = layers.recipe.as_deref().and_then(recipes::named) {
            stack.file(recipe.text, &format!("recipe {}", recipe.name))?;
        }
        for path in &layers.config {
            stack.file(&read(path)?, &path.display().to_string())?;
        }
        for assignment in &layers.set {
            stack.assignment(assignment)?;
        }
        stack.make_way(flags);
        for (id, text) in &flags.0 {
            if let Some(setting) = all.iter().find(|s| s.id() == id) {
                let (text, place) = (text.clone(), setting.flag());
                stack.given.insert(id.clone(), Given { text, place });
            }
        }
        stack.environment();
        stack.resolved()
    }

    /// The settings in a config file alone.
    pub(crate) fn of_file(path: &Path) -> Outcome<Resolved> {
        let layers = LayerArgs { config: vec![path.to_owned()], ..LayerArgs::default() };
        Resolved::new(&Flags::default(), &layers)
    }

    /// The data that a config file names, whatever else it says.
    pub(crate) fn data(path: &Path) -> Outcome<Data> {
        let all = schema::all();
        let mut stack = Stack { all: &all, given: BTreeMap::new() };
        for entry in file::read(&read(path)?, &path.display().to_string())? {
            if entry.name.starts_with("data.") {
                stack.entry(entry)?;
            }
        }
        Ok(stack.resolved()?.settings.data)
    }

    /// The flags that make these settings, as one types them, but for those of some `ids`.
    pub(crate) fn typed(&self, but: &[&str]) -> Vec<OsString> {
        let all = schema::all();
        let others = all.iter().filter(|setting| !but.contains(&setting.id()));
        others
            .filter_map(|s| self.given.get(s.id()).and_then(|given| s.typed(&given.text)))
            .collect()
    }

    /// Where the value of a setting came from, for errors: `key` or, where that is taken, its `id`.
    pub(crate) fn place(&self, id: &str) -> &str {
        self.given.get(id).map_or("the default", |given| &given.place)
    }

    /// How a setting that may be in nobody's file is left out.
    pub(crate) fn leave_out(&self, id: &str) -> String {
        match self.place(id).starts_with("recipe ") {
            true => format!("leave it out: --set {id}="),
            false => "leave it out".to_owned(),
        }
    }

    /// All settings as a config file, with a note where each that is not the default came from.
    pub(crate) fn to_toml(&self) -> String {
        file::write(&schema::all(), |setting| {
            let place = self.given.get(setting.id()).map(|given| given.place.as_str());
            (setting.value(&self.matches), place)
        })
    }

    /// All settings that have a value, by section.
    pub(crate) fn to_table(&self) -> toml::Table {
        let mut sections = toml::Table::new();
        for setting in schema::all() {
            let section =
                sections.entry(setting.section()).or_insert_with(|| toml::Table::new().into());
            if let (Some(section), Some(value)) =
                (section.as_table_mut(), setting.value(&self.matches))
            {
                section.insert(setting.key().to_owned(), value);
            }
        }
        sections
    }
}

/// The layers so far.
struct Stack<'s> {
    all: &'s [Setting],
    given: BTreeMap<String, Given>,
}

impl Stack<'_> {
    /// The settings that come of it.
    fn resolved(self) -> Outcome<Resolved> {
        let Stack { all, given } = self;
        let typed = |s: &Setting| given.get(s.id()).and_then(|given| s.typed(&given.text));
        let matches = schema::command().try_get_matches_from(all.iter().filter_map(typed));
        let bad = |e: clap::Error| Failure::usage("the settings do not fit together").at(e);
        let matches = matches.map_err(bad)?;
        let place = |s: &Setting| given.get(s.id()).map_or("the default", |given| &given.place);
        if let Some((setting, value)) = all.iter().find_map(|s| Some((s, s.no_text(&matches)?))) {
            let what = "a path that is not UTF-8 cannot be written into a run's config.toml";
            return Err(Failure::usage(what)
                .at(format_args!("{}: {}", place(setting), value.display()))
                .next("rename what it leads to, or name it by a link whose own path is UTF-8"));
        }
        let settings = Settings::from_arg_matches(&matches).map_err(bad)?;
        Ok(Resolved { settings, matches, given })
    }

    /// Forgets what files and recipes say of where other data is than a flag names.
    fn make_way(&mut self, flags: &Flags) {
        let typed = |id: &str| flags.0.iter().any(|(typed, _)| typed == id);
        let sample = |given: &Given| given.text.to_str() == Some(&DatasetName::Sample.name());
        let (set, place) = (typed("dataset"), typed("folder") || typed("files"));
        self.given.retain(|id, given| {
            let replaced = match id.as_str() {
                "folder" => set || typed("files"),
                "files" => set || typed("folder"),
                "classes" => set,
                // Of another set the name says which of a folder's files are meant.
                "dataset" => place && sample(given),
                _ => false,
            };
            !replaced || given.place.starts_with("--set")
        });
    }

    /// Takes the folder that `$WEFT_DATA` names, unless it is said where the data is: whoever uses the run later may have
    /// named another.
    fn environment(&mut self) {
        let said = |id: &str| self.given.get(id).and_then(|given| given.text.to_str());
        let set = said("dataset").unwrap_or(manifest::DEFAULT);
        if set == DatasetName::Sample.name()
            || ["folder", "files"].iter().any(|id| self.given.contains_key(*id))
        {
            return;
        }
        if let Some(folder) = Search::of(set).variable {
            let (text, place) = (folder.into_os_string(), "$WEFT_DATA".to_owned());
            self.given.insert("folder".to_owned(), Given { text, place });
        }
    }

    /// Takes all settings of a config file.
    fn file(&mut self, text: &str, name: &str) -> Outcome {
        file::read(text, name)?.into_iter().try_for_each(|entry| self.entry(entry))
    }

    fn entry(&mut self, Entry { name, text, place }: Entry) -> Outcome {
        let setting = schema::find(self.all, &name, &place)?;
        self.give(setting, text, place)
    }

    /// Takes `key=value`.
    fn assignment(&mut self, assignment: &str) -> Outcome {
        let Some((name, value)) = assignment.split_once('=') else {
            return Err(Failure::usage("--set takes KEY=VALUE")
                .at(format_args!("--set {assignment}"))
                .next("say it as in --set epochs=10"));
        };
        let (name, value) = (name.trim(), value.trim());
        let place = format!("--set {assignment}");
        let setting = schema::find(self.all, name, &place)?;
        if value.is_empty() {
            self.given.remove(setting.id());
            return Ok(());
        }
        self.give(setting, file::plain(value), place)
    }

    fn give(&mut self, setting: &Setting, text: String, place: String) -> Outcome {
        let text = match (text.is_empty() && setting.is_list(), setting.none()) {
            (true, Some(none)) => none.into(),
            (true, None) => {
                self.given.remove(setting.id());
                return Ok(());
            }
            (false, _) => OsString::from(text),
        };
        setting.check(&text).map_err(|why| {
            let (name, text) = (setting.name(), text.display());
            Failure::usage(format_args!("`{text}` is no value for {name}: {why}"))
                .at(&place)
                .next(format_args!("see {} in `weft train --help`", setting.flag()))
        })?;
        self.given.insert(setting.id().to_owned(), Given { text, place });
        Ok(())
    }
}

/// The text of a config file.
fn read(path: &Path) -> Outcome<String> {
    store::read_text(path).map_err(|e| {
        Failure::io("cannot read the config file", path, &e)
            .next("check the path; `weft train --dry-run > FILE.toml` makes such a file")
    })
}
