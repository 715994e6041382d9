//! The library behind the `weft` command.

pub mod image;
pub mod plot;
