//! Matrices on their way into tiles of bf16: rounded, transposed, paired.

use super::loading::Loading;
use crate::bf16::{Left16, Right16};
use crate::isa::{LANES, Line16, Simd, Tile, Unit16, WORDS, kernel16, prefetch};
use crate::panel::View;

kernel16! {
    /// `to[i, k] = from(i)[k]`, exactly.
    ///
    /// ```
    /// use kernels::{Bf16, Left16, pixels16};
    /// let (images, mut x) = ([[0, 128, 255]; 2], Left16::zeros(2, 3));
    /// if let Some(token) = Bf16::new() {
    ///     pixels16(token, &|i| &images[i], &mut x);
    ///     assert_eq!((x.get(1, 1), x.get(1, 2)), (128.0, 255.0));
    /// }
    /// ```
    ///
    /// # Panics
    /// If a row has not as many bytes as `to` is deep, or `to` is a transpose.
    pub fn pixels16<'f, 'x>(token, from: &'f (dyn Fn(usize) -> &'x [u8] + Sync), to: &'f mut Left16) {
        assert!(!to.is_by_pairs(), "a transpose");
        for i in 0..to.rows() {
            let row = from(i);
            if i + Loading::AHEAD < to.rows() {
                prefetch(from(i + Loading::AHEAD));
            }
            assert_eq!(row.len(), to.depth(), "bytes of row {i}");
            let (whole, rest) = row.as_chunks::<WORDS>();
            let tiles = to.row_tiles_mut(i / LANES);
            for (bytes, tile) in whole.iter().zip(&mut *tiles) {
                token.bytes(bytes, &mut tile[i % LANES]);
            }
            if let Some(tile) = tiles.get_mut(whole.len()) {
                let mut bytes = [0; WORDS];
                bytes[..rest.len()].copy_from_slice(rest);
                token.bytes(&bytes, &mut tile[i % LANES]);
            }
        }
    }
}

kernel16! {
    /// `to[i, at + k] = from[i, k]`, rounded. What is left of the line after the last column becomes zero.
    ///
    /// ```
    /// use kernels::{Bf16, Left16, Panel, round16};
    /// let (mut from, mut to) = (Panel::zeros(2, 3), Left16::zeros(2, 3));
    /// from.set(1, 2, 1.001);
    /// if let Some(token) = Bf16::new() {
    ///     round16(token, from.view(), &mut to, 0);
    ///     assert_eq!(to.get(1, 2), 1.0);
    /// }
    /// ```
    ///
    /// # Panics
    /// If the rows differ, `at` is no multiple of 32, the columns do not fit, or `to` is a transpose.
    pub fn round16<'f, 'x>(token, from: View<'x>, to: &'f mut Left16, at: usize) {
        assert_eq!(from.rows(), to.rows(), "rows");
        assert!(!to.is_by_pairs(), "a transpose");
        let columns = at.is_multiple_of(WORDS) && at + from.cols() <= to.depth();
        assert!(columns, "columns {at}+{} of {}", from.cols(), to.depth());
        let s = token.simd();
        for i in 0..from.rows() {
            let tiles = &mut to.row_tiles_mut(i / LANES)[at / WORDS..];
            for (k, tile) in (0..from.cols()).step_by(WORDS).zip(tiles) {
                let low = s.load(from.vector(i, k / LANES));
                let more = k + LANES < from.cols();
                let high = if more { s.load(from.vector(i, k / LANES + 1)) } else { s.splat(0.0) };
                token.round([low, high], &mut tile[i % LANES]);
            }
        }
    }
}

kernel16! {
    /// `to = fromᵀ`, in tiles as [`update16`](crate::update16) takes them: where AVX-512 adds up products, pairs of examples only have to
    /// come beside each other.
    ///
    /// ```
    /// use kernels::{Bf16, Left16, pixels16, transpose16};
    /// let (mut x, mut xt) = (Left16::zeros(1, 3), Left16::zeros(3, 1));
    /// if let Some(token) = Bf16::new() {
    ///     pixels16(token, &|_| &[7, 8, 9], &mut x);
    ///     transpose16(token, &x, &mut xt);
    ///     assert_eq!(xt.get(2, 0), 9.0);
    /// }
    /// ```
    ///
    /// # Panics
    /// If `to` does not have `from`'s shape transposed.
    pub fn transpose16<'a>(token, from: &'a Left16, to: &'a mut Left16) {
        assert_eq!((from.rows(), from.depth()), (to.depth(), to.rows()), "shape of a transpose");
        assert!(!from.is_by_pairs(), "the transpose of a transpose");
        let by_pairs = token.unit() == Unit16::Pairs;
        to.set_by_pairs(by_pairs);
        const ZEROS: Tile = [Line16::ZERO; LANES];
        let mut past_the_end = ZEROS;
        // 32 rows by 32: two tiles above each other become two above each other.
        for i in 0..from.rows().div_ceil(WORDS) {
            let upper = from.row_tiles(2 * i);
            let lower = if (2 * i + 1) * LANES < from.rows() { from.row_tiles(2 * i + 1) } else { &[] };
            for (k, tile) in upper.iter().enumerate() {
                let rows = [tile, lower.get(k).unwrap_or(&ZEROS)];
                let (first, second) = to.tiles_below_mut(2 * k, i);
                let to = [first, second.unwrap_or(&mut past_the_end)];
                if by_pairs { token.pair_rows(rows, to) } else { token.transpose(rows, to) }
            }
        }
    }
}

kernel16! {
    /// `to[at + k, j] = from[k, j]`, rounded. Of an odd number of rows the last is paired with zeros.
    ///
    /// ```
    /// use kernels::{Bf16, Panel, Right16, pairs16};
    /// let (mut from, mut to) = (Panel::zeros(3, 2), Right16::zeros(3, 2));
    /// from.set(2, 1, 5.0);
    /// if let Some(token) = Bf16::new() {
    ///     pairs16(token, from.view(), &mut to, 0);
    ///     assert_eq!(to.get(2, 1), 5.0);
    /// }
    /// ```
    ///
    /// # Panics
    /// If the columns differ, `at` is odd, or the rows do not fit.
    pub fn pairs16<'f, 'x>(token, from: View<'x>, to: &'f mut Right16, at: usize) {
        assert_eq!(from.cols(), to.cols(), "columns");
        let rows = at.is_multiple_of(2) && at + from.rows() <= to.depth();
        assert!(rows, "rows {at}+{} of {}", from.rows(), to.depth());
        let s = token.simd();
        for k in (0..from.rows()).step_by(2) {
            let (line, more) = ((at + k) % WORDS / 2, k + 1 < from.rows());
            for (v, tile) in to.depth_tiles_mut((at + k) / WORDS).iter_mut().enumerate() {
                let odd = if more { s.load(from.vector(k + 1, v)) } else { s.splat(0.0) };
                token.pairs([s.load(from.vector(k, v)), odd], &mut tile[line]);
            }
        }
    }
}
