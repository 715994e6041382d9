//! `cargo xtask bench gemm`: the general product beside what the machine can do and beside the products of
//! other libraries, all in turn.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tables are what a benchmark is for")]

mod cases;
mod report;
mod rivals;

use benches::machine;
use cases::{Case, SHAPES, variants};
use clap::Parser;
use kernels::{Isa, Team, meter};
use report::{Row, Samples};
use rivals::Rival;
use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;

/// The general product beside the machine's peak and beside other libraries, measured in turn.
///
/// The table has GFLOP/s: medians of the rounds. `of peak` is the median share of the multiply-add peak measured
/// in the same turn, `to best` what we reach of the best of the others.
#[derive(Parser)]
#[command(name = "cargo xtask bench gemm", after_help = AFTER)]
struct Options {
    /// Two rounds instead of nine
    #[arg(long)]
    quick: bool,
    /// Each product once, small ones only: whether everything runs
    #[arg(long)]
    once: bool,
    /// Numbers of threads, one after the other
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_name = "N,N")]
    threads: Vec<usize>,
    /// Only products whose name contains this, such as 256, 32x10, 1024³ or Aᵀ
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Every order of the matrices and kind of α and β, for three shapes
    #[arg(long)]
    variants: bool,
    /// Only these libraries; `none` for ours alone
    #[arg(long, value_delimiter = ',', value_name = "NAME,NAME")]
    rivals: Option<Vec<String>>,
    /// One JSON object a line instead of the table
    #[arg(long)]
    json: bool,
    /// Write a CSV file with the machine's description too
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The program that runs other libraries (cargo xtask builds it)
    #[arg(long, value_name = "FILE", hide = true)]
    program: Option<PathBuf>,
}

const AFTER: &str = "\
Other libraries: crates in Rust are built along (benches/rivals). Libraries in C are loaded where they are
installed (apt install libopenblas0 libblis4 libdnnl2) or lie below a folder of $WEFT_RIVALS:
  python3 -m venv DIR && DIR/bin/pip install mkl onednn-cpu-gomp scipy-openblas32 aoclda
  WEFT_RIVALS=DIR cargo xtask bench gemm

Examples:
  cargo xtask bench gemm --quick --threads 1
  cargo xtask bench gemm --rivals gemm,faer --only 256
  WEFT_ISA=avx2 cargo xtask bench gemm --rivals none";

/// A sample lasts some milliseconds, so that neither the clock shows nor that others used the caches before.
const OPERATIONS: usize = 1_000_000_000;

/// Operations a second of so many threads at once.
fn peak(isa: Isa, threads: usize) -> f64 {
    std::thread::scope(|scope| {
        let others: Vec<_> =
            (1..threads).map(|_| scope.spawn(move || meter::peak_flops(isa))).collect();
        let mine = meter::peak_flops(isa);
        others.into_iter().fold(mine, |sum, other| sum + other.join().unwrap_or(0.0))
    })
}

/// What is measured with some number of threads.
struct Plan<'p> {
    isa: Isa,
    threads: usize,
    rounds: usize,
    cases: &'p [Case],
    once: bool,
}

/// Our name in tables.
const OURS: &str = "weft";

impl Plan<'_> {
    /// All products by all libraries in turn, with a first round that does not count.
    fn run(&self, rivals: &mut [Rival]) -> Vec<Row> {
        let team = RefCell::new(Team::new(self.threads));
        let mut ours: Vec<_> = self.cases.iter().map(|case| case.ours(self.isa, &team)).collect();
        let mut samples = vec![vec![Samples::default(); rivals.len() + 1]; self.cases.len()];
        for round in usize::from(self.once)..=self.rounds {
            for (case, ((at, ours), samples)) in
                self.cases.iter().zip(ours.iter_mut().enumerate().zip(&mut samples))
            {
                benches::progress(format_args!(
                    "{} threads, round {round} of {}, {} of {}: {}",
                    self.threads,
                    self.rounds,
                    at + 1,
                    self.cases.len(),
                    case.name()
                ));
                let times =
                    if self.once { 1 } else { (OPERATIONS / case.operations().max(1)).max(1) };
                let peak = peak(self.isa, self.threads);
                let mine = Some(ours(times));
                let theirs = rivals.iter_mut().map(|rival| match case.packed {
                    true => None,
                    false => rival.time(case, times),
                });
                for (time, samples) in std::iter::once(mine).chain(theirs).zip(samples) {
                    if let (Some(time), true) = (time, round > 0) {
                        samples.seconds.push(time);
                        samples.peaks.push(peak);
                    }
                }
            }
        }
        benches::progress(format_args!(""));
        self.rows(rivals, &samples)
    }

    fn rows(&self, rivals: &[Rival], samples: &[Vec<Samples>]) -> Vec<Row> {
        let mut rows = Vec::new();
        for (case, samples) in self.cases.iter().zip(samples) {
            let ours = std::iter::once((OURS, self.isa.name()));
            let theirs = rivals.iter().map(|rival| (&*rival.name, &*rival.version));
            for (library, samples) in ours.chain(theirs).zip(samples) {
                rows.extend(Row::new(case, self.threads, library, samples));
            }
        }
        rows
    }
}

/// Starts those of the libraries that are wanted.
fn start(options: &Options, threads: usize) -> Result<Vec<Rival>, String> {
    let wanted = |name: &str| options.rivals.as_ref().is_none_or(|r| r.iter().any(|w| w == name));
    let Some(program) = options.program.as_ref().filter(|_| !named_none(options)) else {
        return Ok(Vec::new());
    };
    let all = rivals::list(program)?;
    if let Some(missing) =
        options.rivals.iter().flatten().find(|name| all.iter().all(|(n, _)| n != *name))
    {
        let here: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        return Err(format!("`{missing}` is not here; there are: {}", here.join(", ")));
    }
    let wanted = all.iter().filter(|(name, _)| wanted(name));
    wanted.map(|(name, version)| Rival::start(program, (name, version), threads)).collect()
}

fn named_none(options: &Options) -> bool {
    options.rivals.as_ref().is_some_and(|rivals| rivals.iter().all(|name| name == "none"))
}

fn cases(options: &Options) -> Result<Vec<Case>, String> {
    let mut cases = if options.variants { variants() } else { SHAPES.to_vec() };
    if options.once {
        cases.retain(|case| case.operations() < 40_000_000);
    }
    let Some(text) = &options.only else { return Ok(cases) };
    let all: Vec<String> = cases.iter().map(Case::name).collect();
    cases.retain(|case| case.is_meant_by(text));
    if cases.is_empty() {
        return Err(format!("no product is called `{text}`; there are: {}", all.join(", ")));
    }
    Ok(cases)
}

fn run(options: &Options) -> Result<(), String> {
    let isa = Isa::from_env().map_err(|e| e.to_string())?;
    let rounds = if options.once {
        1
    } else if options.quick {
        2
    } else {
        9
    };
    let cases = cases(options)?;
    let mut all = Vec::new();
    for &threads in &options.threads {
        let mut rivals = start(options, threads)?;
        let plan = Plan { isa, threads, rounds, cases: &cases, once: options.once };
        let rows = plan.run(&mut rivals);
        for rival in &mut rivals {
            if rival.is_gone() {
                eprintln!("{} ended early; what it did not answer is left out", rival.name);
            }
        }
        let mut libraries = vec![OURS.to_owned()];
        libraries.extend(rivals.iter().map(|rival| rival.name.clone()));
        if options.json {
            for row in &rows {
                println!("{}", serde_json::to_string(row).map_err(|e| e.to_string())?);
            }
        } else {
            let peak = peak(isa, threads) / 1e9;
            println!(
                "\n{isa}, {threads} threads, peak now {peak:.0} GFLOP/s, medians of {rounds} rounds\n"
            );
            report::print(&rows, &libraries);
        }
        all.extend(rows);
    }
    if let Some(file) = &options.record {
        machine::record(file, "cargo xtask bench gemm", &all)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench gemm: {why}");
            ExitCode::FAILURE
        }
    }
}
