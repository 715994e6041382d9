//! The product on several threads: C is cut into parts, each a product of its own. k is never cut, so every
//! element is the same chain as on one thread.

use super::gemm;
use crate::isa::{Isa, LANES, MatMut, MatRef};
use crate::team::Team;
use alloc::vec::Vec;

/// Floating-point operations of a part below which another thread costs more than it takes over: some ten
/// microseconds.
const LEAST: usize = 2_500_000;
/// Where C is contiguous, parts begin at multiples of so many elements: whole panels, and few cache lines
/// that two threads write. In the other direction a quarter of it will do.
const ALONG: usize = 4 * LANES;
const ASIDE: usize = LANES;

/// How many of `threads` pay for a product of A, m × k, and B, k × n: 1 if it is small.
///
/// ```
/// assert_eq!(kernels::gemm_threads((64, 64, 64), 8), 1);
/// assert_eq!(kernels::gemm_threads((1024, 1024, 1024), 8), 8);
/// ```
pub fn gemm_threads((m, n, k): (usize, usize, usize), threads: usize) -> usize {
    let work = 2usize.saturating_mul(m).saturating_mul(n).saturating_mul(k);
    let places = m.div_ceil(ASIDE).saturating_mul(n.div_ceil(ASIDE));
    threads.min(work / LEAST).min(places).max(1)
}

/// [`gemm`](crate::gemm()) on the threads of a team, as many of them as pay ([`gemm_threads`]). The bits do
/// not depend on how many.
///
/// ```
/// use kernels::{Isa, MatMut, MatRef, Team, gemm_on};
/// let mut team = Team::new(2); // keep it: starting threads takes longer than many a product
/// let (a, b) = (vec![0.5; 256 * 256], vec![2.0; 256 * 256]);
/// let mut c = vec![f32::NAN; 256 * 256];
/// let (a, b) = (MatRef::row_major(&a, 256, 256), MatRef::row_major(&b, 256, 256));
/// gemm_on(&mut team, Isa::best(), 1.0, a, b, 0.0, MatMut::row_major(&mut c, 256, 256));
/// assert_eq!(c, [256.0; 256 * 256]);
/// ```
///
/// # Panics
/// If the shapes do not fit together.
pub fn gemm_on(
    team: &mut Team,
    isa: Isa,
    alpha: f32,
    a: MatRef<'_>,
    b: MatRef<'_>,
    beta: f32,
    c: MatMut<'_>,
) {
    let (m, n, k) = (c.rows(), c.cols(), a.cols());
    let threads = gemm_threads((m, n, k), team.threads());
    if threads == 1 || (a.rows(), b.rows(), b.cols()) != (m, k, n) {
        // The latter has the message for shapes that do not fit.
        return gemm(isa, alpha, a, b, beta, c);
    }
    let units = if c.strides().1 == 1 { (ASIDE, ALONG) } else { (ALONG, ASIDE) };
    let (down, across) = grid((m, n), units, threads);
    let mut parts = Vec::with_capacity(down * across);
    let mut below = c;
    for (i, rows) in cuts(m, units.0, down) {
        let (mut right, rest) = below.split_rows(rows);
        below = rest;
        for (j, cols) in cuts(n, units.1, across) {
            let (part, rest) = right.split_cols(cols);
            right = rest;
            parts.push(Some((a.block((i, rows), (0, k)), b.block((0, k), (j, cols)), part)));
        }
    }
    team.for_each_mut(&mut parts, |_, part| {
        if let Some((a, b, c)) = part.take() {
            gemm(isa, alpha, a, b, beta, c);
        }
    });
}

/// At most `parts`, and as many as can be: how many down and how many across. Each part reads its rows of A
/// and its columns of B, so the longer side is cut more often.
fn grid((m, n): (usize, usize), units: (usize, usize), parts: usize) -> (usize, usize) {
    let most = (m.div_ceil(units.0).max(1), n.div_ceil(units.1).max(1));
    let grids = (1..=parts.min(most.0)).map(|down| (down, (parts / down).min(most.1)));
    let reads = |(down, across): (usize, usize)| down * n + across * m;
    let best = grids.max_by_key(|grid| (grid.0 * grid.1, usize::MAX - reads(*grid)));
    best.unwrap_or((1, 1))
}

/// `0..len` in `count` pieces that begin at multiples of `unit`, as equal as that allows: start and length.
fn cuts(len: usize, unit: usize, count: usize) -> impl Iterator<Item = (usize, usize)> {
    let units = len.div_ceil(unit);
    let edge = move |i: usize| (i * units / count * unit).min(len);
    (0..count).map(move |i| (edge(i), edge(i + 1) - edge(i)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_everything_once_and_begin_at_whole_units() {
        for len in [1usize, 63, 64, 65, 128, 1000, 4096] {
            for count in 1..=8.min(len.div_ceil(ALONG)) {
                let mut at = 0;
                for (start, part) in cuts(len, ALONG, count) {
                    assert_eq!(start, at, "{len} in {count}");
                    assert!(part > 0 && start.is_multiple_of(ALONG), "{len} in {count}");
                    at += part;
                }
                assert_eq!(at, len);
            }
        }
    }

    #[test]
    fn the_longer_side_is_cut() {
        let units = (ASIDE, ALONG);
        assert_eq!(grid((10_000, 128), units, 2), (2, 1));
        assert_eq!(grid((64, 4096), units, 2), (1, 2));
        assert_eq!(grid((1024, 1024), units, 4), (2, 2));
        assert_eq!(grid((1024, 8192), units, 8), (1, 8));
        // Seven have no better shape than a column of them.
        assert_eq!(grid((1024, 1024), units, 7), (7, 1));
        assert_eq!(grid((10, 70), units, 8), (1, 2));
    }

    #[test]
    fn threads_only_where_they_pay() {
        assert_eq!(gemm_threads((32, 10, 128), 8), 1);
        assert_eq!(gemm_threads((0, 10, 128), 8), 1);
        assert_eq!(gemm_threads((256, 256, 256), 2), 2);
        assert_eq!(gemm_threads((usize::MAX, 2, usize::MAX), 3), 3);
        assert_eq!(gemm_threads((1000, 1000, 1000), 0), 1);
    }
}
