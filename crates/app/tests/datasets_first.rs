//! Files whose hashes nobody has published: the first fetch is trusted, and holds.

use app::datasets::Error;
use app::datasets::Layout;
use app::datasets::fetch::{Sources, fetch};
use app::datasets::manifest::{Entry, sha256, sha256_of};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder that has `file.gz`, and one that it goes to.
struct Room {
    source: TempDir,
    folder: TempDir,
    sources: Sources,
}

impl Room {
    fn new(layout: Layout) -> Room {
        let [source, folder] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let name = "file".to_owned();
        let files = vec![Entry { name, bytes: labels(&[1, 2]).len() as u64, ..Entry::default() }];
        let installed = Some(source.path().to_owned());
        let classes = ["a", "b"].map(str::to_owned).to_vec();
        let sources = Sources { files, layout, installed, classes, ..Sources::default() };
        Room { source, folder, sources }
    }

    /// Puts a file at the source.
    fn put(&self, bytes: &[u8]) {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(bytes).expect("compressed in memory");
        let gz = gz.finish().expect("compressed in memory");
        fs::write(self.source.path().join("file.gz"), gz).expect("written");
    }

    fn fetch(&self) -> Result<(), Error> {
        fetch(&self.sources, self.folder.path(), &mut |_| {})
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).expect("a file")
    }
}

fn labels(labels: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    idx::write(&mut file, &[labels.len()], labels).expect("written in memory");
    file
}

fn hash(path: &Path) -> String {
    sha256_of(path).expect("a hash")
}

#[test]
fn the_first_fetch_is_written_down_and_holds() {
    let room = Room::new(Layout::default());
    room.put(&labels(&[1, 2]));
    room.fetch().expect("the first");
    let first = hash(&room.file());
    assert_eq!(room.text("SHA256SUMS"), format!("{first}  file\n"));
    assert_eq!(room.text("classes.txt"), "a\nb\n", "the hashes do not tell what it is");

    // The source has changed, and what is here is whole: nobody asks.
    room.put(&labels(&[2, 2]));
    room.fetch().expect("in place");
    assert_eq!(hash(&room.file()), first);

    // What is here is damaged, and the source has another file.
    fs::write(room.file(), labels(&[0, 0])).expect("written");
    let error = room.fetch().expect_err("another file").to_string();
    assert!(error.contains("SHA256SUMS") && error.contains(&first), "{error}");
    room.put(&labels(&[1, 2]));
    room.fetch().expect("the first file again");
    assert_eq!(hash(&room.file()), first);
}

#[test]
fn what_is_put_right_on_the_way_is_checked_as_it_is_kept() {
    let room = Room::new(Layout { labels_from_1: true, ..Layout::default() });
    room.put(&labels(&[1, 2]));
    room.fetch().expect("fetched");
    let kept = labels(&[0, 1]);
    assert_eq!(fs::read(room.file()).expect("a file"), kept);
    assert!(room.text("SHA256SUMS").starts_with(&sha256(&kept[..]).expect("a hash")));
    room.fetch().expect("in place");
    fs::remove_file(room.file()).expect("removed");
    room.fetch().expect("fetched again");
    fs::remove_file(room.file()).expect("removed");
    room.put(&labels(&[0, 1]));
    let error = room.fetch().expect_err("a label below the first").to_string();
    assert!(error.contains("count from 1"), "{error}");
    assert!(!room.file().exists());
}

#[test]
fn the_size_must_be_right_even_so() {
    let room = Room::new(Layout::default());
    for wrong in [&labels(&[1])[..], &labels(&[1, 2, 3]), b"\0\0"] {
        room.put(wrong);
        room.fetch().expect_err("another size");
        assert!(!room.file().exists());
    }
}
