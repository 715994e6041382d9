//! Copies of blocks of A and B that the tile reads well.

use crate::isa::{LANES, Line, MatRef, Simd, Strided};

/// Copies a block of B, times its factor, into rows of `vectors` whole vectors, the lanes past its last
/// column zero.
#[inline(always)]
pub(super) fn pack_b<S: Simd>(
    s: S,
    b: &MatRef<'_>,
    scale: f32,
    vectors: usize,
    to: &mut [Line],
) {
    let (kc, cols) = (b.rows(), b.cols());
    let rows = to.chunks_exact_mut(vectors).take(kc);
    match b.strides() {
        (_, 1) => {
            for (p, row) in rows.enumerate() {
                for (v, Line(line)) in row.iter_mut().enumerate() {
                    let from = b.run(p, v * LANES, LANES.min(cols - v * LANES));
                    s.store(scaled(s, scale, load(s, from)), line);
                }
            }
        }
        (1, _) => {
            for v in 0..vectors {
                let width = LANES.min(cols - v * LANES);
                for p in (0..kc).step_by(LANES) {
                    let depth = LANES.min(kc - p);
                    let mut square = [s.splat(0.0); LANES];
                    for (c, column) in square.iter_mut().enumerate().take(width) {
                        *column = scaled(s, scale, load(s, b.t().run(v * LANES + c, p, depth)));
                    }
                    s.transpose(&mut square);
                    for (r, row) in square.iter().enumerate().take(depth) {
                        s.store(*row, &mut to[(p + r) * vectors + v].0);
                    }
                }
            }
        }
        _ => {
            for (p, row) in rows.enumerate() {
                for (j, x) in Line::flat_mut(row).iter_mut().enumerate() {
                    *x = if j < cols { scale * b.get(p, j) } else { 0.0 };
                }
            }
        }
    }
}

/// Copies a block of A, times its factor, row by row or column by column as it lies.
#[inline(always)]
pub(super) fn pack_a<'t, S: Simd>(
    s: S,
    a: &MatRef<'_>,
    scale: f32,
    to: &'t mut [Line],
) -> Strided<'t> {
    let (rows, depth) = (a.rows(), a.cols());
    let by_columns = a.strides().0 == 1 && a.strides().1 != 1;
    let (from, lines, len) = if by_columns { (a.t(), depth, rows) } else { (*a, rows, depth) };
    let lead = lead(len);
    for (i, line) in to.chunks_exact_mut(lead).take(lines).enumerate() {
        if from.strides().1 == 1 {
            for (v, Line(to)) in line.iter_mut().enumerate().take(len.div_ceil(LANES)) {
                let from = from.run(i, v * LANES, LANES.min(len - v * LANES));
                s.store(scaled(s, scale, load(s, from)), to);
            }
        } else {
            for (j, x) in Line::flat_mut(line).iter_mut().enumerate().take(len) {
                *x = scale * from.get(i, j);
            }
        }
    }
    let lead = lead * LANES;
    let strides = if by_columns { (1, lead) } else { (lead, 1) };
    Strided::new(Line::flat(to), (rows, depth), strides)
}

/// Lines that [`pack_a`] needs for a block.
pub(super) fn a_lines(rows: usize, depth: usize) -> usize {
    (rows * lead(depth)).max(depth * lead(rows))
}

/// Lines from one packed row of A to the next: an odd number, so that the rows of a tile do not fall
/// into one set of a cache.
#[inline(always)]
fn lead(len: usize) -> usize {
    len.div_ceil(LANES) | 1
}

/// Up to sixteen floats.
#[inline(always)]
pub(super) fn load<S: Simd>(s: S, from: &[f32]) -> S::V {
    match from.first_chunk() {
        Some(whole) => s.load(whole),
        None => s.load_first(from),
    }
}

/// A product by one is left out.
#[inline(always)]
fn scaled<S: Simd>(s: S, scale: f32, x: S::V) -> S::V {
    if scale == 1.0 { x } else { s.mul(s.splat(scale), x) }
}
