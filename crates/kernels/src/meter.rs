//! What the machine can do at most, measured with the same instructions as the kernels: the yardsticks of
//! the benchmarks.

use crate::isa::{
    Bf16, Isa, LANES, Line, Line16, NO_SUMS, Simd, Square, Tile, WORDS, kernel, kernel16,
};
use std::time::{Duration, Instant};
use std::vec;

/// Most chains that run beside each other.
const MOST_CHAINS: usize = 24;

kernel! {
    /// `rounds` multiply-adds on each of as many vectors as a tile of products has: enough for every
    /// latency, few enough for the register file. Returns their number, and a sum, so that nothing is left
    /// out.
    fn multiply_adds<'a>(s, seed: &'a [f32; LANES], rounds: usize) -> (usize, f32) {
        let chains = chains(s);
        let (x, y) = (s.splat(seed[0]), s.splat(seed[1]));
        let mut acc = [s.load(seed); MOST_CHAINS];
        for _ in 0..rounds {
            for a in &mut acc[..chains] {
                *a = s.fma(*a, x, y);
            }
        }
        let mut sum = acc[0];
        for a in &acc[1..chains] {
            sum = s.add(sum, *a);
        }
        (chains, s.sum(sum))
    }
}

/// Accumulators of the tile of a general product, but three vectors at least: where multiply-add is two
/// instructions, each chain waits for both.
#[inline(always)]
fn chains<S: Simd>(_: S) -> usize {
    const { assert!(S::TALL.0 * S::TALL.1 <= MOST_CHAINS) };
    (S::TALL.0 * S::TALL.1).max(3)
}

kernel! {
    /// Multiplies every float by `factor`, `rounds` times over.
    fn rewrite<'a>(s, lines: &'a mut [Line], factor: f32, rounds: usize) {
        let factor = s.splat(factor);
        for _ in 0..rounds {
            for Line(line) in &mut *lines {
                s.store(s.mul(s.load(line), factor), line);
            }
        }
    }
}

/// Shortest of some runs: what the machine does when nothing is in the way.
fn shortest(runs: usize, mut f: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        f();
        start.elapsed()
    };
    (0..runs).map(time).min().unwrap_or_default()
}

/// Floating-point operations a second of one thread, multiply-adds in registers only; a multiply-add
/// counts as two. Where it is not fused, this is somewhat less than the machine can do.
///
/// ```
/// let peak = kernels::meter::peak_flops(kernels::Isa::best());
/// println!("{:.0} GFLOP/s", peak / 1e9);
/// # assert!(peak > 0.0);
/// ```
pub fn peak_flops(isa: Isa) -> f64 {
    const ROUNDS: usize = 20_000;
    let mut seed = [1.0; LANES];
    (seed[0], seed[1]) = (0.999, 1e-3);
    let mut chains = 0;
    let time = shortest(20, || {
        (chains, _) = std::hint::black_box(multiply_adds(isa, std::hint::black_box(&seed), ROUNDS));
    });
    (2 * LANES * chains * ROUNDS) as f64 / time.as_secs_f64()
}

/// Tiles of the left operand of a product of bf16 numbers: 14 KiB, which every first-level cache holds.
const DEPTH: usize = 14;

kernel16! {
    /// Adds the products of 32 rows, twice `a`, and 32 columns, all tiles of which are the two of `b`, `rounds` times onto `sums`.
    fn multiply_adds16<'a>(token, sums: &'a mut Square, a: &'a [Tile; DEPTH], b: &'a [Tile; 2], rounds: usize) {
        let (adder, [left, right]) = (token.adder(), b.each_ref().map(core::slice::from_ref));
        for _ in 0..rounds {
            adder.square(sums, [a; 2], [left, right], 0);
        }
    }
}

/// The same of products of bf16 numbers, whose operands, unlike those of [`peak_flops`], are read from the first-level cache.
///
/// ```
/// if let Some(token) = kernels::Bf16::new() {
///     println!("{:.0} GFLOP/s in bf16", kernels::meter::peak_flops16(token) / 1e9);
/// }
/// ```
pub fn peak_flops16(token: Bf16) -> f64 {
    const ROUNDS: usize = 500;
    const ZEROS: Tile = [Line16::ZERO; LANES];
    let (a, b) = ([ZEROS; DEPTH], [ZEROS; 2]);
    let mut sums = [[NO_SUMS; 2]; 2];
    let time = shortest(20, || {
        let (a, b) = std::hint::black_box((&a, &b));
        multiply_adds16(token, std::hint::black_box(&mut sums), a, b, ROUNDS);
    });
    let rows_and_columns = 2 * LANES;
    (2 * rows_and_columns * rows_and_columns * WORDS * DEPTH * ROUNDS) as f64 / time.as_secs_f64()
}

/// Bytes a second that one thread reads and writes back in a buffer of this size: the smaller, the nearer
/// the cache it stays in. Each byte counts once.
///
/// ```
/// let rate = kernels::meter::rewrite_bandwidth(kernels::Isa::best(), 1 << 18);
/// println!("{:.0} GB/s in 256 KiB", rate / 1e9);
/// # assert!(rate > 0.0);
/// ```
pub fn rewrite_bandwidth(isa: Isa, bytes: usize) -> f64 {
    let mut lines = vec![Line([1.0; LANES]); bytes.div_ceil(size_of::<Line>()).max(1)];
    let rounds = (1 << 24) / bytes.max(1) + 1;
    // By one, which the optimiser must not know.
    let one = std::hint::black_box(1.0);
    let time = shortest(20, || rewrite(isa, std::hint::black_box(&mut lines), one, rounds));
    (lines.len() * size_of::<Line>() * rounds) as f64 / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_does_some_work() {
        for isa in Isa::available() {
            assert!(peak_flops(isa).is_finite() && peak_flops(isa) > 1e6, "{isa}");
            assert!(rewrite_bandwidth(isa, 1 << 18) > 1e6, "{isa}");
        }
        assert!(Bf16::new().is_none_or(|token| peak_flops16(token) > 1e6));
    }

    #[test]
    fn the_work_is_what_it_says() {
        let mut seed = [2.0; LANES];
        (seed[0], seed[1]) = (1.0, 1.0);
        // Lanes 0 and 1 start from 1, the others from 2; three rounds add 3.
        for isa in Isa::available() {
            let (chains, sum) = multiply_adds(isa, &seed, 3);
            assert_eq!(sum, (chains * (2 * (1 + 3) + 14 * (2 + 3))) as f32, "{isa}");
        }
    }
}
