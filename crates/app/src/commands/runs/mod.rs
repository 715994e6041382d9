//! `weft runs`: the runs in a folder, and some of them side by side.

mod compare;
mod read;

pub(crate) use compare::run as compare;
pub(crate) use read::{History, epochs_of_model, history};

use crate::columns::plain;
use crate::config::Runs;
use crate::events;
use crate::exit::{Failure, Outcome};
use crate::term::{Terminal, print, print_bytes};
use comfy_table::{CellAlignment, Table, presets};
use read::Run;
use serde::Serialize;
use std::io::ErrorKind;
use std::path::Path;

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Order {
    /// The newest first
    Date,
    /// The best on the test images first
    Accuracy,
    /// The shortest training first
    Time,
    /// By name
    Name,
}

/// A folder that looks like a run and is none.
#[derive(Debug, Serialize)]
struct Broken<'b> {
    run: &'b str,
    what: &'b str,
}

pub(crate) fn run(config: &Runs, terminal: Terminal) -> Outcome {
    let (mut runs, mut broken) = (Vec::new(), Vec::new());
    for folder in folders(&config.dir, config.named)? {
        match read::run(&folder) {
            Ok(Some(run)) => runs.push(run),
            Ok(None) => {}
            Err(what) => broken.push((folder.display().to_string(), what)),
        }
    }
    sort(&mut runs, config.order);
    if config.json {
        runs.iter().try_for_each(|run| print_bytes(&events::line("run", run)?))?;
        return broken.iter().try_for_each(|(run, what)| {
            print_bytes(&events::line("broken-run", &Broken { run, what })?)
        });
    }
    if runs.is_empty() {
        let dir = config.dir.display();
        terminal.note(format_args!("No finished runs in {dir}: `weft train` makes one."));
    } else {
        print(list(&runs))?;
    }
    for (run, what) in &broken {
        terminal.warn(format_args!("{run}: {what}"));
    }
    Ok(())
}

/// The folders below `dir`. One that nobody named need not be there.
fn folders(dir: &Path, named: bool) -> Outcome<Vec<std::path::PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound && !named => return Ok(Vec::new()),
        Err(e) => {
            return Err(Failure::io("cannot read the folder of the runs", dir, &e)
                .next("name the folder that your runs are in with --dir"));
        }
    };
    let mut folders: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

fn sort(runs: &mut [Run], order: Order) {
    // Sorting is stable, and the folders come by name.
    match order {
        Order::Date => runs.sort_by(|a, b| b.started.cmp(&a.started)),
        Order::Accuracy => runs.sort_by(|a, b| b.test_accuracy.total_cmp(&a.test_accuracy)),
        Order::Time => runs.sort_by(|a, b| a.train_seconds.total_cmp(&b.train_seconds)),
        Order::Name => {}
    }
}

fn list(runs: &[Run]) -> String {
    let mut table =
        columns(&["run", "date", "data", "network", "epochs", "accuracy", "loss", "time"]);
    for run in runs {
        table.add_row([
            run.run.clone(),
            run.date(),
            run.data.clone(),
            run.network.clone(),
            run.epochs.to_string(),
            format!("{:.4}", run.test_accuracy),
            format!("{:.4}", run.test_loss),
            seconds(run.train_seconds),
        ]);
    }
    for column in table.column_iter_mut().skip(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    lines(&table)
}

/// An empty table with these heads.
fn columns<S: ToString>(heads: &[S]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(heads.iter().map(S::to_string));
    table
}

/// A table as lines, without the spaces around them.
fn lines(table: &Table) -> String {
    let text = table.to_string();
    let lines = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.map(|line| plain(line) + "\n").collect()
}

fn seconds(time: f64) -> String {
    format!("{time:.2} s")
}
