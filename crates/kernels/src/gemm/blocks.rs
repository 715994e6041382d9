//! The loops around the tile.

use super::Epilogue;
use super::pack::{a_lines, load, pack_a, pack_b};
use crate::isa::{Kernel, LANES, Line, MatMut, MatRef, Rows, Simd};
use crate::tile::{Acc, Ending, even, unroll};
use alloc::vec::Vec;

/// Depth of a block: a panel of B, 32 KiB, stays in the first-level cache while the rows of A pass.
const KC: usize = 256;
/// Rows of a block: A's block, 256 KiB, stays in the second-level cache.
const MC: usize = 256;
/// With a k of at most this, writing C is the work: blocks of few rows go along whole rows of it.
const SHORT: usize = 64;
const LOW: usize = 24;
/// Columns of a block: what is packed of B, 2 MiB, and the columns that one packing of A serves.
const NC: usize = 2048;
/// With so few rows B is read where it lies: a copy would cost more than it saves.
const FEW_ROWS: usize = 48;
/// The same with so many, if all of B lies within so many floats, which the first-level cache holds.
const SOME_ROWS: usize = 96;
const SMALL: usize = 8192;
/// With so few columns A is read where it lies.
const FEW_COLS: usize = 256;

/// Memory for copies of blocks: grows to what the largest product needs, at most 2.3 MiB, and is then
/// used again.
///
/// ```
/// use kernels::{Isa, MatMut, MatRef, Scratch, gemm_in};
/// let mut scratch = Scratch::new(); // one for all products
/// for n in 1..4 {
///     let (a, mut c) = (vec![1.0; n * n], vec![0.0; n * n]);
///     let a = MatRef::row_major(&a, n, n);
///     gemm_in(&mut scratch, Isa::best(), 1.0, a, a, 0.0, MatMut::row_major(&mut c, n, n));
///     assert_eq!(c, vec![n as f32; n * n]);
/// }
/// ```
#[derive(Debug, Default)]
pub struct Scratch {
    lines: Vec<Line>,
}

impl Scratch {
    /// Nothing yet.
    pub const fn new() -> Scratch {
        Scratch { lines: Vec::new() }
    }

    /// Two rooms of at least so many lines.
    fn rooms(&mut self, first: usize, second: usize) -> (&mut [Line], &mut [Line]) {
        if self.lines.len() < first + second {
            self.lines.resize(first + second, Line::ZERO);
        }
        self.lines.split_at_mut(first)
    }
}

/// `C = then(A B + β C)` for C with contiguous rows; A and B come each with a factor.
pub(super) struct Product<'a, 't, E> {
    pub(super) scratch: &'t mut Scratch,
    pub(super) a: (MatRef<'a>, f32),
    pub(super) b: (MatRef<'a>, f32),
    pub(super) beta: f32,
    pub(super) c: MatMut<'a>,
    pub(super) then: &'t E,
}

/// The parts, as equal as possible and at most `most` long, of `0..len`: start and length.
fn parts(len: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = len.div_ceil(most).max(1);
    (0..count).map(move |i| (i * len / count, (i + 1) * len / count - i * len / count))
}

impl<E: Epilogue> Kernel for Product<'_, '_, E> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Product { scratch, a: (a, a_scale), b: (b, b_scale), beta, mut c, then } = self;
        let (m, n, k) = (a.rows(), b.cols(), a.cols());
        let rows = if k <= SHORT { LOW } else { MC };
        let lies_well = m <= FEW_ROWS || (m <= SOME_ROWS && k * b.strides().0 <= SMALL);
        let in_place = b.strides().1 == 1 && b_scale == 1.0 && lies_well;
        let copy_a = a_scale != 1.0 || n > FEW_COLS;
        // One panel at a time, unless other rows will want it again.
        let keep = m > rows;
        let widest = if keep { S::TALL.1 } else { S::TALL.1.max(S::FLAT.1) };
        let panel = KC.min(k) * widest;
        let panels = if keep { NC.min(n).div_ceil(S::TALL.1 * LANES) } else { 1 };
        let a_room = if copy_a { a_lines(rows.min(m), KC.min(k)) } else { 0 };
        let (a_room, b_room) = scratch.rooms(a_room, panels * panel);
        for (jc, nc) in parts(n, NC) {
            for (pc, kc) in parts(k, KC) {
                let beta = if pc == 0 { beta } else { 1.0 };
                let last = pc + kc == k;
                for (ic, mc) in parts(m, rows) {
                    let a = a.block((ic, mc), (pc, kc));
                    let a = if copy_a { pack_a(s, &a, a_scale, S::TALL.0, a_room) } else { a.a() };
                    let (mut j, mut at) = (0, 0);
                    while j < nc {
                        let vectors = panel_vectors::<S>(m, nc - j);
                        let cols = (vectors * LANES).min(nc - j);
                        let b = b.block((pc, kc), (jc + j, cols));
                        let rows = if in_place && cols.is_multiple_of(LANES) {
                            b.b()
                        } else {
                            let room = &mut b_room[at..][..kc * vectors];
                            at += if keep { panel } else { 0 };
                            if ic == 0 {
                                pack_b(s, &b, b_scale, vectors, room);
                            }
                            Rows::new(Line::flat(room), vectors * LANES, (kc, vectors))
                        };
                        let at = (ic, jc + j, cols);
                        let ending = IntoC { c: &mut c, at, beta, then, last };
                        even(s, mc, vectors, &(a, rows), ending);
                        j += cols;
                    }
                }
            }
        }
    }
}

/// Vectors of the next panel, of a product with `m` rows, when so many columns are left.
#[inline(always)]
fn panel_vectors<S: Simd>(m: usize, left: usize) -> usize {
    let ((few, wide), (_, usual)) = (S::FLAT, S::TALL);
    if m <= few && left >= wide * LANES { wide } else { usual.min(left.div_ceil(LANES)) }
}

/// Loads the tile's chains from C and stores them there.
struct IntoC<'o, 'a, E> {
    c: &'o mut MatMut<'a>,
    /// First row, first column and number of columns of this panel in C.
    at: (usize, usize, usize),
    /// β on the first block of k, 1 after it.
    beta: f32,
    /// What becomes of the elements after the last block of k.
    then: &'o E,
    last: bool,
}

impl<E> IntoC<'_, '_, E> {
    /// Where the tile from row `i` and vector `v` on lies in C: row, column, and how many columns are left.
    #[inline(always)]
    fn place(&self, i: usize, v: usize) -> (usize, usize, usize) {
        let (i0, j0, cols) = self.at;
        (i0 + i, j0 + v * LANES, cols - v * LANES)
    }
}

impl<S: Simd, E: Epilogue> Ending<S> for IntoC<'_, '_, E> {
    #[inline(always)]
    fn start<const MR: usize, const NV: usize>(
        &self,
        s: S,
        i: usize,
        v: usize,
    ) -> Acc<S::V, MR, NV> {
        let mut acc = [[s.splat(0.0); NV]; MR];
        if self.beta == 0.0 {
            return acc;
        }
        let (i, j, left) = self.place(i, v);
        let rows = self.c.runs::<MR>(i, j, left.min(NV * LANES));
        if left >= NV * LANES {
            unroll!(R in 0..MR => unroll!(J in 0..NV => {
                acc[R][J] = load(s, &rows[R][J * LANES..][..LANES]);
            }));
        } else {
            unroll!(R in 0..MR => unroll!(J in 0..NV => {
                acc[R][J] = load(s, &rows[R][J * LANES..]);
            }));
        }
        if self.beta != 1.0 {
            let beta = s.splat(self.beta);
            unroll!(R in 0..MR => unroll!(J in 0..NV => acc[R][J] = s.mul(beta, acc[R][J])));
        }
        // The next tile's, while this one is multiplied.
        let c = self.c.as_ref();
        unroll!(R in 0..MR => unroll!(J in 0..NV => c.prefetch(i + MR + R, j + J * LANES)));
        acc
    }
    #[inline(always)]
    fn finish<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
        mut acc: Acc<S::V, MR, NV>,
    ) {
        let (i, j, left) = self.place(i, v);
        if self.last {
            unroll!(R in 0..MR => unroll!(J in 0..NV => {
                acc[R][J] = self.then.apply(s, (i + R, j + J * LANES), acc[R][J]);
            }));
        }
        let rows = self.c.runs_mut::<MR>(i, j, left.min(NV * LANES));
        if left >= NV * LANES {
            unroll!(R in 0..MR => unroll!(J in 0..NV => {
                if let Some(whole) = rows[R][J * LANES..].first_chunk_mut() {
                    s.store(acc[R][J], whole);
                }
            }));
        } else {
            unroll!(R in 0..MR => unroll!(J in 0..NV => {
                s.store_first(acc[R][J], &mut rows[R][J * LANES..]);
            }));
        }
    }
}
