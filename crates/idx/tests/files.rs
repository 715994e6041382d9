//! Real files: read and mapped give the same, and a file cut short is an error for both.

use idx::{Error, IdxFile};
use std::path::Path;

/// Reads and maps a file that nobody else knows of.
fn both(path: &Path) -> [Result<IdxFile, Error>; 2] {
    // SAFETY: the file lies in this test's own folder and is not changed while it is mapped.
    #[expect(unsafe_code, reason = "this is the function under test")]
    let mapped = unsafe { IdxFile::map(path) };
    [IdxFile::read(path), mapped]
}

#[test]
fn read_and_mapped_are_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("f");
    let mut bytes = Vec::new();
    idx::write(&mut bytes, &[3, 2], &[1u8, 2, 3, 4, 5, 6]).expect("a file in memory");
    std::fs::write(&path, &bytes).expect("a file");
    for file in both(&path) {
        let file = file.expect("a good file");
        assert_eq!(file.payload(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(file.view().as_u8(), Some(file.payload()));
        assert_eq!(file.path(), path);
    }
    for end in 0..bytes.len() {
        std::fs::write(&path, &bytes[..end]).expect("a shorter file");
        for file in both(&path) {
            assert!(matches!(file, Err(Error::Format { .. })), "{end} bytes");
        }
    }
}

#[test]
fn a_folder_is_not_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in both(folder.path()) {
        assert!(matches!(file, Err(Error::Io { .. })));
    }
}

/// A file system may refuse to map, or say that a file has no bytes when it has.
#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_mapped_is_read() {
    for file in both(Path::new("/proc/version")) {
        let error = file.expect_err("not IDX").to_string();
        assert!(error.contains("4c 69 6e 75"), "`Linu` was read: {error}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(made.success());
    let to = path.clone();
    let writer = std::thread::spawn(move || {
        let pipe = std::fs::OpenOptions::new().write(true).open(to).expect("a reader");
        idx::write(pipe, &[3], &[1.5f32, -2.0, 0.25]).expect("an open pipe");
    });
    // SAFETY: a pipe cannot be mapped, so there is no map to change.
    #[expect(unsafe_code, reason = "this is the function under test")]
    let file = unsafe { IdxFile::map(&path) }.expect("a good file");
    writer.join().expect("the writer");
    assert_eq!(file.view().values().collect::<Vec<_>>(), [1.5, -2.0, 0.25]);
}

#[test]
#[cfg(unix)]
fn a_file_that_is_replaced_stays_as_it_was_mapped() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, next) = (folder.path().join("f"), folder.path().join("next"));
    let write = |path: &Path, element: u8| {
        let file = std::fs::File::create(path).expect("a file");
        idx::write(file, &[2], &[element; 2]).expect("room on the disk");
    };
    write(&path, 1);
    // SAFETY: the mapped file is renamed over, not changed.
    #[expect(unsafe_code, reason = "this is the function under test")]
    let file = unsafe { IdxFile::map(&path) }.expect("a good file");
    assert!(format!("{file:?}").contains("10 bytes mapped"), "{file:?}");
    write(&next, 2);
    std::fs::rename(&next, &path).expect("replacing");
    assert_eq!(file.payload(), [1, 1]);
    assert_eq!(IdxFile::read(&path).expect("a good file").payload(), [2, 2]);
}

/// What the contract of `map` warns of: a file cut short under its map ends the process, and nothing else
/// does; tried in a process of its own.
#[test]
#[cfg(target_os = "linux")]
fn a_file_cut_under_its_map_is_sigbus_and_not_garbage() {
    use std::os::unix::process::ExitStatusExt;
    if let Ok(path) = std::env::var("IDX_TEST_CUT") {
        // SAFETY: the contract is broken on purpose: this process is made to die of it.
        #[expect(unsafe_code, reason = "this is the function under test")]
        let file = unsafe { IdxFile::map(&path) }.expect("a good file");
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|f| f.set_len(0))
            .expect("cutting");
        std::process::exit(i32::from(file.payload()[5000]));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("f");
    let mut bytes = Vec::new();
    idx::write(&mut bytes, &[100_000], &vec![1u8; 100_000]).expect("a file in memory");
    std::fs::write(&path, &bytes).expect("a file");
    let test = "a_file_cut_under_its_map_is_sigbus_and_not_garbage";
    let status = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test])
        .env("IDX_TEST_CUT", &path)
        .output()
        .expect("this program again")
        .status;
    assert_eq!(status.signal(), Some(7), "{status}");
}
