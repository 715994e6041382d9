//! Fetching: what the distribution's package installed, then mirrors, then the package itself.
//!
//! Whatever the source, a file is put in place only when its SHA-256, decompressed, is the manifest's.

use super::manifest::{Entry, Manifest};
use super::package::Apt;
use super::stamp::Stamp;
use super::transfer::{self, Patience, Transfer};
use super::unpack::unpack;
use super::{Error, Progress};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// How to get the files; tests put their own in.
#[derive(Default)]
pub struct Sources {
    /// The files.
    pub files: Vec<Entry>,
    /// A folder of this machine that has `NAME.gz`, if it is there.
    pub installed: Option<PathBuf>,
    /// Places that have `NAME.gz`, best first, each ending in `/`.
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
        let Manifest { files, mirrors, package } = manifest;
        let installed = package.as_ref().map(|p| Path::new("/").join(&p.folder));
        let package = package
            .map(|p| -> PackageStep { Box::new(move |below| Apt::default().unpack(&p, below)) });
        Sources { files, installed, mirrors, patience: Patience::default(), package }
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
    if wanted(&sources.files, folder)?.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|source| Error::Io { path: folder.to_owned(), source })?;
    // Two processes that fetch at once take turns; the second finds everything in place.
    let _lock = lock(folder)?;
    let wanted = wanted(&sources.files, folder)?;
    let mut job = Job { folder, wanted, tried: Vec::new(), progress };
    job.installed(sources.installed.as_deref());
    job.mirrors(&sources.mirrors, sources.patience);
    job.package(sources.package.as_ref())?;
    if job.wanted.is_empty() {
        return Ok(());
    }
    Err(Error::Unreachable { folder: folder.to_owned(), tried: job.tried })
}

/// The files that are not in place.
fn wanted<'f>(files: &'f [Entry], folder: &Path) -> Result<Vec<&'f Entry>, Error> {
    let mut stamp = Stamp::beside(folder);
    let mut wanted = Vec::new();
    for entry in files {
        let path = folder.join(&entry.name);
        let same = match fs::metadata(&path) {
            Ok(meta) if meta.is_file() && meta.len() == entry.bytes => {
                let found = stamp.hash(&path);
                found.map_err(|source| Error::Io { path, source })? == entry.sha256
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
        mut get: impl FnMut(&Entry, &mut dyn FnMut(Progress<'_>)) -> Result<(), String>,
    ) {
        let mut stamp = Stamp::beside(self.folder);
        while let Some(&entry) = self.wanted.first() {
            if let Err(why) = get(entry, self.progress) {
                self.tried.push(format!("{source}: {why}"));
                break;
            }
            stamp.learn(&self.folder.join(&entry.name), &entry.sha256);
            self.wanted.remove(0);
        }
        stamp.save();
    }

    /// From the folder that the package installs into.
    fn installed(&mut self, place: Option<&Path>) {
        let there = |e: &Entry, place: &Path| gz(place, e).is_file();
        let Some(place) = place.filter(|p| self.wanted.iter().all(|e| there(e, p))) else { return };
        let (folder, source) = (self.folder, place.display().to_string());
        (self.progress)(Progress::Trying(&source));
        self.take(&source, |entry, _| unpack_file(place, entry, folder, &source));
    }

    fn mirrors(&mut self, mirrors: &[String], patience: Patience) {
        let transfer = Transfer::new(patience);
        let folder = self.folder;
        for mirror in mirrors {
            if self.wanted.is_empty() {
                return;
            }
            (self.progress)(Progress::Trying(mirror));
            self.take(mirror, |e, progress| download(&transfer, mirror, e, folder, progress));
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
                self.take(SOURCE, |entry, _| unpack_file(&place, entry, folder, SOURCE));
            }
            Err(why) => self.tried.push(format!("{SOURCE}: {why}")),
        }
        Ok(())
    }
}

/// Where a folder has a file compressed.
fn gz(place: &Path, entry: &Entry) -> PathBuf {
    place.join(format!("{}.gz", entry.name))
}

fn unpack_file(place: &Path, entry: &Entry, into: &Path, source: &str) -> Result<(), String> {
    let gz = gz(place, entry);
    let file = File::open(&gz).map_err(|e| format!("{}: {e}", gz.display()))?;
    unpack(file, entry, into, source).map_err(|e| e.to_string())
}

/// Downloads one file and puts it in place. What an earlier attempt left may be of another source, whose bytes
/// differ: if it does not fit, the file is fetched once more from its beginning.
fn download(
    transfer: &Transfer,
    mirror: &str,
    entry: &Entry,
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), String> {
    let url = format!("{mirror}{}.gz", entry.name);
    let part = folder.join(format!(".{}.gz.part", entry.name));
    loop {
        let continued = transfer::length(&part) > 0;
        transfer.get(&url, &part, entry, progress).map_err(|e| format!("{}: {e}", entry.name))?;
        let file = File::open(&part).map_err(|e| format!("{}: {e}", part.display()))?;
        let unpacked = unpack(file, entry, folder, mirror);
        // In place, or whole but wrong: of no use to anybody. If it stays, so would what is wrong with it.
        let removed = fs::remove_file(&part).is_ok();
        match unpacked {
            Err(Error::Corrupt { .. }) if continued && removed => {}
            Err(Error::Corrupt { file, what, .. }) => return Err(format!("{file}: {what}")),
            other => return other.map_err(|e| e.to_string()),
        }
    }
}
