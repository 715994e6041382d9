//! `cargo xtask dist`: what is handed on: an archive of the binary, completions, manual pages, documents, licences.

use crate::run::{cargo, root, run, target};
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
/// Files that go along as they are: what the README leads to, and the licences of all that the binary holds.
const FILES: [&str; 8] = [
    "README.md",
    "CHANGELOG.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "data/sample/LICENSE",
];

/// Builds the release binary, gathers everything in a folder below the one that is named, and packs it.
pub(crate) fn dist(args: &[String]) -> Result<(), String> {
    let below = match args {
        [] => target().join("dist"),
        [folder] if !folder.starts_with('-') => PathBuf::from(folder),
        _ => return Err("dist takes the folder to fill, or nothing: target/dist".to_owned()),
    };
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    let name = format!("weft-{}-{arch}-{os}", env!("CARGO_PKG_VERSION"));
    let folder = below.join(&name);
    match fs::remove_dir_all(&folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(&folder, &e)),
        _ => gather(&folder)?,
    }
    let archive = below.join(format!("{name}.tar.gz"));
    run(Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(&below).arg(&name))?;
    println!("{}", archive.display());
    Ok(())
}

/// Fills a new folder.
fn gather(folder: &Path) -> Result<(), String> {
    run(cargo().args(["build", "--release", "--package", "app", "--bin", "weft"]))?;
    let name = format!("weft{}", std::env::consts::EXE_SUFFIX);
    let weft = target().join("release").join(&name);

    let completions = folder.join("completions");
    fs::create_dir_all(&completions).map_err(|e| failed(&completions, &e))?;
    copy(&weft, &folder.join(name))?;
    for file in FILES {
        let to = folder.join(file);
        let into = to.parent().unwrap_or(folder);
        fs::create_dir_all(into).map_err(|e| failed(into, &e))?;
        copy(&root().join(file), &to)?;
    }
    copy(&root().join("crates/app/assets/inter-latin.LICENSE.txt"), &folder.join("LICENSE-INTER"))?;
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
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(drop).map_err(|e| failed(from, &e))
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
