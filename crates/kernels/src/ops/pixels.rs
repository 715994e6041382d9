//! Bytes to floats, scaled.

use crate::isa::{LANES, kernel};

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
