//! Products of other libraries, timed on request: one process a library, so that their threads, their
//! environment variables and their faults stay apart.
//!
//! - `rivals list` prints `name<TAB>version` of every library that can be loaded here.
//! - `rivals serve NAME` reads a product a line (see [`Job`]) and answers each with the seconds one took, or
//!   with `-` where the library has no such product.
//!
//! How many threads a library takes is for its environment to say, as is usual with them.

mod blas;
mod crates;
mod job;

use job::{Job, Operands};
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A library's product.
pub(crate) trait Rival {
    /// What the library says of itself.
    fn version(&self) -> String;
    /// Does the product once; false where the library has no such product.
    fn product(&mut self, job: &Job, operands: &mut Operands) -> bool;
}

/// The libraries that are here and wanted, by name. Only those are loaded: of two C libraries in one process the first
/// one's functions may serve the other.
fn rivals(wanted: impl Fn(&str) -> bool) -> Vec<(&'static str, Box<dyn Rival>)> {
    let mut all = crates::all();
    all.retain(|(name, _)| wanted(name));
    all.extend(blas::all(wanted));
    all
}

/// Threads that rest soon after their work disturb nobody else's turn.
const REST: Duration = Duration::from_millis(5);

/// Threads are awake, and operands near, after so long.
const WARM_UP: Duration = Duration::from_millis(1);

/// Seconds of one of `job.times` products, after a millisecond of them that does not count.
fn time(rival: &mut dyn Rival, job: &Job, operands: &mut Operands) -> Option<f64> {
    let start = Instant::now();
    loop {
        if !rival.product(job, operands) {
            return None;
        }
        if start.elapsed() >= WARM_UP {
            break;
        }
    }
    let start = Instant::now();
    for _ in 0..job.times {
        rival.product(job, operands);
    }
    let time = start.elapsed().as_secs_f64() / job.times as f64;
    if crates::threads() > 1 {
        std::thread::sleep(REST);
    }
    Some(time)
}

/// Answers until the input ends.
fn serve(name: &str) -> Result<(), String> {
    let found = rivals(|n| n == name).pop();
    let (_, mut rival) = found.ok_or_else(|| format!("there is no `{name}` here"))?;
    // Operands are kept, for the same products come again in every round.
    let mut kept: Vec<(Job, Operands)> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let job = Job::parse(&line.map_err(|e| e.to_string())?)?;
        let at = match kept.iter().position(|(j, _)| j.same_matrices(&job)) {
            Some(at) => at,
            None => {
                let mut operands = Operands::of(&job);
                if rival.product(&job, &mut operands) {
                    operands.check(&job).map_err(|why| format!("{name}: {why}"))?;
                }
                kept.push((job, operands));
                kept.len() - 1
            }
        };
        let time = time(rival.as_mut(), &job, &mut kept[at].1);
        let mut out = std::io::stdout().lock();
        let answer = time.map_or_else(|| "-".to_owned(), |t| format!("{t:e}"));
        writeln!(out, "{answer}").and_then(|()| out.flush()).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list"] => {
            for (name, rival) in rivals(|_| true) {
                println!("{name}\t{}", rival.version());
            }
            Ok(())
        }
        ["serve", name] => serve(name),
        _ => Err("rivals list | rivals serve NAME".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("rivals: {why}");
            ExitCode::FAILURE
        }
    }
}
