//! What the tests of this crate share.
#![allow(dead_code, reason = "each test program uses a part")]

use nn::{
    Activation, Engine, Event, FitConfig, History, Inputs, Isa, Labels, Model, Sequential,
    checkpoint,
};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Pixels are scaled to 0..1.
pub(crate) const SCALE: f32 = 1.0 / 255.0;

/// A folder of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The training half of the sample: a thousand images.
pub(crate) fn sample() -> idx::Labelled {
    let file = |name| idx::IdxFile::read(repository("data/sample").join(name)).expect("the sample");
    let (images, labels) = (file("train-images-idx3-ubyte"), file("train-labels-idx1-ubyte"));
    idx::Labelled::new(images, labels, 10).expect("the sample")
}

pub(crate) fn inputs(data: &idx::Labelled) -> Inputs<'_> {
    Inputs::u8(data.images(), data.features(), SCALE).expect("whole images")
}

/// 784, then hidden layers of these widths, then 10 classes.
pub(crate) fn network(hidden: &[usize]) -> Sequential {
    let net = Sequential::new(&[28, 28]).flatten();
    let net = hidden.iter().fold(net, |net, units| net.dense(*units, Activation::Relu));
    net.dense(10, Activation::Softmax)
}

/// Trains and tells what happened.
pub(crate) fn fit<'l>(
    model: &mut Model,
    engine: &mut Engine,
    inputs: Inputs<'_>,
    labels: impl Into<Labels<'l>>,
    config: &FitConfig,
) -> (History, Vec<f64>) {
    let mut losses = Vec::new();
    let history = model
        .fit(engine, inputs, labels, config, &mut |event| {
            if let Event::Step { batch_loss, .. } = event {
                losses.push(*batch_loss);
            }
            ControlFlow::Continue(())
        })
        .expect("a training that converges");
    (history, losses)
}

/// The first `count` examples of the sample and their labels.
pub(crate) fn first(data: &idx::Labelled, count: usize) -> (Inputs<'_>, &[u16]) {
    (inputs(data).slice(0, count), &data.labels()[..count])
}

/// The instruction sets of this CPU that give the same bits as its best one.
pub(crate) fn equal_isas() -> impl Iterator<Item = Isa> {
    Isa::available().into_iter().filter(|isa| isa.fused() == Isa::best().fused())
}

/// The bytes of the model's file.
pub(crate) fn bytes(model: &Model) -> Vec<u8> {
    checkpoint::to_bytes(model, &checkpoint::Metadata::default()).expect("a model file")
}

/// A small generator for test data (SplitMix64).
pub(crate) struct Gen(pub(crate) u64);

impl Gen {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [-1, 1).
    pub(crate) fn float(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}
