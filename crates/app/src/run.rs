//! A run folder: where it is, and how its files get there.

use crate::config::MODEL;
use crate::exit::{Failure, Outcome};
use app::store::{self, PART};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Where runs go that have no name.
pub(crate) const RUNS: &str = "runs";
/// Files that say that a folder holds a run.
pub(crate) const MARKS: [&str; 2] = [MODEL, RECORD];
/// Everything about a run, for people and programs.
pub(crate) const RECORD: &str = "run.json";
/// The epochs.
pub(crate) const HISTORY: &str = "history.csv";
/// The settings, as `--config` takes them.
pub(crate) const CONFIG: &str = "config.toml";
/// The report, for a browser.
pub(crate) const REPORT: &str = "report.html";
/// The events.
pub(crate) const EVENTS: &str = "events.ndjson";
/// The folder of the checkpoints.
pub(crate) const CHECKPOINTS: &str = "checkpoints";
/// The state of the training, to resume from.
pub(crate) const LAST: &str = "checkpoints/last.safetensors";
/// The model of the best epoch.
pub(crate) const BEST: &str = "checkpoints/best.safetensors";
/// The model that a diverged training went back to.
pub(crate) const GOOD: &str = "checkpoints/last-good.safetensors";
/// The folder of the pictures.
pub(crate) const PLOTS: &str = "plots";

/// A folder for the files of one run. No other training may have it meanwhile.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// The folder, locked: the system lets go of it however the process ends.
    _lock: Option<File>,
}

impl RunFolder {
    /// The folder that was named, or a fresh one below `runs`.
    pub(crate) fn create(named: Option<&Path>, force: bool, seed: u64) -> Outcome<RunFolder> {
        match named {
            Some(path) => RunFolder::named(path, force),
            None => RunFolder::fresh(Path::new(RUNS), seed),
        }
    }

    fn named(path: &Path, force: bool) -> Outcome<RunFolder> {
        fs::create_dir_all(path).map_err(|e| refused(path, &e))?;
        let folder = RunFolder::locked(path)?;
        let mark = MARKS.iter().map(|m| path.join(m)).find(|m| m.exists());
        if let Some(mark) = mark.filter(|_| !force) {
            return Err(Failure::usage("there is a run in that folder already")
                .at(mark.display())
                .next("name another folder with --out, or add --force to replace the run"));
        }
        let last = path.join(LAST);
        if last.exists() && !force {
            return Err(Failure::usage("there is a run in that folder that was interrupted")
                .at(last.display())
                .next("go on with it by --resume, or add --force to replace it"));
        }
        folder.probe()?;
        Ok(folder)
    }

    /// The folder of a run that goes on.
    pub(crate) fn resumed(path: &Path) -> Outcome<RunFolder> {
        let folder = RunFolder::locked(path)?;
        folder.probe()?;
        // What a process that was killed was about to write.
        for place in [folder.path.clone(), folder.join(CHECKPOINTS)] {
            let entries = fs::read_dir(place).into_iter().flatten().flatten();
            let half = |e: &fs::DirEntry| e.file_name().to_string_lossy().starts_with(PART);
            entries.filter(half).for_each(|entry| drop(fs::remove_file(entry.path())));
        }
        Ok(folder)
    }

    /// Removes what nobody may resume any more. Of a run that is replaced goes also what tells of it, and what this one might
    /// not draw again; its model stays until there is another.
    pub(crate) fn forget(&self, replaced: bool) -> Outcome {
        self.gone(fs::remove_dir_all(self.join(CHECKPOINTS)))?;
        if !replaced {
            return Ok(());
        }
        for name in [RECORD, REPORT, HISTORY] {
            self.gone(fs::remove_file(self.join(name)))?;
        }
        self.gone(fs::remove_dir_all(self.join(PLOTS)))
    }

    /// What was to be removed may have been away.
    fn gone(&self, removed: io::Result<()>) -> Outcome {
        match removed {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(refused(&self.path, &e)),
            _ => Ok(()),
        }
    }

    /// Makes a folder in it, if need be.
    pub(crate) fn below(&self, name: &str) -> Outcome {
        let path = self.join(name);
        fs::create_dir_all(&path).map_err(|e| refused(&path, &e))
    }

    fn fresh(below: &Path, seed: u64) -> Outcome<RunFolder> {
        fs::create_dir_all(below).map_err(|e| refused(below, &e))?;
        let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
        for attempt in 1.. {
            let number = if attempt == 1 { String::new() } else { format!("-{attempt}") };
            let path = below.join(format!("{now}-seed{seed}{number}"));
            match fs::create_dir(&path) {
                Ok(()) => return RunFolder::locked(&path),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(refused(&path, &e)),
            }
        }
        unreachable!("some number is free")
    }

    /// Locks the folder itself, so that no file of a lock is left behind. Where the system cannot (Windows, some file
    /// systems), there is no lock.
    fn locked(path: &Path) -> Outcome<RunFolder> {
        let lock = File::open(path).ok();
        if let Some(Err(TryLockError::WouldBlock)) = lock.as_ref().map(File::try_lock) {
            return Err(Failure::usage("a training is running in that folder")
                .at(path.display())
                .next("wait for its end, or train into another folder: --out"));
        }
        Ok(RunFolder { path: path.to_owned(), _lock: lock })
    }

    /// Whether a training has the folder.
    pub(crate) fn is_busy(path: &Path) -> bool {
        let lock = File::open(path).map(|folder| folder.try_lock_shared());
        matches!(lock, Ok(Err(TryLockError::WouldBlock)))
    }

    /// Fails now rather than after the training if the folder takes no files.
    fn probe(&self) -> Outcome {
        store::temporary(&self.path).map(drop).map_err(|e| refused(&self.path, &e))
    }

    /// The path of a file in the folder.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file, whole or not at all; returns its path.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Outcome<PathBuf> {
        let path = self.join(name);
        write(&path, bytes)?;
        Ok(path)
    }
}

/// Writes a file, whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Outcome {
    store::write_bytes(path, bytes).map_err(|e| {
        Failure::io("cannot write a file", path, &e)
            .next("check that the folder is there, writable and not full")
    })
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    Failure::io("cannot write to the run's folder", path, error)
        .next("name a folder that you may write to with --out")
}
