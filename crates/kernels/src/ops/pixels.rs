//! Bytes to floats, scaled.

use crate::isa::{LANES, Line, kernel};
use crate::panel::Panel;

kernel! {
    /// `to[i] = from[i] · scale`. The conversion is exact; the product rounds once.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn pixels<'a>(s, from: &'a [u8], scale: f32, to: &'a mut [f32]) {
        assert_eq!(from.len(), to.len(), "one float for each byte");
        let scale = s.splat(scale);
        let (bytes, bytes_rest) = from.as_chunks::<LANES>();
        let (floats, floats_rest) = to.as_chunks_mut::<LANES>();
        for (b, f) in bytes.iter().zip(floats) {
            s.store(s.mul(s.from_u8(b), scale), f);
        }
        s.store_first(s.mul(s.from_u8(&padded(bytes_rest)), scale), floats_rest);
    }
}

/// Up to sixteen bytes, then zeros.
#[inline(always)]
fn padded(bytes: &[u8]) -> [u8; LANES] {
    let mut out = [0; LANES];
    out[..bytes.len()].copy_from_slice(bytes);
    out
}

kernel! {
    /// Row `i` of a batch: writes `row[k] · scale` into row `i` of the panels that hold the batch, panel
    /// after panel.
    ///
    /// # Panics
    /// If the panels together do not have `row.len()` columns, or have no row `i`.
    pub fn pixels_to_row<'a>(s, row: &'a [u8], scale: f32, panels: &'a mut [Panel], i: usize) {
        let scale = s.splat(scale);
        let mut rest = row;
        for panel in panels {
            let (here, next) = rest.split_at(panel.cols());
            let (bytes, tail) = here.as_chunks::<LANES>();
            let lines = panel.row_mut(i);
            for (b, Line(f)) in bytes.iter().zip(lines.iter_mut()) {
                s.store(s.mul(s.from_u8(b), scale), f);
            }
            if let (false, Some(Line(f))) = (tail.is_empty(), lines.last_mut()) {
                s.store(s.mul(s.from_u8(&padded(tail)), scale), f);
            }
            rest = next;
        }
        assert!(rest.is_empty(), "{} pixels more than the batch has columns", rest.len());
    }
}
