//! Data sets: where they are looked for, how they are fetched, how they are opened.
//!
//! A data set is a folder with four IDX files, named as MNIST names them. [`locate`] finds one:
//!
//! 1. `--data DIR`, else `$WEFT_DATA`: there and nowhere else
//! 2. `data/fashion-mnist` and `data` in the current folder
//! 3. the user's cache (`$XDG_CACHE_HOME/weft/fashion-mnist`)
//! 4. fetched into the cache: from where the distribution's package installs it, from mirrors, or from the
//!    package itself (see [`fetch`])
//!
//! Plain files are used where they are. Four `.gz` are unpacked once, into a folder of the cache that is theirs
//! alone, and again when they change.
//!
//! What a set is, its files' SHA-256 say: Fashion-MNIST if they are those of `data/MANIFEST`, else the set that
//! the folder is named after. Its classes are then the lines of `classes.txt` beside the files, or numbers. A
//! file is hashed when it is put in place or first seen, and a stamp with its size, times and hash saves hashing
//! 55 MB at every start; a file whose state is not the stamp's is hashed again, and fetched again if it lies in
//! weft's cache and is wrong.

pub mod fetch;
pub mod manifest;
pub mod package;
mod search;
mod stamp;
mod transfer;
pub mod unpack;

pub use search::Search;
pub use transfer::Patience;

use idx::{IdxFile, Labelled};
use manifest::{Manifest, sha256};
use stamp::Stamp;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Names of Fashion-MNIST's classes.
pub const CLASS_NAMES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// The four files of a set.
const FILES: [[&str; 2]; 2] = [
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"],
    ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
];

/// The sample that is built in.
const SAMPLE: [[&[u8]; 2]; 2] = [
    [
        include_bytes!("../../../../data/sample/train-images-idx3-ubyte"),
        include_bytes!("../../../../data/sample/train-labels-idx1-ubyte"),
    ],
    [
        include_bytes!("../../../../data/sample/t10k-images-idx3-ubyte"),
        include_bytes!("../../../../data/sample/t10k-labels-idx1-ubyte"),
    ],
];

/// Names of classes, one a line, that a folder may have beside its files.
const CLASSES: &str = "classes.txt";

/// What can go wrong with data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not what it should be.
    #[error(transparent)]
    Idx(#[from] idx::Error),
    /// The system failed.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Bytes that came from somewhere are not the file's.
    #[error("{file} from {source_name} is not the data set's: {what}")]
    Corrupt {
        /// The file.
        file: String,
        /// Where it came from.
        source_name: String,
        /// How it differs.
        what: String,
    },
    /// A folder that was named does not have the files.
    #[error(
        "no data set in {}: {missing} is not there; a data set is four IDX files: {}",
        folder.display(), FILES.as_flattened().join(", ")
    )]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The first file that is missing.
        missing: String,
    },
    /// No source of the data set could be used.
    #[error(
        "Fashion-MNIST is not on this machine and could not be fetched into {}; tried:\n{}\n\
         What you can do: put {}, as they are or as .gz, into a folder and say --data FOLDER; or install \
         the package dataset-fashion-mnist (Debian, Ubuntu); or try the built-in sample: --dataset sample",
        folder.display(), list(tried), FILES.as_flattened().join(", ")
    )]
    Unreachable {
        /// Where it was to go.
        folder: PathBuf,
        /// What was tried, and why each failed.
        tried: Vec<String>,
    },
}

fn list(tried: &[String]) -> String {
    let lines: Vec<String> = tried.iter().map(|t| format!("  - {t}")).collect();
    lines.join("\n")
}

/// What happens while data is fetched.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'p> {
    /// A source is tried.
    Trying(&'p str),
    /// Some of a file came.
    Bytes {
        /// The file.
        file: &'p str,
        /// Bytes so far.
        done: u64,
        /// Bytes of it all, if known.
        total: Option<u64>,
    },
}

/// Which data, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A folder to use and no other.
    pub data: Option<PathBuf>,
    /// The built-in sample.
    pub sample: bool,
    /// Read files instead of mapping them.
    pub no_mmap: bool,
}

/// One half of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// To learn from.
    Train = 0,
    /// To be tested on.
    Test = 1,
}

/// A data set that was found.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// `fashion-mnist`, `sample`, or the folder's name.
    pub name: String,
    /// Names of the classes.
    pub class_names: Vec<String>,
    folder: Option<Folder>,
}

/// A data set in files.
#[derive(Clone, Debug)]
struct Folder {
    /// What the user knows it by.
    place: PathBuf,
    /// Where its files are.
    files: PathBuf,
    /// Their SHA-256, in the order of [`FILES`].
    hashes: Vec<String>,
    no_mmap: bool,
}

impl Dataset {
    /// The built-in sample.
    fn sample() -> Dataset {
        Dataset { name: "sample".to_owned(), class_names: fashion_names(), folder: None }
    }

    /// The data set whose files are in a folder, and which the user knows as `place`.
    fn in_folder(
        place: &Path,
        files: &Path,
        mut stamp: Stamp,
        options: &Options,
    ) -> Result<Dataset, Error> {
        let hash = |name: &&str| {
            let path = files.join(name);
            stamp.hash(&path).map_err(|source| Error::Io { path, source })
        };
        let hashes: Vec<String> =
            FILES.as_flattened().iter().map(hash).collect::<Result<_, _>>()?;
        stamp.save();
        let (name, class_names) = match known(&hashes)? {
            Some(name) => (name.to_owned(), fashion_names()),
            None => (folder_name(place), class_names(place, files)?),
        };
        let (place, files) = (place.to_owned(), files.to_owned());
        let folder = Some(Folder { place, files, hashes, no_mmap: options.no_mmap });
        Ok(Dataset { name, class_names, folder })
    }

    /// Where it is.
    pub fn place(&self) -> String {
        match &self.folder {
            Some(folder) => folder.place.display().to_string(),
            None => "built in".to_owned(),
        }
    }

    /// Opens one half.
    ///
    /// # Errors
    /// [`Error::Idx`] if the files are not images and labels that belong together.
    #[expect(unsafe_code, reason = "mapping is safe only as far as the files are left alone")]
    pub fn open(&self, half: Half) -> Result<Labelled, Error> {
        let file = |i: usize| match &self.folder {
            None => IdxFile::from_bytes(SAMPLE[half as usize][i], FILES[half as usize][i]),
            Some(f) if f.no_mmap => IdxFile::read(f.files.join(FILES[half as usize][i])),
            // SAFETY: files in weft's own folders are only ever replaced by renaming (`store`), never written in
            // place. For a folder that the user names, the same is asked of the user, in the help of `--data`,
            // and `--no-mmap` is there for files that other programs may change.
            Some(f) => unsafe { IdxFile::map(f.files.join(FILES[half as usize][i])) },
        };
        Ok(Labelled::new(file(0)?, file(1)?, self.class_names.len())?)
    }

    /// SHA-256 over the names and SHA-256 of the four files, as they were when the set was found.
    ///
    /// # Errors
    /// None today: the signature leaves room for sets that are hashed when they are asked.
    pub fn hash(&self) -> Result<String, Error> {
        let hashes = match &self.folder {
            Some(folder) => &folder.hashes,
            None => &sample_hashes()?,
        };
        let mut lines = String::new();
        for (name, hash) in FILES.as_flattened().iter().zip(hashes) {
            let _ = writeln!(lines, "{name} {hash}");
        }
        hash_of(lines.as_bytes())
    }
}

fn fashion_names() -> Vec<String> {
    CLASS_NAMES.map(str::to_owned).to_vec()
}

/// SHA-256 of bytes in memory.
fn hash_of(bytes: &[u8]) -> Result<String, Error> {
    sha256(bytes).map_err(|source| Error::Io { path: PathBuf::new(), source })
}

fn sample_hashes() -> Result<Vec<String>, Error> {
    SAMPLE.as_flattened().iter().map(|bytes| hash_of(bytes)).collect()
}

/// Which of the sets that weft knows four files are.
fn known(hashes: &[String]) -> Result<Option<&'static str>, Error> {
    let manifest = Manifest::fashion_mnist();
    let full = FILES.as_flattened().iter().zip(hashes).all(|(name, hash)| {
        manifest.files.iter().any(|entry| entry.name == *name && entry.sha256 == *hash)
    });
    if full {
        return Ok(Some("fashion-mnist"));
    }
    Ok((sample_hashes()? == hashes).then_some("sample"))
}

/// What a folder calls itself, however its path is written.
fn folder_name(folder: &Path) -> String {
    let whole = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(|| "data".to_owned(), |n| n.to_string_lossy().into_owned())
}

/// Names of the classes of a set that weft does not know: those of `classes.txt`, or numbers up to the largest
/// label.
fn class_names(place: &Path, files: &Path) -> Result<Vec<String>, Error> {
    let path = place.join(CLASSES);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
            return Ok(lines.map(str::to_owned).collect());
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(Error::Io { path, source }),
    }
    let mut largest = 0;
    for [_, labels] in FILES {
        let labels = IdxFile::read(files.join(labels))?;
        // Labels of another type are for `open` to complain about.
        largest =
            largest.max(labels.view().as_u8().unwrap_or(&[]).iter().copied().max().unwrap_or(0));
    }
    Ok((0..=largest).map(|class| class.to_string()).collect())
}

/// The folder of the user's cache that fetched files go into, if there is one.
pub fn cache() -> Option<PathBuf> {
    let here = Search::here();
    here.cache.is_some().then(|| here.home())
}

/// Every place that [`locate`] looks at, in order, with whether a data set is there.
pub fn places(options: &Options) -> Vec<(String, PathBuf, bool)> {
    Search::here().places(options)
}

/// Finds the data set, unpacking or fetching it if need be.
///
/// # Errors
/// [`Error::Missing`] if a folder that was named does not have it, [`Error::Unreachable`] if there is none and
/// none can be fetched, [`Error::Corrupt`] and [`Error::Io`] from unpacking, [`Error::Idx`] if the labels of a
/// set that has no list of classes cannot be read.
pub fn locate(options: &Options, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Dataset, Error> {
    Search::here().locate(options, progress)
}

/// Fetches the data set into a folder (or the cache), whatever is elsewhere; returns the folder.
///
/// # Errors
/// As [`fetch::fetch`]; [`Error::Corrupt`] if the folder was named and has files of those names that are not the
/// data set's: those are not replaced.
pub fn fetch_into(
    folder: Option<PathBuf>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, Error> {
    Search::here().fetch_into(folder, progress)
}
