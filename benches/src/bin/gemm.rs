//! `cargo xtask bench gemm`: the general product on one thread, beside what the machine can do.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tables are what a benchmark is for")]

use benches::{Subject, in_turn, seconds, table};
use kernels::{Isa, MatMut, MatRef, gemm, meter};
use std::process::ExitCode;

/// m, n, k and which operand lies transposed.
type Shape = (usize, usize, usize, Transposed);

#[derive(Clone, Copy, PartialEq)]
enum Transposed {
    None,
    A,
    B,
}

/// Those of the tutorial's layers, squares, and long, flat and ragged ones.
const SHAPES: [Shape; 16] = [
    (32, 128, 784, Transposed::None),
    (784, 128, 32, Transposed::A),
    (32, 10, 128, Transposed::None),
    (128, 10, 32, Transposed::A),
    (32, 128, 10, Transposed::B),
    (10_000, 128, 784, Transposed::None),
    (1, 128, 784, Transposed::None),
    (64, 64, 64, Transposed::None),
    (256, 256, 256, Transposed::None),
    (512, 512, 512, Transposed::None),
    (1024, 1024, 1024, Transposed::None),
    (2048, 2048, 2048, Transposed::None),
    (4096, 64, 64, Transposed::None),
    (64, 4096, 64, Transposed::None),
    (1000, 1000, 10, Transposed::None),
    (33, 65, 129, Transposed::None),
];

/// A sample lasts some milliseconds, so that neither the clock shows nor that others used the caches before.
const OPERATIONS: usize = 1_000_000_000;

fn operations((m, n, k, _): Shape) -> usize {
    2 * m * n * k
}

fn name((m, n, k, transposed): Shape) -> String {
    let mark = match transposed {
        Transposed::None => "",
        Transposed::A => " (Aᵀ)",
        Transposed::B => " (Bᵀ)",
    };
    format!("{m}×{n}×{k}{mark}")
}

/// Numbers between -1 and 1 that repeat late.
fn numbers(count: usize, factor: usize) -> Vec<f32> {
    (0..count).map(|i| (i * factor % 1000) as f32 / 500.0 - 1.0).collect()
}

/// Seconds of one product, α = 1 and β = 0.
fn product(isa: Isa, shape: Shape) -> Subject<'static> {
    let (m, n, k, transposed) = shape;
    let (a, b, mut c) = (numbers(m * k, 7919), numbers(k * n, 104_729), vec![0.0; m * n]);
    let times = (OPERATIONS / operations(shape)).max(1);
    Subject::new(name(shape), move || {
        let (a, b) = match transposed {
            Transposed::None => (MatRef::row_major(&a, m, k), MatRef::row_major(&b, k, n)),
            Transposed::A => (MatRef::row_major(&a, k, m).t(), MatRef::row_major(&b, k, n)),
            Transposed::B => (MatRef::row_major(&a, m, k), MatRef::row_major(&b, n, k).t()),
        };
        let mut run = || gemm(isa, 1.0, a, b, 0.0, MatMut::row_major(&mut c, m, n));
        run();
        seconds(|| (0..times).for_each(|_| run())) / times as f64
    })
}

fn main() -> ExitCode {
    let rounds = match std::env::args().nth(1).as_deref() {
        None => 21,
        Some("--quick") => 3,
        Some(other) => {
            eprintln!("bench gemm takes --quick, not `{other}`");
            return ExitCode::from(2);
        }
    };
    let isa = match Isa::from_env() {
        Ok(isa) => isa,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    // Seconds of one operation, measured in turn with the products: the clock changes.
    let mut subjects = vec![Subject::new("peak", || 1.0 / meter::peak_flops(isa))];
    subjects.extend(SHAPES.map(|shape| product(isa, shape)));
    let spreads = in_turn(&mut subjects, rounds);
    let peak = 1.0 / spreads[0].median;
    println!("{isa}, one thread, peak {:.0} GFLOP/s, medians of {rounds} rounds\n", peak / 1e9);
    let rows: Vec<Vec<String>> = SHAPES
        .iter()
        .zip(&spreads[1..])
        .map(|(shape, time)| {
            let rate = |seconds: f64| operations(*shape) as f64 / seconds;
            vec![
                name(*shape),
                format!("{:.2}", time.median * 1e6),
                format!("{:.0}", rate(time.median) / 1e9),
                format!("{:.0} to {:.0}", rate(time.max) / 1e9, rate(time.min) / 1e9),
                format!("{:.0} %", 100.0 * rate(time.median) / peak),
            ]
        })
        .collect();
    table(&["m×n×k", "µs", "GFLOP/s", "from", "of peak"], &rows);
    ExitCode::SUCCESS
}
