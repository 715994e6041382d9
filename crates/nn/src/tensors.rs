//! Parameters as plain tensors, for files: the same whatever the layout they are trained in.

use crate::architecture::Architecture;
use crate::error::Error;
use crate::layer::{Dense, Part};
use crate::model::Model;
use crate::weights::Weights;
use kernels::{LANES, Line, Owned, PANEL_COLS, Panel};

/// Weights `[units, inputs]` and biases `[units]` of every dense layer, or numbers that go with them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensors(pub(crate) Vec<[Vec<f32>; 2]>);

/// One of the panels of a part: its weights or one of the moments.
type Pick = fn(&Owned) -> &Panel;

impl Tensors {
    /// Those of the layers that `pick` picks.
    pub(crate) fn of(layers: &[Dense], pick: Pick) -> Tensors {
        let layer = |layer: &Dense| {
            plain(layer, |p| {
                let part = &layer.parts[p];
                let biases = part.bias.as_ref().map_or(&[][..], |bias| pick(bias).lines());
                (pick(&part.owned).lines(), biases)
            })
        };
        Tensors(layers.iter().map(layer).collect())
    }

    /// Those of a copy of the layers' weights.
    pub(crate) fn of_copy(layers: &[Dense], weights: &Weights) -> Tensors {
        let layer = |(layer, copies): (&Dense, &Vec<Vec<Line>>)| {
            plain(layer, |p| copies[p].split_at(layer.parts[p].owned.w.lines().len()))
        };
        Tensors(layers.iter().zip(&weights.0).map(layer).collect())
    }

    /// In the layout of these layers, whose shapes they have.
    pub(crate) fn copy(&self, layers: &[Dense]) -> Weights {
        let part = |layer: &Dense, part: &Part, [weights, biases]: &[Vec<f32>; 2]| {
            let (owned, inputs) = (&part.owned.w, layer.shape.inputs);
            let (from, cols) = (part.column * PANEL_COLS, owned.cols());
            let mut copy = vec![Line::ZERO; owned.lines().len()];
            for (r, row) in copy.chunks_mut(owned.vectors()).enumerate() {
                let at = |c: usize| weights[(from + c) * inputs + part.row0 + r];
                Line::flat_mut(row)[..cols].iter_mut().enumerate().for_each(|(c, x)| *x = at(c));
            }
            if part.bias.is_some() {
                let mut row = vec![Line::ZERO; cols.div_ceil(LANES)];
                Line::flat_mut(&mut row)[..cols].copy_from_slice(&biases[from..from + cols]);
                copy.extend(row);
            }
            copy
        };
        let layer = |(layer, tensors): (&Dense, &[Vec<f32>; 2])| {
            layer.parts.iter().map(|p| part(layer, p, tensors)).collect()
        };
        Weights(layers.iter().zip(&self.0).map(layer).collect())
    }

    /// The network with these weights.
    pub(crate) fn model(&self, architecture: &Architecture) -> Result<Model, Error> {
        let mut model = Model::zeros(architecture.clone())?;
        self.copy(&model.layers).swap(&mut model.layers);
        Ok(model)
    }
}

/// A layer's parts put together, given the lines of weights and biases of each.
fn plain<'l>(layer: &Dense, lines: impl Fn(usize) -> (&'l [Line], &'l [Line])) -> [Vec<f32>; 2] {
    let (inputs, units) = (layer.shape.inputs, layer.shape.units);
    let (mut weights, mut biases) = (vec![0.0; inputs * units], Vec::with_capacity(units));
    for (p, part) in layer.parts.iter().enumerate() {
        let (w, b) = lines(p);
        let (from, cols) = (part.column * PANEL_COLS, part.owned.w.cols());
        for (r, row) in w.chunks(part.owned.w.vectors()).enumerate() {
            for (c, x) in Line::flat(row)[..cols].iter().enumerate() {
                weights[(from + c) * inputs + part.row0 + r] = *x;
            }
        }
        biases.extend_from_slice(&Line::flat(b)[..if b.is_empty() { 0 } else { cols }]);
    }
    [weights, biases]
}
