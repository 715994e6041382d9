//! The one micro-kernel: MR rows × NV vectors of the product in registers, every element one chain of
//! multiply-adds in increasing k, and an ending that says what becomes of them.
//!
//! ```text
//! for k { for i in 0..MR { for j in 0..NV { acc[i][j] = a[i, k] * b[k, j] + acc[i][j] } } }
//! ```

use crate::isa::{
    ANYHOW, Beside, COLUMNS, Caches, Few, Foreseen, LANES, MASK, Masked, Panels, Part, Picked,
    ROWS, Rows, Simd, Steps, Strided, Walk, group,
};

/// Repeats a body for `$i` in `0..$n`, `$n` a constant of at most 16, with `$i` a literal each time. A
/// loop whose index the optimiser does not see through would keep the accumulators in memory.
macro_rules! unroll {
    ($i:ident in 0..$n:expr => $body:expr) => {
        unroll!(@ $i, $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $i:ident, $n:expr, $body:expr, $($k:literal)*) => {
        { $( if const { $k < $n } { const $i: usize = $k; $body } )* }
    };
}
pub(crate) use unroll;

/// Accumulators of a tile.
pub(crate) type Acc<V, const MR: usize, const NV: usize> = [[V; NV]; MR];

/// What the accumulators start from and what becomes of them: store, bias, ReLU, Adam...
pub(crate) trait Ending<S: Simd> {
    /// Whether anything is asked for while tiles of layers are multiplied.
    const ASKS: bool = false;
    /// Steps from one [`ask`](Ending::ask) to the next while a tile is multiplied that has so many; behind the last there is one, too.
    #[inline(always)]
    fn between(&self, steps: usize) -> usize {
        steps
    }
    /// Asks memory for a line that will be needed soon, or does what it takes as little to do.
    #[inline(always)]
    fn ask(&mut self, _: S) {}
    /// Whether there is something to do beside the multiply-adds of a layer's tile that skips nothing. It needs registers: such tiles
    /// have four rows at most.
    const BUSY: bool = false;
    /// What that is, for one tile.
    #[inline(always)]
    fn beside(&mut self, _: S) -> impl Beside {}
    /// Starts of the chains of the tile whose first row is `i` and first vector `v`: zero, unless there is more.
    #[inline(always)]
    fn start<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
    ) -> Acc<S::V, MR, NV> {
        let _ = (i, v);
        [[s.splat(0.0); NV]; MR]
    }
    /// Their ends.
    fn finish<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
        acc: Acc<S::V, MR, NV>,
    );
}

/// Fewest steps of k from one ask to the next: their arithmetic hides what asking costs.
const BETWEEN_ASKS: usize = 4;

/// Steps of a walk of this depth from one of so many asks to the next.
#[inline(always)]
pub(crate) fn between_asks(depth: usize, asks: usize) -> usize {
    match asks {
        0 => depth,
        asks => depth.div_ceil(asks).max(BETWEEN_ASKS),
    }
}

/// Adds the products of a walk onto the accumulators, B times a factor if there is one, and asks after so many steps.
#[inline(always)]
fn multiply<'a, S: Simd, E: Ending<S>, const MR: usize, const NV: usize>(
    simd: S,
    acc: &mut Acc<S::V, MR, NV>,
    mut walk: impl Walk<'a, MR, NV>,
    scale: Option<f32>,
    (ending, between): (&mut E, usize),
) {
    while walk.left() > 0 {
        let end = walk.left().saturating_sub(between);
        while walk.left() > end {
            add_step(simd, acc, walk.take(), scale);
        }
        ending.ask(simd);
    }
}

/// The same where nothing is asked for: what is counted is only the walk.
#[inline(always)]
pub(crate) fn multiply_all<'a, S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    acc: &mut Acc<S::V, MR, NV>,
    mut walk: impl Walk<'a, MR, NV>,
) {
    while walk.left() > 0 {
        add_step(simd, acc, walk.take(), None);
    }
}

/// The same with something to do before each step, and then all that is left of it.
#[inline(always)]
fn multiply_beside<'a, S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    acc: &mut Acc<S::V, MR, NV>,
    mut walk: impl Walk<'a, MR, NV>,
    mut beside: impl Beside,
) {
    // Two loops: with a condition in one, the accumulators would be moved from register to register around it.
    while walk.left() > 0 && beside.go_on() {
        add_step(simd, acc, walk.take(), None);
    }
    multiply_all(simd, acc, walk);
    beside.finish();
}

/// One step along k.
#[inline(always)]
fn add_step<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    acc: &mut Acc<S::V, MR, NV>,
    (a, rows): ([f32; MR], [&[f32; LANES]; NV]),
    scale: Option<f32>,
) {
    let mut b = [simd.splat(0.0); NV];
    for j in 0..NV {
        b[j] = simd.load(rows[j]);
        if let Some(scale) = scale {
            b[j] = simd.mul(simd.splat(scale), b[j]);
        }
    }
    for i in 0..MR {
        let x = simd.splat(a[i]);
        for j in 0..NV {
            acc[i][j] = simd.fma(x, b[j], acc[i][j]);
        }
    }
}

/// An A block and the B block it multiplies.
pub(crate) type Pair<'a> = (Strided<'a>, Rows<'a>);

/// Tiles a product of `rows × vectors` with the shapes that suit the register file. It runs over a list of
/// pairs that all have these rows and vectors (batch-reduce GEMM): the chains go through the pairs in
/// order. A list, not a function that makes pairs: a call between two pairs would send the accumulators
/// through memory. The ending is given and given back, so that its state can stay in registers.
///
/// Conditions that only the instruction set decides are `const` blocks: what it never runs is then not compiled,
/// and most shapes of tiles belong to one of three.
#[inline(always)]
pub(crate) fn product<S: Simd, E: Ending<S>>(
    simd: S,
    rows: usize,
    vectors: usize,
    pairs: &[Pair<'_>],
    mut ending: E,
) -> E {
    let mut v = 0;
    while v < vectors {
        // The rest whole, four vectors of it, or slices of one, which always work.
        (v, ending) = match vectors - v {
            4.. if const { S::TILE_ROWS[3] > 0 } => {
                columns::<S, E, 4>(simd, rows, v, pairs, ending)
            }
            3 if const { S::TILE_ROWS[2] > 0 } => columns::<S, E, 3>(simd, rows, v, pairs, ending),
            2 if const { S::TILE_ROWS[1] > 0 } => columns::<S, E, 2>(simd, rows, v, pairs, ending),
            _ => columns::<S, E, 1>(simd, rows, v, pairs, ending),
        };
    }
    ending
}

/// Rows from which on tiles of a product without skipping are as high as the registers allow: with fewer, what is left of
/// them at the end counts, unless loads count more.
#[inline(always)]
pub(crate) fn many_rows() -> usize {
    if Caches::here().slim() { 24 } else { 48 }
}
/// Their rows, at most.
pub(crate) const MOST_ROWS: usize = 6;

/// Rows that go into tiles of six, so that what is left fills tiles of four.
const fn in_sixes(rows: usize) -> usize {
    let (whole, left) = (rows / MOST_ROWS, rows % MOST_ROWS);
    MOST_ROWS * if left == 2 { whole - 1 } else { whole }
}

/// Rows of a tile at most, so that it skips what its operands say. Of two vectors, four chains are enough where a multiply-add of a
/// whole vector takes a cycle, for which pairs of rows are, and eight elsewhere; one vector would have too few.
#[inline(always)]
fn most_rows(pairs: &[Pair<'_>]) -> usize {
    match pairs.iter().find(|(a, _)| !a.lit().is_unknown()) {
        None => usize::MAX,
        Some((a, _)) => group(a.lit().is_of_pairs()),
    }
}

/// Steps that tiles as wide as a panel take through these pairs if they skip nothing, roughly.
#[inline(always)]
pub(crate) fn steps(rows: usize, pairs: &[Pair<'_>]) -> usize {
    let high = if rows >= many_rows() { MOST_ROWS } else { 4 };
    let depth: usize = pairs.iter().map(|(a, _)| a.depth()).sum();
    depth * rows.div_ceil(high)
}

/// All rows of `NV` vectors from `v` on; returns the vector after them.
#[inline(always)]
fn columns<S: Simd, E: Ending<S>, const NV: usize>(
    simd: S,
    rows: usize,
    v: usize,
    pairs: &[Pair<'_>],
    mut ending: E,
) -> (usize, E) {
    let mut i = 0;
    if const { S::WIDE.0 == MOST_ROWS && S::WIDE.1 == NV && !E::BUSY }
        && rows >= many_rows()
        && pairs.iter().all(|(a, _)| a.lit().is_unknown())
    {
        (i, ending) = tiles::<S, E, MOST_ROWS, NV>(simd, (0, in_sixes(rows)), v, pairs, ending);
    }
    let most = if NV > 1 { most_rows(pairs) } else { usize::MAX };
    while i < rows {
        (i, ending) = match rows - i {
            8.. if const { S::TILE_ROWS[NV - 1] >= 8 } && most >= 8 => {
                tiles::<S, E, 8, NV>(simd, (i, rows), v, pairs, ending)
            }
            4.. if const { S::TILE_ROWS[NV - 1] >= 4 } && most >= 4 => {
                tiles::<S, E, 4, NV>(simd, (i, rows), v, pairs, ending)
            }
            2.. => tiles::<S, E, 2, NV>(simd, (i, rows), v, pairs, ending),
            _ => tiles::<S, E, 1, NV>(simd, (i, rows), v, pairs, ending),
        };
    }
    (v + NV, ending)
}

/// As many tiles of `MR` rows as fit; returns the row after them.
#[inline(always)]
fn tiles<S: Simd, E: Ending<S>, const MR: usize, const NV: usize>(
    simd: S,
    (i, rows): (usize, usize),
    v: usize,
    pairs: &[Pair<'_>],
    ending: E,
) -> (usize, E) {
    let count = (rows - i) / MR;
    let ending = simd.outlined(Tiles::<E, MR, NV> { i, count, v, pairs, ending });
    (i + count * MR, ending)
}

/// `count` strips of A's rows below each other, all of one height: each a row of tiles, one for each panel of B. For
/// their ending the first one is at row `i` and vector `v`.
#[inline(always)]
pub(crate) fn strips<S: Simd, E: Ending<S>>(
    simd: S,
    (height, count): (usize, usize),
    at: (usize, usize),
    a: Strided<'_>,
    panels: Panels<'_>,
    ending: &mut E,
) {
    let layout = if count == 1 { a.layout() } else { ANYHOW };
    macro_rules! outlined {
        ($most:expr, $nv:literal) => {
            outlined!(@ $most, $nv, 1 2 3 4 5 6 7 8 9 10 11 12)
        };
        (@ $most:expr, $nv:literal, $($mr:literal)*) => {
            match height {
                $($mr if const { $mr <= $most } => if panels.scale() != 1.0 {
                    simd.outlined(Strips::<E, $mr, $nv, ANYHOW, SCALED> { at, count, a, panels, ending })
                } else if const { $nv >= S::TALL.1 } && panels.are_far() {
                    if panels.rows_are_aligned() {
                        simd.outlined(Strips::<E, $mr, $nv, ANYHOW, FAR> { at, count, a, panels, ending })
                    } else {
                        simd.outlined(Strips::<E, $mr, $nv, ANYHOW, ACROSS> { at, count, a, panels, ending })
                    }
                } else if layout == COLUMNS {
                    simd.outlined(Strips::<E, $mr, $nv, COLUMNS, NEAR> { at, count, a, panels, ending })
                } else if layout == ROWS {
                    simd.outlined(Strips::<E, $mr, $nv, ROWS, NEAR> { at, count, a, panels, ending })
                } else {
                    simd.outlined(Strips::<E, $mr, $nv, ANYHOW, NEAR> { at, count, a, panels, ending })
                },)*
                other => unreachable!("tiles of {other} rows"),
            }
        };
    }
    match panels.vectors() {
        8 if const { row_vectors::<S>() == 8 } => outlined!(1, 8),
        4 if const { S::WIDE.1 == 4 } => outlined!(S::WIDE.0, 4),
        4 if const { S::FLAT.1 == 4 } => outlined!(S::FLAT.0, 4),
        3 if const { row_vectors::<S>() == 8 } => outlined!(1, 3),
        2 if const { S::TALL.1 == 2 } => outlined!(S::TALL.0, 2),
        1 => outlined!(S::TALL.0, 1),
        other => unreachable!("panels of {other} vectors"),
    }
}

/// Heights of strips and their numbers: as equal as possible, `most` at most. A low last strip would have too few
/// chains to keep the multipliers busy.
#[inline(always)]
pub(crate) fn split(rows: usize, most: usize) -> [(usize, usize); 2] {
    if rows <= most {
        return [(rows, 1), (0, 0)];
    }
    let count = rows.div_ceil(most).max(1);
    let (height, taller) = (rows / count, rows % count);
    [(height + 1, taller), (height, count - taller)]
}

/// Vectors of the tile of one row: registers for four rows of accumulators hold two rows beside each other.
pub(crate) const fn row_vectors<S: Simd>() -> usize {
    if S::FLAT.0 >= 4 { 2 * S::FLAT.1 } else { S::FLAT.1 }
}

/// How B is read: as it comes, since it lies near...
const NEAR: u8 = 0;
/// ...with its rows asked for ahead, which begin with cache lines...
const FAR: u8 = 1;
/// ...or do not...
const ACROSS: u8 = 2;
/// ...or that and times its factor.
const SCALED: u8 = 3;

/// Tiles of one shape beside and below each other, of an A in this `LAYOUT` and a B that is read like this.
struct Strips<'e, 'a, E, const MR: usize, const NV: usize, const LAYOUT: u8, const READ: u8> {
    at: (usize, usize),
    count: usize,
    a: Strided<'a>,
    panels: Panels<'a>,
    ending: &'e mut E,
}

impl<S, E, const MR: usize, const NV: usize, const LAYOUT: u8, const READ: u8> Part<S>
    for Strips<'_, '_, E, MR, NV, LAYOUT, READ>
where
    S: Simd,
    E: Ending<S>,
{
    type Out = ();
    #[inline(always)]
    fn run(self, simd: S) {
        let Strips { at: (i, v), count, a, panels, ending } = self;
        let between = ending.between(a.depth());
        for t in 0..count {
            for p in 0..panels.count() {
                let (i, v) = (i + t * MR, v + p * NV);
                let mut acc = ending.start::<MR, NV>(simd, i, v);
                let b = panels.panel(p);
                if const { READ == NEAR } {
                    let walk = Steps::<MR, NV, LAYOUT>::new(&a, t * MR, &b, 0);
                    multiply(simd, &mut acc, walk, None, (ending, between));
                } else {
                    let steps = Steps::new(&a, t * MR, &b, 0);
                    let scale = if const { READ == SCALED } { Some(panels.scale()) } else { None };
                    if const { READ == ACROSS } {
                        let walk = Foreseen::<MR, NV, true>(steps);
                        multiply(simd, &mut acc, walk, scale, (ending, between));
                    } else {
                        let walk = Foreseen::<MR, NV, false>(steps);
                        multiply(simd, &mut acc, walk, scale, (ending, between));
                    }
                }
                ending.finish(simd, i, v, acc);
            }
        }
    }
}

/// Tiles of one shape below each other.
struct Tiles<'p, 'a, E, const MR: usize, const NV: usize> {
    i: usize,
    count: usize,
    v: usize,
    pairs: &'p [Pair<'a>],
    ending: E,
}

impl<S: Simd, E: Ending<S>, const MR: usize, const NV: usize> Part<S> for Tiles<'_, '_, E, MR, NV> {
    type Out = E;
    #[inline(always)]
    fn run(self, simd: S) -> E {
        let Tiles { i, count, v, pairs, mut ending } = self;
        if let (true, [pair]) = (const { MR == 2 && NV == 4 }, pairs) {
            // Of low tiles there are many, to which a copy of what does not change is nearer.
            let pair = [*pair];
            for t in 0..count {
                tile::<S, E, MR, NV>(simd, i + t * MR, v, &pair, &mut ending);
            }
            return ending;
        }
        for t in 0..count {
            tile::<S, E, MR, NV>(simd, i + t * MR, v, pairs, &mut ending);
        }
        ending
    }
}

/// One tile: start, multiply through all pairs, finish.
#[inline(always)]
fn tile<S: Simd, E: Ending<S>, const MR: usize, const NV: usize>(
    simd: S,
    i: usize,
    v: usize,
    pairs: &[Pair<'_>],
    ending: &mut E,
) {
    let mut acc = ending.start::<MR, NV>(simd, i, v);
    for (a, b) in pairs {
        let all = Steps::<MR, NV>::new(a, i, b, v);
        match a.lit().few::<MR>(i, a.depth()) {
            None if const { E::BUSY } => {
                multiply_beside(simd, &mut acc, all, ending.beside(simd));
            }
            None if const { E::ASKS } => {
                let between = ending.between(a.depth());
                multiply(simd, &mut acc, all, None, (ending, between));
            }
            None => multiply_all(simd, &mut acc, all),
            Some(Few::List(few)) => multiply_all(simd, &mut acc, Picked::new(all, few)),
            Some(Few::Masks(masks)) => {
                for (w, mask) in masks.iter().enumerate() {
                    let all = Steps::<MR, NV>::new(a, i, b, v);
                    multiply_all(simd, &mut acc, Masked::new(all, w * MASK, *mask));
                }
            }
        }
    }
    ending.finish(simd, i, v, acc);
}
