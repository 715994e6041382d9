//! Runs that are replaced, whatever happens meanwhile.

use crate::{Done, Room, done};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

/// Ends with a model where one waits: the loss is no number.
const DIVERGES: &str = "train --dataset sample --quiet --out r --lr 1e29 --force";

/// All files below a folder.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            all.extend(tree(&entry.path()).into_iter().map(|(n, f)| (format!("{name}/{n}"), f)));
        } else {
            all.insert(name, fs::read(entry.path()).expect("a file"));
        }
    }
    all
}

/// A room with a run that has a state, a best model and pictures.
fn with_run() -> Room {
    let room = Room::new();
    let options = "--epochs 2 --checkpoint-every 20 --val-split 0.2 --quiet";
    room.good(&format!("train --dataset sample --out r {options}"));
    room
}

#[test]
fn a_run_is_untouched_by_one_that_could_not_even_say_that_it_begins() {
    let room = with_run();
    let before = tree(&room.path("r"));
    for line in ["train --dataset sample --out r --force", "train --resume r --epochs 3"] {
        let full = File::create("/dev/full").expect("a device");
        let mut command = room.command(&format!("{line} --json --quiet"));
        let done = done(&command.stdout(full).output().expect("weft runs"));
        assert_eq!(done.code, Some(5), "{line}: {}", done.err);
        assert!(tree(&room.path("r")) == before, "{line}");
    }
}
