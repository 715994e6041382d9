//! Files appear whole or not at all.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes a file by way of a temporary one in the same folder: written, flushed to the disk, then renamed over
/// the old one, whose permissions it takes. If anything fails, the old file is as it was and nothing is left
/// behind.
///
/// # Errors
/// What the system or `write` says.
pub fn write_atomic(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    // Through a link to the file it names: renaming over the link would replace the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".weft-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.tempfile_in(folder)?;
    if let Ok(old) = fs::metadata(&path) {
        file.as_file().set_permissions(old.permissions())?;
    }
    let mut buffered = BufWriter::new(file.as_file_mut());
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|e| e.error)?;
    // The rename itself is on the disk only once the folder is; not every file system can do that.
    if let Ok(folder) = fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
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
    fn a_folder_that_is_not_there_is_an_error() {
        assert!(write_bytes(Path::new("no/such/folder/f"), b"x").is_err());
    }

    #[test]
    #[cfg(unix)]
    fn permissions_and_links_are_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("f"), folder.path().join("link"));
        write_bytes(&path, b"old").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        symlink(&path, &link).expect("a link");
        write_bytes(&link, b"new").expect("written through the link");
        assert_eq!(fs::read(&path).expect("there"), b"new");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    }
}
