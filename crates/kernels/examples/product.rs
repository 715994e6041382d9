//! A product of matrices: `cargo run --release --package kernels --example product`.
#![allow(clippy::print_stdout, reason = "an example shows its result")]

use kernels::{Isa, MatMut, MatRef, Team, gemm, gemm_on};
use std::time::Instant;

fn main() {
    let isa = Isa::best();
    let (m, n, k) = (512, 384, 256);
    let a: Vec<f32> = (0..m * k).map(|i| (i % 7) as f32 - 3.0).collect();
    let b: Vec<f32> = (0..k * n).map(|i| (i % 5) as f32 - 2.0).collect();
    let (rows_of_a, rows_of_b) = (MatRef::row_major(&a, m, k), MatRef::row_major(&b, k, n));

    // C = A B. With a factor of 0, what was in C is not read.
    let mut c = vec![0.0; m * n];
    let start = Instant::now();
    gemm(isa, 1.0, rows_of_a, rows_of_b, 0.0, MatMut::row_major(&mut c, m, n));
    println!("{m}×{n}×{k} on {isa}: {:?}, c[0] = {}", start.elapsed(), c[0]);

    // D = 2 A B - C, on two threads, D with its columns together. The bits do not depend on the threads.
    let mut team = Team::new(2);
    let mut d = vec![0.0; m * n];
    let mut columns = MatMut::row_major(&mut d, n, m).t();
    for (at, x) in c.iter().enumerate() {
        columns.set(at / n, at % n, *x);
    }
    gemm_on(&mut team, isa, 2.0, rows_of_a, rows_of_b, -1.0, columns);
    let same = c.iter().enumerate().all(|(at, x)| d[at % n * m + at / n] == *x);
    println!("2 A B - C equals C: {same}");
    assert!(same, "these are whole numbers, so nothing is rounded");
}
