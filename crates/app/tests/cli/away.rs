use crate::{Room, events};

#[test]
fn a_model_is_exported_as_onnx() {
    let room = Room::new();
    room.train("r", "--epochs 1 --quiet");
    let done = room.good("export --model r --onnx m.onnx");
    assert_eq!(done.out.trim(), "m.onnx");
    assert!(done.err.contains("[N, 28, 28]") && done.err.contains("uint8"), "{}", done.err);
    let bytes = room.read("m.onnx");
    let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    for text in ["pixels", "probabilities", "Gemm", "Softmax", "class_names", "Ankle boot"] {
        assert!(holds(text), "{text}");
    }
    let weights = room.read("r/model.safetensors");
    let floats = room.good("export --model r/model.safetensors --onnx m.onnx --pixels f32");
    assert!(floats.err.contains("float32"), "{}", floats.err);
    let own = room.weft("export --model r --onnx r/model.safetensors");
    assert_eq!(own.code, Some(2), "{}", own.err);
    assert_eq!(room.read("r/model.safetensors"), weights, "the model is as it was");
    std::fs::write(room.path("own.onnx"), &weights).expect("written");
    let own = room.weft("export --model own.onnx --onnx own.onnx");
    assert_eq!(own.code, Some(2), "{}", own.err);
    assert_eq!(room.read("own.onnx"), weights, "whatever it is called");
}

#[test]
fn an_export_replaces_no_file_of_another_kind() {
    let room = Room::new();
    room.train("r", "--epochs 1 --quiet");
    let history = room.text("r/history.csv");
    for out in ["r/history.csv", "m.txt", "m"] {
        let done = room.weft(&format!("export --model r --onnx {out}"));
        assert_eq!(done.code, Some(2), "{out}: {}", done.err);
        assert!(done.err.contains(&format!("where: --onnx {out}")), "{}", done.err);
        assert!(done.err.contains("next:  say it as in --onnx model.onnx"), "{}", done.err);
    }
    assert!(room.text("r/history.csv") == history, "the history is as it was");
}

#[test]
fn a_model_goes_out_and_comes_back() {
    let room = Room::new();
    room.train("r", "--epochs 1 --hidden 20,30 --quiet");
    // What is left when another program has loaded and saved the tensors: no metadata.
    let file = room.read("r/model.safetensors");
    let tensors = safetensors::SafeTensors::deserialize(&file).expect("our own file");
    let views = tensors.tensors();
    let bare = safetensors::serialize(views.iter().map(|(n, v)| (n, v)), None).expect("a file");
    std::fs::write(room.path("bare.safetensors"), bare).expect("written");
    let done = room.good("import bare.safetensors --out back.safetensors");
    assert_eq!(done.out.trim(), "back.safetensors");
    assert!(done.err.contains("dense_1, dense_2, dense_3"), "{}", done.err);
    let predict = |model: &str| {
        let line = format!("predict --model {model} --dataset sample --all --json");
        events(&room.good(&line).out)
    };
    for (ours, back) in predict("r").iter().zip(predict("back.safetensors")) {
        assert_eq!(ours["probabilities"], back["probabilities"]);
    }
    std::fs::write(room.path("names"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n").expect("written");
    room.good("import bare.safetensors --out back.safetensors --classes names --force");
    assert!(room.good("info --model back.safetensors").out.contains("a, b, c"));
}

/// Some model's tensors as another program would save them: without metadata.
fn put_tensors(room: &Room, name: &str) {
    room.train("of-tensors", "--epochs 1 --quiet");
    let file = room.read("of-tensors/model.safetensors");
    let tensors = safetensors::SafeTensors::deserialize(&file).expect("our own file");
    let views = tensors.tensors();
    let bare = safetensors::serialize(views.iter().map(|(n, v)| (n, v)), None).expect("a file");
    std::fs::write(room.path(name), bare).expect("written");
}

#[test]
fn an_import_replaces_a_model_only_if_told_to() {
    let room = Room::new();
    put_tensors(&room, "net.safetensors");
    room.train("r", "--epochs 1 --seed 5 --quiet");
    std::fs::create_dir(room.path("m")).expect("a folder");
    std::fs::copy(room.path("r/model.safetensors"), room.path("m/model.safetensors"))
        .expect("copied");
    let before = room.read("m/model.safetensors");
    for out in ["m", "m/model.safetensors"] {
        let done = room.weft(&format!("import net.safetensors --out {out}"));
        assert_eq!(done.code, Some(2), "{}", done.err);
        assert!(done.err.contains("where: m/model.safetensors"), "{}", done.err);
        assert!(done.err.contains("add --force to replace the model"), "{}", done.err);
    }
    assert!(room.read("m/model.safetensors") == before, "the model is as it was");
    room.good("import net.safetensors --out m --force");
    assert!(room.read("m/model.safetensors") != before);
    // What else is in the folder of a run tells of its own model.
    for force in ["", "--force"] {
        let done = room.weft(&format!("import net.safetensors --out r {force}"));
        assert_eq!(done.code, Some(2), "{}", done.err);
        assert!(done.err.contains("where: r/run.json"), "{}", done.err);
    }
    assert!(room.read("r/model.safetensors") == before, "the run is as it was");
    let own = room.weft("import net.safetensors --out net.safetensors --force");
    assert_eq!(own.code, Some(2), "{}", own.err);
}

#[test]
fn the_examples_of_import_work_one_after_the_other() {
    let room = Room::new();
    put_tensors(&room, "net.safetensors");
    std::fs::write(room.path("classes.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n").expect("written");
    let help = room.good("import --help").out;
    let examples: Vec<&str> = help.lines().filter_map(|l| l.strip_prefix("  weft ")).collect();
    assert_eq!(examples.len(), 3, "{help}");
    let outs = examples.iter().map(|line| room.good(line).out);
    let outs: String = outs.collect();
    assert_eq!(outs, "net/model.safetensors\nnet/model.safetensors\nnets/tanh.safetensors\n");
    // No folder can be made below a file.
    let done = room.weft("import net.safetensors --out classes.txt/x");
    assert_eq!(done.code, Some(5), "{}", done.err);
}

#[test]
fn what_cannot_be_imported_says_why_and_what_next() {
    let room = Room::new();
    room.train("r", "--epochs 1 --quiet");
    std::fs::write(room.path("page"), "<html>").expect("written");
    std::fs::write(room.path("names"), "a\nb\n").expect("written");
    let cases = [
        ("import r/model.safetensors --out x", 6, "use it as it is"),
        ("import page --out x", 6, "save_file"),
        ("import nowhere --out x", 5, "check the path"),
        ("import page --out x --activation softmax", 2, "last layer"),
        ("import page --out x --activation tan", 2, "one of relu, leaky-relu"),
        ("import page --out x --input 0x3", 2, "28x28"),
    ];
    for (line, code, next) in cases {
        let done = room.weft(line);
        assert_eq!(done.code, Some(code), "weft {line}: {}", done.err);
        assert!(done.err.contains(next), "weft {line}: {}", done.err);
        assert!(!room.path("x").exists());
    }
}
