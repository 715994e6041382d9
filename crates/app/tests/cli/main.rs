//! The `weft` command, tried as a user would: the real binary, in a folder of its own.

mod away;
mod dry_run;
mod errors;
mod foreign;
mod golden;
mod help;
mod longer;
mod look;
mod own;
mod pack;
mod predict;
mod replaced;
mod report;
mod resume;
mod runs;
mod settings;
mod streams;
#[cfg(target_os = "linux")]
mod terminal;
mod train;
mod unsound;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder to run commands in, which sees no data set but the sample.
struct Room(TempDir);

/// What a command did.
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Room {
    fn new() -> Room {
        Room(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weft"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", self.path("cache"));
        for name in ["WEFT_DATA", "COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command line; words are split at spaces.
    fn weft(&self, line: &str) -> Done {
        done(&self.command(line).output().expect("weft runs"))
    }

    /// Runs a command line that must succeed.
    fn good(&self, line: &str) -> Done {
        let done = self.weft(line);
        assert_eq!(done.code, Some(0), "weft {line}\n{}", done.err);
        done
    }

    /// Trains on the sample, into the folder `name`.
    fn train(&self, name: &str, options: &str) -> Done {
        self.good(&format!("train --dataset sample --no-plots --out {name} {options}"))
    }

    /// The sample's files in a folder.
    fn put_sample(&self, folder: &str) {
        std::fs::create_dir_all(self.path(folder)).expect("a folder");
        let names =
            ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
        for name in names {
            let sample = format!("../../data/sample/{name}-ubyte");
            let copy = self.path(&format!("{folder}/{name}-ubyte"));
            std::fs::copy(sample, copy).expect("a copy");
        }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("text")
    }
}

fn done(output: &Output) -> Done {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    Done { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Lines of JSON, each with the fields that every event has.
fn events(text: &str) -> Vec<Value> {
    let parse = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(event["schema"], 1, "{line}");
        assert!(event["event"].is_string(), "{line}");
        event
    };
    text.lines().map(parse).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
