//! `cargo xtask test --blas`: the library for C under programs that others made to test a BLAS, and under
//! NumPy. It is put in front of the system's BLAS, which has the other routines.

use crate::run::{cargo, root, run, target};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is missing is in these packages of Debian and Ubuntu.
const INSTALL: &str = "apt install libblas-test libblas3 python3-numpy";
/// The Python whose NumPy calls the system's BLAS; NumPy from elsewhere brings one of its own.
const PYTHON: &str = "/usr/bin/python3";
/// What the library writes for every product when `WEFT_VERBOSE` is set.
const LINE: &str = "weft_blas: ";

/// A tester of Netlib: its program, what it reads, where its summary goes if not to standard output, what it
/// calls the product, and how often each of its rounds must have called it.
struct Tester {
    program: &'static str,
    input: &'static str,
    summary: Option<&'static str>,
    routine: &'static str,
    rounds: &'static [&'static str],
}

const CALLS: usize = 17_496;

const TESTERS: [Tester; 2] = [
    Tester {
        program: "xblat3s",
        input: "sblat3.in",
        summary: Some("sblat3.out"),
        routine: "SGEMM ",
        rounds: &["PASSED THE COMPUTATIONAL TESTS"],
    },
    Tester {
        program: "xscblat3",
        input: "sin3",
        summary: None,
        routine: "cblas_sgemm ",
        rounds: &[
            "PASSED THE COLUMN-MAJOR COMPUTATIONAL TESTS",
            "PASSED THE ROW-MAJOR    COMPUTATIONAL TESTS",
        ],
    },
];

/// The folder of the testers, which has the reference BLAS too.
fn testers() -> Option<PathBuf> {
    let multiarch = fs::read_dir("/usr/lib").ok()?.flatten();
    multiarch.map(|folder| folder.path().join("blas")).find(|folder| {
        let there = |name: &str| folder.join(name).exists();
        there("libblas.so.3") && TESTERS.iter().all(|t| there(t.program) && there(t.input))
    })
}

fn has_numpy() -> bool {
    let mut python = Command::new(PYTHON);
    python.args(["-c", "import numpy"]).stdout(Stdio::null()).stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

/// Builds the library and puts all of them over it.
pub(crate) fn test() -> Result<(), String> {
    let folder = testers().filter(|_| has_numpy()).ok_or_else(|| {
        format!("Netlib's testers, the reference BLAS or {PYTHON} with NumPy is missing: {INSTALL}")
    })?;
    run(cargo().args(["build", "--release", "--package", "cblas"]))?;
    let library = target().join("release/libweft_blas.so");
    let scratch = std::env::temp_dir().join(format!("weft-blas-{}", std::process::id()));
    fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    let done = TESTERS
        .iter()
        .try_for_each(|tester| netlib(tester, &folder, &library, &scratch))
        .and_then(|()| numpy(&library));
    let _ = fs::remove_dir_all(&scratch);
    done
}

/// Runs a program over the library: its standard output, and how many products the library reports.
fn over(library: &Path, command: &mut Command) -> Result<(String, usize), String> {
    command.env("LD_PRELOAD", library).env("WEFT_VERBOSE", "1").env("WEFT_NUM_THREADS", "2");
    let line = format!("{command:?}");
    let output = command.output().map_err(|e| format!("cannot run {line}: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    let (products, others): (Vec<&str>, Vec<&str>) =
        errors.lines().partition(|line| line.starts_with(LINE));
    if !output.status.success() || !others.is_empty() {
        return Err(format!("{}: {line}\n{said}{}", output.status, others.join("\n")));
    }
    Ok((said, products.len()))
}

/// One of Netlib's testers. It ends well even when tests fail, so what it writes is read.
fn netlib(tester: &Tester, folder: &Path, library: &Path, scratch: &Path) -> Result<(), String> {
    let input = fs::File::open(folder.join(tester.input))
        .map_err(|e| format!("{}: {e}", folder.join(tester.input).display()))?;
    let mut command = Command::new(folder.join(tester.program));
    command.current_dir(scratch).stdin(input).env("LD_LIBRARY_PATH", folder);
    let (mut report, calls) = over(library, &mut command)?;
    if let Some(name) = tester.summary {
        let summary = scratch.join(name);
        report +=
            &fs::read_to_string(&summary).map_err(|e| format!("{}: {e}", summary.display()))?;
    }
    let ours = content(tester, &report)
        .ok_or_else(|| format!("{} is not content:\n{report}", tester.program))?;
    if calls != CALLS * tester.rounds.len() {
        return Err(format!("{}: {calls} products came to the library", tester.program));
    }
    println!("{}:\n  {}", tester.program, ours.join("\n  "));
    Ok(())
}

/// What a report says of the product, if the tester found nothing wrong with that or any other routine.
fn content<'a>(tester: &Tester, report: &'a str) -> Option<Vec<&'a str>> {
    let of_product = |line: &&str| line.trim_start().starts_with(tester.routine);
    let ours: Vec<&str> = report.lines().filter(of_product).map(str::trim).collect();
    let passed = |what: &str| ours.iter().any(|line| line.contains(what));
    let bad = ["FAIL", "*****", "SUSPECT", "ABANDONED"].iter().any(|word| report.contains(word));
    let rounds = tester.rounds.iter().all(|round| passed(&format!("{round} ( {CALLS} CALLS)")));
    let all =
        rounds && passed("PASSED THE TESTS OF ERROR-EXITS") && report.contains("END OF TESTS");
    (all && !bad).then_some(ours)
}

/// NumPy, with products of random shapes and strides.
fn numpy(library: &Path) -> Result<(), String> {
    let script = root().join("crates/cblas/tests/numpy_products.py");
    println!("NumPy: products of up to 3000 rows and columns, some seconds to a minute...");
    let (said, calls) = over(library, Command::new(PYTHON).arg(script))?;
    let products = said.lines().filter(|line| line.starts_with("product ")).count();
    let last = said.lines().last().unwrap_or_default();
    if calls != products || products == 0 {
        return Err(format!("NumPy: {products} products, of which {calls} came to the library"));
    }
    println!("NumPy: {last}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
 SGEMM  PASSED THE TESTS OF ERROR-EXITS

 SGEMM  PASSED THE COMPUTATIONAL TESTS ( 17496 CALLS)

 SSYMM  PASSED THE TESTS OF ERROR-EXITS

 END OF TESTS
";

    #[test]
    fn a_good_report_is_one() {
        let ours = content(&TESTERS[0], GOOD).expect("nothing is wrong with it");
        assert_eq!(ours.len(), 2);
        assert!(content(&TESTERS[1], GOOD).is_none(), "that of the other tester");
    }

    #[test]
    fn a_report_of_failures_is_none() {
        for (good, bad) in [
            ("SGEMM  PASSED THE TESTS OF", "SGEMM  FAILED THE TESTS OF"),
            ("SSYMM  PASSED THE TESTS OF", "SSYMM  FAILED THE TESTS OF"),
            ("SGEMM  PASSED THE COMP", "SGEMM  COMPLETED THE COMP"),
            (" SSYMM", " ***** PARAMETER NUMBER  9 NOT DETECTED BY SGEMM *****\n SSYMM"),
            ("17496", "17495"),
            ("END OF TESTS", ""),
        ] {
            assert!(GOOD.contains(good));
            assert_eq!(content(&TESTERS[0], &GOOD.replace(good, bad)), None, "{bad}");
        }
    }
}
