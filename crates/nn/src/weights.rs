//! Copies of all weights and biases of a network, in the layout they are trained in.

use crate::layer::{Dense, Part};
use kernels::{Line, Owned, Panel};

/// A copy of all weights and biases: for each layer and part, the lines of both.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weights(pub(crate) Vec<Vec<Vec<Line>>>);

/// The panels' lines of a part: weights, then biases.
pub(crate) fn lines(part: &Part) -> impl Iterator<Item = &[Line]> {
    let owned: [Option<&Owned>; 2] = [Some(&part.owned), part.bias.as_ref()];
    owned.into_iter().flatten().map(|owned| owned.w.lines())
}

impl Weights {
    /// A copy of the layers'.
    pub(crate) fn of(layers: &[Dense]) -> Weights {
        let part = |part: &Part| lines(part).flatten().copied().collect();
        Weights(layers.iter().map(|layer| layer.parts.iter().map(part).collect()).collect())
    }

    /// Becomes a copy of the layers', in the memory it has.
    pub(crate) fn copy(&mut self, layers: &[Dense]) {
        for (layer, copies) in layers.iter().zip(&mut self.0) {
            for (part, copy) in layer.parts.iter().zip(copies) {
                let mut to = &mut copy[..];
                for from in lines(part) {
                    let (here, rest) = to.split_at_mut(from.len());
                    here.copy_from_slice(from);
                    to = rest;
                }
            }
        }
    }

    /// Gives the layers these weights, and takes theirs.
    pub(crate) fn swap(&mut self, layers: &mut [Dense]) {
        self.swap_with(layers, |owned| &mut owned.w);
        layers.iter_mut().for_each(Dense::check);
    }

    /// Exchanges these numbers with those that `pick` picks.
    pub(crate) fn swap_with(&mut self, layers: &mut [Dense], pick: fn(&mut Owned) -> &mut Panel) {
        for (layer, copies) in layers.iter_mut().zip(&mut self.0) {
            for (part, copy) in layer.parts.iter_mut().zip(copies) {
                let (weights, biases) = copy.split_at_mut(part.owned.w.lines().len());
                pick(&mut part.owned).lines_mut().swap_with_slice(weights);
                if let Some(bias) = &mut part.bias {
                    pick(bias).lines_mut().swap_with_slice(biases);
                }
            }
        }
    }
}

/// Whether all weights and biases are finite.
pub(crate) fn finite(layers: &[Dense]) -> bool {
    // A sum of zeros is zero unless one of them was made of something else; unlike a search that may end
    // early, the compiler makes vectors of it.
    let finite = |lines: &[Line]| Line::flat(lines).iter().fold(0.0, |sum, w| sum + w * 0.0) == 0.0;
    layers.iter().flat_map(|layer| &layer.parts).flat_map(lines).all(finite)
}
