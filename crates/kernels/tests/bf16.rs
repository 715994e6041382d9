//! The kernels of bf16 products equal their twins bit for bit, where the CPU has such products; and the twins are right.

mod common;

use common::{Gen, assert_bits, assert_padding_is_zero, panel_of, refused};
use kernels::twin::bf16 as twin;
use kernels::*;
use proptest::prelude::*;

/// The tokens; or none, and then the test has tested nothing and says so.
#[expect(clippy::print_stderr, reason = "whoever reads the output should know")]
fn tokens(test: &str) -> impl Iterator<Item = Bf16> {
    if Bf16::new().is_none() {
        eprintln!("SKIPPED {test}: this machine has no AMX and no AVX-512 for bf16");
    }
    Bf16::available()
}

const UNITS: [Unit16; 2] = [Unit16::Tiles, Unit16::Pairs];

/// What the numbers of a test look like.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// In [-1, 1).
    Plain,
    /// What a byte holds.
    Bytes,
    /// Exponents far apart, so that sums round and cancel.
    Wide,
    /// Products around the smallest normal number.
    Tiny,
    /// Any bits: NaN, infinite and denormal too.
    Any,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Plain, Kind::Bytes, Kind::Wide, Kind::Tiny, Kind::Any];

    fn number(self, g: &mut Gen) -> f32 {
        let float = g.float();
        let up_to = |g: &mut Gen, n: u64| (g.bits() % n) as i32;
        match self {
            Kind::Plain => float,
            Kind::Bytes => up_to(g, 256) as f32,
            Kind::Wide => float * 2f32.powi(up_to(g, 24) - 12),
            // Many zeros, so that few products meet.
            Kind::Tiny if g.bits() % 4 < 3 => 0.0,
            Kind::Tiny => (float + 1.5 * float.signum()) * 2f32.powi(-64 - up_to(g, 8)),
            Kind::Any => f32::from_bits(g.bits() as u32),
        }
    }

    fn numbers(self, g: &mut Gen, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.number(g)).collect()
    }
}

fn left(token: Bf16, rows: usize, depth: usize, from: &[f32]) -> Left16 {
    let mut to = Left16::zeros(rows, depth);
    round16(token, panel_of(rows, depth, from).view(), &mut to, 0);
    to
}

fn right(token: Bf16, depth: usize, cols: usize, from: &[f32]) -> Right16 {
    let mut to = Right16::zeros(depth, cols);
    pairs16(token, panel_of(depth, cols, from).view(), &mut to, 0);
    to
}

fn transposed(rows: usize, cols: usize, from: &[f32]) -> Vec<f32> {
    (0..rows * cols).map(|at| from[at % rows * cols + at / rows]).collect()
}

fn all_of(panel: &Panel) -> Vec<f32> {
    let of_row = |i| (0..panel.cols()).map(move |j| panel.get(i, j));
    (0..panel.rows()).flat_map(of_row).collect()
}

/// `2^e`, of a normal number.
fn pow2(e: i32) -> f32 {
    f32::from_bits(((127 + e) as u32) << 23)
}

#[test]
fn rounding_is_to_nearest_even_and_denormals_are_zero() {
    let cases: [(u32, u16); 14] = [
        (0x3f80_0000, 0x3f80),
        (0x3f80_8000, 0x3f80),
        (0x3f80_8001, 0x3f81),
        (0x3f81_8000, 0x3f82),
        (0xbf81_8000, 0xbf82),
        (0x0000_0001, 0x0000),
        (0x8000_0001, 0x8000),
        (0x007f_ffff, 0x0000),
        (0x0080_0000, 0x0080),
        (0x7f7f_ffff, 0x7f80),
        (0x7f80_0000, 0x7f80),
        (0x7f80_0001, 0x7fc0),
        (0xffc1_2345, 0xffc1),
        (0x7fff_ffff, 0x7fff),
    ];
    for (from, to) in cases {
        assert_eq!(twin::round(f32::from_bits(from)), to, "{from:08x}");
    }
    let mut g = Gen::new(1);
    for _ in 0..10_000 {
        let x = g.float();
        let near = twin::rounded(x);
        assert!((near - x).abs() <= x.abs() / 256.0, "{x:e} to {near:e}");
    }
}

#[test]
fn rounding_equals_its_twin() {
    for token in tokens("rounding") {
        let mut g = Gen::new(2);
        for cols in [1, 15, 16, 17, 32, 33, 64, 100] {
            let x = Kind::Any.numbers(&mut g, 200 * cols);
            let (left, right) = (left(token, 200, cols, &x), right(token, 200, cols, &x));
            for (at, x) in x.iter().enumerate() {
                let (i, j) = (at / cols, at % cols);
                let got = [left.get(i, j), right.get(i, j)];
                assert_eq!(
                    got.map(|x| (x.to_bits() >> 16) as u16),
                    [twin::round(*x); 2],
                    "of {x:e}"
                );
            }
        }
    }
}

/// The edge between the smallest normal number and zero, as measured: a result is denormal if it still is
/// after it was rounded to 24 bits.
#[test]
fn what_is_denormal_after_rounding_is_zero() {
    let full = 1.992_187_5;
    let cases = [(1.0, 149, false), (1.0, 150, false), (full, 151, false), (1.5, 151, false)];
    let more = [(1.0, 151, true), (full, 152, true), (1.0, 152, true), (1.0, 160, true)];
    for (factor, e, stays) in cases.into_iter().chain(more) {
        // 2^-126 - factor · 2^-e
        let [mut a, mut b] = [[0.0; 32]; 2];
        (a[0], b[0]) = (pow2(-63), pow2(-63));
        (a[2], b[2]) = (-factor * pow2(-e / 2), pow2(e / 2 - e));
        let want = if stays { f32::MIN_POSITIVE } else { 0.0 };
        for unit in UNITS {
            let got = twin::add_products(unit, 0.0, &a, &b);
            assert_eq!(got, want, "{unit:?}: 2^-126 - {factor} · 2^-{e}");
        }
        for token in tokens("the edge of denormals") {
            let mut out = [Panel::zeros(16, 1)];
            let (a, b) = (left(token, 1, 32, &a), right(token, 32, 1, &b));
            forward16(token, &a, &[&b], 1.0, (&[Line::ZERO], Then::Linear), &mut out);
            assert_eq!(out[0].get(0, 0), want, "{token:?}: 2^-126 - {factor} · 2^-{e}");
        }
    }
}

#[test]
fn bytes_are_exact_and_rows_become_columns() {
    for token in tokens("bytes") {
        let mut g = Gen::new(3);
        for (rows, depth) in [(1, 1), (16, 32), (17, 33), (32, 784), (33, 31), (5, 64), (70, 100)] {
            let bytes: Vec<u8> = (0..rows * depth).map(|_| g.bits() as u8).collect();
            let (mut x, mut xt) = (Left16::zeros(rows, depth), Left16::zeros(depth, rows));
            pixels16(token, &|i| &bytes[i * depth..][..depth], &mut x);
            transpose16(token, &x, &mut xt);
            for (at, byte) in bytes.iter().enumerate() {
                let (i, k) = (at / depth, at % depth);
                assert_eq!([x.get(i, k), xt.get(k, i)], [f32::from(*byte); 2], "{rows}x{depth}");
            }
            // What is past the last row and column is compared too.
            let floats: Vec<f32> = bytes.iter().map(|b| f32::from(*b)).collect();
            assert_eq!(x, left(token, rows, depth, &floats));
            if token.unit() == Unit16::Tiles {
                assert_eq!(xt, left(token, depth, rows, &transposed(rows, depth, &floats)));
            }
        }
    }
}

#[test]
fn parts_of_an_operand_go_where_they_belong() {
    for token in tokens("parts") {
        let mut g = Gen::new(4);
        let x = g.floats(70 * 64);
        let panel = panel_of(70, 64, &x);
        let mut whole = Left16::zeros(70, 64);
        round16(token, panel.view().cols_at(32, 32), &mut whole, 32);
        round16(token, panel.view().cols_at(0, 32), &mut whole, 0);
        assert_eq!(whole, left(token, 70, 64, &x));
        let mut whole = Right16::zeros(70, 64);
        pairs16(token, panel.view().rows_at(38, 32), &mut whole, 38);
        pairs16(token, panel.view().rows_at(0, 38), &mut whole, 0);
        assert_eq!(whole, right(token, 70, 64, &x));
    }
}

fn check_forward(
    token: Bf16,
    (batch, inputs, cols): (usize, usize, usize),
    kind: Kind,
    g: &mut Gen,
) {
    let (x, w) = (kind.numbers(g, batch * inputs), kind.numbers(g, inputs * cols));
    let (bias, scale) = (g.floats(cols), g.float());
    let x16 = left(token, batch, inputs, &x);
    // In two parts, where there are enough inputs, and in one.
    let cut = inputs / 2 / 32 * 32;
    let parts = [(0, cut), (cut, inputs)];
    let parts = parts.map(|(from, to)| right(token, to - from, cols, &w[from * cols..to * cols]));
    let whole = right(token, inputs, cols, &w);
    let bias_lines = panel_of(1, cols, &bias);
    for then in [Then::Linear, Then::Relu] {
        let want = twin::forward(token.unit(), (batch, inputs, cols), &x, &w, scale, (&bias, then));
        for (w, rows) in [(&[&whole][..], 16), (&[&whole], 48), (&[&parts[0], &parts[1]], 32)] {
            let mut out = vec![Panel::zeros(rows, cols); batch.div_ceil(rows)];
            forward16(token, &x16, w, scale, (bias_lines.lines(), then), &mut out);
            let what = format_args!(
                "{token:?}: {batch}x{inputs}x{cols} of {kind:?}, {then:?}, by {rows} rows"
            );
            let got: Vec<f32> = out.iter().flat_map(all_of).collect();
            let (got, rest) = got.split_at(batch * cols);
            assert_bits(got, &want, what);
            assert!(rest.iter().all(|x| *x == 0.0), "{what}: rows past the last");
            if !matches!(kind, Kind::Any) {
                out.iter().for_each(|out| assert_padding_is_zero(out, what));
            }
        }
    }
}

fn check_update(
    token: Bf16,
    (batch, inputs, cols): (usize, usize, usize),
    kind: Kind,
    g: &mut Gen,
) {
    let scale = g.float().abs();
    // The part begins at the second tile of inputs.
    let from = 16 * (g.bits() % 2) as usize;
    let all = from + inputs;
    let (mut owned, mut w16) = (Owned::zeros(inputs, cols), Right16::zeros(inputs, cols));
    owned.w = panel_of(inputs, cols, &g.floats(inputs * cols));
    let (mut w, mut m, mut v) = (all_of(&owned.w), all_of(&owned.m), all_of(&owned.v));
    for t in 1..=3 {
        let (x, dz) = (kind.numbers(g, batch * all), kind.numbers(g, batch * cols));
        let step = AdamStep::new(0.01, 0.9, 0.999, 1e-7, t);
        let mut xt = Left16::zeros(all, batch);
        transpose16(token, &left(token, batch, all, &x), &mut xt);
        let dz16 = right(token, batch, cols, &dz);
        update16(token, (&xt, from), &dz16, scale, &mut owned, &mut w16, step);
        let gradient = twin::gradient(token.unit(), (batch, all, cols), &x, &dz, scale);
        twin::TWIN.adam_step(&step, &gradient[from * cols..], (&mut w, &mut m, &mut v));
        let what = |part| {
            format!("{token:?}: {part} of {inputs}x{cols}, {batch} rows of {kind:?}, step {t}")
        };
        assert_bits(&all_of(&owned.m), &m, format_args!("{}", what("m")));
        assert_bits(&all_of(&owned.v), &v, format_args!("{}", what("v")));
        assert_bits(&all_of(&owned.w), &w, format_args!("{}", what("w")));
        if !matches!(kind, Kind::Any) {
            assert_eq!(w16, right(token, inputs, cols, &w), "{}", what("w16"));
            for panel in [&owned.w, &owned.m, &owned.v] {
                assert_padding_is_zero(panel, format_args!("{}", what("padding")));
            }
        }
    }
}

#[test]
fn the_layer_of_the_images_equals_its_twin() {
    for token in tokens("784 inputs") {
        let mut g = Gen::new(5);
        check_forward(token, (32, 784, 64), Kind::Bytes, &mut g);
        check_update(token, (32, 784, 64), Kind::Plain, &mut g);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn forward_equals_its_twin(
        shape in (1..50_usize, 1..150_usize, 1..=64_usize), kind in 0..5_usize, seed: u64,
    ) {
        for token in tokens("forward16") {
            check_forward(token, shape, Kind::ALL[kind], &mut Gen::new(seed));
        }
    }

    #[test]
    fn update_equals_its_twin(
        shape in (1..70_usize, 1..80_usize, 1..=64_usize), kind in 0..5_usize, seed: u64,
    ) {
        for token in tokens("update16") {
            check_update(token, shape, Kind::ALL[kind], &mut Gen::new(seed));
        }
    }
}

/// Each chain of n multiply-adds is off by at most n half units of the sum of the magnitudes of what it adds
/// (Higham, "Accuracy and stability of numerical algorithms", 3.1), and so is the sum of chains.
#[test]
fn the_twin_agrees_with_f64_over_rounded_operands() {
    let mut g = Gen::new(6);
    for n in [1, 2, 31, 32, 33, 100, 784] {
        let (a, b) = (Kind::Wide.numbers(&mut g, n), Kind::Wide.numbers(&mut g, n));
        let ab = || a.iter().zip(&b).map(|(a, b)| (*a, *b));
        let exact = |(a, b): (f32, f32)| f64::from(twin::rounded(a)) * f64::from(twin::rounded(b));
        let want: f64 = ab().map(exact).sum();
        let sizes: f64 = ab().map(|ab| exact(ab).abs()).sum();
        for (unit, steps) in UNITS.into_iter().zip([18.0 + n as f64 / 32.0, 2.0 + n as f64]) {
            let got = f64::from(twin::dot(unit, ab()));
            let off = (got - want).abs();
            assert!(off <= steps * sizes * 2f64.powi(-24), "{unit:?}, {n}: {got} for {want}");
        }
    }
}

#[test]
fn operands_that_do_not_fit_are_refused() {
    for token in tokens("shapes") {
        let forward = |x: &Left16, w: &Right16, bias: &[Line], cols: usize| {
            let mut out = [Panel::zeros(16, cols)];
            refused(|| forward16(token, x, &[w], 1.0, (bias, Then::Linear), &mut out))
        };
        let (x, w) = (Left16::zeros(1, 2), Right16::zeros(2, 17));
        let depth = forward(&x, &Right16::zeros(3, 17), &[Line::ZERO; 2], 17);
        assert!(depth.contains("inputs"), "{depth}");
        let cols = forward(&x, &w, &[Line::ZERO; 2], 18);
        assert!(cols.contains("columns of the weights and of the outputs"), "{cols}");
        assert_eq!(forward(&x, &w, &[Line::ZERO], 17), "1 lines of biases");
        if token.unit() == Unit16::Pairs {
            let mut transposed = Left16::zeros(2, 1);
            transpose16(token, &x, &mut transposed);
            let w = Right16::zeros(1, 17);
            assert_eq!(forward(&transposed, &w, &[Line::ZERO; 2], 17), "a transpose");
        }
        let other = refused(|| transpose16(token, &x, &mut Left16::zeros(1, 2)));
        assert!(other.contains("shape of a transpose"), "{other}");
        let odd =
            refused(|| pairs16(token, Panel::zeros(1, 1).view(), &mut Right16::zeros(2, 1), 1));
        assert_eq!(odd, "rows 1+1 of 2");
        let panel = Panel::zeros(1, 33);
        let wide = refused(|| round16(token, panel.view(), &mut Left16::zeros(1, 32), 0));
        assert_eq!(wide, "columns 0+33 of 32");
    }
}

#[test]
fn threads_have_their_own_tiles() {
    for token in tokens("threads") {
        std::thread::scope(|scope| {
            for seed in 0..4 {
                scope.spawn(move || {
                    for _ in 0..5 {
                        check_forward(token, (20, 70, 33), Kind::Wide, &mut Gen::new(seed));
                    }
                });
            }
        });
    }
}
