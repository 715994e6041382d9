//! What is multiplied.

use benches::{seconds, warm_up};
use kernels::{
    Blocks, Isa, Line, MatMut, MatRef, PANEL_COLS, Panel, Panels, Team, Then, dense_forward, gemm,
    gemm_on,
};
use std::cell::RefCell;

/// What is contiguous in a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Rows,
    Columns,
}

impl Order {
    pub(crate) fn letter(self) -> char {
        if self == Order::Rows { 'r' } else { 'c' }
    }
    fn strides(self, (rows, cols): (usize, usize)) -> (usize, usize) {
        if self == Order::Rows { (cols, 1) } else { (1, rows) }
    }
}

/// One product: `C = α A B + β C`, A of shape m × k, B k × n.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Case {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    /// Of A, B and C.
    pub(crate) orders: [Order; 3],
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
    /// Operands that were packed before, as layers keep them, and the layers' own product.
    pub(crate) packed: bool,
}

use Order::{Columns, Rows};

/// Rows everywhere, A transposed, B transposed.
const PLAIN: [Order; 3] = [Rows, Rows, Rows];
const A_T: [Order; 3] = [Columns, Rows, Rows];
const B_T: [Order; 3] = [Rows, Columns, Rows];

const fn case(m: usize, n: usize, k: usize, orders: [Order; 3]) -> Case {
    Case { m, n, k, orders, alpha: 1.0, beta: 0.0, packed: false }
}

/// Products of the tutorial's layers, squares, and long, flat and ragged ones.
pub(crate) const SHAPES: [Case; 17] = [
    case(32, 128, 784, PLAIN),
    Case { packed: true, ..case(32, 128, 784, PLAIN) },
    case(784, 128, 32, A_T),
    case(32, 10, 128, PLAIN),
    case(128, 10, 32, A_T),
    case(32, 128, 10, B_T),
    case(10_000, 128, 784, PLAIN),
    case(1, 128, 784, PLAIN),
    case(64, 64, 64, PLAIN),
    case(256, 256, 256, PLAIN),
    case(512, 512, 512, PLAIN),
    case(1024, 1024, 1024, PLAIN),
    case(2048, 2048, 2048, PLAIN),
    case(4096, 64, 64, PLAIN),
    case(64, 4096, 64, PLAIN),
    case(1000, 1000, 10, PLAIN),
    case(33, 65, 129, PLAIN),
];

/// A small, a middle and a ragged product in every order of their matrices and with every kind of α and β.
pub(crate) fn variants() -> Vec<Case> {
    let shapes = [case(32, 128, 784, PLAIN), case(256, 256, 256, PLAIN), case(33, 65, 129, PLAIN)];
    let orders = (1..8).map(|bits: usize| {
        [0, 1, 2].map(|matrix| if bits >> matrix & 1 == 0 { Rows } else { Columns })
    });
    let orders: Vec<_> = orders.collect();
    let factors = [(1.0, 1.0), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0), (0.5, 0.5), (0.0, 0.5)];
    let of = |shape: &Case| {
        let turned = orders.iter().map(|orders| Case { orders: *orders, ..*shape });
        let scaled =
            factors.iter().map(|(alpha, beta)| Case { alpha: *alpha, beta: *beta, ..*shape });
        turned.chain(scaled).collect::<Vec<_>>()
    };
    shapes.iter().flat_map(of).collect()
}

/// Numbers between -1 and 1 that repeat late.
fn numbers(count: usize, factor: usize) -> Vec<f32> {
    (0..count).map(|i| (i * factor % 1000) as f32 / 500.0 - 1.0).collect()
}

impl Case {
    /// Floating-point operations.
    pub(crate) fn operations(&self) -> usize {
        2 * self.m * self.n * self.k
    }

    /// As tables write it: a transposed operand is one with its columns together.
    pub(crate) fn name(&self) -> String {
        let Case { m, n, k, orders, alpha, beta, packed } = *self;
        let mut marks = Vec::new();
        marks.extend(packed.then(|| "packed".to_owned()));
        for (matrix, order) in ["Aᵀ", "Bᵀ", "Cᵀ"].iter().zip(orders) {
            marks.extend((order == Columns).then(|| (*matrix).to_owned()));
        }
        marks.extend((alpha != 1.0).then(|| format!("α={alpha}")));
        marks.extend((beta != 0.0).then(|| format!("β={beta}")));
        let marks =
            if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(" ")) };
        format!("{m}×{n}×{k}{marks}")
    }

    /// Whether the name contains this, which may have an x between sizes and m³ for the product of that size.
    pub(crate) fn is_meant_by(&self, text: &str) -> bool {
        let Case { m, n, k, .. } = *self;
        let is_cube = m == n && n == k && text == format!("{m}³");
        is_cube || self.name().contains(&text.replace('x', "×"))
    }

    /// Our product on a team's threads: seconds of one of `times`, after a millisecond of them that does not count.
    pub(crate) fn ours(self, isa: Isa, team: &RefCell<Team>) -> Box<dyn FnMut(usize) -> f64 + '_> {
        if self.packed {
            Box::new(self.layer(isa, team))
        } else {
            Box::new(self.general(isa, team))
        }
    }

    /// The general product.
    fn general(self, isa: Isa, team: &RefCell<Team>) -> impl FnMut(usize) -> f64 {
        let Case { m, n, k, orders, alpha, beta, packed: _ } = self;
        let (a, b, mut c) = (numbers(m * k, 7919), numbers(k * n, 104_729), vec![0.0; m * n]);
        move |times| {
            let a = MatRef::new(&a, (m, k), orders[0].strides((m, k)));
            let b = MatRef::new(&b, (k, n), orders[1].strides((k, n)));
            let strides = orders[2].strides((m, n));
            let team = &mut *team.borrow_mut();
            let mut run = || {
                let c = MatMut::new(&mut c, (m, n), strides);
                match team.threads() {
                    1 => gemm(isa, alpha, a, b, beta, c),
                    _ => gemm_on(team, isa, alpha, a, b, beta, c),
                }
            };
            warm_up(&mut run);
            seconds(|| (0..times).for_each(|_| run())) / times as f64
        }
    }

    /// The product of layers: panels of weights are dealt to the threads.
    fn layer(self, isa: Isa, team: &RefCell<Team>) -> impl FnMut(usize) -> f64 {
        let Case { m, n, k, .. } = self;
        let mut x = Panel::zeros(m, k);
        for (at, value) in numbers(m * k, 7919).into_iter().enumerate() {
            x.set(at / k, at % k, value);
        }
        let weights = Panels::pack(k, n, &numbers(k * n, 104_729));
        let out = vec![Panel::zeros(m, PANEL_COLS); weights.panels().len()];
        let mut parts: Vec<_> = weights.panels().iter().cloned().zip(out).collect();
        let bias = [Line::ZERO; PANEL_COLS / kernels::LANES];
        move |times| {
            let x = |_: usize| x.view();
            let mut run = || {
                team.borrow_mut().for_each_mut(&mut parts, |_, (weights, out)| {
                    let w = |_: usize| weights.view();
                    let (x, w) = (Blocks::new(1, &x), Blocks::new(1, &w));
                    dense_forward(isa, x, w, &bias, Then::Linear, out, 0);
                });
            };
            warm_up(&mut run);
            seconds(|| (0..times).for_each(|_| run())) / times as f64
        }
    }
}
