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
fn a_run_that_is_over_goes_on_with_more_epochs() {
    let room = Room::new();
    room.good(&format!("train {OPTIONS} --epochs 2 --out r"));
    let dry = room.good("train --resume r --epochs 4 --dry-run");
    assert!(dry.out.contains("# Resumed in epoch 3, after step 0"), "{}", dry.out);
    let done = room.good("train --resume r --epochs 4");
    assert!(done.err.contains("Resumed  in epoch 3, after step 0"), "{}", done.err);
    room.good(&format!("train {OPTIONS} --epochs 4 --out whole"));
    assert!(room.read("r/model.safetensors") == room.read("whole/model.safetensors"));
    // Nor does one that was saved in the middle of an epoch go through that epoch again.
    room.good(&format!("train {OPTIONS} --epochs 2 --checkpoint-every 40 --out r --force"));
    let done = room.good("train --resume r --epochs 3");
    assert!(done.err.contains("Resumed  in epoch 3, after step 0"), "{}", done.err);
}

#[test]
fn a_run_that_was_cut_goes_on_within_its_epoch() {
    let room = Room::new();
    // 32 steps an epoch.
    room.good(&format!("train {OPTIONS} --epochs 3 --max-steps 40 --out r"));
    room.good("train --resume r --max-steps 75");
    room.good(&format!("train {OPTIONS} --epochs 3 --max-steps 75 --out whole"));
    assert!(room.read("r/model.safetensors") == room.read("whole/model.safetensors"));
}

#[test]
fn a_run_goes_on_with_the_network_it_was_begun_with() {
    let room = Room::new();
    room.good(&format!("train {OPTIONS} --epochs 1 --class-weights balanced --out r"));
    let before = room.read("r/config.toml");
    for (flags, place, begun) in [
        ("--hidden 64", "--hidden: hidden is [64]", "begun with [30]"),
        ("--activation tanh", "activation is tanh", "begun with relu"),
        ("--dropout 0.5", "dropout is 0.5", "begun with 0"),
        ("--init w.safetensors", "w.safetensors\"", "begun with none"),
        ("--class-weights 1,1,1,1,1,1,1,1,1,2", "--class-weights", "begun with \"balanced\""),
    ] {
        for dry in ["", "--dry-run"] {
            let line = format!("train --resume r --epochs 2 {dry} {flags}");
            room.is_refused(&line, &["a run is resumed with the network", place, begun]);
        }
    }
    assert!(room.read("r/config.toml") == before, "nothing was touched");
    let other = room.text("r/config.toml").replace("[30]", "[64]");
    fs::write(room.path("r/config.toml"), other).expect("written");
    let parts = ["config.toml, line", "hidden is [64], and the run was begun with [30]"];
    room.is_refused("train --resume r --epochs 2", &parts);
    fs::write(room.path("r/config.toml"), before).expect("written");
    room.good("train --resume r --epochs 2 --hidden 30 --class-weights balanced");
}

#[test]
#[cfg(unix)]
fn a_run_that_is_trained_further_is_told_of_as_its_model_is() {
    let room = Room::new();
    room.good(&format!("train {OPTIONS} --epochs 2 --out r"));
    let mut further = room.command("train --resume r --epochs 100000 --no-plots --quiet");
    let mut further = further.spawn().expect("weft runs");
    let start = std::time::Instant::now();
    while room.text("r/history.csv").lines().count() < 4 {
        assert!(start.elapsed().as_secs() < 60, "no epochs come");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = further.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill");
    assert_eq!(further.wait().expect("its end").code(), Some(130));
    let done = room.good("report r --dataset sample");
    assert!(done.err.contains("about its model after epoch 2"), "{}", done.err);
    assert!(room.text("r/report.html").contains("2 epochs"), "later epochs are shown");
    // To go on it need not be said again how far.
    room.good("train --resume r --epochs 100000 --dry-run");
    let dry = room.good("train --resume r --dry-run").out;
    assert!(dry.contains("# Resumed in epoch") && dry.contains("epochs = 100000"), "{dry}");
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
