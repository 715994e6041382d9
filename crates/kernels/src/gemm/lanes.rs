//! A few columns of C, all it has or the rest beside whole vectors. A vector of B would be mostly empty there, so the lanes
//! are sixteen rows of C: what a step takes of A is a column, transposed on its way from memory, four at a time, if A has rows. A
//! chain waits for each of its multiply-adds, so groups of sixteen rows take turns. A single row behind them goes along with the last
//! ones, in all lanes of a vector.

use super::blocks::Product;
use super::epilogue::Then;
use super::pack::load;
use crate::isa::{LANES, Line, MatMut, MatRef, Part, QUAD, Quads, Simd};
use crate::tile::unroll;

/// Columns of which there may be as many on any core, and whose B may lie in any way.
pub(super) const FEW: usize = 3;
/// Most columns on any core: thirteen gained 2 to 9 %, more were not tried.
pub(super) const MOST: usize = 13;

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
        // The same cores load and shuffle halves faster.
        let halved = limits.lanes > FEW;
        match few {
            1 => multiply::<S, 1>(s, columns, halved),
            2 => multiply::<S, 2>(s, columns, halved),
            FEW => multiply::<S, FEW>(s, columns, halved),
            // Tiles of one vector are for few registers.
            _ if const { S::WIDE.1 == 1 } => unreachable!("{few} columns of at most {FEW}"),
            4 => multiply::<S, 4>(s, columns, halved),
            5 => multiply::<S, 5>(s, columns, halved),
            6 => multiply::<S, 6>(s, columns, halved),
            7 => multiply::<S, 7>(s, columns, halved),
            8 => multiply::<S, 8>(s, columns, halved),
            9 => multiply::<S, 9>(s, columns, halved),
            10 => multiply::<S, 10>(s, columns, halved),
            11 => multiply::<S, 11>(s, columns, halved),
            12 => multiply::<S, 12>(s, columns, halved),
            _ => multiply::<S, MOST>(s, columns, halved),
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

/// Multiplies `N` columns, so few that loads and shuffles count in vectors of half the length if that is wanted.
#[inline(always)]
fn multiply<S: Simd, const N: usize>(s: S, columns: Columns<'_, '_>, halved: bool) {
    if const { S::WIDE.1 > 1 && N <= FEW } && halved {
        s.outlined(Halved(Lanes::<N>(columns)));
    } else {
        s.outlined(Lanes::<N>(columns));
    }
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
            let left = m - done;
            let one = const { S::WIDE.1 == 1 } && by_rows && left % LANES == 1;
            // Several groups take turns: the next multiply-add of each waits for its last one.
            done += match left.div_ceil(LANES) {
                // Several columns are chains enough.
                _ if N > FEW && by_rows => rows::<S, N, 1, false>(s, &mut all, done),
                _ if N > FEW => columns::<S, N, 1>(s, &mut all, done),
                2 if one => rows::<S, N, 1, true>(s, &mut all, done),
                3 if one => rows::<S, N, 2, true>(s, &mut all, done),
                1 if by_rows => rows::<S, N, 1, false>(s, &mut all, done),
                3.. if by_rows && const { S::WIDE.1 > 1 } => {
                    rows::<S, N, 3, false>(s, &mut all, done)
                }
                _ if by_rows => rows::<S, N, 2, false>(s, &mut all, done),
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

/// The same with vectors of half the length, of which some cores load and shuffle more than twice as many.
struct Halved<P>(P);

impl<S: Simd, const N: usize> Part<S> for Halved<Lanes<'_, '_, N>> {
    type Out = ();
    #[inline(always)]
    fn run(self, s: S) {
        self.0.run(s.halves());
    }
}

/// `G` times sixteen rows from `done` on, of an A that has rows, and the one behind them; returns how many that are.
#[inline(always)]
fn rows<S: Simd, const N: usize, const G: usize, const ONE: bool>(
    s: S,
    all: &mut Columns<'_, '_>,
    done: usize,
) -> usize {
    let (a, b, k) = (all.a, all.b.0, all.a.cols());
    let (at, mut acc) = begin::<S, N, G>(s, all, done);
    let next = done + G * LANES;
    let mut one = [s.splat(0.0); N];
    if const { ONE } {
        one = start_one(s, all, next);
    }
    let mut quads = Quads::new(&a, at);
    let mut p = 0;
    while quads.left() > 0 {
        let four = quads.take();
        if const { N > FEW } {
            // Elements of B that were copied would not stay in registers.
            let b = b.runs::<QUAD>(p, 0, N);
            unroll!(I in 0..G => add_four(s, s.four_columns(four[I]), b.map(whole), &mut acc[I]));
        } else {
            let b: [[f32; N]; QUAD] = b.elements(p, 0);
            unroll!(I in 0..G => add_four(s, s.four_columns(four[I]), b.each_ref(), &mut acc[I]));
            if const { ONE } {
                add_four(s, of_one(s, &a, (next, p)), b.each_ref(), &mut one);
            }
        }
        p += QUAD;
    }
    let rest = k - p;
    if rest > 0 {
        let four = Quads::new(&a.block((0, a.rows()), (k - QUAD, QUAD)), at).take();
        let b = b.block((p, rest), (0, N));
        unroll!(I in 0..G => add_last(s, s.four_columns(four[I]), &b, &mut acc[I]));
        if const { ONE } {
            add_last(s, of_one(s, &a, (next, k - QUAD)), &b, &mut one);
        }
    }
    unroll!(I in 0..G => finish(s, all, acc[I], at[I], done + I * LANES));
    if const { ONE } {
        for (j, x) in one.into_iter().enumerate() {
            all.c.set(next, j, s.to_array(x)[0]);
        }
        return G * LANES + 1;
    }
    G * LANES
}

/// Four elements of one row of A, each in all lanes.
#[inline(always)]
fn of_one<S: Simd>(s: S, a: &MatRef<'_>, (i, p): (usize, usize)) -> [S::V; QUAD] {
    let [row]: [[f32; QUAD]; 1] = a.elements(i, p);
    let mut four = [s.splat(0.0); QUAD];
    for q in 0..QUAD {
        four[q] = s.splat(row[q]);
    }
    four
}

/// Starts of the chains of one row.
#[inline(always)]
fn start_one<S: Simd, const N: usize>(s: S, all: &Columns<'_, '_>, i: usize) -> [S::V; N] {
    let mut one = [s.splat(0.0); N];
    if all.beta != 0.0 {
        for (j, x) in one.iter_mut().enumerate() {
            let c = all.c.get(i, j);
            *x = s.splat(if all.beta != 1.0 { all.beta * c } else { c });
        }
    }
    one
}

/// A slice of that length.
#[inline(always)]
fn whole<const N: usize>(slice: &[f32]) -> &[f32; N] {
    slice.first_chunk().unwrap_or_else(|| unreachable!("{N} elements"))
}

/// Adds four columns of A, times as many rows of B.
#[inline(always)]
fn add_four<S: Simd, const N: usize>(
    s: S,
    columns: [S::V; QUAD],
    b: [&[f32; N]; QUAD],
    acc: &mut [S::V; N],
) {
    for q in 0..QUAD {
        for j in 0..N {
            acc[j] = s.fma(columns[q], s.splat(b[q][j]), acc[j]);
        }
    }
}

/// Adds the last of four columns of A, times as many rows of B.
#[inline(always)]
fn add_last<S: Simd, const N: usize>(
    s: S,
    columns: [S::V; QUAD],
    b: &MatRef<'_>,
    acc: &mut [S::V; N],
) {
    for (column, p) in columns.into_iter().skip(QUAD - b.rows()).zip(0..) {
        let [b]: [[f32; N]; 1] = b.elements(p, 0);
        for j in 0..N {
            acc[j] = s.fma(column, s.splat(b[j]), acc[j]);
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
        for (j, column) in columns.iter().enumerate() {
            all.c.set(i + r, j, column.0[r]);
        }
    }
}
