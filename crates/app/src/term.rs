//! Standard output for data, standard error for everything else.

use crate::cli::Color;
use crate::columns::plain_lines;
use crate::exit::{Failure, Outcome};
use anstream::ColorChoice;
use app::numbers::grouped;
use clap::builder::styling::{AnsiColor, Style};
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};

/// Right.
pub(crate) const GOOD: Style = AnsiColor::Blue.on_default();
/// Wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Sets for the whole process what `--color` says, before the command line is parsed: errors in it are
/// printed too. NO_COLOR, CLICOLOR, TERM and whether there is a terminal are looked at where it says auto.
pub(crate) fn choose_colors(args: &[OsString]) {
    let value = args.iter().enumerate().find_map(|(i, arg)| match arg.to_str()? {
        "--color" => args.get(i + 1)?.to_str(),
        arg => arg.strip_prefix("--color="),
    });
    match value {
        Some("always") => ColorChoice::Always.write_global(),
        Some("never") => ColorChoice::Never.write_global(),
        // anstream takes an empty TERM for a terminal with colours.
        _ if dumb() && std::env::var_os("CLICOLOR_FORCE").is_none() => {
            ColorChoice::Never.write_global();
        }
        _ => {}
    }
}

/// Whether the terminal, if there is one, can do no more than print.
fn dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Where messages go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    quiet: bool,
    color: Color,
}

impl Terminal {
    pub(crate) fn new(output: &crate::cli::OutputArgs) -> Terminal {
        Terminal { quiet: output.quiet, color: output.color }
    }

    /// Whether somebody watches standard error and it can redraw a line.
    pub(crate) fn animated(self) -> bool {
        !self.quiet && !dumb() && io::stderr().is_terminal()
    }

    /// Whether standard error takes colours.
    pub(crate) fn colored(self) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => anstream::AutoStream::choice(&io::stderr()) != ColorChoice::Never,
        }
    }

    /// A line about what is going on, unless `--quiet`.
    pub(crate) fn note(self, text: impl Display) {
        self.line("", text);
    }

    /// A line about something that the user may want to change, unless `--quiet`.
    pub(crate) fn warn(self, text: impl Display) {
        self.line(format_args!("{WARNING}warning:{WARNING:#} "), text);
    }

    /// Names in `text` may come from files.
    fn line(self, head: impl Display, text: impl Display) {
        if !self.quiet {
            let text = plain_lines(&text.to_string());
            // In one piece, since standard error has no buffer. If it is closed there is nobody to tell.
            let _ = anstream::stderr().write_all(format!("{head}{text}\n").as_bytes());
        }
    }
}

/// Why the command failed, on standard error.
pub(crate) fn report(failure: &Failure) {
    if !failure.silent {
        let text = plain_lines(&failure.to_string());
        let _ = writeln!(anstream::stderr(), "{ERROR}error:{ERROR:#} {text}");
    }
}

/// Writes to standard output, and flushes it.
pub(crate) fn print(text: impl Display) -> Outcome {
    let write = || {
        let mut out = anstream::stdout().lock();
        write!(out, "{text}")?;
        out.flush()
    };
    write().map_err(|e| Failure::stdout(&e))
}

/// Writes bytes to standard output as they are.
pub(crate) fn print_bytes(bytes: &[u8]) -> Outcome {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|e| Failure::stdout(&e))
}

/// Digits in groups of three.
pub(crate) struct Grouped(pub(crate) usize);

impl Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&grouped(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        let text = [0, 999, 1000, 60_000, 1_234_567].map(|n| Grouped(n).to_string());
        assert_eq!(text, ["0", "999", "1,000", "60,000", "1,234,567"]);
    }
}
