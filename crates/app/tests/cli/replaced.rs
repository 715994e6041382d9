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

#[cfg(target_os = "linux")]
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

#[test]
fn putting_a_run_aside_goes_on_where_it_was_cut_short() {
    let room = with_run();
    let before = tree(&room.path("r"));
    let waits = |room: &Room| tree(&room.path("r/replaced-run")) == before;
    // Nothing can be written in the place of a folder, not even by root.
    let in_the_way = "r/replaced-run/history.csv";
    fs::create_dir_all(room.path(in_the_way).join("folder")).expect("a folder");
    let done = room.weft(DIVERGES);
    assert_eq!(done.code, Some(5), "{}", done.err);
    fs::remove_dir_all(room.path(in_the_way)).expect("removed");
    let done = room.weft(DIVERGES);
    assert_eq!(done.code, Some(4), "{}", done.err);
    assert!(waits(&room), "{:?}", tree(&room.path("r/replaced-run")).keys());
    // It waits as long as there is no other.
    room.weft(DIVERGES);
    assert!(waits(&room));
    room.good("train --dataset sample --quiet --out r --epochs 1 --no-plots --force");
    assert!(!room.path("r/replaced-run").exists());
}

#[test]
fn nothing_of_two_runs_waits_together() {
    let room = with_run();
    room.weft(DIVERGES);
    assert!(room.path("r/replaced-run/checkpoints/last.safetensors").exists());
    room.train("r", "--epochs 1 --quiet --seed 2 --force");
    let before = tree(&room.path("r"));
    room.weft(DIVERGES);
    assert!(tree(&room.path("r/replaced-run")) == before);
}

#[test]
fn a_look_at_runs_keeps_no_training_from_beginning() {
    let room = Room::new();
    fs::create_dir(room.path("r")).expect("a folder");
    let line = "train --dataset sample --quiet --out r --epochs 1 --no-plots --hidden 8";
    let folder = File::open(room.path("r")).expect("a folder");
    // As `weft runs` does, if not for so long.
    let look = std::thread::spawn(move || {
        for _ in 0..100 {
            folder.lock_shared().expect("a lock");
            std::thread::sleep(Duration::from_millis(10));
            folder.unlock().expect("unlocked");
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let all: Vec<Done> = (0..8).map(|_| room.weft(&format!("{line} --force"))).collect();
    look.join().expect("it looked");
    for done in all {
        assert_eq!(done.code, Some(0), "{}", done.err);
    }
}

#[test]
fn what_a_killed_training_was_about_to_write_goes_when_it_is_resumed() {
    let room = with_run();
    let left = ["r/.weft-AbCd12", "r/checkpoints/.weft-AbCd12", "r/plots/.weft-AbCd12"];
    for name in left {
        fs::write(room.path(name), "half").expect("written");
    }
    room.good("train --resume r --epochs 3 --quiet");
    for name in left {
        assert!(!room.path(name).exists(), "{name}");
    }
}
