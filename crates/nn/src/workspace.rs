//! The memory of a training run: everything a step touches besides the parameters, made once.
//!
//! A batch is cut into blocks of rows; a hidden layer's activations into panels, one for each block of
//! rows and panel of columns. Each is written by one task of a phase and read by later phases.

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

/// Batches that go by without a look at their zeros, after one with hardly any.
const REST: u32 = 15;

/// Inputs and labels of one block of rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Examples {
    /// Rows in use; the others hold what an earlier batch left.
    pub(crate) rows: usize,
    /// Without rows if the first layer takes its inputs in bf16, by itself.
    pub(crate) x: Panel,
    /// Where the inputs are zero, if anybody looks, and whether that is known of these.
    zeros: Option<Zeros>,
    known: bool,
    rest: u32,
    labels: Vec<u16>,
    /// Room for an image that is varied.
    image: Vec<u8>,
}

impl Examples {
    fn new(rows: usize, features: usize, config: &FitConfig) -> Examples {
        let half = config.precision == Precision::Bf16;
        // Above that many rows a list's numbers would not be bytes.
        let skip = config.skip_zeros && !half && rows <= 128;
        let zeros = skip.then(|| Zeros::new(rows, features, block_width(features, true)));
        let x = Panel::zeros(if half { 0 } else { rows }, features);
        let image = vec![0; if config.augment.is_on() && !half { features } else { 0 }];
        Examples { x, zeros, image, labels: vec![0; rows], ..Examples::default() }
    }

    /// Takes the examples at these indices.
    fn gather(&mut self, isa: Isa, inputs: Inputs<'_>, labels: Labels<'_>, order: &[u32]) {
        self.rows = order.len();
        for (i, &at) in order.iter().enumerate() {
            self.labels[i] = labels.get(at as usize);
            if self.x.rows() > 0 {
                self.load(isa, inputs, at, i);
            }
        }
        self.known = false;
        if self.rest > 0 {
            self.rest -= 1;
        } else if let Some(zeros) = &mut self.zeros {
            find_zeros(isa, &self.x, self.rows, zeros);
            self.known = zeros.densities()[1] < 0.875;
            self.rest = if self.known { 0 } else { REST };
        }
    }

    /// Takes example `at` as row `i`.
    fn load(&mut self, isa: Isa, inputs: Inputs<'_>, at: u32, i: usize) {
        let row = inputs.row(at as usize);
        let Some(augmenter) = inputs.augmenter else { return load_row(isa, row, &mut self.x, i) };
        match row {
            Row::U8 { data, scale } => {
                augmenter.apply(at, data, &mut self.image);
                load_row(isa, Row::U8 { data: &self.image, scale }, &mut self.x, i);
            }
            Row::F32(data) => {
                let features = self.x.cols();
                let to = &mut Line::flat_mut(self.x.row_mut(i))[..features];
                augmenter.apply(at, data, to);
            }
        }
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

/// A block of rows: its examples (this batch's and the next's), its logits and what they become.
#[derive(Clone, Debug)]
pub(crate) struct RowBlock {
    pub(crate) examples: [Examples; 2],
    /// Logits, then their gradient.
    pub(crate) logits: Panel,
    /// The gradient, transposed.
    pub(crate) dz_t: Panel,
    pub(crate) losses: Vec<RowLoss>,
}

impl RowBlock {
    fn new(rows: usize, features: usize, classes: usize, config: &FitConfig) -> RowBlock {
        let examples = Examples::new(rows, features, config);
        RowBlock {
            examples: [examples.clone(), examples],
            logits: Panel::zeros(rows, classes),
            dz_t: Panel::zeros(classes, rows),
            losses: vec![RowLoss::default(); rows],
        }
    }

    /// Takes its share, as block `b`, of the examples at these indices.
    pub(crate) fn gather(
        &mut self,
        isa: Isa,
        inputs: Inputs<'_>,
        labels: Labels<'_>,
        (at, b): (usize, usize),
        order: &[u32],
    ) {
        let share = Workspace::share(self.losses.len(), b, order);
        self.examples[at].gather(isa, inputs, labels, share);
    }

    /// Losses of the rows, and the gradient of their mean over the batch in place of the logits.
    pub(crate) fn loss(&mut self, isa: Isa, now: usize, how: CrossEntropy<'_>) {
        let Examples { rows, ref labels, .. } = self.examples[now];
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
    /// The same, transposed.
    pub(crate) dz_t: Panel,
    /// Whether all of it is.
    pub(crate) finite: bool,
}

/// Activations of a hidden layer, cut into blocks of rows and panels of columns.
#[derive(Clone, Debug)]
pub(crate) struct Hidden {
    /// Outputs of this step and, of the first layer, already of the next: column after column. The rows of
    /// a panel are followed by as many of slopes, where some are kept.
    pub(crate) h: [Vec<Panel>; 2],
    /// Block of rows after block of rows.
    pub(crate) gradients: Vec<Gradient>,
    /// What stands behind its product.
    pub(crate) behind: Behind,
    blocks: usize,
    columns: usize,
}

impl Hidden {
    fn new(rows: usize, blocks: usize, units: usize, behind: Behind) -> Hidden {
        let widths = || (0..units).step_by(PANEL_COLS).map(|j| PANEL_COLS.min(units - j));
        let with_slopes = if behind.keeps_slopes() { 2 * rows } else { rows };
        let panels = |cols| std::iter::repeat_n(Panel::zeros(with_slopes, cols), blocks);
        let h: Vec<Panel> = widths().flat_map(panels).collect();
        let gradient = |cols| Gradient {
            dz: Panel::zeros(rows, cols),
            dz_t: Panel::zeros(cols, rows),
            finite: false,
        };
        let gradients = (0..blocks).flat_map(|_| widths().map(gradient)).collect();
        Hidden { h: [h.clone(), h], gradients, behind, blocks, columns: widths().count() }
    }

    /// Panels of columns.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Outputs of a column for a block of rows.
    pub(crate) fn h(&self, now: usize, column: usize, block: usize) -> &Panel {
        &self.h[now][column * self.blocks + block]
    }

    /// Gradient of a column for a block of rows.
    pub(crate) fn gradient(&self, column: usize, block: usize) -> &Gradient {
        &self.gradients[block * self.columns + column]
    }
}

/// Everything a training step touches besides the parameters.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// Which of each block's examples this step uses; the others are the next step's.
    pub(crate) now: usize,
    pub(crate) blocks: Vec<RowBlock>,
    /// The hidden layers.
    pub(crate) hidden: Vec<Hidden>,
}

impl Workspace {
    pub(crate) fn new(architecture: &Architecture, batch: usize, config: &FitConfig) -> Workspace {
        let rows = block_rows(batch);
        let count = batch.div_ceil(rows);
        let (features, classes) = (architecture.features(), architecture.classes());
        let shapes: Vec<DenseShape> = architecture.dense().collect();
        // An output layer takes all of its inputs, so without hidden ones nobody asks for the zeros.
        let config = FitConfig { skip_zeros: config.skip_zeros && shapes.len() > 1, ..*config };
        let block = RowBlock::new(rows, features, classes, &config);
        let hidden = |(shape, layer): (&DenseShape, u64)| {
            Hidden::new(rows, count, shape.units, Behind::new(shape, config.seed, layer))
        };
        let hidden = shapes[..shapes.len() - 1].iter().zip(0..).map(hidden).collect();
        Workspace { now: 0, blocks: vec![block; count], hidden }
    }

    /// The indices that block `b` takes of a batch's.
    pub(crate) fn share(rows: usize, b: usize, order: &[u32]) -> &[u32] {
        let from = (b * rows).min(order.len());
        &order[from..(from + rows).min(order.len())]
    }
}
