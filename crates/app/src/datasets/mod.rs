//! Data sets: where they are looked for, how they are fetched, how they are opened.
//!
//! A data set is a folder with four IDX files, named as MNIST names them. [`locate`] finds one:
//!
//! 1. `--data DIR`, else `$WEFT_DATA`: there and nowhere else
//! 2. `data/fashion-mnist` and `data` in the current folder
//! 3. the user's cache (`$XDG_CACHE_HOME/weft/fashion-mnist`)
//! 4. where the distribution's package installs it; the `.gz` there are unpacked into the cache, once
//! 5. fetched into the cache: mirrors, then the distribution's package (see [`fetch`])
//!
//! What is put into the cache has been checked against the SHA-256 in `data/MANIFEST`, and a stamp beside it
//! says so with sizes and times of change; so a start does not hash 55 MB again. Files of other folders are
//! used as they are, and hashed when their hash is asked for.

pub mod fetch;
pub mod manifest;
pub mod unpack;

use idx::{IdxFile, Labelled};
use manifest::{Entry, Manifest, sha256, sha256_of};
use std::fmt::Write as _;
use std::fs;
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

/// The file that says what was verified.
const STAMP: &str = ".verified";

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
         What you can do: put the four .gz or unpacked files into a folder and say --data FOLDER; or install \
         the package dataset-fashion-mnist (Debian, Ubuntu); or try the built-in sample: --dataset sample",
        folder.display(), list(tried)
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
    folder: Option<PathBuf>,
    no_mmap: bool,
}

impl Dataset {
    /// Where it is.
    pub fn place(&self) -> String {
        match &self.folder {
            Some(folder) => folder.display().to_string(),
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
            Some(folder) if self.no_mmap => IdxFile::read(folder.join(FILES[half as usize][i])),
            // SAFETY: files in weft's own folders are only ever replaced by renaming (`store`), never written in
            // place. For a folder that the user names, the same is asked of the user, in the help of `--data`,
            // and `--no-mmap` is there for files that other programs may change.
            Some(folder) => unsafe { IdxFile::map(folder.join(FILES[half as usize][i])) },
        };
        Ok(Labelled::new(file(0)?, file(1)?, self.class_names.len())?)
    }

    /// SHA-256 over the names and SHA-256 of the four files.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read.
    pub fn hash(&self) -> Result<String, Error> {
        let mut lines = String::new();
        for (half, names) in FILES.iter().enumerate() {
            for (i, name) in names.iter().enumerate() {
                let hash = match &self.folder {
                    None => sha256(SAMPLE[half][i]),
                    Some(folder) => {
                        let known = stamped(folder, name);
                        known.map_or_else(|| sha256_of(&folder.join(name)), Ok)
                    }
                };
                let path = || self.folder.clone().unwrap_or_default().join(name);
                let hash = hash.map_err(|source| Error::Io { path: path(), source })?;
                let _ = writeln!(lines, "{name} {hash}");
            }
        }
        sha256(lines.as_bytes()).map_err(|source| Error::Io { path: PathBuf::new(), source })
    }
}

/// The user's cache, if there is one.
pub fn cache() -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.cache_dir().join("weft").join("fashion-mnist"))
}

/// Where the distribution's package installs the files.
fn system() -> Option<PathBuf> {
    Manifest::fashion_mnist().package.map(|p| Path::new("/").join(p.folder))
}

/// Every place that [`locate`] looks at, in order, with whether a data set is there.
pub fn places(options: &Options) -> Vec<(String, PathBuf, bool)> {
    let named = options.data.clone().map(|d| ("--data", d));
    let variable = std::env::var_os("WEFT_DATA").filter(|v| !v.is_empty());
    let variable = variable.map(|v| ("$WEFT_DATA", PathBuf::from(v)));
    let here = [("here", PathBuf::from("data/fashion-mnist")), ("here", PathBuf::from("data"))];
    let rest = [cache().map(|c| ("cache", c)), system().map(|s| ("package", s))];
    let places = named.into_iter().chain(variable).chain(here).chain(rest.into_iter().flatten());
    places
        .map(|(what, p)| {
            let there = first_missing(&p, "").is_none() || first_missing(&p, ".gz").is_none();
            (what.to_owned(), p, there)
        })
        .collect()
}

/// Finds the data set, unpacking or fetching it if need be.
///
/// # Errors
/// [`Error::Missing`] if a folder that was named does not have it, [`Error::Unreachable`] if there is none and
/// none can be fetched, [`Error::Corrupt`] and [`Error::Io`] from unpacking.
pub fn locate(options: &Options, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Dataset, Error> {
    let class_names: Vec<String> = CLASS_NAMES.iter().map(|&n| n.to_owned()).collect();
    let dataset = |name: &str, folder: Option<PathBuf>| {
        let (name, no_mmap) = (name.to_owned(), options.no_mmap);
        Ok(Dataset { name, class_names: class_names.clone(), folder, no_mmap })
    };
    if options.sample {
        return dataset("sample", None);
    }
    let variable = std::env::var_os("WEFT_DATA").filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(folder) = options.data.clone().or(variable) {
        return dataset("fashion-mnist", Some(usable(&folder)?));
    }
    for folder in [Path::new("data/fashion-mnist"), Path::new("data")] {
        if let Ok(folder) = usable(folder) {
            return dataset("fashion-mnist", Some(folder));
        }
    }
    let cache = cache().unwrap_or_else(|| PathBuf::from("data/fashion-mnist"));
    if first_missing(&cache, "").is_some() {
        let manifest = Manifest::fashion_mnist();
        let installed = system().filter(|s| first_missing(s, ".gz").is_none());
        match installed {
            Some(system) => unpack_all(&system, &cache, &manifest.files)?,
            None => fetch::fetch(&manifest.into(), &cache, progress)?,
        }
        stamp(&cache);
    }
    dataset("fashion-mnist", Some(cache))
}

/// Fetches the data set into a folder (or the cache), whatever is elsewhere; returns the folder.
///
/// # Errors
/// As [`fetch::fetch`].
pub fn fetch_into(
    folder: Option<PathBuf>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, Error> {
    let folder = folder.or_else(cache).unwrap_or_else(|| PathBuf::from("data/fashion-mnist"));
    fetch::fetch(&Manifest::fashion_mnist().into(), &folder, progress)?;
    for entry in &Manifest::fashion_mnist().files {
        let path = folder.join(&entry.name);
        let io = |source| Error::Io { path: path.clone(), source };
        let found = sha256_of(&path).map_err(io)?;
        if found != entry.sha256 {
            let what = format!(
                "expected SHA-256 {}, found {found}; remove it and fetch again",
                entry.sha256
            );
            let (file, source_name) = (entry.name.clone(), folder.display().to_string());
            return Err(Error::Corrupt { file, source_name, what });
        }
    }
    stamp(&folder);
    Ok(folder)
}

/// The first of the four files that is not in a folder.
fn first_missing(folder: &Path, ending: &str) -> Option<String> {
    let names = FILES.as_flattened().iter().map(|n| format!("{n}{ending}"));
    names.into_iter().find(|n| !folder.join(n).is_file())
}

/// The folder itself if it has the files, or a folder of the cache with its `.gz` unpacked.
fn usable(folder: &Path) -> Result<PathBuf, Error> {
    let Some(missing) = first_missing(folder, "") else { return Ok(folder.to_owned()) };
    if first_missing(folder, ".gz").is_some() {
        return Err(Error::Missing { folder: folder.to_owned(), missing });
    }
    let into = cache().unwrap_or_else(|| folder.to_owned());
    unpack_all(folder, &into, &Manifest::fashion_mnist().files)?;
    stamp(&into);
    Ok(into)
}

/// Unpacks the `.gz` of one folder into another; files that are there stay.
fn unpack_all(from: &Path, into: &Path, files: &[Entry]) -> Result<(), Error> {
    let io = |path: &Path, source| Error::Io { path: path.to_owned(), source };
    fs::create_dir_all(into).map_err(|e| io(into, e))?;
    for entry in files {
        let there = fs::metadata(into.join(&entry.name)).is_ok_and(|m| m.len() == entry.bytes);
        if !there {
            let gz = from.join(format!("{}.gz", entry.name));
            let file = fs::File::open(&gz).map_err(|e| io(&gz, e))?;
            unpack::unpack(file, entry, into, &gz.display().to_string())?;
        }
    }
    Ok(())
}

/// Size and time of change of a file, as the stamp has them.
fn state(path: &Path) -> Option<(u64, u128)> {
    let meta = fs::metadata(path).ok()?;
    let changed = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some((meta.len(), changed.as_nanos()))
}

/// Writes down that the files in a folder are those of the manifest. Without a stamp they are hashed when their
/// hash is needed, so failing to write it is no error.
fn stamp(folder: &Path) {
    let mut lines = String::new();
    for entry in &Manifest::fashion_mnist().files {
        let Some((bytes, changed)) = state(&folder.join(&entry.name)) else { return };
        let _ = writeln!(lines, "{} {bytes} {changed} {}", entry.name, entry.sha256);
    }
    let _ = crate::store::write_bytes(&folder.join(STAMP), lines.as_bytes());
}

/// The SHA-256 that the stamp has for a file, if the file has not changed since.
fn stamped(folder: &Path, name: &str) -> Option<String> {
    let (bytes, changed) = state(&folder.join(name))?;
    let lines = fs::read_to_string(folder.join(STAMP)).ok()?;
    let start = format!("{name} {bytes} {changed} ");
    lines.lines().find_map(|l| l.strip_prefix(&start)).map(str::to_owned)
}
