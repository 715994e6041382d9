use crate::{Room, events};
use std::fs;

/// A room with three runs below `runs`.
fn three() -> Room {
    let room = Room::new();
    let train = |name: &str, options: &str| room.train(&format!("runs/{name}"), options);
    train("a", "--quiet --epochs 1 --hidden 16");
    train("b", "--quiet --epochs 3 --hidden 32,16 --lr 2e-3");
    train("c", "--quiet --epochs 2 --hidden 16 --seed 2");
    room
}

/// The first words of the lines after the heads.
fn names(table: &str) -> Vec<&str> {
    table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn runs_are_listed_with_their_results() {
    let room = three();
    let told = room.good("runs").out;
    let heads: Vec<_> = told.lines().next().expect("heads").split_whitespace().collect();
    assert_eq!(heads, ["run", "date", "data", "network", "epochs", "accuracy", "loss", "time"]);
    for part in ["runs/a ", "784-16-10", "784-32-16-10", " sample "] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(names(&room.good("runs --sort name").out), ["runs/a", "runs/b", "runs/c"]);
    let listed = events(&room.good("runs --json --sort accuracy").out);
    let accuracies: Vec<_> = listed.iter().map(|run| run["test_accuracy"].as_f64()).collect();
    assert_eq!(accuracies.len(), 3);
    assert!(accuracies.is_sorted_by(|a, b| a >= b), "{accuracies:?}");
    let record: serde_json::Value =
        serde_json::from_slice(&room.read("runs/b/run.json")).expect("JSON");
    let b = listed.iter().find(|run| run["run"] == "runs/b").expect("listed");
    assert_eq!(b["test_accuracy"], record["result"]["test_accuracy"]);
    assert_eq!((&b["network"], &b["epochs"]), (&"784-32-16-10".into(), &3.into()));
}

#[test]
fn broken_folders_are_named_and_others_left_out() {
    let room = Room::new();
    room.train("runs/good", "--quiet --epochs 1");
    fs::create_dir_all(room.path("runs/notes")).expect("a folder");
    fs::write(room.path("runs/notes/text"), "no run").expect("a file");
    fs::create_dir_all(room.path("runs/killed")).expect("a folder");
    fs::write(room.path("runs/killed/events.ndjson"), "{}\n").expect("a file");
    fs::create_dir_all(room.path("runs/stopped")).expect("a folder");
    fs::copy(room.path("runs/good/config.toml"), room.path("runs/stopped/config.toml"))
        .expect("copied");
    fs::create_dir_all(room.path("runs/cut")).expect("a folder");
    fs::write(room.path("runs/cut/run.json"), "{\"schema\":1,").expect("a file");
    let done = room.good("runs");
    assert_eq!(names(&done.out), ["runs/good"]);
    let parts = [
        "runs/killed: a run that did not end",
        "runs/stopped: a run that did not end; `",
        "weft train --resume runs/stopped` goes on",
        "runs/cut: run.json is not a run's",
    ];
    for part in parts {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    assert!(!done.err.contains("notes"), "{}", done.err);
    // Its first state was not written yet: it begins anew, and ends.
    room.good("train --resume runs/stopped --quiet");
    assert_eq!(names(&room.good("runs --sort name").out), ["runs/good", "runs/stopped"]);
    let listed = events(&room.good("runs --json").out);
    let kinds: Vec<_> = listed.iter().map(|e| e["event"].as_str().expect("a name")).collect();
    assert_eq!(kinds, ["run", "run", "broken-run", "broken-run"]);
}

#[test]
fn no_runs_are_no_failure_but_a_folder_that_is_not_there_is() {
    let room = Room::new();
    let done = room.good("runs");
    assert_eq!(done.out, "");
    assert!(done.err.contains("`weft train` makes one"), "{}", done.err);
    let done = room.weft("runs --dir none");
    assert_eq!(done.code, Some(5), "{}", done.err);
    assert!(done.err.contains("  next:  "), "{}", done.err);
}

#[test]
fn a_comparison_shows_what_differs_and_draws_the_curves() {
    let room = three();
    let told = room.good("runs compare runs/a b runs/c").out;
    let row = |name: &str| {
        let line = told.lines().find(|line| line.starts_with(name))?;
        Some(line[name.len()..].split("  ").map(str::trim).filter(|v| !v.is_empty()).collect())
    };
    let heads = told.lines().next().expect("heads");
    assert_eq!(heads.split_whitespace().collect::<Vec<_>>(), ["a", "b", "c"]);
    let hidden = told.lines().find(|l| l.starts_with("network.hidden")).expect("a row");
    assert_eq!(heads.find('a'), hidden.find("[16]"), "heads stand above their columns");
    assert_eq!(row("network.hidden"), Some(vec!["[16]", "[32, 16]", "[16]"]));
    assert_eq!(row("optimizer.lr"), Some(vec!["0.001", "0.002", "0.001"]));
    assert_eq!(row("training.seed"), Some(vec!["1", "1", "2"]));
    assert_eq!(row("training.batch_size"), None, "it is the same in all");
    assert!(row("test accuracy").is_some_and(|values: Vec<&str>| values.len() == 3), "{told}");
    assert!(told.ends_with("The curves: runs/comparison.png\n"), "{told}");
    assert!(room.read("runs/comparison.png").starts_with(b"\x89PNG"));
    room.good("runs compare a b --out curves.svg");
    let svg = room.text("curves.svg");
    assert!(svg.contains(">a<") && svg.contains(">b<") && svg.contains(">Loss<"), "{svg}");
    let compared = events(&room.good("runs compare a b --json").out).remove(0);
    assert_eq!(compared["event"], "comparison");
    assert_eq!(compared["settings"][0]["name"], "network.hidden");
}

#[test]
fn runs_are_found_by_name_and_compared_where_they_are() {
    let room = Room::new();
    for name in ["far/a", "far/b"] {
        room.train(name, "--quiet --epochs 1 --hidden 16");
    }
    // The run of that name is meant, not what else has it.
    fs::create_dir(room.path("a")).expect("a folder");
    room.good("runs compare a b --dir far --out by-name.svg");
    let told = room.good("runs compare far/b far/a").out;
    assert!(told.ends_with("The curves: far/comparison.png\n"), "{told}");
}

#[test]
fn what_cannot_be_compared_is_said() {
    let room = three();
    let done = room.weft("runs compare a nothing");
    assert_eq!(done.code, Some(5), "{}", done.err);
    for part in ["nothing", "no run.json", "`weft runs` lists"] {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    assert_eq!(room.weft("runs compare a").code, Some(2));
    let done = room.weft("runs compare a b --out curves.gif");
    assert_eq!((done.code, &*done.out), (Some(2), ""), "{}", done.err);
    // A run whose history is gone is compared without its curve.
    fs::remove_file(room.path("runs/b/history.csv")).expect("removed");
    let done = room.good("runs compare a b");
    assert!(done.err.contains("no curve: runs/b/history.csv"), "{}", done.err);
    // So is one whose history has no epoch.
    let history = room.text("runs/a/history.csv");
    let heads = history.lines().next().expect("heads").to_owned() + "\n";
    for empty in [String::new(), heads] {
        fs::write(room.path("runs/b/history.csv"), empty).expect("written");
        let done = room.good("runs compare a b");
        let told = "no curve: runs/b/history.csv: there is no epoch in it";
        assert!(done.err.contains(told), "{}", done.err);
    }
}

#[test]
fn what_was_compared_is_told_without_its_picture() {
    let room = three();
    // Nothing can be written in the place of a folder, not even by root.
    fs::create_dir(room.path("runs/comparison.png")).expect("a folder");
    for (line, place) in
        [("runs compare a b", "comparison.png"), ("runs compare a b --out r/c.svg", "r/c.svg")]
    {
        let done = room.weft(line);
        assert_eq!(done.code, Some(5), "{line}: {}", done.err);
        assert!(done.out.contains("network.hidden") && done.out.contains("test accuracy"));
        assert!(!done.out.contains("The curves"), "{}", done.out);
        assert!(done.err.contains(place), "{}", done.err);
        let next = done.err.split("\n  next:  ").nth(1).expect("what to do next");
        assert!(next.contains("--out"), "{next}");
        let done = room.weft(&format!("{line} --json"));
        assert_eq!(done.code, Some(5), "{line}: {}", done.err);
        let all = events(&done.out);
        assert_eq!((&all[0]["event"], &all[1]["event"]), (&"comparison".into(), &"error".into()));
        assert!(all[0]["figure"].is_null(), "{}", done.out);
    }
}
