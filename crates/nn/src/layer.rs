//! A dense layer's parameters: in panels, cut into the parts that workers own.

use crate::architecture::DenseShape;
use crate::behind::function;
use crate::half::Half;
use crate::rng::{Purpose, Rng};
use kernels::{Blocks, Isa, Line, Loading, Owned, PANEL_COLS, Panel, Step, Then, View};

/// Rows of a part, roughly: with weights and moments of 64 columns some 200 KB, so that parts are many
/// enough to share out and few enough not to count.
const PART_ROWS: usize = 256;
/// Later layers, which may be small, have about so many parts, but none of less than a block.
const PARTS: usize = 4;

/// Inputs of a block of the first layer, at most: 40 KB of weights, which stay in the first-level cache
/// while the rows of the batch pass.
const BLOCK: usize = 160;

/// The blocks that a layer's inputs are taken in: where a chain of multiply-adds pauses. Hidden layers'
/// inputs lie in cells, so those are their blocks.
pub(crate) fn block_width(inputs: usize, first: bool) -> usize {
    if !first {
        return PANEL_COLS;
    }
    inputs.div_ceil(inputs.div_ceil(BLOCK)).next_multiple_of(kernels::LANES)
}

/// Weights of some rows of one panel of columns, with their moments, and the biases if the rows are the
/// first. On cache lines of its own, of which prefetchers fetch two at a time: parts that lie beside each other are written by
/// different threads.
#[derive(Clone, Debug)]
#[repr(align(128))]
pub(crate) struct Part {
    pub(crate) column: usize,
    pub(crate) row0: usize,
    pub(crate) owned: Owned,
    pub(crate) bias: Option<Owned>,
    /// Whether all weights are; kept up to date by whoever changes them.
    pub(crate) finite: bool,
    /// While training, whether the network's parameters and moments are more than a core's own cache holds.
    pub(crate) far: bool,
    /// While training in bf16.
    pub(crate) half: Option<Box<Half>>,
    /// While gradients are clipped.
    pub(crate) kept: Option<Box<Kept>>,
}

/// The gradient of a part in memory, and the sum of its squares.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    w: Panel,
    bias: Option<Panel>,
    pub(crate) squares: f64,
}

/// What is done with a gradient of parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    /// A step of the optimiser, at once.
    Update(Step),
    /// It is kept, and its squares are summed.
    Keep,
}

impl Part {
    /// Forgets the moments of an earlier training.
    pub(crate) fn restart(&mut self, far: bool) {
        self.far = far;
        for owned in [Some(&mut self.owned), self.bias.as_mut()].into_iter().flatten() {
            owned.m.lines_mut().fill(Line::ZERO);
            owned.v.lines_mut().fill(Line::ZERO);
        }
        self.check();
    }

    /// Finds out whether all weights are finite.
    pub(crate) fn check(&mut self) {
        self.finite = Line::flat(self.owned.w.lines()).iter().all(|w| w.is_finite());
    }

    /// The gradient of these weights from the batch, and what is to be done with it.
    pub(crate) fn update(&mut self, isa: Isa, x: Blocks<'_, '_>, dz: Blocks<'_, '_>, task: Task) {
        match task {
            Task::Update(by) => {
                self.finite = if self.far {
                    kernels::dense_update_far(isa, x, dz, &mut self.owned, by)
                } else {
                    kernels::dense_update(isa, x, dz, &mut self.owned, by)
                };
                if let Some(bias) = &mut self.bias {
                    kernels::bias_update(isa, dz, bias, by);
                }
            }
            Task::Keep => {
                let Some(Kept { w, bias, squares }) = self.kept.as_deref_mut() else {
                    unreachable!("who keeps gradients has room for them")
                };
                kernels::dense_gradient(isa, x, dz, w);
                *squares = f64::from(kernels::squares(isa, w));
                if let Some(bias) = bias {
                    kernels::bias_gradient(isa, dz, bias);
                    *squares += f64::from(kernels::squares(isa, bias));
                }
            }
        }
    }

    /// Makes room for gradients.
    pub(crate) fn keep(&mut self) {
        let like = |owned: &Owned| Panel::zeros(owned.w.rows(), owned.w.cols());
        let (w, bias) = (like(&self.owned), self.bias.as_ref().map(like));
        self.kept = Some(Box::new(Kept { w, bias, squares: 0.0 }));
    }

    /// A step with the gradient that was kept, times `scale`.
    pub(crate) fn apply(&mut self, isa: Isa, scale: f32, by: Step) {
        let Some(Kept { w, bias, .. }) = self.kept.as_deref_mut() else {
            unreachable!("who keeps gradients has room for them")
        };
        self.finite = kernels::scaled_update(isa, w, scale, &mut self.owned, by);
        if let (Some(g), Some(bias)) = (bias, &mut self.bias) {
            kernels::scaled_update(isa, g, scale, bias, by);
        }
    }
}

/// How the columns of a layer are divided into parts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Division {
    /// Not at all.
    Columns,
    /// As suits a layer that is shared out by parts.
    Parts,
    /// Into the blocks that the inputs are taken in.
    Blocks,
}

impl Division {
    /// Parts of a column.
    fn parts(self, DenseShape { inputs, .. }: DenseShape, first: bool) -> usize {
        let block = block_width(inputs, first);
        let rows = if first { PART_ROWS } else { (inputs / PARTS).clamp(block, PART_ROWS) };
        match self {
            Division::Columns => 1,
            Division::Parts => (inputs as f64 / rows as f64).round().max(1.0) as usize,
            Division::Blocks => inputs.div_ceil(block),
        }
    }
}

/// A dense layer. The parts of a column stand together, top to bottom, column after column.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    pub(crate) shape: DenseShape,
    pub(crate) parts: Vec<Part>,
    per_column: usize,
    block: usize,
    first: bool,
}

impl Dense {
    /// Zero parameters, for the first layer or a later one.
    pub(crate) fn zeros(shape: DenseShape, first: bool) -> Dense {
        Dense::divided(shape, first, Division::Parts.parts(shape, first))
    }

    fn divided(shape: DenseShape, first: bool, per_column: usize) -> Dense {
        let block = block_width(shape.inputs, first);
        let blocks = shape.inputs.div_ceil(block);
        // Part `p` starts at a block; the blocks are dealt out evenly.
        let start = |p: usize| (p * blocks / per_column * block).min(shape.inputs);
        let mut parts = Vec::new();
        for (column, j) in (0..shape.units).step_by(PANEL_COLS).enumerate() {
            let cols = PANEL_COLS.min(shape.units - j);
            for p in 0..per_column {
                let (row0, end) = (start(p), start(p + 1));
                let owned = Owned::zeros(end - row0, cols);
                let bias = (p == 0).then(|| Owned::zeros(1, cols));
                parts.push(Part {
                    column,
                    row0,
                    owned,
                    bias,
                    finite: true,
                    far: false,
                    half: None,
                    kept: None,
                });
            }
        }
        Dense { shape, parts, per_column, block, first }
    }

    /// Zero biases and Glorot-uniform weights: uniform in `±√(6 / (inputs + units))` (X. Glorot,
    /// Y. Bengio, 2010), drawn input by input.
    pub(crate) fn glorot_uniform(shape: DenseShape, seed: u64, number: u64) -> Dense {
        let mut dense = Dense::zeros(shape, number == 0);
        let limit = (6.0 / (shape.inputs + shape.units) as f64).sqrt() as f32;
        let mut rng = Rng::new(seed, Purpose::Init, number);
        for i in 0..shape.inputs {
            for j in 0..shape.units {
                dense.set(i, j, (rng.uniform() * 2.0 - 1.0) * limit);
            }
        }
        dense.check();
        dense
    }

    /// Divides the columns into other parts. They do not change a weight, but squares of gradients are summed by them. Moments come
    /// along only into larger ones.
    pub(crate) fn divide(&mut self, by: Division) {
        let per_column = by.parts(self.shape, self.first);
        if per_column == self.per_column {
            return;
        }
        self.merge();
        if per_column == 1 {
            return;
        }
        let mut cut = Dense::divided(self.shape, self.first, per_column);
        for part in &mut cut.parts {
            let old = &mut self.parts[part.column];
            let lines = part.owned.w.lines_mut();
            let from = part.row0 * old.owned.w.vectors();
            lines.copy_from_slice(&old.owned.w.lines()[from..][..lines.len()]);
            part.bias = part.bias.is_some().then(|| old.bias.take()).flatten();
        }
        cut.check();
        *self = cut;
    }

    /// Puts each column into one part.
    fn merge(&mut self) {
        let per_column = std::mem::replace(&mut self.per_column, 1);
        let mut parts = std::mem::take(&mut self.parts).into_iter();
        while let Some(mut first) = parts.next() {
            for part in parts.by_ref().take(per_column - 1) {
                first.owned.append(&part.owned);
                first.finite &= part.finite;
            }
            self.parts.push(first);
        }
    }

    /// Whether all weights are finite.
    pub(crate) fn finite(&self) -> bool {
        self.parts.iter().all(|part| part.finite)
    }

    /// Finds out which weights are finite.
    pub(crate) fn check(&mut self) {
        self.parts.iter_mut().for_each(Part::check);
    }

    /// Blocks that the inputs are taken in.
    pub(crate) fn blocks(&self) -> usize {
        self.shape.inputs.div_ceil(self.block)
    }

    /// Block `k` of the inputs, given all of them.
    pub(crate) fn block<'x>(&self, x: View<'x>, k: usize) -> View<'x> {
        let from = k * self.block;
        x.cols_at(from, self.block.min(self.shape.inputs - from))
    }

    /// The inputs that part `p` of a column has the weights of, given all of them.
    pub(crate) fn part_of<'x>(&self, x: View<'x>, p: usize) -> View<'x> {
        x.cols_at(self.parts[p].row0, self.parts[p].owned.w.rows())
    }

    /// Whether it is one of a network that is more than a core's own cache holds.
    pub(crate) fn is_far(&self) -> bool {
        self.parts[0].far
    }

    /// Parts of a column.
    pub(crate) fn per_column(&self) -> usize {
        self.per_column
    }

    /// Panels of columns.
    pub(crate) fn columns(&self) -> usize {
        self.parts.len() / self.per_column
    }

    fn part(&self, i: usize, column: usize) -> usize {
        let parts = &self.parts[column * self.per_column..][..self.per_column];
        column * self.per_column + parts.partition_point(|p| p.row0 <= i) - 1
    }

    /// Weight from input `i` to output `j`.
    pub(crate) fn get(&self, i: usize, j: usize) -> f32 {
        let part = &self.parts[self.part(i, j / PANEL_COLS)];
        part.owned.w.get(i - part.row0, j % PANEL_COLS)
    }

    /// Sets the weight from input `i` to output `j`; call [`check`](Dense::check) when all are set.
    pub(crate) fn set(&mut self, i: usize, j: usize, value: f32) {
        let at = self.part(i, j / PANEL_COLS);
        let part = &mut self.parts[at];
        part.owned.w.set(i - part.row0, j % PANEL_COLS, value);
    }

    /// The biases.
    pub(crate) fn biases(&self) -> impl Iterator<Item = f32> + '_ {
        (0..self.shape.units).map(|j| self.bias(j / PANEL_COLS).w.get(0, j % PANEL_COLS))
    }

    fn bias(&self, column: usize) -> &Owned {
        bias(self.column(column))
    }

    /// The biases of one panel of columns.
    pub(crate) fn bias_lines(&self, column: usize) -> &[Line] {
        self.bias(column).w.lines()
    }

    /// The parts of one panel of columns.
    pub(crate) fn column(&self, column: usize) -> &[Part] {
        &self.parts[column * self.per_column..][..self.per_column]
    }

    /// Outputs of one panel of columns before the elementwise function, for a block of rows, into the vectors
    /// of `out` from `at` on.
    pub(crate) fn forward(
        &self,
        isa: Isa,
        column: usize,
        x: Blocks<'_, '_>,
        out: &mut Panel,
        at: usize,
    ) {
        let then = function(self.shape.activation).0;
        forward(self.column(column), then, isa, x, (out, at), None);
    }

    /// Outputs of all columns before the elementwise function, for one row; the weights are finite.
    pub(crate) fn forward_row(&self, isa: Isa, x: View<'_>, out: &mut Panel) {
        let (weights, biases) =
            (|p: usize| self.parts[p].owned.w.view(), |column: usize| self.bias(column).w.view());
        let weights = Blocks::new(self.parts.len(), &weights);
        let biases = Blocks::new(self.columns(), &biases);
        kernels::row_forward(isa, x, weights, biases, function(self.shape.activation).0, out);
    }

    /// The weights of up to 64 inputs, block `block` of them, to one panel of outputs.
    pub(crate) fn cell(&self, block: usize, column: usize) -> View<'_> {
        let i = block * PANEL_COLS;
        let part = &self.parts[self.part(i, column)];
        let count = PANEL_COLS.min(self.shape.inputs - i);
        part.owned.w.view().rows_at(i - part.row0, count)
    }
}

/// The biases of a column, of which these are the parts.
fn bias(parts: &[Part]) -> &Owned {
    let Some(bias) = &parts[0].bias else {
        unreachable!("the first part of a column holds its biases")
    };
    bias
}

/// Outputs of a column, of which these are the parts, into the vectors of a panel from one of them on, and what goes on meanwhile.
pub(crate) fn forward(
    parts: &[Part],
    then: Then,
    isa: Isa,
    x: Blocks<'_, '_>,
    (out, at): (&mut Panel, usize),
    loading: Option<&mut Loading<'_>>,
) {
    let (weights, bias) = (|p: usize| parts[p].owned.w.view(), bias(parts).w.lines());
    let weights = Blocks::new(parts.len(), &weights);
    match loading {
        None => kernels::dense_forward(isa, x, weights, bias, then, out, at),
        Some(loading) => {
            kernels::dense_forward_loading(isa, x, weights, (bias, then), (out, at), loading);
        }
    }
}
