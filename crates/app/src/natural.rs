//! An order of names in which numbers count as numbers: `2` before `10`.

/// A piece of a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Piece {
    /// Digits.
    Number(u64),
    /// Anything else, and digits that are too many for a number.
    Text(String),
}

/// What to sort a name by. Names that differ only in zeros before a number (`1`, `01`) have the same key.
pub(crate) fn key(name: &str) -> Vec<Piece> {
    let mut pieces: Vec<(bool, String)> = Vec::new();
    for c in name.chars() {
        let digit = c.is_ascii_digit();
        match pieces.last_mut() {
            Some((kind, piece)) if *kind == digit => piece.push(c),
            _ => pieces.push((digit, c.to_string())),
        }
    }
    let piece = |(digit, text): (bool, String)| match text.parse() {
        Ok(number) if digit => Piece::Number(number),
        _ => Piece::Text(text),
    };
    pieces.into_iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn numbers_count_as_numbers() {
        let mut names = ["net.10", "b", "net.2", "10", "9", "net", "net.2.1", "a1", "a"];
        names.sort_by_key(|name| key(name));
        assert_eq!(names, ["9", "10", "a", "a1", "b", "net", "net.2", "net.2.1", "net.10"]);
        assert!(key("99999999999999999999") > key("1"), "too long for a number");
    }
}
