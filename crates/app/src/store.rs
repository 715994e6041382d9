//! Files appear whole or not at all.

use std::fs;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

/// What the names of files begin with that are not whole yet.
pub const PART: &str = ".weft-";

/// Links followed before giving up, as Linux does.
const LINKS: usize = 40;

/// The most bytes of a text that is read.
const MOST_TEXT: u64 = 4 << 20;

/// Writes a file by way of a temporary one in the same folder: written, flushed to the disk, then renamed over
/// the old one, whose permissions it takes. If anything fails, the old file is as it was and nothing is left
/// behind. A link is followed and stays. What is no file and no folder (`/dev/stdout`, a pipe) is written to as
/// it comes: replacing it would break it.
///
/// # Errors
/// What the system or `write` says.
pub fn write_atomic(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let old = match fs::metadata(path) {
        Ok(old) if old.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(old) if !old.is_file() => return write_through(path, write),
        old => old.ok(),
    };
    let path = target(path)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = temporary(folder)?;
    if let Some(old) = old {
        file.as_file().set_permissions(old.permissions())?;
    }
    buffered(file.as_file_mut(), write)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|e| e.error)?;
    // The rename itself is on the disk only once the folder is; not every file system can do that.
    if let Ok(folder) = fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// The text of a file that people write, which has an end: settings, names.
///
/// # Errors
/// What the system says; also if it is too long or no UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MOST_TEXT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_TEXT {
        let what = format!("it has more than {} MiB, too much for a text", MOST_TEXT >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(text)
}

/// A new file that goes when it is dropped, made as any new file is, less what the umask takes. The error is the
/// system's alone: as `tempfile` words it, it names a file that nobody asked for.
///
/// # Errors
/// What the system says.
pub fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut code = None;
    let made = tempfile::Builder::new().prefix(PART).make_in(folder, |path| {
        let made = fs::File::create_new(path);
        code = made.as_ref().err().and_then(io::Error::raw_os_error);
        made
    });
    made.map_err(|e| code.map_or(e, io::Error::from_raw_os_error))
}

/// Temporary files and folders in a folder that processes left which were killed in the middle of writing, if none is
/// writing there now.
pub fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let temporary =
        |e: &fs::DirEntry| e.file_name().as_encoded_bytes().starts_with(PART.as_bytes());
    entries.filter(temporary).map(|e| e.path()).collect()
}

fn write_through(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    buffered(&mut fs::File::options().write(true).open(path)?, write)
}

fn buffered(
    file: &mut fs::File,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut pages = Pages { file, bytes: Vec::with_capacity(PAGE) };
    write(&mut pages)?;
    pages.flush()
}

/// Bytes that are written at once: a large page of most processors. What is written in one piece Linux keeps and maps in
/// one piece, and a data set in large pages trains faster (docs/perf-notes.md).
const PAGE: usize = 2 << 20;

/// Writes large pages, and at the end what is left. (`BufWriter` writes less wherever the next bytes would not fit.)
struct Pages<'f> {
    file: &'f mut fs::File,
    bytes: Vec<u8>,
}

impl Write for Pages<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(PAGE - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..fits]);
        if self.bytes.len() == PAGE {
            self.flush()?;
        }
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.bytes)?;
        self.bytes.clear();
        Ok(())
    }
}

/// The file that a path leads to, there or not yet: renaming over a link would replace the link.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(next) = fs::read_link(&path) else { return Ok(path) };
        // A relative link is meant from the folder that it lies in; an absolute one replaces all of the path.
        path.pop();
        path.push(next);
    }
    Err(io::Error::other(format!("{} leads through too many links", path.display())))
}

/// [`write_atomic`] of bytes that are there already.
///
/// # Errors
/// What the system says.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomic(path, |to| to.write_all(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_in_order_however_they_are_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let bytes: Vec<u8> = (0..2 * PAGE + 12_345).map(|i| (i % 251) as u8).collect();
        for piece in [1 << 16, 65_521, PAGE - 1, PAGE, bytes.len()] {
            let path = folder.path().join("f");
            let written =
                write_atomic(&path, |to| bytes.chunks(piece).try_for_each(|b| to.write_all(b)));
            written.expect("written");
            assert!(fs::read(&path).expect("a file") == bytes, "in pieces of {piece}");
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_new_file_holds_what_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        write_bytes(&path, b"one").expect("written");
        write_bytes(&path, b"two").expect("written again");
        assert_eq!(fs::read(&path).expect("there"), b"two");
        assert_eq!(names(folder.path()), ["f"]);
    }

    #[test]
    fn a_writer_that_fails_half_way_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        write_bytes(&path, b"old").expect("written");
        let failed = write_atomic(&path, |to| {
            to.write_all(b"half")?;
            Err(io::Error::other("the disk is on fire"))
        });
        assert_eq!(failed.expect_err("it failed").to_string(), "the disk is on fire");
        assert_eq!(fs::read(&path).expect("there"), b"old");
        assert_eq!(names(folder.path()), ["f"]);
    }

    #[test]
    fn a_folder_that_is_not_there_or_none_is_an_error() {
        let error = write_bytes(Path::new("no/such/folder/f"), b"x").expect_err("no folder");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!error.to_string().contains(PART), "names the temporary file: {error}");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("f");
        write_bytes(&file, b"old").expect("written");
        assert!(write_bytes(&file.join("g"), b"x").is_err(), "a file is no folder");
        let error = write_bytes(folder.path(), b"x").expect_err("a folder is no file");
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        assert_eq!(names(folder.path()), ["f"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_that_takes_no_files_is_an_error() {
        // Nobody may make files there, not even root, for whom permissions do not count.
        assert!(write_bytes(Path::new("/proc/self/weft"), b"x").is_err());
    }

    #[test]
    fn a_writer_that_panics_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        write_bytes(&path, b"old").expect("written");
        let panicked =
            std::panic::catch_unwind(|| write_atomic(&path, |_| panic!("in the middle of it")));
        assert!(panicked.is_err());
        assert_eq!(fs::read(&path).expect("there"), b"old");
        assert_eq!(names(folder.path()), ["f"]);
    }

    #[test]
    #[cfg(unix)]
    fn permissions_and_links_are_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("f"), folder.path().join("link"));
        write_bytes(&path, b"old").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("permissions");
        symlink("f", &link).expect("a link");
        write_bytes(&link, b"new").expect("written through the link");
        assert_eq!(fs::read(&path).expect("there"), b"new");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_a_file_that_is_not_there_yet_makes_that_file() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("below")).expect("a folder");
        symlink("below/second", at("first")).expect("a link");
        symlink("../f", at("below/second")).expect("a link");
        write_bytes(&at("first"), b"new").expect("written through both links");
        assert_eq!(fs::read(at("f")).expect("there"), b"new");
        assert!(fs::symlink_metadata(at("first")).expect("there").is_symlink());
        assert!(fs::symlink_metadata(at("below/second")).expect("there").is_symlink());
        symlink("round", at("round")).expect("a link");
        assert!(write_bytes(&at("round"), b"x").is_err(), "a link to itself leads nowhere");
    }

    #[test]
    #[cfg(unix)]
    fn a_new_file_has_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let (ours, any) = (folder.path().join("ours"), folder.path().join("any"));
        write_bytes(&ours, b"x").expect("written");
        fs::write(&any, b"x").expect("written");
        let mode = |path| fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(mode(ours), mode(any));
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_file_is_not_replaced() {
        use std::os::unix::net::UnixListener;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let _socket = UnixListener::bind(&path).expect("a socket");
        assert!(write_bytes(&path, b"x").is_err(), "a socket cannot be opened");
        assert!(!fs::symlink_metadata(&path).expect("still there").is_file());
        assert_eq!(names(folder.path()), ["socket"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_pipe_is_written_to() {
        use std::io::Read;
        use std::os::fd::AsRawFd;
        let (mut reader, writer) = io::pipe().expect("a pipe");
        // As a shell names it in `weft … >(command)`, and what /dev/stdout leads to.
        let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
        write_bytes(Path::new(&path), b"through").expect("written");
        drop(writer);
        let mut came = String::new();
        reader.read_to_string(&mut came).expect("read");
        assert_eq!(came, "through");
    }
}
