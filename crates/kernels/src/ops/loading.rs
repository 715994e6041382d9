//! Bytes that become floats while something else is multiplied: where multiply-adds are what is waited for, it costs next to nothing.

use super::ahead::Asks;
use super::pixels::scaled;
use crate::isa::{Isa, LANES, Line, Simd, kernel, prefetch};
use crate::panel::Panel;
use core::slice::IterMut;

/// Rows of bytes on their way into the first rows of a panel, where they are what [`pixels`](crate::pixels) makes of them.
/// [`dense_forward_loading`](crate::dense_forward_loading) does as much of it as goes beside a product, [`load_rest`] the rest.
#[derive(Debug)]
pub struct Loading<'a> {
    /// Rows, how many there are, and which comes next.
    rows: [&'a [u8]; Loading::MOST_ROWS],
    count: usize,
    next: usize,
    /// What is left of the one before that, and the lines that were not written.
    from: &'a [u8],
    to: IterMut<'a, Line>,
    scale: f32,
    /// Steps of a product from one line to the next.
    between: usize,
}

impl<'a> Loading<'a> {
    /// Most rows.
    pub const MOST_ROWS: usize = 64;
    /// Rows that are asked for ahead of the one that is read, since they may come from anywhere.
    pub const AHEAD: usize = 8;

    /// `to[i, k] = rows[i][k] · scale`
    ///
    /// # Panics
    /// If a row is not as long as those of `to`, or there are more than [`MOST_ROWS`](Loading::MOST_ROWS) or than `to` has.
    pub fn new(rows: impl IntoIterator<Item = &'a [u8]>, scale: f32, to: &'a mut Panel) -> Self {
        let (mut list, mut count) = ([&[][..]; Loading::MOST_ROWS], 0);
        for row in rows {
            assert!(count < to.rows().min(list.len()), "no room for more than {count} rows");
            assert_eq!(row.len(), to.cols(), "one float for each byte");
            list[count] = row;
            count += 1;
        }
        list[..Loading::AHEAD].iter().for_each(|row| prefetch(row));
        let lines = count * to.vectors();
        let to = to.lines_mut()[..lines].iter_mut();
        Loading { rows: list, count, next: 0, from: &[], to, scale, between: usize::MAX }
    }

    /// Whether [`dense_forward_loading`](crate::dense_forward_loading) converts bytes with these instructions; if not,
    /// [`load_rest`] converts them all.
    ///
    /// ```
    /// use kernels::{Isa, Loading};
    /// assert!(Isa::named("portable").is_ok_and(|isa| !Loading::goes_beside(isa)));
    /// ```
    pub fn goes_beside(isa: Isa) -> bool {
        goes_beside(isa)
    }

    /// Spreads what there is to do over so many steps.
    #[inline(always)]
    pub(super) fn spread(&mut self, steps: usize) -> &mut Self {
        self.between = (steps / self.to.len().max(1)).max(1);
        self
    }

    /// Writes the next line, if there is one.
    #[inline(always)]
    fn line<S: Simd>(&mut self, s: S) {
        if self.from.is_empty() && self.next < self.count {
            self.from = self.rows[self.next];
            self.next += 1;
            self.rows.get(self.next + Loading::AHEAD - 1).copied().map(prefetch);
        }
        let Some(Line(to)) = self.to.next() else { return };
        let x = if let Some((bytes, rest)) = self.from.split_first_chunk() {
            self.from = rest;
            s.widen(bytes)
        } else {
            let mut bytes = [0; LANES];
            bytes[..self.from.len()].copy_from_slice(self.from);
            self.from = &[];
            s.widen(&bytes)
        };
        s.store(s.mul(x, s.splat(self.scale)), to);
    }
}

impl Asks for &mut Loading<'_> {
    const ANY: bool = true;
    #[inline(always)]
    fn between(&self, _: usize) -> usize {
        self.between
    }
    #[inline(always)]
    fn ask<S: Simd>(&mut self, s: S) {
        self.line(s);
    }
}

kernel! {
    fn goes_beside(_s,) -> bool {
        S::WIDENS
    }
}

kernel! {
    /// Converts what no product has.
    ///
    /// ```
    /// use kernels::{Isa, Loading, Panel, load_rest};
    /// let (rows, mut floats) = ([[0, 51, 255], [1, 2, 4]], Panel::zeros(2, 3));
    /// load_rest(Isa::best(), Loading::new(rows.iter().map(|row| &row[..]), 0.5, &mut floats));
    /// assert_eq!((floats.get(0, 2), floats.get(1, 0)), (127.5, 0.5));
    /// ```
    pub fn load_rest<'a>(s, loading: Loading<'a>) {
        let mut loading = loading;
        while !loading.from.is_empty() {
            loading.line(s);
        }
        let Loading { rows, count, next, mut to, scale, .. } = loading;
        for row in &rows[next..count] {
            let (now, later) = to.into_slice().split_at_mut(row.len().div_ceil(LANES));
            scaled(row, scale, Line::flat_mut(now));
            to = later.iter_mut();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Blocks, Then, dense_forward_loading};

    #[test]
    fn a_product_as_large_as_it_leaves_nothing_to_load_where_there_are_registers() {
        for isa in Isa::available() {
            let [x, mut next] = [(); 2].map(|_| Panel::zeros(32, 784));
            let (w, bias, mut out) =
                (Panel::zeros(784, 64), Panel::zeros(1, 64), Panel::zeros(32, 64));
            let mut loading = Loading::new([&[7; 784][..]; 32], 1.0, &mut next);
            let (x, w) = (|_: usize| x.view(), |_: usize| w.view());
            let (x, w) = (Blocks::new(1, &x), Blocks::new(1, &w));
            let end = (bias.lines(), Then::Linear);
            dense_forward_loading(isa, x, w, end, (&mut out, 0), &mut loading);
            let left = if Loading::goes_beside(isa) { 0 } else { 32 * 784 / LANES };
            assert_eq!(loading.to.len(), left, "lines left on {isa}");
        }
    }
}
