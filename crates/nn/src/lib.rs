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
