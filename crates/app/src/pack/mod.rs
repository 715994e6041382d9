//! From folders of pictures to a data set of four IDX files.
//!
//! The name of a folder is the class of the pictures in it. [`plan`] finds the pictures and says which are to train on
//! and which to test with; [`size`] looks how large they are; [`pack`] decodes them, all processors at once, and writes
//! the files of a data set with `classes.txt` and `pack.json` beside them. The same folder and options give the same
//! bytes.

mod parallel;
mod picture;
mod plan;

pub use picture::{Fit, Look, load};
pub use plan::{Picture, Plan, plan};

use crate::datasets::{CLASSES, FILES};
use crate::store;
use parallel::map;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The record of how a data set was made, beside its files.
pub const RECORD: &str = "pack.json";

/// Why pictures cannot be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system failed.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A picture cannot be used.
    #[error("{}: {what}", path.display())]
    Picture {
        /// The picture.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The folder is not one of pictures in folders of their classes.
    #[error("{}: {what}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A class has no picture to train on, or there is none to test with.
    #[error("{}: {what}", path.display())]
    Few {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// The pictures have different sizes and none was asked for.
    #[error("the pictures have different sizes: {}", sizes(found))]
    Sizes {
        /// How many there are of each width and height.
        found: BTreeMap<(u32, u32), usize>,
    },
    /// Bad pictures are to be skipped, and all are bad.
    #[error("none of the {count} pictures can be used; {}: {what}", path.display())]
    Useless {
        /// How many there are.
        count: usize,
        /// One of them.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// So many pixels do not fit into memory.
    #[error("{images} images of {width}x{height} do not fit into memory")]
    Memory {
        /// Number of images.
        images: usize,
        /// Their width.
        width: u32,
        /// Their height.
        height: u32,
    },
}

/// `400 of 32x32, 1 of 40x30`, the most frequent first.
fn sizes(found: &BTreeMap<(u32, u32), usize>) -> String {
    const SHOWN: usize = 4;
    let mut all: Vec<_> = found.iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let some = all.iter().take(SHOWN).map(|((w, h), count)| format!("{count} of {w}x{h}"));
    let rest = if all.len() > SHOWN { ", ..." } else { "" };
    some.collect::<Vec<_>>().join(", ") + rest
}

/// A picture that was left out, and why.
#[derive(Debug)]
pub struct Skipped {
    /// The picture.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// How to go about it.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Pictures decoded at once.
    pub threads: usize,
    /// Leave out pictures that cannot be used, instead of giving up.
    pub skip_bad: bool,
}

/// What was made.
#[derive(Debug)]
pub struct Packed {
    /// Images to train on, and to test with.
    pub images: [usize; 2],
    /// Pictures that were left out.
    pub skipped: Vec<Skipped>,
}

/// Width and height of the pictures, if they all have the same.
///
/// # Errors
/// [`Error::Sizes`] if they do not, [`Error::Picture`] if one cannot be read and bad ones are not to be skipped,
/// [`Error::Useless`] if they are and all are bad.
pub fn size(plan: &Plan, work: Work, progress: &mut dyn FnMut(usize)) -> Result<(u32, u32), Error> {
    let pictures: Vec<&Picture> = plan.halves.iter().flatten().collect();
    let found = map(&pictures, work, |picture| picture::size(&picture.path), progress)?;
    let (mut counts, mut bad) = (BTreeMap::new(), None);
    for (picture, size) in pictures.iter().zip(found) {
        match size {
            Ok(size) => *counts.entry(size).or_insert(0) += 1,
            Err(what) => bad = Some((picture.path.clone(), what)),
        }
    }
    match (counts.len(), counts.first_key_value(), bad) {
        (1, Some((size, _)), _) => Ok(*size),
        (0, _, Some((path, what))) => Err(Error::Useless { count: pictures.len(), path, what }),
        _ => Err(Error::Sizes { found: counts }),
    }
}

/// Makes the data set of a plan in the folder `out`, which is made if need be.
///
/// `progress` hears how many pictures are done.
///
/// # Errors
/// See [`Error`]; a set that was in the folder is replaced when all of the new one is written, not before.
pub fn pack(
    plan: &Plan,
    look: Look,
    work: Work,
    out: &Path,
    progress: &mut dyn FnMut(usize),
) -> Result<Packed, Error> {
    let mut packed = Packed { images: [0, 0], skipped: Vec::new() };
    let mut done = 0;
    let mut halves = Vec::with_capacity(2);
    for (half, pictures) in plan.halves.iter().enumerate() {
        let (images, labels) =
            decode(pictures, look, work, &mut packed.skipped, &mut |n| progress(done + n))?;
        check_left(plan, half, &labels, &packed.skipped)?;
        done += pictures.len();
        packed.images[half] = labels.len();
        halves.push((images, labels));
    }
    let failed = |source| Error::Io { path: out.to_owned(), source };
    fs::create_dir_all(out).map_err(failed)?;
    let _lock = tidied(out);
    // Beside each other first: half a set among the files of another would be taken for one.
    let whole = tempfile::Builder::new().prefix(store::PART).tempdir_in(out).map_err(failed)?;
    let mut names = Vec::new();
    let mut write = |name: String, bytes: &dyn Fn(&mut dyn io::Write) -> io::Result<()>| {
        let written = store::write_atomic(&whole.path().join(&name), |to| bytes(to));
        written.map_err(|source| Error::Io { path: out.join(&name), source })?;
        names.push(name);
        Ok(())
    };
    for ((images, labels), [of_images, of_labels]) in halves.iter().zip(FILES) {
        let dims = [labels.len(), look.height as usize, look.width as usize];
        write(of_images.to_owned(), &|to| idx::write(to, &dims, images))?;
        let classes = plan.classes.len();
        write(of_labels.to_owned(), &|to| write_labels(to, labels, classes))?;
    }
    let lines: String = plan.classes.iter().map(|name| format!("{name}\n")).collect();
    write(CLASSES.to_owned(), &|to| to.write_all(lines.as_bytes()))?;
    let record = record(plan, look, &packed);
    write(RECORD.to_owned(), &|to| to.write_all(record.as_bytes()))?;
    for name in names {
        let path = out.join(&name);
        fs::rename(whole.path().join(&name), &path).map_err(|source| Error::Io { path, source })?;
    }
    Ok(packed)
}

/// Removes what processes left that were killed while they packed into that folder; returns its lock. Where another process
/// has it, or the system has none, nobody knows whether they are still at it, and all stays.
fn tidied(out: &Path) -> Option<fs::File> {
    let lock = fs::File::open(out).ok().filter(|folder| folder.try_lock().is_ok())?;
    for left in store::leftovers(out) {
        // What cannot be removed is in nobody's way.
        let _ = if left.is_dir() { fs::remove_dir_all(&left) } else { fs::remove_file(&left) };
    }
    Some(lock)
}

/// Checks that without the bad pictures there still are some of each class to train on, and some to test with, as [`plan`]
/// does with them.
fn check_left(plan: &Plan, half: usize, labels: &[u16], skipped: &[Skipped]) -> Result<(), Error> {
    let pictures = &plan.halves[half];
    let mut left = vec![0_usize; plan.classes.len()];
    labels.iter().for_each(|label| left[usize::from(*label)] += 1);
    let training = half == 0;
    let lost = |picture: &&Picture| {
        labels.is_empty() || (training && left[usize::from(picture.class)] == 0)
    };
    let Some(Picture { path, class }) = pictures.iter().find(lost) else { return Ok(()) };
    // None of its class, or of the half, is left, so it is one of those that were skipped.
    let bad = skipped.iter().find(|skipped| skipped.path == *path);
    let (path, what) = (path.clone(), bad.map_or_else(String::new, |bad| bad.what.clone()));
    if training && labels.is_empty() {
        return Err(Error::Useless { count: pictures.len(), path, what });
    }
    let class = &plan.classes[usize::from(*class)];
    let of =
        if training { format!("of class `{class}` to train on") } else { "to test with".into() };
    let what = format!("there is no picture {of} that can be used; {}: {what}", path.display());
    Err(Error::Few { path: plan.folder.clone(), what })
}

/// Labels as the smallest type that has them all.
fn write_labels(to: &mut dyn io::Write, labels: &[u16], classes: usize) -> io::Result<()> {
    let dims = [labels.len()];
    if classes <= 1 << 8 {
        return idx::write(to, &dims, &labels.iter().map(|l| *l as u8).collect::<Vec<_>>());
    }
    idx::write(to, &dims, &labels.iter().copied().map(i32::from).collect::<Vec<_>>())
}

/// Pixels and labels of some pictures.
fn decode(
    pictures: &[Picture],
    look: Look,
    work: Work,
    skipped: &mut Vec<Skipped>,
    progress: &mut dyn FnMut(usize),
) -> Result<(Vec<u8>, Vec<u16>), Error> {
    let Look { width, height, .. } = look;
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    let bytes = (width as usize).checked_mul(height as usize);
    let bytes = bytes.and_then(|n| n.checked_mul(pictures.len()));
    if bytes.is_none_or(|n| images.try_reserve_exact(n).is_err()) {
        return Err(Error::Memory { images: pictures.len(), width, height });
    }
    // In portions, so that decoded pictures are not in memory twice.
    for (i, portion) in pictures.chunks(PORTION).enumerate() {
        let load = |picture: &Picture| picture::load(&picture.path, look);
        let decoded = map(portion, work, load, &mut |n| progress(i * PORTION + n))?;
        for (picture, pixels) in portion.iter().zip(decoded) {
            match pixels {
                Ok(pixels) => {
                    images.extend(pixels);
                    labels.push(picture.class);
                }
                Err(what) => skipped.push(Skipped { path: picture.path.clone(), what }),
            }
        }
    }
    Ok((images, labels))
}

const PORTION: usize = 4096;

/// How the set was made, as JSON.
fn record(plan: &Plan, look: Look, packed: &Packed) -> String {
    let Look { width, height, invert, fit } = look;
    let [train, test] = packed.images;
    let record = serde_json::json!({
        "weft_version": env!("CARGO_PKG_VERSION"),
        "width": width,
        "height": height,
        "fit": fit.name(),
        "invert": invert,
        "classes": plan.classes.len(),
        "train": train,
        "test": test,
        "skipped": packed.skipped.iter().map(|s| s.path.display().to_string()).collect::<Vec<_>>(),
    });
    format!("{record:#}\n")
}
