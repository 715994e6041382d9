//! Any bytes are a network of another program or an error, and a network that was put together can be written.
#![no_main]

use app::import::{Imported, Normalisation, Options, from_bytes};
use libfuzzer_sys::fuzz_target;
use nn::Activation;
use nn::checkpoint::{self, Metadata};

fuzz_target!(|bytes: &[u8]| {
    let normalisation = Normalisation { scale: 1.0 / 255.0, mean: 0.5, deviation: 0.25 };
    let options = Options { input: None, activations: vec![Activation::Relu], normalisation };
    let Ok(Imported { model, pixel_scale, .. }) = from_bytes(bytes, &options) else { return };
    let metadata = Metadata { pixel_scale, ..Metadata::default() };
    let written = checkpoint::to_bytes(&model, &metadata).expect("what was read can be written");
    checkpoint::from_bytes(&written).expect("and read again");
});
