//! How files at a source differ from what weft keeps, and putting that right on the way in.

use std::io::{self, Write};

/// The differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Rows and columns of the images are swapped, as in EMNIST.
    pub transposed: bool,
    /// Labels count from 1, as those of EMNIST's letters do.
    pub labels_from_1: bool,
    /// The source names the test half `test-…`, not `t10k-…`.
    pub test_for_t10k: bool,
}

impl Layout {
    /// Whether the bytes that are kept are not those of the source.
    pub fn changes(&self) -> bool {
        self.transposed || self.labels_from_1
    }

    /// What the source calls a file.
    pub(super) fn source_name(&self, name: &str) -> String {
        match name.strip_prefix("t10k") {
            Some(rest) if self.test_for_t10k => format!("test{rest}"),
            _ => name.to_owned(),
        }
    }
}

/// Takes an IDX file of bytes as the source has it, and writes it as weft keeps it: images upright, labels from 0.
pub(super) struct Upright<'w> {
    to: &'w mut dyn Write,
    layout: Layout,
    /// What has come and not gone: the header until it is whole, then part of an image.
    held: Vec<u8>,
    /// Rows and columns of an image at the source, once the header is there; one of each for labels.
    sides: Option<[usize; 2]>,
}

impl<'w> Upright<'w> {
    pub(super) fn new(layout: Layout, to: &'w mut dyn Write) -> Upright<'w> {
        Upright { to, layout, held: Vec::new(), sides: None }
    }

    /// Writes what is left; part of an image means that the file was cut off.
    pub(super) fn finish(self) -> io::Result<()> {
        if self.held.is_empty() && self.sides.is_some() {
            return self.to.flush();
        }
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends inside a header or an image"))
    }

    /// Writes the header, if it is there: images have three dimensions of bytes, labels one.
    fn header(&mut self) -> io::Result<()> {
        let wrong =
            || io::Error::new(io::ErrorKind::InvalidData, "it holds no images and no labels");
        let length = match self.held.first_chunk::<4>() {
            None => return Ok(()),
            Some([0, 0, 8, n @ (1 | 3)]) => 4 + 4 * usize::from(*n),
            Some(_) => return Err(wrong()),
        };
        if self.held.len() < length {
            return Ok(());
        }
        let mut header: Vec<u8> = self.held.drain(..length).collect();
        self.sides = Some([1, 1]);
        if let [_, _, _, _, _, _, _, _, h0, h1, h2, h3, w0, w1, w2, w3] = header[..] {
            let side = |bytes| usize::try_from(u32::from_be_bytes(bytes)).map_err(|_| wrong());
            let (h, w) = ([h0, h1, h2, h3], [w0, w1, w2, w3]);
            let sides = [side(h)?, side(w)?];
            if sides.iter().any(|s| !(1..=1 << 14).contains(s)) {
                return Err(wrong());
            }
            if self.layout.transposed {
                self.sides = Some(sides);
                header[8..].copy_from_slice(&[w, h].concat());
            }
            // Pixels are no labels.
            self.layout.labels_from_1 = false;
        }
        self.to.write_all(&header)
    }
}

impl Write for Upright<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.sides.is_none() {
            self.header()?;
        }
        let Some([rows, columns]) = self.sides else { return Ok(bytes.len()) };
        let whole = self.held.len() - self.held.len() % (rows * columns);
        let mut upright: Vec<u8> = Vec::with_capacity(whole);
        for image in self.held[..whole].chunks_exact(rows * columns) {
            for column in 0..columns {
                upright.extend(image[column..].iter().step_by(columns));
            }
        }
        if self.layout.labels_from_1 {
            let none = || {
                io::Error::new(io::ErrorKind::InvalidData, "a label is 0, and they count from 1")
            };
            for label in &mut upright {
                *label = label.checked_sub(1).ok_or_else(none)?;
            }
        }
        self.held.drain(..whole);
        self.to.write_all(&upright)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(layout: Layout, file: &[u8], at_once: usize) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut upright = Upright::new(layout, &mut out);
        file.chunks(at_once).try_for_each(|part| upright.write_all(part))?;
        upright.finish()?;
        Ok(out)
    }

    fn file(dims: &[usize], elements: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        idx::write(&mut out, dims, elements).expect("written in memory");
        out
    }

    const LETTERS: Layout = Layout { transposed: true, labels_from_1: true, test_for_t10k: true };

    #[test]
    fn images_are_turned_upright_however_they_come() {
        let source = file(&[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let upright = file(&[2, 3, 2], &[1, 4, 2, 5, 3, 6, 7, 10, 8, 11, 9, 12]);
        for at_once in 1..=source.len() {
            assert_eq!(kept(LETTERS, &source, at_once).expect("images"), upright, "{at_once}");
        }
        let plain = Layout { transposed: false, ..LETTERS };
        assert_eq!(kept(plain, &source, 5).expect("images"), source, "pixels are no labels");
    }

    #[test]
    fn labels_count_from_0() {
        let source = file(&[3], &[1, 26, 9]);
        assert_eq!(kept(LETTERS, &source, 2).expect("labels"), file(&[3], &[0, 25, 8]));
        let digits = Layout { labels_from_1: false, ..LETTERS };
        assert_eq!(kept(digits, &source, 2).expect("labels"), source);
        assert!(
            kept(LETTERS, &file(&[2], &[1, 0]), 2).is_err(),
            "there is no label before the first"
        );
    }

    #[test]
    fn what_is_neither_or_cut_off_is_an_error() {
        let source = file(&[2, 2, 3], &[0; 12]);
        for length in 0..source.len() {
            let cut = kept(LETTERS, &source[..length], 7);
            // A cut between two images shows in the size of the file.
            assert_eq!(cut.is_err(), length != 16 && length != 22, "{length}");
        }
        assert!(kept(LETTERS, &file(&[1, 1], &[0]), 7).is_err());
        assert!(kept(LETTERS, &file(&[1, 0, 5], &[]), 7).is_err());
        assert!(kept(LETTERS, b"<html>", 7).is_err());
    }

    #[test]
    fn the_test_half_has_two_names() {
        let names = |layout: Layout| ["t10k-x", "train-x"].map(|n| layout.source_name(n));
        assert_eq!(names(LETTERS), ["test-x", "train-x"]);
        assert_eq!(names(Layout::default()), ["t10k-x", "train-x"]);
    }
}
