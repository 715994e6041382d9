use crate::own::put_set;
use crate::{Room, done, events};
use serde_json::Value;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

#[test]
fn evaluation_tells_everything_as_text_and_as_json() {
    let room = Room::new();
    room.train("r", "--quiet");
    let found = &events(&room.good("eval --model r --dataset sample --json").out)[0];
    let rows = found["confusion"].as_array().expect("a matrix");
    let at = |truth: usize, class: usize| number(&rows[truth][class]);
    assert_eq!((rows.len(), rows[9].as_array().map(Vec::len)), (10, Some(10)));
    let correct: f64 = (0..10).map(|class| at(class, class)).sum();
    assert_eq!(correct, number(&found["correct"]));
    for class in 0..10 {
        let scores = &found["classes"][class];
        let support: f64 = (0..10).map(|other| at(class, other)).sum();
        let predicted: f64 = (0..10).map(|other| at(other, class)).sum();
        assert_eq!(number(&scores["support"]), support);
        assert!((number(&scores["recall"]) * support - at(class, class)).abs() < 1e-9);
        assert!((number(&scores["precision"]) * predicted - at(class, class)).abs() < 1e-9);
    }
    let accuracies = ["test_accuracy", "top_2_accuracy", "top_3_accuracy"];
    let shares = accuracies.map(|name| number(&found[name]));
    assert!(shares.is_sorted() && shares[0] < shares[2], "{shares:?}");
    let mean: f64 = (0..10).map(|c| number(&found["classes"][c]["f1"])).sum::<f64>() / 10.0;
    assert!((number(&found["macro_average"]["f1"]) - mean).abs() < 1e-9);
    let worst = &found["most_confused"][0];
    let (truth, class) = (number(&worst["truth"]) as usize, number(&worst["predicted"]) as usize);
    assert!(truth != class && number(&worst["count"]) == at(truth, class));
    assert!(number(&found["expected_calibration_error"]) < 1.0);

    let told = room.good("eval --model r --dataset sample").out;
    for part in ["macro average", "Confusion matrix", "among the first three", "taken for"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
    assert!(!told.contains('\x1b'));
    let coloured = room.good("eval --model r --dataset sample --color always").out;
    assert!(coloured.contains("\x1b[34m") && coloured.contains("\x1b[31m"));
}

#[test]
fn a_confusion_matrix_of_thousands_of_classes_is_left_out() {
    let room = Room::new();
    put_set(&room, "many", &[4, 4], 2001);
    room.good(
        "train --data many --max-steps 3 --class-weights balanced --no-plots --quiet --out r",
    );
    let found = &events(&room.good("eval --model r --json").out)[0];
    assert!(found["confusion"].is_null() && found["most_confused"].is_array());
    let told = room.good("eval --model r").out;
    assert!(told.contains("matrix is left out: it has 2,001 classes, more than 2,000"), "{told}");
    room.good("report r --quiet");
    assert!(room.text("r/report.html").contains("Left out: it has 2,001 classes"));
}

#[test]
fn images_are_drawn_with_their_classes() {
    let room = Room::new();
    let told = room.good("show 0..3 7 --dataset sample").out;
    assert!(told.is_ascii(), "{told}");
    assert_eq!(told.lines().count(), 8, "seven rows of characters and one of names: {told}");
    let names = told.lines().last().expect("names");
    let found: Vec<&str> = names.split_whitespace().filter(|w| w.parse::<u8>().is_ok()).collect();
    assert_eq!(found, ["0", "1", "2", "7"]);
    assert!(told.contains(['@', '%', '#']), "{told}");
    // One image is as large as its pixels.
    assert_eq!(room.good("show 5 --dataset sample --train").out.lines().count(), 15);
    assert_eq!(room.good("show --dataset sample").out.lines().count(), 26, "fifteen images");
}

#[test]
fn images_are_drawn_as_the_terminal_can() {
    let room = Room::new();
    let drawn = |look: &str| room.good(&format!("show 0 --dataset sample {look}")).out;
    assert!(drawn("--look kitty").starts_with("\x1b_Ga=T,f=100,c=28,r=14"));
    assert!(drawn("--look sixel").starts_with("\x1bP0;1q\"1;1;280;280"));
    assert!(drawn("--look blocks").contains("\x1b[38;2;"));
    assert!(drawn("--look blocks256").contains("\x1b[38;5;"));
    assert!(drawn("--color always").contains('▀'));
    let with = |name: &str, value: &str| {
        let mut command = room.command("show 0 --dataset sample --color always");
        command.env_remove("COLORTERM").env_remove("KITTY_WINDOW_ID").env("TERM", "xterm");
        done(&command.env(name, value).output().expect("weft runs")).out
    };
    assert!(with("COLORTERM", "truecolor").contains("\x1b[38;2;"));
    assert!(with("LANG", "C").contains("\x1b[38;5;"));
    // Graphics would be of no use in a file.
    assert!(with("TERM", "xterm-kitty").contains('▀'));
}

#[test]
fn predictions_are_shown_right_and_wrong() {
    let room = Room::new();
    room.train("r", "--quiet");
    let done = room.good("show 0..200 --model r --dataset sample");
    let found = &events(&room.good("eval --model r --dataset sample --json").out)[0];
    let words = |what: &str| done.out.split_whitespace().filter(|word| *word == what).count();
    assert_eq!(words("right") as f64, number(&found["correct"]));
    assert_eq!(words("wrong") as f64, 200.0 - number(&found["correct"]));
    let right = number(&found["correct"]);
    assert!(done.err.contains(&format!("{right} of 200 test images right")), "{}", done.err);
    let wrong = room.good("show --wrong --model r --dataset sample").out;
    assert!(wrong.contains("said ") && !wrong.contains("right"), "{wrong}");
    // What they are sorted by.
    let words: Vec<&str> = wrong.split_whitespace().collect();
    let truths = words.windows(2).filter(|pair| pair[0] == "truth").map(|pair| pair[1]);
    let truths: Vec<f64> =
        truths.map(|text| text.trim_end_matches('%').parse().expect("a share")).collect();
    assert!(truths.len() > 4 && truths.is_sorted(), "{truths:?}");
}

#[test]
fn images_that_are_not_there_are_refused() {
    let room = Room::new();
    let wrong = room.weft("show 0..201 --dataset sample");
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("no test image 200") && wrong.err.contains("0 to 199"));
    for line in ["show 5..5 --dataset sample", "show x", "show --wrong --dataset sample"] {
        assert_eq!(room.weft(line).code, Some(2), "{line}");
    }
}

#[test]
fn a_data_set_is_described() {
    let room = Room::new();
    let found = &events(&room.good("data --dataset sample --json").out)[0];
    assert_eq!((&found["event"], &found["name"]), (&"data".into(), &"sample".into()));
    assert_eq!(found["train"]["count"], 1000);
    assert_eq!((&found["test"]["height"], &found["test"]["type"]), (&28.into(), &"u8".into()));
    let classes = found["classes"].as_array().expect("classes");
    let total = |half: &str| classes.iter().map(|c| number(&c[half])).sum::<f64>();
    assert_eq!((total("train"), total("test")), (1000.0, 200.0));
    let mean = found["mean_image"].as_array().expect("an image");
    let mean = mean.iter().map(number).sum::<f64>() / mean.len() as f64 / 255.0;
    assert!((mean - number(&found["pixel_mean"])).abs() < 1e-9);
    let told = room.good("data --dataset sample").out;
    for part in ["built in", "Ankle boot", "mean 0.2", "SHA-256", "T-shirt/top", "1,000 images"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.contains(found["sha256"].as_str().expect("a hash")), "{told}");
}
