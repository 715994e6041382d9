//! Small dense networks on CPUs: build one, train it, evaluate, predict, save.
//!
//! ```
//! use nn::{Activation, Engine, FitConfig, Inputs, Sequential};
//! use std::ops::ControlFlow;
//!
//! // Four points, two classes.
//! let (x, y) = ([0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0f32], [0, 1, 1, 0u8]);
//! let mut model = Sequential::new(&[2]).dense(16, Activation::Relu).dense(2, Activation::Softmax).build(1)?;
//! let mut engine = Engine::new(Some(1), None);
//! let config = FitConfig { epochs: 300, batch_size: 4, ..FitConfig::default() };
//! let inputs = Inputs::f32(&x, 2)?;
//! model.fit(&mut engine, inputs, &y, &config, &mut |_| ControlFlow::Continue(()))?;
//! assert_eq!(model.evaluate(&mut engine, inputs, &y)?.accuracy, 1.0);
//! # Ok::<(), nn::Error>(())
//! ```
//!
//! Images of bytes, as in the README:
//!
//! ```
//! # let (pixels, labels) = (vec![0; 20 * 28 * 28], vec![0u8; 20]);
//! use nn::{Activation, Engine, FitConfig, Inputs, Sequential};
//! use std::ops::ControlFlow;
//!
//! let mut model = Sequential::new(&[28, 28])
//!     .flatten()
//!     .dense(128, Activation::Relu)
//!     .dense(10, Activation::Softmax)
//!     .build(1)?;                                            // seed
//! let mut engine = Engine::new(None, None);                  // all threads that pay, best instruction set
//! let images = Inputs::u8(&pixels, 28 * 28, 1.0 / 255.0)?;   // borrowed, scaled on the way in
//! model.fit(&mut engine, images, &labels, &FitConfig::default(), &mut |_| ControlFlow::Continue(()))?;
//! let probabilities = model.predict(&mut engine, images)?;
//! # Ok::<(), nn::Error>(())
//! ```
//!
//! The same seed gives the same bits, whatever the number of threads and the instruction set. The crate
//! reads no files and prints nothing.
#![forbid(unsafe_code)]

mod architecture;
mod arithmetic;
mod augment;
mod average;
mod behind;
pub mod checkpoint;
mod clock;
mod column;
mod data;
mod deltas;
mod engine;
mod error;
mod group;
mod half;
mod held;
mod infer;
mod layer;
pub mod metrics;
mod model;
mod optimizer;
mod order;
mod own;
mod progress;
pub mod rng;
mod schedule;
mod step;
mod summary;
mod sweep;
mod tensors;
mod top;
mod train;
mod training;
mod weights;
mod whole;
mod workspace;

pub use architecture::{Activation, Architecture, DenseShape, Layer, Sequential};
pub use augment::Augment;
pub use average::Average;
pub use clock::{StepPart, StepTimes};
pub use data::{Inputs, Labels};
pub use engine::Engine;
pub use error::Error;
pub use half::Precision;
pub use infer::Evaluation;
pub use kernels::{Isa, IsaError};
pub use model::Model;
pub use optimizer::{AdamConfig, AdamWConfig, Optimizer, SgdConfig};
pub use order::arrange;
pub use schedule::{Schedule, WarmUp};
pub use sweep::{RateSweep, Sweep};
pub use train::{EarlyStopping, EpochStats, Event, FitConfig, History, Monitor};
pub use training::Training;

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_the_readme_is_one_that_is_compiled() {
        let readme = include_str!("../../../README.md");
        let example = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
        let lines = include_str!("lib.rs").lines().filter_map(|line| line.strip_prefix("//!"));
        let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
        let shown: Vec<&str> = lines.filter(|line| !line.starts_with("# ")).collect();
        assert!(shown.join("\n").contains(example.expect("an example")));
    }
}
