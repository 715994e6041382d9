//! `weft plot`: the figures for a model that was trained.

use super::figures::Figures;
use super::runs::{self, History};
use super::{load, locate_for, open};
use crate::config::Plot;
use crate::exit::Outcome;
use crate::run::HISTORY;
use crate::term::{Terminal, print};
use app::datasets::Half;
use std::path::{Path, PathBuf};

pub(crate) fn run(config: &Plot, terminal: Terminal) -> Outcome {
    let loaded = load(&config.model)?;
    terminal.note(format_args!("Drawing what {} says", config.model.display()));
    let dataset = locate_for(&loaded, &config.data, terminal)?;
    let test = open(&dataset, Half::Test)?;
    let class_names = loaded.class_names(Some(&dataset));
    let figures = Figures {
        model: &loaded.model,
        scale: loaded.metadata.pixel_scale,
        class_names: &class_names,
        test: &test,
        photos: dataset.photos(),
        folder: &config.out,
        format: config.format,
    };
    let mut engine = config.machine.engine(config.machine.threads.unwrap_or(1))?;
    let paths = if config.indices.is_empty() {
        let train = open(&dataset, Half::Train)?;
        figures.tutorial(&mut engine, &train, &history(&config.model, terminal))?
    } else {
        figures.of(&mut engine, &config.indices)?
    };
    print(list(&paths))
}

/// Paths, one a line.
fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| format!("{}\n", p.display())).collect()
}

/// The epochs that made the model, if its run folder tells.
fn history(model: &Path, terminal: Terminal) -> History {
    let path = model.with_file_name(HISTORY);
    if !path.exists() {
        terminal.note(format_args!("No {HISTORY} beside the model, so no curves."));
        return History::default();
    }
    runs::history(&path).unwrap_or_else(|error| {
        terminal.warn(format_args!("no curves: {}: {error}", path.display()));
        History::default()
    })
}
