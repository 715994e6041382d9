use crate::own::put_drawings;
use crate::{Room, done, events};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

const ESCAPE: char = '\x1b';

#[test]
fn nothing_is_coloured_or_redrawn_without_a_terminal() {
    let room = Room::new();
    let done = room.good("train --dataset sample --epochs 2 --out r");
    for text in [&done.out, &done.err] {
        assert!(!text.contains([ESCAPE, '\r']), "{text:?}");
    }
    let lines: Vec<_> = done.err.lines().filter(|l| l.starts_with("Epoch ")).collect();
    assert_eq!(lines.len(), 2, "{}", done.err);
    assert!(lines[1].contains("/step - accuracy: ") && lines[1].contains(" - loss: "), "{lines:?}");
    let wrong = room.weft("eval --model none");
    assert!(!wrong.err.contains(ESCAPE), "{}", wrong.err);
}

#[test]
fn colours_are_there_always_and_never_as_asked() {
    let room = Room::new();
    assert!(room.weft("eval --model none --color always").err.contains(ESCAPE));
    assert!(room.weft("--color=always trian").err.contains(ESCAPE));
    assert!(room.good("--help --color always").out.contains(ESCAPE));
    assert!(!room.weft("eval --model none --color never").err.contains(ESCAPE));
    let mut plain = room.command("eval --model none");
    let plain = done(&plain.env("CLICOLOR_FORCE", "1").output().expect("weft runs"));
    assert!(plain.err.contains(ESCAPE), "{}", plain.err);
    let mut none = room.command("eval --model none");
    let none = done(&none.env("NO_COLOR", "1").output().expect("weft runs"));
    assert!(!none.err.contains(ESCAPE), "{}", none.err);
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_a_failure() {
    let room = Room::new();
    for line in ["--help", "train --help", "--version"] {
        let full = std::fs::File::create("/dev/full").expect("a device");
        let done = done(&room.command(line).stdout(full).output().expect("weft runs"));
        assert_eq!(done.code, Some(5), "weft {line}");
        assert!(done.err.contains("cannot write to standard output"), "{}", done.err);
    }
}

#[test]
fn quiet_prints_nothing_on_standard_error() {
    let room = Room::new();
    let lines = [
        "train --dataset sample --epochs 1 --out r --quiet",
        "eval --model r --dataset sample -q",
        "predict --model r --dataset sample --index 0 -q",
        "-q plot --model r --dataset sample --out p",
    ];
    for line in lines {
        let done = room.good(line);
        assert_eq!(done.err, "", "weft {line}");
        assert_ne!(done.out, "", "weft {line}");
    }
}

#[test]
fn standard_output_is_data_alone() {
    let room = Room::new();
    let trained = room.train("r", "--json");
    assert_eq!(events(&trained.out).len(), 7);
    assert!(trained.err.contains("Epoch 5/5"), "{}", trained.err);
}

#[test]
fn a_closed_pipe_ends_it_without_a_word() {
    let room = Room::new();
    room.train("r", "--quiet");
    let lines = [
        "predict --model r --dataset sample --all --csv",
        "predict --model r --dataset sample --all",
        "eval --model r --dataset sample --json",
        "info",
        "train --help",
        "",
        "train --dataset sample --epochs 1 --no-plots --quiet --out s",
    ];
    for line in lines {
        let mut command = room.command(line);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("weft runs");
        drop(child.stdout.take());
        let done = done(&child.wait_with_output().expect("weft ends"));
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "weft {line}");
    }
    assert!(room.path("s/model.safetensors").exists(), "the run was finished");
}

#[test]
fn a_training_that_nobody_listens_to_ends_and_can_go_on() {
    let room = Room::new();
    let line = "train --dataset sample --epochs 2000 --no-plots --quiet --json --out t";
    let mut child = room.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.as_mut().expect("weft runs");
    // As `| head -1` does.
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    out.read_line(&mut first).expect("a line");
    assert_eq!(events(&first)[0]["event"], "start");
    drop(out);
    let mut err = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("text");
    assert_eq!(child.wait().expect("weft ends").code(), Some(5), "{err}");
    for part in ["cannot write to standard output", "its state is saved", "train --resume t"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    assert!(!room.path("t/model.safetensors").exists());
    let log = room.text("t/events.ndjson");
    let epoch = events(&log).iter().filter(|e| e["event"] == "epoch").count() + 1;
    let resumed = room.good(&format!("train --resume t --epochs {epoch}"));
    assert!(resumed.err.contains(&format!("Resumed  in epoch {epoch}")), "{}", resumed.err);
    assert!(room.path("t/model.safetensors").exists());
}

#[test]
fn a_training_that_cannot_say_that_it_starts_does_not() {
    let room = Room::new();
    let mut command = room.command("train --dataset sample --no-plots --quiet --json --out t");
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("weft runs");
    drop(child.stdout.take());
    let done = done(&child.wait_with_output().expect("weft ends"));
    assert_eq!(done.code, Some(5));
    assert!(done.err.contains("cannot write to standard output"), "{}", done.err);
}

/// Stacks for which there is no room: the system starts no thread.
const NO_THREADS: (&str, &str) = ("RUST_MIN_STACK", "1152921504606846976");

#[test]
fn threads_that_the_system_does_not_start_are_told() {
    let room = Room::new();
    room.train("r", "--epochs 1 --quiet");
    for line in ["eval --model r", "train --dataset sample --out s", "lr-find --dataset sample"] {
        let mut command = room.command(&format!("{line} --threads 2"));
        let done = done(&command.env(NO_THREADS.0, NO_THREADS.1).output().expect("weft runs"));
        assert_eq!(done.code, Some(1), "weft {line}\n{}", done.err);
        assert!(done.err.contains("where: 2 threads cannot be started"), "{}", done.err);
        assert!(done.err.contains("next:  take fewer: --threads"), "{}", done.err);
    }
    assert!(!room.path("s").exists());
    // With one thread none is started, and the last state is written all the same.
    let line = "train --dataset sample --epochs 1 --threads 1 --quiet --out s";
    let mut command = room.command(line);
    let done = done(&command.env(NO_THREADS.0, NO_THREADS.1).output().expect("weft runs"));
    assert_eq!(done.code, Some(0), "{}", done.err);
    room.good("train --resume s --epochs 2 --quiet");
}

#[test]
fn work_that_is_shared_goes_on_with_the_threads_there_are() {
    let room = Room::new();
    put_drawings(&room, "drawings", 6, 20);
    for (name, stack) in [("many", "2097152"), ("one", NO_THREADS.1)] {
        let line = format!("data pack drawings --out {name} --threads 4");
        let done = done(&room.command(&line).env(NO_THREADS.0, stack).output().expect("it runs"));
        assert_eq!(done.code, Some(0), "{}", done.err);
    }
    let images = |name: &str| room.read(&format!("{name}/train-images-idx3-ubyte"));
    assert!(images("many") == images("one"));
}
