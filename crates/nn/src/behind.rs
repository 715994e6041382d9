//! What stands behind the product of a hidden layer in training: its function, dropout, and the slopes that
//! the gradient will need of both.

use crate::architecture::{Activation, DenseShape};
use crate::rng::{Purpose, Rng};
use kernels::{Elementwise, Gate, Isa, LANES, Line, PANEL_COLS, Panel, Then};

/// The elementwise function of an activation, and what the product's ending can do of it by itself.
pub(crate) fn function(activation: Activation) -> (Then, Option<Elementwise>) {
    match activation {
        Activation::Linear | Activation::Softmax => (Then::Linear, None),
        Activation::Relu => (Then::Relu, None),
        Activation::LeakyRelu => (Then::Linear, Some(Elementwise::LeakyRelu)),
        Activation::Gelu => (Then::Linear, Some(Elementwise::Gelu)),
        Activation::Tanh => (Then::Linear, Some(Elementwise::Tanh)),
        Activation::Sigmoid => (Then::Linear, Some(Elementwise::Sigmoid)),
    }
}

/// Which outputs of a layer: rows of a batch from `row` on, and a panel of columns from `col` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The step that the batch belongs to, counted from 1 over all epochs.
    pub(crate) step: u64,
    pub(crate) row: usize,
    pub(crate) rows: usize,
    pub(crate) col: usize,
}

/// What stands behind a hidden layer's product.
///
/// ReLU alone is part of the product's ending and its outputs tell its slopes. Of everything else slopes are
/// kept: a panel of outputs then has as many rows again, with the slope of each.
#[derive(Clone, Debug)]
pub(crate) struct Behind {
    then: Then,
    function: Option<Elementwise>,
    dropout: Option<Dropout>,
}

impl Behind {
    /// Of hidden layer `layer`, counted from 0.
    pub(crate) fn new(shape: &DenseShape, seed: u64, layer: u64) -> Behind {
        let dropout = (shape.dropout > 0.0).then(|| Dropout::new(shape, seed, layer));
        let (then, function) = function(shape.activation);
        match (then, &dropout) {
            // Dropout needs slopes, so ReLU is a function like others.
            (Then::Relu, Some(_)) => {
                Behind { then: Then::Linear, function: Some(Elementwise::Relu), dropout }
            }
            _ => Behind { then, function, dropout },
        }
    }

    /// What the product's ending does.
    pub(crate) fn then(&self) -> Then {
        self.then
    }

    /// Whether slopes are kept beside the outputs.
    pub(crate) fn keeps_slopes(&self) -> bool {
        self.function.is_some() || self.dropout.is_some()
    }

    /// Makes outputs and slopes of what the product has left.
    pub(crate) fn finish(&self, isa: Isa, out: &mut Panel, place: Place) {
        if !self.keeps_slopes() {
            return;
        }
        let (cols, used) = (out.cols(), place.rows * out.vectors());
        let half = out.lines().len() / 2;
        let (h, slopes) = out.lines_mut().split_at_mut(half);
        let (h, slopes) = (&mut h[..used], &mut slopes[..used]);
        match self.function {
            Some(f) => kernels::activate(isa, f, cols, h, slopes),
            None => slopes.fill(Line([1.0; LANES])),
        }
        if let Some(dropout) = &self.dropout {
            dropout.apply(cols, h, slopes, place);
        }
    }

    /// What the gradient passes on its way through, given the outputs.
    pub(crate) fn gate<'h>(&self, out: &'h Panel) -> Gate<'h> {
        match self.then {
            _ if self.keeps_slopes() => Gate::Slopes(&out.lines()[out.lines().len() / 2..]),
            Then::Relu => Gate::Relu(out.lines()),
            Then::Linear => Gate::Open,
        }
    }
}

/// Inverted dropout: an output is zero with probability `rate`, else `1 / (1 - rate)` times itself.
///
/// Whether it is depends on the seed, the step, the layer, the row of the batch and the unit, and on nothing
/// else: word `row · units + unit` of stream `step` of the layer's generator is below `rate · 2^32`.
#[derive(Clone, Debug)]
struct Dropout {
    rng: Rng,
    units: usize,
    below: u32,
    scale: f32,
}

impl Dropout {
    fn new(shape: &DenseShape, seed: u64, layer: u64) -> Dropout {
        Dropout {
            rng: Rng::new(seed, Purpose::Dropout, layer),
            units: shape.units,
            below: (shape.dropout * 4_294_967_296.0).round() as u32,
            scale: (1.0 / (1.0 - shape.dropout)) as f32,
        }
    }

    /// Multiplies outputs and slopes of `cols` columns by zero or the scale.
    fn apply(&self, cols: usize, h: &mut [Line], slopes: &mut [Line], place: Place) {
        let Place { step, row, rows, col } = place;
        let (mut rng, mut words) = (self.rng.clone(), [0; PANEL_COLS]);
        let vectors = cols.div_ceil(LANES);
        for i in 0..rows {
            rng.words(step, ((row + i) * self.units + col) as u64, &mut words[..cols]);
            let h = Line::flat_mut(&mut h[i * vectors..][..vectors]);
            let slopes = Line::flat_mut(&mut slopes[i * vectors..][..vectors]);
            keep(&words[..cols], (self.below, self.scale), h);
            keep(&words[..cols], (self.below, self.scale), slopes);
            // Padding stays zero, which it is not yet behind a linear layer.
            slopes[cols..].fill(0.0);
        }
    }
}

/// Multiplies numbers by `scale` where their words are not `below`; others become zero. By itself, so that the compiler makes
/// it without branches, which nobody could predict.
fn keep(words: &[u32], (below, scale): (u32, f32), to: &mut [f32]) {
    for (x, word) in to.iter_mut().zip(words) {
        *x = if *word >= below { *x * scale } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(units: usize, dropout: f64) -> DenseShape {
        DenseShape { inputs: 1, units, activation: Activation::Linear, dropout }
    }

    /// Whether the outputs of some rows, a panel of columns of them, are kept.
    fn kept(dropout: &Dropout, cols: usize, place: Place) -> Vec<bool> {
        let lines = place.rows * cols.div_ceil(LANES);
        let (mut h, mut slopes) =
            (vec![Line([1.0; LANES]); lines], vec![Line([2.0; LANES]); lines]);
        dropout.apply(cols, &mut h, &mut slopes, place);
        let rows = h.chunks(cols.div_ceil(LANES)).zip(slopes.chunks(cols.div_ceil(LANES)));
        rows.flat_map(|(h, slopes)| {
            let (h, slopes) = (Line::flat(h), Line::flat(slopes));
            assert!(slopes[cols..].iter().all(|s| *s == 0.0), "padding");
            let pair = |(h, slope): (&f32, &f32)| {
                let kept = *h != 0.0;
                let scale = if kept { dropout.scale } else { 0.0 };
                assert_eq!((*h, *slope), (scale, 2.0 * scale));
                kept
            };
            h.iter().zip(slopes).take(cols).map(pair).collect::<Vec<_>>()
        })
        .collect()
    }

    fn place(step: u64, row: usize, rows: usize, col: usize) -> Place {
        Place { step, row, rows, col }
    }

    #[test]
    fn as_many_are_dropped_as_the_rate_says_within_five_sigma() {
        for rate in [0.1, 0.5, 0.8] {
            let (dropout, n) = (Dropout::new(&shape(64, rate), 1, 0), 64 * 2_000);
            let all = kept(&dropout, 64, place(3, 0, 2_000, 0));
            let sigma = (f64::from(n) * rate * (1.0 - rate)).sqrt();
            let dropped = all.iter().filter(|kept| !**kept).count() as f64;
            assert!(
                (dropped - f64::from(n) * rate).abs() < 5.0 * sigma,
                "{rate}: {dropped} of {n}"
            );
            // In each column, too; and neighbours in a row and in a column go together as chance has it.
            for column in 0..64 {
                let some =
                    all.iter().skip(column).step_by(64).filter(|kept| !**kept).count() as f64;
                let sigma = (2_000.0 * rate * (1.0 - rate)).sqrt();
                assert!(
                    (some - 2_000.0 * rate).abs() < 5.0 * sigma,
                    "{rate}, column {column}: {some}"
                );
            }
            for distance in [1, 64] {
                let both = all.iter().zip(&all[distance..]).filter(|(a, b)| !**a && !**b).count();
                let (both, share) = (both as f64, rate * rate);
                let sigma = (f64::from(n) * share * (1.0 - share)).sqrt() * 2.0;
                assert!((both - f64::from(n) * share).abs() < 5.0 * sigma, "{rate}: {both} pairs");
            }
        }
    }

    #[test]
    fn what_is_dropped_depends_on_the_place_in_the_batch_and_not_on_how_it_is_cut() {
        let dropout = Dropout::new(&shape(100, 0.3), 1, 0);
        let [left, right] = [(64, 0), (36, 64)]
            .map(|(cols, col)| (cols, kept(&dropout, cols, place(7, 0, 48, col))));
        for (from, rows) in [(0, 16), (16, 7), (23, 25)] {
            for (cols, col, whole) in [(64, 0, &left.1), (36, 64, &right.1)] {
                let part = kept(&dropout, cols, place(7, from, rows, col));
                assert_eq!(part, whole[from * cols..][..rows * cols], "{from} and {col}");
            }
        }
    }

    #[test]
    fn seeds_steps_and_layers_drop_others() {
        let of = |seed, layer, step| {
            kept(&Dropout::new(&shape(64, 0.5), seed, layer), 64, place(step, 0, 32, 0))
        };
        let all = [of(1, 0, 1), of(2, 0, 1), of(1, 1, 1), of(1, 0, 2)];
        for (i, a) in all.iter().enumerate() {
            for b in &all[..i] {
                let same = a.iter().zip(b).filter(|(a, b)| a == b).count();
                assert!((800..1_250).contains(&same), "{same} of 2048 are the same");
            }
        }
    }
}
