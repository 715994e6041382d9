//! What the tests of this crate share.
#![allow(dead_code, reason = "each test program uses a part")]

use kernels::Isa;

/// Lengths around the vector, the panel and nothing.
pub(crate) const SIZES: [usize; 12] = [0, 1, 3, 15, 16, 17, 31, 48, 63, 64, 65, 200];

/// The ISAs to test: all that are here, or the one that `WEFT_ISA` asks for, and then it must be here.
pub(crate) fn isas() -> Vec<Isa> {
    match std::env::var("WEFT_ISA") {
        Ok(name) if !name.is_empty() => {
            vec![Isa::named(&name).expect("the instruction set that this run was asked to test")]
        }
        _ => Isa::available(),
    }
}

/// A small generator for test data (SplitMix64), so that tests need no seed from outside.
pub(crate) struct Gen(u64);

impl Gen {
    pub(crate) fn new(seed: u64) -> Gen {
        Gen(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [-1, 1).
    pub(crate) fn float(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub(crate) fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.float()).collect()
    }
}

/// Equal bits, with any NaN equal to any other: which NaN comes out is not promised.
pub(crate) fn assert_bits(got: &[f32], want: &[f32], what: std::fmt::Arguments<'_>) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let same = g.to_bits() == w.to_bits() || (g.is_nan() && w.is_nan());
        assert!(
            same,
            "{what}: at {i}: got {g:e} ({:08x}), want {w:e} ({:08x})",
            g.to_bits(),
            w.to_bits()
        );
    }
}
