use crate::{Room, events, files};
use serde_json::Value;

#[test]
fn a_run_folder_has_everything() {
    let room = Room::new();
    let done = room.good("train --dataset sample --epochs 2 --out r");
    let all = [
        "checkpoints",
        "config.toml",
        "events.ndjson",
        "history.csv",
        "model.safetensors",
        "plots",
        "report.html",
        "run.json",
    ];
    assert_eq!(files(&room.path("r")), all);
    let pictures = [
        "first-image.png",
        "loss-and-accuracy.png",
        "prediction-0.png",
        "prediction-12.png",
        "predictions.png",
        "probabilities-1.png",
        "training-images.png",
    ];
    assert_eq!(files(&room.path("r/plots")), pictures);
    for picture in pictures {
        assert!(room.read(&format!("r/plots/{picture}")).starts_with(b"\x89PNG"), "{picture}");
    }
    for part in ["Test loss", "test accuracy", "over-fitting", "In r:", "predict --model r/model"] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    assert!(done.err.contains("Epoch 2/2 - 32 steps"), "{}", done.err);
}

#[test]
fn pictures_that_cannot_be_written_cost_no_results() {
    let room = Room::new();
    room.train("r", "--epochs 1 --quiet");
    // Not even root can make a folder of it.
    std::fs::write(room.path("r/plots"), "").expect("a file");
    let done = room.weft("train --dataset sample --epochs 1 --quiet --out r --force");
    assert_eq!(done.code, Some(5), "{}", done.err);
    assert!(done.out.contains("Test loss"), "{}", done.out);
    for part in ["where: r/plots", "model and results are written", "--out r/plots; and"] {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    let log = events(&room.text("r/events.ndjson"));
    let kinds: Vec<_> = log.iter().map(|e| e["event"].as_str().expect("a name")).collect();
    assert_eq!(kinds, ["start", "epoch", "result", "error"]);
    assert_eq!(events(&room.good("runs --dir . --json").out).len(), 1, "a finished run");
    std::fs::remove_file(room.path("r/plots")).expect("removed");
    for command in [" plot ", " report "] {
        let line = done.err.split_once(command).expect("a command to try").1;
        let line = line.lines().next().and_then(|line| line.split(';').next()).expect("a line");
        room.good(&format!("{} {line}", command.trim()));
    }
    assert_eq!(files(&room.path("r/plots")).len(), 7);
}

#[test]
fn the_next_commands_work_as_printed() {
    let room = Room::new();
    let out = room.train("r", "--epochs 1 --quiet").out;
    let line = out.lines().find(|l| l.contains("--index")).expect("a command to try");
    let line = line.split_once(" predict ").expect("predict").1;
    assert!(room.good(&format!("predict {line}")).out.contains("Test image 12:"));
}

#[test]
fn events_are_numbered_lines_with_all_fields() {
    let room = Room::new();
    let done = room.train("r", "--epochs 3 --seed 4 --threads 2 --json --quiet");
    assert_eq!(done.out, room.text("r/events.ndjson"));
    let events = events(&done.out);
    let kinds: Vec<_> = events.iter().map(|e| e["event"].as_str().expect("a name")).collect();
    assert_eq!(kinds, ["start", "epoch", "epoch", "epoch", "result"]);

    let start = &events[0];
    assert_eq!((&start["seed"], &start["threads"]), (&4.into(), &2.into()));
    assert_eq!(start["dataset"]["images"]["train"], 1000);
    assert_eq!(start["dataset"]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(start["network"]["parameters"], 101_770);
    for field in ["isa", "cpu", "weft_version", "batch_size", "optimizer", "shuffle", "started"] {
        assert!(!start[field].is_null(), "{field}");
    }
    let number = |e: &Value, field: &str| {
        e[field].as_f64().unwrap_or_else(|| panic!("{field} of {e} is not a number"))
    };
    for (i, epoch) in events[1..4].iter().enumerate() {
        assert_eq!(epoch["epoch"], i + 1);
        assert!(number(epoch, "accuracy") > 0.3 && number(epoch, "loss") > 0.0);
    }
    let (last, result) = (&events[3], &events[4]);
    let sum: f64 = events[1..4].iter().map(|e| number(e, "seconds")).sum();
    assert!((number(result, "train_seconds") - sum).abs() < 1e-9);
    assert_eq!(result["train_loss"], last["loss"]);
    assert_eq!(result["train_accuracy"], last["accuracy"]);
    assert!(number(result, "test_accuracy") > 0.5 && number(result, "test_loss") < 1.5);
    assert_eq!((&result["epochs"], &result["seed"]), (&3.into(), &4.into()));
    assert_eq!((&result["threads"], &result["isa"]), (&start["threads"], &start["isa"]));
    assert_eq!(result["model"], "r/model.safetensors");
}

#[test]
fn record_and_history_tell_the_same_as_the_events() {
    let room = Room::new();
    let events = events(&room.train("r", "--epochs 2 --json --quiet").out);
    let record: Value = serde_json::from_slice(&room.read("r/run.json")).expect("JSON");
    assert_eq!(record["dataset"], events[0]["dataset"]);
    assert_eq!(record["result"]["test_loss"], events[3]["test_loss"]);
    assert!(record["seconds"]["total"].as_f64() >= record["seconds"]["train"].as_f64());
    let history = room.text("r/history.csv");
    let rows: Vec<Vec<&str>> = history.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(rows[0], ["epoch", "steps", "seconds", "loss", "accuracy", "lr"]);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2][3].parse().ok(), events[2]["loss"].as_f64());
}

#[test]
fn a_seed_gives_one_model_on_any_threads_and_instruction_set() {
    let room = Room::new();
    let options = "--epochs 1 --batch-size 50 --hidden 40,17 --quiet";
    // Where no instruction set rounds once, one that rounds twice must agree with itself.
    let all = nn::Isa::available();
    let fused: Vec<_> = all.iter().copied().filter(|isa| isa.fused()).collect();
    let isas = if fused.is_empty() { &all } else { &fused };
    room.train("one", &format!("{options} --seed 3 --isa {}", isas[0]));
    let expected = room.read("one/model.safetensors");
    for isa in isas {
        for threads in 1..=4 {
            let name = format!("{isa}-{threads}");
            room.train(&name, &format!("{options} --threads {threads} --isa {isa} --seed 3"));
            assert!(room.read(&format!("{name}/model.safetensors")) == expected, "{name}");
        }
    }
    room.train("other", &format!("{options} --seed 4 --isa {}", isas[0]));
    assert!(room.read("other/model.safetensors") != expected, "another seed, another model");
}

#[test]
fn without_a_name_every_run_gets_a_folder_of_its_own() {
    let room = Room::new();
    for _ in 0..3 {
        room.good("train --dataset sample --epochs 1 --no-plots --quiet --seed 5");
    }
    let runs = files(&room.path("runs"));
    assert_eq!(runs.len(), 3, "{runs:?}");
    assert!(runs.iter().all(|r| r.contains("-seed5")), "{runs:?}");
}

#[test]
fn nothing_of_a_run_that_is_replaced_is_taken_for_the_new_one() {
    let room = Room::new();
    room.good("train --dataset sample --epochs 1 --quiet --out runs/r");
    // Ended by its loss, the new run has no results.
    let done = room.weft("train --dataset sample --quiet --lr 1e29 --out runs/r --force");
    assert_eq!(done.code, Some(4), "{}", done.err);
    assert_eq!(files(&room.path("runs/r")), ["config.toml", "events.ndjson", "replaced-run"]);
    let listed = room.good("runs");
    assert!(listed.err.contains("runs/r: its training diverged"), "{}", listed.err);
    assert_eq!(listed.out, "");
    // The old one waits, whole, until there is another.
    assert!(done.err.contains("; the run before is in runs/r/replaced-run"), "{}", done.err);
    assert_eq!(room.weft("eval --dataset sample --model runs/r").code, Some(5));
    room.good("eval --model runs/r/replaced-run");
    assert_eq!(files(&room.path("runs/r/replaced-run/plots")).len(), 7);
    room.good("train --dataset sample --quiet --epochs 1 --out runs/r --force");
    room.good("eval --model runs/r");
    assert!(!room.path("runs/r/replaced-run").exists());
}

#[test]
fn a_run_that_did_not_end_waits_too_unless_one_with_a_model_does() {
    let room = Room::new();
    let stopped = "train --dataset sample --quiet --out r --max-steps 5 --checkpoint-every 2";
    let diverges = "train --dataset sample --quiet --out r --lr 1e29 --force";
    let begun = |seed: u32| {
        room.good(&format!("{stopped} --seed {seed} --force"));
        std::fs::remove_file(room.path("r/model.safetensors")).expect("as if it had been killed");
    };
    begun(1);
    let state = room.read("r/checkpoints/last.safetensors");
    let done = room.weft(diverges);
    assert!(done.err.contains("; the run before is in r/replaced-run"), "{}", done.err);
    assert!(room.read("r/replaced-run/checkpoints/last.safetensors") == state);
    // Another takes its place, until one with a model does.
    begun(2);
    room.weft(diverges);
    let newer = room.read("r/replaced-run/checkpoints/last.safetensors");
    assert!(newer != state, "that of the other seed");
    room.good("train --dataset sample --quiet --out r --max-steps 5 --seed 3 --force");
    let model = room.read("r/model.safetensors");
    room.weft(diverges);
    std::fs::create_dir(room.path("r/checkpoints")).expect("made");
    std::fs::write(room.path("r/checkpoints/last.safetensors"), &newer)
        .expect("as if it had been stopped");
    room.weft(diverges);
    assert!(room.read("r/replaced-run/model.safetensors") == model, "it still waits");
}

#[test]
fn what_is_no_run_is_not_replaced() {
    let room = Room::new();
    for (name, file) in [
        ("a", "checkpoints/epoch-17.pt"),
        ("b", "plots/figure.pdf"),
        ("c", "config.toml"),
        ("d", "history.csv"),
        ("e", "report.html"),
        ("f", "model.safetensors"),
        ("g", "checkpoints/last.safetensors"),
    ] {
        let path = room.path(name).join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, "mine").expect("written");
        for force in ["", "--force"] {
            let line = format!("train --dataset sample --epochs 1 --quiet --out {name} {force}");
            let done = room.weft(&line);
            assert_eq!(done.code, Some(2), "{file}: {}", done.err);
            assert!(done.err.contains("is no run's"), "{file}: {}", done.err);
        }
        assert_eq!(std::fs::read(&path).expect("there"), b"mine");
    }
    // A model of weft's may be replaced, though no run is around it.
    room.train("trained", "--epochs 1 --quiet");
    std::fs::create_dir(room.path("m")).expect("made");
    std::fs::copy(room.path("trained/model.safetensors"), room.path("m/model.safetensors"))
        .expect("copied");
    room.train("m", "--epochs 1 --quiet --force");
    // Nor is what lies beside the files of a run.
    room.good("train --dataset sample --epochs 1 --quiet --out r");
    std::fs::write(room.path("r/plots/figure.pdf"), "mine").expect("written");
    std::fs::write(room.path("r/notes"), "mine").expect("written");
    room.train("r", "--epochs 1 --quiet --force");
    assert_eq!(files(&room.path("r/plots")), ["figure.pdf"]);
    assert_eq!(room.read("r/notes"), b"mine");
}

#[test]
fn numbers_are_those_of_the_weights_that_were_restored() {
    let room = Room::new();
    let options = "--epochs 30 --hidden 60 --val-split 0.3 --restore-best --lr 0.01 --json --quiet";
    let done = room.good(&format!("train --dataset sample --out r {options}"));
    let events = events(&done.out);
    let result = events.last().expect("a result");
    let best = result["best_epoch"].as_u64().expect("a best epoch") as usize;
    assert!(best < 30, "it learns the last epochs by heart");
    assert_eq!(result["train_accuracy"], events[best]["accuracy"]);
    assert_eq!(result["train_loss"], events[best]["loss"]);
    let html = room.text("r/report.html");
    let accuracy = 100.0 * events[best]["accuracy"].as_f64().expect("a share");
    assert!(html.contains(&format!("about {accuracy:.1}% of those it learned from")));
    assert!(html.contains(&format!("over epoch {best}, the best")));
}

#[test]
fn a_run_without_a_report_has_none_when_it_goes_on() {
    let room = Room::new();
    let options = "--dataset sample --epochs 2 --checkpoint-every 10 --quiet --no-report";
    room.good(&format!("train {options} --out r"));
    assert!(room.text("r/config.toml").contains("report = false"));
    room.good("train --resume r --epochs 3 --quiet");
    assert!(room.path("r/plots").exists() && !room.path("r/report.html").exists());
}

#[test]
fn a_training_that_cannot_begin_touches_nothing() {
    let room = Room::new();
    room.good("train --dataset sample --epochs 1 --quiet --checkpoint-every 20 --out runs/r");
    let listed = room.good("runs --json").out;
    let all = |folder: &str| {
        let files = files(&room.path(folder)).into_iter().map(|name| format!("{folder}/{name}"));
        files
            .filter(|name| room.path(name).is_file())
            .map(|name| (room.read(&name), name))
            .collect()
    };
    let before: [Vec<_>; 3] = ["runs/r", "runs/r/plots", "runs/r/checkpoints"].map(all);
    for (options, code) in [
        ("--augment-shift 1000", 2),
        ("--val-split 0.9999", 2),
        ("--class-weights 1,2", 2),
        ("--precision bf16 --isa portable", 1),
    ] {
        for out in ["--out runs/r --force", "--out runs/new", ""] {
            let done = room.weft(&format!("train --dataset sample --quiet {options} {out}"));
            assert_eq!(done.code, Some(code), "{options} {out}: {}", done.err);
        }
        assert_eq!(files(&room.path("runs")), ["r"], "{options}");
    }
    assert!(["runs/r", "runs/r/plots", "runs/r/checkpoints"].map(all) == before);
    let again = room.good("runs --json");
    assert_eq!((again.out, again.err.as_str()), (listed, ""));
}

#[test]
fn a_run_is_replaced_only_by_force() {
    let room = Room::new();
    room.train("r", "--epochs 1 --quiet --seed 1");
    let before = room.read("r/model.safetensors");
    let again = room.weft("train --dataset sample --no-plots --epochs 1 --seed 2 --out r");
    assert_eq!(again.code, Some(2));
    assert!(again.err.contains("--force"), "{}", again.err);
    assert!(room.read("r/model.safetensors") == before);
    room.train("r", "--epochs 1 --quiet --seed 2 --force");
    assert!(room.read("r/model.safetensors") != before);
}

#[test]
fn training_goes_on_from_a_file_of_weights() {
    let room = Room::new();
    room.train("a", "--epochs 3 --quiet");
    let first = |text: &str| events(text)[1]["loss"].as_f64().expect("a loss");
    let cold = first(&room.train("b", "--epochs 1 --json --quiet").out);
    let warm = first(&room.train("c", "--epochs 1 --json --quiet --init a/model.safetensors").out);
    assert!(warm < 0.7 * cold, "{warm} after {cold}");
    let run = first(&room.train("r", "--epochs 1 --json --quiet --init a").out);
    assert_eq!(run, warm, "a run folder stands for its model");
    let line = "train --dataset sample --hidden 64 --init a/model.safetensors --out d";
    let unfit = room.weft(line);
    assert_eq!(unfit.code, Some(6), "{}", unfit.err);
    assert!(!room.path("d").exists(), "nothing was begun");
}

#[test]
fn steps_and_order_can_be_set() {
    let room = Room::new();
    let limited = events(&room.train("a", "--max-steps 40 --json --quiet").out);
    let steps: Vec<_> = limited.iter().filter_map(|e| e["steps"].as_u64()).collect();
    assert_eq!(steps, [32, 8]);
    room.train("b", "--epochs 1 --no-shuffle --quiet");
    room.train("c", "--epochs 1 --quiet");
    assert!(room.read("b/model.safetensors") != room.read("c/model.safetensors"));
}

#[test]
fn bf16_trains_or_says_what_the_machine_lacks() {
    let room = Room::new();
    let done = room.weft(
        "train --dataset sample --epochs 1 --precision bf16 --json --quiet --no-plots --out r",
    );
    if done.code == Some(0) {
        let events = events(&done.out);
        assert_eq!(events[0]["precision"], "bf16");
        assert!(events.last().expect("a result")["test_accuracy"].as_f64() > Some(0.4));
    } else {
        assert_eq!(done.code, Some(1));
        for part in ["avx512_bf16", "  next:  train with --precision f32"] {
            assert!(done.err.contains(part), "{part}: {}", done.err);
        }
    }
}

#[test]
fn bf16_is_refused_beside_other_instructions() {
    let room = Room::new();
    let done = room.weft(
        "train --dataset sample --epochs 1 --precision bf16 --isa portable --quiet --no-plots --out r",
    );
    assert_eq!(done.code, Some(1));
    for part in ["this run uses portable", "  next:  train with --precision f32"] {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
}

#[test]
fn skipping_and_dense_make_the_same_file() {
    let room = Room::new();
    let skipping = room.train("a", "--epochs 1 --json --quiet").out;
    assert_eq!(events(&skipping)[0]["precision"], "f32");
    room.train("b", "--epochs 1 --quiet --dense");
    assert!(room.read("a/model.safetensors") == room.read("b/model.safetensors"));
}

#[test]
fn a_learning_rate_is_found_and_drawn() {
    let room = Room::new();
    let done = room.good("lr-find --dataset sample");
    for part in ["100 steps", "The loss falls best around", "lr-find.png", "weft train --lr "] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    assert!(done.out.ends_with(" --dataset sample\n"), "the same data: {}", done.out);
    let other =
        room.good("lr-find --dataset sample --hidden 30,20 --no-shuffle --lr 0.5 --no-plots");
    let same = " --hidden 30,20 --no-shuffle --dataset sample\n";
    assert!(other.out.ends_with(same), "the same network: {}", other.out);
    assert!(room.read("lr-find.png").starts_with(b"\x89PNG"));
    let line =
        "lr-find --dataset sample --hidden 30 --from 1e-5 --to 1e4 --steps 60 --json --out l.svg";
    let event = &events(&room.good(line).out)[0];
    assert_eq!((&event["event"], &event["plot"]), (&"lr-find".into(), &"l.svg".into()));
    let list = |name: &str| event[name].as_array().expect("a list").len();
    assert!(event["diverged"] == true && list("rates") < 60 && list("losses") == list("smoothed"));
    assert!(event["suggestion"].as_f64().is_some_and(|rate| rate > 1e-5 && rate < 1.0));
    assert!(room.text("l.svg").contains("learning rate"));
    assert_eq!(room.weft("lr-find --from 1 --to 0.1").code, Some(2));
    for range in ["--from 1e-12 --to 1e-11", "--from 1e-9 --to 1e-8 --steps 40 --seed 2"] {
        let done = room.good(&format!("lr-find --dataset sample --no-plots {range}"));
        assert!(done.out.contains("falls nowhere"), "{}", done.out);
    }
    let done = room.weft("lr-find --dataset sample --out rates.jpg");
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("a figure is a .png or an .svg file"), "{}", done.err);
    assert!(!room.path("rates.jpg").exists());
    room.good("lr-find --dataset sample --no-plots --out none.png");
    assert!(!room.path("none.png").exists());
}

#[test]
fn a_learning_rate_that_was_found_is_told_without_its_picture() {
    let room = Room::new();
    let line = "lr-find --dataset sample --hidden 8 --out none/rates.png";
    let done = room.weft(line);
    assert_eq!(done.code, Some(5), "{}", done.err);
    let next = done.out.split("\nTry next:\n  ").nth(1).expect("what to do next");
    assert!(next.contains("weft train --lr "), "{}", done.out);
    assert!(!done.out.contains("are drawn in"), "{}", done.out);
    let next = done.err.split("\n  next:  ").nth(1).expect("what to do next");
    assert!(done.err.contains("none/rates.png") && next.contains("--out"), "{}", done.err);
    let done = room.weft(&format!("{line} --json"));
    assert_eq!(done.code, Some(5), "{}", done.err);
    let all = events(&done.out);
    assert_eq!((&all[0]["event"], &all[1]["event"]), (&"lr-find".into(), &"error".into()));
    assert!(all[0]["suggestion"].is_number() && all[0]["plot"].is_null(), "{}", done.out);
}
