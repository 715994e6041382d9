//! The library behind the `weft` command.
