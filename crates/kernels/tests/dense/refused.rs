//! Operands that do not fit together are refused, by a message that says what does not.

use super::*;

#[test]
#[should_panic(expected = "blocks of inputs and of weights")]
fn fewer_weights_than_inputs_are_refused() {
    let (x, w, mut out) = (Panel::zeros(4, 64), Panel::zeros(64, 8), Panel::zeros(4, 8));
    let (x, w) = (|_: usize| x.view(), |_: usize| w.view());
    let (x, w) = (Blocks::new(2, &x), Blocks::new(1, &w));
    dense_forward(Isa::best(), x, w, &[Line::ZERO], Then::Linear, &mut out, 0);
}

#[test]
#[should_panic(expected = "rows 0+64 of 63")]
fn weights_with_too_few_rows_are_refused() {
    forward(&Panel::zeros(4, 64), &Panel::zeros(63, 8), &mut Panel::zeros(4, 8), 0);
}

#[test]
#[should_panic(expected = "one gradient for each input")]
fn a_gradient_of_another_shape_is_refused() {
    let none = |_: usize| unreachable!("no blocks");
    let (mut dx, mut room) = (Panel::zeros(4, 9), Panel::zeros(9, 4));
    let h = Panel::zeros(5, 9);
    let blocks = Blocks::new(0, &none);
    dense_backward_input(Isa::best(), blocks, blocks, Gate::Relu(h.lines()), &mut dx, &mut room);
}

#[test]
#[should_panic(expected = "17 blocks; 16 are possible")]
fn more_blocks_than_possible_are_refused() {
    let (x, dz) = (Panel::zeros(1, 4), Panel::zeros(1, 4));
    let (x, dz) = (|_: usize| x.view(), |_: usize| dz.view());
    let blocks = MOST_BLOCKS + 1;
    let (x, dz) = (Blocks::new(blocks, &x), Blocks::new(blocks, &dz));
    let step = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 1);
    dense_update(Isa::best(), x, dz, &mut Owned::zeros(4, 4), step);
}

/// One view of each.
fn product(x: &Panel, w: View<'_>, bias: &[Line], out: &mut Panel, at: usize) {
    let (x, w) = (|_: usize| x.view(), |_: usize| w);
    let (x, w) = (Blocks::new(1, &x), Blocks::new(1, &w));
    dense_forward(Isa::best(), x, w, bias, Then::Linear, out, at);
}

/// With biases for any columns.
fn forward(x: &Panel, w: &Panel, out: &mut Panel, at: usize) {
    product(x, w.view(), &[Line::ZERO; 4], out, at);
}

#[test]
#[should_panic(expected = "5 columns of weights, and room for 2 outputs")]
fn more_outputs_than_columns_are_refused() {
    forward(&Panel::zeros(1, 1), &Panel::zeros(1, 5), &mut Panel::zeros(1, 2), 0);
}

#[test]
#[should_panic(expected = "16 columns of weights, and room for 4 outputs")]
fn outputs_past_the_last_column_are_refused() {
    forward(&Panel::zeros(1, 1), &Panel::zeros(1, 16), &mut Panel::zeros(1, 20), 1);
}

#[test]
#[should_panic(expected = "3 rows of inputs, and room for 2 of outputs")]
fn more_rows_than_the_outputs_have_are_refused() {
    forward(&Panel::zeros(3, 1), &Panel::zeros(1, 1), &mut Panel::zeros(2, 1), 0);
}

#[test]
#[should_panic(expected = "1 lines of biases for 2 vectors of outputs")]
fn too_few_biases_are_refused() {
    let (w, mut out) = (Panel::zeros(1, 17), Panel::zeros(1, 17));
    product(&Panel::zeros(1, 1), w.view(), &[Line::ZERO], &mut out, 0);
}

#[test]
#[should_panic(expected = "8 columns end inside a vector of more")]
fn weights_that_end_inside_a_vector_are_refused() {
    let (w, mut out) = (Panel::zeros(1, 40), Panel::zeros(1, 8));
    product(&Panel::zeros(1, 1), w.view().cols_at(0, 8), &[Line::ZERO], &mut out, 0);
}

#[test]
#[should_panic(expected = "8 columns end inside a vector of more")]
fn gradients_that_end_inside_a_vector_are_refused() {
    let (dz, mut bias) = (Panel::zeros(1, 40), Panel::zeros(1, 8));
    let dz = |_: usize| dz.view().cols_at(0, 8);
    bias_gradient(Isa::best(), Blocks::new(1, &dz), &mut bias);
}

/// What `room` held before would pass for the gradient.
#[test]
#[should_panic(expected = "a layer without outputs")]
fn a_gradient_of_no_outputs_is_refused() {
    let (mut dx, mut room) = (Panel::zeros(1, 2), Panel::zeros(2, 1));
    dense_backward_input(
        Isa::best(),
        Blocks::none(),
        Blocks::none(),
        Gate::Open,
        &mut dx,
        &mut room,
    );
}

#[test]
#[should_panic(expected = "65 inputs; 64 are possible")]
fn gradients_of_more_inputs_than_a_panel_has_are_refused() {
    let (w, dz_t) = (Panel::zeros(65, 1), Panel::zeros(1, 3));
    let (w, dz_t) = (|_: usize| w.view(), |_: usize| dz_t.view());
    let (w, dz_t) = (Blocks::new(1, &w), Blocks::new(1, &dz_t));
    let (mut dx, mut room) = (Panel::zeros(3, 65), Panel::zeros(65, 3));
    dense_backward_input(Isa::best(), w, dz_t, Gate::Open, &mut dx, &mut room);
}

#[test]
fn an_update_that_is_refused_changes_nothing() {
    let mut owned = Owned::zeros(64, 1);
    let (x, dz) = (panel_of(1, 65, &[1.0; 65]), panel_of(1, 1, &[1.0]));
    let (x, dz) = (|_: usize| x.view(), |_: usize| dz.view());
    let (x, dz) = (Blocks::new(1, &x), Blocks::new(1, &dz));
    let text = refused(|| {
        dense_update(Isa::best(), x, dz, &mut owned, STEP);
    });
    assert_eq!(text, "65 inputs and 64 rows of parameters");
    assert_eq!(owned.w, Panel::zeros(64, 1));
}

#[test]
#[should_panic(expected = "shapes of parameters and moments")]
fn moments_of_another_shape_are_refused() {
    let mut owned = Owned { m: Panel::zeros(1, 2), ..Owned::zeros(1, 1) };
    scaled_update(Isa::best(), &mut Panel::zeros(1, 1), 1.0, &mut owned, STEP);
}

#[test]
#[should_panic(expected = "68719476736x68719476736 tiles are more than can be counted")]
fn matrices_of_bf16_without_end_are_refused() {
    Left16::zeros(1 << 40, 1 << 41);
}

/// Sizes whose product has no room would pass for small ones.
#[test]
#[should_panic(expected = "a panel of 16x18446744073709551615 has more floats than can be counted")]
fn panels_without_end_are_refused() {
    Panel::zeros(16, usize::MAX);
}

#[test]
#[should_panic(expected = "row 9223372036854775808 of 2")]
fn a_row_far_outside_is_refused() {
    Panel::zeros(2, 32).get(1 << 63, 0);
}

#[test]
#[should_panic(expected = "rows 9223372036854775808+9223372036854775809 of 2")]
fn rows_whose_end_overflows_are_refused() {
    let _ = Panel::zeros(2, 32).view().rows_at(1 << 63, (1 << 63) + 1);
}

#[test]
#[should_panic(expected = "columns 18446744073709551600+20 of 64")]
fn columns_whose_end_overflows_are_refused() {
    let _ = Panel::zeros(2, 64).view().cols_at(usize::MAX - 15, 20);
}

/// Gradients of so many blocks for inputs of so many, `dz` of so many columns.
fn update(blocks: (usize, usize), cols: usize, by: impl Fn(Blocks<'_, '_>, Blocks<'_, '_>)) {
    let (x, dz) = (Panel::zeros(2, 1), Panel::zeros(2, cols));
    let (x, dz) = (|_: usize| x.view(), |_: usize| dz.view());
    by(Blocks::new(blocks.0, &x), Blocks::new(blocks.1, &dz));
}

const STEP: SgdStep = SgdStep { lr: 1.0, momentum: 0.0, nesterov: false, decay: 0.0 };

fn dense(x: Blocks<'_, '_>, dz: Blocks<'_, '_>) {
    dense_update(Isa::best(), x, dz, &mut Owned::zeros(1, 2), STEP);
}

#[test]
#[should_panic(expected = "columns of gradients and of parameters")]
fn weights_with_other_columns_than_their_gradients_are_refused() {
    update((1, 1), 5, dense);
}

#[test]
#[should_panic(expected = "columns of gradients and of parameters")]
fn biases_with_other_columns_than_their_gradients_are_refused() {
    update((1, 1), 5, |_, dz| bias_update(Isa::best(), dz, &mut Owned::zeros(1, 2), STEP));
}

#[test]
#[should_panic(expected = "columns of gradients and of parameters")]
fn gradients_of_other_columns_are_refused() {
    update((1, 1), 5, |x, dz| dense_gradient(Isa::best(), x, dz, &mut Panel::zeros(1, 2)));
}

#[test]
#[should_panic(expected = "columns of gradients and of parameters")]
fn gradients_of_biases_of_other_columns_are_refused() {
    update((1, 1), 5, |_, dz| bias_gradient(Isa::best(), dz, &mut Panel::zeros(1, 2)));
}

#[test]
#[should_panic(expected = "2 inputs and 1 rows of parameters")]
fn more_blocks_of_inputs_than_of_gradients_are_refused() {
    update((2, 1), 2, dense);
}

#[test]
#[should_panic(expected = "1 blocks of inputs, in panels of 2")]
fn fewer_blocks_of_inputs_than_of_gradients_are_refused() {
    update((1, 2), 2, dense);
}

/// Gradients of 20 or 4 outputs, of so many rows, through weights of 9 inputs into a panel of 3 rows.
fn backward(outputs: usize, rows: usize, inputs: usize) {
    let (w, dz_t) = (Panel::zeros(inputs, outputs), Panel::zeros(outputs, rows));
    let (mut dx, mut room) = (Panel::zeros(3, 9), Panel::zeros(9, 3));
    let (w, dz_t) = (|_: usize| w.view(), |_: usize| dz_t.view());
    let (w, dz_t) = (Blocks::new(1, &w), Blocks::new(1, &dz_t));
    dense_backward_input(Isa::best(), w, dz_t, Gate::Open, &mut dx, &mut room);
}

#[test]
fn gradients_that_fit_are_not_refused() {
    backward(4, 3, 9);
    backward(20, 3, 9);
}

#[test]
#[should_panic(expected = "a gradient for each row")]
fn gradients_of_more_rows_are_refused() {
    backward(20, 4, 9);
}

#[test]
#[should_panic(expected = "a gradient for each row")]
fn gradients_of_few_outputs_and_more_rows_are_refused() {
    backward(4, 4, 9);
}

#[test]
#[should_panic(expected = "weights between them")]
fn weights_of_more_inputs_are_refused() {
    backward(20, 3, 10);
}

#[test]
#[should_panic(expected = "1 labels without a class")]
fn labels_without_a_class_are_refused() {
    let (mut logits, mut rows) = (Panel::zeros(1, 0), [RowLoss::default()]);
    softmax_cross_entropy(Isa::best(), &mut logits, &[0], 1.0, &mut rows);
}
