//! What is needed next, asked of memory line by line while a product runs.

use crate::isa::{LANES, Simd, prefetch_line};
use crate::panel::Blocks;
use crate::tile::between_asks;
use core::ops::Range;

/// Most views that one product asks for.
const MOST_VIEWS: usize = 16;

/// What a product asks for, or does, beside its multiply-adds: nothing, `()`, what is [`Ahead`], or [`Loading`](super::loading::Loading).
pub(super) trait Asks {
    /// Whether there can be anything.
    const ANY: bool;
    /// Steps from one time to the next while a tile takes so many through one of its pairs of operands.
    fn between(&self, steps: usize) -> usize;
    /// Asks for the next line, if there is one.
    fn ask<S: Simd>(&mut self, s: S);
}

impl Asks for () {
    const ANY: bool = false;
    #[inline(always)]
    fn between(&self, steps: usize) -> usize {
        steps
    }
    #[inline(always)]
    fn ask<S: Simd>(&mut self, _: S) {}
}

/// Lines that will be read soon, to be brought into the second-level cache.
pub(super) struct Ahead<'a> {
    views: [&'a [f32]; MOST_VIEWS],
    /// Views that were not begun.
    left: Range<usize>,
    /// Of the one that was, the next line, and how many are left.
    at: *const f32,
    lines: usize,
    asks: usize,
}

impl<'a> Ahead<'a> {
    /// This share of `views`, spread over a product whose tiles go through so many `pairs` of operands in all.
    ///
    /// # Panics
    /// If there are too many.
    #[inline(always)]
    pub(super) fn new(views: Blocks<'_, 'a>, share: Range<usize>, pairs: usize) -> Self {
        let (mut list, mut lines) = ([&[][..]; MOST_VIEWS], 0);
        assert!(share.len() <= MOST_VIEWS, "{} views; {MOST_VIEWS} are possible", share.len());
        let left = 0..share.len();
        for (view, i) in list.iter_mut().zip(share) {
            *view = views.get(i).floats();
            lines += view.len().div_ceil(LANES);
        }
        let asks = lines.div_ceil(pairs.max(1));
        Ahead { views: list, left, at: core::ptr::null(), lines: 0, asks }
    }
}

impl Asks for Ahead<'_> {
    const ANY: bool = true;
    #[inline(always)]
    fn between(&self, steps: usize) -> usize {
        between_asks(steps, self.asks)
    }
    #[inline(always)]
    fn ask<S: Simd>(&mut self, _: S) {
        if self.lines == 0 {
            let Some(next) = self.left.next() else { return };
            let view = self.views[next];
            (self.at, self.lines) = (view.as_ptr(), view.len().div_ceil(LANES));
        }
        prefetch_line::<true>(self.at.cast());
        self.at = self.at.wrapping_add(LANES);
        self.lines = self.lines.saturating_sub(1);
    }
}
