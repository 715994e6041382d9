//! Folders of pictures that are too few for a data set.

use crate::own::put_drawings;
use crate::{Done, Room};

/// Packs a folder that must be refused, and nothing made.
fn refused(room: &Room, line: &str) -> Done {
    let done = room.weft(&format!("data pack {line} --out mine --size 16x16"));
    assert_eq!(done.code, Some(3), "{line}: {}", done.err);
    assert!(!room.path("mine").exists(), "nothing is written");
    done
}

fn spoil(room: &Room, picture: &str) {
    std::fs::write(room.path(picture), "no picture").expect("written");
}

#[test]
fn one_picture_a_class_is_too_few_not_in_the_wrong_place() {
    let room = Room::new();
    put_drawings(&room, "d", 1, 16);
    let done = refused(&room, "d");
    for part in ["no picture to test with", "where: d\n", "next:  add pictures", "test/CLASS"] {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    // What it says to do helps, either way.
    put_drawings(&room, "more", 2, 16);
    room.good("data pack more --out more-packed");
    put_drawings(&room, "divided/train", 1, 16);
    put_drawings(&room, "divided/test", 1, 16);
    room.good("data pack divided --out divided-packed");
}

#[test]
fn a_class_with_pictures_to_test_with_alone_needs_more() {
    let room = Room::new();
    put_drawings(&room, "d/train", 2, 16);
    put_drawings(&room, "d/test", 1, 16);
    std::fs::remove_dir_all(room.path("d/train/cross")).expect("removed");
    let done = refused(&room, "d");
    assert!(done.err.contains("no picture of class `cross` to train on"), "{}", done.err);
    assert!(done.err.contains("where: d\n  next:  add pictures"), "{}", done.err);
}

#[test]
fn bad_pictures_are_not_skipped_until_a_class_is_without_any() {
    let room = Room::new();
    put_drawings(&room, "d/train", 2, 16);
    put_drawings(&room, "d/test", 1, 16);
    spoil(&room, "d/train/ring 2/0.png");
    spoil(&room, "d/test/cross/0.png");
    room.good("data pack d --out some-are-left --skip-bad");
    spoil(&room, "d/train/ring 2/1.png");
    let done = refused(&room, "d --skip-bad");
    let told = "no picture of class `ring 2` to train on that can be used; d/train/ring 2/";
    assert!(done.err.contains(told), "{}", done.err);
    assert!(done.err.contains("where: d\n  next:  add pictures"), "{}", done.err);
}

#[test]
fn bad_pictures_are_not_skipped_until_none_is_left_to_test_with() {
    let room = Room::new();
    put_drawings(&room, "d/train", 2, 16);
    put_drawings(&room, "d/test", 1, 16);
    for class in ["cross", "ring 2", "ring 10"] {
        spoil(&room, &format!("d/test/{class}/0.png"));
    }
    let done = refused(&room, "d --skip-bad");
    let told = "no picture to test with that can be used; d/test/";
    assert!(done.err.contains(told) && done.err.contains("where: d\n"), "{}", done.err);
}

#[test]
fn no_file_of_a_name_that_a_set_has_is_replaced() {
    let room = Room::new();
    put_drawings(&room, "d", 4, 16);
    std::fs::create_dir(room.path("mine")).expect("a folder");
    for name in ["classes.txt", "t10k-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz"] {
        std::fs::write(room.path("mine").join(name), "mine").expect("written");
        let done = room.weft("data pack d --out mine");
        assert_eq!(done.code, Some(2), "{name}: {}", done.err);
        assert!(done.err.contains(&format!("where: mine/{name}")), "{}", done.err);
        std::fs::remove_file(room.path("mine").join(name)).expect("as it was");
    }
    room.good("data pack d --out mine");
}

#[test]
fn classes_have_names_that_differ() {
    let room = Room::new();
    for (name, told) in [("   ", "is blank"), ("cross ", "`cross`, is that of another one too")] {
        let _ = std::fs::remove_dir_all(room.path("d"));
        put_drawings(&room, "d", 2, 16);
        std::fs::rename(room.path("d/ring 2"), room.path("d").join(name)).expect("renamed");
        let done = refused(&room, "d");
        assert!(done.err.contains(told), "{}", done.err);
        assert!(done.err.contains(&format!("where: d/{name}\n")), "{}", done.err);
    }
}

#[cfg(unix)]
#[test]
fn what_a_killed_process_left_is_removed_by_the_next_unless_it_still_packs() {
    let room = Room::new();
    put_drawings(&room, "d", 2, 16);
    let left = |name: &str| room.path("mine").join(name);
    std::fs::create_dir_all(left(".weft-AbCd12")).expect("a folder");
    std::fs::write(left(".weft-AbCd12/classes.txt"), "half").expect("written");
    std::fs::write(left(".hidden"), "mine").expect("written");
    // As a process that packs has it.
    let folder = std::fs::File::open(room.path("mine")).expect("a folder");
    folder.lock().expect("a lock");
    room.good("data pack d --out mine");
    assert!(left(".weft-AbCd12").exists(), "it may be at work");
    drop(folder);
    room.good("data pack d --out mine --force");
    assert!(!left(".weft-AbCd12").exists() && left(".hidden").exists());
}
