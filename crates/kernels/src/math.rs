//! What `core` lacks of floats. Roots and multiply-adds are IEEE, so it makes no difference whose they are.

/// `a * b + c`, rounded once.
#[inline(always)]
pub(crate) fn fma(a: f32, b: f32, c: f32) -> f32 {
    #[cfg(feature = "std")]
    return a.mul_add(b, c);
    #[cfg(not(feature = "std"))]
    libm::fmaf(a, b, c)
}

/// Square root.
#[inline(always)]
pub(crate) fn root(x: f32) -> f32 {
    libm::sqrtf(x)
}

/// Square root.
#[inline(always)]
pub(crate) fn root64(x: f64) -> f64 {
    libm::sqrt(x)
}

/// Natural logarithm, which only reported losses use: the system's, and without one that of `libm`, which takes
/// three times as long. The two may differ in the last bit.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    #[cfg(feature = "std")]
    return x.ln();
    #[cfg(not(feature = "std"))]
    libm::log(x)
}
