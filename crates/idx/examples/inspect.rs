//! Says what an IDX file holds: `cargo run -p idx --example inspect -- FILE...`
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in std::env::args().skip(1) {
        match idx::IdxFile::read(&path) {
            Ok(file) => {
                let view = file.view();
                let start = &view.bytes()[..view.bytes().len().min(16)];
                println!("{path}: {} {:?}, starts {start:02x?}", view.dtype(), view.dims());
            }
            Err(error) => {
                eprintln!("{error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
