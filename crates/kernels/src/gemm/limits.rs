//! Where a product is cut, and what of it is copied, by the sizes of the caches.

use super::lanes::{FEW, MOST};
use crate::isa::{Caches, MatRef};

/// Depth of a block, at most and at least: C passes through memory once for each.
const DEEPEST: usize = 1024;
const LOWEST: usize = 256;
/// Floats of a block of B, at most 896 KiB: that much stays in a cache of 2 MB also where some of its pages share its sets.
const BLOCK: usize = 7 << 15;
/// With so few rows B is read where it lies: a copy would cost more than it saves.
const FEW_ROWS: usize = 48;
/// The same where rows are spread over the sets of a cache.
pub(super) const SOME_ROWS: usize = 128;
/// Floats between rows that are not: those that are whole pages apart share few sets. B of so few floats is in the
/// first-level cache even so.
const PAGE: usize = 1 << 10;
const SMALL: usize = 1 << 15;
/// Lines asked for while a tile is multiplied, at most: the next tile of C, and some of the next rows of A, unless many
/// columns read them where they lie.
const ASKS: usize = 64;
/// Lines of C alone, and with as many of A as two tiles make a strip of.
const ASKS_SLIM: usize = 24;
const ASKS_STRIP: usize = ASKS_SLIM + 112;

/// What follows from the caches of a core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    /// Floats of a block of B: its panels stay in the second-level cache while the strips of A pass.
    pub(super) block: usize,
    /// Depth of a block of a wide B.
    pub(super) depth: usize,
    /// Floats of a B that is read where it lies, if its rows begin with cache lines: half the second-level cache, or for narrow
    /// tiles most of the first.
    pub(super) half: usize,
    /// Floats of most of the first-level cache.
    pub(super) near: usize,
    /// [`Caches::slim`]: loads of A and B count, and what is asked for.
    pub(super) slim: bool,
    /// Floats from which on rows apart by a multiple of them share few sets of a cache.
    page: usize,
    /// Lines asked for while a tile is multiplied.
    pub(super) asks: usize,
    /// The same, if not 0, where a large A is read where it lies, whose next strip is then among them, and B has several blocks,
    /// which then leave room for that.
    pub(super) asks_strip: usize,
    /// Columns beside whole vectors whose rows are put into lanes, at most. AMD's cores have half as many multiply-adds a cycle, to be saved by
    /// shuffles, as Intel's.
    pub(super) lanes: usize,
    /// Whether panels that the first-level cache does not hold are asked for ahead, though they follow each other in memory.
    pub(super) ahead: bool,
}

impl Limits {
    #[inline(always)]
    pub(super) fn of(caches: Caches) -> Limits {
        let Caches { first, second, amd, .. } = caches;
        let (half, slim) = (second / size_of::<f32>() / 2, caches.slim());
        Limits {
            block: half.min(BLOCK),
            // As many columns as rows and half as many again pass A and C through memory least. Zen 5 waits for A less than for C.
            depth: if amd && !slim { DEEPEST } else { (half >> 8).clamp(LOWEST, DEEPEST) },
            half,
            near: first / size_of::<f32>() * 2 / 3,
            slim,
            page: if slim { PAGE / 2 } else { PAGE },
            asks: if slim { ASKS_SLIM } else { ASKS },
            asks_strip: if slim && amd { ASKS_STRIP } else { 0 },
            lanes: if amd { MOST } else { FEW },
            ahead: slim,
        }
    }

    /// The same for tiles of one vector. They multiply half as fast, and what they need may come from further away: they were no
    /// faster for smaller blocks. But a row of such a tile is one line: the rows of a B that stays in place share sets the sooner,
    /// and on a slim core what is done besides multiplying counts double.
    #[inline(always)]
    pub(super) fn narrow(caches: Caches) -> Limits {
        let usual = Limits::of(Caches::USUAL);
        if !caches.slim() {
            return usual;
        }
        let Limits { near, .. } = Limits::of(caches);
        Limits { near, half: near, page: PAGE / 4, asks: 0, ahead: true, ..usual }
    }

    /// Depth of a block of a B with so many columns, at most.
    #[inline(always)]
    pub(super) fn depth(&self, cols: usize) -> usize {
        if cols.saturating_mul(DEEPEST) <= self.block {
            return DEEPEST;
        }
        (self.block / cols).clamp(self.depth, DEEPEST)
    }

    /// Floats of a block of B where it has several.
    #[inline(always)]
    pub(super) fn one_of_several(&self) -> usize {
        if self.asks_strip > 0 { self.block / 4 * 3 } else { self.block }
    }

    /// Whether the rows of B are spread over the sets of a cache.
    #[inline(always)]
    pub(super) fn spread(&self, b: &MatRef<'_>) -> bool {
        floats(b) <= SMALL || !b.strides().0.is_multiple_of(self.page)
    }

    /// Whether each strip of A would fetch B from behind the second-level cache.
    #[inline(always)]
    pub(super) fn far(&self, b: &MatRef<'_>) -> bool {
        self.slim && floats(b) >= 2 * self.half
    }

    /// With so many rows at most, B is read where it lies: a copy would cost more than it saves.
    #[inline(always)]
    pub(super) fn rows_in_place(&self, b: &MatRef<'_>) -> usize {
        match self.spread(b) {
            true if self.far(b) => FEW_ROWS,
            true => SOME_ROWS,
            false if self.slim => FEW_ROWS / 2,
            false => FEW_ROWS,
        }
    }
}

/// Floats of the memory over which a matrix with contiguous rows is spread.
#[inline(always)]
pub(super) fn floats(b: &MatRef<'_>) -> usize {
    b.rows().saturating_mul(b.strides().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_of_2_mb_and_1_mb() {
        let of = |first: usize, second: usize| {
            Limits::of(Caches { first: first << 10, second: second << 10, ..Caches::USUAL })
        };
        let large = of(48, 2048);
        assert_eq!((large.block, large.half, large.near), (7 << 15, 1 << 18, 1 << 13));
        assert_eq!((large.slim, large.ahead, large.asks), (false, false, ASKS));
        assert_eq!((large.depth(1), large.depth(5000), large.lanes), (1024, 1024, FEW));
        let small = of(32, 1024);
        assert_eq!((small.block, small.half, small.near), (1 << 17, 1 << 17, 5461));
        assert_eq!((small.slim, small.ahead, small.asks), (true, true, ASKS_SLIM));
        assert_eq!((small.depth(1), small.depth(200), small.depth(5000)), (1024, 655, 512));
        let narrow = |first: usize| {
            Limits::narrow(Caches { first: first << 10, second: 1 << 20, ..Caches::USUAL })
        };
        assert_eq!(narrow(48), large);
        assert_eq!((narrow(32).block, narrow(32).depth(1), narrow(32).asks), (7 << 15, 1024, 0));
        assert!(narrow(32).ahead && !narrow(32).slim && narrow(32).half == small.near);
        let amd = Caches { amd: true, ..Caches::USUAL };
        assert_eq!((Limits::of(amd).lanes, Limits::narrow(amd).lanes), (MOST, FEW));
        let slim = Limits::of(Caches { first: 32 << 10, second: 1 << 20, ..amd });
        assert_eq!((slim.asks_strip, slim.one_of_several()), (ASKS_STRIP, 3 << 15));
        assert_eq!((small.asks_strip, small.one_of_several()), (0, small.block));
        // Copies of no cache take more than they did.
        for second in [0, 64, 256, 4096, 1 << 20] {
            let limits = of(32, second);
            assert!(limits.block <= BLOCK && (LOWEST..=DEEPEST).contains(&limits.depth));
        }
    }
}
