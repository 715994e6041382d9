//! `cargo xtask test --python`: what other programs make of weft's files, and weft of theirs.

use crate::run::{cargo, root, run, target};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// What the checks import, as `pip install` names it.
const NEEDED: [&str; 4] = ["numpy", "onnx", "onnxruntime", "safetensors"];

/// Builds weft and runs the checks on the data set, if it is here, else on the sample.
pub(crate) fn test() -> Result<(), String> {
    let python = python()?;
    run(cargo().args(["build", "--quiet", "--release", "--package", "app"]))?;
    let weft = target().join("release").join(format!("weft{}", std::env::consts::EXE_SUFFIX));
    let folder = std::env::temp_dir().join(format!("weft-exchange-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let data = data();
    println!("on {}", data.display());
    let mut checks = Command::new(&python);
    checks.arg(root().join("crates/app/tests/python/exchange.py"));
    let done = run(checks.args([&weft, &data, &folder]));
    // What is left there is of no use to anybody.
    let _ = std::fs::remove_dir_all(&folder);
    done
}

/// A Python that has what is needed.
fn python() -> Result<OsString, String> {
    let python = std::env::var_os("WEFT_PYTHON").unwrap_or_else(|| "python3".into());
    let modules = NEEDED.join(", ");
    let tried = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if tried.is_ok_and(|done| done.status.success()) {
        return Ok(python);
    }
    Err(format!(
        "{} cannot import {modules}. To install them:\n  \
         python3 -m venv target/python && target/python/bin/pip install {}\n  \
         WEFT_PYTHON=target/python/bin/python cargo xtask test --python\n\
         (with torch beside them, PyTorch is asked too)",
        python.to_string_lossy(),
        NEEDED.join(" ")
    ))
}

/// The folder with the data set, or `sample`.
fn data() -> PathBuf {
    let named = std::env::var_os("WEFT_DATA").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache.or(home).map(|cache| cache.join("weft/fashion-mnist"));
    let there = |folder: &PathBuf| folder.join("t10k-images-idx3-ubyte").is_file();
    named.into_iter().chain(cache).find(there).unwrap_or_else(|| "sample".into())
}
