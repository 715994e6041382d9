//! Any bytes are the state of a training or an error; a state that was read is written as it was, and a
//! training goes on from it or says why not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::{Engine, Inputs, Model, checkpoint};

fuzz_target!(|bytes: &[u8]| {
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
});
