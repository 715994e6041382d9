//! The loops around the tile.

use super::epilogue::Then;
use super::into_c::IntoC;
use super::limits::{Limits, SOME_ROWS, floats};
use super::pack::{a_lines, groups, pack_a, panels};
use super::swapped;
use crate::isa::{Caches, Kernel, LANES, Line, MatMut, MatRef, PITCH, Panels, Simd};
use crate::tile::{row_vectors, split, strips};
use alloc::vec::Vec;

/// Depth of a block if strips of A are copied row by row, with room for as many floats, at most.
const KC_ROWS: usize = PITCH - LANES;
/// The same if they are copied column by column, each from a page of its own: blocks of B, for each of which that is
/// done, are the wider.
const KC_COLUMNS: usize = 256;
/// Floats of a block of B where one not deeper than `KC_FLAT` is copied for as few rows as `SOME_ROWS`: what is copied is
/// then used from the first-level cache, and A where it lies.
const BLOCK_FLAT: usize = 1 << 13;
const KC_FLAT: usize = 256;
/// With more columns a product is wide.
const FEW_COLS: usize = 256;
/// With so many, and more steps than `FEW_STEPS`, an A whose rows are not contiguous is copied.
const MANY_COLS: usize = 4 * LANES;
/// With so few steps of k tiles are low, for longer runs of C, if they fill it and read whole lines of B.
const FEW_STEPS: usize = 64;
/// With so few steps of k there is no time to ask for the next tile of C. Where they take less than memory does, a tile's
/// own lines are asked for all at once when it begins, unless C lies near or its rows are shorter than this, which the
/// hardware foresees.
const SHORT: usize = 12;
const LONG_ROWS: usize = 4 * LANES;
const FAR: usize = 1 << 15;
/// Columns of a strip to which an epilogue comes, at most.
const STRIPS_COLS: usize = 1 << 9;
/// Operands of so few floats lie in the second-level cache: nothing is asked for.
const NEAR: usize = 1 << 17;
/// Rows and columns of C, and steps of k, of a product that is not cut: its operands lie in that cache.
const SMALL: usize = 128;
const SMALL_DEPTH: usize = 256;

/// Memory for copies of blocks: grows to what the largest product needs, at most 1 MiB, and is then used again. One exception has
/// no limit: with an α other than 1, up to thirteen columns of B beside whole vectors are copied whole, 4 bytes of each for each of k rows.
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
    /// How products are cut, once that is known: those with tiles of several vectors, and those of one.
    limits: Option<[Limits; 2]>,
}

impl Scratch {
    /// Nothing yet.
    pub const fn new() -> Scratch {
        Scratch { lines: Vec::new(), limits: None }
    }

    /// Nothing yet, for products that are cut as if caches had so many bytes, and the core were AMD's or not.
    #[doc(hidden)]
    pub fn with_caches(first: usize, second: usize, amd: bool) -> Scratch {
        let caches = Caches { first, second, amd, ..Caches::USUAL };
        Scratch { lines: Vec::new(), limits: Some([Limits::of(caches), Limits::narrow(caches)]) }
    }

    /// How products are cut.
    #[inline(always)]
    pub(super) fn limits<S: Simd>(&mut self) -> Limits {
        let [wide, narrow] = self.limits.get_or_insert_with(|| {
            let caches = Caches::here();
            [Limits::of(caches), Limits::narrow(caches)]
        });
        if const { S::WIDE.1 == 1 } { *narrow } else { *wide }
    }

    /// Rooms of at least so many lines.
    #[inline(always)]
    pub(super) fn rooms(&mut self, [first, second, third]: [usize; 3]) -> [&mut [Line]; 3] {
        let all = first + second + third;
        if self.lines.len() < all {
            self.lines.resize(all, Line::ZERO);
        }
        let (first, rest) = self.lines.split_at_mut(first);
        let (second, rest) = rest.split_at_mut(second);
        [first, second, rest]
    }
}

/// `C = then(A B + β C)` for C with contiguous rows; A and B come each with a factor.
pub(super) struct Product<'a, 't> {
    pub(super) scratch: &'t mut Scratch,
    pub(super) a: (MatRef<'a>, f32),
    pub(super) b: (MatRef<'a>, f32),
    pub(super) beta: f32,
    pub(super) c: MatMut<'a>,
    pub(super) then: Option<Then<'t>>,
}

/// Length of the parts of `0..len`, of which the last may be shorter: at most `most`, a multiple of `unit` if there are
/// several, and as equal as that allows.
#[inline(always)]
fn part(len: usize, most: usize, unit: usize) -> usize {
    // A division takes 26 cycles on many cores, and the next one waits for it: small products do without.
    if len <= most {
        return len;
    }
    let units = len.div_ceil(unit);
    units.div_ceil(units.div_ceil(most / unit)) * unit
}

impl Product<'_, '_> {
    /// Whether a copy of B would cost more than it saves.
    #[inline(always)]
    fn b_lies_well<S: Simd>(&self, limits: &Limits) -> bool {
        let (m, (b, scale)) = (self.a.0.rows(), self.b);
        let floats = floats(&b);
        let few = m <= limits.rows_in_place(&b) || (b.rows_are_aligned() && floats <= limits.half);
        // A factor is multiplied with in every tile, and so once for each strip.
        let strips = match floats {
            ..=BLOCK_FLAT => 1,
            _ if limits.spread(&b) => 4,
            _ => 2,
        };
        few && (scale == 1.0 || m.div_ceil(S::TALL.0) <= strips) && b.strides().1 == 1
    }

    /// Cᵀ = Bᵀ Aᵀ with C as it is, if that takes fewer steps: few columns, which fill a vector partly, become few rows.
    #[inline(always)]
    fn swaps<S: Simd>(&mut self) -> bool {
        let (m, n, k) = (self.c.rows(), self.c.cols(), self.b.0.rows());
        let fits = n <= S::TALL.0 && self.c.strides().1 == 1 && self.a.0.strides().0 == 1;
        if !fits || m.div_ceil(LANES) * n >= m || k < LANES {
            return false;
        }
        let ((a, a_scale), (b, b_scale)) = (self.a, self.b);
        (self.a, self.b) = ((b.t(), b_scale), (a.t(), a_scale));
        true
    }

    /// Rows and vectors of most tiles.
    #[inline(always)]
    fn tile<S: Simd>(&self, limits: &Limits, swaps: bool, in_place: bool) -> (usize, usize) {
        const {
            let [tall, wide, low, flat] = [S::TALL.1, S::WIDE.1, S::LOW.1, S::FLAT.1];
            assert!(tall.is_power_of_two() && wide.is_power_of_two());
            assert!(low.is_power_of_two() && flat.is_power_of_two());
        }
        let ((a, _), (b, scale)) = (self.a, self.b);
        let (m, n) = (a.rows(), b.cols());
        let whole = n < FEW_COLS && n.is_multiple_of(S::LOW.1 * LANES);
        // The fewest loads for as many multiply-adds, where vectors of two lines count as one. Low tiles of fewer vectors have
        // too few chains, and what each strip fetches for itself counts more.
        let narrow = n % (S::WIDE.1 * LANES) > n / 4;
        let strips_cost = in_place && (scale != 1.0 || limits.far(&b));
        let by_rows = a.strides().1 == 1;
        // A tile of more vectors is for vectors that take no more than a load: not two lines, nor a multiplication.
        let light = !in_place || (b.rows_are_aligned() && scale == 1.0);
        match n {
            _ if m == 1 && in_place => (1, row_vectors::<S>()),
            _ if m <= S::FLAT.0 => S::FLAT,
            // All columns of C are one strip.
            _ if swaps => S::TALL,
            // Columns of A are copied the slower the lower strips are.
            _ if limits.slim && by_rows && !narrow && !strips_cost => S::WIDE,
            FEW_COLS.. if by_rows && light => S::WIDE,
            _ if b.rows() <= FEW_STEPS && whole && light => S::LOW,
            _ => S::TALL,
        }
    }

    /// Whether a tile of C is asked for when it begins.
    #[inline(always)]
    fn asks_at_once<S: Simd>(&self) -> bool {
        let (m, n, k) = (self.c.rows(), self.c.cols(), self.b.0.rows());
        // Tiles of one vector take longer than their lines.
        S::TALL.1 > 1 && k <= SHORT && n >= LONG_ROWS && m.saturating_mul(n) > FAR
    }

    /// How it is cut into blocks, given whether B stays in place and the columns of the widest tile.
    #[inline(always)]
    fn cut(&self, limits: &Limits, in_place: bool, unit: usize) -> Cut {
        let ((a, scale), n) = (self.a, self.b.0.cols());
        let (m, k, by_rows) = (a.rows(), a.cols(), a.strides().1 == 1);
        let flat = m <= SOME_ROWS && k <= KC_FLAT && !in_place && scale == 1.0;
        let low = flat || (in_place && m <= SOME_ROWS);
        let deep = k > FEW_STEPS;
        let copy_a = scale != 1.0 || (!by_rows && n >= MANY_COLS && deep && !low);
        let depth = match by_rows {
            _ if !copy_a => limits.depth(n),
            true => KC_ROWS.min(limits.depth),
            false => KC_COLUMNS,
        };
        let (most, one_of_several) =
            if flat { (BLOCK_FLAT, BLOCK_FLAT) } else { (limits.block, limits.one_of_several()) };
        let deepest = depth.min(k).max(1);
        let cols = if n.saturating_mul(deepest) <= most { n } else { one_of_several / deepest };
        let cols = if self.then.is_some() { cols.min(STRIPS_COLS) } else { cols }.max(unit);
        let strip = limits.asks_strip > 0 && by_rows && !copy_a && cols < n;
        let asks_a = strip || (by_rows && (copy_a || n <= FEW_COLS));
        let asks = if strip { limits.asks_strip } else { limits.asks };
        Cut { copy_a, asks_a, asks, alone: copy_a || (n > FEW_COLS && deep), depth, cols }
    }

    /// Rows of the highest strips, vectors of a panel and number of panels, if B, which is read where it lies, is panels of one width
    /// and nothing is to be cut, copied or asked for: such a product takes about as long as finding that out otherwise would.
    #[inline(always)]
    fn tiles_if_small<S: Simd>(&self, limits: &Limits) -> Option<(usize, usize, usize)> {
        const { assert!(SMALL * (SMALL + 2 * SMALL_DEPTH) <= NEAR && SMALL * SMALL <= FAR) };
        let ((a, a_scale), (b, b_scale)) = (self.a, self.b);
        let plain = a_scale == 1.0 && b_scale == 1.0 && a.strides().1 == 1;
        let small = a.rows() <= SMALL && b.cols() <= SMALL && a.cols() <= SMALL_DEPTH;
        if !plain || !small || !b.cols().is_multiple_of(LANES) {
            return None;
        }
        let (highest, widest) = self.tile::<S>(limits, false, true);
        let vectors = b.cols() / LANES;
        let wide = widest.min(vectors);
        // No division, as in `part`.
        let whole = wide.is_power_of_two() && vectors & (wide - 1) == 0;
        whole.then(|| (highest, wide, vectors >> wide.trailing_zeros()))
    }

    /// Multiplies such a one.
    #[inline(always)]
    fn small<S: Simd>(self, s: S, tiles: (usize, usize, usize), near: usize) {
        let (highest, wide, count) = tiles;
        let Product { a: (a, _), b: (b, _), beta, mut c, then, .. } = self;
        let panels = [(0, b.panels(wide, count).asked_beyond(near))];
        let mut ending = IntoC { then, ..IntoC::new(&mut c, b.cols(), beta) };
        let together = ending.together(highest);
        all_strips(s, (highest, together), a, None, &panels, &mut ending);
    }

    /// Floats of all operands together.
    fn floats(&self) -> usize {
        let (m, n, k) = (self.a.0.rows(), self.b.0.cols(), self.b.0.rows());
        let all = m.saturating_mul(n).saturating_add(m.saturating_mul(k));
        all.saturating_add(k.saturating_mul(n))
    }
}

/// How a product is cut into blocks.
struct Cut {
    copy_a: bool,
    /// Whether the next rows of A are asked for.
    asks_a: bool,
    /// Lines asked for while a tile is multiplied, if any are.
    asks: usize,
    /// Whether strips of A take all panels one by one: a copy holds one, and so does the first-level cache while many
    /// panels take it.
    alone: bool,
    /// Steps of k of a block, at most.
    depth: usize,
    /// Columns of a block of B, at most.
    cols: usize,
}

impl Kernel for Product<'_, '_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        self.without_few(s);
        if self.c.cols() == 0 {
            return;
        }
        let limits = &self.scratch.limits::<S>();
        let in_place = self.b_lies_well::<S>(limits);
        if in_place && let Some(tiles) = self.tiles_if_small::<S>(limits) {
            return self.small(s, tiles, limits.near);
        }
        let swaps = self.swaps::<S>();
        let (highest, widest) = self.tile::<S>(limits, swaps, in_place);
        let at_once = self.asks_at_once::<S>() && !swaps;
        let unit = widest * LANES;
        let Cut { copy_a, asks_a, asks, alone, depth, cols } = self.cut(limits, in_place, unit);
        let asks = if at_once || self.floats() <= NEAR { 0 } else { asks };
        let Product { scratch, a: (a, a_scale), b: (b, b_scale), beta, mut c, then } = self;
        let (m, n, k) = (a.rows(), b.cols(), a.cols());
        let usual = if widest > S::FLAT.1 { S::FLAT.1 } else { S::TALL.1 };
        let a_room = if copy_a { a_lines(highest.min(m)) } else { 0 };
        let copy_b = !in_place || !n.is_multiple_of(LANES);
        let b_room = if copy_b { depth.min(k) * cols.min(n).div_ceil(LANES) } else { 0 };
        let squares = if swaps { swapped::lines(widest) } else { 0 };
        let [a_room, b_room, squares] = scratch.rooms([a_room, b_room, squares]);
        // What is asked for ahead takes a tile's one pointer to a copy of A, which only slim cores make up for.
        let asked = |ahead: bool| if ahead { limits.near } else { usize::MAX };
        let asked = [asked(limits.ahead || !copy_a), asked(limits.ahead)];
        let (cols, depth) = (part(n, cols, unit), part(k, depth, 1));
        let (mut jc, mut pc) = (0, 0);
        while jc < n {
            let (nc, kc) = (cols.min(n - jc), depth.min(k - pc));
            let b = (b.block((pc, kc), (jc, nc)), b_scale);
            let mut all = [(0, Panels::NONE); 3];
            let groups = groups(nc, widest, usual);
            let used = panels(s, b, (in_place, asked), groups, b_room, &mut all);
            let a = a.block((0, m), (pc, kc));
            let mut ending = IntoC {
                squares: swaps.then_some(&mut *squares),
                cols: (jc, jc + nc),
                then: if pc + kc == k { then } else { None },
                asks,
                at_once,
                a: asks_a.then_some(a),
                ..IntoC::new(&mut c, n, if pc == 0 { beta } else { 1.0 })
            };
            let together = if alone { 1 } else { ending.together(highest) };
            let copies = copy_a.then_some((a_scale, &mut *a_room));
            all_strips(s, (highest, together), a, copies, &all[..used], &mut ending);
            // Without any step of k there is one block, whose tiles hold β C.
            pc += kc;
            if pc == k {
                (jc, pc) = (jc + nc, 0);
            }
        }
    }
}

/// All rows of a block of A times all panels of one of B: in strips of up to `highest` rows, `most` of them at a time. `copies`
/// has the factor and the room where strips are copied.
#[inline(always)]
fn all_strips<'b, S: Simd>(
    s: S,
    (highest, most): (usize, usize),
    a: MatRef<'b>,
    mut copies: Option<(f32, &'b mut [Line])>,
    panels: &[(usize, Panels<'_>)],
    ending: &mut IntoC<'_, '_>,
) {
    let mut i = 0;
    for &(height, count) in &split(a.rows(), highest) {
        let mut left = count;
        while left > 0 {
            let together = most.min(left);
            let rows = a.block((i, together * height), (0, a.cols()));
            let of_a = match &mut copies {
                Some((scale, room)) => pack_a(s, &rows, *scale, room),
                None => rows.a(),
            };
            for (v, panels) in panels {
                strips(s, (height, together), (i, *v), of_a, *panels, ending);
            }
            ending.strips_done((i, together * height));
            i += together * height;
            left -= together;
        }
    }
}
