//! Products with an epilogue: the bits of the product, then of what becomes of it, on every ISA.

mod common;

use common::{Gen, Layout, Placed, assert_bits, isas};
use kernels::twin::Twin;
use kernels::{Epilogue, Isa, LANES, MatMut, MatRef, Scratch, Simd, gemm, gemm_then, gemm_then_in};

/// `min(high, max(low, x + bias[j] + rest[i, j]))`: it depends on row and column.
struct Limited<'a> {
    bias: &'a [f32],
    rest: &'a [f32],
    low: f32,
    high: f32,
}

impl Epilogue for Limited<'_> {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, (i, j): (usize, usize), x: S::V) -> S::V {
        let n = self.bias.len();
        let x = s.add(x, s.load_first(&self.bias[j..]));
        let x = s.add(x, s.load_first(&self.rest[i * n + j..(i + 1) * n]));
        let (low, high) = (s.splat(self.low), s.splat(self.high));
        let x = s.max(x, low);
        s.min(high, x)
    }
}

impl Limited<'_> {
    /// One element, in plain Rust.
    fn twin(&self, i: usize, j: usize, x: f32) -> f32 {
        let x = x + self.bias[j] + self.rest[i * self.bias.len() + j];
        let x = if x > self.low { x } else { self.low };
        if x > self.high { self.high } else { x }
    }
}

/// Whole blocks and parts of them in every direction, a k of several blocks, none, strips that are cut by columns and
/// that go together, and empty products.
const SHAPES: [(usize, usize, usize); 14] = [
    (1, 1, 1),
    (16, 64, 33),
    (100, 32, 50),
    (33, 65, 129),
    (32, 128, 784),
    (5, 3, 0),
    (300, 40, 520),
    (3, 70, 20),
    (70, 10, 30),
    (35, 3, 600),
    (9, 700, 20),
    (200, 70, 40),
    (0, 4, 4),
    (4, 0, 4),
];

#[test]
fn the_epilogue_comes_once_after_the_whole_chain() {
    let mut g = Gen::new(11);
    for isa in isas() {
        // Products are cut as other cores would.
        let of = |first: usize, amd| Scratch::with_caches(first << 10, 1 << 20, amd);
        let mut scratches = [of(32, true), of(32, false), of(128, true)];
        let twin = Twin::of(isa);
        for (m, n, k) in SHAPES {
            let (a, b, c) = (g.floats(m * k), g.floats(k * n), g.floats(m * n));
            let (bias, rest) = (g.floats(n), g.floats(m * n));
            let then = Limited { bias: &bias, rest: &rest, low: -1.0, high: 1.5 };
            for (alpha, beta) in [(1.0, 0.0), (1.0, 1.0), (0.5, 0.25), (0.0, 0.5)] {
                let mut want = c.clone();
                twin.gemm((m, n, k), alpha, &a, &b, beta, &mut want);
                for (at, x) in want.iter_mut().enumerate() {
                    *x = then.twin(at / n, at % n, *x);
                }
                let b = MatRef::row_major(&b, k, n);
                for (of_a, layout) in [Layout::Rows, Layout::Columns]
                    .into_iter()
                    .flat_map(|a| Layout::ALL.map(|c| (a, c)))
                {
                    let a = Placed::holding(&a, (m, k), of_a, 0);
                    let what = format_args!("{m}x{n}x{k}, {alpha}, {beta}, {layout:?} on {isa}");
                    // Reading what was there would show.
                    let before = match beta {
                        0.0 => Placed::poison((m, n), layout, 3),
                        _ => Placed::holding(&c, (m, n), layout, 3),
                    };
                    let mut c = before.clone();
                    gemm_then(isa, alpha, a.view(), b, beta, c.view_mut(), &then);
                    assert_bits(&c.elements(), &want, what);
                    c.assert_gaps_untouched(what);
                    for scratch in &mut scratches {
                        let mut c = before.clone();
                        gemm_then_in(scratch, isa, alpha, a.view(), b, beta, c.view_mut(), &then);
                        assert_bits(&c.elements(), &want, what);
                        c.assert_gaps_untouched(what);
                    }
                }
            }
        }
    }
}

#[test]
fn operands_without_a_factor_are_not_read() {
    let nan = [f32::NAN; 12];
    let then = Limited { bias: &[0.0; 4], rest: &[0.0; 16], low: -9.0, high: 9.0 };
    for isa in isas() {
        let (a, b) = (MatRef::row_major(&nan, 4, 3), MatRef::row_major(&nan, 3, 4));
        let mut c = [2.0; 16];
        gemm_then(isa, 0.0, a, b, 2.0, MatMut::row_major(&mut c, 4, 4), &then);
        assert_eq!(c, [4.0; 16], "{isa}");
    }
}

/// `x + 17`, the sum of seventeen ones by a product of its own in the middle of another, which has the thread's memory.
struct Multiplies(Isa);

impl Epilogue for Multiplies {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, _: (usize, usize), x: S::V) -> S::V {
        let (ones, mut y) = ([1.0; 17 * LANES], [f32::NAN; LANES]);
        let (a, b) = (MatRef::row_major(&ones, LANES, 17), MatRef::row_major(&ones[..17], 17, 1));
        gemm(self.0, 1.0, a, b, 0.0, MatMut::row_major(&mut y, LANES, 1));
        s.add(x, s.load(&y))
    }
}

#[test]
fn an_epilogue_may_multiply() {
    for isa in isas() {
        let (a, b) = ([2.0; 40 * 20], [3.0; 20 * 35]);
        let (a, b) = (MatRef::row_major(&a, 40, 20), MatRef::row_major(&b, 20, 35));
        let mut c = [f32::NAN; 40 * 35];
        gemm_then(isa, 1.0, a, b, 0.0, MatMut::row_major(&mut c, 40, 35), &Multiplies(isa));
        assert_bits(&c, &[120.0 + 17.0; 40 * 35], format_args!("{isa}"));
    }
}
