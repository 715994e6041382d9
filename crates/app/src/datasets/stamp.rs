//! What is known about files without reading them again.
//!
//! A data set is 55 MB, and hashing it takes a noticeable part of a job of half a second. So a hash that was
//! computed is written down with the state of the file: size, time of change and, on Unix, the inode and the
//! time of its last change of any kind, which no program can set back. While the state is the same the hash
//! stands; else the file is hashed again. A stamp that is missing, stale or unreadable costs time, never
//! correctness, so failing to write one is no error.
//!
//! The stamp of a folder that weft filled lies in it; those of other folders lie in weft's cache, under a name
//! made from the folder's path. Nothing is written into a folder that is only read.

use super::manifest::{sha256, sha256_of};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The stamp in a folder that weft filled.
pub(crate) const BESIDE: &str = ".verified";

/// A file that changed this recently may change again within one tick of the file system's clock, and its state
/// would not show that.
const SETTLED: Duration = Duration::from_secs(2);

/// Hashes of files, each with the state of the file that it belongs to.
#[derive(Debug, Default)]
pub(crate) struct Stamp {
    /// Where it is written down, if anywhere.
    path: Option<PathBuf>,
    /// Whether weft put the files there: they are only ever replaced by renaming, so any state can be trusted.
    ours: bool,
    lines: BTreeMap<String, (String, String)>,
    changed: bool,
}

impl Stamp {
    /// The stamp of a folder of the user's or the system's, kept in the cache; or the one that lies in it,
    /// because weft filled it.
    pub(crate) fn of(folder: &Path, cache: Option<&Path>) -> Stamp {
        let beside = folder.join(BESIDE);
        if beside.is_file() || cache.is_some_and(|cache| folder.starts_with(cache)) {
            return Stamp::beside(folder);
        }
        Stamp::read(cache.map(|cache| cache.join("stamps").join(key(folder))), false)
    }

    /// The stamp of a folder that weft fills.
    pub(crate) fn beside(folder: &Path) -> Stamp {
        Stamp::read(Some(folder.join(BESIDE)), true)
    }

    /// A stamp from a file, empty if there is none; `ours` as in the struct.
    pub(crate) fn read(path: Option<PathBuf>, ours: bool) -> Stamp {
        let text = path.as_ref().and_then(|p| fs::read_to_string(p).ok()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| {
            let [name, sha256, state] = *line.split('\t').collect::<Vec<_>>() else { return None };
            Some((name.to_owned(), (state.to_owned(), sha256.to_owned())))
        });
        Stamp { path, ours, lines: lines.collect(), changed: false }
    }

    /// The hash of a file that has not changed since it was learned.
    pub(crate) fn known(&self, path: &Path) -> Option<&str> {
        let (state, sha256) = self.lines.get(name(path)?)?;
        (*state == describe(&fs::metadata(path).ok()?)?).then_some(sha256)
    }

    /// The hash of a file: known, or computed and learned.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn hash(&mut self, path: &Path) -> io::Result<String> {
        if let Some(known) = self.known(path) {
            return Ok(known.to_owned());
        }
        let before = fs::metadata(path)?;
        let sha256 = sha256_of(path)?;
        self.note(path, &before, &sha256);
        Ok(sha256)
    }

    /// Takes note of the hash of a file that has just been put in place.
    pub(crate) fn learn(&mut self, path: &Path, sha256: &str) {
        if let Ok(meta) = fs::metadata(path) {
            self.note(path, &meta, sha256);
        }
    }

    /// Takes note of the hash that belongs to a state.
    pub(crate) fn note(&mut self, path: &Path, meta: &Metadata, sha256: &str) {
        let (Some(name), Some(state)) = (name(path), describe(meta)) else { return };
        if self.ours || settled(meta) {
            self.lines.insert(name.to_owned(), (state, sha256.to_owned()));
            self.changed = true;
        }
    }

    /// Writes down what is new.
    pub(crate) fn save(&self) {
        let Some(path) = self.path.as_ref().filter(|_| self.changed) else { return };
        let mut text = String::new();
        for (name, (state, sha256)) in &self.lines {
            let _ = writeln!(text, "{name}\t{sha256}\t{state}");
        }
        if let Some(folder) = path.parent() {
            let _ = fs::create_dir_all(folder);
        }
        let _ = crate::store::write_bytes(path, text.as_bytes());
    }
}

/// A name for a folder, the same for every way to write its path.
pub(crate) fn key(folder: &Path) -> String {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let mut hash = sha256(whole.as_os_str().as_encoded_bytes()).unwrap_or_default();
    hash.truncate(32);
    hash
}

/// A name for some files, the same for every way to write their paths.
pub(crate) fn key_of(files: &[PathBuf]) -> String {
    let keys: Vec<String> = files.iter().map(|file| key(file)).collect();
    let mut hash = sha256(keys.concat().as_bytes()).unwrap_or_default();
    hash.truncate(32);
    hash
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn since_epoch(time: SystemTime) -> Option<Duration> {
    time.duration_since(UNIX_EPOCH).ok()
}

/// The state of a file, in words that differ if it does.
fn describe(meta: &Metadata) -> Option<String> {
    let modified = since_epoch(meta.modified().ok()?)?.as_nanos();
    Some(format!("{} {modified}{}", meta.len(), system_state(meta)))
}

#[cfg(unix)]
fn system_state(meta: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt as _;
    format!(" {}.{:09} {}", meta.ctime(), meta.ctime_nsec(), meta.ino())
}

#[cfg(not(unix))]
fn system_state(_: &Metadata) -> String {
    String::new()
}

/// The last change of a file, contents or other.
fn changed(meta: &Metadata) -> Option<Duration> {
    let modified = since_epoch(meta.modified().ok()?)?;
    #[cfg(unix)]
    let modified = {
        use std::os::unix::fs::MetadataExt as _;
        modified.max(Duration::from_secs(u64::try_from(meta.ctime()).ok()?))
    };
    Some(modified)
}

fn settled(meta: &Metadata) -> bool {
    let (now, changed) = (since_epoch(SystemTime::now()), changed(meta));
    now.zip(changed).is_some_and(|(now, changed)| now.saturating_sub(changed) > SETTLED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, FileTimes};

    /// Sets the time of change, as `cp -p` and `touch -r` do.
    fn touch(path: &Path, time: SystemTime) {
        let file = File::options().append(true).open(path).expect("a file");
        file.set_times(FileTimes::new().set_modified(time)).expect("a time");
    }

    #[test]
    fn a_stamp_stands_until_the_file_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("f");
        fs::write(&file, "one").expect("written");
        let mut stamp = Stamp::beside(folder.path());
        let one = stamp.hash(&file).expect("hashed");
        stamp.save();
        assert_eq!(one, sha256(&b"one"[..]).expect("hashed"));
        assert_eq!(Stamp::beside(folder.path()).known(&file), Some(&*one), "read back");

        fs::write(&file, "three").expect("written");
        assert_eq!(Stamp::beside(folder.path()).known(&file), None, "another size");
        fs::remove_file(&file).expect("removed");
        assert_eq!(Stamp::beside(folder.path()).known(&file), None, "no file");
    }

    #[test]
    #[cfg(unix)]
    fn neither_size_nor_time_can_hide_a_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("f");
        fs::write(&file, "one").expect("written");
        let time = fs::metadata(&file).and_then(|m| m.modified()).expect("a time");
        let mut stamp = Stamp::beside(folder.path());
        stamp.hash(&file).expect("hashed");
        // The clock that the file system reads ticks every few milliseconds.
        std::thread::sleep(Duration::from_millis(20));
        fs::write(&file, "two").expect("written");
        touch(&file, time);
        let now = fs::metadata(&file).expect("a file");
        assert_eq!((now.len(), now.modified().expect("a time")), (3, time), "looks the same");
        assert_eq!(stamp.known(&file), None);
        assert_eq!(stamp.hash(&file).expect("hashed"), sha256(&b"two"[..]).expect("hashed"));
    }

    #[test]
    fn a_damaged_stamp_is_no_stamp() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("f");
        fs::write(&file, "one").expect("written");
        for text in [&b"f"[..], b"f\tabc\n", b"f\tabc\t3 0\n", b"\xff\xfe", b"f\t\t\t\t"] {
            fs::write(folder.path().join(BESIDE), text).expect("written");
            assert_eq!(Stamp::beside(folder.path()).known(&file), None);
        }
    }

    #[test]
    fn folders_of_others_have_their_stamps_in_the_cache() {
        let (folder, cache) = (tempfile::tempdir(), tempfile::tempdir());
        let (folder, cache) = (folder.expect("a folder"), cache.expect("a folder"));
        let file = folder.path().join("f");
        fs::write(&file, "one").expect("written");
        let mut fresh = Stamp::of(folder.path(), Some(cache.path()));
        fresh.hash(&file).expect("hashed");
        assert_eq!(fresh.known(&file), None, "it may change within the tick");

        let meta = fs::metadata(&file).expect("a file");
        assert!(!settled(&meta));
        let long_ago = Stamp { ours: true, ..Stamp::of(folder.path(), Some(cache.path())) };
        let mut long_ago = long_ago;
        long_ago.learn(&file, "abc");
        long_ago.save();
        assert_eq!(Stamp::of(folder.path(), Some(cache.path())).known(&file), Some("abc"));
        let names = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(names, 1, "nothing was written beside the file");
    }
}
