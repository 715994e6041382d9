//! Averages of weights.

use crate::isa::kernel;

kernel! {
    /// `to[i] += weight · (end[i] - to[i])`, rounded after each operation, as PyTorch's `lerp` for weights below one half: a step
    /// of an exponential moving average.
    ///
    /// ```
    /// let mut average = [1.0, 2.0];
    /// kernels::lerp(kernels::Isa::best(), &mut average, &[2.0, -2.0], 0.25);
    /// assert_eq!(average, [1.25, 1.0]);
    /// ```
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn lerp<'a>(_s, to: &'a mut [f32], end: &'a [f32], weight: f32) {
        assert_eq!(to.len(), end.len(), "one end for each number");
        // Compiled with each instruction set's instructions, as are pixels.
        for (to, end) in to.iter_mut().zip(end) {
            *to += weight * (*end - *to);
        }
    }
}
