//! The command as its user runs it: from the start of the process to the first step, and to its end with the model
//! evaluated and saved.

use crate::Machine;
use benches::Spread;
use kernels::Isa;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A way to run it.
struct Way {
    name: &'static str,
    flags: Vec<String>,
    /// Whether something else keeps a core busy meanwhile.
    beside: bool,
}

/// What is measured of a run, in seconds and bytes.
struct Run {
    first_step: f64,
    training: f64,
    whole: f64,
    memory: Option<u64>,
}

/// Each way in turn, `rounds` times; a first round is not counted.
pub(crate) fn table(
    machine: Machine,
    (weft, sample): (&Path, bool),
    rounds: usize,
) -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("weft-bench-{}", std::process::id()));
    let way = |name, flags: &[&str], beside| {
        let data: &[&str] = if sample { &["--dataset", "sample"] } else { &[] };
        let flags = [flags, data].concat().into_iter().map(str::to_owned).collect();
        Way { name, flags, beside }
    };
    let mut ways = vec![
        way("as it is", &[], false),
        way("--threads 8", &["--threads", "8"], false),
        way("another busy thread", &[], true),
    ];
    if Isa::named("avx2").is_ok_and(|avx2| avx2 != machine.isa) {
        ways.push(way("--isa avx2", &["--isa", "avx2"], false));
    }
    let mut runs: Vec<Vec<Run>> = ways.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for (i, (way, runs)) in ways.iter().zip(&mut runs).enumerate() {
            // A folder of its own, as every run of a user has: to replace files takes a file system milliseconds.
            let folder = folder.join(format!("{round}-{i}"));
            fs::create_dir_all(&folder)?;
            let run = way.run(weft, &folder)?;
            if round > 0 {
                runs.push(run);
            }
        }
    }
    fs::remove_dir_all(&folder)?;
    let row = |(way, runs): (&Way, &Vec<Run>)| {
        let median = |of: fn(&Run) -> f64| Spread::of(runs.iter().map(of).collect()).median;
        let memory = runs.iter().filter_map(|run| run.memory).max();
        vec![
            way.name.to_owned(),
            format!("{:.1}", median(|run| run.first_step) * 1e3),
            format!("{:.3}", median(|run| run.training)),
            format!("{:.3}", median(|run| run.whole)),
            memory.map_or("-".to_owned(), |bytes| format!("{:.0}", bytes as f64 / 1e6)),
        ]
    };
    let rows: Vec<_> = ways.iter().zip(&runs).map(row).collect();
    println!();
    let head = ["weft train --no-plots", "first step, ms", "training, s", "all, s", "memory, MB"];
    benches::table(&head, &rows);
    println!(
        "All from the start of the process, data in memory; the first step by runs of one step."
    );
    Ok(())
}

impl Way {
    /// A run of one step and a whole one.
    fn run(&self, weft: &Path, folder: &Path) -> Result<Run, Box<dyn Error>> {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            if self.beside {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let runs = || {
                let Run { first_step, .. } =
                    self.timed(weft, &folder.join("step"), &["--max-steps", "1"])?;
                Ok(Run { first_step, ..self.timed(weft, &folder.join("whole"), &[])? })
            };
            let run = runs();
            stop.store(true, Ordering::Relaxed);
            run
        })
    }

    /// A run, of which the first step is taken to end with the first epoch.
    fn timed(&self, weft: &Path, folder: &Path, flags: &[&str]) -> Result<Run, Box<dyn Error>> {
        let mut command = Command::new(weft);
        command.args(["train", "--no-plots", "--quiet", "--json", "--out"]).arg(folder);
        command.args(&self.flags).args(flags).stdout(Stdio::piped());
        let start = Instant::now();
        let mut process = command.spawn().map_err(|e| format!("{}: {e}", weft.display()))?;
        let Some(out) = process.stdout.take() else { unreachable!("standard output is a pipe") };
        let (mut first, mut training, mut memory) = (None, None, None);
        for line in BufReader::new(out).lines() {
            let event: serde_json::Value = serde_json::from_str(&line?)?;
            match event["event"].as_str() {
                Some("epoch") => _ = first.get_or_insert(start.elapsed().as_secs_f64()),
                Some("result") => {
                    training = event["train_seconds"].as_f64();
                    memory = most_memory(process.id());
                }
                _ => {}
            }
        }
        let (status, whole) = (process.wait()?, start.elapsed().as_secs_f64());
        if !status.success() {
            return Err(format!("{command:?}: {status}").into());
        }
        let times = first.zip(training);
        let (first_step, training) = times.ok_or_else(|| format!("{command:?}: told no times"))?;
        Ok(Run { first_step, training, whole, memory })
    }
}

/// The most memory that a process had in use so far, where Linux tells it.
fn most_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}
