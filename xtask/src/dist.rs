//! `cargo xtask dist`: what is handed on: the binary, completions, manual pages, licences.

use crate::run::{cargo, root, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Shells that weft has completions for, and what their files are called.
const SHELLS: [(&str, &str); 5] = [
    ("bash", "weft.bash"),
    ("zsh", "_weft"),
    ("fish", "weft.fish"),
    ("powershell", "_weft.ps1"),
    ("elvish", "weft.elv"),
];
/// Files that go along as they are.
const FILES: [&str; 5] = ["README.md", "CHANGELOG.md", "LICENSE", "LICENSE-APACHE", "LICENSE-MIT"];

/// Builds the release binary and gathers everything in a folder.
pub(crate) fn dist(args: &[String]) -> Result<(), String> {
    let folder = match args {
        [] => root().join("target/dist"),
        [folder] if !folder.starts_with('-') => PathBuf::from(folder),
        _ => return Err("dist takes the folder to fill, or nothing: target/dist".to_owned()),
    };
    run(cargo().args(["build", "--release", "--package", "app", "--bin", "weft"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let release = target.unwrap_or_else(|| root().join("target")).join("release");
    let name = format!("weft{}", std::env::consts::EXE_SUFFIX);
    let weft = release.join(&name);

    let completions = folder.join("completions");
    fs::create_dir_all(&completions).map_err(|e| failed(&completions, &e))?;
    copy(&weft, &folder.join(name))?;
    for file in FILES {
        copy(&root().join(file), &folder.join(file))?;
    }
    // What the README leads to.
    for below in ["docs", "docs/images"] {
        let to = folder.join(below);
        fs::create_dir_all(&to).map_err(|e| failed(&to, &e))?;
        let from = root().join(below);
        for entry in fs::read_dir(&from).map_err(|e| failed(&from, &e))?.flatten() {
            if entry.path().is_file() {
                copy(&entry.path(), &to.join(entry.file_name()))?;
            }
        }
    }
    for (shell, file) in SHELLS {
        let done = Command::new(&weft).args(["completions", shell]).output();
        let script = done.map_err(|e| failed(&weft, &e))?;
        if !script.status.success() {
            return Err(format!("weft completions {shell}: {}", script.status));
        }
        let file = completions.join(file);
        fs::write(&file, script.stdout).map_err(|e| failed(&file, &e))?;
    }
    let pages = Command::new(&weft).arg("man").arg(folder.join("man")).output();
    let pages = pages.map_err(|e| failed(&weft, &e))?;
    if !pages.status.success() {
        return Err(format!("weft man: {}", String::from_utf8_lossy(&pages.stderr)));
    }
    println!("{}", folder.display());
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(drop).map_err(|e| failed(from, &e))
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
