//! The library behind the `weft` command.

#![deny(unsafe_code)]

pub mod datasets;
pub mod image;
pub mod plot;
pub mod store;
