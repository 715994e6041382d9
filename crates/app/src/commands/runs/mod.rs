//! `weft runs`: the runs in a folder, and some of them side by side.

mod compare;
mod read;

pub(crate) use compare::run as compare;
pub(crate) use read::{History, epochs_of_model, history};

use crate::columns::{NAME, elided, of_stdout, plain, width};
use crate::config::Runs;
use crate::events;
use crate::exit::{Failure, Outcome};
use crate::term::{Terminal, print, print_bytes};
use comfy_table::{CellAlignment, Table, presets};
use read::Run;
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal};
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

/// The heads of the list.
const HEADS: [&str; 8] = ["run", "date", "data", "network", "epochs", "accuracy", "loss", "time"];
/// From here on columns have numbers.
const NUMBERS: usize = 4;
/// What is left out in a narrow terminal, first to last: date, loss, epochs, time, data, network.
const LEAST: [usize; 6] = [1, 6, 4, 7, 2, 3];
/// So much of a name tells it from others.
const LEGIBLE: usize = 20;

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
        let shown = std::io::stdout().is_terminal();
        print(list(&runs, shown.then(of_stdout)))?;
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

/// The runs in a table, of at most so many columns if that matters.
fn list(runs: &[Run], room: Option<usize>) -> String {
    let row = |run: &Run| {
        [
            plain(&run.run),
            run.date(),
            plain(&run.data),
            plain(&run.network),
            run.epochs.to_string(),
            format!("{:.4}", run.test_accuracy),
            format!("{:.4}", run.test_loss),
            seconds(run.train_seconds),
        ]
    };
    let rows: Vec<_> = runs.iter().map(row).collect();
    let (kept, name) = room.map_or(((0..HEADS.len()).collect(), usize::MAX), |r| fitting(&rows, r));
    let mut table = columns(&kept.iter().map(|i| HEADS[*i]).collect::<Vec<_>>());
    for row in &rows {
        let shown = |i: &usize| if *i == 0 { elided(&row[0], name) } else { row[*i].clone() };
        table.add_row(kept.iter().map(shown));
    }
    for (_, column) in kept.iter().zip(table.column_iter_mut()).filter(|(i, _)| **i >= NUMBERS) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    lines(&table)
}

/// What of the list is shown where there is less room than it takes, and how much of it names have.
fn fitting(rows: &[[String; HEADS.len()]], room: usize) -> (Vec<usize>, usize) {
    let wide = |i: usize| rows.iter().map(|r| width(&r[i])).fold(width(HEADS[i]), usize::max);
    let mut kept: Vec<usize> = (0..HEADS.len()).collect();
    let left = |kept: &[usize]| {
        // Two spaces before each.
        let others: usize = kept[1..].iter().map(|i| wide(*i) + 2).sum();
        room.saturating_sub(others)
    };
    for least in LEAST {
        if left(&kept) >= wide(0).min(LEGIBLE) {
            break;
        }
        kept.retain(|i| *i != least);
    }
    let name = left(&kept).max(NAME);
    (kept, name)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_no_wider_than_its_terminal() {
        let run = |name: &str| Run {
            run: format!("runs/20260131-120000-{name}"),
            started: "2026-01-31T12:00:00+01:00".to_owned(),
            data: "fashion-mnist".to_owned(),
            network: "784-128-10".to_owned(),
            epochs: 5,
            test_accuracy: 0.8725,
            test_loss: 0.3561,
            train_seconds: 0.51,
            ..Run::default()
        };
        let runs = [run("seed1"), run("seed2-and-a-name-that-is-longer")];
        let whole = list(&runs, None);
        assert!(whole.contains("2026-01-31 12:00") && whole.contains("that-is-longer"), "{whole}");
        for room in [20, 30, 44, 60, 80] {
            let told = list(&runs, Some(room));
            assert!(told.lines().all(|line| width(line) <= room), "{room}: {told}");
            for part in ["accuracy", "0.8725", "run", "…"] {
                assert!(told.contains(part), "{room}: {told}");
            }
        }
        assert!(list(&runs, Some(80)).contains("784-128-10"));
        assert_eq!(list(&runs, Some(200)), whole);
    }
}
