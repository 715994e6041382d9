//! A run folder: where it is, and how its files get there.

use crate::config::MODEL;
use crate::exit::{Code, Failure, Outcome};
use app::import::is_ours;
use app::store;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where runs go that have no name.
pub(crate) const RUNS: &str = "runs";
/// All that a run writes, in the order in which it is put aside: the settings first, the model last.
const WRITTEN: [&str; 16] = [
    CONFIG,
    RECORD,
    HISTORY,
    REPORT,
    EVENTS,
    BEST,
    GOOD,
    "plots/first-image.png",
    "plots/loss-and-accuracy.png",
    "plots/prediction-0.png",
    "plots/prediction-12.png",
    "plots/predictions.png",
    "plots/probabilities-1.png",
    "plots/training-images.png",
    LAST,
    MODEL,
];
/// So often, so far apart, is it tried to lock a folder: `weft runs` may be looking whether it is.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);
/// How the file of a run's settings begins.
pub(crate) const HEAD: &str = "# Settings of a run of weft ";
/// Where a run waits that is replaced, until there is another.
pub(crate) const BEFORE: &str = "replaced-run";
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
        folder.check_free(force)?;
        folder.probe()?;
        Ok(folder)
    }

    /// Nothing is replaced but a run, and that only if it is to be.
    fn check_free(&self, force: bool) -> Outcome {
        let there = |names: &[&str]| names.iter().map(|name| self.join(name)).find(|p| p.exists());
        let config = settings_in(&self.path);
        let ours = |name| config.is_some() || File::open(self.join(name)).is_ok_and(is_ours);
        let known = |name| there(&[name]).filter(|_| ours(name));
        let ended = || there(&[RECORD]).or_else(|| known(MODEL));
        let begun = || there(&[EVENTS]).or_else(|| known(LAST)).or_else(|| config.clone());
        let others = || there(&WRITTEN).or_else(|| there(&[CHECKPOINTS, PLOTS]));
        let (what, file, next) = if let Some(mark) = ended() {
            let next = "name another folder with --out, or add --force to replace the run";
            ("there is a run in that folder already", mark, next)
        } else if let Some(begun) = begun() {
            match config {
                Some(_) if RunFolder::has_diverged(&self.path) => (
                    "there is a run in that folder that diverged",
                    begun,
                    "name another folder with --out, or add --force to replace it; a smaller --lr may help",
                ),
                Some(_) => (
                    "there is a run in that folder that did not end",
                    begun,
                    "go on with it by --resume, or add --force to replace it",
                ),
                // There is nothing that it could go on with.
                None => (
                    "there is something of a run in that folder, without its settings",
                    begun,
                    "name another folder with --out, or add --force to replace it",
                ),
            }
        } else if let Some(file) = others() {
            let what = "there is something in that folder that is no run's, and would be replaced";
            let next = "name another folder with --out";
            return Err(Failure::usage(what).at(file.display()).next(next));
        } else {
            return Ok(());
        };
        if force { Ok(()) } else { Err(Failure::usage(what).at(file.display()).next(next)) }
    }

    /// The folder of a run that goes on.
    pub(crate) fn resumed(path: &Path) -> Outcome<RunFolder> {
        let folder = RunFolder::locked(path)?;
        // Another folder would be another run.
        let own = "make the folder writable: that is where the run goes on";
        folder.probe().map_err(|failure| failure.next(own))?;
        // What a process that was killed was about to write.
        for place in [folder.path.clone(), folder.join(CHECKPOINTS), folder.join(PLOTS)] {
            store::leftovers(&place).iter().for_each(|left| drop(fs::remove_file(left)));
        }
        Ok(folder)
    }

    /// Puts the run that is replaced aside, with all its files and no others, until there is a new one. Of one that nothing
    /// can be done with, or has no model where one with a model waits, they are removed. Where a process was killed
    /// meanwhile, the next one goes on.
    pub(crate) fn make_room(&self) -> Outcome {
        let (ended, waiting) = (self.join(MODEL).exists(), self.join(BEFORE).join(MODEL).exists());
        let keep = ended || self.join(LAST).exists() && !waiting;
        if keep {
            // Without settings here and without a model there, what waits is a part of this run.
            if waiting || self.join(CONFIG).exists() {
                self.settle();
            }
            for folder in [CHECKPOINTS, PLOTS] {
                self.below(&format!("{BEFORE}/{folder}"))?;
            }
        }
        for name in WRITTEN {
            let (from, to) = (self.join(name), self.join(BEFORE).join(name));
            let moved = if keep { fs::rename(&from, to) } else { fs::remove_file(&from) };
            match moved {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                // `plots` may be a file of somebody's.
                Err(e) if e.kind() == io::ErrorKind::NotADirectory => {}
                Err(e) => return Err(refused(&from, &e)),
                Ok(()) => {}
            }
        }
        // Unless there is something else in them.
        for folder in [CHECKPOINTS, PLOTS] {
            let _ = fs::remove_dir(self.join(folder));
        }
        Ok(())
    }

    /// Removes the run that waited: there is another. A file that cannot be removed stays.
    pub(crate) fn settle(&self) {
        let before = self.join(BEFORE);
        if before.is_dir() {
            // What is left without its model is not taken for a run.
            WRITTEN.iter().rev().for_each(|name| drop(fs::remove_file(before.join(name))));
            let folders = [before.join(CHECKPOINTS), before.join(PLOTS), before];
            folders.iter().for_each(|folder| drop(fs::remove_dir(folder)));
        }
    }

    /// The folder of the run that waits, if there is one.
    pub(crate) fn waiting(&self) -> Option<PathBuf> {
        let before = self.join(BEFORE);
        [MODEL, LAST].iter().any(|name| before.join(name).exists()).then_some(before)
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
        let busy =
            || matches!(lock.as_ref().map(File::try_lock), Some(Err(TryLockError::WouldBlock)));
        let mut tries = 1..TRIES;
        while busy() {
            if tries.next().is_none() {
                return Err(Failure::usage("a training is running in that folder")
                    .at(path.display())
                    .next("wait for its end, or train into another folder: --out"));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(RunFolder { path: path.to_owned(), _lock: lock })
    }

    /// Whether a training has the folder.
    pub(crate) fn is_busy(path: &Path) -> bool {
        let lock = File::open(path).map(|folder| folder.try_lock_shared());
        matches!(lock, Ok(Err(TryLockError::WouldBlock)))
    }

    /// Whether the events of the run in a folder end with that.
    pub(crate) fn has_diverged(path: &Path) -> bool {
        let events = fs::read_to_string(path.join(EVENTS)).unwrap_or_default();
        let last: Option<serde_json::Value> =
            events.lines().last().and_then(|line| serde_json::from_str(line).ok());
        last.is_some_and(|event| event["code"] == Code::Diverged as u8)
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

/// The file of the settings of the run in a folder, if there is one: a file of that name may be somebody else's.
pub(crate) fn settings_in(folder: &Path) -> Option<PathBuf> {
    let (path, mut head) = (folder.join(CONFIG), Vec::new());
    let file = File::open(&path).ok()?;
    file.take(HEAD.len() as u64).read_to_end(&mut head).ok()?;
    (head == HEAD.as_bytes()).then_some(path)
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
