//! The chores of this repository: `cargo xtask COMMAND`. Needs nothing but cargo.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod aarch64;
mod blas;
mod dist;
mod python;
mod run;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND [OPTIONS]

Using weft (builds the release binary, then runs it with the options):
  train      fetch the data if need be, train the tutorial's network, evaluate, plot
  eval       measure a model
  predict    classify images
  plot       draw the figures for a model
  runs       list the runs, or compare some
  fetch      fetch and verify the data set
  info       what this machine and this build can do
  weft ...   any command line of weft

Developing weft:
  test       format, lints, tests, every instruction set, docs, tidiness [--fast: once, no docs]
  test --deep  and the exhaustive tests, in release (about half an hour)
  test --python  ONNX and safetensors as Python's libraries read them (it says what to install)
  test --target aarch64  the kernels' tests compiled for AArch64, under qemu
  test --blas  Netlib's BLAS testers and NumPy over libweft_blas
  tidy       only the checks of the repository's own rules
  bench      the benchmarks: train, gemm, elementwise; [--quick]; `bench gemm --help` says more
  dist [DIR]  an archive of the release binary, completions, manual pages and licences [target/dist]
  fuzz [SECONDS]  every fuzz target in turn (needs nightly and cargo-fuzz)

Examples:
  cargo xtask train
  cargo xtask train --epochs 10 --hidden 256,128 --seed 7
  cargo xtask test
";

fn help() -> ExitCode {
    print!("{HELP}");
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or(&[]);
    let asked = matches!(rest.first().map(String::as_str), Some("--help" | "-h"));
    let done = match args.first().map(String::as_str) {
        // Programs that are only run have help of their own.
        Some("test" | "tidy" | "bench" | "dist" | "fuzz") if asked => return help(),
        None | Some("help" | "--help" | "-h") => return help(),
        Some("train" | "eval" | "predict" | "plot" | "fetch" | "info" | "runs") => {
            return run::weft(&args);
        }
        Some("weft") => return run::weft(rest),
        Some("test") => test::test(rest),
        Some("tidy") => tidy::tidy(),
        Some("bench") => run::bench(rest),
        Some("dist") => dist::dist(rest),
        Some("fuzz") => test::fuzz(rest),
        Some(other) => Err(format!("there is no command `{other}`; `cargo xtask` lists them")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
