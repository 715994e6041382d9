//! Blocks of A and B as the tile reads them well: copied, or where they lie.

use crate::isa::{LANES, Line, MatRef, PITCH, Panels, Part, Simd, Strided};

/// Panels that are filled row by row together: each row is then read a kilobyte at a time, and what is written
/// lies on lines that the first-level cache can hold beside each other.
const TOGETHER: usize = 8;

/// Columns of a block that become panels of one width.
#[derive(Clone, Copy)]
pub(super) struct Group {
    /// Vectors in a panel.
    vectors: usize,
    /// How many panels.
    count: usize,
    start: usize,
    cols: usize,
}

/// The groups of a block with so many columns: as many panels of `widest` vectors as there are, then of `usual`, and
/// one for the rest.
#[inline(always)]
pub(super) fn groups(cols: usize, widest: usize, usual: usize) -> [Group; 3] {
    // Widths are powers of two, as `Product::tile` has the compiler check.
    let whole = |vectors: usize, start: usize, cols: usize| {
        let width = vectors * LANES;
        let count = cols >> width.trailing_zeros();
        Group { vectors, count, start, cols: count * width }
    };
    let first = whole(widest, 0, if widest > usual { cols } else { 0 });
    let second = whole(usual, first.cols, cols - first.cols);
    let start = first.cols + second.cols;
    let rest = cols - start;
    [first, second, Group { vectors: rest.div_ceil(LANES), count: 1, start, cols: rest }]
}

/// The panels of a block of B, each group with its first vector, and how many groups there are: where they lie, the
/// factor left to the tile, or times it in `room`. Those of more floats than `near`, or as copies, are asked for ahead. They are
/// put where the caller reads them: a move would wait for all stores of the copy.
#[inline(always)]
pub(super) fn panels<'b, S: Simd>(
    s: S,
    (b, scale): (MatRef<'b>, f32),
    (in_place, [near, near_copies]): (bool, [usize; 2]),
    groups: [Group; 3],
    mut room: &'b mut [Line],
    all: &mut [(usize, Panels<'b>); 3],
) -> usize {
    let mut count = 0;
    for &Group { vectors, count: panels, start, cols } in &groups {
        if cols == 0 {
            continue;
        }
        let block = b.block((0, b.rows()), (start, cols));
        let panels = if in_place && cols.is_multiple_of(LANES) {
            block.panels(vectors, panels).times(scale).asked_beyond(near)
        } else {
            let (here, rest) = room.split_at_mut(panels * vectors * b.rows());
            room = rest;
            pack_b(s, &block, scale, vectors, here);
            Panels::packed(here, (b.rows(), vectors), panels).asked_beyond(near_copies)
        };
        all[count] = (start / LANES, panels);
        count += 1;
    }
    count
}

/// Copies a block of B, times its factor, into panels of `vectors` whole vectors, the lanes past its last
/// column zero.
#[inline(always)]
fn pack_b<S: Simd>(s: S, b: &MatRef<'_>, scale: f32, vectors: usize, to: &mut [Line]) {
    match vectors {
        4 => pack_panels::<S, 4>(s, b, scale, to),
        3 => pack_panels::<S, 3>(s, b, scale, to),
        2 => pack_panels::<S, 2>(s, b, scale, to),
        1 => pack_panels::<S, 1>(s, b, scale, to),
        other => unreachable!("panels of {other} vectors are read where they lie"),
    }
}

#[inline(always)]
fn pack_panels<S: Simd, const NV: usize>(s: S, b: &MatRef<'_>, scale: f32, to: &mut [Line]) {
    let (kc, cols, width) = (b.rows(), b.cols(), NV * LANES);
    let mut j = 0;
    while j < cols {
        let whole = (cols - j) / width;
        let panels = if b.strides().1 == 1 { whole.clamp(1, TOGETHER) } else { 1 };
        let block = b.block((0, kc), (j, (panels * width).min(cols - j)));
        let to = &mut to[j / LANES * kc..][..panels * NV * kc];
        match b.strides() {
            (_, 1) if panels == 1 => s.outlined(Rows::<NV>(Copied { b: block, scale, to })),
            (_, 1) => s.outlined(WholeRows::<NV>(Copied { b: block, scale, to })),
            (1, _) => s.outlined(Columns::<NV>(Copied { b: block, scale, to })),
            _ => {
                for (p, row) in to.chunks_exact_mut(NV).enumerate() {
                    for (c, x) in Line::flat_mut(row).iter_mut().enumerate() {
                        *x = if c < block.cols() { scale * block.get(p, c) } else { 0.0 };
                    }
                }
            }
        }
        j += panels * width;
    }
}

/// What a copy takes: columns of B, its factor, and room for their panels.
struct Copied<'t, 'a> {
    b: MatRef<'a>,
    scale: f32,
    to: &'t mut [Line],
}

/// A panel of which the rows are contiguous in B and the last vector is perhaps not full.
struct Rows<'t, 'a, const NV: usize>(Copied<'t, 'a>);

impl<S: Simd, const NV: usize> Part<S> for Rows<'_, '_, NV> {
    type Out = ();
    #[inline(always)]
    fn run(self, s: S) {
        let Rows(Copied { b, scale, to }) = self;
        for (p, to) in to.as_chunks_mut::<NV>().0.iter_mut().enumerate() {
            let (whole, last) = b.run(p, 0, b.cols()).split_at((NV - 1) * LANES);
            for (Line(to), x) in to.iter_mut().zip(whole.as_chunks().0) {
                s.store(scaled(s, scale, s.load(x)), to);
            }
            s.store(scaled(s, scale, s.load_first(last)), &mut to[NV - 1].0);
        }
    }
}

/// Whole panels of which the rows are contiguous in B.
struct WholeRows<'t, 'a, const NV: usize>(Copied<'t, 'a>);

impl<S: Simd, const NV: usize> Part<S> for WholeRows<'_, '_, NV> {
    type Out = ();
    #[inline(always)]
    fn run(self, s: S) {
        let WholeRows(Copied { b, scale, to }) = self;
        let depth = b.rows();
        let to = to.as_chunks_mut::<NV>().0;
        for p in 0..depth {
            let panels = b.run(p, 0, b.cols()).as_chunks().0.as_chunks::<NV>().0;
            for (to, from) in to.chunks_exact_mut(depth).zip(panels) {
                for (Line(line), x) in to[p].iter_mut().zip(from) {
                    s.store(scaled(s, scale, s.load(x)), line);
                }
            }
        }
    }
}

/// A panel of which the columns are contiguous in B.
struct Columns<'t, 'a, const NV: usize>(Copied<'t, 'a>);

impl<S: Simd, const NV: usize> Part<S> for Columns<'_, '_, NV> {
    type Out = ();
    #[inline(always)]
    fn run(self, s: S) {
        let Columns(Copied { b, scale, to }) = self;
        for (p, to) in to.as_chunks_mut::<NV>().0.chunks_mut(LANES).enumerate() {
            for v in 0..NV {
                let first = (v * LANES).min(b.cols());
                let columns = (first, LANES.min(b.cols() - first));
                let square = transposed(s, &b.block((p * LANES, to.len()), columns).t(), scale);
                if let Some(whole) = to.first_chunk_mut::<LANES>() {
                    // A loop with a constant end keeps the square in registers.
                    for (to, row) in whole.iter_mut().zip(square) {
                        s.store(row, &mut to[v].0);
                    }
                } else {
                    for (to, row) in to.iter_mut().zip(square) {
                        s.store(row, &mut to[v].0);
                    }
                }
            }
        }
    }
}

/// The transpose of at most sixteen contiguous rows of at most sixteen columns, times a factor; zeros around it.
#[inline(always)]
pub(super) fn transposed<S: Simd>(s: S, rows: &MatRef<'_>, scale: f32) -> [S::V; LANES] {
    let mut square = [s.splat(0.0); LANES];
    if (rows.rows(), rows.cols()) == (LANES, LANES) {
        for (x, row) in square.iter_mut().zip(rows.runs::<LANES>(0, 0, LANES)) {
            *x = load(s, row);
        }
    } else {
        for (r, x) in square.iter_mut().enumerate().take(rows.rows()) {
            *x = load(s, rows.run(r, 0, rows.cols()));
        }
    }
    if scale != 1.0 {
        for x in &mut square {
            *x = s.mul(s.splat(scale), *x);
        }
    }
    s.transpose(&mut square);
    square
}

/// Copies a strip of A, times its factor: row by row if its rows are contiguous, else column by column.
#[inline(always)]
pub(super) fn pack_a<'t, S: Simd>(
    s: S,
    a: &MatRef<'_>,
    scale: f32,
    to: &'t mut [Line],
) -> Strided<'t> {
    let (height, depth) = (a.rows(), a.cols());
    match a.strides() {
        (_, 1) => {
            s.outlined(RowsOfA { a: *a, scale, to });
            return Strided::new(Line::flat(to), (height, depth), (PITCH, 1));
        }
        (1, _) => s.outlined(ColumnsOfA { a: *a, scale, to }),
        _ => {
            for (k, column) in Line::flat_mut(to).chunks_exact_mut(height).take(depth).enumerate() {
                for (r, x) in column.iter_mut().enumerate() {
                    *x = scale * a.get(r, k);
                }
            }
        }
    }
    Strided::new(Line::flat(to), (height, depth), (1, height))
}

/// A strip of A whose columns are contiguous, and room for one more.
struct ColumnsOfA<'t, 'a> {
    a: MatRef<'a>,
    scale: f32,
    to: &'t mut [Line],
}

impl<S: Simd> Part<S> for ColumnsOfA<'_, '_> {
    type Out = ();
    #[inline(always)]
    fn run(self, s: S) {
        let ColumnsOfA { a, scale, to } = self;
        let to = Line::flat_mut(to);
        for k in 0..a.cols() {
            let Some(whole) = to[k * a.rows()..].first_chunk_mut() else {
                unreachable!("room for one more column")
            };
            // Of a whole vector, what is too much is overwritten by the next column.
            s.store(scaled(s, scale, load(s, a.t().run(k, 0, a.rows()))), whole);
        }
    }
}

/// A strip of A whose rows are contiguous, each at most as long as the distance between their copies.
struct RowsOfA<'t, 'a> {
    a: MatRef<'a>,
    scale: f32,
    to: &'t mut [Line],
}

impl<S: Simd> Part<S> for RowsOfA<'_, '_> {
    type Out = ();
    #[inline(always)]
    fn run(self, s: S) {
        let RowsOfA { a, scale, to } = self;
        for (r, to) in to.chunks_exact_mut(PITCH / LANES).take(a.rows()).enumerate() {
            let (whole, rest) = a.run(r, 0, a.cols()).as_chunks();
            for (Line(to), x) in to.iter_mut().zip(whole) {
                s.store(scaled(s, scale, s.load(x)), to);
            }
            if !rest.is_empty() {
                s.store(scaled(s, scale, s.load_first(rest)), &mut to[whole.len()].0);
            }
        }
    }
}

/// Lines that [`pack_a`] needs for a strip of so many rows.
pub(super) fn a_lines(rows: usize) -> usize {
    rows * PITCH / LANES
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
