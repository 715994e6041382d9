//! A few columns of C, all it has or the rest beside whole vectors. A vector of B would be mostly empty there, so the lanes
//! are sixteen rows of C: what a step takes of A is a column, transposed on its way from memory if A has rows. A chain waits for
//! each of its multiply-adds, so groups of sixteen rows take turns.

use super::blocks::Product;
use super::epilogue::Then;
use super::pack::load;
use crate::isa::{LANES, Line, MatMut, MatRef, Part, Simd};
use crate::tile::unroll;

/// Columns of which there may be as many on any core, and whose B may lie in any way.
pub(super) const FEW: usize = 3;
/// Most columns on any core: one group's sums and a square of A are then in registers, if there are 32.
pub(super) const MOST: usize = 10;

impl Product<'_, '_> {
    /// Multiplies the last columns if they are few beside whole vectors, and leaves them out of what is to be done.
    #[inline(always)]
    pub(super) fn without_few<S: Simd>(&mut self, s: S) {
        let ((a, a_scale), (b, b_scale)) = (self.a, self.b);
        let (m, n, k) = (a.rows(), b.cols(), a.cols());
        let few = n % LANES;
        if few == 0 || m < LANES || k < LANES || a_scale != 1.0 {
            return;
        }
        // A whole C beside columns of A changes roles.
        let lies_well = a.strides().1 == 1 || (a.strides().0 == 1 && n > LANES);
        let limits = self.scratch.limits::<S>();
        let copied = if b_scale == 1.0 { 0 } else { k * few };
        let b_lies_well = if b_scale == 1.0 { b.strides().1 == 1 } else { copied <= limits.block };
        let most = if b_lies_well { limits.lanes } else { FEW };
        if few > most || !lies_well {
            return;
        }
        let whole = n - few;
        // A part cannot be taken out of C in place.
        let c = core::mem::replace(&mut self.c, MatMut::row_major(&mut [], 0, 0));
        let (c, last) = c.split_cols(whole);
        self.c = c;
        let [room, ..] = self.scratch.rooms([copied.div_ceil(LANES), 0, 0]);
        let last_b = (b.block((0, k), (whole, few)), b_scale);
        let columns =
            Columns { a, b: last_b, room, beta: self.beta, c: last, first: whole, then: self.then };
        match few {
            1 => s.outlined(Lanes::<1>(columns)),
            2 => s.outlined(Lanes::<2>(columns)),
            FEW => s.outlined(Lanes::<FEW>(columns)),
            // Tiles of one vector are for few registers.
            _ if const { S::WIDE.1 == 1 } => unreachable!("{few} columns of at most {FEW}"),
            4 => s.outlined(Lanes::<4>(columns)),
            5 => s.outlined(Lanes::<5>(columns)),
            6 => s.outlined(Lanes::<6>(columns)),
            7 => s.outlined(Lanes::<7>(columns)),
            8 => s.outlined(Lanes::<8>(columns)),
            9 => s.outlined(Lanes::<9>(columns)),
            _ => s.outlined(Lanes::<MOST>(columns)),
        }
        self.b.0 = b.block((0, k), (0, whole));
    }
}

/// `C = then(A B + β C)` for a few columns of C.
struct Columns<'t, 'a> {
    a: MatRef<'a>,
    b: (MatRef<'t>, f32),
    /// For B times its factor, if it has one.
    room: &'t mut [Line],
    beta: f32,
    c: MatMut<'a>,
    /// What its first column is for `then`.
    first: usize,
    then: Option<Then<'t>>,
}

/// The same for `N` of them.
struct Lanes<'t, 'a, const N: usize>(Columns<'t, 'a>);

impl<S: Simd, const N: usize> Part<S> for Lanes<'_, '_, N> {
    type Out = ();
    #[inline(always)]
    fn run(self, s: S) {
        let Lanes(mut all) = self;
        let (m, (b, scale)) = (all.a.rows(), all.b);
        if scale != 1.0 {
            let room = &mut Line::flat_mut(core::mem::take(&mut all.room))[..b.rows() * N];
            for (p, row) in room.as_chunks_mut::<N>().0.iter_mut().enumerate() {
                let [b]: [[f32; N]; 1] = b.elements(p, 0);
                *row = b.map(|x| scale * x);
            }
            all.b.0 = MatRef::row_major(room, b.rows(), N);
        }
        let by_rows = all.a.strides().1 == 1;
        let mut done = 0;
        while done < m {
            // Several groups take turns: the next multiply-add of each waits for its last one.
            done += match (m - done).div_ceil(LANES) {
                // Several columns are chains enough.
                _ if N > FEW && by_rows => rows::<S, N, 1>(s, &mut all, done),
                _ if N > FEW => columns::<S, N, 1>(s, &mut all, done),
                1 if by_rows => rows::<S, N, 1>(s, &mut all, done),
                2 if by_rows => rows::<S, N, 2>(s, &mut all, done),
                _ if by_rows => rows::<S, N, 3>(s, &mut all, done),
                1 => columns::<S, N, 1>(s, &mut all, done),
                2 | 3 => columns::<S, N, 3>(s, &mut all, done),
                _ => columns::<S, N, 6>(s, &mut all, done),
            };
        }
        if let Some(then) = all.then {
            then(&mut all.c, (0, m), (0, N), all.first);
        }
    }
}

/// `G` times sixteen rows from `done` on, of an A that has rows; returns how many that are.
#[inline(always)]
fn rows<S: Simd, const N: usize, const G: usize>(
    s: S,
    all: &mut Columns<'_, '_>,
    done: usize,
) -> usize {
    let (a, b, k) = (all.a, all.b.0, all.a.cols());
    let (at, mut acc) = begin::<S, N, G>(s, all, done);
    for p in (0..=k - LANES).step_by(LANES) {
        if const { N > FEW } {
            // Elements of B that were copied would not stay in registers.
            let b = b.runs::<LANES>(p, 0, N);
            unroll!(I in 0..G => add_square(s, square(s, &a, (at[I], p)), b.map(whole), &mut acc[I]));
        } else {
            let b: [[f32; N]; LANES] = b.elements(p, 0);
            unroll!(I in 0..G => {
                add_square(s, square(s, &a, (at[I], p)), b.each_ref(), &mut acc[I]);
            });
        }
    }
    let rest = k % LANES;
    if rest > 0 {
        let b = b.block((k - rest, rest), (0, N));
        unroll!(I in 0..G => add_last(s, square(s, &a, (at[I], k - LANES)), &b, &mut acc[I]));
    }
    unroll!(I in 0..G => finish(s, all, acc[I], at[I], done + I * LANES));
    G * LANES
}

/// Adds sixteen columns of A, times as many rows of B.
#[inline(always)]
fn add_square<S: Simd, const N: usize>(
    s: S,
    columns: [S::V; LANES],
    b: [&[f32; N]; LANES],
    acc: &mut [S::V; N],
) {
    unroll!(Q in 0..LANES => for j in 0..N {
        acc[j] = s.fma(columns[Q], s.splat(b[Q][j]), acc[j]);
    });
}

/// A slice of that length.
#[inline(always)]
fn whole<const N: usize>(slice: &[f32]) -> &[f32; N] {
    slice.first_chunk().unwrap_or_else(|| unreachable!("{N} elements"))
}

/// Adds the last of sixteen columns of A, times as many rows of B.
#[inline(always)]
fn add_last<S: Simd, const N: usize>(
    s: S,
    columns: [S::V; LANES],
    b: &MatRef<'_>,
    acc: &mut [S::V; N],
) {
    let mut lines = [Line::ZERO; LANES];
    for (Line(to), x) in lines.iter_mut().zip(columns) {
        s.store(x, to);
    }
    for (Line(x), p) in lines[LANES - b.rows()..].iter().zip(0..) {
        let [b]: [[f32; N]; 1] = b.elements(p, 0);
        for j in 0..N {
            acc[j] = s.fma(s.load(x), s.splat(b[j]), acc[j]);
        }
    }
}

/// `G` times sixteen rows from `done` on, of an A that has columns; returns how many that are.
#[inline(always)]
fn columns<S: Simd, const N: usize, const G: usize>(
    s: S,
    all: &mut Columns<'_, '_>,
    done: usize,
) -> usize {
    let (a, b, k) = (all.a.t(), all.b.0, all.a.cols());
    let (at, mut acc) = begin::<S, N, G>(s, all, done);
    for p in 0..k {
        let [b]: [[f32; N]; 1] = b.elements(p, 0);
        unroll!(I in 0..G => {
            let column = load(s, a.run(p, at[I], LANES));
            unroll!(J in 0..N => acc[I][J] = s.fma(column, s.splat(b[J]), acc[I][J]));
        });
    }
    unroll!(I in 0..G => finish(s, all, acc[I], at[I], done + I * LANES));
    G * LANES
}

/// First rows of `G` times sixteen from `done` on, and the starts of their chains. What is more than there are is the last
/// sixteen once more.
#[inline(always)]
fn begin<S: Simd, const N: usize, const G: usize>(
    s: S,
    all: &Columns<'_, '_>,
    done: usize,
) -> ([usize; G], [[S::V; N]; G]) {
    let mut at = [0; G];
    let mut acc = [[s.splat(0.0); N]; G];
    unroll!(I in 0..G => {
        at[I] = (done + I * LANES).min(all.a.rows() - LANES);
        acc[I] = start::<S, N>(s, all, at[I]);
    });
    (at, acc)
}

/// Starts of the chains of sixteen rows from `i` on.
#[inline(always)]
fn start<S: Simd, const N: usize>(s: S, all: &Columns<'_, '_>, i: usize) -> [S::V; N] {
    let mut acc = [s.splat(0.0); N];
    if all.beta != 0.0 {
        let rows: [[f32; N]; LANES] = all.c.as_ref().elements(i, 0);
        for j in 0..N {
            let mut column = [0.0; LANES];
            for r in 0..LANES {
                column[r] = rows[r][j];
            }
            acc[j] = s.load(&column);
            if all.beta != 1.0 {
                acc[j] = s.mul(s.splat(all.beta), acc[j]);
            }
        }
    }
    acc
}

/// Their ends, but of those rows that were done before.
#[inline(always)]
fn finish<S: Simd, const N: usize>(
    s: S,
    all: &mut Columns<'_, '_>,
    acc: [S::V; N],
    i: usize,
    done: usize,
) {
    if const { N > FEW } {
        let mut rows = [s.splat(0.0); LANES];
        rows[..N].copy_from_slice(&acc);
        s.transpose(&mut rows);
        for (r, row) in rows.into_iter().enumerate().skip(done - i) {
            let [to] = all.c.runs_mut::<1>(i + r, 0, N);
            s.store_first(row, to);
        }
        return;
    }
    let mut columns = [Line::ZERO; N];
    for j in 0..N {
        s.store(acc[j], &mut columns[j].0);
    }
    for r in done - i..LANES {
        let mut row = [0.0; LANES];
        for j in 0..N {
            row[j] = columns[j].0[r];
        }
        let [to] = all.c.runs_mut::<1>(i + r, 0, N);
        s.store_first(s.load(&row), to);
    }
}

/// Sixteen columns of sixteen rows of A, from an element on.
#[inline(always)]
fn square<S: Simd>(s: S, a: &MatRef<'_>, (i, p): (usize, usize)) -> [S::V; LANES] {
    let mut rows = [&[0.0; LANES]; LANES];
    for (to, row) in rows.iter_mut().zip(a.runs::<LANES>(i, p, LANES)) {
        *to = whole(row);
    }
    s.columns(rows)
}
