use crate::{Done, Room, events};
use std::fs;

/// Runs a command line that must end with this code, say something in three parts, and never panic.
fn fails(room: &Room, code: i32, line: &str) -> Done {
    let done = room.weft(line);
    assert_eq!(done.code, Some(code), "weft {line}\n{}{}", done.out, done.err);
    assert!(done.err.starts_with("error: ") || done.err.contains("\nerror: "), "{}", done.err);
    assert!(done.err.contains("\n  where: "), "{}", done.err);
    assert!(done.err.contains("\n  next:  "), "{}", done.err);
    done
}

#[test]
fn options_that_are_wrong_are_code_2() {
    let room = Room::new();
    let lines = [
        "train --epochs 0",
        "train --lr nan",
        "train --lr -1",
        "train --hidden 12,,3",
        "train --threads 0",
        "train --precision f16",
        "train --force",
        "train --dataset mnits",
        "train --nonsense",
        "predict --model m",
        "predict --model m --all --index 1",
        "predict --model m --all --json --csv",
        "trian",
    ];
    for line in lines {
        let done = room.weft(line);
        assert_eq!(done.code, Some(2), "weft {line}\n{}", done.err);
        assert!(done.err.starts_with("error: "), "{}", done.err);
    }
    fails(&room, 2, "train --dataset sample --isa quantum");
    fails(&room, 2, "train --dataset sample --data somewhere");
    let mut command = room.command("info");
    let done = crate::done(&command.env("WEFT_ISA", "quantum").output().expect("weft runs"));
    assert_eq!(done.code, Some(2));
    assert!(done.err.contains("$WEFT_ISA"), "{}", done.err);
}

#[test]
fn a_model_that_is_named_without_its_flag_is_told_the_flag() {
    let room = Room::new();
    const TIP: &str = "tip: a model or a run is named with --model: say --model runs/first\n";
    for line in [
        "eval runs/first",
        "--color never eval --json runs/first",
        "predict runs/first --index 0",
        "plot runs/first --out p",
        "export runs/first --onnx m.onnx",
        "info runs/first",
    ] {
        let done = room.weft(line);
        assert_eq!(done.code, Some(2), "weft {line}\n{}", done.err);
        assert!(done.err.contains(TIP), "weft {line}\n{}", done.err);
    }
    for line in ["train runs/first", "eval --nonsense", "eval --model a runs/first", "eval eval"] {
        let done = room.weft(line);
        assert_eq!(done.code, Some(2), "weft {line}\n{}", done.err);
        assert_eq!(done.err.contains("say --model"), line == "eval eval", "{}", done.err);
    }
}

#[test]
fn numbers_that_cannot_be_say_which_can() {
    let room = Room::new();
    let whole = "a whole number ";
    let lines = [
        ("train --epochs -3", "a whole number from 1 to 4294967295 is needed"),
        ("train --epochs 1e3", whole),
        ("train --seed -1", "a whole number of 0 or more is needed"),
        ("train --seed 1.5", whole),
        ("train --seed 18446744073709551616", "from 0 to 18446744073709551615 is needed"),
        ("train --hidden -1", "whole numbers in 1..=1048576 are needed"),
        ("train --lr -1", "a number above 0 is needed"),
        ("train --dropout -0.5", "a share is needed"),
        ("train --set seed=-1", whole),
        ("lr-find --steps 5", "from 10 to 1000000"),
        ("predict --model m -i -1", whole),
        ("predict --model m --index 0 -1", whole),
        ("plot --model m --out p -i -1", whole),
        ("eval --model m --threads -1", "from 1 to 1024"),
        ("show -1", "a number such as 7"),
        ("data pack d --out p --seed -1", whole),
    ];
    for (line, told) in lines {
        let done = room.weft(line);
        assert_eq!(done.code, Some(2), "weft {line}\n{}", done.err);
        assert!(done.err.contains(told), "weft {line}\n{}", done.err);
    }
}

#[test]
fn a_setting_that_cannot_be_is_code_2_before_anything_is_done() {
    let room = Room::new();
    for (flags, what) in [
        ("--lr 1e30", "too large for adam\n  where: --lr: a learning rate of 1e30"),
        ("--lr 1e30 --optimizer adamw", "too large for adamw\n  where: --lr"),
        ("--lr 1e39", "a learning rate of 1e39"),
        ("--precision bf16 --optimizer sgd", "bf16 goes with adam, not with sgd"),
    ] {
        for command in ["train --out r", "train --dry-run", "lr-find"] {
            let done = fails(&room, 2, &format!("{command} --data no/such/folder {flags}"));
            assert!(done.err.contains(what), "{}", done.err);
            assert!(!done.err.contains("epsilon"), "no flag sets it: {}", done.err);
        }
    }
    let done = fails(&room, 2, "lr-find --data no/such/folder --from 1e30 --to 1e31");
    assert!(done.err.contains("where: --from: a learning rate of 1e30"), "{}", done.err);
    assert!(!room.path("r").exists());
}

#[test]
fn an_image_that_is_not_there_is_code_2() {
    let room = Room::new();
    room.train("r", "--epochs 1 --quiet");
    let done = fails(&room, 2, "predict --model r --dataset sample --index 200");
    assert!(done.err.contains("0 to 199"), "{}", done.err);
    fails(&room, 2, "plot --model r --dataset sample --out p --index 200");
    assert!(!room.path("p").exists());
}

#[test]
fn data_that_is_missing_or_bad_is_code_3() {
    let room = Room::new();
    let done = fails(&room, 3, "train --data no/such/folder --out r");
    assert!(done.err.contains("no/such/folder"), "{}", done.err);
    assert!(!room.path("r").exists(), "nothing was begun");

    room.put_sample("d");
    room.good("train --data d --epochs 1 --no-plots --quiet --out good");
    room.good("train --data d --no-mmap --epochs 1 --no-plots --quiet --out read");
    assert!(room.read("good/model.safetensors") == room.read("read/model.safetensors"));
    fs::write(room.path("d/t10k-images-idx3-ubyte"), "<!DOCTYPE html>").expect("a file");
    let done = fails(&room, 3, "train --data d --out r");
    assert!(done.err.contains("t10k-images-idx3-ubyte"), "{}", done.err);
}

#[test]
fn a_picture_that_is_none_is_code_3() {
    let room = Room::new();
    room.train("r", "--epochs 1 --quiet");
    fs::write(room.path("text.png"), "no picture").expect("a file");
    let done = fails(&room, 3, "predict --model r --image text.png");
    assert!(done.err.contains("text.png"), "{}", done.err);
    fails(&room, 3, "predict --model r --image none.png");
    fails(&room, 5, "predict --model r --image text.png/none.png");
}

#[test]
fn divergence_is_code_4_and_leaves_no_model() {
    let room = Room::new();
    let line = "train --dataset sample --lr 1e29 --out r --json";
    let done = fails(&room, 4, line);
    assert!(done.err.contains("--lr"), "{}", done.err);
    let all = events(&done.out);
    let last = all.last().expect("an event");
    assert_eq!((&last["event"], &last["code"]), (&"error".into(), &4.into()));
    assert!(last["where"].as_str().is_some_and(|w| w.contains("step")), "{last}");
    assert_eq!(done.out, room.text("r/events.ndjson"));
    assert!(!room.path("r/model.safetensors").exists());
    // The last step's damage shows only after it.
    fails(&room, 4, "train --dataset sample --lr 1e29 --out s --max-steps 1");
}

#[test]
fn files_that_cannot_be_used_are_code_5() {
    let room = Room::new();
    fails(&room, 5, "eval --model none.safetensors --dataset sample");
    fs::write(room.path("file"), "").expect("a file");
    // Not even root can make a folder below a file.
    let done = fails(&room, 5, "train --dataset sample --out file/run");
    assert!(done.err.contains("file/run"), "{}", done.err);
    room.train("r", "--epochs 1 --quiet");
    fails(&room, 5, "plot --model r --dataset sample --out file/plots");
}

#[test]
fn a_model_file_that_is_none_is_code_6() {
    let room = Room::new();
    fs::write(room.path("text"), "this is no model\n".repeat(50)).expect("a file");
    let commands = ["eval", "predict --index 0", "plot --out p"];
    for command in commands {
        fails(&room, 6, &format!("{command} --dataset sample --model text"));
    }
    fails(&room, 6, "info --model text");
    room.train("r", "--epochs 1 --quiet");
    let mut short = room.read("r/model.safetensors");
    short.truncate(short.len() / 2);
    fs::write(room.path("short"), short).expect("a file");
    fails(&room, 6, "eval --dataset sample --model short");
}

#[test]
#[cfg(target_os = "linux")]
fn files_without_an_end_are_refused() {
    let room = Room::new();
    for line in [
        "eval --dataset sample --model /dev/zero",
        "train --dataset sample --config /dev/zero",
        "data --dataset sample --classes /dev/zero",
    ] {
        let done = fails(&room, 5, line);
        assert!(done.err.contains("/dev/zero: it "), "{}", done.err);
    }
    // A file that is a hole, and reads as a header of more bytes than there are.
    let hole = fs::File::create(room.path("hole")).expect("a file");
    std::io::Write::write_all(&mut &hole, &[255; 8]).expect("written");
    hole.set_len(1 << 40).expect("a hole");
    let done = fails(&room, 5, "eval --dataset sample --model hole");
    assert!(done.err.contains("hole: it is no safetensors file"), "{}", done.err);
}

#[test]
fn a_failure_is_an_event_where_events_are_asked_for() {
    let room = Room::new();
    let lines = ["eval --model none --json", "train --json --epochs none", "train --json --isa x"];
    for (line, code) in lines.into_iter().zip([5, 2, 2]) {
        let done = room.weft(line);
        assert_eq!(done.code, Some(code), "{}", done.err);
        let all = events(&done.out);
        assert_eq!(
            (all.len(), &all[0]["event"], &all[0]["code"]),
            (1, &"error".into(), &code.into())
        );
        assert!(all[0]["what"].is_string() && all[0]["next"].is_string(), "{}", done.out);
    }
    for (line, next) in
        [("eval r --json", "say --model r"), ("train --json --epoch 3", "'--epochs'")]
    {
        let next_of_event = events(&room.weft(line).out)[0]["next"].to_string();
        assert!(next_of_event.contains(next), "{line}: {next_of_event}");
    }
}
