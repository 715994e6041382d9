//! Twins of the kernels that multiply bf16 numbers with [`Bf16`](crate::Bf16). Operands are given as `f32` and
//! rounded here.
//!
//! What TDPBF16PS and VDPBF16PS compute was found by comparing bits, as Intel's manual says it: chains of fused
//! multiply-adds, and denormals are zeros going in and coming out.

use super::{Twin, indices};
use crate::isa::Unit16;
use crate::math::fma;
use crate::ops::dense::Then;
use alloc::vec::Vec;

/// Pairs in a tile's depth.
const PAIRS: usize = 16;

/// To bf16: to the nearest, to even where two are as near. Denormals become zero of their sign, and NaN
/// a quiet NaN: VCVTNEPS2BF16.
///
/// ```
/// assert_eq!(kernels::twin::bf16::round(1.0), 0x3f80);
/// ```
pub fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    let rounded = match x {
        _ if x.is_nan() => bits | 0x0040_0000,
        _ if x.abs() < f32::MIN_POSITIVE => bits & 0x8000_0000,
        _ => bits + 0x7fff + (bits >> 16 & 1),
    };
    (rounded >> 16) as u16
}

/// The number a float is rounded to, as a float.
///
/// ```
/// assert_eq!(kernels::twin::bf16::rounded(1.001), 1.0);
/// ```
pub fn rounded(x: f32) -> f32 {
    f32::from_bits(u32::from(round(x)) << 16)
}

/// What `unit` does to the element `c` of its sums with the products of 32 numbers: `a` the row of the left tile and `b` the
/// column of the right. Tiles, with chains that begin at zero:
///
/// ```text
/// even = a30 b30 + (... + (a2 b2 + (a0 b0 + 0)))      each a fused multiply-add
/// odd  = a31 b31 + (... + (a3 b3 + (a1 b1 + 0)))
/// c    = c + (even + odd)
/// ```
/// Pairs, in one chain of fused multiply-adds:
///
/// ```text
/// c = a30 b30 + (a31 b31 + (... + (a0 b0 + (a1 b1 + c))))
/// ```
/// All rounded to the nearest, to even; denormal operands and results are zero of their sign.
pub fn add_products(unit: Unit16, c: f32, a: &[f32; 2 * PAIRS], b: &[f32; 2 * PAIRS]) -> f32 {
    if unit == Unit16::Pairs {
        let pair = |c, k| {
            let odd = multiply_add(a[2 * k + 1], b[2 * k + 1], c);
            multiply_add(a[2 * k], b[2 * k], odd)
        };
        return (0..PAIRS).fold(c, pair);
    }
    let [mut even, mut odd] = [0.0, 0.0];
    for k in 0..PAIRS {
        even = multiply_add(a[2 * k], b[2 * k], even);
        odd = multiply_add(a[2 * k + 1], b[2 * k + 1], odd);
    }
    flush(flush(c) + flush(even + odd))
}

/// One element of a product, 32 products at a time and then the rest with zeros to 32: the sums of the
/// tiles of [`forward16`](crate::forward16) and [`update16`](crate::update16).
///
/// ```
/// use kernels::{Unit16, twin::bf16::dot};
/// assert_eq!(dot(Unit16::Pairs, [(1.0, 2.0), (3.0, 4.0)].into_iter()), 14.0);
/// ```
pub fn dot(unit: Unit16, ab: impl Iterator<Item = (f32, f32)>) -> f32 {
    let (mut sum, mut n) = (0.0, 0);
    let [mut a, mut b] = [[0.0; 2 * PAIRS]; 2];
    for (x, y) in ab {
        (a[n], b[n]) = (rounded(x), rounded(y));
        n += 1;
        if n == 2 * PAIRS {
            sum = add_products(unit, sum, &a, &b);
            (a, b, n) = ([0.0; 2 * PAIRS], [0.0; 2 * PAIRS], 0);
        }
    }
    if n > 0 { add_products(unit, sum, &a, &b) } else { sum }
}

/// `H = act(scale · (X W) + b)`, X batch × inputs, W inputs × outputs: [`forward16`](crate::forward16).
///
/// ```
/// use kernels::{Then, Unit16, twin::bf16::forward};
/// assert_eq!(forward(Unit16::Tiles, (1, 2, 1), &[1.0, 2.0], &[3.0, 4.0], 0.5, (&[1.0], Then::Linear)), [6.5]);
/// ```
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn forward(
    unit: Unit16,
    (batch, inputs, outputs): (usize, usize, usize),
    x: &[f32],
    w: &[f32],
    scale: f32,
    (bias, then): (&[f32], Then),
) -> Vec<f32> {
    let element = |(i, o): (usize, usize)| {
        let sum = dot(unit, (0..inputs).map(|k| (x[i * inputs + k], w[k * outputs + o])));
        // Adding zero makes a negative zero positive.
        let z = fma(sum, scale, bias[o]) + 0.0;
        if then == Then::Relu { TWIN.relu(z) } else { z }
    };
    indices(batch, outputs).map(element).collect()
}

/// `dW = scale · (Xᵀ dZ)`, X batch × inputs, dZ batch × outputs: what [`update16`](crate::update16) hands to
/// [`Twin::adam`](super::Twin::adam), fused.
///
/// ```
/// use kernels::{Unit16, twin::bf16::gradient};
/// assert_eq!(gradient(Unit16::Tiles, (2, 1, 1), &[1.0, 2.0], &[3.0, 4.0], 0.5), [5.5]);
/// ```
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn gradient(
    unit: Unit16,
    (batch, inputs, outputs): (usize, usize, usize),
    x: &[f32],
    dz: &[f32],
    scale: f32,
) -> Vec<f32> {
    let element = |(k, o): (usize, usize)| {
        dot(unit, (0..batch).map(|i| (x[i * inputs + k], dz[i * outputs + o]))) * scale
    };
    indices(inputs, outputs).map(element).collect()
}

/// The twin of all that is no product: where there is bf16, multiply-adds are fused.
///
/// ```
/// assert_eq!(kernels::twin::bf16::TWIN.fma(2.0, 3.0, 1.0), 7.0);
/// ```
pub const TWIN: Twin = Twin { fused: true };

/// `a b + c`, rounded once, without denormals.
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    const UP: f32 = 18_446_744_073_709_551_616.0; // 2^64
    let [a, b, c] = [a, b, c].map(flush);
    let sum = fma(a, b, c);
    // Whether a result is denormal is asked after it was rounded to all bits of a normal number. What
    // rounds to the smallest normal one as a denormal may still be less than it, and then is zero; 2^64
    // times as large, no number here is denormal.
    let tiny = || fma(a, UP * b, UP * c).abs() < UP * f32::MIN_POSITIVE;
    if sum.abs() == f32::MIN_POSITIVE && tiny() { 0.0f32.copysign(sum) } else { flush(sum) }
}

/// Denormals are zero of their sign.
fn flush(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0f32.copysign(x) } else { x }
}
