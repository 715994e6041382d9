//! The library behind the `weft` command.

pub mod plot;
