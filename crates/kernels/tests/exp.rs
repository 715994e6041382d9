//! `exp` over the floats: how far from the true value, and the same bits on every ISA. The tests that run
//! always take one float in 4,099; the ignored ones, for a release build, take all 2^32:
//!
//! ```text
//! cargo test --release -p kernels --test exp -- --ignored
//! ```

mod common;

use common::isas;
use kernels::twin::Twin;
use kernels::{Isa, exp_in_place};

/// Odd, so that every exponent and all kinds of low bits turn up.
const STRIDE: usize = 4_099;
/// The largest errors in ulp that the documentation of `exp_in_place` promises: with and without fused
/// multiply-add, and of denormal results.
const LARGEST: [f64; 3] = [1.011, 0.991, 0.751];
/// Floats computed at a time.
const CHUNK: usize = 1 << 16;

/// Calls `check` with the floats at every `stride`th bit pattern, chunk by chunk.
fn for_floats(stride: usize, mut check: impl FnMut(&[f32])) {
    let mut chunk = Vec::with_capacity(CHUNK);
    for bits in (0..=u64::from(u32::MAX)).step_by(stride) {
        chunk.push(f32::from_bits(bits as u32));
        if chunk.len() == CHUNK {
            check(&chunk);
            chunk.clear();
        }
    }
    check(&chunk);
}

/// The distance between floats just at or below `exact`: 2^-149 among the denormals.
fn ulp(exact: f64) -> f64 {
    let exponent = ((exact.to_bits() >> 52) as i32 - 1023).clamp(-126, 127);
    f64::from_bits(((exponent - 23 + 1023) as u64) << 52)
}

/// Largest error, in ulp, where the result is a normal number and where it is not, and at which input.
#[derive(Debug, Default)]
struct Errors {
    normal: (f64, f32),
    denormal: (f64, f32),
}

impl Errors {
    fn take(&mut self, x: f32, got: f32) {
        let exact = f64::from(x).exp();
        if x.is_nan() {
            return assert!(got.is_nan(), "exp of NaN {:08x} is {got}", x.to_bits());
        }
        // What rounds to infinity is infinite; so is nothing else that is not within an ulp of it.
        let end = 2f64.powi(128);
        let error = match (got == f32::INFINITY, exact >= end) {
            (true, true) => 0.0,
            (true, false) => (end - exact) / ulp(exact),
            (false, true) => f64::INFINITY,
            (false, false) => (f64::from(got) - exact).abs() / ulp(exact),
        };
        let kind = if exact < f64::from(f32::MIN_POSITIVE) {
            &mut self.denormal
        } else {
            &mut self.normal
        };
        if error > kind.0 || error.is_nan() {
            *kind = (error, x);
        }
    }
}

fn assert_errors_are_small(stride: usize) {
    let measure = |isa| {
        let mut errors = Errors::default();
        for_floats(stride, |x| {
            let mut y = x.to_vec();
            exp_in_place(isa, &mut y);
            x.iter().zip(&y).for_each(|(x, y)| errors.take(*x, *y));
        });
        (isa, errors)
    };
    let all: Vec<_> = isas().into_iter().map(measure).collect();
    let [fused, not_fused, denormal] = LARGEST;
    let small = |(isa, e): &(Isa, Errors)| {
        e.normal.0 <= if isa.fused() { fused } else { not_fused } && e.denormal.0 <= denormal
    };
    assert!(all.iter().all(small), "more than {LARGEST:?} ulp: {all:#?}");
}

fn equals_the_twin(stride: usize) {
    for isa in isas() {
        let twin = Twin::of(isa);
        for_floats(stride, |x| {
            let mut y = x.to_vec();
            exp_in_place(isa, &mut y);
            for (x, y) in x.iter().zip(&y) {
                let want = twin.exp(*x);
                assert!(
                    y.to_bits() == want.to_bits() || (y.is_nan() && want.is_nan()),
                    "exp({x:e}) on {isa} is {y:e}, its twin's is {want:e}"
                );
            }
        });
    }
}

#[test]
fn some_errors_are_small() {
    assert_errors_are_small(STRIDE);
}

#[test]
fn some_floats_give_the_bits_of_the_twin() {
    equals_the_twin(STRIDE);
}

#[test]
#[ignore = "all 2^32 floats: a few minutes in a release build"]
fn all_errors_are_small() {
    assert_errors_are_small(1);
}

#[test]
#[ignore = "all 2^32 floats: a few minutes in a release build"]
fn all_floats_give_the_bits_of_the_twin() {
    equals_the_twin(1);
}

#[test]
fn the_ends_are_exact() {
    for isa in isas() {
        let x =
            [0.0, -0.0, f32::NEG_INFINITY, f32::INFINITY, f32::MAX, f32::MIN, 1e-45, 89.0, -104.0];
        let mut y = x;
        exp_in_place(isa, &mut y);
        let inf = f32::INFINITY;
        assert_eq!(y, [1.0, 1.0, 0.0, inf, inf, 0.0, 1.0, inf, 0.0], "{isa}");
    }
}
