//! Which pictures there are, of which classes, and which are for testing.

use super::Error;
use crate::natural;
use nn::rng::{Purpose, Rng};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A picture and its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The file.
    pub path: PathBuf,
    /// Number of its class.
    pub class: u16,
}

/// What is to be packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The folder that the pictures are in.
    pub folder: PathBuf,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Pictures to train on, and to test with, each half in an order of its own.
    pub halves: [Vec<Picture>; 2],
    /// Files that are no pictures, as their names say.
    pub others: usize,
}

/// Endings of files that are pictures.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// More classes have no labels in a network.
const MOST_CLASSES: usize = 1 << 16;

/// Pictures of each class.
type Found = BTreeMap<(Vec<natural::Piece>, String), Vec<PathBuf>>;

/// Finds the pictures of a folder: `DIR/train/CLASS/…` and `DIR/test/CLASS/…` if there are a `train` and a `test`, else
/// `DIR/CLASS/…`, of which the share `split` of each class is for testing (at least one picture, if there are two),
/// drawn with `seed`. Classes are in the order of their names, in which numbers count as numbers; pictures
/// are in an order drawn with `seed`, so that no half begins with one class.
///
/// # Errors
/// [`Error::Io`] if a folder cannot be read, [`Error::Folder`] if there are fewer than two classes or too many, or one has
/// no name or that of another, [`Error::Few`] if one has no picture to train on, or there is none to test with.
pub fn plan(folder: &Path, split: f64, seed: u64) -> Result<Plan, Error> {
    let wrong = |what: String| Err(Error::Folder { path: folder.to_owned(), what });
    let few = |what: String| Err(Error::Few { path: folder.to_owned(), what });
    let mut others = 0;
    let halves = [folder.join("train"), folder.join("test")];
    let split_before = halves.iter().all(|half| half.is_dir());
    let [train, test] = if split_before {
        [classes(&halves[0], &mut others)?, classes(&halves[1], &mut others)?]
    } else {
        split_apart(classes(folder, &mut others)?, split, seed)
    };
    let mut keys: Vec<_> = train.keys().chain(test.keys()).collect();
    keys.sort();
    keys.dedup();
    let names: Vec<String> = keys.iter().map(|(_, name)| name.clone()).collect();
    if names.len() < 2 {
        let found = names.first().map_or("none".to_owned(), |name| format!("only `{name}`"));
        return wrong(format!(
            "two folders with pictures (.png, .jpg) at least are needed, one a class; found {found}"
        ));
    }
    if names.len() > MOST_CLASSES {
        return wrong(format!("{} classes; {MOST_CLASSES} are the most", names.len()));
    }
    if let Some((_, name)) = keys.iter().find(|key| train.get(**key).is_none_or(Vec::is_empty)) {
        return few(format!("there is no picture of class `{name}` to train on"));
    }
    if test.values().all(Vec::is_empty) {
        return few("there is no picture to test with".to_owned());
    }
    let half = |found: &Found, number: u64| {
        let class = |key| keys.binary_search(&key).unwrap_or_default() as u16;
        let of = |(key, paths): (_, &Vec<PathBuf>)| {
            let class = class(key);
            paths.iter().map(move |path| Picture { path: path.clone(), class }).collect::<Vec<_>>()
        };
        let pictures: Vec<Picture> = found.iter().flat_map(of).collect();
        shuffled(pictures, seed, number)
    };
    let first = names.len() as u64;
    let halves = [half(&train, first), half(&test, first + 1)];
    Ok(Plan { folder: folder.to_owned(), halves, classes: names, others })
}

/// In an order drawn with a seed, another one for each number.
fn shuffled<T: Clone>(items: Vec<T>, seed: u64, number: u64) -> Vec<T> {
    let mut order: Vec<u32> = (0..items.len() as u32).collect();
    Rng::new(seed, Purpose::Shuffle, number).shuffle(&mut order);
    order.into_iter().map(|i| items[i as usize].clone()).collect()
}

/// A share of every class for testing.
fn split_apart(found: Found, split: f64, seed: u64) -> [Found; 2] {
    let mut halves = [Found::new(), Found::new()];
    for (number, (key, paths)) in (0..).zip(found) {
        let count = paths.len();
        let for_test = (count as f64 * split).round() as usize;
        let for_test = if count < 2 { 0 } else { for_test.clamp(1, count - 1) };
        let mut paths = shuffled(paths, seed, number);
        let train = paths.split_off(for_test);
        halves[0].insert(key.clone(), train);
        halves[1].insert(key, paths);
    }
    halves
}

/// The classes below a folder, each with its pictures in the order of their names.
fn classes(folder: &Path, others: &mut usize) -> Result<Found, Error> {
    let mut found = Found::new();
    for path in entries(folder)? {
        if !path.is_dir() {
            *others += 1;
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // The names are lines of a file.
        let name = name.replace(char::is_control, " ").trim().to_owned();
        let mut pictures = Vec::new();
        collect(&path, &mut vec![whole(folder)?], &mut pictures, others)?;
        if pictures.is_empty() {
            continue;
        }
        if name.is_empty() {
            let what = "the name of this folder is blank, and so would be that of the class".into();
            return Err(Error::Folder { path, what });
        }
        let key = (natural::key(&name), name);
        if found.contains_key(&key) {
            let what = format!("the class of this folder, `{}`, is that of another one too", key.1);
            return Err(Error::Folder { path, what });
        }
        found.insert(key, pictures);
    }
    Ok(found)
}

/// All pictures below a folder, which lies in these; links that lead back into them are not followed.
fn collect(
    folder: &Path,
    within: &mut Vec<PathBuf>,
    into: &mut Vec<PathBuf>,
    others: &mut usize,
) -> Result<(), Error> {
    let here = whole(folder)?;
    if within.contains(&here) {
        *others += 1;
        return Ok(());
    }
    within.push(here);
    for path in entries(folder)? {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        if path.is_dir() {
            collect(&path, within, into, others)?;
        } else if ending.is_some_and(|e| ENDINGS.contains(&e.as_str())) {
            into.push(path);
        } else {
            *others += 1;
        }
    }
    within.pop();
    Ok(())
}

/// The path of a folder without links.
fn whole(folder: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(folder).map_err(|source| Error::Io { path: folder.to_owned(), source })
}

/// What is in a folder, in order; what begins with a dot is hidden from us, too.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        let shown = |e: &fs::DirEntry| !e.file_name().as_encoded_bytes().starts_with(b".");
        Ok(entries.into_iter().filter(shown).map(|e| e.path()).collect())
    };
    let mut paths = read().map_err(|source| Error::Io { path: folder.to_owned(), source })?;
    paths.sort_by_cached_key(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (natural::key(&name), name)
    });
    Ok(paths)
}
