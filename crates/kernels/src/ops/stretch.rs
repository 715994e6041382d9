//! Sums of products that several calls add up, and what memory is asked for meanwhile.

use super::ahead::{Ahead, Asks};
use super::dense::Then;
use super::relu::relu;
use crate::isa::{Line, Rows, Simd, Strided};
use crate::panel::{Blocks, Panel};
use crate::tile::{Acc, Ending, MOST_ROWS, Pair, product, unroll};
use core::ops::Range;

/// Most blocks that the rows of a batch may come in.
///
/// ```
/// // Batches that a layer is trained on in panels of 32 rows.
/// assert!(512 / 32 <= kernels::MOST_BLOCKS);
/// ```
pub const MOST_BLOCKS: usize = 16;

/// Up to sixteen pairs of operands.
pub(super) struct Pairs<'a> {
    list: [Pair<'a>; MOST_BLOCKS],
    count: usize,
}

impl<'a> Pairs<'a> {
    #[inline(always)]
    pub(super) fn new(count: usize, mut make: impl FnMut(usize) -> Pair<'a>) -> Self {
        assert!(count <= MOST_BLOCKS, "{count} blocks; {MOST_BLOCKS} are possible");
        let mut list = [(Strided::NONE, Rows::NONE); MOST_BLOCKS];
        for (p, pair) in list.iter_mut().enumerate().take(count) {
            *pair = make(p);
        }
        Pairs { list, count }
    }

    #[inline(always)]
    pub(super) fn list(&self) -> &[Pair<'a>] {
        &self.list[..self.count]
    }
}

/// The terms of its sums that one call adds: all of them, or those of some blocks, and later calls go on with what
/// it left. So a large layer's blocks can be used for several panels while they are near. `E` is what comes after the last.
///
/// ```
/// use kernels::{Blocks, Isa, Panel, Stretch, Then, dense_forward_stretch};
/// let [mut x, mut w, mut bias, mut out] = [(); 4].map(|_| Panel::zeros(1, 1));
/// x.set(0, 0, 2.0);
/// w.set(0, 0, 3.0);
/// bias.set(0, 0, 0.5);
/// let (of_x, of_w) = (|_: usize| x.view(), |_: usize| w.view());
/// let (x, w) = (Blocks::new(1, &of_x), Blocks::new(1, &of_w));
/// let end = (bias.lines(), Then::Linear);
/// let [first, last] = [
///     Stretch { first: true, last: None, ahead: Blocks::none() },
///     Stretch { first: false, last: Some(end), ahead: Blocks::none() },
/// ];
/// for stretch in [first, last] {
///     dense_forward_stretch(Isa::best(), x, w, stretch, &mut out, 0);
/// }
/// assert_eq!(out.get(0, 0), 2.0 * 3.0 + 2.0 * 3.0 + 0.5);
/// ```
#[derive(Clone, Copy)]
pub struct Stretch<'f, 'h, E> {
    /// Whether sums begin here, at zero; if not, they go on.
    pub first: bool,
    /// What comes after the last term, if it is here.
    pub last: Option<E>,
    /// What will be read soon: memory is asked for it meanwhile. Sixteen views at most.
    pub ahead: Blocks<'f, 'h>,
}

impl<E> Stretch<'_, '_, E> {
    /// All terms.
    pub fn whole(last: E) -> Self {
        Stretch { first: true, last: Some(last), ahead: Blocks::none() }
    }
}

/// Accumulators wait in the panel between blocks of k; after the last may come bias and activation. `A` is what to ask for.
pub(super) struct IntoPanel<'o, A> {
    pub(super) out: &'o mut Panel,
    pub(super) at: usize,
    pub(super) first: bool,
    pub(super) last: Option<(&'o [Line], Then)>,
    pub(super) ahead: A,
}

impl<S: Simd, A: Asks> Ending<S> for IntoPanel<'_, A> {
    const ASKS: bool = A::ANY;
    #[inline(always)]
    fn between(&self, steps: usize) -> usize {
        self.ahead.between(steps)
    }
    #[inline(always)]
    fn ask(&mut self, s: S) {
        self.ahead.ask(s);
    }
    #[inline(always)]
    fn start<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
    ) -> Acc<S::V, MR, NV> {
        let mut acc = [[s.splat(0.0); NV]; MR];
        if !self.first {
            let vectors = self.out.vectors();
            let rows = &self.out.lines()[i * vectors + self.at + v..];
            unroll!(R in 0..MR => {
                let row = &rows[R * vectors..][..NV];
                unroll!(J in 0..NV => acc[R][J] = s.load(&row[J].0));
            });
        }
        acc
    }
    #[inline(always)]
    fn finish<const MR: usize, const NV: usize>(
        &mut self,
        s: S,
        i: usize,
        v: usize,
        mut acc: Acc<S::V, MR, NV>,
    ) {
        if let Some((bias, then)) = self.last {
            let bias = &bias[v..][..NV];
            unroll!(J in 0..NV => {
                let b = s.load(&bias[J].0);
                // Adding zero makes a negative zero positive, which keeps "skipped" and "added a
                // zero" the same.
                unroll!(R in 0..MR => acc[R][J] = s.add(s.add(acc[R][J], b), s.splat(0.0)));
                if then == Then::Relu {
                    unroll!(R in 0..MR => acc[R][J] = relu(s, acc[R][J]));
                }
            });
        }
        // Without a division for each tile, as `chunks_exact` has one.
        let vectors = self.out.vectors();
        let rows = &mut self.out.lines_mut()[i * vectors + self.at + v..];
        unroll!(R in 0..MR => {
            let row = &mut rows[R * vectors..][..NV];
            unroll!(J in 0..NV => s.store(acc[R][J], &mut row[J].0));
        });
    }
}

impl<'o> IntoPanel<'o, ()> {
    /// The same, with something to ask for.
    #[inline(always)]
    pub(super) fn asking<A: Asks>(self, ahead: A) -> IntoPanel<'o, A> {
        let IntoPanel { out, at, first, last, ahead: () } = self;
        IntoPanel { out, at, first, last, ahead }
    }
}

/// A product of `rows × vectors` into a panel, while memory is asked for a share of some views.
#[inline(always)]
pub(super) fn sums<S: Simd>(
    s: S,
    (rows, vectors): (usize, usize),
    pairs: &[Pair<'_>],
    into: IntoPanel<'_, ()>,
    (views, share): (Blocks<'_, '_>, Range<usize>),
) {
    if share.is_empty() {
        product(s, rows, vectors, pairs, into);
        return;
    }
    let ahead = Ahead::new(views, share, pairs.len() * rows.div_ceil(MOST_ROWS));
    product(s, rows, vectors, pairs, into.asking(ahead));
}
