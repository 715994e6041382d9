//! Says what IDX files hold: `cargo run -p idx --example inspect -- FILE...`
#![allow(clippy::print_stdout, clippy::print_stderr)]

use idx::{Error, IdxFile};
use std::process::ExitCode;

/// Prints type, shape and the first elements of a file.
fn inspect(path: &str) -> Result<(), Error> {
    let file = IdxFile::read(path)?;
    let view = file.view();
    let first: Vec<String> = view.values().take(12).map(|v| v.to_string()).collect();
    let more = if view.values().len() > first.len() { " ..." } else { "" };
    println!("{path}: {} {:?}: {}{more}", view.dtype(), view.dims(), first.join(" "));
    Ok(())
}

fn main() -> ExitCode {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        eprintln!("usage: inspect FILE...");
        return ExitCode::from(2);
    }
    let mut code = ExitCode::SUCCESS;
    for path in &paths {
        if let Err(error) = inspect(path) {
            eprintln!("{error}");
            code = ExitCode::FAILURE;
        }
    }
    code
}
