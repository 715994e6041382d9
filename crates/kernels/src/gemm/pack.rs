//! Copies of blocks of A and B that the tile reads well.

use crate::isa::{LANES, Line, MatRef, Simd, Strided};
use crate::tile::split;

/// Copies a block of B, times its factor, into rows of `vectors` whole vectors, the lanes past its last
/// column zero.
#[inline(always)]
pub(super) fn pack_b<S: Simd>(s: S, b: &MatRef<'_>, scale: f32, vectors: usize, to: &mut [Line]) {
    let (kc, cols) = (b.rows(), b.cols());
    match b.strides() {
        (_, 1) => match vectors {
            4 => pack_rows::<S, 4>(s, b, scale, to),
            2 => pack_rows::<S, 2>(s, b, scale, to),
            _ => pack_rows::<S, 1>(s, b, scale, to),
        },
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
            for (p, row) in to.chunks_exact_mut(vectors).take(kc).enumerate() {
                for (j, x) in Line::flat_mut(row).iter_mut().enumerate() {
                    *x = if j < cols { scale * b.get(p, j) } else { 0.0 };
                }
            }
        }
    }
}

/// Where rows of B are contiguous.
#[inline(always)]
fn pack_rows<S: Simd, const NV: usize>(s: S, b: &MatRef<'_>, scale: f32, to: &mut [Line]) {
    let (kc, cols) = (b.rows(), b.cols());
    assert!(to.len() == kc * NV, "room for {kc} rows");
    for (p, to) in to.as_chunks_mut::<NV>().0.iter_mut().enumerate() {
        let from = b.run(p, 0, cols);
        for (v, Line(line)) in to.iter_mut().enumerate() {
            // The panel after this one lies beside it.
            b.prefetch(p, (NV + v) * LANES);
            let x = match from.get(v * LANES..(v + 1) * LANES) {
                Some(whole) => load(s, whole),
                None => s.load_first(&from[(v * LANES).min(cols)..]),
            };
            s.store(scaled(s, scale, x), line);
        }
    }
}

/// Copies a block of A, times its factor, tile by tile, each column by column.
#[inline(always)]
pub(super) fn pack_a<'t, S: Simd>(
    s: S,
    a: &MatRef<'_>,
    scale: f32,
    most: usize,
    to: &'t mut [Line],
) -> Strided<'t> {
    let (rows, depth) = (a.rows(), a.cols());
    let to = Line::flat_mut(to);
    let mut i = 0;
    for (height, count) in split(rows, most) {
        for _ in 0..count {
            let tile = a.block((i, height), (0, depth));
            pack_tile(s, &tile, scale, &mut to[i * depth..]);
            i += height;
        }
    }
    Strided::packed(to, (rows, depth))
}

/// Column by column. Whole vectors are written, what is too much of one is overwritten by the next.
#[inline(always)]
fn pack_tile<S: Simd>(s: S, a: &MatRef<'_>, scale: f32, to: &mut [f32]) {
    let (height, depth) = (a.rows(), a.cols());
    let put = |to: &mut [f32], k: usize, x: S::V| {
        let Some(to) = to[k * height..].first_chunk_mut() else {
            unreachable!("`a_lines` has a vector more than the block")
        };
        s.store(x, to);
    };
    match a.strides() {
        (_, 1) => {
            for k in (0..depth).step_by(LANES) {
                let width = LANES.min(depth - k);
                let mut square = [s.splat(0.0); LANES];
                for (r, row) in square.iter_mut().enumerate().take(height) {
                    a.prefetch(r + height, k);
                    *row = scaled(s, scale, load(s, a.run(r, k, width)));
                }
                s.transpose(&mut square);
                for (c, column) in square.iter().enumerate().take(width) {
                    put(to, k + c, *column);
                }
            }
        }
        (1, _) => {
            for k in 0..depth {
                a.prefetch(height, k);
                put(to, k, scaled(s, scale, load(s, a.t().run(k, 0, height))));
            }
        }
        _ => {
            for k in 0..depth {
                for (r, x) in to[k * height..][..height].iter_mut().enumerate() {
                    *x = scale * a.get(r, k);
                }
            }
        }
    }
}

/// Lines that [`pack_a`] needs for a block.
pub(super) fn a_lines(rows: usize, depth: usize) -> usize {
    (rows * depth).div_ceil(LANES) + 1
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
