//! The memory of a training run: everything a step touches besides the parameters, made once.
//!
//! A batch is cut into blocks of rows; a hidden layer's activations into cells, one for each block of
//! rows and panel of columns. A cell is written by one task of a phase and read by later phases.

use crate::architecture::{Architecture, DenseShape};
use crate::data::{Inputs, Row};
use kernels::{Isa, LANES, Line, MOST_BLOCKS, PANEL_COLS, Panel, RowLoss, View, pixels, transpose};

/// Rows of a block: a batch makes at least two, so that two threads can share the output layer, blocks
/// of up to 64 rows, but no more blocks than a kernel takes.
pub(crate) fn block_rows(batch: usize) -> usize {
    let rows = batch.div_ceil(2).min(PANEL_COLS).max(batch.div_ceil(MOST_BLOCKS));
    rows.next_multiple_of(LANES)
}

/// Inputs and labels of one block of rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Examples {
    /// Rows in use; the others hold what an earlier batch left.
    pub(crate) rows: usize,
    pub(crate) x: Panel,
    pub(crate) labels: Vec<u8>,
}

impl Examples {
    fn new(rows: usize, features: usize) -> Examples {
        Examples { rows: 0, x: Panel::zeros(rows, features), labels: vec![0; rows] }
    }

    /// Takes the examples at these indices.
    pub(crate) fn gather(&mut self, isa: Isa, inputs: Inputs<'_>, labels: &[u8], order: &[u32]) {
        self.rows = order.len();
        for (i, &at) in order.iter().enumerate() {
            self.labels[i] = labels[at as usize];
            load_row(isa, inputs.row(at as usize), &mut self.x, i);
        }
    }

    /// The inputs, the rows in use.
    pub(crate) fn view(&self) -> View<'_> {
        self.x.view().rows_at(0, self.rows)
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
    fn new(rows: usize, features: usize, classes: usize) -> RowBlock {
        RowBlock {
            examples: [Examples::new(rows, features), Examples::new(rows, features)],
            logits: Panel::zeros(rows, classes),
            dz_t: Panel::zeros(classes, rows),
            losses: vec![RowLoss::default(); rows],
        }
    }

    /// Losses of the rows, and the gradient of their mean over the batch in place of the logits.
    pub(crate) fn loss(&mut self, isa: Isa, now: usize, batch: usize) {
        let Examples { rows, ref labels, .. } = self.examples[now];
        let losses = &mut self.losses[..rows];
        let scale = 1.0 / batch as f32;
        kernels::softmax_cross_entropy(isa, &mut self.logits, &labels[..rows], scale, losses);
        transpose(isa, &self.logits, &mut self.dz_t);
    }
}

/// Activations of a hidden layer for one block of rows and one panel of columns.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Outputs.
    pub(crate) h: Panel,
    /// Gradient with respect to the outputs before the activation.
    pub(crate) dz: Panel,
    /// The same, transposed.
    pub(crate) dz_t: Panel,
}

impl Cell {
    fn new(rows: usize, cols: usize) -> Cell {
        let h = Panel::zeros(rows, cols);
        Cell { dz: h.clone(), h, dz_t: Panel::zeros(cols, rows) }
    }
}

/// Everything a training step touches besides the parameters.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// Which of each block's examples this step uses; the others are the next step's.
    pub(crate) now: usize,
    pub(crate) blocks: Vec<RowBlock>,
    /// Cells of each hidden layer: all blocks of rows of the first panel, then of the next.
    pub(crate) hidden: Vec<Vec<Cell>>,
}

impl Workspace {
    pub(crate) fn new(architecture: &Architecture, batch: usize) -> Workspace {
        let rows = block_rows(batch);
        let count = batch.div_ceil(rows);
        let block = RowBlock::new(rows, architecture.features(), architecture.classes());
        let shapes: Vec<DenseShape> = architecture.dense().collect();
        let cells = |units: usize| {
            let widths = (0..units).step_by(PANEL_COLS).map(move |j| PANEL_COLS.min(units - j));
            widths.flat_map(|cols| std::iter::repeat_n(Cell::new(rows, cols), count)).collect()
        };
        let hidden = shapes[..shapes.len() - 1].iter().map(|d| cells(d.units)).collect();
        Workspace { now: 0, blocks: vec![block; count], hidden }
    }

    /// The indices that block `b` takes of a batch's.
    pub(crate) fn share(rows: usize, b: usize, order: &[u32]) -> &[u32] {
        let from = (b * rows).min(order.len());
        &order[from..(from + rows).min(order.len())]
    }
}
