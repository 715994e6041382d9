//! Data sets: where they are looked for, how they are fetched, how they are opened.
//!
//! A data set is four IDX files, as a rule in a folder and named as MNIST names them. [`locate`] finds one of those that
//! `data/MANIFEST` knows by name:
//!
//! 1. in four files that are named one by one, else in `--data DIR`, else in `$WEFT_DATA`: there and nowhere else
//! 2. in `data/NAME` in the current folder (and in `data`, for Fashion-MNIST)
//! 3. in the user's cache (`$XDG_CACHE_HOME/weft/NAME`)
//! 4. fetched into the cache: from where the distribution's package installs it, from mirrors, or from the
//!    package itself (see [`fetch`])
//!
//! Plain files are used where they are. Any `.gz` among them is unpacked once, into a folder of the cache that is theirs
//! alone, and again when it changes; so are EMNIST's files, which are put upright on the way.
//!
//! What a set is, its files' SHA-256 say: one that the manifest knows if they are those of the manifest, else the set
//! that the folder is named after. Its classes are then the lines of `classes.txt` beside the files, or numbers. A
//! file is hashed when it is put in place or first seen, and a stamp with its size, times and hash saves hashing
//! 55 MB at every start; a file whose state is not the stamp's is hashed again, and fetched again if it lies in
//! weft's cache and is wrong.

pub mod fetch;
mod find;
mod layout;
pub mod manifest;
pub mod package;
mod search;
mod stamp;
mod sums;
mod transfer;
pub mod unpack;

pub use layout::Layout;
pub use search::Search;
pub use transfer::Patience;

use crate::pack::Look;
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
pub static FILES: [[&str; 2]; 2] = [
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
pub const CLASSES: &str = "classes.txt";

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
    /// More than one file could be one of the four.
    #[error(
        "several data sets in {}: the {role} could be {}; name the four files one by one",
        folder.display(), found.join(", ")
    )]
    Ambiguous {
        /// The folder.
        folder: PathBuf,
        /// Which of the four.
        role: &'static str,
        /// The files that it could be.
        found: Vec<String>,
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
        "{set} is not on this machine and could not be fetched into {}; tried:\n{}\n\
         What you can do: put {}, as they are or as .gz, into a folder and say --data FOLDER; \
         or try the built-in sample: --dataset sample",
        folder.display(), list(tried), FILES.as_flattened().join(", ")
    )]
    Unreachable {
        /// What the set is called.
        set: String,
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
    /// Name of a set of the manifest; empty for Fashion-MNIST.
    pub set: String,
    /// A folder to use and no other.
    pub data: Option<PathBuf>,
    /// Images and labels to train on, images and labels to test with: to use and no others.
    pub files: Option<[PathBuf; 4]>,
    /// A file with the names of the classes, one a line.
    pub classes: Option<PathBuf>,
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
    /// How pictures became the images, if `weft data pack` made them: see [`Look::words`].
    pub pictures: Option<String>,
    folder: Option<Folder>,
}

/// A data set in files.
#[derive(Clone, Debug)]
struct Folder {
    /// What the user knows it by.
    place: PathBuf,
    /// Its files, in the order of [`FILES`].
    files: [PathBuf; 4],
    /// Their SHA-256.
    hashes: Vec<String>,
    no_mmap: bool,
}

impl Dataset {
    /// The built-in sample.
    fn sample(classes: Option<&Path>) -> Result<Dataset, Error> {
        let class_names = classes.map_or_else(|| Ok(fashion_names()), read_classes)?;
        Ok(Dataset { name: "sample".to_owned(), class_names, pictures: None, folder: None })
    }

    /// The data set in four files, plain and laid out as weft keeps them.
    fn of_files(
        place: Place<'_>,
        files: [PathBuf; 4],
        options: &Options,
    ) -> Result<Dataset, Error> {
        let hash = |path: &PathBuf| {
            let mut stamp = Stamp::of(path.parent().unwrap_or(Path::new("")), place.cache);
            let hash = stamp.hash(path);
            stamp.save();
            hash.map_err(|source| Error::Io { path: path.clone(), source })
        };
        let hashes: Vec<String> = files.iter().map(hash).collect::<Result<_, _>>()?;
        let known = known(&hashes)?.or_else(|| place.at_source.cloned());
        let class_names = match (&options.classes, &known) {
            (Some(path), _) => read_classes(path)?,
            (None, Some(set)) => set.classes.clone(),
            (None, None) => class_names(place.place, &files)?,
        };
        let name = known.map_or_else(|| folder_name(place.place), |set| set.name);
        let (place, no_mmap) = (place.place.to_owned(), options.no_mmap);
        let pictures = Look::recorded(&place).map(|look| look.words());
        let folder = Some(Folder { place, files, hashes, no_mmap });
        Ok(Dataset { name, class_names, pictures, folder })
    }

    /// Whether 0 is black in the images, as in photos: else it is the background of what is drawn.
    pub fn photos(&self) -> bool {
        self.pictures.as_deref().is_some_and(|words| !Look::inverts(words))
    }

    /// The first file in a folder of a known set's name that is not that set's as it was published, after the name.
    pub fn altered(&self) -> Option<(String, PathBuf)> {
        let folder = self.folder.as_ref()?;
        let set = Manifest::named(&folder_name(&folder.place)).filter(|s| !s.layout.changes())?;
        let mut all = FILES.as_flattened().iter().zip(&folder.hashes).zip(&folder.files);
        let other = |name: &str, hash: &String| {
            let entry = set.files.iter().find(|entry| entry.name == name);
            entry.and_then(|entry| entry.sha256.as_ref()).is_some_and(|known| known != hash)
        };
        let ((_, _), file) = all.find(|((name, hash), _)| other(name, hash))?;
        // Whoever puts the sample in its place has nothing altered.
        (self.name != "sample").then(|| (set.name.clone(), file.clone()))
    }

    /// Where it is.
    pub fn place(&self) -> String {
        match &self.folder {
            Some(folder) => folder.place.display().to_string(),
            None => "built in".to_owned(),
        }
    }

    /// The file with the images of one half.
    pub fn images(&self, half: Half) -> PathBuf {
        let index = 2 * half as usize;
        let named = || PathBuf::from(FILES[half as usize][0]);
        self.folder.as_ref().map_or_else(named, |folder| folder.files[index].clone())
    }

    /// Opens one half.
    ///
    /// # Errors
    /// [`Error::Idx`] if the files are not images and labels that belong together.
    #[expect(unsafe_code, reason = "mapping is safe only as far as the files are left alone")]
    pub fn open(&self, half: Half) -> Result<Labelled, Error> {
        let file = |i: usize| match &self.folder {
            None => IdxFile::from_bytes(SAMPLE[half as usize][i], FILES[half as usize][i]),
            Some(f) if f.no_mmap => IdxFile::read(&f.files[2 * half as usize + i]),
            // SAFETY: files in weft's own folders are only ever replaced by renaming (`store`), never written in
            // place. For a folder that the user names, the same is asked of the user, in the help of `--data`,
            // and `--no-mmap` is there for files that other programs may change.
            Some(f) => unsafe { IdxFile::map(&f.files[2 * half as usize + i]) },
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

/// Which of the sets that weft knows four files are: one of the manifest's, or the sample.
fn known(hashes: &[String]) -> Result<Option<Manifest>, Error> {
    let same = |set: &Manifest| {
        FILES.as_flattened().iter().zip(hashes).all(|(name, hash)| {
            let told = |e: &manifest::Entry| e.name == *name && e.sha256.as_ref() == Some(hash);
            set.files.iter().any(told) && !set.layout.changes()
        })
    };
    if let Some(set) = Manifest::all().into_iter().find(same) {
        return Ok(Some(set));
    }
    let sample =
        || Manifest { name: "sample".to_owned(), classes: fashion_names(), ..Manifest::default() };
    Ok((sample_hashes()? == hashes).then(sample))
}

/// Where the files of a set come from.
#[derive(Clone, Copy)]
struct Place<'p> {
    /// What the user knows it by.
    place: &'p Path,
    /// The set that the names of the files at the source tell.
    at_source: Option<&'p Manifest>,
    /// Weft's folder in the user's cache.
    cache: Option<&'p Path>,
}

/// What a folder calls itself, however its path is written.
fn folder_name(folder: &Path) -> String {
    let whole = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(|| "data".to_owned(), |n| n.to_string_lossy().into_owned())
}

/// Names of classes, one a line; lines that are empty do not count.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read or is not UTF-8.
pub fn read_classes(path: &Path) -> Result<Vec<String>, Error> {
    let text = crate::store::read_text(path);
    let text = text.map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    Ok(lines.map(str::to_owned).collect())
}

/// Names of the classes of a set that weft does not know: those of `classes.txt`, or numbers up to the largest
/// label.
fn class_names(place: &Path, files: &[PathBuf; 4]) -> Result<Vec<String>, Error> {
    match read_classes(&place.join(CLASSES)) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
        read => return read,
    }
    let mut largest: u16 = 0;
    for labels in [&files[1], &files[3]] {
        let labels = IdxFile::read(labels)?;
        // What is no label is for `open` to complain about.
        let highest = labels.view().values().fold(0.0, f64::max);
        largest = largest.max(highest.min(f64::from(u16::MAX)) as u16);
    }
    Ok((0..=largest).map(|class| class.to_string()).collect())
}

/// The folder of the user's cache that fetched files of Fashion-MNIST go into, if there is one.
pub fn cache() -> Option<PathBuf> {
    let here = Search::of("");
    here.cache.is_some().then(|| here.home())
}

/// Every place that [`locate`] looks at, in order, with whether a data set is there: one alone, where it is named.
pub fn places(options: &Options) -> Vec<(String, PathBuf, bool)> {
    Search::of(&options.set).places(options)
}

/// Finds the data set, unpacking or fetching it if need be.
///
/// # Errors
/// [`Error::Missing`] or [`Error::Ambiguous`] if a folder that was named does not have it, [`Error::Unreachable`] if
/// there is none and none can be fetched, [`Error::Corrupt`] and [`Error::Io`] from unpacking, [`Error::Io`] also if the folder
/// or the list of classes cannot be read, [`Error::Idx`] if the labels of a set without such a list cannot.
pub fn locate(options: &Options, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Dataset, Error> {
    Search::of(&options.set).locate(options, progress)
}

/// Fetches a data set of the manifest into a folder (or the cache), whatever is elsewhere; returns the folder.
///
/// # Errors
/// As [`fetch::fetch`]; [`Error::Corrupt`] if the folder was named and has files of those names that are not the
/// data set's: those are not replaced.
pub fn fetch_into(
    set: &str,
    folder: Option<PathBuf>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, Error> {
    Search::of(set).fetch_into(folder, progress)
}
