//! Models of other programs that are no use.

use crate::{Room, events};

/// A model all of whose weights and biases are this number.
fn put_model(room: &Room, name: &str, value: f32) {
    room.train("trained", "--epochs 1 --hidden 8 --quiet --force");
    let mut file = room.read("trained/model.safetensors");
    let length = u64::from_le_bytes(file[..8].try_into().expect("a length"));
    let floats = &mut file[8 + length as usize..];
    floats.chunks_exact_mut(4).for_each(|float| float.copy_from_slice(&value.to_le_bytes()));
    std::fs::write(room.path(name), file).expect("written");
}

#[test]
fn a_model_that_gives_no_numbers_is_refused() {
    let room = Room::new();
    put_model(&room, "nan", f32::NAN);
    put_model(&room, "huge", f32::MAX);
    room.train("sound", "--epochs 1 --quiet");
    for line in ["eval", "eval --json", "predict --index 0", "predict --all --csv"] {
        for (model, what) in [("nan", "weights"), ("huge", "outputs")] {
            let done = room.weft(&format!("{line} --dataset sample --model {model}"));
            assert_eq!(done.code, Some(1), "{line}: {}", done.err);
            let told =
                format!("error: some of the model's {what} are not finite\n  where: {model}");
            assert!(done.err.contains(&told) && done.err.contains("--lr"), "{line}: {}", done.err);
            assert!(!done.out.contains("accuracy") && !done.out.contains("class"), "{}", done.out);
        }
        let done = room.good(&format!("{line} --dataset sample --model sound"));
        assert_eq!(done.err, "", "{line}");
    }
    let all = events(&room.weft("eval --dataset sample --model nan --json").out);
    assert_eq!(all[0]["event"], "error");
}

#[test]
fn a_model_without_a_report_says_what_is_wrong_with_it() {
    let room = Room::new();
    put_model(&room, "nan", f32::NAN);
    put_model(&room, "huge", f32::MAX);
    for (model, what) in [("nan", "weights"), ("huge", "outputs")] {
        let done = room.weft(&format!("report {model} --dataset sample --out r.html"));
        assert_eq!(done.code, Some(1), "{}", done.err);
        let told = format!("error: some of the model's {what} are not finite\n  where: {model}\n");
        assert!(done.err.contains(&told), "{}", done.err);
        assert!(!done.err.contains("--no-report"), "nobody trains: {}", done.err);
        assert!(done.err.contains("next:  train it anew"), "{}", done.err);
        assert!(!room.path("r.html").exists());
    }
}

#[test]
fn a_model_without_pictures_says_what_is_wrong_with_it() {
    let room = Room::new();
    put_model(&room, "nan", f32::NAN);
    put_model(&room, "huge", f32::MAX);
    for (model, what) in [("nan", "weights"), ("huge", "outputs")] {
        for images in ["", "--index 3"] {
            let line = format!("plot {images} --model {model} --dataset sample --out pictures");
            let done = room.weft(&line);
            assert_eq!(done.code, Some(1), "{}", done.err);
            let told = format!("error: some of the model's {what} are not finite\n");
            assert!(done.err.contains(&told), "{}", done.err);
            assert!(done.err.contains("next:  train it anew"), "{}", done.err);
            assert!(!room.path("pictures").exists(), "half of the pictures");
        }
    }
}

#[test]
fn no_learning_rate_is_found_from_weights_that_are_not_finite() {
    let room = Room::new();
    put_model(&room, "nan", f32::NAN);
    for json in ["", "--json"] {
        let line = format!("lr-find --dataset sample --hidden 8 --init nan {json}");
        let done = room.weft(&line);
        assert_eq!(done.code, Some(4), "{line}: {}", done.err);
        assert!(done.err.contains("training diverged: the first loss is not"), "{}", done.err);
        assert!(done.err.contains("next:  begin with other weights"), "{}", done.err);
    }
    assert!(!room.path("lr-find.png").exists());
}

#[test]
fn a_single_learning_rate_is_told_without_a_picture() {
    let room = Room::new();
    let done = room.good("lr-find --dataset sample --optimizer sgd --from 1e37 --to 1e38");
    assert!(done.out.starts_with("1 step with learning rates from 1e37"), "{}", done.out);
    assert!(done.out.contains("where the loss exploded"), "{}", done.out);
    assert!(!room.path("lr-find.png").exists());
}
