//! `data/MANIFEST`: the files of the data set, their hashes and where they come from.

use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::Path;

/// A file of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name without `.gz`.
    pub name: String,
    /// Bytes, decompressed.
    pub bytes: u64,
    /// SHA-256 of the decompressed bytes, in hexadecimal.
    pub sha256: String,
}

/// A package of the distribution that has the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Where it installs the files, relative to the root.
    pub folder: String,
}

/// What the manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The files.
    pub files: Vec<Entry>,
    /// Places to fetch `NAME.gz` from, best first.
    pub mirrors: Vec<String>,
    /// The package, if there is one.
    pub package: Option<Package>,
}

impl Manifest {
    /// The manifest of Fashion-MNIST that was built in.
    pub fn fashion_mnist() -> Manifest {
        Manifest::parse(include_str!("../../../../data/MANIFEST"))
    }

    /// Reads a manifest; lines of other kinds are passed over.
    pub fn parse(text: &str) -> Manifest {
        let mut manifest = Manifest::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["file", name, bytes, sha256] => manifest.files.push(Entry {
                    name: name.to_owned(),
                    bytes: bytes.parse().unwrap_or(0),
                    sha256: sha256.to_owned(),
                }),
                ["mirror", url] => manifest.mirrors.push(url.to_owned()),
                ["package", name, folder] => {
                    let (name, folder) = (name.to_owned(), folder.to_owned());
                    manifest.package = Some(Package { name, folder });
                }
                _ => {}
            }
        }
        manifest
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
