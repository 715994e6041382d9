//! A few columns of C, all it has or the rest beside whole vectors. A vector of B would be mostly empty there, so the lanes
//! are sixteen rows of C: what a step takes of A is a column, transposed on its way from memory if A has rows.

use super::Epilogue;
use super::blocks::Product;
use super::pack::{load, transposed};
use crate::isa::{LANES, Line, MatMut, MatRef, Part, Simd};

/// Most columns for which the transposes pay.
const MOST: usize = 3;

impl<E: Epilogue> Product<'_, '_, E> {
    /// Multiplies the last columns if they are few beside whole vectors; returns what is left to do.
    #[inline(always)]
    pub(super) fn without_few<S: Simd>(self, s: S) -> Self {
        let Product { scratch, a: (a, a_scale), b: (b, b_scale), beta, c, then } = self;
        let (m, n, k) = (c.rows(), c.cols(), a.cols());
        let few = n % LANES;
        // A whole C beside columns of A changes roles.
        let lies_well = a.strides().1 == 1 || (a.strides().0 == 1 && n > LANES);
        let pays = few <= MOST && m >= LANES && k >= LANES && lies_well && a_scale == 1.0;
        let whole = if pays { n - few } else { n };
        let (c, last) = c.split_cols(whole);
        if last.cols() > 0 {
            let [room, ..] = scratch.rooms([(k * few).div_ceil(LANES), 0, 0]);
            let b = (b.block((0, k), (whole, few)), b_scale);
            let columns = Columns { a, b, room, beta, c: last, first: whole, then };
            match few {
                1 => s.outlined(Lanes::<E, 1>(columns)),
                2 => s.outlined(Lanes::<E, 2>(columns)),
                _ => s.outlined(Lanes::<E, MOST>(columns)),
            }
        }
        let b = b.block((0, k), (0, whole));
        Product { scratch, a: (a, a_scale), b: (b, b_scale), beta, c, then }
    }
}

/// `C = then(A B + β C)` for a few columns of C.
struct Columns<'t, 'a, E> {
    a: MatRef<'a>,
    b: (MatRef<'a>, f32),
    /// For B times its factor.
    room: &'t mut [Line],
    beta: f32,
    c: MatMut<'a>,
    /// What its first column is for `then`.
    first: usize,
    then: &'t E,
}

/// The same for `N` of them.
struct Lanes<'t, 'a, E, const N: usize>(Columns<'t, 'a, E>);

impl<S: Simd, E: Epilogue, const N: usize> Part<S> for Lanes<'_, '_, E, N> {
    type Out = ();
    #[inline(always)]
    fn run(self, s: S) {
        let Lanes(Columns { a, b: (mut b, scale), room, beta, mut c, first, then }) = self;
        let (m, k) = (a.rows(), a.cols());
        if scale != 1.0 {
            let room = &mut Line::flat_mut(room)[..k * N];
            for (p, row) in room.as_chunks_mut::<N>().0.iter_mut().enumerate() {
                let [b]: [[f32; N]; 1] = b.elements(p, 0);
                *row = b.map(|x| scale * x);
            }
            b = MatRef::row_major(room, k, N);
        }
        for done in (0..m).step_by(LANES) {
            // The last sixteen rows overlap those before.
            let i = done.min(m - LANES);
            let mut acc = start::<S, N>(s, beta, &c.as_ref().block((i, LANES), (0, N)));
            for p in (0..=k - LANES).step_by(LANES) {
                let columns = square(s, &a, (i, p));
                let b: [[f32; N]; LANES] = b.elements(p, 0);
                for q in 0..LANES {
                    for j in 0..N {
                        acc[j] = s.fma(columns[q], s.splat(b[q][j]), acc[j]);
                    }
                }
            }
            let rest = k % LANES;
            if rest > 0 {
                let mut columns = [Line::ZERO; LANES];
                for (Line(to), x) in columns.iter_mut().zip(square(s, &a, (i, k - LANES))) {
                    s.store(x, to);
                }
                for (Line(x), p) in columns[LANES - rest..].iter().zip(k - rest..) {
                    let [b]: [[f32; N]; 1] = b.elements(p, 0);
                    for j in 0..N {
                        acc[j] = s.fma(s.load(x), s.splat(b[j]), acc[j]);
                    }
                }
            }
            let mut rows = [s.splat(0.0); LANES];
            rows[..N].copy_from_slice(&acc);
            s.transpose(&mut rows);
            for (r, x) in rows.into_iter().enumerate().skip(done - i) {
                let [to] = c.runs_mut::<1>(i + r, 0, N);
                s.store_first(then.apply(s, (i + r, first), x), to);
            }
        }
    }
}

/// Starts of the chains of sixteen rows.
#[inline(always)]
fn start<S: Simd, const N: usize>(s: S, beta: f32, c: &MatRef<'_>) -> [S::V; N] {
    let mut acc = [s.splat(0.0); N];
    if beta != 0.0 {
        let old = transposed(s, c, 1.0);
        for j in 0..N {
            acc[j] = if beta == 1.0 { old[j] } else { s.mul(s.splat(beta), old[j]) };
        }
    }
    acc
}

/// Columns of sixteen rows and columns of A from an element on.
#[inline(always)]
fn square<S: Simd>(s: S, a: &MatRef<'_>, (i, p): (usize, usize)) -> [S::V; LANES] {
    let mut square = [s.splat(0.0); LANES];
    let by_rows = a.strides().1 == 1;
    let lines: [&[f32]; LANES] =
        if by_rows { a.runs(i, p, LANES) } else { a.t().runs(p, i, LANES) };
    for r in 0..LANES {
        square[r] = load(s, lines[r]);
    }
    if by_rows {
        s.transpose(&mut square);
    }
    square
}
