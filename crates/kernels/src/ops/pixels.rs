//! Bytes to floats, scaled.

use crate::isa::kernel;

kernel! {
    /// `to[i] = from[i] · scale`. The conversion is exact; the product rounds once.
    ///
    /// ```
    /// let mut floats = [0.0; 3];
    /// kernels::pixels(kernels::Isa::best(), &[0, 51, 255], 0.5, &mut floats);
    /// assert_eq!(floats, [0.0, 25.5, 127.5]);
    /// ```
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn pixels<'a>(_s, from: &'a [u8], scale: f32, to: &'a mut [f32]) {
        assert_eq!(from.len(), to.len(), "one float for each byte");
        scaled(from, scale, to);
    }
}

/// Compiled with each instruction set's instructions, as fast as vectors by hand.
#[inline(always)]
pub(super) fn scaled(from: &[u8], scale: f32, to: &mut [f32]) {
    for (byte, x) in from.iter().zip(to) {
        *x = f32::from(*byte) * scale;
    }
}
