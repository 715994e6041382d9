//! The memory of a training run: everything a step touches besides the parameters, made once.
//!
//! A batch is cut into blocks of rows; a hidden layer's activations into panels, one for each block of
//! rows and panel of columns. Each is written by one task of a phase and read by later phases. Only the first layer
//! takes the blocks of a batch of up to 64 rows together, as one band.

use crate::architecture::{Architecture, DenseShape};
use crate::behind::Behind;
use crate::data::{Inputs, Labels, Row};
use crate::half::Precision;
use crate::layer::block_width;
use crate::train::FitConfig;
use kernels::{
    CrossEntropy, Isa, LANES, Line, MOST_BLOCKS, PANEL_COLS, Panel, RowLoss, View, Zeros,
    find_zeros, pixels, transpose,
};

/// Rows of a block: a batch makes at least two, so that two threads can share the output layer, blocks
/// of up to 64 rows, but no more blocks than a kernel takes.
pub(crate) fn block_rows(batch: usize) -> usize {
    let rows = batch.div_ceil(2).min(PANEL_COLS).max(batch.div_ceil(MOST_BLOCKS));
    rows.next_multiple_of(LANES)
}

/// Of so many blocks of so many rows, how many the first layer takes together as a band, one or all: products of many rows
/// pause less often. Above 64 rows the first-level cache would not hold what they share.
fn band_blocks(blocks: usize, rows: usize) -> usize {
    if blocks * rows <= PANEL_COLS { blocks } else { 1 }
}

/// Batches that go by without a look at their zeros, after one with hardly any.
const REST: u32 = 15;

/// A batch: whose examples it has, and when.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// The step that it is of, counted from 1 over all epochs.
    pub(crate) step: u64,
    /// Which of two places is its.
    pub(crate) at: usize,
    pub(crate) inputs: Inputs<'a>,
    pub(crate) order: &'a [u32],
}

/// Inputs of a band, a block of rows of the batch or all of them, as floats.
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

    /// Takes band `b` of a batch, which these are the blocks of.
    fn take(&mut self, isa: Isa, batch: Batch<'_>, b: usize, blocks: &[RowBlock]) {
        let (each, order) = (blocks[0].rows(), Workspace::share(self.x.rows(), b, batch.order));
        for (i, at) in order.iter().enumerate() {
            let taken = &blocks[i / each].taken[batch.at];
            load_row(isa, taken.row(batch.inputs, *at, i % each), &mut self.x, i);
        }
        (self.step, self.rows, self.known) = (batch.step, order.len(), false);
        if self.rest > 0 {
            self.rest -= 1;
        } else if let Some(zeros) = &mut self.zeros {
            find_zeros(isa, &self.x, self.rows, zeros);
            self.known = zeros.densities()[1] < 0.875;
            self.rest = if self.known { 0 } else { REST };
        }
    }

    /// Features of an example.
    pub(crate) fn features(&self) -> usize {
        self.x.cols()
    }

    /// Rows in use.
    pub(crate) fn rows(&self) -> usize {
        self.rows
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

/// What a thread has for itself: the inputs of this step and the next. Bytes that all threads read are faster
/// turned into floats by each than fetched as floats from another core, where they were just written.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    /// Band by band of either batch.
    examples: [Vec<Examples>; 2],
    /// Blocks in a band.
    band: usize,
    /// For gradients or outputs of all of a band's rows in a column of the first layer: a full column, and the last.
    wide: [Panel; 2],
}

impl Own {
    /// The inputs of band `b` of a batch, which these are the blocks of.
    pub(crate) fn band(
        &mut self,
        isa: Isa,
        batch: Batch<'_>,
        b: usize,
        blocks: &[RowBlock],
    ) -> &Examples {
        let examples = &mut self.examples[batch.at][b];
        if examples.step != batch.step {
            examples.take(isa, batch, b, blocks);
        }
        examples
    }

    /// The inputs of a batch, band by band, how many blocks a band has, and a panel for all rows of one in `cols` columns.
    pub(crate) fn bands(
        &mut self,
        isa: Isa,
        batch: Batch<'_>,
        blocks: &[RowBlock],
        cols: usize,
    ) -> (&[Examples], usize, &mut Panel) {
        for (b, blocks) in blocks.chunks(self.band).enumerate() {
            self.band(isa, batch, b, blocks);
        }
        let wide = &mut self.wide[usize::from(cols < PANEL_COLS)];
        (&self.examples[batch.at], self.band, wide)
    }

    /// Blocks in a band.
    pub(crate) fn blocks_in_band(&self) -> usize {
        self.band
    }

    /// Takes nothing that was made for anything again.
    pub(crate) fn forget(&mut self) {
        self.examples.iter_mut().flatten().for_each(|examples| examples.step = 0);
    }
}

/// Of one block of rows of a batch, what all threads share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// Rows in use.
    pub(crate) rows: usize,
    labels: Vec<u16>,
    /// Images that were varied, bytes or floats; none if they are taken as they are.
    bytes: Vec<u8>,
    floats: Vec<f32>,
}

impl Taken {
    fn new(rows: usize, inputs: Inputs<'_>, config: &FitConfig) -> Taken {
        let varied = config.augment.is_on() && config.precision != Precision::Bf16;
        let size = if varied { rows * inputs.features() } else { 0 };
        let (bytes, floats) = if inputs.is_u8() { (size, 0) } else { (0, size) };
        Taken { rows: 0, labels: vec![0; rows], bytes: vec![0; bytes], floats: vec![0.0; floats] }
    }

    /// Takes the examples at these indices.
    fn take(&mut self, inputs: Inputs<'_>, labels: Labels<'_>, order: &[u32]) {
        self.rows = order.len();
        for (label, at) in self.labels.iter_mut().zip(order) {
            *label = labels.get(*at as usize);
        }
        let (Some(augmenter), features) = (inputs.augmenter, inputs.features()) else { return };
        let images = self.bytes.chunks_exact_mut(features);
        for (&at, image) in order.iter().zip(images) {
            if let Row::U8 { data, .. } = inputs.row(at as usize) {
                augmenter.apply(at, data, image);
            }
        }
        for (&at, image) in order.iter().zip(self.floats.chunks_exact_mut(features)) {
            if let Row::F32(data) = inputs.row(at as usize) {
                augmenter.apply(at, data, image);
            }
        }
    }

    /// Row `i`, which is example `at`.
    fn row<'a>(&'a self, inputs: Inputs<'a>, at: u32, i: usize) -> Row<'a> {
        let row = inputs.row(at as usize);
        let here = i * inputs.features()..(i + 1) * inputs.features();
        match (inputs.augmenter, row) {
            (None, row) => row,
            (Some(_), Row::U8 { scale, .. }) => Row::U8 { data: &self.bytes[here], scale },
            (Some(_), Row::F32(_)) => Row::F32(&self.floats[here]),
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

/// A block of rows: what was taken (for this batch and the next), its logits and what they become.
#[derive(Clone, Debug)]
pub(crate) struct RowBlock {
    pub(crate) taken: [Taken; 2],
    /// Logits, then their gradient.
    pub(crate) logits: Panel,
    /// The gradient, transposed.
    pub(crate) dz_t: Panel,
    pub(crate) losses: Vec<RowLoss>,
}

impl RowBlock {
    /// Rows, in use or not.
    pub(crate) fn rows(&self) -> usize {
        self.losses.len()
    }

    fn new(rows: usize, classes: usize, taken: &Taken) -> RowBlock {
        RowBlock {
            taken: [taken.clone(), taken.clone()],
            logits: Panel::zeros(rows, classes),
            dz_t: Panel::zeros(classes, rows),
            losses: vec![RowLoss::default(); rows],
        }
    }

    /// Takes its share, as block `b`, of the examples at these indices.
    pub(crate) fn gather(
        &mut self,
        inputs: Inputs<'_>,
        labels: Labels<'_>,
        (at, b): (usize, usize),
        order: &[u32],
    ) {
        let share = Workspace::share(self.losses.len(), b, order);
        self.taken[at].take(inputs, labels, share);
    }

    /// Losses of the rows, and the gradient of their mean over the batch in place of the logits.
    pub(crate) fn loss(&mut self, isa: Isa, now: usize, how: CrossEntropy<'_>) {
        let Taken { rows, ref labels, .. } = self.taken[now];
        let (labels, losses) = (&labels[..rows], &mut self.losses[..rows]);
        if how.smoothing == 0.0 && how.weights.is_empty() {
            kernels::softmax_cross_entropy(isa, &mut self.logits, labels, how.scale, losses);
        } else {
            kernels::cross_entropy_with(isa, &mut self.logits, labels, how, losses);
        }
        transpose(isa, &self.logits, &mut self.dz_t);
    }
}

/// Gradient with respect to the outputs of a hidden layer before the activation, for one block of rows and
/// one panel of columns.
#[derive(Clone, Debug)]
pub(crate) struct Gradient {
    pub(crate) dz: Panel,
    /// The same, transposed, if there is a hidden layer below.
    pub(crate) dz_t: Panel,
    /// Whether all of it is.
    pub(crate) finite: bool,
}

impl Gradient {
    /// Makes the transpose, which the gradient of this layer's inputs needs.
    pub(crate) fn transpose(&mut self, isa: Isa) {
        transpose(isa, &self.dz, &mut self.dz_t);
    }
}

/// The gradients of a hidden layer, for all blocks of rows and panels of columns.
#[derive(Clone, Debug)]
pub(crate) struct Gradients {
    pub(crate) list: Vec<Gradient>,
    pub(crate) layout: Layout,
}

impl Gradients {
    /// The gradient of a column for a block of rows.
    pub(crate) fn at(&self, column: usize, block: usize) -> &Gradient {
        let Layout { blocks, columns, by_block } = self.layout;
        &self.list[if by_block { block * columns + column } else { column * blocks + block }]
    }
}

/// Which gradient stands where. Those of the last hidden layer are made by tasks of a block of rows each: block after
/// block. The others are made by tasks of a column each, so that a thread reads only the weights that lead to its own
/// columns: column after column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    blocks: usize,
    columns: usize,
    by_block: bool,
}

impl Layout {
    /// Column and block of number `i`.
    pub(crate) fn place(self, i: usize) -> (usize, usize) {
        let Layout { blocks, columns, by_block } = self;
        if by_block { (i % columns, i / columns) } else { (i / blocks, i % blocks) }
    }
}

/// Activations of a hidden layer, cut into blocks of rows and panels of columns.
#[derive(Clone, Debug)]
pub(crate) struct Hidden {
    /// Outputs of this step and, of the first layer, already of the next: column after column. The rows of
    /// a panel are followed by as many of slopes, where some are kept.
    pub(crate) h: [Vec<Panel>; 2],
    pub(crate) gradients: Gradients,
    /// What stands behind its product.
    pub(crate) behind: Behind,
    blocks: usize,
}

impl Hidden {
    fn new((rows, blocks): (usize, usize), units: usize, behind: Behind, last: bool) -> Hidden {
        let widths = || (0..units).step_by(PANEL_COLS).map(|j| PANEL_COLS.min(units - j));
        let with_slopes = if behind.keeps_slopes() { 2 * rows } else { rows };
        let panels = |cols| std::iter::repeat_n(Panel::zeros(with_slopes, cols), blocks);
        let h: Vec<Panel> = widths().flat_map(panels).collect();
        let gradient = |cols| Gradient {
            dz: Panel::zeros(rows, cols),
            dz_t: Panel::zeros(cols, rows),
            finite: false,
        };
        let layout = Layout { blocks, columns: widths().count(), by_block: last };
        let width = |i: usize| PANEL_COLS.min(units - layout.place(i).0 * PANEL_COLS);
        let list = (0..blocks * layout.columns).map(width).map(gradient).collect();
        let gradients = Gradients { list, layout };
        Hidden { h: [h.clone(), h], gradients, behind, blocks }
    }

    /// Outputs of a column for a block of rows.
    pub(crate) fn h(&self, now: usize, column: usize, block: usize) -> &Panel {
        &self.h[now][column * self.blocks + block]
    }
}

/// Everything a training step touches besides the parameters.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// Which of two places this step's batch has; the other is the next step's.
    pub(crate) now: usize,
    pub(crate) blocks: Vec<RowBlock>,
    /// The hidden layers.
    pub(crate) hidden: Vec<Hidden>,
    /// Of each thread.
    pub(crate) owns: Vec<Own>,
}

impl Workspace {
    pub(crate) fn new(
        architecture: &Architecture,
        (batch, threads): (usize, usize),
        inputs: Inputs<'_>,
        config: &FitConfig,
    ) -> Workspace {
        let rows = block_rows(batch);
        let count = batch.div_ceil(rows);
        let shapes: Vec<DenseShape> = architecture.dense().collect();
        // In bf16 the first layer takes its inputs by itself. An output layer takes all of its inputs, so
        // without hidden ones nobody asks for the zeros.
        let band = if shapes.len() > 1 { band_blocks(count, rows) } else { 1 };
        let own_rows = if config.precision == Precision::Bf16 { 0 } else { band * rows };
        let skip_zeros = config.skip_zeros && own_rows > 0 && shapes.len() > 1;
        let bands = count.div_ceil(band);
        let examples = vec![Examples::new(own_rows, architecture.features(), skip_zeros); bands];
        let wide =
            [PANEL_COLS, shapes[0].units % PANEL_COLS].map(|cols| Panel::zeros(own_rows, cols));
        let own = Own { examples: [examples.clone(), examples], band, wide };
        let block = RowBlock::new(rows, architecture.classes(), &Taken::new(rows, inputs, config));
        let hidden = |(shape, layer): (&DenseShape, u64)| {
            let last = layer as usize + 2 == shapes.len();
            Hidden::new((rows, count), shape.units, Behind::new(shape, config.seed, layer), last)
        };
        let hidden = shapes[..shapes.len() - 1].iter().zip(0..).map(hidden).collect();
        Workspace { now: 0, blocks: vec![block; count], hidden, owns: vec![own; threads] }
    }

    /// The indices that block `b` takes of a batch's.
    pub(crate) fn share(rows: usize, b: usize, order: &[u32]) -> &[u32] {
        let from = (b * rows).min(order.len());
        &order[from..(from + rows).min(order.len())]
    }
}
