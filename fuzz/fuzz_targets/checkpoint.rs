//! Any bytes are a model file or an error, and a model file that was read can be written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nn::checkpoint;

fuzz_target!(|bytes: &[u8]| {
    let Ok((model, metadata)) = checkpoint::from_bytes(bytes) else { return };
    let written = checkpoint::to_bytes(&model, &metadata).expect("what was read can be written");
    checkpoint::from_bytes(&written).expect("and read again");
});
