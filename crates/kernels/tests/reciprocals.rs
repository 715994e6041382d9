//! `Simd::recip` has the bits of a division, over the floats that it is promised for. The test that runs always takes
//! one float in 4,099 and those next to a power of two; the ignored one, for a release build, takes all of them, in half
//! a minute:
//!
//! ```text
//! cargo test --release -p kernels --test reciprocals -- --ignored
//! ```

mod common;

use common::isas;
use kernels::{Kernel, LANES, Simd};

/// Odd, so that every exponent and all kinds of low bits turn up.
const STRIDE: usize = 4_099;
/// Bits of the floats from 2^-126 to 2^126.
const FIRST: u32 = f32::MIN_POSITIVE.to_bits();
const LAST: u32 = (1.0 / f32::MIN_POSITIVE).to_bits();

/// The first of sixteen floats whose reciprocal is not that of a division, by all ways to make it.
struct Wrong([f32; LANES]);

impl Kernel for Wrong {
    type Out = Option<f32>;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Option<f32> {
        let x = s.load(&self.0);
        let right = |got: &[f32; LANES], l: usize| got[l].to_bits() == (1.0 / self.0[l]).to_bits();
        let [masks, none] = [s.recip::<true>(x), s.recip::<false>(x)].map(|got| s.to_array(got));
        (0..LANES).find(|l| !(right(&masks, *l) && right(&none, *l))).map(|l| self.0[l])
    }
}

/// Asserts the reciprocals of the floats with these bits, on every ISA.
fn assert_exact(bits: impl Iterator<Item = u32> + Clone) {
    for isa in isas() {
        let mut floats = bits.clone().map(f32::from_bits).peekable();
        while floats.peek().is_some() {
            let sixteen = core::array::from_fn(|_| floats.next().unwrap_or(1.0));
            assert_eq!(isa.run(Wrong(sixteen)), None, "on {isa}");
        }
    }
}

#[test]
fn some_reciprocals_are_exact() {
    assert_exact((FIRST..=LAST).step_by(STRIDE));
    // Each exponent with a mantissa of ones, which is the hardest, and what is beside it.
    assert_exact(
        (FIRST..=LAST)
            .step_by(1 << 23)
            .skip(1)
            .flat_map(|power| power - 16..power + 16)
            .filter(|x| *x <= LAST),
    );
}

#[test]
#[ignore = "all floats of the range: half a minute in a release build"]
fn all_reciprocals_are_exact() {
    assert_exact(FIRST..=LAST);
}

/// The lanes of two vectors of `x`, as the reciprocals of it by both ways.
struct Reciprocals(f32);

impl Kernel for Reciprocals {
    type Out = [[f32; LANES]; 2];
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [[f32; LANES]; 2] {
        let x = s.splat(self.0);
        [s.to_array(s.recip::<true>(x)), s.to_array(s.recip::<false>(x))]
    }
}

#[test]
fn zero_infinity_and_nan_have_the_reciprocals_of_ieee() {
    for isa in isas() {
        assert_eq!(isa.run(Reciprocals(0.0)), [[f32::INFINITY; LANES]; 2], "{isa}");
        let zeros = isa.run(Reciprocals(f32::INFINITY)).map(|way| way.map(f32::to_bits));
        assert_eq!(zeros, [[0; LANES]; 2], "{isa}");
        assert!(isa.run(Reciprocals(f32::NAN)).iter().flatten().all(|x| x.is_nan()), "{isa}");
    }
}
