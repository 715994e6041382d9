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
