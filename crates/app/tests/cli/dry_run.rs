use crate::{Room, events, files};
use std::fs;

#[test]
fn a_dry_run_prints_a_config_file_and_makes_nothing() {
    let room = Room::new();
    let line = "train --dataset sample --hidden 20,12 --batch-size 50 --no-plots";
    let told = room.good(&format!("{line} --dry-run")).out;
    assert_eq!(files(&room.path(".")), [""; 0]);
    for part in ["hidden = [20, 12]", "batch_size = 50", "# --batch-size", "# max_steps = N"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    fs::write(room.path("dry.toml"), &told).expect("a file");
    room.good("train --config dry.toml --quiet --out a");
    room.good(&format!("{line} --quiet --out b"));
    assert!(room.read("a/model.safetensors") == room.read("b/model.safetensors"));
}

#[test]
fn a_dry_run_tells_the_size_of_the_work() {
    let room = Room::new();
    let told = room.good("train --dataset sample --dry-run").out;
    let row = |name: &str| -> Vec<&str> {
        let line = told.lines().find(|l| l.contains(name)).unwrap_or_else(|| panic!("{told}"));
        line.split_whitespace().rev().take(4).collect()
    };
    // FLOPs a step, bytes, parameters, outputs.
    assert_eq!(row("dense, relu"), ["12,845,056", "401,920", "100,480", "128"]);
    assert_eq!(row("dense, softmax"), ["245,760", "5,160", "1,290", "10"]);
    assert_eq!(row("total")[..3], ["13,090,816", "407,080", "101,770"]);
    assert!(told.contains("160 steps of 32 images: 32 an epoch"), "{told}");
    let told = room.good("train --dataset sample --dry-run --val-split 0.5").out;
    assert!(told.contains("80 steps of 32 images: 16 an epoch"), "{told}");
    let told =
        room.good("train --dataset sample --dry-run --batch-size 4294967295 --hidden 28000,28000");
    assert!(told.out.contains("5 steps of 1,000 images: 1 an epoch"), "{}", told.out);
    let told = events(&room.good("train --dataset sample --dry-run --json").out).remove(0);
    assert_eq!((&told["event"], &told["parameters"]), (&"dry-run".into(), &101_770.into()));
    assert_eq!(told["flops_per_step"], 13_090_816);
    assert_eq!(told["settings"]["training"]["epochs"], 5);
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn a_dry_run_fetches_nothing() {
    let room = Room::new();
    let places = room.good("info").out;
    if places.contains("found") {
        println!("a data set is installed on this machine; nothing to be tried");
        return;
    }
    let done = room.good("train --dry-run");
    assert!(done.err.contains("`weft fetch --dataset fashion-mnist` gets it"), "{}", done.err);
    assert!(done.out.contains("60,000 training images of 28 x 28"), "{}", done.out);
}

#[test]
fn a_network_that_cannot_be_is_refused_before_it_is_tried() {
    let room = Room::new();
    let done = room.weft("train --dataset sample --dry-run --hidden 1048576,1048576");
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("change --hidden"), "{}", done.err);
}
