//! Which files of a folder are the four of a data set.

use super::layout::Layout;
use super::manifest::Manifest;
use super::{Error, FILES};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What the four files are, in the order of [`FILES`].
const ROLES: [&str; 4] = ["training images", "training labels", "test images", "test labels"];

/// The four files of a folder: those that are named as MNIST names them, plain or `.gz`; else the only ones whose
/// names tell of images or labels, of training or test.
///
/// Where a folder holds several sets, `set` says which: that whose names begin with it.
pub(super) fn find(folder: &Path, set: &str) -> Result<[PathBuf; 4], Error> {
    let mut found = Vec::with_capacity(4);
    let names = names(folder, set);
    for (role, name) in FILES.as_flattened().iter().enumerate() {
        let named = ["", ".gz"].map(|ending| folder.join(format!("{name}{ending}")));
        if let Some(path) = named.into_iter().find(|path| path.is_file()) {
            found.push(path);
            continue;
        }
        let mut candidates: Vec<&String> =
            names.iter().filter(|n| role_of(n) == Some(role)).collect();
        // A file that was unpacked beside its .gz is the same file.
        let plain = |n: &str| n.strip_suffix(".gz").is_some_and(|p| names.iter().any(|n| n == p));
        candidates.retain(|n| !plain(n));
        match candidates[..] {
            [] => {
                let (folder, missing) = (folder.to_owned(), (*name).to_owned());
                // Where nobody may look something may be.
                if let Err(source) = fs::read_dir(&folder)
                    && source.kind() != ErrorKind::NotFound
                {
                    return Err(Error::Io { path: folder, source });
                }
                return Err(Error::Missing { folder, missing });
            }
            [one] => found.push(folder.join(one)),
            _ => {
                let found = candidates.iter().map(|n| (*n).clone()).collect();
                let folder = folder.to_owned();
                return Err(Error::Ambiguous { folder, role: ROLES[role], found });
            }
        }
    }
    found.try_into().map_err(|_| unreachable!("one file a role"))
}

/// Names of the files in a folder, in order; only those of the set, if there are any.
fn names(folder: &Path, set: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|e| e.path().is_file());
    let mut names: Vec<String> = files.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    let of_set = |n: &String| n.to_lowercase().starts_with(&format!("{set}-"));
    if !set.is_empty() && names.iter().any(of_set) {
        names.retain(of_set);
    }
    names
}

/// Endings of files that are no IDX files, whatever their names say.
const OTHERS: [&str; 8] = [".txt", ".md", ".csv", ".json", ".png", ".npy", ".npz", ".part"];

/// The place in [`FILES`] of a file with this name, if the name tells.
fn role_of(name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    if name.starts_with('.') || OTHERS.iter().any(|ending| name.ends_with(ending)) {
        return None;
    }
    let either = |first: &[&str], second: &[&str]| {
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        match (has(first), has(second)) {
            (true, false) => Some(0),
            (false, true) => Some(1),
            _ => None,
        }
    };
    let half = either(&["train"], &["test", "t10k"])?;
    let kind = either(&["image", "idx3"], &["label", "idx1"])?;
    Some(2 * half + kind)
}

/// The set of the manifest whose name four files begin with, as those of EMNIST do at the source, if it differs
/// from what weft keeps.
pub(super) fn at_source(files: &[PathBuf; 4]) -> Option<Manifest> {
    let begins = |path: &PathBuf, set: &Manifest| {
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase());
        name.is_some_and(|n| n.starts_with(&format!("{}-", set.name)))
    };
    let mut sets = Manifest::all().into_iter();
    sets.find(|set| set.layout != Layout::default() && files.iter().all(|f| begins(f, set)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_role() {
        let roles = [
            ("emnist-letters-train-images-idx3-ubyte.gz", Some(0)),
            ("train-labels.idx1-ubyte", Some(1)),
            ("Test_Images.idx", Some(2)),
            ("t10k-labels-idx1-ubyte", Some(3)),
            ("emnist-letters-mapping.txt", None),
            ("train-labels.txt", None),
            ("train-test-images", None),
            (".train-images-idx3-ubyte.gz.part", None),
            ("images", None),
        ];
        for (name, role) in roles {
            assert_eq!(role_of(name), role, "{name}");
        }
    }

    #[test]
    fn only_a_set_that_is_kept_otherwise_is_one_at_its_source() {
        let files = |set: &str| {
            ["train-images", "b", "c", "d"].map(|n| PathBuf::from(format!("x/{set}-{n}")))
        };
        assert_eq!(
            at_source(&files("emnist-letters")).map(|s| s.name),
            Some("emnist-letters".to_owned())
        );
        assert_eq!(at_source(&files("fashion-mnist")), None);
        assert_eq!(at_source(&files("mine")), None);
    }
}
