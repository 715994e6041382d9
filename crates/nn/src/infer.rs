//! Prediction and evaluation: whole networks over chunks of rows, chunks shared out to the threads.

use crate::behind::function;
use crate::data::{Inputs, Labels};
use crate::engine::Engine;
use crate::error::Error;
use crate::layer::block_width;
use crate::model::Model;
use crate::order::{look_of, sort};
use crate::own::load_row;
use kernels::{
    Blocks, Isa, LANES, Line, PANEL_COLS, Panel, RowLoss, Zeros, list_zeros, mark_zeros,
};

/// Rows that pass through the network together.
const CHUNK: usize = PANEL_COLS;

/// Fewer rows than this wait for the weights rather than for the arithmetic.
const FEW: usize = 4;

/// How well a network does on labelled examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy, in nats.
    pub loss: f64,
    /// Share of the examples classified right.
    pub accuracy: f64,
    /// Examples classified right.
    pub correct: usize,
    /// Examples.
    pub count: usize,
}

/// The examples of a chunk.
struct Chosen<'c> {
    inputs: Inputs<'c>,
    rows: usize,
    /// The example of each row.
    at: &'c dyn Fn(usize) -> usize,
}

/// Activations of a chunk of rows.
#[derive(Debug)]
pub(crate) struct Scratch {
    layers: Vec<Panel>,
    /// Where the inputs are zero, if there is room for more than a few rows.
    zeros: Option<Zeros>,
    logits: Panel,
    labels: [u16; CHUNK],
    losses: [RowLoss; CHUNK],
    /// Which of the rows of the chunk each row here is: those that look alike stand together, as in training.
    order: [u32; CHUNK],
    /// What they are sorted by.
    keys: Vec<u64>,
}

impl Scratch {
    fn new(model: &Model, rows: usize) -> Scratch {
        let widths = model.layers.iter().map(|d| d.shape.inputs);
        let layers = widths.map(|w| Panel::zeros(rows, w)).collect();
        let features = model.architecture.features();
        let zeros = || Zeros::of_rows(rows, features, block_width(features, true));
        let zeros = (rows >= FEW).then(zeros);
        let logits = Panel::zeros(rows, model.architecture.classes());
        let (labels, losses, order) = ([0; CHUNK], [RowLoss::default(); CHUNK], [0; CHUNK]);
        Scratch { layers, zeros, logits, labels, losses, order, keys: Vec::new() }
    }

    /// Whether it will do for this network and so many rows.
    fn fits(&self, model: &Model, rows: usize) -> bool {
        let widths = model.layers.iter().map(|d| d.shape.inputs);
        let same = widths.eq(self.layers.iter().map(Panel::cols));
        same && self.logits.cols() == model.architecture.classes() && self.logits.rows() >= rows
    }
}

/// A run of rows that one task takes care of, and where its results go.
struct Slot<'o, T> {
    from: usize,
    out: &'o mut [T],
    scratch: &'o mut Scratch,
}

impl Model {
    /// Probabilities of the classes for every example, row-major `[examples, classes]`.
    ///
    /// An example's row does not depend on the other examples: one by one gives the same bits.
    ///
    /// # Errors
    /// [`Error::Input`] if the examples do not fit the network.
    pub fn predict(&self, engine: &mut Engine, inputs: Inputs<'_>) -> Result<Vec<f32>, Error> {
        self.check_inputs(inputs)?;
        let classes = self.architecture.classes();
        let mut out = vec![0.0; inputs.len() * classes];
        let isa = engine.isa;
        self.chunks(engine, classes, &mut out, |from, out, scratch| {
            let rows = out.len() / classes;
            self.logits(isa, Chosen { inputs, rows, at: &|i| from + i }, scratch);
            kernels::softmax_panel(isa, &mut scratch.logits, rows);
            for (i, to) in scratch.order[..rows].iter().enumerate() {
                let row = &Line::flat(scratch.logits.row(i))[..classes];
                out[*to as usize * classes..][..classes].copy_from_slice(row);
            }
        });
        Ok(out)
    }

    /// Loss and accuracy over labelled examples; both are 0 if there are none.
    ///
    /// # Errors
    /// [`Error::Input`] if the examples do not fit the network, or the labels the examples; [`Error::Setting`] if the labels have
    /// class weights that a training would refuse.
    pub fn evaluate<'l>(
        &self,
        engine: &mut Engine,
        inputs: Inputs<'_>,
        labels: impl Into<Labels<'l>>,
    ) -> Result<Evaluation, Error> {
        let labels = labels.into();
        self.check_labelled(inputs, labels)?;
        Ok(self.evaluate_rows(engine, inputs, labels, None))
    }

    /// Loss and accuracy over those examples whose numbers are `rows`, or all.
    pub(crate) fn evaluate_rows(
        &self,
        engine: &mut Engine,
        inputs: Inputs<'_>,
        labels: Labels<'_>,
        rows: Option<&[u32]>,
    ) -> Evaluation {
        let row = |i: usize| rows.map_or(i, |rows| rows[i] as usize);
        let mut rows = vec![RowLoss::default(); rows.map_or(inputs.len(), <[u32]>::len)];
        let isa = engine.isa;
        self.chunks(engine, 1, &mut rows, |from, out, scratch| {
            let chosen = Chosen { inputs, rows: out.len(), at: &|i| row(from + i) };
            self.logits(isa, chosen, scratch);
            let Scratch { logits, labels: near, losses, order, .. } = scratch;
            let (near, losses) = (&mut near[..out.len()], &mut losses[..out.len()]);
            for (label, i) in near.iter_mut().zip(&*order) {
                *label = labels.get(row(from + *i as usize));
            }
            kernels::softmax_cross_entropy(isa, logits, near, 1.0, losses);
            losses.iter().zip(order).for_each(|(loss, i)| out[*i as usize] = *loss);
        });
        let count = rows.len();
        let correct = rows.iter().filter(|r| r.correct).count();
        let mean = |sum: f64| if count == 0 { 0.0 } else { sum / count as f64 };
        let loss = mean(rows.iter().map(|r| r.loss).sum());
        Evaluation { loss, accuracy: mean(correct as f64), correct, count }
    }

    /// Runs `f(first row, results, scratch)` over all chunks of rows; a row has `width` results.
    fn chunks<T: Send>(
        &self,
        engine: &mut Engine,
        width: usize,
        out: &mut [T],
        f: impl Fn(usize, &mut [T], &mut Scratch) + Sync,
    ) {
        let rows = out.len() / width;
        // A few slots for each thread let fast ones take over from slow ones.
        let slots = rows.div_ceil(CHUNK).min(4 * engine.threads()).max(1);
        let share = rows.div_ceil(slots).next_multiple_of(CHUNK).max(1);
        let (Engine { team, scratch, .. }, most) = (engine, CHUNK.min(rows));
        scratch.retain(|scratch| scratch.fits(self, most));
        scratch.resize_with(slots.max(scratch.len()), || Scratch::new(self, most));
        let slot = |((i, out), scratch)| Slot { from: i * share, out, scratch };
        let runs = out.chunks_mut(share * width).enumerate().zip(scratch);
        let mut slots: Vec<_> = runs.map(slot).collect();
        team.for_each_mut(&mut slots, |_, slot| {
            for (i, out) in slot.out.chunks_mut(CHUNK * width).enumerate() {
                f(slot.from + i * CHUNK, out, slot.scratch);
            }
        });
    }

    /// Logits of a chunk of rows, in the order that the scratch memory then has.
    fn logits(&self, isa: Isa, chosen: Chosen<'_>, scratch: &mut Scratch) {
        let Chosen { inputs, rows, at } = chosen;
        // Two or three rows wait for the weights, whatever is skipped.
        let mut zeros = scratch.zeros.as_mut().filter(|_| rows >= FEW && self.layers[0].finite());
        let order = &mut scratch.order[..rows];
        order.iter_mut().zip(0..).for_each(|(place, i)| *place = i);
        if zeros.is_some() {
            sort(order, |i| look_of(inputs, at(i as usize)), &mut scratch.keys);
        }
        for (i, from) in order.iter().enumerate() {
            load_row(isa, inputs.row(at(*from as usize)), &mut scratch.layers[0], i);
            if let Some(zeros) = &mut zeros {
                mark_zeros(isa, &scratch.layers[0], i, zeros);
            }
        }
        let zeros = zeros.map(|zeros| {
            list_zeros(isa, rows, zeros);
            &*zeros
        });
        for (l, layer) in self.layers.iter().enumerate() {
            let (below, above) = scratch.layers.split_at_mut(l + 1);
            let input = below[l].view().rows_at(0, rows);
            let out = above.first_mut().unwrap_or(&mut scratch.logits);
            if rows == 1 && layer.finite() {
                layer.forward_row(isa, input, out);
            } else {
                let x = |k: usize| match zeros {
                    Some(zeros) if l == 0 => zeros.block(input, k),
                    _ if rows < FEW => layer.part_of(input, k),
                    _ => layer.block(input, k),
                };
                // Few rows leave nothing to reuse in a cache: the larger the block the better.
                let blocks = if rows < FEW { layer.per_column() } else { layer.blocks() };
                for column in 0..layer.columns() {
                    let at = column * (PANEL_COLS / LANES);
                    layer.forward(isa, column, Blocks::new(blocks, &x), out, at);
                }
            }
            if let (_, Some(f)) = function(layer.shape.activation) {
                let (cols, used) = (out.cols(), rows * out.vectors());
                kernels::activate(isa, f, cols, &mut out.lines_mut()[..used], &mut []);
            }
        }
    }
}
