//! Files of other programs, and names that command a terminal.

use crate::Room;
use std::fs;

const ESCAPE: char = '\x1b';

/// Puts another text in the place of one in a file.
fn change(room: &Room, file: &str, from: &str, to: &str) {
    let mut bytes = room.read(file);
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).expect("it is there");
    bytes.splice(at..at + from.len(), to.bytes());
    fs::write(room.path(file), bytes).expect("written");
}

#[test]
fn settings_of_another_program_are_not_taken_for_a_runs() {
    let room = Room::new();
    room.train("runs/r", "--epochs 1 --quiet");
    fs::create_dir(room.path("runs/other")).expect("a folder");
    fs::copy(room.path("runs/r/model.safetensors"), room.path("runs/other/model.safetensors"))
        .expect("copied");
    fs::write(room.path("runs/other/config.toml"), "title = \"x\"\n").expect("written");
    // Of the environment, since no run says which.
    room.put_sample("sample");
    let mut command = room.command("eval --model runs/other/model.safetensors");
    let done = crate::done(&command.env("WEFT_DATA", "sample").output().expect("weft runs"));
    assert_eq!(done.code, Some(0), "{}", done.err);
    let done = room.weft("train --resume runs/other");
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("there is no run to resume"), "{}", done.err);
    assert!(done.err.contains("config.toml does not begin with `# Settings of a run of weft`"));
    let listed = room.good("runs").err;
    assert!(!listed.contains("--resume runs/other"), "{listed}");
}

#[test]
fn what_files_say_does_not_command_the_terminal() {
    let room = Room::new();
    room.train("runs/r", "--epochs 1 --quiet");
    // JSON within JSON, behind the length of the whole, which grows by six.
    let version = r#"\"weft_version\":\""#;
    let with = |first: &str| format!("{version}{first}");
    change(&room, "runs/r/model.safetensors", &with("0"), &with(r"\\u001b"));
    let mut file = room.read("runs/r/model.safetensors");
    file[0] += 6;
    fs::write(room.path("runs/r/model.safetensors"), file).expect("written");
    let told = room.good("info --model runs/r").out;
    assert!(told.contains("made by  weft \u{FFFD}") && !told.contains(ESCAPE), "{told:?}");
    change(&room, "runs/r/run.json", "\"name\": \"sample\"", "\"name\": \"\\u001b[2Jsample\"");
    let told = room.good("runs --dir runs").out;
    assert!(told.contains("\u{FFFD}[2Jsample") && !told.contains(ESCAPE), "{told:?}");
    // Tensors of other programs, whose names stand in errors and in what is told of them.
    let header = r#"{"\u001b[2J.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes().chain([0; 4]));
    fs::write(room.path("evil.safetensors"), file).expect("written");
    for line in [
        "train --dataset sample --init evil.safetensors --out t",
        "import evil.safetensors --out i",
        "eval --dataset sample --model evil.safetensors",
    ] {
        let done = room.weft(line);
        assert_eq!(done.code, Some(6), "{line}: {}", done.err);
        assert!(!done.err.contains(ESCAPE), "{line}: {:?}", done.err);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_path_that_a_config_file_cannot_have_is_refused_before_the_training() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let room = Room::new();
    room.put_sample("sample");
    let folder = room.path("").join(OsStr::from_bytes(b"pictures\xff"));
    fs::rename(room.path("sample"), &folder).expect("renamed");
    for line in ["train --quiet --epochs 1 --out r", "lr-find --no-plots", "train --dry-run"] {
        let mut command = room.command(line);
        let done = crate::done(&command.arg("--data").arg(&folder).output().expect("weft runs"));
        assert_eq!(done.code, Some(2), "{line}: {}", done.err);
        for part in ["a path that is not UTF-8", "where: --data: ", "next:  rename"] {
            assert!(done.err.contains(part), "{part}: {}", done.err);
        }
    }
    assert!(!room.path("r").exists());
    // A link whose path is text is another name for it, and evaluation needs no settings at all.
    std::os::unix::fs::symlink(&folder, room.path("link")).expect("a link");
    room.good("train --quiet --epochs 1 --no-plots --out r --data link");
    let mut command = room.command("eval --model r --data");
    let done = crate::done(&command.arg(&folder).output().expect("weft runs"));
    assert_eq!(done.code, Some(0), "{}", done.err);
}
