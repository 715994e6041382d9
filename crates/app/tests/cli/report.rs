use crate::Room;
use std::fs;

#[test]
fn a_report_says_everything_about_a_run() {
    let room = Room::new();
    room.train("r", "--epochs 3 --seed 4 --quiet");
    let done = room.good("report r --dataset sample");
    assert_eq!(done.out, "r/report.html\n");
    let html = room.text("r/report.html");
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>"));
    let sections = [
        "learning",
        "classes",
        "confusion",
        "pairs",
        "worst",
        "calibration",
        "weights",
        "figures",
        "speed",
        "provenance",
    ];
    for section in sections {
        assert!(html.contains(&format!("<section id=\"{section}\"")), "{section}");
        assert!(html.contains(&format!("href=\"#{section}\"")), "{section}");
    }
    for part in
        ["Ankle boot", "Test accuracy", "over-fitting", "Expected calibration error", "Seed"]
    {
        assert!(html.contains(part), "{part}");
    }
    // By loss: the network need not be sure of what it took them for.
    assert!(html.contains("the network gave the right class the least probability"));
    assert!(html.len() < 2_000_000, "{} bytes", html.len());
    assert_eq!(html.matches("<img ").count(), html.matches(" alt=\"").count());
    assert!(!html.contains("<script"));
    // The same run, the same report.
    room.good("report r --out again.html --threads 1");
    assert!(room.text("again.html") == html);
}

#[test]
fn training_ends_with_a_report_unless_nobody_wants_it() {
    let room = Room::new();
    let told = room.good("train --dataset sample --epochs 1 --quiet --out r").out;
    assert!(told.contains("report.html"), "{told}");
    let html = room.text("r/report.html");
    room.good("report r");
    assert!(room.text("r/report.html") == html, "the same as from the folder");
    room.good("train --dataset sample --epochs 1 --quiet --no-report --out s");
    assert!(room.path("s/plots").exists() && !room.path("s/report.html").exists());
    room.good("train --dataset sample --epochs 1 --quiet --no-plots --out t");
    assert!(!room.path("t/report.html").exists());
}

#[test]
fn a_model_alone_has_a_report_too() {
    let room = Room::new();
    room.train("r", "--epochs 1 --quiet");
    fs::copy(room.path("r/model.safetensors"), room.path("m.safetensors")).expect("a copy");
    let done = room.good("report m.safetensors --dataset sample --out m.html");
    assert!(done.err.contains("no curves"), "{}", done.err);
    let html = room.text("m.html");
    assert!(html.contains("id=\"confusion\"") && !html.contains("id=\"learning\""));
    assert!(!html.contains("id=\"provenance\""));
}

#[test]
fn a_report_replaces_no_file_of_another_kind() {
    let room = Room::new();
    room.train("r", "--epochs 1 --quiet");
    let record = room.text("r/run.json");
    for out in ["r/run.json", "r/history.csv", "r.pdf", "html", "r/.html"] {
        let done = room.weft(&format!("report r --out {out}"));
        assert_eq!(done.code, Some(2), "{out}: {}", done.err);
        assert!(done.err.contains(&format!("where: --out {out}")), "{}", done.err);
        assert!(done.err.contains("next:  say it as in --out report.html"), "{}", done.err);
        assert!(!done.err.contains("Measuring"), "{}", done.err);
    }
    assert!(room.text("r/run.json") == record, "the record is as it was");
    room.good("report r --out R.HTML");
}

#[test]
fn text_of_others_is_escaped() {
    let room = Room::new();
    let names = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
    fs::create_dir(room.path("d")).expect("a folder");
    for name in names {
        let sample = format!("../../data/sample/{name}-ubyte");
        let bytes = fs::read(sample).expect("the sample");
        // Another image makes it another set, which has names of its own.
        let changed: Vec<u8> = if name.starts_with("train-images") {
            bytes[..bytes.len() - 1].iter().copied().chain([7]).collect()
        } else {
            bytes
        };
        fs::write(room.path(&format!("d/{name}-ubyte")), changed).expect("a copy");
    }
    let classes = (0..10).map(|c| format!("<script>alert({c})</script> & \"it's\"\n"));
    fs::write(room.path("d/classes.txt"), classes.collect::<String>()).expect("names");
    room.good("train --data d --epochs 1 --no-plots --quiet --out r");
    room.good("report r --data d");
    let html = room.text("r/report.html");
    assert!(!html.contains("<script"), "a name is part of the page");
    assert!(html.contains("&lt;script&gt;alert(3)&lt;/script&gt; &amp; "));
}

#[test]
fn other_data_than_that_of_the_training_is_said() {
    let room = Room::new();
    room.train("r", "--epochs 1 --quiet");
    let mut json: serde_json::Value =
        serde_json::from_slice(&room.read("r/run.json")).expect("JSON");
    assert!(!room.good("report r").err.contains("other data"));
    let model = room.read("r/model.safetensors");
    let hash = json["dataset"]["sha256"].as_str().expect("a hash").to_owned();
    let other = hash.chars().rev().collect::<String>();
    let at = model.windows(64).position(|w| w == hash.as_bytes()).expect("the hash");
    let changed = [&model[..at], other.as_bytes(), &model[at + 64..]].concat();
    fs::write(room.path("r/model.safetensors"), changed).expect("written");
    assert!(room.good("report r").err.contains("other data"));
    assert!(room.text("r/report.html").contains("trained on other data"));
    json["started"] = "<b>".into();
    fs::write(room.path("r/run.json"), json.to_string()).expect("written");
    assert!(room.good("report r").out.contains("report.html"));
    assert!(!room.text("r/report.html").contains("<b><"));
    fs::write(room.path("r/run.json"), "{").expect("written");
    let broken = room.weft("report r");
    assert_eq!(broken.code, Some(5), "{}", broken.err);
}
