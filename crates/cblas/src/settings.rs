//! What the environment says, read once, and how the library speaks.

use kernels::Isa;
use std::fmt::Arguments;
use std::io::Write;
use std::sync::OnceLock;

/// What the environment says.
pub(crate) struct Settings {
    /// The instruction set of all products.
    pub(crate) isa: Isa,
    /// Whether every product is reported.
    pub(crate) verbose: bool,
}

/// Reads the environment at the first call.
pub(crate) fn get() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let isa = Isa::from_env().unwrap_or_else(|why| {
            say(format_args!("{why}; going on with {}", Isa::best()));
            Isa::best()
        });
        let verbose = std::env::var_os("WEFT_VERBOSE").is_some_and(|v| v != "0" && !v.is_empty());
        Settings { isa, verbose }
    })
}

/// A line on standard error, if there is one.
pub(crate) fn say(what: Arguments<'_>) {
    let line = format!("weft_blas: {what}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
