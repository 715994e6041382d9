//! The order in which places are looked at.

use super::fetch::{self, Sources};
use super::find::{at_source, find};
use super::layout::Layout;
use super::manifest::{self, Manifest};
use super::stamp::{self, Stamp};
use super::sums::Sums;
use super::unpack::{Expected, unpack};
use super::{Dataset, Error, FILES, Options, Place, Progress};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The places of a machine for one data set; tests put their own in.
#[derive(Default)]
pub struct Search {
    /// Name of the set; empty for the one that is used when none is named.
    pub set: String,
    /// What `$WEFT_DATA` names.
    pub variable: Option<PathBuf>,
    /// Folders that are used if they have the files.
    pub near: Vec<PathBuf>,
    /// Weft's folder in the user's cache.
    pub cache: Option<PathBuf>,
    /// Where the data set comes from if it is in none of them.
    pub sources: Sources,
}

/// Where data sets are kept if there is no cache.
const NO_CACHE: &str = "data";

impl Search {
    /// The places of this machine for a set, by its name; of a set that weft does not know there are no sources.
    ///
    /// `$WEFT_DATA` is the folder of the set that is used when none is named; another is looked for in a folder of
    /// its name there.
    pub fn of(set: &str) -> Search {
        use etcetera::BaseStrategy as _;
        let base = etcetera::choose_base_strategy().ok();
        let search = Search { set: set.to_owned(), ..Search::default() };
        let variable = std::env::var_os("WEFT_DATA").filter(|v| !v.is_empty()).map(PathBuf::from);
        let folder = Path::new("data");
        let mut near = vec![folder.join(search.name())];
        if search.is_default() {
            near.push(folder.to_owned());
        }
        Search {
            variable: match search.is_default() {
                true => variable,
                false => variable.map(|v| v.join(search.name())).filter(|v| holds(v)),
            },
            near,
            cache: base.map(|base| base.cache_dir().join("weft")),
            sources: Manifest::named(search.name()).unwrap_or_default().into(),
            ..search
        }
    }

    /// The places of this machine for Fashion-MNIST.
    pub fn here() -> Search {
        Search::of(manifest::DEFAULT)
    }

    /// Name of the set.
    fn name(&self) -> &str {
        if self.set.is_empty() { manifest::DEFAULT } else { &self.set }
    }

    fn is_default(&self) -> bool {
        self.name() == manifest::DEFAULT
    }

    /// Where fetched files go.
    pub fn home(&self) -> PathBuf {
        let below = self.cache.clone().unwrap_or_else(|| PathBuf::from(NO_CACHE));
        below.join(self.name())
    }

    /// Every place, in order, with whether a data set is there. Where `--data` or `$WEFT_DATA` names one, others are not
    /// looked at.
    pub fn places(&self, options: &Options) -> Vec<(String, PathBuf, bool)> {
        let named = options.data.clone().map(|d| ("--data", d));
        let variable = self.variable.clone().map(|v| ("$WEFT_DATA", v));
        if let Some((what, folder)) = named.or(variable) {
            let there = find(&folder, &self.set).is_ok();
            return vec![(what.to_owned(), folder, there)];
        }
        let near = self.near.iter().map(|p| ("here", p.clone()));
        let cache = self.cache.is_some().then(|| ("cache", self.home()));
        let system = self.sources.installed.clone().map(|s| ("package", s));
        let places = near.chain(cache).chain(system);
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
            return Dataset::sample(options.classes.as_deref());
        }
        if let Some(files) = &options.files {
            return self.open(files[0].parent().unwrap_or(Path::new("")), files.clone(), options);
        }
        if let Some(folder) = options.data.as_ref().or(self.variable.as_ref()) {
            return self.open_folder(folder, options);
        }
        if let Some(folder) = self.near.iter().find(|folder| holds(folder)) {
            return self.open_folder(folder, options);
        }
        let home = self.home();
        fetch::fetch(&self.sources, &home, progress)?;
        self.open_folder(&home, options)
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
        let sums = Sums::beside(folder);
        for entry in &self.sources.files {
            let path = folder.join(&entry.name);
            if !path.exists() {
                continue;
            }
            let found = stamp.hash(&path).map_err(|source| Error::Io { path, source })?;
            let kept = fetch::kept(entry, self.sources.layout, &sums);
            if kept != Some(found.as_str()) {
                let kept = kept.unwrap_or("of a file that was fetched here");
                let what = format!(
                    "expected SHA-256 {kept}, found {found}; name another folder, or remove the file \
                     and fetch again"
                );
                let (file, source_name) = (entry.name.clone(), folder.display().to_string());
                return Err(Error::Corrupt { file, source_name, what });
            }
        }
        Ok(())
    }

    /// The data set in a folder, plain or compressed.
    fn open_folder(&self, folder: &Path, options: &Options) -> Result<Dataset, Error> {
        self.open(folder, find(folder, &self.set)?, options)
    }

    /// The data set in four files, which the user knows as `place`.
    fn open(&self, place: &Path, files: [PathBuf; 4], options: &Options) -> Result<Dataset, Error> {
        let at_source = at_source(&files);
        let compressed = |path: &PathBuf| path.extension().is_some_and(|x| x == "gz");
        let files = if at_source.is_some() || files.iter().any(compressed) {
            self.unpacked(place, &files, at_source.as_ref())?
        } else {
            files
        };
        let place = Place { place, at_source: at_source.as_ref(), cache: self.cache.as_deref() };
        Dataset::of_files(place, files, options)
    }

    /// The unpacked files of a set that is compressed or laid out otherwise: in a folder of the cache that is that
    /// set's alone, so that sets with files of the same names and sizes (MNIST and all its relatives) are never
    /// mixed up.
    fn unpacked(
        &self,
        place: &Path,
        files: &[PathBuf; 4],
        at_source: Option<&Manifest>,
    ) -> Result<[PathBuf; 4], Error> {
        let into = match &self.cache {
            Some(cache) => cache.join("unpacked").join(stamp::key_of(files)),
            None => place.to_owned(),
        };
        let layout = at_source.map(|set| set.layout).unwrap_or_default();
        let unpacked = [0, 1, 2, 3].map(|i| into.join(FILES.as_flattened()[i]));
        let mut job = Unpacking::of(&into, layout);
        let pairs = || files.iter().zip(FILES.as_flattened());
        if pairs().all(|(file, name)| job.is_done(file, name)) {
            return Ok(unpacked);
        }
        fs::create_dir_all(&into).map_err(|source| Error::Io { path: into.clone(), source })?;
        let _lock = fetch::lock(&into)?;
        // Another process may have been here before the lock was ours.
        job = Unpacking::of(&into, layout);
        let done = pairs().try_for_each(|(file, name)| job.unpack(file, name));
        // What was done before an error needs not be done again.
        job.from.save();
        job.own.save();
        done.map(|()| unpacked)
    }
}

/// Files on their way into a folder.
struct Unpacking<'u> {
    into: &'u Path,
    layout: Layout,
    /// Which file, in which state, held which bytes.
    from: Stamp,
    /// Which bytes the unpacked files hold.
    own: Stamp,
}

impl<'u> Unpacking<'u> {
    fn of(into: &'u Path, layout: Layout) -> Unpacking<'u> {
        let from = Stamp::read(Some(into.join(".from")), false);
        Unpacking { into, layout, from, own: Stamp::beside(into) }
    }

    /// Whether the unpacked file is what the file holds now.
    fn is_done(&mut self, file: &Path, name: &str) -> bool {
        let Some(held) = self.from.known(file) else { return false };
        self.own.hash(&self.into.join(name)).is_ok_and(|own| own == held)
    }

    fn unpack(&mut self, file: &Path, name: &str) -> Result<(), Error> {
        if self.is_done(file, name) {
            return Ok(());
        }
        let open = || {
            let opened = File::open(file)?;
            Ok((opened.metadata()?, opened))
        };
        let (state, opened) =
            open().map_err(|source| Error::Io { path: file.to_owned(), source })?;
        let expected = Expected { name, layout: self.layout, ..Expected::default() };
        let sha256 = unpack(opened, expected, self.into, &file.display().to_string())?;
        self.from.note(file, &state, &sha256);
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
