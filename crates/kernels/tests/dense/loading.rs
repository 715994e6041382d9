//! What is loaded beside a product is what `pixels` makes, and the product is the one without it.

use super::{Cut, Layer, forward, isas, owned};
use super::{assert_bits, assert_padding_is_zero, block_of, panel_of};
use kernels::*;

/// Examples of so many bytes.
fn bytes(rows: usize, cols: usize) -> Vec<Vec<u8>> {
    let byte = |i: usize, k: usize| (i * 31 + k * 7 + 1) as u8;
    (0..rows).map(|i| (0..cols).map(|k| byte(i, k)).collect()).collect()
}

/// Whether the first rows of a panel are what `pixels` makes of these.
fn assert_loaded(isa: Isa, to: &Panel, rows: &[Vec<u8>], scale: f32, what: &str) {
    for (i, row) in rows.iter().enumerate() {
        let mut want = vec![0.0; row.len()];
        pixels(isa, row, scale, &mut want);
        assert_bits(&Line::flat(to.row(i))[..row.len()], &want, format_args!("row {i}, {what}"));
    }
    assert_padding_is_zero(to, format_args!("{what}"));
}

#[test]
fn outputs_are_the_same_and_so_are_floats_however_many_there_are() {
    for isa in isas() {
        for (batch, inputs, outputs) in [(1, 10, 10), (17, 100, 64), (32, 784, 64), (64, 784, 40)] {
            let layer = Layer::new(batch, inputs, outputs);
            let [whole, ..] = Cut::all(batch, inputs);
            let want = forward(isa, &layer, Then::Relu, &whole, true);
            let x = &block_of(&layer.x, inputs, &(0..batch), batch)[..];
            let (w, bias) = (&owned(&layer, &whole)[0], panel_of(1, outputs, &layer.bias));
            let (of_x, of_w) = (|k: usize| x[k].view(), |k: usize| w[k].w.view());
            for (rows, cols) in [(0, 5), (1, 16), (20, 100), (32, 784), (64, 1)] {
                let what = format!("{rows}×{cols} beside {:?} on {isa}", layer.shape);
                let (x, w) = (Blocks::new(x.len(), &of_x), Blocks::new(w.len(), &of_w));
                let (bytes, mut floats) = (bytes(rows, cols), Panel::zeros(rows.max(1), cols));
                let mut out = Panel::zeros(batch, outputs);
                let rows = bytes.iter().map(|row| &row[..]);
                let mut loading = Loading::new(rows, 1.0 / 255.0, &mut floats);
                let end = (bias.lines(), Then::Relu);
                dense_forward_loading(isa, x, w, end, (&mut out, 0), &mut loading);
                load_rest(isa, loading);
                let row = |i: usize| Line::flat(out.row(i))[..outputs].to_vec();
                assert_bits(
                    &(0..batch).flat_map(row).collect::<Vec<_>>(),
                    &want,
                    format_args!("{what}"),
                );
                assert_loaded(isa, &floats, &bytes, 1.0 / 255.0, &what);
            }
        }
    }
}

#[test]
fn rows_that_are_not_loaded_stay() {
    let mut floats = Panel::zeros(3, 20);
    (0..3).for_each(|i| floats.set(i, 19, 5.0));
    let bytes = bytes(2, 20);
    load_rest(Isa::best(), Loading::new(bytes.iter().map(|row| &row[..]), 0.5, &mut floats));
    assert_eq!(floats.get(2, 19), 5.0);
    assert_loaded(Isa::best(), &floats, &bytes, 0.5, "two of three rows");
}

#[test]
#[should_panic(expected = "no room for more than 1 rows")]
fn more_rows_than_the_panel_has_are_refused() {
    Loading::new([&[1, 2][..], &[3, 4]], 1.0, &mut Panel::zeros(1, 2));
}

#[test]
#[should_panic(expected = "one float for each byte")]
fn rows_of_another_length_are_refused() {
    Loading::new([&[1, 2, 3][..]], 1.0, &mut Panel::zeros(1, 2));
}
