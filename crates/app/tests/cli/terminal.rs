//! What a terminal gets: the command's standard error is one end of a pseudoterminal.

use crate::Room;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;

/// All that a command line writes to a terminal on standard error.
fn seen(room: &Room, line: &str, environment: &[(&str, &str)]) -> String {
    let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).expect("granted");
    unlockpt(&ours).expect("unlocked");
    let name = ptsname(&ours, Vec::new()).expect("a name").into_string().expect("text");
    let theirs = File::options().read(true).write(true).open(&name).expect("its other end");
    let mut command = room.command(line);
    command.env("TERM", "xterm-256color").envs(environment.iter().copied());
    command.stdout(Stdio::null()).stderr(theirs);
    let mut child = command.spawn().expect("weft runs");
    // It holds the other end as well.
    drop(command);
    let mut text = Vec::new();
    // Linux says EIO where the other end is closed.
    let _ = File::from(ours).read_to_end(&mut text);
    assert!(child.wait().expect("weft ends").success());
    String::from_utf8(text).expect("text")
}

const LINE: &str = "train --dataset sample --epochs 2 --no-plots --force --out r";
const ESCAPE: char = '\x1b';
const COLOUR: &str = "\x1b[32m";

#[test]
fn a_terminal_gets_a_bar_that_moves_and_has_colours() {
    let room = Room::new();
    let text = seen(&room, LINE, &[]);
    assert!(text.contains("Epoch 2/2") && text.contains('━') && text.contains("32/32"), "{text:?}");
    assert!(text.contains(COLOUR), "{text:?}");
}

#[test]
fn a_long_search_for_a_learning_rate_has_a_bar() {
    let line = "lr-find --dataset sample --no-plots --steps 9000 --from 1e-9 --to 1e-8";
    let text = seen(&Room::new(), line, &[]);
    assert!(text.contains("/9000") && text.contains('━'), "{text:?}");
}

#[test]
fn no_color_takes_the_colours_and_leaves_the_bar() {
    let room = Room::new();
    for text in [
        seen(&room, LINE, &[("NO_COLOR", "1")]),
        seen(&room, &format!("{LINE} --color never"), &[]),
    ] {
        assert!(text.contains('━') && text.contains("32/32"), "{text:?}");
        assert!(!text.contains("\x1b[3"), "{text:?}");
    }
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let room = Room::new();
    for term in ["dumb", ""] {
        let text = seen(&room, LINE, &[("TERM", term)]);
        assert!(text.contains("Epoch 2/2 - 32 steps"), "{text:?}");
        assert!(!text.contains([ESCAPE, '━']), "{text:?}");
    }
}

#[test]
fn quiet_leaves_a_terminal_alone() {
    assert_eq!(seen(&Room::new(), &format!("{LINE} --quiet"), &[]), "");
}
