//! A product with an epilogue of one's own, `C = min(6, max(0, A B + bias))`, while C is near:
//! `cargo run --release --package kernels --example epilogue`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use kernels::twin::Twin;
use kernels::{Epilogue, Isa, MatMut, MatRef, Simd, gemm_then};
use std::time::Instant;

/// ReLU6 of the sum with a bias, which has one number for each column.
struct BiasRelu6<'b>(&'b [f32]);

impl Epilogue for BiasRelu6<'_> {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, (_, column): (usize, usize), x: S::V) -> S::V {
        let x = s.add(x, s.load_first(&self.0[column..]));
        let (zero, six) = (s.splat(0.0), s.splat(6.0));
        let x = s.max(x, zero);
        s.min(six, x)
    }
}

fn main() {
    let (m, n, k) = (256, 100, 300);
    let a: Vec<f32> = (0..m * k).map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0).collect();
    let b: Vec<f32> = (0..k * n).map(|i| (i * 1013 % 1000) as f32 / 500.0 - 1.0).collect();
    let bias: Vec<f32> = (0..n).map(|j| j as f32 / 50.0 - 1.0).collect();
    for isa in Isa::available() {
        let (rows_of_a, rows_of_b) = (MatRef::row_major(&a, m, k), MatRef::row_major(&b, k, n));
        let mut c = vec![0.0; m * n];
        let start = Instant::now();
        let rows_of_c = MatMut::row_major(&mut c, m, n);
        gemm_then(isa, 1.0, rows_of_a, rows_of_b, 0.0, rows_of_c, &BiasRelu6(&bias));
        let time = start.elapsed();

        // The same in plain Rust, bit for bit.
        let mut want = vec![0.0; m * n];
        Twin::of(isa).gemm((m, n, k), 1.0, &a, &b, 0.0, &mut want);
        for (at, x) in want.iter_mut().enumerate() {
            let y = *x + bias[at % n];
            let y = if y > 0.0 { y } else { 0.0 };
            *x = if y > 6.0 { 6.0 } else { y };
        }
        let same = c.iter().zip(&want).all(|(c, w)| c.to_bits() == w.to_bits());
        println!("{isa}: {time:?}, the bits of plain Rust: {same}");
        assert!(same);
    }
}
