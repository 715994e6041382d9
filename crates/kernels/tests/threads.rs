//! `gemm_on` gives the bits of `gemm`, whatever the number of threads.

mod common;

use common::{Gen, Layout, Placed, assert_bits, isas};
use kernels::{Isa, Team, gemm, gemm_on, gemm_threads};

/// Shapes that are cut across, down, both ways and not at all, with edges that no unit divides.
const SHAPES: [(usize, usize, usize); 12] = [
    (256, 256, 256),
    (257, 391, 300),
    (2000, 70, 130),
    (65, 2049, 129),
    (40, 700, 300),
    (700, 3, 2000),
    (1, 1000, 9000),
    (1000, 1000, 10),
    (63, 63, 63),
    (0, 500, 500),
    (500, 0, 500),
    (500, 500, 0),
];

/// Computes one product with 1 to 8 threads, each into a C of its own.
fn same_bits(isa: Isa, teams: &mut [Team], shape: (usize, usize, usize), layouts: [Layout; 3]) {
    let (m, n, k) = shape;
    let mut g = Gen::new((m + 3 * n + 7 * k) as u64);
    let a = Placed::holding(&g.floats(m * k), (m, k), layouts[0], 3);
    let b = Placed::holding(&g.floats(k * n), (k, n), layouts[1], 5);
    let start = g.floats(m * n);
    for (alpha, beta) in [(1.0, 0.0), (-0.3, 1.0), (0.7, -1.5), (0.0, 0.5)] {
        let c = || match beta {
            0.0 => Placed::poison((m, n), layouts[2], 7),
            _ => Placed::holding(&start, (m, n), layouts[2], 7),
        };
        let mut want = c();
        gemm(isa, alpha, a.view(), b.view(), beta, want.view_mut());
        let want = want.elements();
        for team in &mut *teams {
            let mut got = c();
            gemm_on(team, isa, alpha, a.view(), b.view(), beta, got.view_mut());
            let threads = team.threads();
            let what = format_args!("{shape:?}, alpha {alpha}, {layouts:?}, {threads} threads");
            assert_bits(&got.elements(), &want, what);
            got.assert_gaps_untouched(what);
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let mut teams: Vec<Team> = (1..=8).map(Team::new).collect();
    for isa in isas() {
        for shape in SHAPES {
            same_bits(isa, &mut teams, shape, [Layout::Rows; 3]);
            same_bits(isa, &mut teams, shape, [Layout::Columns; 3]);
        }
    }
}

#[test]
fn threads_keep_to_every_layout() {
    let mut teams: Vec<Team> = [2, 3, 5].map(Team::new).into();
    let isa = isas()[0];
    for a in Layout::ALL {
        for b in Layout::ALL {
            for c in Layout::ALL {
                same_bits(isa, &mut teams, (130, 200, 301), [a, b, c]);
            }
        }
    }
    // Or nothing of this was tested.
    assert!(gemm_threads((130, 200, 301), 5) > 3);
}

#[test]
#[should_panic(expected = "gemm of A 300x200, B 201x300 into C 300x300")]
fn shapes_that_differ_are_named() {
    let (data, mut out) = (vec![0.0; 300 * 201], vec![0.0; 300 * 300]);
    let a = kernels::MatRef::row_major(&data[..300 * 200], 300, 200);
    let b = kernels::MatRef::row_major(&data, 201, 300);
    let c = kernels::MatMut::row_major(&mut out, 300, 300);
    gemm_on(&mut Team::new(2), isas()[0], 1.0, a, b, 0.0, c);
}
