//! Runs that are stopped and go on: by kill -9 at any moment, by Ctrl-C, with their terminal, by a loss that is no number.

use crate::{Room, events, files};
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A training with everything that has a state; a second or so in a debug build.
const OPTIONS: &str = "--dataset sample --no-plots --epochs 12 --hidden 40 --val-split 0.2 \
     --early-stopping 8 --restore-best --schedule cosine --warmup 30 --augment-shift 1 --augment-flip \
     --average-ema 0.98";

/// The same of so many epochs, none of which stops it, so that a fast machine is not through with it before a signal.
fn long(epochs: u32) -> String {
    OPTIONS
        .replace("--epochs 12", &format!("--epochs {epochs}"))
        .replace("-stopping 8", &format!("-stopping {epochs}"))
}

impl Room {
    fn spawn(&self, line: &str) -> Child {
        spawned(self.command(line))
    }

    /// The history without the times.
    fn history(&self, run: &str) -> Vec<Vec<String>> {
        let text = self.text(&format!("{run}/history.csv"));
        let row = |line: &str| {
            let cells = line.split(',').enumerate().filter(|(i, _)| *i != 2);
            cells.map(|(_, cell)| cell.to_owned()).collect()
        };
        text.lines().map(row).collect()
    }

    /// Waits until a file is there.
    fn wait_for(&self, name: &str) {
        let start = Instant::now();
        while !self.path(name).exists() {
            assert!(start.elapsed() < Duration::from_secs(60), "{name} does not come");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn spawned(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("weft runs")
}

/// A training that this command begins in the folder `name`, some time after its settings are there.
#[cfg(unix)]
fn under_way(room: &Room, command: Command, name: &str) -> Child {
    let run = spawned(command);
    room.wait_for(&format!("{name}/config.toml"));
    std::thread::sleep(Duration::from_millis(300));
    run
}

fn same(room: &Room, a: &str, b: &str) {
    for file in ["model.safetensors", "checkpoints/best.safetensors"] {
        let (a, b) = (room.read(&format!("{a}/{file}")), room.read(&format!("{b}/{file}")));
        assert!(a == b, "{file}");
    }
    assert_eq!(room.history(a), room.history(b));
}

/// How a child that was sent a signal ended, and what it said.
#[cfg(unix)]
fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().expect("its end");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let mut kill = Command::new("kill");
    kill.args([&format!("-{name}"), &child.id().to_string()]).status().expect("kill");
}

#[test]
fn killed_at_any_moment_and_resumed_it_ends_with_the_same_bytes() {
    let room = Room::new();
    let options = long(120);
    room.good(&format!("train {options} --quiet --out whole"));
    // A small generator of moments (an LCG), the same in every run of the test.
    let mut random = 1_u64;
    let mut moment = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Duration::from_micros(random >> 47)
    };
    let mut run = room.spawn(&format!("train {options} --quiet --out r --checkpoint-every 5"));
    room.wait_for("r/config.toml");
    let mut kills = 0;
    loop {
        std::thread::sleep(moment());
        run.kill().expect("killed, or over");
        let over = run.wait().expect("its end").success();
        if over || kills == 25 {
            break;
        }
        kills += 1;
        run = room.spawn("train --resume r --quiet --threads 2");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(kills > 2, "{kills} kills");
    if !room.path("r/run.json").exists() {
        room.good("train --resume r --quiet --threads 1");
    }
    same(&room, "whole", "r");
    let left = files(&room.path("r/checkpoints"));
    assert_eq!(left, ["best.safetensors", "last.safetensors"], "nothing half-written is left");
}

#[test]
fn a_run_that_has_saved_nothing_yet_begins_anew() {
    let room = Room::new();
    let options = "--dataset sample --no-plots --epochs 2 --hidden 30 --quiet";
    room.good(&format!("train {options} --out whole"));
    std::fs::create_dir(room.path("r")).expect("a folder");
    std::fs::copy(room.path("whole/config.toml"), room.path("r/config.toml")).expect("a copy");
    let done = room.good("train --resume r");
    assert!(done.err.contains("no state was saved yet"), "{}", done.err);
    assert!(room.read("r/model.safetensors") == room.read("whole/model.safetensors"));
}

#[test]
#[cfg(unix)]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let room = Room::new();
    let options = long(500);
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let run = under_way(&room, room.command(&format!("train {options} --out {name}")), name);
        signal(&run, name);
        let (status, said) = ended(run);
        assert_eq!(status, Some(code), "{said}");
        assert!(said.contains("interrupted") && said.contains("epoch"), "{said}");
        assert!(said.contains(&format!("train --resume {name}")), "{said}");
        assert!(!room.path(&format!("{name}/model.safetensors")).exists());
        let log = events(&room.text(&format!("{name}/events.ndjson")));
        assert_eq!(log.last().expect("an error")["code"], code);
        let eval = room.weft(&format!("eval --model {name}"));
        assert_eq!(eval.code, Some(5), "{}", eval.err);
        let next = format!("weft train --resume {name}` goes on");
        assert!(eval.err.contains(&next), "{}", eval.err);
        room.good(&format!("eval --dataset sample --model {name}/checkpoints/last.safetensors"));
        // Such a folder is not overwritten by accident.
        let again = room.weft(&format!("train {options} --out {name}"));
        assert_eq!(again.code, Some(2));
        assert!(again.err.contains("--resume"), "{}", again.err);
    }
    let resumed = room.good("train --resume INT --json");
    room.good("train --resume TERM --quiet");
    room.good(&format!("train {options} --quiet --out whole"));
    same(&room, "whole", "INT");
    same(&room, "whole", "TERM");
    let record: Value = serde_json::from_slice(&room.read("INT/run.json")).expect("JSON");
    let seconds = |name: &str| record["seconds"][name].as_f64().expect("seconds");
    assert!(seconds("total") >= seconds("train"), "before it was resumed, too: {record}");
    let (log, printed) = (events(&room.text("INT/events.ndjson")), events(&resumed.out));
    let epochs = |events: &[Value]| events.iter().filter(|e| e["event"] == "epoch").count();
    assert!(epochs(&printed) < epochs(&log), "what is past is kept, not printed again");
    assert_eq!(epochs(&log) + 1, room.history("whole").len());
}

#[test]
#[cfg(unix)]
fn ctrl_c_while_pictures_are_drawn_costs_no_results() {
    let room = Room::new();
    let line = "train --dataset sample --epochs 1 --out r";
    let run = room.command(line).stdout(Stdio::piped()).spawn().expect("weft runs");
    room.wait_for("r/plots");
    signal(&run, "INT");
    let done = run.wait_with_output().expect("its end");
    // Pictures may be done before the signal comes.
    assert!(matches!(done.status.code(), Some(130 | 0)), "{:?}", done.status);
    assert!(String::from_utf8_lossy(&done.stdout).contains("Test loss"));
    let listed = events(&room.good("runs --dir . --json").out);
    assert_eq!(listed.len(), 1, "a finished run");
}

#[test]
#[cfg(unix)]
fn a_folder_has_one_training_at_a_time() {
    let room = Room::new();
    let options = "--dataset sample --no-plots --quiet";
    let endless = room.command(&format!("train {options} --epochs 100000 --out r"));
    let mut run = under_way(&room, endless, "r");
    let settings = room.read("r/config.toml");
    let listed = room.good("runs --dir .");
    assert!(listed.err.contains("./r: its training is running"), "{}", listed.err);
    for line in ["--out r --seed 2", "--out r --force", "--resume r", "--resume r --epochs 2"] {
        let done = room.weft(&format!("train {options} {line}"));
        assert_eq!(done.code, Some(2), "{line}: {}", done.err);
        for part in ["a training is running in that folder", "where: r", "--out"] {
            assert!(done.err.contains(part), "{line}: {}", done.err);
        }
    }
    assert!(run.try_wait().expect("a child").is_none(), "it has ended");
    assert!(room.read("r/config.toml") == settings, "nothing was touched");
    // Whoever is killed leaves no lock.
    run.kill().expect("killed");
    run.wait().expect("its end");
    assert!(files(&room.path("r")).iter().all(|name| !name.contains("lock")));
    room.good(&format!("train {options} --epochs 1 --out r --force"));
}

/// A training in the folder `r` that begins with this disposition of SIGHUP: whoever runs the tests may have another.
#[cfg(target_os = "linux")]
fn training(room: &Room, options: &str, disposition: &str) -> Child {
    let weft = room.command(&format!("train {options} --out r"));
    let mut env = Command::new("env");
    env.arg(format!("--{disposition}-signal=HUP")).arg(weft.get_program()).args(weft.get_args());
    for (name, value) in weft.get_envs() {
        match value {
            Some(value) => env.env(name, value),
            None => env.env_remove(name),
        };
    }
    env.current_dir(weft.get_current_dir().expect("a room"));
    under_way(room, env, "r")
}

#[test]
#[cfg(target_os = "linux")]
fn a_closed_terminal_saves_however_often_it_says_so() {
    let room = Room::new();
    let options = long(200);
    let run = training(&room, &options, "default");
    signal(&run, "HUP");
    signal(&run, "HUP");
    let (status, said) = ended(run);
    assert_eq!(status, Some(129), "{said}");
    assert!(said.contains("train --resume r"), "{said}");
    room.good("train --resume r --quiet");
    room.good(&format!("train {options} --quiet --out whole"));
    same(&room, "whole", "r");
}

#[test]
#[cfg(target_os = "linux")]
fn nohup_keeps_a_training_from_ending_with_its_terminal() {
    let room = Room::new();
    // Of an end that nobody waits for.
    let mut run = training(&room, &long(100_000), "ignore");
    signal(&run, "HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert!(run.try_wait().expect("a child").is_none(), "it has ended");
    signal(&run, "INT");
    let (status, said) = ended(run);
    assert_eq!(status, Some(130), "{said}");
}

#[test]
#[cfg(unix)]
fn a_second_ctrl_c_leaves_at_once() {
    let room = Room::new();
    // A step that takes seconds.
    let run = room.spawn(
        "train --dataset sample --no-plots --hidden 3000,3000,3000 --batch-size 1000 --out r",
    );
    room.wait_for("r/config.toml");
    std::thread::sleep(Duration::from_millis(200));
    signal(&run, "INT");
    std::thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    signal(&run, "INT");
    let (status, said) = ended(run);
    assert_eq!(status, Some(130), "{said}");
    assert!(start.elapsed() < Duration::from_secs(1), "{said}");
    assert!(!room.path("r/checkpoints/last.safetensors").exists(), "{said}");
}

#[test]
fn a_run_that_diverges_keeps_its_last_good_weights() {
    let room = Room::new();
    let done = room.weft(
        "train --dataset sample --no-plots --quiet --batch-size 1000 --lr 1e17 --epochs 9 --out r",
    );
    assert_eq!(done.code, Some(4), "{}", done.err);
    for part in ["diverged", "step 1", "the weights after epoch", "last-good.safetensors"] {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    assert!(!room.path("r/model.safetensors").exists());
    let eval = room.good("eval --dataset sample --model r/checkpoints/last-good.safetensors");
    assert!(eval.out.contains("Test loss"), "{}", eval.out);
}

#[test]
fn only_what_changes_no_result_may_change() {
    let room = Room::new();
    let options = "--dataset sample --no-plots --hidden 30 --quiet --checkpoint-every 10";
    room.good(&format!("train {options} --epochs 2 --out r"));
    let complete = room.weft("train --resume r");
    assert_eq!(complete.code, Some(2));
    assert!(complete.err.contains("that run is complete"), "{}", complete.err);
    let other = room.weft("train --resume r --lr 0.5");
    assert_eq!(other.code, Some(2));
    assert!(other.err.contains("other settings"), "{}", other.err);
    assert!(room.text("r/config.toml").contains("lr = 0.001"), "nothing was touched");
    assert!(room.text("r/events.ndjson").contains("result"), "nothing was touched");
    // More epochs are the run that had them from the start.
    room.good("train --resume r --epochs 4");
    room.good(&format!("train {options} --epochs 4 --out whole"));
    assert!(room.read("r/model.safetensors") == room.read("whole/model.safetensors"));
    for line in ["train --resume nowhere", "train --resume r --out s", "train --resume r --force"] {
        assert_eq!(room.weft(line).code, Some(2), "{line}");
    }
    std::fs::write(room.path("r/checkpoints/last.safetensors"), b"nonsense").expect("written");
    for next in ["the run is complete, and its model is whole without it", "remove the file"] {
        let damaged = room.weft("train --resume r");
        assert_eq!(damaged.code, Some(6));
        assert!(damaged.err.contains(next), "{}", damaged.err);
        let _ = std::fs::remove_file(room.path("r/run.json"));
    }
}

#[test]
fn a_complete_run_says_how_to_train_on() {
    let room = Room::new();
    let options = "--dataset sample --no-plots --hidden 30 --quiet --epochs 2";
    room.good(&format!("train {options} --out short"));
    room.good(&format!("train {options} --checkpoint-every 10 --out r"));
    // As earlier versions left it.
    std::fs::remove_dir_all(room.path("short/checkpoints")).expect("removed");
    for (line, what) in [
        ("short", "it has saved no state to go on from"),
        ("short --epochs 4", "it has saved no state to go on from"),
        ("r", "there is nothing left to do"),
        ("r --epochs 2", "there is nothing left to do"),
        ("r --threads 1", "there is nothing left to do"),
    ] {
        let done = room.weft(&format!("train --resume {line}"));
        assert_eq!(done.code, Some(2), "{line}: {}", done.err);
        assert!(done.err.contains(&format!("that run is complete, and {what}")), "{}", done.err);
        let next = done.err.split_once(" train --config ").expect("a command to try").1;
        let out = files(room.path("").as_path()).len();
        room.good(&format!("train --config {} --quiet --out next-{out}", next.trim_end()));
    }
}

#[test]
fn a_run_does_not_end_before_where_it_is() {
    let room = Room::new();
    // 32 steps an epoch: its last state is in the fourth.
    let options = "--dataset sample --no-plots --hidden 30 --quiet --checkpoint-every 10";
    room.good(&format!("train {options} --epochs 9 --max-steps 100 --out r"));
    let before = room.read("r/config.toml");
    for (line, what) in [
        ("--epochs 3", "the run is past epoch 3 already"),
        ("--epochs 1", "the run is past epoch 1 already"),
        ("--max-steps 99", "the run is past step 99 already"),
    ] {
        let done = room.weft(&format!("train --resume r {line}"));
        assert_eq!(done.code, Some(2), "{line}: {}", done.err);
        for part in [what, "it is in epoch 4, after 100 steps", "ask for more --"] {
            assert!(done.err.contains(part), "{line}: {}", done.err);
        }
    }
    assert!(room.read("r/config.toml") == before, "nothing was touched");
}

#[test]
fn a_long_training_is_told_of_while_it_runs() {
    let room = Room::new();
    let line = "train --dataset sample --no-plots --quiet --epochs 100000 --out r";
    let mut run = room.spawn(line);
    room.wait_for("r/history.csv");
    assert!(run.try_wait().expect("a child").is_none(), "it has ended");
    let (epochs, log) = (room.history("r").len() - 1, events(&room.text("r/events.ndjson")));
    assert!(epochs > 0 && log[0]["event"] == "start" && log[1]["event"] == "epoch");
    run.kill().expect("killed");
    run.wait().expect("its end");
}

#[test]
fn more_steps_go_on_in_the_epoch_that_was_cut() {
    let room = Room::new();
    // 32 steps an epoch.
    let options = "--dataset sample --no-plots --hidden 30 --quiet --checkpoint-every 1000";
    room.good(&format!("train {options} --epochs 3 --max-steps 40 --out r"));
    let same_again = room.weft("train --resume r --threads 1");
    assert!(same_again.err.contains("there is nothing left to do"), "{}", same_again.err);
    room.good("train --resume r --max-steps 75");
    room.good(&format!("train {options} --epochs 3 --max-steps 75 --out whole"));
    assert!(room.read("r/model.safetensors") == room.read("whole/model.safetensors"));
    assert_eq!(room.history("r"), room.history("whole"));
}

#[test]
fn a_longer_run_has_another_schedule_and_says_so() {
    let room = Room::new();
    let options = "--dataset sample --no-plots --hidden 30 --quiet --checkpoint-every 1000";
    for (name, told) in [("cosine", true), ("step", false)] {
        room.good(&format!("train {options} --epochs 2 --schedule {name} --out {name}"));
        let done = room.good(&format!("train --resume {name} --epochs 3"));
        let what = format!("warning: the schedule {name} spans a run of another length");
        assert_eq!(done.err.contains(&what), told, "{}", done.err);
    }
}

#[test]
fn a_run_that_was_stopped_early_is_complete_whatever_the_epochs() {
    let room = Room::new();
    let options = "--dataset sample --no-plots --hidden 30 --quiet --checkpoint-every 10 \
                   --val-split 0.3 --early-stopping 1 --lr 0.01";
    room.good(&format!("train {options} --epochs 60 --out r"));
    let before = room.read("r/run.json");
    let done = room.weft("train --resume r --epochs 90");
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("that run is complete, and was stopped early"), "{}", done.err);
    assert!(!done.err.contains("ask for more"), "{}", done.err);
    assert!(room.read("r/run.json") == before, "nothing was touched");
}

#[test]
fn validation_is_told_and_early_stopping_stops() {
    let room = Room::new();
    let options =
        "--epochs 60 --hidden 60 --val-split 0.3 --early-stopping 2 --restore-best --json";
    let done = room.train("r", &format!("{options} --lr 0.01 --quiet"));
    let events = events(&done.out);
    let result = events.last().expect("a result");
    let best = result["best_epoch"].as_u64().expect("a best epoch") as usize;
    let losses: Vec<f64> = events.iter().filter_map(|e| e["val_loss"].as_f64()).collect();
    assert!(losses.len() < 60 && result["stopped_early"] == true);
    assert_eq!(result["epochs"], losses.len());
    assert!(losses.iter().all(|loss| *loss >= losses[best - 1]));
    let header = &room.history("r")[0];
    assert_eq!(header[header.len() - 3..], ["val_loss", "val_accuracy", "lr"]);
    assert!(
        room.read("r/model.safetensors") == room.read("r/checkpoints/best.safetensors"),
        "the best weights were restored"
    );
    for (line, part) in [
        ("--early-stopping 2", "--val-split 0.1"),
        ("--restore-best", "--val-split 0.1"),
        ("--monitor accuracy", "--val-split 0.1"),
        ("--val-split 0.1 --min-delta 0.01", "--early-stopping 3"),
        ("--average-last 6", "of the last 6 of 5 epochs"),
        ("--average-ema 0.9 --average-last 2", "exclude each other"),
        ("--schedule sine", "cosine"),
        ("--val-split 1.5", "a share is needed"),
    ] {
        let done = room.weft(&format!("train --dataset sample {line}"));
        assert_eq!(done.code, Some(2), "{line}");
        assert!(done.err.contains(part), "{line}: {}", done.err);
    }
}

/// Of all instruction sets only the portable one may round a product before it is added.
#[test]
fn a_run_does_not_go_on_to_other_bits() {
    let room = Room::new();
    room.train("a", "--epochs 2 --max-steps 5 --checkpoint-every 5");
    let portable = kernels::Isa::available().into_iter().find(|isa| isa.name() == "portable");
    let same = kernels::Isa::best().fused() == portable.expect("always there").fused();
    let before = room.read("a/model.safetensors");
    let done = room.weft("train --resume a --max-steps 9 --no-plots --isa portable");
    assert_eq!(done.code, Some(if same { 0 } else { 1 }), "{}", done.err);
    if !same {
        assert!(done.err.contains("in f32 without fused multiply-adds"), "{}", done.err);
        assert!(room.read("a/model.safetensors") == before, "a lost model");
        room.good("train --resume a --max-steps 9 --no-plots");
    }
}
