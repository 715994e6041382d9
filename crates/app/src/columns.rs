//! Text in columns of a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns where nobody tells: what terminals have had since the VT100.
const USUAL: usize = 80;
/// The least columns that a name is worth showing in.
pub(crate) const NAME: usize = 6;

/// Columns of the terminal that standard output is, or the usual 80.
pub(crate) fn of_stdout() -> usize {
    let size = terminal_size::terminal_size_of(std::io::stdout());
    size.map_or(USUAL, |(width, _)| usize::from(width.0).max(20))
}

/// Width and height of a character cell in pixels, if the terminal that standard output is tells.
pub(crate) fn cell_of_stdout() -> Option<(u32, u32)> {
    #[cfg(unix)]
    {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
        let each = |pixels: u16, cells: u16| pixels.checked_div(cells).filter(|side| *side > 0);
        let width = each(size.ws_xpixel, size.ws_col)?;
        Some((width.into(), each(size.ws_ypixel, size.ws_row)?.into()))
    }
    #[cfg(not(unix))]
    None
}

/// `text` without characters that would command the terminal: names come from files.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

/// The same of `text` in several lines.
pub(crate) fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// Columns that `text` takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` in exactly `columns` columns: filled up with spaces, or cut with an ellipsis.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    let mut text = plain(text);
    if width(&text) > columns {
        let mut room = columns.saturating_sub(1);
        let fits = |c: &char| {
            let wide = c.width().unwrap_or(0);
            let fits = wide <= room;
            room = room.saturating_sub(wide);
            fits
        };
        text = text.chars().take_while(fits).collect();
        text.push_str(if columns == 0 { "" } else { "…" });
    }
    let rest = columns.saturating_sub(width(&text));
    text + &" ".repeat(rest)
}

/// `text` in at most so many columns: what is too much is left out of its middle, for beginning and end tell names apart.
pub(crate) fn elided(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(1);
    let some = |chars: &mut dyn Iterator<Item = char>, mut room: usize| -> Vec<char> {
        let fits = |c: &char| {
            let wide = c.width().unwrap_or(0);
            let fits = wide <= room;
            room = room.saturating_sub(wide);
            fits
        };
        chars.take_while(fits).collect()
    };
    let end = some(&mut text.chars().rev(), room.div_ceil(2));
    let begin = some(&mut text.chars(), room / 2);
    let dots = if columns == 0 { None } else { Some('…') };
    begin.into_iter().chain(dots).chain(end.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_takes_the_columns_it_is_given() {
        assert_eq!(fit("Bag", 5), "Bag  ");
        assert_eq!(fit("Ankle boot", 6), "Ankle…");
        assert_eq!(fit("ab", 2), "ab");
        assert_eq!([fit("ab", 1), fit("ab", 0)], ["…", ""]);
        // Two columns each; half of one cannot be shown.
        assert_eq!(fit("靴下と靴", 6), "靴下… ");
        assert_eq!(width(&fit("靴下と靴", 6)), 6);
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(elided("runs/20260131-seed1", 11), "runs/…seed1");
        assert_eq!([elided("abc", 3), elided("abc", 2), elided("abc", 0)], ["abc", "…c", ""]);
        assert!(width(&elided("靴下と靴靴下と靴", 8)) <= 8);
    }

    #[test]
    fn names_do_not_command_the_terminal() {
        assert_eq!(fit("\x1b[2Jx", 5), "\u{FFFD}[2Jx");
        assert_eq!(plain("a\nb\u{9b}c"), "a\u{FFFD}b\u{FFFD}c");
        assert_eq!(plain_lines("a\nb\x1bc\n"), "a\nb\u{FFFD}c\n");
    }
}
