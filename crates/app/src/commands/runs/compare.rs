//! `weft runs compare`: what differs in settings and results, and all curves in one figure.

use super::read::{self, Run};
use super::{columns, lines, seconds};
use crate::commands::figures;
use crate::config::{Compare, figure_format};
use crate::events;
use crate::exit::{Code, Failure, Outcome};
use crate::run::{HISTORY, RECORD};
use crate::term::{Terminal, print, print_bytes};
use app::plot::{self, Curve, Epoch, Figure, Size};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A setting or result, and what it is in each run.
#[derive(Debug, Serialize)]
struct Difference {
    name: String,
    values: Vec<Option<String>>,
}

/// The event.
#[derive(Debug, Serialize)]
struct Compared<'c> {
    runs: &'c [Run],
    settings: &'c [Difference],
    figure: Option<String>,
}

pub(crate) fn run(config: &Compare, terminal: Terminal) -> Outcome {
    let runs =
        config.runs.iter().map(|name| find(&config.dir, name)).collect::<Outcome<Vec<_>>>()?;
    let settings = settings(&runs);
    let (figure, failed) = match draw(config, &runs, terminal) {
        Ok(figure) => (figure, Ok(())),
        Err(failure) => (None, Err(failure)),
    };
    // What differs is worth having without a picture, too.
    let told = tell(config, &runs, &settings, figure);
    failed.and(told)
}

fn tell(
    config: &Compare,
    runs: &[Run],
    settings: &[Difference],
    figure: Option<PathBuf>,
) -> Outcome {
    if config.json {
        let figure = figure.map(|path| path.display().to_string());
        let all = Compared { runs, settings, figure };
        return print_bytes(&events::line("comparison", &all)?);
    }
    print(told(runs, settings))?;
    figure.map_or(Ok(()), |path| print(format_args!("\nThe curves: {}\n", path.display())))
}

/// The run in that folder, or in the one of that name below `dir`.
fn find(dir: &Path, name: &Path) -> Outcome<Run> {
    let below = dir.join(name);
    let is_run = name.join(RECORD).exists();
    let folder = if is_run || !below.is_dir() { name } else { &below };
    let missing = format!("there is no {RECORD} in it");
    let found = read::run(folder).and_then(|run| run.ok_or(missing));
    found.map_err(|what| {
        Failure::new(Code::Io, "that is no run")
            .at(format_args!("{}: {what}", folder.display()))
            .next("`weft runs` lists the runs below runs/; --dir names another folder")
    })
}

/// The settings that are not the same in all runs.
fn settings(runs: &[Run]) -> Vec<Difference> {
    let mut names: Vec<(&String, &String)> = Vec::new();
    for (section, inner) in runs.iter().flat_map(|run| &run.settings) {
        let keys = inner.as_table().into_iter().flat_map(toml::Table::keys);
        let new = keys.map(|key| (section, key)).filter(|name| !names.contains(name));
        names.extend(new.collect::<Vec<_>>());
    }
    let value = |run: &Run, section: &str, key: &str| {
        Some(run.settings.get(section)?.as_table()?.get(key)?.to_string())
    };
    let all = names.into_iter().map(|(section, key)| Difference {
        name: format!("{section}.{key}"),
        values: runs.iter().map(|run| value(run, section, key)).collect(),
    });
    all.filter(|d| d.values.windows(2).any(|pair| pair[0] != pair[1])).collect()
}

fn told(runs: &[Run], settings: &[Difference]) -> String {
    let mut table = columns(&[&["".to_owned()], &*names(runs)].concat());
    for Difference { name, values } in settings {
        let values = values.iter().map(|v| v.clone().unwrap_or_else(|| "-".to_owned()));
        table.add_row([name.clone()].into_iter().chain(values));
    }
    type Column = (&'static str, fn(&Run) -> String);
    let results: [Column; 11] = [
        ("data", |r| r.data.clone()),
        ("network", |r| r.network.clone()),
        ("machine", |r| r.machine.clone()),
        ("weft", |r| r.weft.clone()),
        ("epochs", |r| r.epochs.to_string()),
        ("parameters", |r| r.parameters.to_string()),
        ("training accuracy", |r| format!("{:.4}", r.train_accuracy)),
        ("test accuracy", |r| format!("{:.4}", r.test_accuracy)),
        ("test loss", |r| format!("{:.4}", r.test_loss)),
        ("training time", |r| seconds(r.train_seconds)),
        ("time in all", |r| seconds(r.total_seconds)),
    ];
    for (i, (name, value)) in results.into_iter().enumerate() {
        let values: Vec<String> = runs.iter().map(value).collect();
        // What was chosen is told only where it differs, what came out always.
        if i >= 6 || values.windows(2).any(|pair| pair[0] != pair[1]) {
            table.add_row([name.to_owned()].into_iter().chain(values));
        }
    }
    lines(&table)
}

/// Names of the runs, without the folder that they share.
fn names(runs: &[Run]) -> Vec<String> {
    let short = |run: &Run| run.folder.file_name().map(|n| n.to_string_lossy().into_owned());
    let all: Vec<String> = runs.iter().map(|r| short(r).unwrap_or_else(|| r.run.clone())).collect();
    let twice = (1..all.len()).any(|i| all[..i].contains(&all[i]));
    if twice { runs.iter().map(|r| r.run.clone()).collect() } else { all }
}

/// Draws the curves of all runs that have any; returns the path of the figure.
fn draw(config: &Compare, runs: &[Run], terminal: Terminal) -> Outcome<Option<PathBuf>> {
    let mut epochs: Vec<(String, Vec<Epoch>, Vec<Epoch>)> = Vec::new();
    for (run, name) in runs.iter().zip(names(runs)) {
        let path = run.folder.join(HISTORY);
        match read::history(&path) {
            Ok(history) if history.training.is_empty() => {
                terminal
                    .warn(format_args!("no curve: {}: there is no epoch in it", path.display()));
            }
            Ok(history) => epochs.push((name, history.training, history.validation)),
            Err(error) => terminal.warn(format_args!("no curve: {}: {error}", path.display())),
        }
    }
    let curves: Vec<Curve<'_>> = epochs
        .iter()
        .map(|(name, training, validation)| Curve { name, training, validation })
        .collect();
    if curves.is_empty() {
        return Ok(None);
    }
    let beside = runs.first().and_then(|run| run.folder.parent()).unwrap_or(Path::new(""));
    let path = config.out.clone().unwrap_or_else(|| beside.join("comparison.png"));
    let format = figure_format(&path)?;
    let figure = Figure::Comparison { curves: &curves };
    let bytes = plot::render(&figure, format, Size::Natural).map_err(|e| {
        Failure::new(Code::Other, e).at("drawing the curves").next("compare other runs")
    })?;
    figures::write(&path, &bytes)?;
    Ok(Some(path))
}
