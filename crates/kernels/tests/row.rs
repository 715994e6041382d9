//! One row through a layer has the bits of the twin, whatever is zero, however the weights are cut.

mod common;

use common::{Gen, assert_bits, isas, panel_of};
use kernels::twin::Twin;
use kernels::{Blocks, Isa, LANES, Line, PANEL_COLS, Panel, Panels, Then, View, row_forward};
use proptest::prelude::*;

/// A row of which `lit` of a hundred elements are not zero, and a few not finite.
fn row(g: &mut Gen, inputs: usize, (lit, special): (u64, bool)) -> Vec<f32> {
    let mut x = g.floats(inputs);
    for x in &mut x {
        match g.bits() % 1000 {
            0 if special => *x = f32::INFINITY,
            1 if special => *x = f32::NAN,
            2 => *x = 1e-40,
            n if n / 10 >= lit => *x = if n % 2 == 0 { 0.0 } else { -0.0 },
            _ => {}
        }
    }
    x
}

fn check(
    isa: Isa,
    (inputs, units): (usize, usize),
    cut: usize,
    how: (u64, bool),
    then: Then,
    seed: u64,
) {
    let mut g = Gen::new(seed);
    let (x, w) = (row(&mut g, inputs, how), g.floats(inputs * units));
    let bias = g.floats(units);
    let want = Twin::of(isa).dense_forward((1, inputs, units), &x, &w, &bias, then);

    let (x, w, b) =
        (panel_of(1, inputs, &x), Panels::pack(inputs, units, &w), Panels::pack(1, units, &bias));
    let parts = inputs.div_ceil(cut);
    let weights = |i: usize| -> View<'_> {
        let from = i % parts * cut;
        w.panels()[i / parts].view().rows_at(from, cut.min(inputs - from))
    };
    let biases = |i: usize| b.panels()[i].view();
    let panels = units.div_ceil(PANEL_COLS);
    let (w, b) = (Blocks::new(panels * parts, &weights), Blocks::new(panels, &biases));
    let mut out = panel_of(1, units, &vec![7.0; units]);
    row_forward(isa, x.view(), w, b, then, &mut out);
    let what = format!("{inputs} inputs by {cut}, {units} units on {isa}");
    assert_bits(&Line::flat(out.row(0))[..units], &want, format_args!("{what}"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_row_equals_its_twin(
        inputs in 1..400_usize, units in 1..300_usize, cut in 1..20_usize, lit in 0..=100_u64, special: bool,
        relu: bool, seed: u64,
    ) {
        let then = if relu { Then::Relu } else { Then::Linear };
        for isa in isas() {
            check(isa, (inputs, units), cut * LANES, (lit, special), then, seed);
        }
    }
}

#[test]
fn long_rows_and_rows_of_zeros_equal_their_twins() {
    for isa in isas() {
        for (inputs, cut) in [(1024, 1024), (1025, 2048), (2500, 2496), (3000, 1040)] {
            for (units, lit) in [(10, 50), (128, 100), (130, 0), (48, 3)] {
                check(isa, (inputs, units), cut, (lit, false), Then::Linear, 1);
            }
        }
    }
}

fn shapes(inputs: usize, rows: usize, panels: usize, outputs: usize) {
    let (x, w, bias) = (Panel::zeros(1, inputs), Panel::zeros(rows, 64), Panel::zeros(1, 64));
    let (weights, biases) = (|_: usize| w.view(), |_: usize| bias.view());
    let (w, bias) = (Blocks::new(panels, &weights), Blocks::new(2, &biases));
    row_forward(Isa::best(), x.view(), w, bias, Then::Linear, &mut Panel::zeros(1, outputs));
}

#[test]
#[should_panic(expected = "inputs and rows of weights")]
fn fewer_weights_than_inputs_are_refused() {
    shapes(32, 16, 2, 128);
}

#[test]
#[should_panic(expected = "columns 0+48 of 32")]
fn more_weights_than_inputs_are_refused() {
    shapes(32, 48, 2, 128);
}

#[test]
#[should_panic(expected = "parts of panels")]
fn weights_without_biases_are_refused() {
    shapes(32, 32, 3, 128);
}

#[test]
#[should_panic(expected = "biases of panel 1")]
fn fewer_outputs_than_units_are_refused() {
    shapes(32, 32, 2, 100);
}

#[test]
#[should_panic(expected = "192 outputs of 2 panels")]
fn more_room_than_units_is_refused() {
    shapes(32, 32, 2, 192);
}
