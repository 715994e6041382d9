//! `data/MANIFEST`: the data sets that weft knows, their files, hashes and sources.

use super::layout::Layout;
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::Path;

/// The set that is used when none is named.
pub const DEFAULT: &str = "fashion-mnist";

/// A file of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Name without `.gz`.
    pub name: String,
    /// Bytes, decompressed.
    pub bytes: u64,
    /// SHA-256 of the decompressed bytes, in hexadecimal, if it is known.
    pub sha256: Option<String>,
    /// SHA-256 of the compressed bytes, if that is all that is known.
    pub gz: Option<String>,
}

/// A package of the distribution that has the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Where it installs the files, relative to the root.
    pub folder: String,
}

/// What the manifest says about a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// What `--dataset` calls it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Who made it, and what is in it.
    pub about: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The files.
    pub files: Vec<Entry>,
    /// What comes before `NAME.gz` in an address, best first.
    pub mirrors: Vec<String>,
    /// The package, if there is one.
    pub package: Option<Package>,
    /// How the files at the source differ from what weft keeps.
    pub layout: Layout,
}

impl Manifest {
    /// The sets of the manifest that was built in.
    pub fn all() -> Vec<Manifest> {
        Manifest::parse(include_str!("../../../../data/MANIFEST"))
    }

    /// The set of this name in the manifest that was built in.
    pub fn named(name: &str) -> Option<Manifest> {
        Manifest::all().into_iter().find(|set| set.name == name)
    }

    /// Reads a manifest. Lines of other kinds are passed over, as is what stands before the first `set`.
    pub fn parse(text: &str) -> Vec<Manifest> {
        let mut sets: Vec<Manifest> = Vec::new();
        for line in text.lines() {
            let (kind, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let rest = rest.trim();
            if kind == "set" {
                let (name, title) = rest.split_once(' ').unwrap_or((rest, rest));
                let (name, title) = (name.to_owned(), title.to_owned());
                sets.push(Manifest { name, title, ..Manifest::default() });
            } else if let Some(set) = sets.last_mut() {
                set.take(kind, rest);
            }
        }
        sets
    }

    /// Takes note of a line.
    fn take(&mut self, kind: &str, rest: &str) {
        let words: Vec<&str> = rest.split_whitespace().collect();
        match (kind, &words[..]) {
            ("about", _) => rest.clone_into(&mut self.about),
            ("classes", _) => {
                self.classes = rest.split(',').map(|name| name.trim().to_owned()).collect();
            }
            ("file", [name, bytes, sha256]) => self.files.push(Entry {
                name: (*name).to_owned(),
                bytes: bytes.parse().unwrap_or(0),
                sha256: (*sha256 != "unknown").then(|| (*sha256).to_owned()),
                gz: None,
            }),
            ("gz", [name, sha256]) => {
                let files = self.files.iter_mut().filter(|file| file.name == *name);
                files.for_each(|file| file.gz = Some((*sha256).to_owned()));
            }
            ("mirror", [url]) => self.mirrors.push((*url).to_owned()),
            ("package", [name, folder]) => {
                let (name, folder) = ((*name).to_owned(), (*folder).to_owned());
                self.package = Some(Package { name, folder });
            }
            ("layout", ["transposed"]) => self.layout.transposed = true,
            ("layout", ["labels-from-1"]) => self.layout.labels_from_1 = true,
            ("layout", ["test-for-t10k"]) => self.layout.test_for_t10k = true,
            _ => {}
        }
    }
}

/// SHA-256 of everything a reader gives, in hexadecimal.
///
/// # Errors
/// What the reader says.
pub fn sha256(mut from: impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// What the system says.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    sha256(std::fs::File::open(path)?)
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
