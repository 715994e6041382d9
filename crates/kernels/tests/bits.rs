//! Every kernel equals its scalar twin bit for bit, on every ISA this machine has.

mod common;

use common::{Gen, SIZES, assert_bits, assert_padding_is_zero, isas, panel_of};
use kernels::twin::Twin;
use kernels::*;

/// Floats of all kinds: ordinary, tiny, denormal, zero of both signs, huge, infinite, NaN.
const SPECIAL: [f32; 13] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f32::MIN_POSITIVE,
    -1e-40,
    1e-45,
    f32::MAX,
    f32::MIN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    1e-20,
];

fn with_specials(gen_: &mut Gen, n: usize) -> Vec<f32> {
    let mut v = gen_.floats(n);
    for (i, x) in v.iter_mut().enumerate().filter(|(i, _)| i % 5 == 3) {
        *x = SPECIAL[i % SPECIAL.len()];
    }
    v
}

#[test]
fn exp_equals_its_twin() {
    let mut g = Gen::new(1);
    for isa in isas() {
        let twin = Twin::of(isa);
        for n in SIZES {
            let x: Vec<f32> = with_specials(&mut g, n).iter().map(|x| x * 60.0).collect();
            let mut got = x.clone();
            exp_in_place(isa, &mut got);
            let want: Vec<f32> = x.iter().map(|x| twin.exp(*x)).collect();
            assert_bits(&got, &want, format_args!("exp of {n} floats on {isa}"));
        }
    }
}

/// Every row of the table of elementwise functions: on slices, and on rows of a panel with its padding.
#[test]
fn elementwise_functions_and_their_gradients_equal_their_twins() {
    let mut g = Gen::new(2);
    for isa in isas() {
        let twin = Twin::of(isa);
        for f in Elementwise::ALL.iter().copied() {
            for (n, scale) in SIZES.into_iter().flat_map(|n| [(n, 0.5), (n, 6.0), (n, 90.0)]) {
                let what = format!("{} of {n} floats up to {scale} on {isa}", f.name());
                let x: Vec<f32> = with_specials(&mut g, n).iter().map(|x| x * scale).collect();
                let (want, slopes): (Vec<f32>, Vec<f32>) =
                    x.iter().map(|x| twin.elementwise(f, *x)).unzip();
                let mut y = x.clone();
                map_in_place(isa, f, &mut y);
                assert_bits(&y, &want, format_args!("{what}"));
                let dy = g.floats(n);
                let mut dx = dy.clone();
                map_backward(isa, f, &x, &mut dx);
                let product: Vec<f32> = dy.iter().zip(&slopes).map(|(d, s)| d * s).collect();
                assert_bits(&dx, &product, format_args!("gradient of {what}"));
                if n > 0 {
                    on_a_panel(isa, f, &x, &want, &slopes);
                }
            }
        }
    }
}

/// Three rows of these: values and slopes, padding that stays zero, and values alone.
fn on_a_panel(isa: Isa, f: Elementwise, x: &[f32], want: &[f32], slopes: &[f32]) {
    let (rows, n) = (3, x.len());
    let mut both = [panel_of(rows, n, &x.repeat(rows)), Panel::zeros(rows, n)];
    let mut alone = both[0].clone();
    let [y, slope] = &mut both;
    activate(isa, f, n, y.lines_mut(), slope.lines_mut());
    activate(isa, f, n, alone.lines_mut(), &mut []);
    assert_eq!(alone.lines().len(), y.lines().len());
    for (panel, want) in [(&*y, want), (slope, slopes), (&alone, want)] {
        let what = format!("{} of rows of {n} on {isa}", f.name());
        for i in 0..rows {
            assert_bits(&Line::flat(panel.row(i))[..n], want, format_args!("{what}, row {i}"));
        }
        assert_padding_is_zero(panel, format_args!("{what}"));
    }
}

#[test]
fn pixels_equal_their_twin() {
    for isa in isas() {
        let twin = Twin::of(isa);
        for n in SIZES {
            let bytes: Vec<u8> = (0..n).map(|i| (i * 37 + n) as u8).collect();
            let mut got = vec![f32::NAN; n];
            pixels(isa, &bytes, 1.0 / 255.0, &mut got);
            let want: Vec<f32> = bytes.iter().map(|b| twin.pixel(*b, 1.0 / 255.0)).collect();
            assert_bits(&got, &want, format_args!("{n} pixels on {isa}"));
        }
    }
}

#[test]
fn averages_equal_their_twins() {
    let mut g = Gen::new(8);
    for isa in isas() {
        let twin = Twin::of(isa);
        for n in SIZES {
            let (x, end) = (with_specials(&mut g, n), with_specials(&mut g, n + 1));
            let mut got = x.clone();
            lerp(isa, &mut got, &end[1..], 1e-3);
            let pairs = x.iter().zip(&end[1..]);
            let want: Vec<f32> = pairs.map(|(x, end)| twin.lerp(*x, *end, 1e-3)).collect();
            assert_bits(&got, &want, format_args!("average of {n} on {isa}"));
        }
    }
}

#[test]
fn sums_and_maxima_equal_their_twins() {
    let mut g = Gen::new(7);
    for isa in isas() {
        let twin = Twin::of(isa);
        for n in SIZES {
            for x in [g.floats(n), with_specials(&mut g, n)] {
                assert_bits(&[sum(isa, &x)], &[twin.sum(&x)], format_args!("sum of {n} on {isa}"));
                let most = [largest(isa, &x)];
                assert_bits(&most, &[twin.largest(&x)], format_args!("largest of {n} on {isa}"));
            }
            let x = g.floats(n);
            let exact: f64 = x.iter().map(|x| f64::from(*x)).sum();
            let size: f64 = x.iter().map(|x| f64::from(x.abs())).sum();
            let bound = (n as f64 / 16.0 + 5.0) * f64::from(f32::EPSILON) / 2.0 * size;
            assert!((f64::from(sum(isa, &x)) - exact).abs() <= bound, "sum of {n} on {isa}");
            let most = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(isa, &x), most, "largest of {n} on {isa}");
        }
    }
}

#[test]
fn softmax_equals_its_twin() {
    let mut g = Gen::new(3);
    for isa in isas() {
        let twin = Twin::of(isa);
        for n in SIZES.into_iter().filter(|n| *n > 0) {
            for special in [false, true] {
                // More than the sixteen that go together, and so far apart that some are nearly 0.
                let rows = 37;
                let x = if special { with_specials(&mut g, rows * n) } else { g.floats(rows * n) };
                let x = x.iter().enumerate().map(|(i, x)| x * [20.0, 60.0, 4.0][i / n % 3]);
                let x: Vec<f32> = x.collect();
                let mut want = x.clone();
                want.chunks_exact_mut(n).for_each(|row| {
                    twin.softmax(row);
                });
                let mut got = x.clone();
                softmax(isa, &mut got, n);
                assert_bits(&got, &want, format_args!("softmax of rows of {n} on {isa}"));
            }
        }
    }
}

#[test]
fn softmax_cross_entropy_equals_its_twin() {
    let mut g = Gen::new(4);
    for isa in isas() {
        let twin = Twin::of(isa);
        for n in [1, 2, 9, 10, 15, 16, 17, 33, 255, 1000] {
            // More than the sixteen that go together, and two that nobody asks for.
            let (rows, more) = (37, 2);
            let mut x: Vec<f32> = g.floats((rows + more) * n).iter().map(|x| x * 9.0).collect();
            // Equal logits, of which the first is the largest, and some that are not finite.
            x[..3 * n].iter_mut().for_each(|x| *x = x.trunc().clamp(-1.0, 1.0));
            for (row, special) in [(5, f32::NAN), (20, f32::INFINITY), (21, f32::NEG_INFINITY)] {
                x[row * n + n / 2] = special;
            }
            // Every other row is right.
            let label = |i: usize| match i % 2 {
                0 => (i * 5 + 3) % n,
                _ => first_largest(&x[i * n..][..n]),
            };
            let labels: Vec<u16> = (0..rows).map(|i| label(i) as u16).collect();
            let mut panel = panel_of(rows + more, n, &x);
            let mut losses = vec![RowLoss::default(); rows];
            let mut probabilities = panel.clone();
            softmax_panel(isa, &mut probabilities, rows);
            assert_padding_is_zero(&probabilities, format_args!("{n} probabilities on {isa}"));
            softmax_cross_entropy(isa, &mut panel, &labels, 1.0 / 7.0, &mut losses);
            assert_padding_is_zero(&panel, format_args!("gradient of {n} logits on {isa}"));
            for i in 0..rows {
                let mut row = x[i * n..][..n].to_vec();
                let best = first_largest(&row);
                let loss = twin.softmax_cross_entropy(&mut row, usize::from(labels[i]), 1.0 / 7.0);
                let got = &Line::flat(panel.row(i))[..n];
                assert_bits(got, &row, format_args!("gradient of {n} logits, row {i}, on {isa}"));
                let same = losses[i].loss.to_bits() == loss.to_bits();
                assert!(
                    same || losses[i].loss.is_nan() && loss.is_nan(),
                    "loss {i} of {n} on {isa}"
                );
                assert_eq!(
                    losses[i].correct,
                    best == usize::from(labels[i]),
                    "{i} of {n} on {isa}"
                );
            }
            for i in rows..rows + more {
                assert_bits(
                    &Line::flat(panel.row(i))[..n],
                    &x[i * n..][..n],
                    format_args!("row {i}"),
                );
            }
        }
    }
}

#[test]
fn smoothed_and_weighted_losses_equal_their_twin_and_without_either_the_plain_one() {
    let mut g = Gen::new(9);
    for isa in isas() {
        let twin = Twin::of(isa);
        for n in [1, 2, 10, 16, 17, 33, 1000] {
            let rows = 7;
            let x: Vec<f32> = g.floats(rows * n).iter().map(|x| x * 9.0).collect();
            let labels: Vec<u16> = (0..rows).map(|i| ((i * 5 + 3) % n) as u16).collect();
            let weights: Vec<f32> = g.floats(n).iter().map(|w| w.abs() * 2.0).collect();
            for (smoothing, weights) in
                [(0.0, &[][..]), (0.1, &[]), (0.0, &weights), (0.3, &weights)]
            {
                let how = CrossEntropy { scale: 1.0 / 7.0, smoothing, weights };
                let mut panel = panel_of(rows, n, &x);
                let (mut plain, mut losses) = (panel.clone(), [RowLoss::default(); 7]);
                cross_entropy_with(isa, &mut panel, &labels, how, &mut losses);
                let what = format!("{n} logits, smoothed by {smoothing} on {isa}");
                for i in 0..rows {
                    let mut row = x[i * n..][..n].to_vec();
                    let loss = twin.cross_entropy_with(&mut row, usize::from(labels[i]), &how);
                    let got = &Line::flat(panel.row(i))[..n];
                    assert_bits(got, &row, format_args!("gradient of {what}"));
                    assert_eq!(losses[i].loss.to_bits(), loss.to_bits(), "loss of {what}");
                }
                assert_padding_is_zero(&panel, format_args!("{what}"));
                if smoothing == 0.0 && weights.is_empty() {
                    let mut same = losses;
                    softmax_cross_entropy(isa, &mut plain, &labels, 1.0 / 7.0, &mut same);
                    assert!(same == losses && plain == panel, "{what}");
                }
            }
        }
    }
}

#[test]
fn adam_equals_its_twin_down_to_denormals() {
    let mut g = Gen::new(5);
    for isa in isas() {
        let twin = Twin::of(isa);
        for n in SIZES {
            let (mut w, mut m, mut v) = (g.floats(n), g.floats(n), g.floats(n));
            v.iter_mut().for_each(|v| *v = v.abs());
            for (i, x) in m.iter_mut().chain(&mut v).enumerate() {
                *x *= [1.0, 1e-20, 1e-39, 0.0][i % 4];
            }
            let mut want = (w.clone(), m.clone(), v.clone());
            for t in 1..4 {
                let step = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, t);
                let grad: Vec<f32> = g
                    .floats(n)
                    .iter()
                    .enumerate()
                    .map(|(i, x)| x * [1.0, 0.0, 1e-38][i % 3])
                    .collect();
                adam_step(isa, &step, &grad, &mut w, &mut m, &mut v);
                twin.adam_step(&step, &grad, (&mut want.0, &mut want.1, &mut want.2));
                assert_bits(&w, &want.0, format_args!("weights, step {t} of {n} on {isa}"));
                assert_bits(&m, &want.1, format_args!("first moments, step {t} of {n} on {isa}"));
                assert_bits(&v, &want.2, format_args!("second moments, step {t} of {n} on {isa}"));
            }
        }
    }
}

#[test]
fn adam_steps_over_slices_that_begin_anywhere() {
    let mut g = Gen::new(7);
    let step = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 2);
    for isa in isas() {
        for (from, other) in (0..=16).flat_map(|from| [(from, from), (from, 3)]) {
            let [grad, w, m] = [(); 3].map(|()| g.floats(90));
            let v: Vec<f32> = g.floats(90).iter().map(|v| v.abs()).collect();
            let [mut found, mut want] = [(); 2].map(|()| (w.clone(), m.clone(), v.clone()));
            let grad = &grad[other..][..70];
            let (w, m, v) = (
                &mut found.0[from..][..70],
                &mut found.1[from..][..70],
                &mut found.2[other..][..70],
            );
            adam_step(isa, &step, grad, w, m, v);
            let (w, m, v) =
                (&mut want.0[from..][..70], &mut want.1[from..][..70], &mut want.2[other..][..70]);
            Twin::of(isa).adam_step(&step, grad, (w, m, v));
            assert_bits(&found.0, &want.0, format_args!("weights from {from} on, {isa}"));
            assert_bits(&found.1, &want.1, format_args!("first moments from {from} on, {isa}"));
            assert_bits(&found.2, &want.2, format_args!("second moments from {other} on, {isa}"));
        }
    }
}

#[test]
fn a_rate_of_nothing_leaves_the_weights() {
    let mut g = Gen::new(6);
    for isa in isas() {
        for lr in [0.0, 1e-300, 1e-19] {
            let (weights, grad) = (g.floats(50), g.floats(50));
            let (mut w, mut m, mut v) = (weights.clone(), vec![0.0; 50], vec![0.0; 50]);
            for t in [1, 2, 1000] {
                let step = AdamStep::new(lr, 0.9, 0.999, 1e-7, t);
                adam_step(isa, &step, &grad, &mut w, &mut m, &mut v);
            }
            assert_bits(&w, &weights, format_args!("weights, a rate of {lr} on {isa}"));
            assert!(m.iter().zip(&v).all(|(m, v)| *m != 0.0 && *v > 0.0), "moments on {isa}");
        }
    }
}

/// The largest second moments beside the smallest steps, and the other way round: the divisor is a number whose
/// reciprocal every ISA rounds once.
#[test]
fn adam_equals_its_twin_at_the_ends_of_its_range() {
    let mut g = Gen::new(7);
    for isa in isas() {
        let twin = Twin::of(isa);
        for (lr, moment) in [(1e-17, 3e38), (1e17, 3e38), (1e-17, 2e-38), (1e17, 2e-38)] {
            let (mut w, grad) = (g.floats(50), g.floats(50));
            let (mut m, mut v) = (g.floats(50), vec![moment; 50]);
            let mut want = (w.clone(), m.clone(), v.clone());
            let step = AdamStep::new(lr, 0.9, 0.999, 1e-7, 1000);
            adam_step(isa, &step, &grad, &mut w, &mut m, &mut v);
            twin.adam_step(&step, &grad, (&mut want.0, &mut want.1, &mut want.2));
            assert_bits(&w, &want.0, format_args!("weights, a rate of {lr}, {moment}, on {isa}"));
        }
    }
}

#[test]
fn adamw_and_gradient_descent_equal_their_twins() {
    let mut g = Gen::new(8);
    let forms = [(0.0, false, 0.0), (0.9, false, 0.0), (0.9, true, 0.01), (0.0, false, 0.1)];
    for isa in isas() {
        let twin = Twin::of(isa);
        for n in SIZES {
            let tiny = |(i, x): (usize, f32)| x * [1.0, 1e-20, 1e-38, 0.0][i % 4];
            let [w, m, g] = [(); 3].map(|()| g.floats(n).into_iter().enumerate().map(tiny));
            let (w, m, g): (Vec<f32>, Vec<f32>, Vec<f32>) = (w.collect(), m.collect(), g.collect());
            for (momentum, nesterov, decay) in forms {
                let step = SgdStep { lr: 0.1, momentum, nesterov, decay };
                let (mut got_w, mut got_m) = (w.clone(), m.clone());
                sgd_step(isa, &step, &g, &mut got_w, &mut got_m);
                let olds = w.iter().zip(&m).zip(&g);
                let (want_w, want_m): (Vec<f32>, Vec<f32>) =
                    olds.map(|((w, m), g)| twin.sgd(&step, *g, (*w, *m))).unzip();
                let what = format!("{step:?}, {n} floats on {isa}");
                assert_bits(&got_w, &want_w, format_args!("weights, {what}"));
                assert_bits(&got_m, &want_m, format_args!("momentum, {what}"));
            }
            let step = AdamWStep::new(1e-3, 0.9, 0.999, 1e-7, 0.5, 3);
            let v: Vec<f32> = m.iter().map(|m| m.abs()).collect();
            let mut got = [w.clone(), m.clone(), v.clone()];
            let [got_w, got_m, got_v] = &mut got;
            adamw_step(isa, &step, &g, got_w, got_m, got_v);
            for i in 0..n {
                let (w, m, v) = twin.adamw(&step, g[i], (w[i], m[i], v[i]));
                let got = [got[0][i], got[1][i], got[2][i]];
                assert_bits(&got, &[w, m, v], format_args!("AdamW, {i} of {n} on {isa}"));
            }
        }
    }
}

#[test]
fn transposing_moves_every_element_and_keeps_the_padding_zero() {
    for isa in isas() {
        for (rows, cols) in [(1, 1), (3, 16), (16, 10), (17, 33), (50, 64), (64, 64)] {
            let x = Gen::new(6).floats(rows * cols);
            let from = panel_of(rows, cols, &x);
            let mut to = Panel::zeros(cols, rows);
            transpose(isa, &from, &mut to);
            for i in 0..rows {
                for j in 0..cols {
                    assert_eq!(to.get(j, i), x[i * cols + j], "{rows}x{cols} on {isa}");
                }
            }
            assert_padding_is_zero(&to, format_args!("{rows}x{cols} on {isa}"));
        }
    }
}
