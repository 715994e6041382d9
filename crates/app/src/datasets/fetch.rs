//! Fetching: what the distribution's package installed, then mirrors, then the package itself.
//!
//! Whatever the source, a file is put in place only when its SHA-256, decompressed, is the manifest's.

use super::layout::Layout;
use super::manifest::{Entry, Manifest, sha256_of};
use super::package::Apt;
use super::stamp::Stamp;
use super::sums::Sums;
use super::transfer::{self, Patience, Transfer};
use super::unpack::{Expected, unpack};
use super::{CLASSES, Error, Progress};
use crate::store;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// How to get the files; tests put their own in.
#[derive(Default)]
pub struct Sources {
    /// What the set is called.
    pub title: String,
    /// The files.
    pub files: Vec<Entry>,
    /// Names of the classes; they are put beside files that cannot be told by their hashes.
    pub classes: Vec<String>,
    /// How the files of the sources differ from what is kept.
    pub layout: Layout,
    /// A folder of this machine that has `NAME.gz`, if it is there.
    pub installed: Option<PathBuf>,
    /// What comes before `NAME.gz` in an address, best first.
    pub mirrors: Vec<String>,
    /// How long to wait for them.
    pub patience: Patience,
    /// Unpacks the distribution's package below a folder and says where the files are in it.
    pub package: Option<PackageStep>,
}

/// Unpacks a package below a folder, says where the files are, or why not.
pub type PackageStep = Box<dyn Fn(&Path) -> Result<PathBuf, String>>;

impl From<Manifest> for Sources {
    fn from(manifest: Manifest) -> Sources {
        let Manifest { title, files, classes, layout, mirrors, package, .. } = manifest;
        let installed = package.as_ref().map(|p| Path::new("/").join(&p.folder));
        let package = package
            .map(|p| -> PackageStep { Box::new(move |below| Apt::default().unpack(&p, below)) });
        let patience = Patience::default();
        Sources { title, files, classes, layout, installed, mirrors, patience, package }
    }
}

/// Fetches all files into `folder`, each from the first source that has it. Files that are in place, as their
/// hashes show, are kept, and any others of their names replaced. What came of a file before a connection broke
/// is used again.
///
/// # Errors
/// [`Error::Unreachable`] with what was tried and why each failed, [`Error::Io`] if the folder cannot be
/// written.
pub fn fetch(
    sources: &Sources,
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), Error> {
    if wanted(sources, folder)?.is_empty() && store::leftovers(folder).is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|source| Error::Io { path: folder.to_owned(), source })?;
    // Two processes that fetch at once take turns; the second finds everything in place.
    let _lock = lock(folder)?;
    for left in store::leftovers(folder) {
        // What cannot be removed is in nobody's way.
        let _ = fs::remove_file(left);
    }
    let wanted = wanted(sources, folder)?;
    let mut job = Job { sources, folder, wanted, tried: Vec::new(), progress };
    job.installed(sources.installed.as_deref());
    job.mirrors(&sources.mirrors, sources.patience);
    job.package(sources.package.as_ref())?;
    if job.wanted.is_empty() {
        return names(sources, folder);
    }
    let set = sources.title.clone();
    Err(Error::Unreachable { set, folder: folder.to_owned(), tried: job.tried })
}

/// Puts the names of the classes beside files whose hashes do not say what they are.
fn names(sources: &Sources, folder: &Path) -> Result<(), Error> {
    let path = folder.join(CLASSES);
    let told = sources.files.iter().all(|e| e.sha256.is_some()) && !sources.layout.changes();
    if told || sources.classes.is_empty() || path.exists() {
        return Ok(());
    }
    let text = sources.classes.join("\n") + "\n";
    let written = store::write_bytes(&path, text.as_bytes());
    written.map_err(|source| Error::Io { path, source })
}

/// The files that are not in place.
fn wanted<'f>(sources: &'f Sources, folder: &Path) -> Result<Vec<&'f Entry>, Error> {
    let mut stamp = Stamp::beside(folder);
    let sums = Sums::beside(folder);
    let mut wanted = Vec::new();
    for entry in &sources.files {
        let path = folder.join(&entry.name);
        let same = match fs::metadata(&path) {
            Ok(meta) if meta.is_file() && meta.len() == entry.bytes => {
                let found = stamp.hash(&path);
                let found = found.map_err(|source| Error::Io { path, source })?;
                kept(entry, sources.layout, &sums) == Some(found.as_str())
            }
            _ => false,
        };
        if !same {
            wanted.push(entry);
        }
    }
    stamp.save();
    Ok(wanted)
}

/// SHA-256 of a file as it is kept here, if that is known.
pub(super) fn kept<'k>(entry: &'k Entry, layout: Layout, sums: &'k Sums) -> Option<&'k str> {
    let told = entry.sha256.as_deref().filter(|_| !layout.changes());
    told.or_else(|| sums.get(&entry.name))
}

/// Keeps other processes out of a folder until the file is dropped.
pub(super) fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(".lock");
    let open = File::options().create(true).write(true).truncate(false).open(&path);
    open.and_then(|file| match file.lock() {
        // Some network file systems have no locks. Files are put in place by renaming, so that two processes
        // at once do double work there, but no harm.
        Err(e) if e.kind() == io::ErrorKind::Unsupported => Ok(file),
        locked => locked.map(|()| file),
    })
    .map_err(|source| Error::Io { path, source })
}

/// What is left to do, and what was tried.
struct Job<'j> {
    sources: &'j Sources,
    folder: &'j Path,
    wanted: Vec<&'j Entry>,
    tried: Vec<String>,
    progress: &'j mut dyn FnMut(Progress<'_>),
}

impl Job<'_> {
    /// Gets the wanted files one after the other, until one cannot be had from this source.
    fn take(
        &mut self,
        source: &str,
        mut get: impl FnMut(Wanted<'_>, &mut dyn FnMut(Progress<'_>)) -> Result<String, String>,
    ) {
        let mut stamp = Stamp::beside(self.folder);
        let mut sums = Sums::beside(self.folder);
        while let Some(&entry) = self.wanted.first() {
            let layout = self.sources.layout;
            let kept = kept(entry, layout, &sums);
            let expected = Expected { kept, ..Expected::of(entry, layout) };
            match get(Wanted { entry, expected }, self.progress) {
                Ok(sha256) => {
                    stamp.learn(&self.folder.join(&entry.name), &sha256);
                    sums.learn(entry, layout, &sha256);
                    self.wanted.remove(0);
                }
                Err(why) => {
                    self.tried.push(format!("{source}: {why}"));
                    break;
                }
            }
        }
        sums.save();
        stamp.save();
    }

    /// From the folder that the package installs into.
    fn installed(&mut self, place: Option<&Path>) {
        let there = |e: &Entry, place: &Path| {
            gz(place, &self.sources.layout.source_name(&e.name)).is_file()
        };
        let Some(place) = place.filter(|p| self.wanted.iter().all(|e| there(e, p))) else { return };
        let (folder, source) = (self.folder, place.display().to_string());
        (self.progress)(Progress::Trying(&source));
        self.take(&source, |wanted, _| unpack_file(place, wanted, folder, &source));
    }

    fn mirrors(&mut self, mirrors: &[String], patience: Patience) {
        let transfer = Transfer::new(patience);
        let folder = self.folder;
        for mirror in mirrors {
            if self.wanted.is_empty() {
                return;
            }
            (self.progress)(Progress::Trying(mirror));
            self.take(mirror, |wanted, progress| {
                download(&transfer, mirror, wanted, folder, progress)
            });
        }
    }

    /// From the distribution's package, downloaded now.
    fn package(&mut self, package: Option<&PackageStep>) -> Result<(), Error> {
        const SOURCE: &str = "the distribution's package";
        let Some(package) = package.filter(|_| !self.wanted.is_empty()) else { return Ok(()) };
        (self.progress)(Progress::Trying(SOURCE));
        let io = |source| Error::Io { path: std::env::temp_dir(), source };
        let temporary = tempfile::Builder::new().prefix("weft-").tempdir().map_err(io)?;
        match package(temporary.path()) {
            Ok(place) => {
                let folder = self.folder;
                self.take(SOURCE, |wanted, _| unpack_file(&place, wanted, folder, SOURCE));
            }
            Err(why) => self.tried.push(format!("{SOURCE}: {why}")),
        }
        Ok(())
    }
}

/// A file to get.
#[derive(Clone, Copy)]
struct Wanted<'w> {
    entry: &'w Entry,
    expected: Expected<'w>,
}

impl Wanted<'_> {
    /// What the source calls it.
    fn source_name(&self) -> String {
        self.expected.layout.source_name(&self.entry.name)
    }
}

/// Where a folder has a file compressed.
fn gz(place: &Path, name: &str) -> PathBuf {
    place.join(format!("{name}.gz"))
}

fn unpack_file(
    place: &Path,
    wanted: Wanted<'_>,
    into: &Path,
    source: &str,
) -> Result<String, String> {
    let gz = gz(place, &wanted.source_name());
    let file = File::open(&gz).map_err(|e| format!("{}: {e}", gz.display()))?;
    unpack(file, wanted.expected, into, source).map_err(|e| e.to_string())
}

/// Checks a compressed file against what is known of it, then unpacks it.
fn unpack_part(
    part: &Path,
    wanted: Wanted<'_>,
    folder: &Path,
    source: &str,
) -> Result<String, Error> {
    let io = |source| Error::Io { path: part.to_owned(), source };
    if let Some(expected) = &wanted.entry.gz {
        let found = sha256_of(part).map_err(io)?;
        if found != *expected {
            let what = format!("compressed, expected SHA-256 {expected}, found {found}");
            let (file, source_name) = (wanted.entry.name.clone(), source.to_owned());
            return Err(Error::Corrupt { file, source_name, what });
        }
    }
    unpack(File::open(part).map_err(io)?, wanted.expected, folder, source)
}

/// Downloads one file and puts it in place. What an earlier attempt left may be of another source, whose bytes
/// differ: if it does not fit, the file is fetched once more from its beginning.
fn download(
    transfer: &Transfer,
    mirror: &str,
    wanted: Wanted<'_>,
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<String, String> {
    let entry = wanted.entry;
    let url = format!("{mirror}{}.gz", wanted.source_name());
    let part = folder.join(format!(".{}.gz.part", entry.name));
    loop {
        let continued = transfer::length(&part) > 0;
        transfer.get(&url, &part, entry, progress).map_err(|e| format!("{}: {e}", entry.name))?;
        let unpacked = unpack_part(&part, wanted, folder, mirror);
        // In place, or whole but wrong: of no use to anybody. If it stays, so would what is wrong with it.
        let removed = fs::remove_file(&part).is_ok();
        match unpacked {
            Err(Error::Corrupt { .. }) if continued && removed => {}
            Err(Error::Corrupt { file, what, .. }) => return Err(format!("{file}: {what}")),
            other => return other.map_err(|e| e.to_string()),
        }
    }
}
