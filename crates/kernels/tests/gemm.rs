//! `gemm` equals its twin bit for bit, whatever the shapes, strides and factors; and the twin is right.

mod common;

use common::{Gen, Layout, Placed, assert_bits, isas, poisoned};
use kernels::twin::Twin;
use kernels::{Isa, MatMut, MatRef, Scratch, gemm, gemm_in};
use proptest::prelude::*;

type Shape = (usize, usize, usize);

/// Factors with a branch of their own somewhere, and others.
const FACTORS: [f32; 6] = [0.0, 1.0, -0.5, -1.0, 0.3, -0.0];

/// One product, in which the sizes of caches must not show: where its matrices lie and what is in them.
struct Case {
    shape: Shape,
    alpha: f32,
    beta: f32,
    a: Placed,
    b: Placed,
    c: Placed,
}

impl Case {
    /// Random matrices. With β = 0, C is poison throughout: reading it would show.
    fn new(
        (m, n, k): Shape,
        alpha: f32,
        beta: f32,
        layouts: [Layout; 3],
        offsets: [usize; 3],
    ) -> Case {
        let mut g = Gen::new((m * 31 + n * 17 + k) as u64);
        let (a, b, c) = (g.floats(m * k), g.floats(k * n), g.floats(m * n));
        Case {
            shape: (m, n, k),
            alpha,
            beta,
            a: Placed::holding(&a, (m, k), layouts[0], offsets[0]),
            b: Placed::holding(&b, (k, n), layouts[1], offsets[1]),
            c: match beta {
                0.0 => Placed::poison((m, n), layouts[2], offsets[2]),
                _ => Placed::holding(&c, (m, n), layouts[2], offsets[2]),
            },
        }
    }

    fn row_major(shape: Shape, alpha: f32, beta: f32) -> Case {
        Case::new(shape, alpha, beta, [Layout::Rows; 3], [0; 3])
    }

    fn equals_its_twin(self, isa: Isa) {
        let Case { shape, alpha, beta, a, b, c } = self;
        let mut want = c.elements();
        Twin::of(isa).gemm(shape, alpha, &a.elements(), &b.elements(), beta, &mut want);
        let others =
            [(32, 256, true), (32, 1024, false), (48, 2048, false), (128, 4096, true)].map(Some);
        for kilobytes in [None].into_iter().chain(others) {
            let mut scratch = kilobytes.map_or(Scratch::new(), |(first, second, amd)| {
                Scratch::with_caches(first << 10, second << 10, amd)
            });
            let mut c = c.clone();
            gemm_in(&mut scratch, isa, alpha, a.view(), b.view(), beta, c.view_mut());
            let what = format_args!(
                "{shape:?}, alpha {alpha}, beta {beta}, caches {kilobytes:?}, on {isa}"
            );
            assert_bits(&c.elements(), &want, what);
            c.assert_gaps_untouched(what);
        }
    }
}

#[test]
fn small_and_empty_shapes() {
    const SIZES: [usize; 9] = [0, 1, 2, 3, 5, 9, 16, 17, 33];
    for isa in isas() {
        for m in SIZES {
            for n in SIZES {
                for k in SIZES {
                    Case::row_major((m, n, k), 1.0, 0.0).equals_its_twin(isa);
                    Case::row_major((m, n, k), -0.5, 0.7).equals_its_twin(isa);
                }
            }
        }
    }
}

#[test]
fn every_pair_of_factors() {
    for isa in isas() {
        for alpha in FACTORS {
            for beta in FACTORS {
                for shape in [(33, 65, 129), (5, 1, 300), (1, 70, 20), (64, 64, 64)] {
                    Case::row_major(shape, alpha, beta).equals_its_twin(isa);
                }
            }
        }
    }
}

#[test]
fn every_layout_of_the_three_matrices() {
    for isa in isas() {
        for a in Layout::ALL {
            for b in Layout::ALL {
                for c in Layout::ALL {
                    for (alpha, beta) in [(1.0, 0.0), (-0.5, 1.0)] {
                        let offsets = [3, 5, 7];
                        Case::new((19, 37, 21), alpha, beta, [a, b, c], offsets)
                            .equals_its_twin(isa);
                    }
                }
            }
        }
    }
}

#[test]
fn every_offset_from_a_cache_line() {
    for isa in isas() {
        for i in 0..16 {
            let offsets = [i, (i * 3 + 1) % 16, (i * 5 + 2) % 16];
            for layouts in [[Layout::Rows; 3], [Layout::Columns; 3]] {
                Case::new((7, 50, 33), 1.0, 0.5, layouts, offsets).equals_its_twin(isa);
            }
        }
    }
}

/// Whatever becomes of C, its gaps stay as they are: also where it is only scaled, or set to zero.
#[test]
fn nothing_is_written_between_the_elements_of_c() {
    for isa in isas() {
        for c in Layout::ALL {
            let layouts = [Layout::Rows, Layout::Columns, c];
            for shape in [(7, 33, 0), (7, 33, 5), (1, 33, 5), (33, 1, 5), (0, 5, 5), (5, 0, 5)] {
                for (alpha, beta) in [(0.0, 0.0), (0.0, -0.5), (1.0, 0.0), (0.3, -1.0)] {
                    Case::new(shape, alpha, beta, layouts, [1, 2, 3]).equals_its_twin(isa);
                }
            }
        }
    }
}

/// Blocking must not show, so the sizes step over powers of two rather than name today's blocks.
#[test]
fn edges_of_the_blocks() {
    for isa in isas() {
        for layout in [Layout::Rows, Layout::Columns, Layout::Scattered] {
            for size in [127, 128, 129, 255, 257, 385, 511, 513, 1023, 1025, 2049] {
                for shape in [(size, 3, 5), (3, size, 5), (5, 3, size)] {
                    Case::new(shape, 1.0, 0.5, [layout; 3], [1; 3]).equals_its_twin(isa);
                }
            }
        }
        Case::row_major((257, 1030, 130), -0.5, 1.0).equals_its_twin(isa);
    }
}

/// Panels of every width and a rest of every kind, one strip and several, one block and several, A and B copied and in
/// place, and so much of them that memory is asked ahead.
#[test]
fn wide_products() {
    for isa in isas() {
        for cols in [479, 480, 481, 500, 513, 527, 1056, 1057, 1100, 2113] {
            for layout in [Layout::Rows, Layout::Columns, Layout::Scattered] {
                Case::new((13, cols, 7), 1.0, 0.5, [layout; 3], [0; 3]).equals_its_twin(isa);
            }
            let deep = (13, cols, 520 + cols % 40);
            Case::new(deep, 0.5, 0.5, [Layout::GappedRows; 3], [4; 3]).equals_its_twin(isa);
        }
        for shape in
            [(61, 1500, 300), (300, 90, 1100), (200, 512, 64), (61, 500, 70), (140, 330, 1100)]
        {
            for offset in [0, 4] {
                let turned = [Layout::Columns, Layout::Rows, Layout::Rows];
                Case::new(shape, 1.0, 1.0, turned, [offset; 3]).equals_its_twin(isa);
                Case::new(shape, 1.0, 0.0, [Layout::Rows; 3], [offset; 3]).equals_its_twin(isa);
                Case::new(shape, -0.5, 1.0, [Layout::GappedColumns; 3], [offset; 3])
                    .equals_its_twin(isa);
            }
        }
    }
}

/// Strips of every height in tiles of every width, of more than one block in k: A and B by rows and by columns, B on
/// lines and off, with a factor and without.
#[test]
fn every_number_of_rows() {
    for isa in isas() {
        for m in 1..=30 {
            for n in [200, 256, 300, 479] {
                let by = |columns| if columns { Layout::Columns } else { Layout::Rows };
                let layouts = [by(m % 3 == 1), by((m + n) % 5 == 0), Layout::GappedRows];
                let (alpha, offset) = (if m % 2 == 0 { -0.5 } else { 1.0 }, m / 2 % 2 * 4);
                Case::new((m, n, 1030 + m), alpha, 0.5, layouts, [offset; 3]).equals_its_twin(isa);
            }
        }
    }
}

/// Few columns of C beside columns of A: operands change roles. One block and several in both directions that can be
/// cut, and rests of every kind.
#[test]
fn few_columns() {
    for isa in isas() {
        for n in 1..=17 {
            for (m, k) in [(16, 16), (17, 15), (33, 40), (45, 600), (1100, 17)] {
                for (c, beta) in [
                    (Layout::Rows, 0.0),
                    (Layout::Rows, 1.0),
                    (Layout::GappedRows, 0.5),
                    (Layout::GappedColumns, 0.5),
                    (Layout::Scattered, 1.0),
                ] {
                    let alpha = if m == 33 { 1.0 } else { -0.5 };
                    let a = if beta == 0.0 { Layout::Columns } else { Layout::GappedColumns };
                    let b = if n % 2 == 0 { Layout::Rows } else { Layout::Columns };
                    Case::new((m, n, k), alpha, beta, [a, b, c], [n, 3, 5]).equals_its_twin(isa);
                }
            }
        }
    }
}

/// Columns that are few beside whole vectors of C, or all it has: rows of C are in the lanes, the last of them twice.
#[test]
fn a_few_columns_beside_whole_vectors() {
    for isa in isas() {
        for n in (1..=14).chain([17, 25, 29, 34, 59, 67]) {
            for (m, k) in
                [(15, 40), (16, 15), (16, 16), (17, 18), (31, 33), (33, 35), (49, 600), (113, 20)]
            {
                for c in Layout::ALL {
                    for (i, a) in Layout::ALL.into_iter().enumerate() {
                        let b = Layout::ALL[(i + n) % Layout::ALL.len()];
                        let (alpha, beta) = (FACTORS[(m + i) % 5 + 1], FACTORS[(n + i) % 6]);
                        Case::new((m, n, k), alpha, beta, [a, b, c], [n, 3, 5])
                            .equals_its_twin(isa);
                    }
                }
            }
        }
    }
}

/// Few steps of k, and columns that fill panels of four vectors.
#[test]
fn short_sums() {
    for isa in isas() {
        for m in [5, 50, 131] {
            for n in [64, 128, 192, 256] {
                for k in [1, 20, 64, 65] {
                    for (layout, offset) in [(Layout::Rows, 0), (Layout::GappedRows, 3)] {
                        let b = if k == 20 { Layout::Columns } else { layout };
                        let layouts = [Layout::Columns, b, layout];
                        Case::new((m, n, k), 1.0, 0.5, layouts, [offset; 3]).equals_its_twin(isa);
                    }
                }
            }
        }
    }
}

/// Few rows of C and a B that no first-level cache holds, read where it lies and copied.
#[test]
fn few_rows() {
    for isa in isas() {
        for m in [1, 2, 12, 50] {
            for (n, k) in [(128, 70), (200, 50), (300, 300), (1024, 17)] {
                for b in [Layout::Rows, Layout::GappedRows, Layout::Columns, Layout::Scattered] {
                    for (alpha, beta) in [(1.0, 0.0), (-0.5, 1.0)] {
                        let layouts = [Layout::GappedRows, b, Layout::Rows];
                        Case::new((m, n, k), alpha, beta, layouts, [1, 4, 3]).equals_its_twin(isa);
                    }
                }
            }
        }
        // One column whose chains are beside each other in A: its transpose is one row.
        Case::new((300, 1, 60), 1.0, 0.5, [Layout::Columns; 3], [4; 3]).equals_its_twin(isa);
    }
}

#[test]
fn very_long_chains() {
    for isa in isas() {
        for shape in [(1, 1, 100_000), (3, 5, 100_000), (2, 17, 100_000)] {
            for layout in [Layout::Rows, Layout::Columns] {
                Case::new(shape, 1.0, 1.0, [layout; 3], [0; 3]).equals_its_twin(isa);
            }
        }
    }
}

#[test]
fn a_row_or_a_column_that_stands_for_all() {
    for isa in isas() {
        let (m, n, k) = (9, 20, 40);
        let mut g = Gen::new(8);
        let (row, column) = (g.floats(k), g.floats(k));
        let mut c = vec![0.0; m * n];
        let a = MatRef::new(&row, (m, k), (0, 1));
        let b = MatRef::new(&column, (k, n), (1, 0));
        gemm(isa, 1.0, a, b, 0.0, MatMut::row_major(&mut c, m, n));
        let one = Twin::of(isa).dot(0.0, row.into_iter().zip(column));
        assert_bits(&c, &vec![one; m * n], format_args!("zero strides on {isa}"));
    }
}

#[test]
fn infinities_and_nans_go_where_the_formula_takes_them() {
    for isa in isas() {
        for (m, n, k) in [(5, 7, 9), (17, 70, 33)] {
            let mut g = Gen::new(9);
            let (mut a, mut b) = (g.floats(m * k), g.floats(k * n));
            (a[k + 1], a[3 * k], a[4 * k + 2]) = (f32::INFINITY, f32::NAN, f32::MAX);
            (b[2], b[n + 3], b[2 * n + 1]) = (f32::NEG_INFINITY, 0.0, f32::MAX);
            let mut want = vec![0.0; m * n];
            let mut got = want.clone();
            Twin::of(isa).gemm((m, n, k), 1.0, &a, &b, 0.0, &mut want);
            let (a, b) = (MatRef::row_major(&a, m, k), MatRef::row_major(&b, k, n));
            gemm(isa, 1.0, a, b, 0.0, MatMut::row_major(&mut got, m, n));
            assert_bits(&got, &want, format_args!("{m}x{n}x{k} on {isa}"));
            assert!(got[..n].iter().any(|x| x.is_finite()) && got[3 * n].is_nan());
        }
    }
}

#[test]
fn alpha_zero_reads_neither_a_nor_b() {
    for isa in isas() {
        let poison = [common::POISON; 6];
        let mut c = [1.0, 2.0, 3.0, 4.0];
        let (a, b) = (MatRef::row_major(&poison, 2, 3), MatRef::row_major(&poison, 3, 2));
        gemm(isa, 0.0, a, b, 0.5, MatMut::row_major(&mut c, 2, 2));
        assert_eq!(c, [0.5, 1.0, 1.5, 2.0]);
        gemm(isa, 0.0, a, b, 0.0, MatMut::row_major(&mut c, 2, 2));
        assert_eq!(c, [0.0; 4]);
        assert!(poisoned(&poison));
    }
}

/// Sums of products of small integers have no rounding, so any order gives the one right answer.
#[test]
fn products_of_integers_are_exact() {
    for isa in isas() {
        // The last has several blocks in every direction.
        for (m, n, k) in [(31, 66, 1000), (100, 10, 784), (64, 128, 50), (520, 2060, 260)] {
            let mut g = Gen::new(10);
            let (a, b) = (g.integers(m * k, 8), g.integers(k * n, 8));
            let mut c = g.integers(m * n, 100);
            let want: Vec<f32> = (0..m * n)
                .map(|at| {
                    let (i, j) = (at / n, at % n);
                    let terms = (0..k).map(|p| a[i * k + p] as i64 * b[p * n + j] as i64);
                    (-2 * terms.sum::<i64>() + 3 * c[at] as i64) as f32
                })
                .collect();
            let (a, b) = (MatRef::row_major(&a, m, k), MatRef::row_major(&b, k, n));
            gemm(isa, -2.0, a, b, 3.0, MatMut::row_major(&mut c, m, n));
            assert_bits(&c, &want, format_args!("{m}x{n}x{k} on {isa}"));
        }
    }
}

/// |C - exact| ≤ γ (|α||A||B| + |β||C|), γ = r u / (1 - r u), u = 2^-24, with r roundings on the longest
/// way from an input to the result: one for each of the k additions, and at most one more each for
/// α b and for the product (or β c).
#[test]
fn errors_stay_within_the_bound_of_the_textbook() {
    for isa in isas() {
        for (m, n, k) in [(9, 70, 1), (17, 33, 64), (32, 128, 784), (2, 5, 100_000)] {
            for (alpha, beta) in [(1.0_f32, 0.0_f32), (-0.3, 1.0), (0.7, -1.7)] {
                let mut g = Gen::new(11);
                let (a, b, c) = (g.floats(m * k), g.floats(k * n), g.floats(m * n));
                let mut got = c.clone();
                let (a_, b_) = (MatRef::row_major(&a, m, k), MatRef::row_major(&b, k, n));
                gemm(isa, alpha, a_, b_, beta, MatMut::row_major(&mut got, m, n));
                let roundings = if alpha == 1.0 && beta == 0.0 { k } else { k + 2 };
                let ru = roundings as f64 * 2f64.powi(-24);
                for (at, got) in got.iter().enumerate() {
                    let (i, j) = (at / n, at % n);
                    let start = f64::from(beta) * f64::from(c[at]);
                    let (mut exact, mut size) = (start, start.abs());
                    for p in 0..k {
                        let term =
                            f64::from(alpha) * f64::from(a[i * k + p]) * f64::from(b[p * n + j]);
                        exact += term;
                        size += term.abs();
                    }
                    let (error, bound) = ((f64::from(*got) - exact).abs(), ru / (1.0 - ru) * size);
                    assert!(
                        error <= bound,
                        "{m}x{n}x{k}, alpha {alpha}, beta {beta}, on {isa}: at ({i}, {j}) the error \
                         is {error:e}, more than {bound:e}"
                    );
                }
            }
        }
    }
}

fn any_layout() -> impl Strategy<Value = Layout> {
    prop::sample::select(&Layout::ALL[..])
}

fn any_factor() -> impl Strategy<Value = f32> {
    prop_oneof![prop::sample::select(&FACTORS[..]), -4.0f32..4.0]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_product_equals_its_twin(
        (m, n, k) in (0..48usize, 0..150usize, 0..150usize),
        (alpha, beta) in (any_factor(), any_factor()),
        layouts in [any_layout(), any_layout(), any_layout()],
        offsets in [0..16usize, 0..16usize, 0..16usize],
    ) {
        for isa in isas() {
            Case::new((m, n, k), alpha, beta, layouts, offsets).equals_its_twin(isa);
        }
    }

    /// Element by element, whether two of C's coincide is what `MatMut` says.
    #[test]
    fn strides_whose_elements_coincide_are_refused(
        (rows, cols) in (0..6usize, 0..6usize),
        (rs, cs) in (0..16usize, 0..16usize),
    ) {
        let mut places: Vec<usize> =
            (0..rows).flat_map(|i| (0..cols).map(move |j| i * rs + j * cs)).collect();
        places.sort_unstable();
        let coincide = places.windows(2).any(|w| w[0] == w[1]);
        let mut data = vec![0.0; 200];
        let made = std::panic::catch_unwind(move || {
            MatMut::new(&mut data, (rows, cols), (rs, cs));
        });
        prop_assert!(made.is_err() || !coincide, "{rows}x{cols} with ({rs}, {cs}) coincide");
        // Rows beside each other, or columns: no such matrix is refused.
        let rows_apart = rs > cols.saturating_sub(1) * cs && cs > 0;
        let columns_apart = cs > rows.saturating_sub(1) * rs && rs > 0;
        prop_assert!(made.is_ok() || !(rows_apart || columns_apart), "{rows}x{cols}, ({rs}, {cs})");
    }
}

fn product_of(a: (usize, usize), b: (usize, usize), c: (usize, usize)) {
    let data = [0.0; 64];
    let mut out = [0.0; 64];
    let a = MatRef::row_major(&data[..a.0 * a.1], a.0, a.1);
    let b = MatRef::row_major(&data[..b.0 * b.1], b.0, b.1);
    gemm(Isa::best(), 1.0, a, b, 0.0, MatMut::row_major(&mut out[..c.0 * c.1], c.0, c.1));
}

#[test]
#[should_panic(expected = "gemm of A 2x3, B 4x5 into C 2x5")]
fn inner_sizes_that_differ_are_named() {
    product_of((2, 3), (4, 5), (2, 5));
}

#[test]
#[should_panic(expected = "gemm of A 2x3, B 3x5 into C 3x5")]
fn rows_that_differ_are_named() {
    product_of((2, 3), (3, 5), (3, 5));
}

#[test]
#[should_panic(expected = "gemm of A 2x3, B 3x5 into C 2x4")]
fn columns_that_differ_are_named() {
    product_of((2, 3), (3, 5), (2, 4));
}

#[test]
fn a_product_in_four_parts_is_the_product() {
    let (m, n, k) = (37, 70, 50);
    let mut g = Gen::new(12);
    let (a, b) = (g.floats(m * k), g.floats(k * n));
    let (a, b) = (MatRef::row_major(&a, m, k), MatRef::row_major(&b, k, n));
    for isa in isas() {
        let (mut whole, mut parts) = (vec![0.0; m * n], vec![common::POISON; m * n]);
        gemm(isa, 1.0, a, b, 0.0, MatMut::row_major(&mut whole, m, n));
        let (above, below) = MatMut::row_major(&mut parts, m, n).split_rows(20);
        let mut scratch = Scratch::new();
        for (c, (i, rows)) in [(above, (0, 20)), (below, (20, m - 20))] {
            let (left, right) = c.split_cols(33);
            for (c, (j, cols)) in [(left, (0, 33)), (right, (33, n - 33))] {
                assert_eq!((c.rows(), c.cols(), c.strides()), (rows, cols, (n, 1)));
                let (a, b) = (a.block((i, rows), (0, k)), b.block((0, k), (j, cols)));
                gemm_in(&mut scratch, isa, 1.0, a, b, 0.0, c);
            }
        }
        assert_bits(&parts, &whole, format_args!("four parts on {isa}"));
    }
}
