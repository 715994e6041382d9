//! Any bytes are the state of a training or an error; a state that was read is written as it was, and a
//! training goes on from it or says why not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::{Engine, Inputs, Model, checkpoint};

/// A state of a few bytes.
const SEED: &[u8] = include_bytes!("../seeds/state/tiny.safetensors");
/// Numbers of its progress that go on with steps and epochs, as they stand in the text in the header.
const COUNTERS: [&str; 7] = ["averaged", "bad", "cooling", "correct", "done", "step", "waited"];

fuzz_target!(|bytes: &[u8]| {
    go_on(bytes);
    go_on(&with_counters(bytes));
});

/// The seed with other counters. Each takes nine bytes, the first of which says whether it is another at all: most others
/// are refused, and then nobody looks at the rest.
fn with_counters(bytes: &[u8]) -> Vec<u8> {
    let mut file = SEED.to_vec();
    for (name, number) in COUNTERS.iter().zip(bytes.as_chunks::<9>().0) {
        let [1..=255, number @ ..] = number else { continue };
        let text = u64::from_le_bytes(*number).to_string();
        let before = format!("\\\"{name}\\\":");
        let at = file.windows(before.len()).rposition(|part| part == before.as_bytes());
        let at = at.expect("a field of the seed") + before.len();
        let digits = file[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        file.splice(at..at + digits, text.bytes());
    }
    let header = u64::from_le_bytes(*SEED.first_chunk().expect("a length"));
    let length = header + file.len() as u64 - SEED.len() as u64;
    file[..8].copy_from_slice(&length.to_le_bytes());
    file
}

/// Reads and writes a state, and trains on from it.
fn go_on(bytes: &[u8]) {
    let Ok((state, metadata)) = checkpoint::state_from_bytes(bytes) else { return };
    let written =
        checkpoint::state_to_bytes(&state, &metadata).expect("what was read can be written");
    let (again, _) = checkpoint::state_from_bytes(&written).expect("and read again");
    // NaN equals nothing; as text it is the same.
    assert!(state == again || format!("{state:?}") == format!("{again:?}"));
    // Trainings as large as the seeds'.
    let (features, examples) = (state.architecture().features(), state.examples());
    let small = features <= 16 && examples.0 <= 64 && examples.1 <= 64;
    if !small || state.architecture().parameters() > 4096 || state.config().batch_size > 64 {
        return;
    }
    let count = examples.0 + examples.1;
    let (data, labels) = (vec![100; count * features], vec![0u8; count]);
    let inputs = Inputs::u8(&data, features, 0.01).expect("whole examples");
    let mut engine = Engine::new(Some(1), None);
    let mut model: Model = state.model().expect("a model");
    let Ok(training) = model.train(&mut engine, inputs, &labels, state.config()) else { return };
    let Ok(mut training) = training.resume(&state) else { return };
    for _ in 0..3 {
        if training.advance().is_err() {
            return;
        }
    }
    checkpoint::state_to_bytes(&training.state(), &metadata).expect("a state");
}
