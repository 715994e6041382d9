use crate::{Room, events, files};
use unicode_width::UnicodeWidthStr;

/// A room with a trained model in `r`.
fn trained() -> Room {
    let room = Room::new();
    room.train("r", "--quiet");
    room
}

#[test]
fn evaluation_agrees_with_training() {
    let room = Room::new();
    let trained = events(&room.train("r", "--json --quiet").out);
    let result = trained.last().expect("a result");
    let found = events(&room.good("eval --model r/model.safetensors --dataset sample --json").out);
    assert_eq!(found.len(), 1);
    for field in ["test_loss", "test_accuracy"] {
        assert_eq!(found[0][field], result[field], "{field}");
    }
    assert_eq!(found[0]["count"], 200);
    let told = room.good("eval --model r --dataset sample").out;
    let accuracy = result["test_accuracy"].as_f64().expect("a number");
    assert!(told.contains(&format!("accuracy {accuracy:.4}")), "{told}");
}

#[test]
fn predictions_of_all_images_give_the_accuracy() {
    let room = trained();
    let found = events(&room.good("eval --model r --dataset sample --json").out);
    let all = events(&room.good("predict --model r --dataset sample --all --json").out);
    assert_eq!(all.len(), 200);
    let right = all.iter().filter(|p| p["class"] == p["truth"]).count();
    assert_eq!(found[0]["correct"], right);
    for (i, p) in all.iter().enumerate() {
        assert_eq!((&p["event"], &p["index"]), (&"prediction".into(), &i.into()));
        let row = p["probabilities"].as_array().expect("probabilities");
        let row: Vec<f64> = row.iter().map(|v| v.as_f64().expect("a number")).collect();
        let class = p["class"].as_u64().expect("a class") as usize;
        assert_eq!(row.len(), 10);
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5);
        assert!(row.iter().all(|v| *v <= row[class]));
    }
}

#[test]
fn one_image_alone_gives_what_it_gives_among_all() {
    let room = trained();
    let all = room.good("predict --model r --dataset sample --all --json --threads 2").out;
    let some = room.good("predict --model r --dataset sample --index 7 199 0 --json").out;
    let all: Vec<&str> = all.lines().collect();
    assert_eq!(some.lines().collect::<Vec<_>>(), [all[7], all[199], all[0]]);
}

#[test]
fn csv_has_the_names_of_the_classes_on_top() {
    let room = trained();
    let csv = room.good("predict --model r --dataset sample --index 3,4 --csv").out;
    let rows: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(
        rows[0][..6],
        ["image", "class", "class_name", "truth", "truth_name", "T-shirt/top"]
    );
    assert_eq!((rows.len(), rows[1].len(), rows[1][0], rows[2][0]), (3, 15, "3", "4"));
    let class: usize = rows[1][1].parse().expect("a class");
    assert_eq!(rows[1][2], rows[0][5 + class]);
}

#[test]
fn text_says_what_it_is_and_whether_that_is_right() {
    let room = trained();
    let one = room.good("predict --model r --dataset sample --index 0").out;
    assert!(one.starts_with("Test image 0: "), "{one}");
    assert!(one.contains(", right") || one.contains(", wrong: it is "), "{one}");
    assert_eq!(one.lines().count(), 11);
    let all = room.good("predict --model r --dataset sample --all").out;
    assert_eq!(all.lines().count(), 200);
}

#[test]
fn names_stand_in_columns_and_do_not_command_the_terminal() {
    let room = Room::new();
    let names = "shirt\n靴下\n\x1b[2Jx\né\n".to_owned() + &"other\n".repeat(6);
    std::fs::write(room.path("names"), names).expect("a file");
    room.train("r", "--quiet --epochs 1 --classes names");
    let one = room.good("predict --model r --dataset sample --index 0").out;
    let all = room.good("predict --model r --dataset sample --all").out;
    let info = room.good("info --model r").out;
    assert!([&one, &all, &info].iter().all(|told| !told.contains('\x1b')), "{one}{all}{info}");
    let (_, classes) = one.split_once('\n').expect("a line for each class");
    for table in [classes, &all] {
        let ends = table.lines().filter_map(|line| Some(line.split_once('%')?.0.width()));
        let ends: std::collections::BTreeSet<_> = ends.collect();
        assert_eq!(ends.len(), 1, "{one}{all}");
    }
    let csv = room.good("predict --model r --dataset sample --index 0 --csv").out;
    assert!(csv.contains("\x1b[2Jx"), "as they are for programs: {csv}");
}

#[test]
fn a_picture_is_prepared_and_classified() {
    let room = trained();
    // A test image, drawn dark on light in a PNG of its own.
    let image = idx::IdxFile::read("../../data/sample/t10k-images-idx3-ubyte").expect("the sample");
    let pixels: Vec<u8> = image.payload()[..784].iter().map(|p| 255 - p).collect();
    let file = std::fs::File::create(room.path("own.png")).expect("a file");
    let mut encoder = png::Encoder::new(file, 28, 28);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&pixels).expect("pixels");
    writer.finish().expect("an end");

    let own = room.good("predict --model r --image own.png --json");
    let known = events(&room.good("predict --model r --dataset sample --index 0 --json").out);
    let event = &events(&own.out)[0];
    assert_eq!(event["probabilities"], known[0]["probabilities"]);
    assert_eq!(event["image"], "own.png");
    assert!(event["truth"].is_null());
    assert!(own.err.contains("own.png became 28 x 28 pixels"), "{}", own.err);
    assert!(own.err.lines().count() > 1, "what was done to it: {}", own.err);
}

#[test]
fn figures_are_drawn_for_a_model_and_for_single_images() {
    let room = trained();
    let all = room.good("plot --model r --dataset sample --out all --format svg").out;
    assert_eq!(all.lines().count(), 7);
    for path in all.lines() {
        assert!(
            room.text(path).starts_with("<svg") || room.text(path).starts_with("<?xml"),
            "{path}"
        );
    }
    room.good("plot --model r --dataset sample --out two --index 3 4");
    assert_eq!(files(&room.path("two")), ["prediction-3.png", "prediction-4.png"]);
}

#[test]
fn a_model_away_from_its_run_has_no_curves() {
    let room = trained();
    std::fs::copy(room.path("r/model.safetensors"), room.path("m")).expect("a copy");
    let done = room.good("plot --model m --dataset sample --out p");
    assert!(!files(&room.path("p")).contains(&"loss-and-accuracy.png".to_owned()));
    assert!(done.err.contains("no curves"), "{}", done.err);
}
