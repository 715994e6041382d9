//! The dense layer on panels equals its twin on row-major matrices bit for bit, however the batch is cut
//! into blocks of rows and the weights into owned parts.

#[path = "../common/mod.rs"]
mod common;
mod loading;
mod refused;
mod stretches;
mod updates;

use common::{Gen, POISON, assert_bits, assert_padding_is_zero, isas, panel_of, poisoned, refused};
use kernels::twin::Twin;
use kernels::*;
use std::ops::Range;

const BATCHES: [usize; 7] = [1, 2, 16, 17, 32, 50, 64];
const INPUTS: [usize; 6] = [1, 10, 64, 65, 100, 784];
const OUTPUTS: [usize; 7] = [1, 10, 16, 63, 64, 65, 128];

/// A layer and a batch, row-major.
struct Layer {
    shape: (usize, usize, usize),
    x: Vec<f32>,
    w: Vec<f32>,
    m: Vec<f32>,
    v: Vec<f32>,
    bias: Vec<f32>,
    dz: Vec<f32>,
}

impl Layer {
    fn new(batch: usize, inputs: usize, outputs: usize) -> Layer {
        let mut g = Gen::new((batch * 7919 + inputs * 131 + outputs) as u64);
        let mut x = g.floats(batch * inputs);
        // As in pictures and after a ReLU, much is zero.
        x.iter_mut().filter(|x| **x < -0.3).for_each(|x| *x = 0.0);
        Layer {
            shape: (batch, inputs, outputs),
            x,
            w: g.floats(inputs * outputs),
            m: g.floats(inputs * outputs),
            v: g.floats(inputs * outputs).iter().map(|v| v * v).collect(),
            bias: g.floats(outputs),
            dz: g.floats(batch * outputs),
        }
    }
}

/// How work is cut: rows of a block of the batch, rows of the owned parts of the weights, and whether the
/// inputs lie in panels of 64 columns or in whole rows.
#[derive(Clone, Debug)]
struct Cut {
    block: usize,
    parts: Vec<Range<usize>>,
    whole_rows: bool,
}

impl Cut {
    /// In one piece; as finely as possible; and unevenly.
    fn all(batch: usize, inputs: usize) -> [Cut; 3] {
        let cut = |block: usize, sizes: &[usize], whole_rows| {
            let (mut parts, mut from, mut sizes) = (Vec::new(), 0, sizes.iter().cycle());
            while from < inputs {
                let to = inputs.min(from + sizes.next().map_or(usize::MAX, |s| s * PANEL_COLS));
                parts.push(from..to);
                from = to;
            }
            Cut { block, parts, whole_rows }
        };
        [cut(batch, &[1 << 20], true), cut(16, &[1], false), cut(24, &[2, 1, 3], true)]
    }

    /// Blocks of the batch: row ranges. The last one may be partial.
    fn blocks(&self, batch: usize) -> Vec<Range<usize>> {
        (0..batch).step_by(self.block).map(|i| i..batch.min(i + self.block)).collect()
    }
}

/// Columns `cols` of some rows of a row-major matrix with `width` columns.
fn cut_out(from: &[f32], width: usize, rows: &Range<usize>, cols: &Range<usize>) -> Panel {
    let part: Vec<f32> =
        rows.clone().flat_map(|i| from[i * width..][cols.clone()].to_vec()).collect();
    panel_of(rows.len(), cols.len(), &part)
}

/// The columns of each panel of a matrix.
fn panels(cols: usize) -> Vec<Range<usize>> {
    (0..cols).step_by(PANEL_COLS).map(|j| j..cols.min(j + PANEL_COLS)).collect()
}

/// One block of rows as panels that have room for `capacity` rows; what is not used is poison, except
/// for the padding.
fn block_of(from: &[f32], width: usize, rows: &Range<usize>, capacity: usize) -> Vec<Panel> {
    let fill = |cols: &Range<usize>| {
        let used = cut_out(from, width, rows, cols);
        let mut panel = panel_of(capacity, cols.len(), &vec![POISON; capacity * cols.len()]);
        for i in 0..rows.len() {
            panel.row_mut(i).copy_from_slice(used.row(i));
        }
        panel
    };
    panels(width).iter().map(fill).collect()
}

/// One block of rows of the inputs.
struct Inputs {
    panels: Vec<Panel>,
    rows: usize,
}

impl Inputs {
    fn of(layer: &Layer, rows: &Range<usize>, cut: &Cut) -> Inputs {
        let inputs = layer.shape.1;
        let mut panels = block_of(&layer.x, inputs, rows, cut.block);
        if cut.whole_rows {
            let mut whole = Panel::zeros(cut.block, inputs);
            for i in 0..cut.block {
                let lines = panels.iter().flat_map(|panel| panel.row(i));
                whole.row_mut(i).iter_mut().zip(lines).for_each(|(to, from)| *to = *from);
            }
            panels = vec![whole];
        }
        Inputs { panels, rows: rows.len() }
    }

    /// The `k`th view of the inputs of a part.
    fn view(&self, cut: &Cut, part: &Range<usize>, k: usize) -> View<'_> {
        if cut.whole_rows {
            self.panels[0].view().rows_at(0, self.rows).cols_at(part.start, part.len())
        } else {
            self.panels[part.start / PANEL_COLS + k].view().rows_at(0, self.rows)
        }
    }
}

impl Cut {
    /// Views that the inputs of a part come in.
    fn views(&self, part: &Range<usize>) -> usize {
        if self.whole_rows { 1 } else { part.len().div_ceil(PANEL_COLS) }
    }
}

/// Panel by panel and part by part: what the workers own.
fn owned(layer: &Layer, cut: &Cut) -> Vec<Vec<Owned>> {
    let (_, _, outputs) = layer.shape;
    let part = |rows: &Range<usize>, cols: &Range<usize>| Owned {
        w: cut_out(&layer.w, outputs, rows, cols),
        m: cut_out(&layer.m, outputs, rows, cols),
        v: cut_out(&layer.v, outputs, rows, cols),
    };
    panels(outputs)
        .iter()
        .map(|cols| cut.parts.iter().map(|rows| part(rows, cols)).collect())
        .collect()
}

/// The matrix whose columns are cut into `parts[panel]`, whose rows into the parts of a panel.
fn joined(parts: &[Vec<Owned>], which: impl Fn(&Owned) -> &Panel) -> Vec<f32> {
    let mut out = Vec::new();
    for p in 0..parts[0].len() {
        for i in 0..which(&parts[0][p]).rows() {
            for column in parts {
                let panel = which(&column[p]);
                out.extend_from_slice(&Line::flat(panel.row(i))[..panel.cols()]);
            }
        }
    }
    out
}

/// The forward pass into one wide panel a block, as the output layer does it, or into panels of 64.
fn forward(isa: Isa, layer: &Layer, then: Then, cut: &Cut, wide: bool) -> Vec<f32> {
    let (batch, _, outputs) = layer.shape;
    let parts = owned(layer, cut);
    let mut h = vec![0.0; batch * outputs];
    for rows in cut.blocks(batch) {
        let x = Inputs::of(layer, &rows, cut);
        // Part after part, view after view.
        let views: Vec<View<'_>> = cut
            .parts
            .iter()
            .flat_map(|part| (0..cut.views(part)).map(move |k| (part, k)))
            .map(|(part, k)| x.view(cut, part, k))
            .collect();
        let x = |k: usize| views[k];
        let mut logits = panel_of(cut.block, outputs, &vec![POISON; cut.block * outputs]);
        for (q, cols) in panels(outputs).iter().enumerate() {
            let bias = panel_of(1, cols.len(), &layer.bias[cols.clone()]);
            let w = |p: usize| parts[q][p].w.view();
            let (x, w) = (Blocks::new(views.len(), &x), Blocks::new(cut.parts.len(), &w));
            let mut own = panel_of(cut.block, cols.len(), &vec![POISON; cut.block * cols.len()]);
            let (out, at) = if wide { (&mut logits, cols.start / LANES) } else { (&mut own, 0) };
            dense_forward(isa, x, w, bias.lines(), then, out, at);
            assert_padding_is_zero(out, format_args!("{:?} {cut:?} on {isa}", layer.shape));
            for i in 0..cut.block {
                let row = &Line::flat(out.row(i))[at * LANES..][..cols.len()];
                match rows.clone().nth(i) {
                    Some(i) => h[i * outputs..][cols.clone()].copy_from_slice(row),
                    None => assert!(poisoned(row), "a row behind the block was written"),
                }
            }
        }
    }
    h
}

/// Makes a gate of lines.
type OfLines = fn(&[Line]) -> Gate<'_>;

/// Gradient of the inputs. Rows that the batch does not fill are zero.
fn backward_input(isa: Isa, layer: &Layer, gate: OfLines, cut: &Cut) -> Vec<f32> {
    let (batch, inputs, outputs) = layer.shape;
    let parts = owned(layer, cut);
    let mut dx = vec![0.0; batch * inputs];
    for rows in cut.blocks(batch) {
        let dz_t: Vec<Panel> = panels(outputs)
            .iter()
            .map(|cols| {
                let mut padded = vec![0.0; cut.block * cols.len()];
                for (i, row) in rows.clone().enumerate() {
                    let row = &layer.dz[row * outputs..][cols.clone()];
                    padded[i * cols.len()..][..cols.len()].copy_from_slice(row);
                }
                let mut t = Panel::zeros(cols.len(), cut.block);
                transpose(isa, &panel_of(cut.block, cols.len(), &padded), &mut t);
                t
            })
            .collect();
        for cols in panels(inputs) {
            let h = &block_of(&layer.x, inputs, &rows, cut.block)[cols.start / PANEL_COLS];
            let mut out = Panel::zeros(cut.block, cols.len());
            let mut room = Panel::zeros(cols.len(), cut.block);
            let (p, part) = cut
                .parts
                .iter()
                .enumerate()
                .find(|(_, part)| part.contains(&cols.start))
                .expect("a part has these inputs");
            let w = |q: usize| parts[q][p].w.view().rows_at(cols.start - part.start, cols.len());
            let dz_t = |q: usize| dz_t[q].view();
            let count = panels(outputs).len();
            let (w, dz_t) = (Blocks::new(count, &w), Blocks::new(count, &dz_t));
            dense_backward_input(isa, w, dz_t, gate(h.lines()), &mut out, &mut room);
            let what = format_args!("{:?} {cut:?} on {isa}", layer.shape);
            assert_padding_is_zero(&out, what);
            for (i, row) in rows.clone().enumerate() {
                for (j, col) in cols.clone().enumerate() {
                    dx[row * inputs + col] = out.get(i, j);
                }
            }
        }
    }
    dx
}

/// An optimiser's step on weights: `(w, m, v)` after it.
fn update(isa: Isa, layer: &Layer, cut: &Cut, step: Step) -> [Vec<f32>; 3] {
    let (batch, _, outputs) = layer.shape;
    let mut parts = owned(layer, cut);
    let rows = cut.blocks(batch);
    let x: Vec<_> = rows.iter().map(|r| Inputs::of(layer, r, cut)).collect();
    let dz: Vec<_> = rows.iter().map(|r| block_of(&layer.dz, outputs, r, cut.block)).collect();
    for (q, column) in parts.iter_mut().enumerate() {
        for (owned, part) in column.iter_mut().zip(&cut.parts) {
            let x = |at: usize| x[at % rows.len()].view(cut, part, at / rows.len());
            let dz = |b: usize| dz[b][q].view().rows_at(0, rows[b].len());
            let x = Blocks::new(cut.views(part) * rows.len(), &x);
            let dz = Blocks::new(rows.len(), &dz);
            if cut.whole_rows {
                dense_update(isa, x, dz, owned, step);
            } else {
                dense_update_far(isa, x, dz, owned, step);
            }
            for panel in [&owned.w, &owned.m, &owned.v] {
                assert_padding_is_zero(panel, format_args!("{:?} {cut:?} on {isa}", layer.shape));
            }
        }
    }
    [joined(&parts, |o| &o.w), joined(&parts, |o| &o.m), joined(&parts, |o| &o.v)]
}

/// Runs a check for every shape on every ISA.
fn for_every_shape(check: impl Fn(Isa, &Layer)) {
    for batch in BATCHES {
        for inputs in INPUTS {
            for outputs in OUTPUTS {
                let layer = Layer::new(batch, inputs, outputs);
                isas().into_iter().for_each(|isa| check(isa, &layer));
            }
        }
    }
    // More panels than one list of operands holds, and as many blocks as it does.
    for (batch, inputs, outputs) in [(3, 1100, 20), (5, 20, 1100), (16 * MOST_BLOCKS, 70, 70)] {
        let layer = Layer::new(batch, inputs, outputs);
        isas().into_iter().for_each(|isa| check(isa, &layer));
    }
}

#[test]
fn forward_equals_its_twin() {
    for_every_shape(|isa, layer| {
        let (batch, inputs, _) = layer.shape;
        let (twin, then) = (Twin::of(isa), [Then::Relu, Then::Linear][batch % 2]);
        let want = twin.dense_forward(layer.shape, &layer.x, &layer.w, &layer.bias, then);
        for (i, cut) in Cut::all(batch, inputs).iter().enumerate() {
            let got = forward(isa, layer, then, cut, i % 2 == 0);
            let what = format_args!("{:?} {then:?}, {cut:?}, on {isa}", layer.shape);
            assert_bits(&got, &want, what);
        }
    });
}

#[test]
fn the_gradient_of_the_input_equals_its_twin() {
    for_every_shape(|isa, layer| {
        let (batch, inputs, _) = layer.shape;
        let twin = Twin::of(isa);
        let gates: [(OfLines, Gate<'_, f32>); 3] = [
            (|_| Gate::Open, Gate::Open),
            (|h| Gate::Relu(h), Gate::Relu(&layer.x)),
            (|h| Gate::Slopes(h), Gate::Slopes(&layer.x)),
        ];
        let (of_lines, gate) = gates[(batch + inputs + layer.shape.2) % 3];
        let want = twin.dense_backward_input(layer.shape, &layer.w, &layer.dz, gate);
        for cut in Cut::all(batch, inputs) {
            let what = format_args!("{:?}, {cut:?}, on {isa}", layer.shape);
            assert_bits(&backward_input(isa, layer, of_lines, &cut), &want, what);
        }
    });
}

/// A batch of one gives the same bits as the same row in a large batch.
#[test]
fn a_row_does_not_depend_on_its_batch() {
    for isa in isas() {
        let layer = Layer::new(50, 100, 65);
        let [whole, ..] = Cut::all(50, 100);
        let all = forward(isa, &layer, Then::Linear, &whole, true);
        for i in [0, 7, 49] {
            let mut one = Layer::new(1, 100, 65);
            one.x = layer.x[i * 100..][..100].to_vec();
            (one.w, one.bias) = (layer.w.clone(), layer.bias.clone());
            let [cut, ..] = Cut::all(1, 100);
            let got = forward(isa, &one, Then::Linear, &cut, true);
            assert_bits(&got, &all[i * 65..][..65], format_args!("row {i} alone on {isa}"));
        }
    }
}

/// A product that rounds to a negative zero leaves no trace: skipping it would give the same bits.
#[test]
fn logits_have_no_negative_zero() {
    for isa in isas() {
        let mut layer = Layer::new(3, 10, 20);
        layer.x.fill(1e-30);
        layer.w.fill(-1e-30);
        layer.bias.fill(-0.0);
        let [cut, ..] = Cut::all(3, 10);
        for then in [Then::Linear, Then::Relu] {
            let h = forward(isa, &layer, then, &cut, true);
            assert!(h.iter().all(|h| h.to_bits() == 0), "{then:?} on {isa}");
        }
    }
}

/// Gradients in the denormal range, moments that decay into it: equal to the twin there too.
#[test]
fn tiny_numbers_equal_the_twin() {
    for isa in isas() {
        for scale in [1e-12_f32, 1e-15, 1e-18, 1e-30, 1e-38] {
            let mut layer = Layer::new(17, 65, 33);
            layer.dz.iter_mut().for_each(|d| *d *= scale);
            layer.m.iter_mut().for_each(|m| *m *= scale * scale);
            layer.v.iter_mut().for_each(|v| *v *= scale * scale);
            let (twin, cut) = (Twin::of(isa), &Cut::all(17, 65)[1]);
            let what = format_args!("gradients of {scale:e} on {isa}");

            let step = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 9);
            let g = twin.dense_gradient(layer.shape, &layer.x, &layer.dz);
            let (mut w, mut m, mut v) = (layer.w.clone(), layer.m.clone(), layer.v.clone());
            twin.adam_step(&step, &g, (&mut w, &mut m, &mut v));
            for (got, want) in update(isa, &layer, cut, step.into()).iter().zip([&w, &m, &v]) {
                assert_bits(got, want, what);
            }
            let relu = Gate::Relu(&layer.x[..]);
            let want = twin.dense_backward_input(layer.shape, &layer.w, &layer.dz, relu);
            assert_bits(&backward_input(isa, &layer, |h| Gate::Relu(h), cut), &want, what);
        }
    }
}
