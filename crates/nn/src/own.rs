//! What each thread makes for itself, because that is faster than to fetch it from another core, where it was just
//! written: the inputs of the batch as floats, and (`top.rs`) softmax and loss.

use crate::augment::Augmenter;
use crate::data::Row;
use crate::layer::block_width;
use crate::top::Head;
use crate::workspace::{Batch, Gradient};
use kernels::{Isa, Line, Loading, Panel, View, Zeros, list_zeros, mark_zeros, pixels};

/// What a thread has for itself, on cache lines of its own.
#[derive(Clone, Debug)]
#[repr(align(128))]
pub(crate) struct Own {
    pub(crate) fetched: Fetched,
    pub(crate) head: Head,
    /// The gradient of a column of the layer below the output layer: of a full column, and of the last.
    pub(crate) gradients: [Vec<Gradient>; 2],
}

impl Own {
    /// Takes nothing that was made for anything again.
    pub(crate) fn forget(&mut self) {
        self.fetched.asked = 0;
        self.fetched.examples.iter_mut().flatten().for_each(|examples| examples.step = 0);
        self.head.step = 0;
    }
}

/// Bytes of a batch that are asked for all at once: of more, the first have left the caches again before they are read.
const AT_ONCE: usize = 1 << 17;
/// Examples that are asked for ahead of the one that is read, once more where they had been: on one thread, or where others use
/// the same caches, they may be gone.
const AHEAD: usize = Loading::AHEAD;

/// The inputs of this step and the next.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    /// Block by block of either batch.
    examples: [Vec<Examples>; 2],
    /// An image that was varied.
    image: Vec<u8>,
    /// How many examples of a batch are asked for long before.
    early: usize,
    /// The step whose examples were asked for.
    asked: u64,
}

impl Fetched {
    /// For so many blocks of so many rows; without blocks, for batches that the first layer takes by itself.
    pub(crate) fn new((rows, count): (usize, usize), features: usize, skip_zeros: bool) -> Fetched {
        let examples = vec![Examples::new(rows, features, skip_zeros); count];
        let early = if rows * count * features <= AT_ONCE { usize::MAX } else { AHEAD };
        let examples = [examples.clone(), examples];
        Fetched { examples, image: vec![0; features], early, asked: 0 }
    }

    /// Asks for the examples of a batch, or the first of a large one, once: they lie all over the data set, each some dozen
    /// cache lines from memory, and the first layer's update is what leaves the memory idle the longest. Every thread asks for
    /// all of them, since fetching from another core what that one has asked for takes longer.
    pub(crate) fn ask(&mut self, batch: Batch<'_>) {
        if self.asked != batch.step {
            let early = batch.order.iter().take(self.early);
            early.for_each(|&row| batch.inputs.prefetch(row as usize));
            self.asked = batch.step;
        }
    }

    /// The memory of both batches.
    pub(crate) fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.examples.iter().flatten().map(|examples| &examples.x)
    }

    /// The inputs of block `b` of a batch.
    pub(crate) fn block(&mut self, isa: Isa, batch: Batch<'_>, b: usize) -> &Examples {
        let examples = &mut self.examples[batch.at][b];
        if examples.step != batch.step {
            examples.take(isa, batch, b, &mut self.image);
        }
        examples
    }

    /// Works something out of the inputs of block `b` of a batch, and meanwhile, as far as that can be done beside it, takes those of
    /// the batch `after` it, in place of the ones of the batch before it.
    pub(crate) fn block_while_loading(
        &mut self,
        isa: Isa,
        (batch, after): (Batch<'_>, Option<Batch<'_>>),
        b: usize,
        work: impl FnOnce(&Examples, Option<&mut Loading<'_>>),
    ) {
        self.block(isa, batch, b);
        let [even, odd] = &mut self.examples;
        let (now, later) = if batch.at == 0 { (even, odd) } else { (odd, even) };
        let (now, later) = (&now[b], &mut later[b]);
        match after.filter(|after| later.loads(isa, *after, b)) {
            None => work(now, None),
            Some(after) => later.load(isa, after, b, |loading| work(now, Some(loading))),
        }
    }

    /// The inputs of all blocks of a batch.
    pub(crate) fn blocks(&mut self, isa: Isa, batch: Batch<'_>) -> &[Examples] {
        for b in 0..self.examples[batch.at].len() {
            self.block(isa, batch, b);
        }
        &self.examples[batch.at]
    }
}

/// Batches that go by without a look at their zeros, after one with hardly any.
const REST: u32 = 15;

/// Inputs of a block of rows of the batch, as floats.
#[derive(Clone, Debug, Default)]
pub(crate) struct Examples {
    /// The step that they are of; 0 before the first.
    step: u64,
    /// Rows in use; the others hold what an earlier batch left.
    rows: usize,
    x: Panel,
    /// Where the inputs are zero, if anybody looks, and whether that is known of these.
    zeros: Option<Zeros>,
    known: bool,
    rest: u32,
}

impl Examples {
    fn new(rows: usize, features: usize, skip_zeros: bool) -> Examples {
        // Above that many rows a list's numbers would not be bytes.
        let skip = skip_zeros && rows <= 128;
        let zeros = skip.then(|| Zeros::new(rows, features, block_width(features, true)));
        Examples { x: Panel::zeros(rows, features), zeros, ..Examples::default() }
    }

    /// Takes block `b` of a batch, and asks for the examples that come later.
    fn take(&mut self, isa: Isa, batch: Batch<'_>, b: usize, image: &mut [u8]) {
        let (inputs, order) = (batch.inputs, batch.block(b));
        let mut later = batch.order.iter().skip(b * batch.cut.rows + AHEAD);
        let mut zeros = self.zeros.as_mut().filter(|_| self.rest == 0);
        for (i, &at) in order.iter().enumerate() {
            if let Some(&row) = later.next() {
                inputs.prefetch(row as usize);
            }
            let row = inputs.row(at as usize);
            match inputs.augmenter {
                None => load_row(isa, row, &mut self.x, i),
                Some(augmenter) => load_varied(isa, (augmenter, at, row), image, &mut self.x, i),
            }
            if let Some(zeros) = &mut zeros {
                mark_zeros(isa, &self.x, i, zeros);
            }
        }
        self.taken(isa, batch, b);
    }

    /// Whether block `b` of a batch is still to be taken, and can be while something else is done. Where zeros are skipped that costs what
    /// it saves.
    fn loads(&self, isa: Isa, batch: Batch<'_>, b: usize) -> bool {
        let plain = batch.inputs.is_u8() && batch.inputs.augmenter.is_none();
        let dense = self.zeros.is_none() || self.rest > 0;
        let fits = self.step != batch.step && (1..=Loading::MOST_ROWS).contains(&batch.rows(b));
        plain && dense && fits && Loading::goes_beside(isa)
    }

    /// Takes block `b` of a batch of bytes, as far as that goes during `work`.
    fn load(&mut self, isa: Isa, batch: Batch<'_>, b: usize, work: impl FnOnce(&mut Loading<'_>)) {
        let (inputs, order) = (batch.inputs, batch.block(b));
        let rows = order.iter().filter_map(|&at| inputs.bytes(at as usize));
        let mut loading = Loading::new(rows, inputs.scale(), &mut self.x);
        work(&mut loading);
        kernels::load_rest(isa, loading);
        self.taken(isa, batch, b);
    }

    /// Lists what is zero in block `b` of a batch, now that it is here.
    fn taken(&mut self, isa: Isa, batch: Batch<'_>, b: usize) {
        (self.step, self.rows, self.known) = (batch.step, batch.rows(b), false);
        if let Some(zeros) = self.zeros.as_mut().filter(|_| self.rest == 0) {
            list_zeros(isa, self.rows, zeros);
            self.known = zeros.density() < 0.875;
            self.rest = if self.known { 0 } else { REST };
        } else {
            self.rest = self.rest.saturating_sub(1);
        }
    }

    /// Features of an example.
    pub(crate) fn features(&self) -> usize {
        self.x.cols()
    }

    /// The inputs, the rows in use.
    pub(crate) fn view(&self) -> View<'_> {
        self.x.view().rows_at(0, self.rows)
    }

    /// Block `k` of the inputs; where the weights are `finite`, products leave out what is zero.
    pub(crate) fn block(&self, k: usize, finite: bool) -> View<'_> {
        match &self.zeros {
            Some(zeros) if self.known && finite => zeros.block(self.view(), k),
            _ => {
                let (features, width) = (self.x.cols(), block_width(self.x.cols(), true));
                self.view().cols_at(k * width, width.min(features - k * width))
            }
        }
    }

    /// Some columns of the inputs; where the gradients are `finite`, products leave out what is zero.
    pub(crate) fn cols_at(&self, from: usize, count: usize, finite: bool) -> View<'_> {
        match &self.zeros {
            Some(zeros) if self.known && finite => zeros.cols_at(self.view(), from, count),
            _ => self.view().cols_at(from, count),
        }
    }
}

/// Writes one example into row `i` of a panel.
pub(crate) fn load_row(isa: Isa, row: Row<'_>, to: &mut Panel, i: usize) {
    let features = to.cols();
    let to = &mut Line::flat_mut(to.row_mut(i))[..features];
    match row {
        Row::U8 { data, scale } => pixels(isa, data, scale, to),
        Row::F32(data) => to.copy_from_slice(data),
    }
}

/// Writes example `at`, varied, into row `i` of a panel; there is room for its bytes in `image`.
fn load_varied(
    isa: Isa,
    (augmenter, at, row): (&Augmenter, u32, Row<'_>),
    image: &mut [u8],
    to: &mut Panel,
    i: usize,
) {
    match row {
        Row::U8 { data, scale } => {
            augmenter.apply(at, data, image);
            load_row(isa, Row::U8 { data: image, scale }, to, i);
        }
        Row::F32(data) => {
            let features = to.cols();
            augmenter.apply(at, data, &mut Line::flat_mut(to.row_mut(i))[..features]);
        }
    }
}
