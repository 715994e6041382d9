//! A softmax classifier that learns which third of the circle a point lies in:
//! `cargo run --release --package kernels --example softmax_classifier`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use kernels::{
    AdamStep, Blocks, Isa, Owned, Panel, RowLoss, Then, bias_update, dense_forward, dense_update,
    softmax_cross_entropy,
};

fn main() {
    let (isa, points, classes) = (Isa::best(), 96, 3);
    let angle = |i: usize| (i as f32 + 0.5) / points as f32 * std::f32::consts::TAU;
    let labels: Vec<_> = (0..points).map(|i| (i * classes / points) as _).collect();
    let mut x = Panel::zeros(points, 2);
    for i in 0..points {
        x.set(i, 0, angle(i).cos());
        x.set(i, 1, angle(i).sin());
    }

    let (mut weights, mut bias) = (Owned::zeros(2, classes), Owned::zeros(1, classes));
    let mut z = Panel::zeros(points, classes);
    let mut rows = vec![RowLoss::default(); points];
    for t in 1..=300 {
        // Logits, then in their place the gradient of the mean loss, then a step of Adam.
        let (of_x, of_w) = (|_: usize| x.view(), |_: usize| weights.w.view());
        let (x, w) = (Blocks::new(1, &of_x), Blocks::new(1, &of_w));
        dense_forward(isa, x, w, bias.w.lines(), Then::Linear, &mut z, 0);
        softmax_cross_entropy(isa, &mut z, &labels, 1.0 / points as f32, &mut rows);
        let step = AdamStep::new(0.1, 0.9, 0.999, 1e-7, t);
        let of_dz = |_: usize| z.view();
        dense_update(isa, x, Blocks::new(1, &of_dz), &mut weights, step);
        bias_update(isa, Blocks::new(1, &of_dz), &mut bias, step);
    }
    let loss: f64 = rows.iter().map(|row| row.loss).sum::<f64>() / points as f64;
    let right = rows.iter().filter(|row| row.correct).count();
    println!("{right} of {points} points right, mean loss {loss:.3}");
    assert_eq!(right, points);
}
