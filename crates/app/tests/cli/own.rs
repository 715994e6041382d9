//! Data sets of the user's own: folders of pictures, other sizes, other numbers of classes.

use crate::{Room, events, files};
use image::{GrayImage, Luma};
use std::path::Path;

const CLASSES: [&str; 3] = ["cross", "ring 2", "ring 10"];

/// A drawing of a class, dark on light, a little different each time.
fn drawing(class: usize, number: u32, side: u32) -> GrayImage {
    let (cx, cy) = (side / 2 + number % 3, side / 2 + number / 3 % 3);
    GrayImage::from_fn(side, side, |x, y| {
        let (dx, dy) = (x.abs_diff(cx), y.abs_diff(cy));
        let r = (dx * dx + dy * dy).isqrt();
        let ink = match class {
            0 => dx < 3 || dy < 3,
            1 => r.abs_diff(side / 4) < 2,
            _ => r.abs_diff(side / 3) < 3,
        };
        Luma([if ink { 20 + (number % 7) as u8 } else { 230 }])
    })
}

/// Folders of drawings below `root`.
pub(crate) fn put_drawings(room: &Room, root: &str, each: u32, side: u32) {
    for (class, name) in CLASSES.iter().enumerate() {
        let folder = room.path(root).join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        for number in 0..each {
            let ending = if number % 4 == 3 { "jpg" } else { "png" };
            let path = folder.join(format!("{number}.{ending}"));
            drawing(class, number, side).save(path).expect("saved");
        }
    }
}

fn labels(path: &Path) -> Vec<u8> {
    idx::IdxFile::read(path).expect("labels").payload().to_vec()
}

#[test]
fn pictures_become_a_data_set_that_is_learned() {
    let room = Room::new();
    put_drawings(&room, "drawings", 20, 32);
    std::fs::write(room.path("drawings/cross/notes.txt"), "not a picture").expect("written");
    let done = room.good("data pack drawings --out mine --invert");
    assert!(done.err.contains("48 pictures to train on and 12 to test with"), "{}", done.err);
    assert!(done.err.contains("other files, which are left alone: 1"), "{}", done.err);
    assert_eq!(room.text("mine/classes.txt"), "cross\nring 2\nring 10\n", "2 before 10");
    let images = idx::IdxFile::read(room.path("mine/t10k-images-idx3-ubyte")).expect("images");
    assert_eq!(images.header().dims(), [12, 32, 32]);

    room.good("train --data mine --out r --epochs 30 --hidden 32 --quiet");
    let found = events(&room.good("eval --model r --data mine --json").out);
    assert!(found[0]["test_accuracy"].as_f64() > Some(0.9), "{}", found[0]);
    // There is no test image 12, which the tutorial's figures show.
    assert_eq!(files(&room.path("r/plots")).len(), 6);

    let bad = room.weft("predict --model r --image drawings/cross/notes.txt");
    assert_eq!(bad.code, Some(3), "{}", bad.err);
    assert!(bad.err.contains("notes.txt"), "{}", bad.err);
    // As for a model of other data.
    for (picture, code) in [("none.png", 3), ("drawings/cross/notes.txt/none.png", 5)] {
        let missing = room.weft(&format!("predict --model r --image {picture}"));
        assert_eq!(missing.code, Some(code), "{}", missing.err);
    }
}

#[test]
fn the_same_folder_gives_the_same_bytes_on_any_number_of_threads() {
    let room = Room::new();
    put_drawings(&room, "d", 9, 20);
    room.good("data pack d --out one --threads 1 --size 16x12");
    room.good("data pack d --out four --threads 4 --size 16x12");
    room.good("data pack d --out other --threads 4 --size 16x12 --seed 2");
    let names = files(&room.path("one"));
    assert_eq!(names.len(), 6, "{names:?}");
    for name in &names {
        assert_eq!(room.read(&format!("one/{name}")), room.read(&format!("four/{name}")), "{name}");
    }
    let train = "train-images-idx3-ubyte";
    assert_ne!(room.read(&format!("one/{train}")), room.read(&format!("other/{train}")));
    let again = room.weft("data pack d --out one --size 16x12");
    assert_eq!(again.code, Some(2), "{}", again.err);
    room.good("data pack d --out one --size 16x12 --force");
}

#[test]
fn halves_that_are_there_are_kept() {
    let room = Room::new();
    put_drawings(&room, "d/train", 5, 16);
    put_drawings(&room, "d/test", 2, 16);
    room.good("data pack d --out mine");
    let mut train = labels(&room.path("mine/train-labels-idx1-ubyte"));
    assert_ne!(train, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2], "mixed");
    train.sort_unstable();
    assert_eq!(train, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    assert_eq!(labels(&room.path("mine/t10k-labels-idx1-ubyte")).len(), 6);
}

#[test]
fn a_picture_on_its_own_is_prepared_as_those_of_the_data_set() {
    let room = Room::new();
    put_drawings(&room, "d/train", 5, 16);
    put_drawings(&room, "d/test", 1, 23);
    for (name, options) in [("plain", ""), ("dark", "--invert --fit stretch")] {
        room.good(&format!("data pack d --out {name} --size 16x18 {options}"));
        room.good(&format!("train --data {name} --out r-{name} --epochs 2 --no-plots --quiet"));
        let all = format!("predict --model r-{name} --data {name} --all --json");
        for known in events(&room.good(&all).out) {
            let picture = format!("d/test/{}/0.png", known["truth_name"].as_str().expect("a name"));
            // The room's command lines are split at spaces.
            std::fs::copy(room.path(&picture), room.path("own.png")).expect("a copy");
            let own = room.good(&format!("predict --model r-{name} --image own.png --json"));
            assert!(own.err.contains("as `weft data pack` does"), "{}", own.err);
            assert_eq!(events(&own.out)[0]["probabilities"], known["probabilities"], "{picture}");
        }
    }
}

#[test]
fn what_cannot_be_packed_is_named() {
    let room = Room::new();
    put_drawings(&room, "d", 4, 16);
    std::fs::write(room.path("d/cross/bad.png"), "no picture").expect("written");
    std::fs::write(room.path("d/cross/cut.png"), &room.read("d/cross/0.png")[..60])
        .expect("written");
    let done = room.weft("data pack d --out mine --size 16x16");
    assert_eq!(done.code, Some(3), "{}", done.err);
    let named = ["bad.png", "cut.png"].iter().any(|bad| done.err.contains(bad));
    assert!(named && done.err.contains("--skip-bad"), "{}", done.err);
    assert!(!room.path("mine").exists(), "nothing is written");
    let done = room.good("data pack d --out mine --size 16x16 --skip-bad");
    assert!(done.err.contains("bad.png") && done.err.contains("cut.png"), "{}", done.err);
    assert!(room.text("mine/pack.json").contains("cut.png"));

    std::fs::create_dir(room.path("empty")).expect("a folder");
    drawing(0, 0, 20).save(room.path("d/cross/larger.png")).expect("saved");
    let cases = [
        ("data pack empty --out x", 3, "one a class"),
        ("data pack nowhere --out x", 5, "nowhere"),
        ("data pack d --out x --skip-bad", 3, "1 of 20x20"),
        ("data pack d --out x --size 0x3", 2, "28x28"),
        ("data pack d --out x --size 3", 2, "--size 32x32"),
        ("data pack d --out x --test-split 1", 2, "0.2"),
    ];
    for (line, code, told) in cases {
        let done = room.weft(line);
        assert_eq!(done.code, Some(code), "weft {line}: {}", done.err);
        assert!(done.err.contains(told), "weft {line}: {}", done.err);
    }
}

#[test]
fn pictures_that_are_all_bad_make_no_set() {
    let room = Room::new();
    for name in ["a", "b"] {
        std::fs::create_dir_all(room.path("d").join(name)).expect("a folder");
        (0..3).for_each(|i| {
            std::fs::write(room.path(&format!("d/{name}/{i}.png")), "no picture").expect("written");
        });
    }
    for size in ["", "--size 8x8"] {
        let done = room.weft(&format!("data pack d --out mine --skip-bad {size}"));
        assert_eq!(done.code, Some(3), "{}", done.err);
        assert!(done.err.contains("pictures can be used; d/"), "{}", done.err);
        assert!(!room.path("mine").exists());
    }
}

#[test]
#[cfg(unix)]
fn links_back_to_where_one_came_from_are_not_followed() {
    use std::os::unix::fs::symlink;
    let room = Room::new();
    put_drawings(&room, "d", 5, 16);
    // A class may lie elsewhere, and a folder below it, too.
    std::fs::rename(room.path("d/cross"), room.path("elsewhere")).expect("moved");
    symlink("../elsewhere", room.path("d/cross")).expect("a link");
    for (number, to) in ["..", ".", "../ring 2/up"].into_iter().enumerate() {
        symlink(to, room.path(&format!("d/ring 10/back{number}"))).expect("a link");
    }
    symlink("..", room.path("d/ring 2/up")).expect("a link");
    let done = room.good("data pack d --out mine");
    assert!(done.err.contains("12 pictures to train on and 3 to test with"), "{}", done.err);
}

#[test]
#[cfg(unix)]
fn a_set_that_cannot_be_written_leaves_the_old_one_whole() {
    let room = Room::new();
    put_drawings(&room, "d/train", 4, 16);
    put_drawings(&room, "d/test", 40, 16);
    room.good("data pack d --out mine");
    let set = || files(&room.path("mine")).into_iter().map(|n| room.read(&format!("mine/{n}")));
    let before: Vec<_> = set().collect();
    // The images to train on are 3 KB, those to test with 31.
    let program = env!("CARGO_BIN_EXE_weft");
    let line = "data pack d --out mine --invert --force";
    let shell = format!("trap '' XFSZ; ulimit -f 20; exec '{program}' {line}");
    let mut command = std::process::Command::new("sh");
    let done = command.args(["-c", &shell]).current_dir(room.path(".")).output().expect("a shell");
    assert_eq!(done.status.code(), Some(5), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(set().eq(before), "a set that is half old and half new");
}

/// A set of images of these sizes, whose first pixels tell the class.
pub(crate) fn put_set(room: &Room, name: &str, dims: &[usize], classes: usize) {
    let folder = room.path(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let features: usize = dims.iter().product();
    for (half, each) in [("train", 20), ("t10k", 4)] {
        let count = each * classes;
        let class = |i: usize| i * 7 % classes;
        let pixel = |i: usize, p: usize| {
            let bit = (class(i) >> (p % 10)) & 1;
            (bit * 200 + (i * 31 + p * 17) % 50) as u8
        };
        let pixels: Vec<u8> =
            (0..count).flat_map(|i| (0..features).map(move |p| pixel(i, p))).collect();
        let labels: Vec<i16> = (0..count).map(|i| class(i) as i16).collect();
        let sizes: Vec<usize> = [count].iter().chain(dims).copied().collect();
        let file = |what: &str| std::fs::File::create(folder.join(format!("{half}-{what}-ubyte")));
        idx::write(file("images-idx3").expect("a file"), &sizes, &pixels).expect("written");
        idx::write(file("labels-idx1").expect("a file"), &[count], &labels).expect("written");
    }
    let names: String = (0..classes).map(|i| format!("the class with the number {i}\n")).collect();
    std::fs::write(folder.join("classes.txt"), names).expect("written");
}

#[test]
fn other_sizes_and_numbers_of_classes_work_throughout() {
    let room = Room::new();
    let sets: [(&[usize], usize); 4] =
        [(&[16, 16], 37), (&[40], 2), (&[3, 8, 8], 5), (&[8, 8, 3], 300)];
    for (i, (dims, classes)) in sets.into_iter().enumerate() {
        let name = format!("set{i}");
        put_set(&room, &name, dims, classes);
        room.good(&format!("train --data {name} --out r{i} --epochs 20 --lr 0.01 --quiet"));
        // Without a test image 12 there is a figure less.
        let figures = if 4 * classes > 12 { 7 } else { 6 };
        assert_eq!(files(&room.path(&format!("r{i}/plots"))).len(), figures, "{dims:?}");
        let model = format!("--model r{i} --data {name}");
        let found = events(&room.good(&format!("eval {model} --json")).out);
        assert!(found[0]["test_accuracy"].as_f64() > Some(0.5), "{dims:?}: {}", found[0]);
        let one = room.good(&format!("predict {model} --index 0 --csv")).out;
        assert_eq!(one.lines().next().expect("a header").split(',').count(), 5 + classes);
        room.good(&format!("predict {model} --all"));
        let svg = room.good(&format!("plot {model} --out p{i} --format svg")).out;
        assert_eq!(svg.lines().count(), figures, "{dims:?}");
        room.good(&format!("export --model r{i} --onnx m{i}.onnx"));
        assert!(
            room.good(&format!("info --model r{i}")).out.contains("the class with the number 1")
        );
    }
}

#[test]
fn what_a_run_says_to_try_next_works() {
    let room = Room::new();
    put_set(&room, "small", &[4, 5], 2);
    let files = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
    let files = files.map(|name| format!("small/{name}-ubyte")).join(",");
    for data in ["--data small".to_owned(), format!("--files {files} --classes small/classes.txt")]
    {
        let told = room.good(&format!("train {data} --no-plots --quiet --force --out r")).out;
        let next = told.lines().find_map(|line| line.split_once(" predict ")).expect("a line").1;
        let done = room.good(&format!("predict {next}"));
        assert!(done.out.contains("Test image 0: the class with the number"), "{}", done.out);
    }
}

#[test]
fn data_that_cannot_be_learned_from_says_why() {
    let room = Room::new();
    put_set(&room, "one", &[4, 5], 1);
    put_set(&room, "two", &[4, 5], 2);
    put_set(&room, "mixed", &[4, 5], 2);
    put_set(&room, "wide", &[4, 9], 2);
    put_set(&room, "flat", &[0, 4], 2);
    for name in ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
        let (wide, mixed) = (room.path("wide").join(name), room.path("mixed").join(name));
        std::fs::copy(wide, mixed).expect("a copy");
    }
    std::fs::write(room.path("latin1"), b"Stra\xdfe\nHaus\n").expect("written");
    std::fs::write(room.path("short"), "house\n").expect("written");
    let cases = [
        ("--data one", "of one class", "two classes or more"),
        ("--data one --dry-run", "of one class", "two classes or more"),
        ("--data mixed", "mixed/t10k-images-idx3-ubyte: [4, 9]", "side by side"),
        ("--data flat", "where: flat/train-images-idx3-ubyte: each is 0x4", "name other data"),
        ("--data two --classes latin1", "where: latin1", "UTF-8"),
        ("--data two --classes short", "label 1", "a class for every label"),
        ("--data two/classes.txt", "where: two/classes.txt: Not a directory", "check the path"),
    ];
    for (data, what, next) in cases {
        let done = room.weft(&format!("train {data} --out r"));
        let code = if data.contains(".txt") { 5 } else { 3 };
        assert_eq!(done.code, Some(code), "{data}: {}", done.err);
        assert!(done.err.contains(what), "{data}: {}", done.err);
        let told = done.err.split("\n  next:  ").nth(1).expect("what to do next");
        assert!(told.contains(next), "{data}: {told}");
    }
    assert!(!room.path("r").exists(), "nothing was begun");
}

#[test]
fn a_model_on_other_data_than_its_own_is_told() {
    const TOLD: &str = "warning: the model was trained on other data than ";
    let room = Room::new();
    put_set(&room, "own", &[4, 5], 2);
    put_set(&room, "other", &[4, 5], 3);
    room.good("train --data own --no-plots --quiet --epochs 1 --hidden 4 --out r");
    std::fs::copy(
        room.path("own/t10k-images-idx3-ubyte"),
        room.path("other/t10k-images-idx3-ubyte"),
    )
    .and_then(|_| {
        let labels = "t10k-labels-idx1-ubyte";
        std::fs::copy(room.path("own").join(labels), room.path("other").join(labels))
    })
    .expect("copies");
    for line in ["eval", "predict --index 0", "predict --all", "plot --out p --index 0", "show 0"] {
        let own = room.good(&format!("{line} --model r --data own"));
        assert!(!own.err.contains(TOLD), "{line}: {}", own.err);
        let other = room.good(&format!("{line} --model r --data other"));
        assert!(other.err.contains(&format!("{TOLD}other, in other")), "{line}: {}", other.err);
    }
    let quiet = room.good("eval --model r --data other --quiet");
    assert_eq!(quiet.err, "");
}

#[test]
fn a_model_is_used_on_the_data_of_its_run() {
    let room = Room::new();
    put_set(&room, "two", &[4, 5], 2);
    room.put_sample("other");
    room.good("train --data two --quiet --epochs 1 --hidden 4 --checkpoint-every 1 --out r");
    let report = room.read("r/report.html");
    let lines = [
        "eval --model r",
        "eval --model r/model.safetensors",
        "predict --model r --index 0",
        "predict --model r --all",
        "plot --model r --out p --index 0",
        "show 0 --model r",
        "report r",
    ];
    for line in lines {
        let done = room.good(line);
        assert!(!done.err.contains("other data"), "{line}: {}", done.err);
    }
    assert!(room.read("r/report.html") == report, "the same as training made");
    // What is named stands above it.
    for flags in ["--dataset sample", "--data other"] {
        let done = room.weft(&format!("eval --model r {flags}"));
        assert!(done.code == Some(3) && done.err.contains("do not fit together"), "{}", done.err);
    }
    // The variable says where data is of which nobody says more.
    let mut command = room.command("eval --model r");
    let done = crate::done(&command.env("WEFT_DATA", "other").output().expect("weft runs"));
    assert!(done.code == Some(0) && !done.err.contains("other data"), "{}", done.err);

    std::fs::rename(room.path("two"), room.path("moved")).expect("moved");
    for line in lines {
        let done = room.weft(line);
        assert_eq!(done.code, Some(3), "{line}: {}", done.err);
        let told = format!("{}, which r/config.toml names, is not", room.path("two").display());
        assert!(done.err.contains(&told), "{}", done.err);
        assert!(done.err.contains("next:  say where the data is now with --data"), "{}", done.err);
    }
    assert!(room.read("r/report.html") == report, "the report is as it was");
    room.good("report r --data moved");
    drawing(0, 0, 20).save(room.path("own.png")).expect("saved");
    room.good("predict --model r --image own.png");
}

#[test]
fn a_run_means_the_same_data_wherever_it_is_used() {
    let room = Room::new();
    put_set(&room, "own", &[4, 5], 2);
    std::fs::create_dir(room.path("elsewhere")).expect("a folder");
    let line = "train --epochs 1 --hidden 4 --no-plots --quiet --out";
    room.good(&format!("{line} typed --data own"));
    let mut command = room.command(&format!("{line} variable"));
    crate::done(&command.env("WEFT_DATA", "own").output().expect("weft runs"));
    for run in ["typed", "variable"] {
        let mut command = room.command(&format!("eval --model ../{run} --json"));
        command.current_dir(room.path("elsewhere"));
        let done = crate::done(&command.output().expect("weft runs"));
        assert_eq!(done.err, "", "{run}");
        assert_eq!(events(&done.out)[0]["dataset"], "own", "{run}");
    }
    let settings = room.text("variable/config.toml");
    assert!(settings.lines().any(|l| l.starts_with("folder = ") && l.ends_with("# $WEFT_DATA")));
    // So does a training that goes on or is repeated.
    let mut command = room.command("train --config ../variable/config.toml --no-plots --out again");
    command.current_dir(room.path("elsewhere"));
    crate::done(&command.output().expect("weft runs"));
    assert!(room.read("elsewhere/again/model.safetensors") == room.read("typed/model.safetensors"));
}

#[test]
fn photos_are_drawn_as_they_are_and_drawings_dark_on_light() {
    let room = Room::new();
    put_drawings(&room, "d", 8, 16);
    for (name, options, photos) in [("photos", "", true), ("drawings", "--invert", false)] {
        room.good(&format!("data pack d --out {name} --size 16x16 {options}"));
        room.good(&format!("train --data {name} --out r-{name} --epochs 1 --lr 1e-5 --quiet"));
        let html = room.text(&format!("r-{name}/report.html"));
        // What is grey is turned on a dark page, unless it is a photo.
        assert_eq!(html.contains("\"pixels photo\""), photos, "{name}");
        assert_eq!(html.contains("\"drawing wide grey\""), !photos, "{name}");
        // Of a background of 230 most of a picture is light either way.
        let png = image::open(room.path(&format!("r-{name}/plots/training-images.png")));
        let png = png.expect("a picture").into_luma8();
        let dark = png.pixels().filter(|pixel| pixel.0[0] < 60).count();
        assert!(dark * 4 < png.pixels().len(), "{name}: {dark} dark pixels");
    }
}

#[test]
fn a_model_of_a_named_set_is_used_on_that_set() {
    let room = Room::new();
    put_set(&room, "other", &[4, 5], 2);
    room.train("r", "--epochs 1 --quiet");
    // The variable says where Fashion-MNIST is.
    let mut command = room.command("eval --model r --json");
    let done = crate::done(&command.env("WEFT_DATA", "other").output().expect("weft runs"));
    assert_eq!(events(&done.out)[0]["dataset"], "sample", "{}", done.err);
    // A file of settings that are not weft's says nothing about data.
    std::fs::write(room.path("r/config.toml"), "[params]\nauthor = \"me\"\n").expect("written");
    room.good("eval --model r --dataset sample");
    let done = room.weft("eval --model r --data nowhere");
    assert!(done.err.contains("nowhere"), "{}", done.err);
}

#[test]
fn a_model_that_takes_no_pictures_is_not_offered_any() {
    let room = Room::new();
    for (dims, pictures) in [(&[4, 5][..], true), (&[40][..], false)] {
        put_set(&room, "set", dims, 2);
        let told = room.good("train --data set --no-plots --quiet --epochs 1 --force --out r").out;
        assert_eq!(told.contains("--image YOUR.png"), pictures, "{told}");
    }
    let done = room.weft("predict --model r --image any.png");
    assert_eq!(done.code, Some(2), "{}", done.err);
    let told = "takes [40], not pictures\n  where: --image\n  next:  name test images instead";
    assert!(done.err.contains(told), "{}", done.err);
}

#[test]
fn nobody_is_told_to_remove_files_of_their_own() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;
    let room = Room::new();
    let images = "t10k-images-idx3-ubyte";
    type Spoil = fn(&Path, &Path);
    let cases: [(&str, Spoil); 3] = [
        ("floats", |images, _| {
            let file = std::fs::File::create(images).expect("a file");
            idx::write(file, &[8, 4, 5], &[0.5f32; 160]).expect("written");
        }),
        ("cut", |images, _| {
            let mut gz = GzEncoder::new(Vec::new(), Compression::default());
            gz.write_all(&std::fs::read(images).expect("images")).expect("compressed");
            let gz = gz.finish().expect("compressed");
            std::fs::write(images.with_extension("gz"), &gz[..gz.len() / 2]).expect("written");
            std::fs::remove_file(images).expect("removed");
        }),
        ("empty", |images, labels| {
            let file = |path| std::fs::File::create(path).expect("a file");
            idx::write(file(images), &[0, 4, 5], &[0u8; 0]).expect("written");
            idx::write(file(labels), &[0], &[0u8; 0]).expect("written");
        }),
    ];
    for (name, spoil) in cases {
        put_set(&room, name, &[4, 5], 2);
        let folder = room.path(name);
        spoil(&folder.join(images), &folder.join("t10k-labels-idx1-ubyte"));
        let done = room.weft(&format!("train --data {name} --out r"));
        assert_eq!(done.code, Some(3), "{name}: {}", done.err);
        assert!(done.err.contains(&format!("{name}/{images}")), "{name}: {}", done.err);
        assert!(!done.err.contains("remove") && !done.err.contains("fetch"), "{}", done.err);
        assert!(done.err.contains("in its place"), "{name}: {}", done.err);
    }
}
