//! The order in which places are looked at.

use super::fetch::{self, Sources};
use super::manifest::Manifest;
use super::stamp::{self, Stamp};
use super::unpack::unpack_any;
use super::{Dataset, Error, FILES, Options, Progress};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The places of a machine; tests put their own in.
#[derive(Default)]
pub struct Search {
    /// What `$WEFT_DATA` names.
    pub variable: Option<PathBuf>,
    /// Folders that are used if they have the files.
    pub near: Vec<PathBuf>,
    /// Weft's folder in the user's cache.
    pub cache: Option<PathBuf>,
    /// Where the data set comes from if it is in none of them.
    pub sources: Sources,
}

/// Where the data set is kept if there is no cache.
const NO_CACHE: &str = "data/fashion-mnist";

impl Search {
    /// The places of this machine.
    pub fn here() -> Search {
        use etcetera::BaseStrategy as _;
        let base = etcetera::choose_base_strategy().ok();
        Search {
            variable: std::env::var_os("WEFT_DATA").filter(|v| !v.is_empty()).map(PathBuf::from),
            near: vec![PathBuf::from("data/fashion-mnist"), PathBuf::from("data")],
            cache: base.map(|base| base.cache_dir().join("weft")),
            sources: Manifest::fashion_mnist().into(),
        }
    }

    /// Where fetched files go.
    pub fn home(&self) -> PathBuf {
        let cache = self.cache.as_ref().map(|cache| cache.join("fashion-mnist"));
        cache.unwrap_or_else(|| PathBuf::from(NO_CACHE))
    }

    /// Every place, in order, with whether a data set is there.
    pub fn places(&self, options: &Options) -> Vec<(String, PathBuf, bool)> {
        let named = options.data.clone().map(|d| ("--data", d));
        let variable = self.variable.clone().map(|v| ("$WEFT_DATA", v));
        let near = self.near.iter().map(|p| ("here", p.clone()));
        let cache = self.cache.is_some().then(|| ("cache", self.home()));
        let system = self.sources.installed.clone().map(|s| ("package", s));
        let places = named.into_iter().chain(variable).chain(near).chain(cache).chain(system);
        places.map(|(what, p)| (what.to_owned(), p.clone(), holds(&p))).collect()
    }

    /// Finds the data set, unpacking or fetching it if need be.
    ///
    /// # Errors
    /// As [`super::locate`].
    pub fn locate(
        &self,
        options: &Options,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Dataset, Error> {
        if options.sample {
            return Ok(Dataset::sample());
        }
        if let Some(folder) = options.data.as_ref().or(self.variable.as_ref()) {
            return self.open(folder, options);
        }
        if let Some(folder) = self.near.iter().find(|folder| holds(folder)) {
            return self.open(folder, options);
        }
        let home = self.home();
        fetch::fetch(&self.sources, &home, progress)?;
        self.open(&home, options)
    }

    /// Fetches the data set into a folder, or the cache.
    ///
    /// # Errors
    /// As [`super::fetch_into`].
    pub fn fetch_into(
        &self,
        folder: Option<PathBuf>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PathBuf, Error> {
        if let Some(folder) = &folder {
            self.check_before(folder)?;
        }
        let folder = folder.unwrap_or_else(|| self.home());
        fetch::fetch(&self.sources, &folder, progress)?;
        Ok(folder)
    }

    /// Fetching replaces what is not the data set's; in a folder that the user names that may be files of
    /// theirs, so those are left alone.
    fn check_before(&self, folder: &Path) -> Result<(), Error> {
        let mut stamp = Stamp::of(folder, self.cache.as_deref());
        for entry in &self.sources.files {
            let path = folder.join(&entry.name);
            if !path.exists() {
                continue;
            }
            let found = stamp.hash(&path).map_err(|source| Error::Io { path, source })?;
            if found != entry.sha256 {
                let what = format!(
                    "expected SHA-256 {}, found {found}; name another folder, or remove the file \
                     and fetch again",
                    entry.sha256
                );
                let (file, source_name) = (entry.name.clone(), folder.display().to_string());
                return Err(Error::Corrupt { file, source_name, what });
            }
        }
        Ok(())
    }

    /// The data set in a folder, plain or compressed.
    fn open(&self, folder: &Path, options: &Options) -> Result<Dataset, Error> {
        let Some(missing) = first_missing(folder, "") else {
            let stamp = Stamp::of(folder, self.cache.as_deref());
            return Dataset::in_folder(folder, folder, stamp, options);
        };
        if first_missing(folder, ".gz").is_some() {
            return Err(Error::Missing { folder: folder.to_owned(), missing });
        }
        let files = self.unpacked(folder)?;
        Dataset::in_folder(folder, &files, Stamp::beside(&files), options)
    }

    /// The folder with the unpacked files of a folder of `.gz`: one of the cache's that is that folder's alone,
    /// so that sets with files of the same names and sizes (MNIST and all its relatives) are never mixed up.
    fn unpacked(&self, folder: &Path) -> Result<PathBuf, Error> {
        let into = match &self.cache {
            Some(cache) => cache.join("unpacked").join(stamp::key(folder)),
            None => folder.to_owned(),
        };
        let mut job = Unpacking::of(folder, &into);
        if FILES.as_flattened().iter().all(|name| job.is_done(name)) {
            return Ok(into);
        }
        fs::create_dir_all(&into).map_err(|source| Error::Io { path: into.clone(), source })?;
        let _lock = fetch::lock(&into)?;
        // Another process may have been here before the lock was ours.
        job = Unpacking::of(folder, &into);
        let done = FILES.as_flattened().iter().try_for_each(|name| job.unpack(name));
        // What was done before an error needs not be done again.
        job.from.save();
        job.own.save();
        done.map(|()| into)
    }
}

/// A folder of `.gz` on its way into another.
struct Unpacking<'u> {
    folder: &'u Path,
    into: &'u Path,
    /// Which `.gz`, in which state, held which bytes.
    from: Stamp,
    /// Which bytes the unpacked files hold.
    own: Stamp,
}

impl<'u> Unpacking<'u> {
    fn of(folder: &'u Path, into: &'u Path) -> Unpacking<'u> {
        let from = Stamp::read(Some(into.join(".from")), false);
        Unpacking { folder, into, from, own: Stamp::beside(into) }
    }

    fn gz(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.gz"))
    }

    /// Whether the unpacked file is what the `.gz` holds now.
    fn is_done(&mut self, name: &str) -> bool {
        let Some(held) = self.from.known(&self.gz(name)) else { return false };
        self.own.hash(&self.into.join(name)).is_ok_and(|own| own == held)
    }

    fn unpack(&mut self, name: &str) -> Result<(), Error> {
        if self.is_done(name) {
            return Ok(());
        }
        let gz = self.gz(name);
        let open = || {
            let file = File::open(&gz)?;
            Ok((file.metadata()?, file))
        };
        let (state, file) = open().map_err(|source| Error::Io { path: gz.clone(), source })?;
        let sha256 = unpack_any(file, name, self.into, &gz.display().to_string())?;
        self.from.note(&gz, &state, &sha256);
        self.own.learn(&self.into.join(name), &sha256);
        Ok(())
    }
}

/// Whether a folder has the four files, all plain or all compressed.
fn holds(folder: &Path) -> bool {
    first_missing(folder, "").is_none() || first_missing(folder, ".gz").is_none()
}

/// The first of the four files that is not in a folder.
fn first_missing(folder: &Path, ending: &str) -> Option<String> {
    let names = FILES.as_flattened().iter().map(|n| format!("{n}{ending}"));
    names.into_iter().find(|n| !folder.join(n).is_file())
}
