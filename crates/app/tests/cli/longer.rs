//! Runs that are over, or are not, and are to go on with other settings.

use crate::Room;
use std::fs;

const OPTIONS: &str = "--dataset sample --no-plots --hidden 30 --quiet";

impl Room {
    fn is_refused(&self, line: &str, parts: &[&str]) {
        let done = self.weft(line);
        assert_eq!(done.code, Some(2), "{line}: {}", done.err);
        for part in parts {
            assert!(done.err.contains(part), "{line}: {part}: {}", done.err);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_in_which_nothing_began_stays_free() {
    let room = Room::new();
    let line = format!("train {OPTIONS} --epochs 1 --out r");
    let full = fs::File::create("/dev/full").expect("a device");
    let done = room.command(&format!("{line} --json")).stdout(full).status().expect("weft runs");
    assert_eq!(done.code(), Some(5));
    room.good(&line);
    // An older version left the events alone.
    fs::create_dir(room.path("old")).expect("a folder");
    fs::write(room.path("old/events.ndjson"), "{}\n").expect("written");
    let done = room.weft(&format!("train {OPTIONS} --out old"));
    assert_eq!(done.code, Some(2));
    assert!(done.err.contains("--force") && !done.err.contains("--resume"), "{}", done.err);
}

#[test]
fn a_run_that_diverged_says_so() {
    let room = Room::new();
    room.good(&format!("train {OPTIONS} --epochs 1 --out r"));
    let line =
        "train --dataset sample --no-plots --quiet --batch-size 1000 --lr 1e17 --epochs 9 --out r";
    assert_eq!(room.weft(&format!("{line} --force")).code, Some(4));
    let again = room.weft(line);
    assert_eq!(again.code, Some(2));
    for part in ["a run in that folder that diverged", "a smaller --lr"] {
        assert!(again.err.contains(part), "{}", again.err);
    }
    assert!(!again.err.contains("--resume"), "{}", again.err);
    let eval = room.weft("eval --model r");
    for part in
        ["its training diverged", "last-good.safetensors", "the run before is in r/replaced-run"]
    {
        assert!(eval.err.contains(part), "{part}: {}", eval.err);
    }
}
