//! `cargo xtask bench elementwise`: kernels that go through memory once, beside a copy of as many bytes and
//! beside a plain loop for the same instructions, all in turn.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tables are what a benchmark is for")]

mod plain;

use benches::{Spread, Subject, in_turn, machine, seconds, table};
use clap::Parser;
use kernels::{AdamStep, Isa};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Softmax, exp, Adam and pixels on one thread: nanoseconds an element and gigabytes a second, beside a copy of as
/// many bytes and beside the plain loop that the compiler vectorises for the same instruction set.
#[derive(Parser)]
#[command(
    name = "cargo xtask bench elementwise",
    after_help = "\
Examples:
  cargo xtask bench elementwise --quick
  WEFT_ISA=avx2 cargo xtask bench elementwise --json"
)]
struct Options {
    /// Three rounds instead of 21
    #[arg(long)]
    quick: bool,
    /// Everything once, on small inputs: whether it runs
    #[arg(long)]
    once: bool,
    /// One JSON object a line instead of the table
    #[arg(long)]
    json: bool,
    /// Write a CSV file with the machine's description too
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// A kernel and what it is measured beside: ours, the plain loop and the memory traffic alone.
struct Case {
    name: String,
    elements: usize,
    /// Bytes that are read and written.
    bytes: usize,
    runs: [Subject<'static>; 3],
}

/// One line of a report.
#[derive(Serialize)]
struct Row {
    name: String,
    isa: &'static str,
    elements: usize,
    bytes: usize,
    /// Medians, in seconds.
    kernel: f64,
    plain: f64,
    traffic: f64,
    ns_an_element: f64,
    gbytes_per_second: f64,
    rounds: usize,
}

/// A sample lasts about so many elements' worth of work.
const ELEMENTS: usize = 2_000_000;

/// Numbers between -8 and 8 that repeat late.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 1000) as f32 / 62.5 - 8.0).collect()
}

/// Times something that changes a vector, which is as it was before each run.
fn on_fresh(
    name: &str,
    values: &[f32],
    times: usize,
    run: impl Fn(&mut [f32]) + 'static,
) -> Subject<'static> {
    let (from, mut values) = (values.to_vec(), values.to_vec());
    Subject::new(name, move || {
        let mut time = 0.0;
        for _ in 0..times {
            values.copy_from_slice(&from);
            time += seconds(|| run(&mut values));
        }
        time / times as f64
    })
}

/// Copies as many bytes as are read, from one place to another.
fn copy(count: usize, times: usize) -> Subject<'static> {
    let (from, mut to) = (numbers(count), numbers(count));
    Subject::new("copy", move || {
        let mut run = || std::hint::black_box(&mut to).copy_from_slice(std::hint::black_box(&from));
        run();
        seconds(|| (0..times).for_each(|_| run())) / times as f64
    })
}

fn softmax(isa: Isa, rows: usize, n: usize) -> Case {
    let (values, times) = (numbers(rows * n), (ELEMENTS / (rows * n)).max(1));
    Case {
        name: format!("softmax {rows}×{n}"),
        elements: rows * n,
        bytes: 8 * rows * n,
        runs: [
            on_fresh("kernel", &values, times, move |x| kernels::softmax(isa, x, n)),
            on_fresh("plain", &values, times, move |x| plain::softmax(isa, x, n)),
            copy(rows * n, times),
        ],
    }
}

fn exp(isa: Isa, n: usize) -> Case {
    let (values, times) = (numbers(n), (ELEMENTS / n).max(1));
    Case {
        name: format!("exp {n}"),
        elements: n,
        bytes: 8 * n,
        runs: [
            on_fresh("kernel", &values, times, move |x| kernels::exp_in_place(isa, x)),
            on_fresh("plain", &values, times, move |x| plain::exp_in_place(isa, x)),
            copy(n, times),
        ],
    }
}

/// Times something on four vectors of parameters, over and over.
fn on_parameters(
    name: &str,
    n: usize,
    times: usize,
    run: impl Fn(&[f32], [&mut [f32]; 3]) + 'static,
) -> Subject<'static> {
    let (g, mut w, mut m, mut v) = (numbers(n), numbers(n), numbers(n), vec![0.5; n]);
    Subject::new(name, move || {
        let mut run = || run(&g, [&mut w, &mut m, &mut v]);
        run();
        seconds(|| (0..times).for_each(|_| run())) / times as f64
    })
}

fn adam(isa: Isa, n: usize) -> Case {
    let (step, times) = (AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 10), (ELEMENTS / n).max(1));
    Case {
        name: format!("Adam {n}"),
        elements: n,
        bytes: 28 * n,
        runs: [
            on_parameters("kernel", n, times, move |g, [w, m, v]| {
                kernels::adam_step(isa, &step, g, w, m, v);
            }),
            on_parameters("plain", n, times, move |g, [w, m, v]| {
                plain::adam_step(isa, &step, g, w, m, v);
            }),
            on_parameters("traffic", n, times, move |g, [w, m, v]| {
                plain::adam_traffic(isa, g, w, m, v);
            }),
        ],
    }
}

fn pixels(isa: Isa, rows: usize, cols: usize) -> Case {
    let n = rows * cols;
    let times = (ELEMENTS / n).max(1);
    let run = |name: &str, run: fn(Isa, &[u8], f32, &mut [f32])| {
        let bytes: Vec<u8> = (0..n).map(|i| (i * 7919 % 256) as u8).collect();
        let mut floats = vec![0.0; n];
        Subject::new(name, move || {
            let mut run = || run(isa, &bytes, 1.0 / 255.0, &mut floats);
            run();
            seconds(|| (0..times).for_each(|_| run())) / times as f64
        })
    };
    Case {
        name: format!("u8 to f32 {rows}×{cols}"),
        elements: n,
        bytes: 5 * n,
        // A copy of as many bytes in all.
        runs: [run("kernel", kernels::pixels), run("plain", plain::pixels), copy(n * 5 / 8, times)],
    }
}

/// Every case, or a hundredth of each.
fn cases(isa: Isa, part: usize) -> Vec<Case> {
    vec![
        softmax(isa, 10_000 / part, 10),
        softmax(isa, 10_000 / part, 1000),
        exp(isa, 100_000 / part),
        exp(isa, 1_000_000 / part),
        adam(isa, 100_000 / part),
        adam(isa, 1_000_000 / part),
        pixels(isa, 10_000 / part, 784),
    ]
}

fn rows(isa: Isa, cases: Vec<Case>, rounds: usize) -> Vec<Row> {
    let (mut labels, mut subjects) = (Vec::new(), Vec::new());
    for Case { name, elements, bytes, runs } in cases {
        labels.push((name, elements, bytes));
        subjects.extend(runs);
    }
    let spreads = in_turn(&mut subjects, rounds);
    let row = |((name, elements, bytes), of): ((String, usize, usize), &[Spread])| {
        let [kernel, plain, traffic] = [of[0].median, of[1].median, of[2].median];
        let rates = (kernel * 1e9 / elements as f64, bytes as f64 / kernel / 1e9);
        let isa = isa.name();
        let (ns_an_element, gbytes_per_second) = rates;
        Row {
            name,
            isa,
            elements,
            bytes,
            kernel,
            plain,
            traffic,
            ns_an_element,
            gbytes_per_second,
            rounds,
        }
    };
    labels.into_iter().zip(spreads.chunks_exact(3)).map(row).collect()
}

fn print(isa: Isa, rows: &[Row]) {
    println!("{isa}, one thread; times are medians of rounds in turn\n");
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let ns_an_element = |time: f64| format!("{:.3}", time * 1e9 / row.elements as f64);
            vec![
                row.name.clone(),
                format!("{:.1}", row.kernel * 1e6),
                ns_an_element(row.kernel),
                ns_an_element(row.traffic),
                format!("{:.2}", row.kernel / row.traffic),
                ns_an_element(row.plain),
                format!("{:.2}", row.plain / row.kernel),
                format!("{:.1}", row.gbytes_per_second),
            ]
        })
        .collect();
    let head =
        ["", "µs", "ns an element", "a copy", "times a copy", "plain loop", "times faster", "GB/s"];
    table(&head, &lines);
    println!(
        "\nA copy moves as many bytes; for Adam it is a loop that reads and writes the same four vectors."
    );
}

fn run(options: &Options) -> Result<(), String> {
    let isa = Isa::from_env().map_err(|e| e.to_string())?;
    let (part, rounds) = match (options.once, options.quick) {
        (true, _) => (100, 1),
        (false, true) => (1, 3),
        (false, false) => (1, 21),
    };
    let rows = rows(isa, cases(isa, part), rounds);
    if options.json {
        for row in &rows {
            println!("{}", serde_json::to_string(row).map_err(|e| e.to_string())?);
        }
    } else {
        print(isa, &rows);
    }
    if let Some(file) = &options.record {
        machine::record(file, "cargo xtask bench elementwise", &rows)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench elementwise: {why}");
            ExitCode::FAILURE
        }
    }
}
