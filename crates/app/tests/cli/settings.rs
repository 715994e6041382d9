use crate::{Done, Room, events};
use serde_json::Value;
use std::fs;

/// Trains an epoch with these options; returns its first event.
fn start(room: &Room, options: &str) -> Value {
    let line = format!("train --dataset sample --max-steps 1 --no-plots --quiet --json {options}");
    events(&room.good(&line).out).remove(0)
}

/// Runs a command line that is wrong; what it says must have these parts.
fn refused(room: &Room, line: &str, parts: &[&str]) -> Done {
    let done = room.weft(line);
    assert_eq!(done.code, Some(2), "weft {line}\n{}", done.err);
    for part in parts {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    done
}

#[test]
fn a_later_layer_wins() {
    let room = Room::new();
    fs::write(room.path("a.toml"), "[training]\nseed = 2\nbatch_size = 50\nepochs = 3\n")
        .expect("a");
    fs::write(room.path("b.toml"), "training.batch_size = 20\n").expect("b");
    let layers = "--recipe tutorial --config a.toml --config b.toml --set training.epochs=7";
    let with = |more: &str| start(&room, &format!("{layers} {more}"));
    let told = with("");
    assert_eq!(
        (&told["seed"], &told["batch_size"], &told["epochs"]),
        (&2.into(), &20.into(), &7.into())
    );
    let told = with("--epochs 8 --batch-size 10");
    assert_eq!(
        (&told["seed"], &told["batch_size"], &told["epochs"]),
        (&2.into(), &10.into(), &8.into())
    );
    let told = with("--set seed= --set hidden=[20,10]");
    assert_eq!((&told["seed"], &told["network"]["hidden"]), (&1.into(), &vec![20, 10].into()));
}

#[test]
fn every_kind_of_value_can_come_from_a_file() {
    let room = Room::new();
    let text = "[network]\nhidden = [20, 10]\n[training]\nshuffle = false\nprecision = \"f32\"\n\
                [optimizer]\nlr = 2e-3\n[machine]\nthreads = 1\nisa = 'portable'\n[output]\nplots=true";
    fs::write(room.path("all.toml"), text).expect("a file");
    let told = start(&room, "--config all.toml");
    assert_eq!(told["network"]["hidden"], Value::from(vec![20, 10]));
    assert_eq!((&told["shuffle"], &told["optimizer"]["lr"]), (&false.into(), &2e-3.into()));
    assert_eq!((&told["threads"], &told["isa"]), (&1.into(), &"portable".into()));
    assert_eq!(start(&room, "--config all.toml --set shuffle=true")["shuffle"], true);
}

#[test]
fn a_network_may_have_no_hidden_layer() {
    let room = Room::new();
    fs::write(room.path("none.toml"), "[network]\nhidden = []\n[data]\nfiles = []\n")
        .expect("a file");
    for none in ["--hidden none", "--set hidden=[]", "--set hidden=none", "--config none.toml"] {
        assert_eq!(start(&room, none)["network"]["hidden"], Value::Array(Vec::new()), "{none}");
    }
    let again = room.good("train --dataset sample --hidden none --dry-run").out;
    assert!(again.contains("hidden = []"), "{again}");
    let mixed = "a network with hidden layers and without";
    refused(&room, "train --dataset sample --hidden 20,none", &[mixed, "where: --hidden"]);
    refused(&room, "train --hidden 0", &["1..=1048576", "none"]);
}

#[test]
fn what_can_be_chosen_of_network_optimizer_and_loss_is_used_and_told() {
    let room = Room::new();
    let told = start(
        &room,
        "--hidden 20,10 --activation gelu --dropout 0.25 --optimizer sgd --momentum 0.9 --nesterov \
         --weight-decay 1e-4 --lr 0.05 --clip-norm 1 --label-smoothing 0.1 --class-weights balanced",
    );
    let network = &told["network"];
    assert_eq!((&network["activation"], &network["dropout"]), (&"gelu".into(), &0.25.into()));
    let optimizer = serde_json::json!({
        "name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": true, "weight_decay": 1e-4
    });
    assert_eq!(told["optimizer"], optimizer);
    assert_eq!((&told["clip_norm"], &told["label_smoothing"]), (&1.0.into(), &0.1.into()));
    assert_eq!(told["settings"]["training"]["class_weights"], "balanced");
    let told = start(&room, "--optimizer adamw --set class_weights=[1,1,1,1,1,1,1,1,1,2]");
    assert_eq!(
        (&told["optimizer"]["name"], &told["optimizer"]["weight_decay"]),
        (&"adamw".into(), &0.01.into())
    );
    assert_eq!(told["settings"]["training"]["class_weights"], "1,1,1,1,1,1,1,1,1,2");
}

#[test]
fn each_of_these_choices_makes_another_model_and_the_same_twice() {
    let room = Room::new();
    let mut models = Vec::new();
    for (i, options) in [
        "",
        "--activation tanh",
        "--dropout 0.5",
        "--optimizer adamw",
        "--optimizer sgd --momentum 0.9",
        "--label-smoothing 0.1",
        "--class-weights 1,1,1,1,1,1,1,1,1,3",
        "--clip-norm 0.1",
    ]
    .into_iter()
    .enumerate()
    {
        let [one, two] = ["a", "b"].map(|name| {
            let out = format!("{name}{i}");
            room.good(&format!(
                "train --dataset sample --epochs 1 --no-plots --quiet --out {out} {options}"
            ));
            fs::read(room.path(&format!("{out}/model.safetensors"))).expect("a model")
        });
        assert!(one == two, "{options}");
        models.push(one);
    }
    for (i, one) in models.iter().enumerate() {
        assert!(models[..i].iter().all(|other| other != one), "choice {i} changes nothing");
    }
}

#[test]
fn choices_that_do_not_go_together_are_refused() {
    let room = Room::new();
    let train = "train --dataset sample --no-plots --quiet";
    let refused =
        |options: &str, parts: &[&str]| refused(&room, &format!("{train} {options}"), parts);
    refused("--momentum 0.9", &["adam has no momentum", "where: --momentum", "--optimizer sgd"]);
    refused("--optimizer adamw --nesterov", &["adamw has no Nesterov's momentum", "--nesterov"]);
    refused("--set weight_decay=0.1", &["adam has no weight decay", "--set", "--optimizer adamw"]);
    refused("--optimizer sgd --nesterov", &["--momentum 0.9"]);
    refused("--lr-min 1e-5", &["constant has no such setting", "--schedule cosine or plateau"]);
    refused("--schedule cosine --lr-factor 0.5", &["cosine has no", "--lr-factor", "or plateau"]);
    refused("--schedule plateau --lr-every 3", &["plateau has no", "--schedule step"]);
    refused("--schedule step --lr-patience 3", &["step has no", "--schedule plateau"]);
    refused("--schedule cosine --lr-min 0.01", &["begins at 0.001, below its least", "--lr-min"]);
    refused("--class-weights 0,0,0,0,0,0,0,0,0,0", &["all class weights are 0"]);
    refused("--class-weights 1,2", &["2 class weights for 10 classes", "--class-weights"]);
    refused("--class-weights 1,-2", &["for each class is needed"]);
    refused("--dropout 1", &["below 1"]);
    refused("--activation relo", &["relu"]);
    refused("--optimizer adem", &["adam"]);
}

#[test]
fn a_warm_up_that_outlasts_the_run_is_told() {
    let room = Room::new();
    // 32 steps an epoch.
    for (options, told) in [("--warmup 32", true), ("--warmup 31", false), ("", false)] {
        let done = room.train("r", &format!("--epochs 1 --force {options}"));
        let what = "warning: the learning rate grows for 32 steps, and the run has 32";
        assert_eq!(done.err.contains(what), told, "{options}: {}", done.err);
    }
}

#[test]
fn the_config_of_a_run_makes_that_run_again() {
    let room = Room::new();
    room.train(
        "a",
        "--epochs 1 --hidden 20,10 --lr 5e-4 --no-shuffle --seed 18446744073709551615 --quiet",
    );
    room.good("train --config a/config.toml --out b --quiet");
    assert!(room.read("a/model.safetensors") == room.read("b/model.safetensors"));
    let without_places = |text: String| -> Vec<String> {
        text.lines().map(|l| l.split("  #").next().unwrap_or(l).trim_end().to_owned()).collect()
    };
    let (a, b) = (room.text("a/config.toml"), room.text("b/config.toml"));
    assert!(a.contains("# --hidden") && b.contains("# a/config.toml, line 4"), "{a}{b}");
    assert_eq!(without_places(a), without_places(b));
}

#[test]
fn a_wrong_value_says_where_it_came_from() {
    let room = Room::new();
    fs::write(room.path("a.toml"), "# mine\n[training]\nepochs = 0\n").expect("a file");
    let value =
        "`0` is no value for training.epochs: a whole number from 1 to 4294967295 is needed";
    refused(&room, "train --config a.toml", &[value, "where: a.toml, line 3", "see --epochs"]);
    refused(&room, "train --set epochs=0", &[value, "where: --set epochs=0"]);
    refused(&room, "train --epochs 0", &["'--epochs <N>'"]);
    refused(&room, "train --set shuffle=perhaps", &["true or false is needed"]);
    refused(&room, "train --set dataset=sampel", &["did you mean sample?", "fashion-mnist"]);
    refused(&room, "train --set lr=fast", &["a number above 0 is needed"]);
    refused(&room, "train --set epochs", &["KEY=VALUE", "--set epochs=10"]);
    fs::write(room.path("b.toml"), "[machine]\nisa = \"quantum\"\n").expect("a file");
    refused(&room, "train --dataset sample --config b.toml", &["where: b.toml, line 2"]);
}

#[test]
fn a_wrong_name_is_answered_by_the_right_one() {
    let room = Room::new();
    fs::write(room.path("a.toml"), "[training]\n\nepoch = 3\n").expect("a file");
    let parts =
        ["no setting `training.epoch`", "a.toml, line 3", "did you mean `training.epochs`?"];
    refused(&room, "train --config a.toml", &parts);
    refused(&room, "train --set colour=1", &["no setting `colour`", "`weft train --help`"]);
    refused(&room, "train --set optimizer.lrr=1", &["did you mean `optimizer.lr`?"]);
    fs::write(room.path("b.toml"), "epochs = 3\n").expect("a file");
    refused(&room, "train --config b.toml", &["`epochs` is in no section", "b.toml, line 1"]);
    fs::write(room.path("c.toml"), "[training]\nepochs = [\n").expect("a file");
    refused(&room, "train --config c.toml", &["is not TOML", "c.toml, line 2"]);
    refused(&room, "train --recipe tutorail", &["tutorial"]);
    let missing = room.weft("train --config none.toml");
    assert_eq!(missing.code, Some(5), "{}", missing.err);
}

#[test]
fn the_recipe_of_the_tutorial_is_the_default() {
    let room = Room::new();
    room.train("a", "--epochs 1 --quiet");
    room.train("b", "--epochs 1 --quiet --recipe tutorial");
    assert!(room.read("a/model.safetensors") == room.read("b/model.safetensors"));
    assert!(room.good("train --help").out.contains("tutorial"));
}

#[test]
fn a_flag_that_names_data_replaces_what_a_file_says_of_it() {
    let room = Room::new();
    room.put_sample("set");
    let text = "[data]\nfolder = \"set\"\nclasses = \"none.txt\"\n";
    fs::write(room.path("a.toml"), text).expect("a file");
    let told = start(&room, "--config a.toml");
    assert_eq!(told["dataset"]["source"], "built in");
    fs::write(room.path("b.toml"), "[data]\ndataset = \"sample\"\n").expect("a file");
    let files = "set/train-images-idx3-ubyte,set/train-labels-idx1-ubyte,\
                 set/t10k-images-idx3-ubyte,set/t10k-labels-idx1-ubyte";
    for flag in ["--data set".to_owned(), format!("--files {files}")] {
        let line = format!("train --config b.toml {flag} --max-steps 1 --no-plots --quiet --json");
        assert_eq!(events(&room.good(&line).out)[0]["dataset"]["source"], "set", "{flag}");
    }
    // What stands on the command line is not replaced.
    refused(&room, "train --set data.folder=set --dataset sample", &["exclude each other"]);
}

#[test]
fn what_a_recipe_says_is_left_out_by_set() {
    let room = Room::new();
    let line = "train --dataset sample --recipe best-mlp --optimizer adam";
    refused(&room, line, &["recipe best-mlp, line", "or leave it out: --set weight_decay="]);
    room.good(&format!("{line} --set weight_decay= --dry-run"));
}

#[test]
fn a_set_of_a_known_name_that_was_altered_is_told() {
    let room = Room::new();
    room.put_sample("data/fashion-mnist");
    let quiet = room.good("data");
    assert!(!quiet.err.contains("warning"), "the sample: {}", quiet.err);
    let labels = room.path("data/fashion-mnist/t10k-labels-idx1-ubyte");
    let mut bytes = fs::read(&labels).expect("read");
    *bytes.last_mut().expect("a label") ^= 1;
    fs::write(&labels, bytes).expect("written");
    let told = room.good("data").err;
    for part in ["warning: ", "is not as fashion-mnist was published", "SHA-256"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn an_early_stop_says_what_was_asked_for() {
    let room = Room::new();
    let line = "train --dataset sample --no-plots --quiet --val-split 0.2 --early-stopping 1";
    let told = room.good(&format!("{line} --min-delta 1e9")).out;
    assert!(told.contains("no longer improved by more than 1000000000.0."), "{told}");
}
