//! The memory of a training run: everything a step touches besides the parameters, made once.
//!
//! A batch is cut into blocks of rows; a hidden layer's activations into panels, one for each block of
//! rows and panel of columns. Each is written by one task of a phase and read by later phases. What a thread
//! makes for itself is in `own.rs`.

use crate::architecture::{Architecture, DenseShape};
use crate::behind::{Behind, Place};
use crate::data::{Inputs, Labels};
use crate::half::Precision;
use crate::layer::{Dense, Part};
use crate::own::{Fetched, Own};
use crate::top::Head;
use crate::train::{FitConfig, Running};
use kernels::{
    Blocks, CrossEntropy, Isa, LANES, Line, MOST_BLOCKS, Owned, PANEL_COLS, Panel, RowLoss,
    transpose,
};

/// How the rows of a batch are cut into blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Rows of a block, of the last at most.
    pub(crate) rows: usize,
    /// Blocks.
    pub(crate) count: usize,
}

impl Cut {
    /// `least` blocks at least, of up to 64 rows, but no more blocks than a kernel takes: products of many rows pause
    /// less often.
    fn new(batch: usize, least: usize) -> Cut {
        let rows = batch.div_ceil(least).min(PANEL_COLS).max(batch.div_ceil(MOST_BLOCKS));
        let rows = rows.next_multiple_of(LANES);
        Cut { rows, count: batch.div_ceil(rows) }
    }
}

/// A batch: whose examples it has, and when.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// The step that it is of, counted from 1 over all epochs.
    pub(crate) step: u64,
    /// Which of two places is its.
    pub(crate) at: usize,
    pub(crate) inputs: Inputs<'a>,
    pub(crate) order: &'a [u32],
    pub(crate) cut: Cut,
}

impl<'a> Batch<'a> {
    /// The indices of the examples of block `b`.
    pub(crate) fn block(self, b: usize) -> &'a [u32] {
        let from = (b * self.cut.rows).min(self.order.len());
        &self.order[from..(from + self.cut.rows).min(self.order.len())]
    }

    /// Rows of block `b`; a batch that is not full may have none there.
    pub(crate) fn rows(self, b: usize) -> usize {
        self.block(b).len()
    }

    /// Where outputs of a layer are: of panel `column`, for block `b`.
    pub(crate) fn place(self, b: usize, column: usize) -> Place {
        let (row, col) = (b * self.cut.rows, column * PANEL_COLS);
        Place { step: self.step, row, rows: self.rows(b), col }
    }
}

/// The batches that the steps to come are taken on.
#[derive(Clone, Copy)]
pub(crate) struct Batches<'a> {
    pub(crate) inputs: Inputs<'a>,
    pub(crate) labels: Labels<'a>,
    /// Share of a label that is spread over all classes.
    pub(crate) smoothing: f32,
    /// The examples of these steps, in their order, and how many a batch has.
    pub(crate) order: &'a [u32],
    pub(crate) size: usize,
    pub(crate) cut: Cut,
    /// Number of the first step, counted from 1 over all epochs.
    pub(crate) first: u64,
}

impl<'a> Batches<'a> {
    /// The batch of the step that is so many `ahead`; none behind the last one of the epoch.
    pub(crate) fn at(self, ahead: usize) -> Batch<'a> {
        let Batches { inputs, order, cut, first, .. } = self;
        let (step, order) = (first + ahead as u64, order.chunks(self.size).nth(ahead));
        Batch { step, at: (step % 2) as usize, inputs, order: order.unwrap_or(&[]), cut }
    }

    /// How the loss of a batch is taken.
    pub(crate) fn loss(self, batch: Batch<'_>) -> CrossEntropy<'a> {
        let (scale, weights) = (1.0 / batch.order.len() as f32, self.labels.class_weights());
        CrossEntropy { scale, smoothing: self.smoothing, weights }
    }

    /// Goes on to the next step.
    pub(crate) fn advance(&mut self) {
        self.order = &self.order[self.size.min(self.order.len())..];
        self.first += 1;
    }
}

/// The losses of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Losses<'a> {
    pub(crate) batch: Batch<'a>,
    pub(crate) blocks: &'a [RowBlock],
}

impl Losses<'_> {
    /// Adds them to those of the epoch; returns their own sums.
    pub(crate) fn add_to(self, running: &mut Running) -> Running {
        let mut own = Running::default();
        for (b, block) in self.blocks.iter().enumerate() {
            for row in &block.losses[..self.batch.rows(b)] {
                for sums in [&mut *running, &mut own] {
                    sums.examples += 1;
                    sums.loss += row.loss;
                    sums.correct += usize::from(row.correct);
                }
            }
        }
        own
    }
}

/// The output layer for a block of rows: logits and what they become.
#[derive(Clone, Debug)]
pub(crate) struct RowBlock {
    labels: Vec<u16>,
    /// Logits, then their gradient.
    pub(crate) logits: Panel,
    /// The gradient, transposed.
    pub(crate) dz_t: Panel,
    pub(crate) losses: Vec<RowLoss>,
}

impl RowBlock {
    fn new(rows: usize, classes: usize) -> RowBlock {
        RowBlock {
            labels: vec![0; rows],
            logits: Panel::zeros(rows, classes),
            dz_t: Panel::zeros(classes, rows),
            losses: vec![RowLoss::default(); rows],
        }
    }

    /// Logits, given the outputs `x` of the layer below.
    pub(crate) fn logits(&mut self, isa: Isa, layer: &Dense, x: Blocks<'_, '_>) {
        for column in 0..layer.columns() {
            layer.forward(isa, column, x, &mut self.logits, column * (PANEL_COLS / LANES));
        }
    }

    /// Logits that are the sum of these shares.
    pub(crate) fn sum<'s>(&mut self, mut shares: impl Iterator<Item = &'s Panel>) {
        let Some(first) = shares.next() else { return };
        self.logits.lines_mut().copy_from_slice(first.lines());
        for share in shares {
            let sums = Line::flat_mut(self.logits.lines_mut()).iter_mut();
            sums.zip(Line::flat(share.lines())).for_each(|(sum, share)| *sum += share);
        }
    }

    /// The losses of the examples at these indices, given their logits, and the gradient of the mean loss over the batch in
    /// place of the logits.
    pub(crate) fn loss(
        &mut self,
        isa: Isa,
        (labels, order): (Labels<'_>, &[u32]),
        how: CrossEntropy<'_>,
    ) {
        for (label, at) in self.labels.iter_mut().zip(order) {
            *label = labels.get(*at as usize);
        }
        let (labels, losses) = (&self.labels[..order.len()], &mut self.losses[..order.len()]);
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
    fn new(rows: usize, cols: usize) -> Gradient {
        Gradient { dz: Panel::zeros(rows, cols), dz_t: Panel::zeros(cols, rows), finite: false }
    }

    /// Makes the transpose, which the gradient of this layer's inputs needs.
    pub(crate) fn transpose(&mut self, isa: Isa) {
        transpose(isa, &self.dz, &mut self.dz_t);
    }
}

/// Activations of a hidden layer, cut into blocks of rows and panels of columns: column after column.
#[derive(Clone, Debug)]
pub(crate) struct Hidden {
    /// Outputs of this step and, of the first layer, already of the next. The rows of a panel are followed
    /// by as many of slopes, where some are kept.
    pub(crate) h: [Vec<Panel>; 2],
    pub(crate) gradients: Vec<Gradient>,
    /// What stands behind its product.
    pub(crate) behind: Behind,
}

impl Hidden {
    fn new(Cut { rows, count }: Cut, units: usize, behind: Behind) -> Hidden {
        let columns = (0..units).step_by(PANEL_COLS).map(|j| PANEL_COLS.min(units - j));
        let cells = columns.flat_map(|cols| std::iter::repeat_n(cols, count));
        let with_slopes = if behind.keeps_slopes() { 2 * rows } else { rows };
        let h: Vec<Panel> = cells.clone().map(|cols| Panel::zeros(with_slopes, cols)).collect();
        let gradients = cells.map(|cols| Gradient::new(rows, cols)).collect();
        Hidden { h: [h.clone(), h], gradients, behind }
    }
}

/// Everything a training step touches besides the parameters.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    pub(crate) cut: Cut,
    /// The output layer, block by block, if threads share it.
    pub(crate) heads: Vec<RowBlock>,
    /// If the output layer is cut by its inputs: the shares of the logits, of this step and, above one hidden layer,
    /// already of the next. See `top.rs`.
    pub(crate) shares: Option<[Vec<Panel>; 2]>,
    /// The hidden layers.
    pub(crate) hidden: Vec<Hidden>,
    /// Of each thread.
    pub(crate) owns: Vec<Own>,
}

impl Workspace {
    /// For a network of these layers, which is about to be trained.
    pub(crate) fn new(
        architecture: &Architecture,
        (batch, threads): (usize, usize),
        inputs: Inputs<'_>,
        config: &FitConfig,
    ) -> Workspace {
        let shapes: Vec<DenseShape> = architecture.dense().collect();
        let (hidden, classes) = (&shapes[..shapes.len() - 1], architecture.classes());
        let shared = config.shares_output(architecture, batch);
        let cut = Cut::new(batch, if shared { 1 } else { 2 });
        let heads = vec![RowBlock::new(cut.rows, classes); cut.count];
        // In bf16 the first layer takes its inputs by itself.
        let blocks = if config.precision == Precision::Bf16 { 0 } else { cut.count };
        let skip_zeros = config.skip_zeros && !hidden.is_empty();
        let fetched = Fetched::new((cut.rows, blocks), inputs.features(), skip_zeros);
        let gradients = [PANEL_COLS, shapes[0].units % PANEL_COLS]
            .map(|cols| vec![Gradient::new(cut.rows, cols); cut.count]);
        let own = Own { fetched, head: Head { step: 0, blocks: heads.clone() }, gradients };
        let columns = hidden.last().map_or(0, |last| last.units.div_ceil(PANEL_COLS));
        let shares = vec![heads[0].logits.clone(); columns * cut.count];
        let hidden = hidden.iter().zip(0..);
        let hidden = hidden
            .map(|(shape, l)| Hidden::new(cut, shape.units, Behind::new(shape, config.seed, l)));
        Workspace {
            cut,
            heads,
            shares: shared.then(|| [shares.clone(), shares]),
            hidden: hidden.collect(),
            owns: vec![own; threads],
        }
    }

    /// Puts a network that is more than a core's own cache holds, and what a step touches besides, into large pages.
    pub(crate) fn settle(&self, layers: &[Dense]) {
        let parts = layers.iter().flat_map(|layer| &layer.parts);
        let parameters = parts.flat_map(|Part { owned: Owned { w, m, v }, .. }| [w, m, v]);
        let outputs = self.hidden.iter().flat_map(|hidden| hidden.h.iter().flatten());
        let gradients = self.hidden.iter().flat_map(|hidden| &hidden.gradients);
        let gradients = gradients.flat_map(|Gradient { dz, dz_t, .. }| [dz, dz_t]);
        let inputs = self.owns.iter().flat_map(|own| own.fetched.panels());
        let all = parameters.chain(outputs).chain(gradients).chain(inputs);
        kernels::large_pages(all.map(Panel::lines));
    }
}
