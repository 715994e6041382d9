//! Whole outputs, as they are in `snapshots/`. After a change that is meant, look at the difference and take it:
//! `INSTA_UPDATE=always cargo test -p app --test cli golden`.

use crate::Room;
use insta::{Settings, assert_snapshot};
use std::fs;

/// Everything that a command line prints, and its exit code.
fn told(room: &Room, line: &str) -> String {
    let done = room.weft(line);
    let mut text = format!("$ weft {line}\n{}", done.out);
    if !done.err.is_empty() {
        text += &format!("--- standard error\n{}", done.err);
    }
    let code = done.code.expect("an exit code");
    text + &format!("--- exit code {code}\n")
}

/// Snapshots without times, versions and what is this machine's.
fn settings() -> Settings {
    let mut settings = Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let filters = [
        (r"\d+\.\d\d ?s\b", "[time]"),
        (r" \d+(us|ms|s)/step", " [time]/step"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "[date]"),
        (r"(Machine  |# )\d+ threads?, .*", "${1}[machine]"),
        (r"weft \d+\.\d+\.\d+", "weft [version]"),
        (r"\S+/weft(\.exe)? predict", "weft predict"),
        (r"warning: this is a debug build.*\n", ""),
        // Rounding differs where there is no fused multiply-add.
        (r"\b\d\.\d{4}\b", "[value]"),
        (r"\d+ of 200", "[count] of 200"),
        (r"\b\d?\d\.\d\d?%", "[share]"),
        (r"\d+\.\d points", "[some] points"),
    ];
    for (pattern, text) in filters {
        settings.add_filter(pattern, text);
    }
    settings
}

#[test]
fn help() {
    let room = Room::new();
    settings().bind(|| {
        assert_snapshot!("welcome", told(&room, ""));
        assert_snapshot!("help", told(&room, "--help"));
        for command in crate::help::COMMANDS {
            let name = format!("help-{}", command.replace(' ', "-"));
            assert_snapshot!(name, told(&room, &format!("{command} --help")));
        }
    });
}

#[test]
fn a_first_run_and_what_comes_after() {
    let room = Room::new();
    let lines = [
        ("train", "train --dataset sample --epochs 2 --seed 3 --out r"),
        ("eval", "eval --model r --dataset sample"),
        ("predict", "predict --model r --dataset sample --index 0"),
        ("runs", "runs --dir ."),
        ("dry-run", "train --config r/config.toml --set hidden=[256,64] --dry-run"),
    ];
    settings().bind(|| {
        for (name, line) in lines {
            assert_snapshot!(name, told(&room, line));
        }
    });
}

#[test]
fn mistakes() {
    let room = Room::new();
    fs::write(room.path("a.toml"), "[training]\nepoch = 3\n").expect("a file");
    let lines = [
        ("mistake-command", "trian"),
        ("mistake-flag", "train --epoch 3"),
        ("mistake-value", "train --dataset sampel"),
        ("mistake-number", "train --set lr=fast"),
        ("mistake-key", "train --config a.toml"),
        ("mistake-recipe", "train --recipe tutorail"),
        ("mistake-model", "eval --model none"),
        ("mistake-nothing-to-predict", "predict --model none"),
    ];
    settings().bind(|| {
        for (name, line) in lines {
            assert_snapshot!(name, told(&room, line));
        }
    });
}
