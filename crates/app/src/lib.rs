//! The library behind the `weft` command.

#![deny(unsafe_code)]

pub mod datasets;
pub mod describe;
pub mod image;
pub mod plot;
pub mod report;
pub mod show;
pub mod store;
