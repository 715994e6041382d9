//! The rules of this repository that a machine can check.

use crate::run::root;
use std::fs;
use std::path::{Path, PathBuf};

/// Where `unsafe` may stand: every SIMD instruction, the worker team, the map and its one caller, the edge to
/// C and its tests, an allocator that counts for a test, and calls of other libraries for comparison.
const UNSAFE: [&str; 12] = [
    "crates/kernels/src/isa/",
    "crates/kernels/src/team/",
    "crates/idx/src/source.rs",
    "crates/idx/tests/files.rs",
    "crates/app/src/datasets/",
    "crates/cblas/src/edge.rs",
    "crates/cblas/src/handlers.rs",
    "crates/cblas/src/ieee.rs",
    "crates/cblas/tests/semantics.rs",
    "crates/kernels/tests/embedded/",
    "crates/nn/tests/allocation.rs",
    "benches/rivals/",
];

/// Which of our crates a crate may use.
const MAY_USE: [(&str, &[&str]); 7] = [
    ("idx", &[]),
    ("kernels", &[]),
    ("nn", &["kernels"]),
    ("cblas", &["kernels"]),
    ("app", &["idx", "kernels", "nn"]),
    ("benches", &["app", "kernels", "nn"]),
    ("xtask", &[]),
];

/// Most lines of a file.
const LINES: usize = 500;

/// Checks all rules and lists everything that breaks one.
pub(crate) fn tidy() -> Result<(), String> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask", "benches", "fuzz"] {
        sources(&root().join(folder), &mut files);
    }
    let mut broken = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let name = file.strip_prefix(root()).unwrap_or(file).to_string_lossy().replace('\\', "/");
        if name.ends_with(".rs") {
            source(&name, &text, &mut broken);
        } else {
            manifest(&name, &text, &mut broken);
        }
    }
    if broken.is_empty() {
        println!("{} files keep the rules", files.len());
        return Ok(());
    }
    Err(format!("{} rules broken:\n  {}", broken.len(), broken.join("\n  ")))
}

/// All Rust files and manifests below a folder.
fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && name != "corpus" {
            sources(&path, out);
        } else if name.ends_with(".rs") || name == "Cargo.toml" {
            out.push(path);
        }
    }
}

/// Whether a word stands in code, comments and strings of lint names aside.
fn uses(text: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.lines().map(|l| l.split("//").next().unwrap_or(l)).any(|line| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back().is_some_and(is_word);
            let after = line[at + word.len()..].chars().next().is_some_and(is_word);
            let quoted = line[..at].matches('"').count() % 2 == 1;
            !before && !after && !quoted
        })
    })
}

fn source(name: &str, text: &str, broken: &mut Vec<String>) {
    if uses(text, "unsafe") && !UNSAFE.iter().any(|place| name.starts_with(place)) {
        broken.push(format!("{name}: unsafe outside its rooms"));
    }
    let wide = text.contains("use wide") || text.contains("wide::");
    if wide && name.starts_with("crates/") && name != "crates/kernels/src/isa/portable.rs" {
        broken.push(format!("{name}: `wide` outside the portable instruction set"));
    }
    let shown = |line: &str| line.starts_with("pub ") && line.contains("f32x16");
    if wide && text.lines().any(|line| shown(line.trim()) && !line.contains("(f32x16);")) {
        broken.push(format!("{name}: a type of `wide` in public"));
    }
    if name.starts_with("crates/kernels/src/") && uses(text, "rayon") {
        broken.push(format!("{name}: threads are the team's or the caller's"));
    }
    let lines = text.lines().count();
    if lines > LINES {
        broken.push(format!("{name}: {lines} lines, more than {LINES}"));
    }
}

fn manifest(name: &str, text: &str, broken: &mut Vec<String>) {
    let rule = MAY_USE.iter().find(|(c, _)| {
        name == format!("crates/{c}/Cargo.toml") || name == format!("{c}/Cargo.toml")
    });
    let Some((krate, allowed)) = rule else { return };
    // Tests may use what the crate itself may not.
    let mut in_dependencies = false;
    for line in text.lines() {
        if line.starts_with('[') {
            in_dependencies = line == "[dependencies]";
        }
        let used = line.split(['.', ' ', '=']).next().unwrap_or("");
        let ours = MAY_USE.iter().any(|(c, _)| *c == used);
        if in_dependencies && ours && !allowed.contains(&used) {
            broken.push(format!("{name}: {krate} may not use {used}"));
        }
    }
    if text.contains("target-cpu") {
        broken.push(format!("{name}: target-cpu; instruction sets are chosen at run time"));
    }
}
