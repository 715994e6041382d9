//! `SHA256SUMS`: the hashes of files that nobody has published, as they were when they were fetched first.
//!
//! Whoever trusts the first fetch has the same files ever after: a source that has changed, and a file that was damaged,
//! show. The format is that of `sha256sum`, which can check it.

use super::layout::Layout;
use super::manifest::Entry;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const NAME: &str = "SHA256SUMS";

/// The hashes of a folder.
#[derive(Debug)]
pub(super) struct Sums {
    path: PathBuf,
    lines: BTreeMap<String, String>,
    changed: bool,
}

impl Sums {
    /// Those of a folder; none if there is no file.
    pub(super) fn beside(folder: &Path) -> Sums {
        let path = folder.join(NAME);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let line = |line: &str| {
            let (sha256, name) = line.split_once("  ")?;
            Some((name.to_owned(), sha256.to_owned()))
        };
        Sums { lines: text.lines().filter_map(line).collect(), path, changed: false }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.lines.get(name).map(String::as_str)
    }

    /// Takes note of a file that was put in place, unless the manifest knows it.
    pub(super) fn learn(&mut self, entry: &Entry, layout: Layout, sha256: &str) {
        let told = entry.sha256.is_some() && !layout.changes();
        if !told && self.get(&entry.name) != Some(sha256) {
            self.lines.insert(entry.name.clone(), sha256.to_owned());
            self.changed = true;
        }
    }

    /// Writes down what is new. A folder that takes no file shows elsewhere.
    pub(super) fn save(&self) {
        if !self.changed {
            return;
        }
        let mut text = String::new();
        for (name, sha256) in &self.lines {
            let _ = writeln!(text, "{sha256}  {name}");
        }
        let _ = crate::store::write_bytes(&self.path, text.as_bytes());
    }
}
