//! The library behind the `weft` command.

#![deny(unsafe_code)]

pub mod datasets;
pub mod describe;
pub mod image;
pub mod import;
mod natural;
pub mod numbers;
pub mod onnx;
pub mod pack;
pub mod plot;
pub mod report;
pub mod show;
pub mod store;
