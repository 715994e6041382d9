//! Products that leave out zeros have the bits of those that do not.

mod common;

use common::{Gen, isas, panel_of};
use kernels::{
    AdamStep, Blocks, Isa, LANES, Line, Owned, Panel, Then, Zeros, dense_forward, dense_gradient,
    dense_update, find_zeros, list_zeros, mark_zeros,
};
use proptest::prelude::*;

/// A panel of which `lit` of a hundred elements are not zero, some rows and columns not at all.
fn sparse(g: &mut Gen, (rows, cols): (usize, usize), lit: u32) -> Panel {
    let mut numbers = g.floats(rows * cols);
    for (at, x) in numbers.iter_mut().enumerate() {
        let (row, col) = (at / cols, at % cols);
        if g.bits() % 100 >= u64::from(lit) || row % 7 == 3 || col % 11 == 5 {
            *x = if g.bits() & 1 == 0 { 0.0 } else { -0.0 };
        }
    }
    panel_of(rows, cols, &numbers)
}

/// Forward pass and update, with and without zeros.
fn check(isa: Isa, (rows, used): (usize, usize), cols: usize, units: usize, lit: u32, seed: u64) {
    let mut g = Gen::new(seed);
    let x = sparse(&mut g, (rows, cols), lit);
    let block = [16, 48, 112, 160, 240][seed as usize % 5];
    // Groups as suit the CPU, or such as suit others.
    let mut zeros = Zeros::new(rows, cols, block);
    if seed & 8 == 0 {
        zeros = zeros.in_pairs(seed & 16 == 0);
    }
    // What an earlier batch left must not matter.
    find_zeros(isa, &sparse(&mut g, (rows, cols), 90), rows, &mut zeros);
    // At once or row by row.
    if seed & 4 == 0 {
        find_zeros(isa, &x, used, &mut zeros);
    } else {
        (0..used).rev().for_each(|r| mark_zeros(isa, &x, r, &mut zeros));
        list_zeros(isa, used, &mut zeros);
    }
    let view = x.view().rows_at(0, used);
    let w = panel_of(cols, units, &g.floats(cols * units));
    let dz = panel_of(used, units, &g.floats(used * units));
    let what = format!("{isa}, {used} of {rows} rows, {cols} columns by {block}, {units} units");

    // All rows, and those from the second pair or group on.
    let forward = |skip: bool, from: usize| {
        let mut out = Panel::zeros(used - from, units);
        let all = |k: usize| match skip {
            true => zeros.block(view, k),
            false => view.cols_at(k * block, block.min(cols - k * block)),
        };
        let x = |k: usize| all(k).rows_at(from, used - from);
        let (x, whole) = (Blocks::new(cols.div_ceil(block), &x), |_: usize| w.view());
        let bias = vec![Line::ZERO; units.div_ceil(LANES)];
        dense_forward(isa, x, Blocks::new(1, &whole), &bias, Then::Linear, &mut out, 0);
        out
    };
    for from in [0, 2.min(used), 4.min(used)] {
        let [with, without] = [true, false].map(|skip| bits(&forward(skip, from)));
        assert_eq!(with, without, "forward from row {from}: {what}");
    }

    let update = |skip: bool| {
        let mut owned = Owned { w: w.clone(), ..Owned::zeros(cols, units) };
        let step = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 3);
        let x = |_: usize| if skip { zeros.cols_at(view, 0, cols) } else { view };
        let dz = |_: usize| dz.view();
        let finite = dense_update(isa, Blocks::new(1, &x), Blocks::new(1, &dz), &mut owned, step);
        (finite, [&owned.w, &owned.m, &owned.v].map(bits))
    };
    assert_eq!(update(true), update(false), "update: {what}");
    assert!(update(true).0, "finite: {what}");
}

fn bits(panel: &Panel) -> Vec<u32> {
    Line::flat(panel.lines()).iter().map(|x| x.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn skipping_changes_no_bit(
        rows in 1..129_usize, short in 0..5_usize, cols in 1..300_usize, units in 1..=64_usize,
        lit in prop::sample::select(vec![0_u32, 3, 30, 60, 97, 100]), seed: u64,
    ) {
        for isa in Isa::available() {
            check(isa, (rows, rows.saturating_sub(short).max(1)), cols, units, lit, seed);
        }
    }
}

#[test]
fn densities_count_what_is_left() {
    // Of eight rows the first has a number in every fifth column.
    let mut x = Panel::zeros(8, 40);
    (0..40).step_by(5).for_each(|j| x.set(0, j, 1.0));
    for isa in Isa::available() {
        // One group of rows of two, or pair of four, has 8 of 40 columns; 8 of the groups of columns one row of eight,
        // of twelve groups or 24 pairs that the vectors have room for.
        for (pairs, of) in [(false, [80.0, 12.0 * 8.0]), (true, [160.0, 24.0 * 8.0])] {
            let mut zeros = Zeros::new(8, 40, 16).in_pairs(pairs);
            find_zeros(isa, &x, 8, &mut zeros);
            assert_eq!(zeros.densities(), of.map(|of| 8.0 / of), "{isa}, {pairs}");
        }
    }
}

#[test]
fn what_is_not_finite_is_reported() {
    let step = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 1);
    for isa in Isa::available() {
        for (bad, at) in [(f32::NAN, 0), (f32::INFINITY, 37), (f32::NEG_INFINITY, 79)] {
            let mut owned = Owned::zeros(20, 4);
            owned.w.set(at / 4, at % 4, bad);
            let (x, dz) = (Panel::zeros(3, 20), Panel::zeros(3, 4));
            let (x, dz) = (|_: usize| x.view(), |_: usize| dz.view());
            let (x, dz) = (Blocks::new(1, &x), Blocks::new(1, &dz));
            assert!(!dense_update(isa, x, dz, &mut owned, step), "{bad} at {at}, {isa}");
        }
    }
}

/// Of rows that nobody looked at, nothing is left out: 0 of 20, or 6 or 7 of them, which end within a group.
#[test]
fn rows_that_were_not_looked_at_count_as_lit() {
    let (isa, x, w) = (Isa::best(), panel_of(20, 16, &[1.0; 320]), panel_of(16, 1, &[1.0; 16]));
    for (found, pairs) in [(0, false), (6, false), (0, true), (7, true)] {
        let mut zeros = Zeros::new(20, 16, 16).in_pairs(pairs);
        find_zeros(isa, &Panel::zeros(20, 16), found, &mut zeros);
        let (of_x, of_w) = (|_: usize| zeros.block(x.view(), 0), |_: usize| w.view());
        let (of_x, of_w) = (Blocks::new(1, &of_x), Blocks::new(1, &of_w));
        let mut out = Panel::zeros(20, 1);
        dense_forward(isa, of_x, of_w, &[Line::ZERO], Then::Linear, &mut out, 0);
        let whole = if pairs { found / 2 * 2 } else { found / 4 * 4 };
        assert!((whole..20).all(|i| out.get(i, 0) == 16.0), "{found} looked at: {out:?}");

        let (of_x, of_dz) = (|_: usize| zeros.cols_at(x.view(), 0, 16), |_: usize| out.view());
        let (of_x, of_dz) = (Blocks::new(1, &of_x), Blocks::new(1, &of_dz));
        let mut g = Panel::zeros(16, 1);
        dense_gradient(isa, of_x, of_dz, &mut g);
        let all: f32 = (0..20).map(|i| out.get(i, 0)).sum();
        assert_eq!(g.get(15, 0), all, "{found} looked at");
    }
}

/// As of any other panel, columns of one without rows can be asked for.
#[test]
fn a_panel_without_rows_has_columns() {
    let (x, mut zeros) = (Panel::zeros(0, 20), Zeros::new(0, 20, 16));
    find_zeros(Isa::best(), &x, 0, &mut zeros);
    let columns = zeros.cols_at(x.view(), 16, 4);
    assert_eq!((columns.rows(), columns.cols()), (0, 4));
}

/// A bias that is not zero there leaves something past the last column.
#[test]
fn what_is_past_the_last_column_is_not_listed() {
    let mut x = Panel::zeros(4, 100);
    x.lines_mut().iter_mut().for_each(|line| line.0 = [0.5; 16]);
    for isa in isas() {
        let mut zeros = Zeros::new(4, 100, 112);
        find_zeros(isa, &x, 4, &mut zeros);
        assert_eq!(zeros.densities()[0], 1.0, "{isa}");
    }
}

#[test]
#[should_panic(expected = "zeros of another panel")]
fn zeros_of_another_panel_are_refused() {
    find_zeros(Isa::best(), &Panel::zeros(4, 20), 4, &mut Zeros::new(4, 16, 16));
}

#[test]
#[should_panic(expected = "zeros of another panel")]
fn rows_that_are_not_there_are_not_marked() {
    mark_zeros(Isa::best(), &Panel::zeros(5, 16), 4, &mut Zeros::new(4, 16, 16));
}

#[test]
#[should_panic(expected = "zeros of another panel")]
fn rows_that_are_not_there_are_not_listed() {
    list_zeros(Isa::best(), 5, &mut Zeros::new(4, 16, 16));
}
