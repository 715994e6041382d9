//! What is added up in several calls, with memory asked for what comes next, equals what is added up in one.

use super::{Cut, Layer, backward_input, cut_out, forward, owned, panels};
use super::{assert_bits, isas, panel_of};
use kernels::*;

/// With fewer and more rows than tiles of six need, and inputs that fill no panel.
const SHAPES: [(usize, usize, usize); 4] =
    [(3, 200, 20), (47, 130, 64), (64, 1100, 64), (68, 330, 37)];

/// Blocks `from..to` of `of`, in stretches of up to `size`.
fn stretches(of: usize, size: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..of).step_by(size).map(move |from| (from, of.min(from + size)))
}

#[test]
fn outputs_of_several_stretches_are_those_of_one() {
    for (shape @ (batch, inputs, outputs), isa) in every() {
        let layer = Layer::new(batch, inputs, outputs);
        let [whole, fine, _] = Cut::all(batch, inputs);
        let want = forward(isa, &layer, Then::Relu, &whole, true);
        let x: Vec<Panel> = panels(inputs)
            .iter()
            .map(|cols| cut_out(&layer.x, inputs, &(0..batch), cols))
            .collect();
        let (w, bias) = (&owned(&layer, &fine)[0], panel_of(1, outputs, &layer.bias));
        for (size, views) in [(1, 0), (2, 1), (5, 16), (18, 2)] {
            let mut out = Panel::zeros(batch, outputs);
            for (from, to) in stretches(x.len(), size) {
                let (x, of_w) = (|k: usize| x[from + k].view(), |k: usize| w[from + k].w.view());
                let ahead = |i: usize| w[(to + i) % w.len()].w.view();
                let stretch = Stretch {
                    first: from == 0,
                    last: (to == w.len()).then_some((bias.lines(), Then::Relu)),
                    ahead: Blocks::new(views, &ahead),
                };
                let (x, of_w) = (Blocks::new(to - from, &x), Blocks::new(to - from, &of_w));
                dense_forward_stretch(isa, x, of_w, stretch, &mut out, 0);
            }
            let got: Vec<f32> =
                (0..batch).flat_map(|i| Line::flat(out.row(i))[..outputs].to_vec()).collect();
            assert_bits(&got, &want, format_args!("{shape:?}, {size} blocks at a time, on {isa}"));
        }
    }
}

#[test]
fn gradients_of_several_stretches_are_those_of_one() {
    for ((batch, outputs, inputs), isa) in every() {
        let layer = Layer::new(batch, inputs, outputs);
        let [whole, ..] = Cut::all(batch, inputs);
        let want = backward_input(isa, &layer, |h| Gate::Relu(h), &whole);
        let h = panel_of(batch, inputs, &layer.x);
        let dz_t: Vec<Panel> = panels(outputs)
            .iter()
            .map(|cols| {
                let dz = cut_out(&layer.dz, outputs, &(0..batch), cols);
                let mut dz_t = Panel::zeros(cols.len(), batch);
                transpose(isa, &dz, &mut dz_t);
                dz_t
            })
            .collect();
        let w = owned(&layer, &whole);
        for (size, views) in [(1, 0), (3, 4), (7, 16)] {
            let (mut dx, mut room) = (Panel::zeros(batch, inputs), Panel::zeros(inputs, batch));
            for (from, to) in stretches(w.len(), size) {
                let (of_w, dz_t) =
                    (|q: usize| w[from + q][0].w.view(), |q: usize| dz_t[from + q].view());
                let ahead = |i: usize| w[(to + i) % w.len()][0].w.view();
                let stretch = Stretch {
                    first: from == 0,
                    last: (to == w.len()).then_some(Gate::Relu(h.lines())),
                    ahead: Blocks::new(views, &ahead),
                };
                let (of_w, dz_t) = (Blocks::new(to - from, &of_w), Blocks::new(to - from, &dz_t));
                assert!(dense_backward_stretch(isa, of_w, dz_t, stretch, &mut dx, &mut room));
            }
            let got: Vec<f32> =
                (0..batch).flat_map(|i| Line::flat(dx.row(i))[..inputs].to_vec()).collect();
            let what = format_args!("{:?}, {size} blocks at a time, on {isa}", layer.shape);
            assert_bits(&got, &want, what);
        }
    }
}

#[test]
#[should_panic(expected = "17 views; 16 are possible")]
fn more_views_ahead_than_possible_are_refused() {
    let (x, w, mut out) = (Panel::zeros(64, 4), Panel::zeros(4, 4), Panel::zeros(64, 4));
    let (of_x, of_w) = (|_: usize| x.view(), |_: usize| w.view());
    let stretch = Stretch { first: true, last: None, ahead: Blocks::new(MOST_BLOCKS + 1, &of_w) };
    let (x, w) = (Blocks::new(1, &of_x), Blocks::new(1, &of_w));
    dense_forward_stretch(Isa::best(), x, w, stretch, &mut out, 0);
}

/// Every shape on every ISA.
fn every() -> impl Iterator<Item = ((usize, usize, usize), Isa)> {
    SHAPES.into_iter().flat_map(|shape| isas().into_iter().map(move |isa| (shape, isa)))
}
