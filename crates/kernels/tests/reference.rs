//! The twins compute the right thing: against `f64` within stated bounds, and gradients against finite
//! differences. Together with the tests that compare bits, this says it of the kernels.

mod common;

use common::{Gen, isas};
use kernels::reference::{self, gradcheck};
use kernels::twin::Twin;
use kernels::{AdamStep, AdamWStep, CrossEntropy, Elementwise, Gate, SgdStep, Then};

/// Half the distance from 1 to the next float: the largest relative error of one rounding.
const U: f64 = 1.0 / (1u64 << 24) as f64;

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

/// The twins there are: those of the ISAs under test, fused or not.
fn twins() -> Vec<Twin> {
    isas().into_iter().map(Twin::of).collect()
}

/// A small network layer whose outputs before ReLU are all far from its kink.
struct Layer {
    shape: (usize, usize, usize),
    x: Vec<f32>,
    w: Vec<f32>,
    bias: Vec<f32>,
}

impl Layer {
    fn new(batch: usize, inputs: usize, outputs: usize) -> Layer {
        for seed in 0.. {
            let mut g = Gen::new(seed);
            let (x, w) = (g.floats(batch * inputs), g.floats(inputs * outputs));
            let layer = Layer { shape: (batch, inputs, outputs), x, w, bias: g.floats(outputs) };
            let z =
                layer.outputs(&wide(&layer.x), &wide(&layer.w), &wide(&layer.bias), Then::Linear);
            if z.iter().all(|z| z.abs() > 1e-3) {
                return layer;
            }
        }
        unreachable!("some seed has no output near zero")
    }

    fn outputs(&self, x: &[f64], w: &[f64], bias: &[f64], then: Then) -> Vec<f64> {
        reference::dense(self.shape, x, w, bias, then)
    }
}

/// A loss with a gradient of its own for every output: `Σ c_i h_i`, c fixed.
fn weighted(c: &[f64], h: &[f64]) -> f64 {
    c.iter().zip(h).map(|(c, h)| c * h).sum()
}

#[test]
fn dense_is_x_w_plus_b() {
    for twin in twins() {
        for then in [Then::Linear, Then::Relu] {
            let layer = Layer::new(5, 100, 17);
            let (batch, inputs, outputs) = layer.shape;
            let got = twin.dense_forward(layer.shape, &layer.x, &layer.w, &layer.bias, then);
            let want = layer.outputs(&wide(&layer.x), &wide(&layer.w), &wide(&layer.bias), then);
            for (at, (got, want)) in got.iter().zip(&want).enumerate() {
                let (i, o) = (at / outputs, at % outputs);
                let size: f64 = (0..inputs)
                    .map(|k| f64::from(layer.x[i * inputs + k] * layer.w[k * outputs + o]).abs())
                    .sum();
                // One rounding for each of the products' sums, one for the bias, one where not fused.
                let bound =
                    (inputs + 2) as f64 * U * (size + f64::from(layer.bias[o]).abs()) * 1.001;
                let error = (f64::from(*got) - want).abs();
                assert!(
                    error <= bound,
                    "{batch} rows, {then:?}: {error:e} > {bound:e} at ({i}, {o})"
                );
            }
        }
    }
}

#[test]
fn gradients_of_dense_agree_with_finite_differences() {
    for twin in twins() {
        for then in [Then::Linear, Then::Relu] {
            let layer = Layer::new(4, 9, 7);
            let Layer { shape, x, w, bias } = &layer;
            let (x64, w64, b64) = (wide(x), wide(w), wide(bias));
            let c = Gen::new(77).floats(shape.0 * shape.2);
            let c64 = wide(&c);

            // dZ: through the layer's own activation.
            let h = twin.dense_forward(*shape, x, w, bias, then);
            let dz: Vec<f32> = match then {
                Then::Linear => c.clone(),
                Then::Relu => h.iter().zip(&c).map(|(h, c)| twin.relu_backward(*h, *c)).collect(),
            };
            let dw = wide(&twin.dense_gradient(*shape, x, &dz));
            let db = wide(&twin.bias_gradient((shape.0, shape.2), &dz));
            let dx = wide(&twin.dense_backward_input(*shape, w, &dz, Gate::Open));

            let loss_of_w = |w: &[f64]| weighted(&c64, &layer.outputs(&x64, w, &b64, then));
            let loss_of_b = |b: &[f64]| weighted(&c64, &layer.outputs(&x64, &w64, b, then));
            let loss_of_x = |x: &[f64]| weighted(&c64, &layer.outputs(x, &w64, &b64, then));
            assert_eq!(gradcheck(loss_of_w, &w64, &dw), Ok(()), "weights, {then:?}");
            assert_eq!(gradcheck(loss_of_b, &b64, &db), Ok(()), "bias, {then:?}");
            assert_eq!(gradcheck(loss_of_x, &x64, &dx), Ok(()), "input, {then:?}");
        }
    }
}

/// Through a ReLU below: the gradient of what came in before it.
#[test]
fn the_gradient_below_a_relu_agrees_with_finite_differences() {
    for twin in twins() {
        let layer = Layer::new(3, 12, 5);
        let Layer { shape, x: z, w, bias } = &layer;
        let h: Vec<f32> = z.iter().map(|z| twin.relu(*z)).collect();
        let c = Gen::new(78).floats(shape.0 * shape.2);
        let dz = twin.dense_backward_input(*shape, w, &c, Gate::Relu(&h));
        let loss = |z: &[f64]| {
            let h: Vec<f64> = z.iter().map(|z| z.max(0.0)).collect();
            weighted(&wide(&c), &layer.outputs(&h, &wide(w), &wide(bias), Then::Linear))
        };
        assert!(z.iter().all(|z| z.abs() > 1e-5), "no input lies at the kink");
        assert_eq!(gradcheck(loss, &wide(z), &wide(&dz)), Ok(()));
    }
}

/// Through each elementwise function below, by the slopes that it gives.
#[test]
fn the_gradient_below_a_function_agrees_with_finite_differences() {
    for (twin, f) in twins().into_iter().flat_map(|t| Elementwise::ALL.iter().map(move |f| (t, *f)))
    {
        let layer = Layer::new(3, 12, 5);
        let Layer { shape, x: z, w, bias } = &layer;
        let (_, slopes): (Vec<f32>, Vec<f32>) = z.iter().map(|z| twin.elementwise(f, *z)).unzip();
        let c = Gen::new(78).floats(shape.0 * shape.2);
        let dz = twin.dense_backward_input(*shape, w, &c, Gate::Slopes(&slopes));
        let loss = |z: &[f64]| {
            let h: Vec<f64> = z.iter().map(|z| reference::elementwise(f, *z)).collect();
            weighted(&wide(&c), &layer.outputs(&h, &wide(w), &wide(bias), Then::Linear))
        };
        assert_eq!(gradcheck(loss, &wide(z), &wide(&dz)), Ok(()), "{}", f.name());
    }
}

#[test]
fn a_smoothed_and_weighted_loss_and_its_gradient_are_those_of_the_definition() {
    for twin in twins() {
        for (n, smoothing) in [(2, 0.1), (10, 0.0), (10, 0.3), (33, 1.0)] {
            let z: Vec<f32> = Gen::new(n as u64 + 6).floats(n).iter().map(|z| z * 6.0).collect();
            let weights: Vec<f32> = (0..n).map(|j| j as f32 * 0.25).collect();
            for label in [0, n / 2, n - 1] {
                for weights in [&[][..], &weights] {
                    let w = weights.get(label).map_or(1.0, |w| f64::from(*w));
                    let how = CrossEntropy { scale: 0.125, smoothing, weights };
                    let mut gradient = z.clone();
                    let loss = twin.cross_entropy_with(&mut gradient, label, &how);
                    let f = |z: &[f64]| {
                        reference::weighted_cross_entropy(z, label, f64::from(smoothing), w)
                    };
                    let want = f(&wide(&z));
                    assert!((loss - want).abs() <= 1e-5 * (1.0 + want), "{n}: {loss} and {want}");
                    let checked = gradcheck(|z| f(z) / 8.0, &wide(&z), &wide(&gradient));
                    assert_eq!(checked, Ok(()), "label {label} of {n}, {smoothing}");
                }
            }
        }
    }
}

#[test]
fn softmax_is_within_its_bound_and_sums_to_one() {
    for twin in twins() {
        for n in [1, 2, 10, 17, 255] {
            let z: Vec<f32> = Gen::new(n as u64).floats(n).iter().map(|z| z * 20.0).collect();
            let mut p = z.clone();
            twin.softmax(&mut p);
            // z - max rounds once, at most u · 40 absolute; exp 1 ulp = 2u; the sum at most
            // n/16 + 4 roundings and the errors of its terms; the division one.
            let bound = (2.0 * (40.0 + 2.0) + n as f64 / 16.0 + 5.0 + 1.0) * U;
            for (p, want) in p.iter().zip(reference::softmax(&wide(&z))) {
                let error = (f64::from(*p) - want).abs() / want;
                assert!(error <= bound, "{n} classes: relative error {error:e} > {bound:e}");
            }
            let sum: f64 = wide(&p).iter().sum();
            assert!((sum - 1.0).abs() < 1e-6, "probabilities of {n} classes sum to {sum}");
        }
    }
}

#[test]
fn cross_entropy_and_its_gradient_are_those_of_the_definition() {
    for twin in twins() {
        for (n, batch) in [(1, 1.0), (2, 32.0), (10, 32.0), (33, 7.0)] {
            let z: Vec<f32> = Gen::new(n as u64 + 5).floats(n).iter().map(|z| z * 6.0).collect();
            for label in [0, n / 2, n - 1] {
                let mut gradient = z.clone();
                let loss = twin.softmax_cross_entropy(&mut gradient, label, 1.0 / batch);
                let want = reference::cross_entropy(&wide(&z), label);
                assert!((loss - want).abs() <= 1e-6 * (1.0 + want), "{n} classes: {loss} {want}");
                let mean = |z: &[f64]| reference::cross_entropy(z, label) / f64::from(batch);
                let checked = gradcheck(mean, &wide(&z), &wide(&gradient));
                assert_eq!(checked, Ok(()), "label {label} of {n}");
            }
        }
    }
}

/// Logits as far apart as they get: no overflow, no NaN, and the loss is the distance.
#[test]
fn cross_entropy_is_stable() {
    for twin in twins() {
        let mut z = [1e4, -1e4, 3e3];
        let loss = twin.softmax_cross_entropy(&mut z, 1, 1.0);
        assert_eq!((loss, z), (2e4, [1.0, -1.0, 0.0]));
    }
}

/// The gradient of the mean loss of a batch with respect to every weight of two layers.
#[test]
fn a_whole_network_agrees_with_finite_differences() {
    for twin in twins() {
        let first = Layer::new(6, 8, 5);
        let (batch, inputs, hidden) = first.shape;
        let classes = 4;
        let mut g = Gen::new(79);
        let (w2, b2) = (g.floats(hidden * classes), g.floats(classes));
        let labels: Vec<usize> = (0..batch).map(|i| (i * 3 + 1) % classes).collect();
        let top = (batch, hidden, classes);

        let h = twin.dense_forward(first.shape, &first.x, &first.w, &first.bias, Then::Relu);
        let mut dz2 = twin.dense_forward(top, &h, &w2, &b2, Then::Linear);
        for (row, label) in dz2.chunks_exact_mut(classes).zip(&labels) {
            twin.softmax_cross_entropy(row, *label, 1.0 / batch as f32);
        }
        let dz1 = twin.dense_backward_input(top, &w2, &dz2, Gate::Relu(&h));
        let dw2 = wide(&twin.dense_gradient(top, &h, &dz2));
        let dw1 = wide(&twin.dense_gradient(first.shape, &first.x, &dz1));
        let db1 = wide(&twin.bias_gradient((batch, hidden), &dz1));
        assert_eq!(dw1.len(), inputs * hidden);

        let loss = |w1: &[f64], b1: &[f64], w2: &[f64]| {
            let h = first.outputs(&wide(&first.x), w1, b1, Then::Relu);
            let z = reference::dense(top, &h, w2, &wide(&b2), Then::Linear);
            let rows = z.chunks_exact(classes).zip(&labels);
            rows.map(|(z, y)| reference::cross_entropy(z, *y)).sum::<f64>() / batch as f64
        };
        let (w1, b1, w2) = (wide(&first.w), wide(&first.bias), wide(&w2));
        assert_eq!(gradcheck(|w| loss(w, &b1, &w2), &w1, &dw1), Ok(()), "first weights");
        assert_eq!(gradcheck(|b| loss(&w1, b, &w2), &b1, &db1), Ok(()), "first bias");
        assert_eq!(gradcheck(|w| loss(&w1, &b1, w), &w2, &dw2), Ok(()), "second weights");
    }
}

#[test]
fn adam_follows_its_definition_over_a_thousand_steps() {
    for twin in twins() {
        let adam = reference::Adam { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-7 };
        for scale in [1.0_f32, 1e-3, 1e-6, 30.0] {
            let mut g = Gen::new(80);
            let (mut got, mut want) = ((0.5f32, 0.0f32, 0.0f32), (0.5f64, 0.0f64, 0.0f64));
            for t in 1..=1000 {
                let gradient = scale * (g.float() + 0.2);
                let step = AdamStep::new(adam.lr, adam.beta1, adam.beta2, adam.eps, t as u64);
                got = twin.adam(&step, gradient, got);
                want = adam.step(t, f64::from(gradient), want);
                // The moments forget their roundings as they forget gradients: at most a hundred of the
                // first stay, of the second (1 - β2 = 0.001) a few thousand, half of them after the
                // root. So a step, about lr long, is wrong by at most 2,000 u lr, and the weight rounds.
                let t = f64::from(t);
                let moment = 100.0 * U * f64::from(scale);
                let square = 4000.0 * U * want.2;
                assert!(
                    (f64::from(got.0) - want.0).abs() <= t * (U + 1e-3 * 2000.0 * U),
                    "w, step {t}"
                );
                assert!((f64::from(got.1) - want.1).abs() <= moment, "m, step {t}");
                assert!((f64::from(got.2) - want.2).abs() <= square, "v, step {t}");
            }
        }
    }
}

/// AdamW is Adam on a parameter that has lost its share.
#[test]
fn adamw_decays_first_and_then_follows_adam() {
    for twin in twins() {
        let adam = reference::Adam { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-7 };
        let (decay, mut g) = (0.3, Gen::new(81));
        let (mut got, mut want) = ((0.5f32, 0.0f32, 0.0f32), (0.5f64, 0.0f64, 0.0f64));
        for t in 1..=300 {
            let gradient = g.float() + 0.2;
            let step = AdamWStep::new(adam.lr, adam.beta1, adam.beta2, adam.eps, decay, t);
            got = twin.adamw(&step, gradient, got);
            want.0 *= 1.0 - adam.lr * decay;
            want = adam.step(t as i32, f64::from(gradient), want);
            // A step is wrong by what Adam's is (above), by the rounding of what is kept, and of it.
            let bound = t as f64 * (3.0 * U + 1e-2 * 2000.0 * U);
            assert!((f64::from(got.0) - want.0).abs() <= bound, "step {t}: {got:?} and {want:?}");
        }
    }
}

#[test]
fn gradient_descent_follows_its_definition() {
    for twin in twins() {
        for form in [(0.1, 0.0, false, 0.0), (0.05, 0.9, false, 0.01), (0.05, 0.9, true, 0.1)] {
            let (lr, momentum, nesterov, decay) = form;
            let [lr32, momentum32, decay32] = [lr, momentum, decay].map(|x| x as f32);
            let step = SgdStep { lr: lr32, momentum: momentum32, nesterov, decay: decay32 };
            let (mut got, mut want, mut g) = ((0.5f32, 0.0f32), (0.5f64, 0.0f64), Gen::new(82));
            for t in 1..=300 {
                let gradient = g.float();
                got = twin.sgd(&step, gradient, got);
                want = reference::sgd(form, f64::from(gradient), want);
                // Constants and results of a step round, and momentum carries ten steps on: of size 10.
                let bound = f64::from(t) * 100.0 * U;
                assert!((f64::from(got.0) - want.0).abs() <= bound, "{form:?}, step {t}");
            }
        }
    }
}

/// Floats of both signs from the denormals to 20, a thousand for each power of two near 1.
fn ordinary_floats() -> impl Iterator<Item = f32> {
    let sizes = (0u32..0x41a0_0000).step_by(9_973).map(f32::from_bits);
    sizes.flat_map(|x| [x, -x])
}

/// Every row of the table of elementwise functions: the value against the definition, the slope against
/// central differences of the definition, whose own error is below 1e-9.
#[test]
fn elementwise_functions_and_their_slopes_are_those_of_the_definition() {
    for twin in twins() {
        for f in Elementwise::ALL.iter().copied() {
            let [mut of_value, mut of_slope] = [(0.0, 0.0); 2];
            for x in ordinary_floats() {
                let (y, slope) = twin.elementwise(f, x);
                let (y, slope, wide) = (f64::from(y), f64::from(slope), f64::from(x));
                let want = reference::elementwise(f, wide);
                let error = (y - want).abs() / (U * want.abs().max(U));
                let h = 1e-5 * (1.0 + wide.abs());
                let [above, below] = [wide + h, wide - h].map(|x| reference::elementwise(f, x));
                let difference = (above - below) / (2.0 * h);
                let off = (slope - difference).abs() - 1e-9 * difference.abs().max(1.0);
                let off = off / (U * difference.abs().max(1.0));
                // Where there is a kink, at zero, a difference means nothing.
                let kink =
                    matches!(f, Elementwise::Relu | Elementwise::LeakyRelu) && wide.abs() <= h;
                let off = if kink { 0.0 } else { off };
                for (most, error) in [(&mut of_value, error), (&mut of_slope, off)] {
                    if error > most.0 || error.is_nan() {
                        *most = (error, x);
                    }
                }
            }
            let [value, slope] = f.errors();
            let name = f.name();
            assert!(of_value.0 <= value, "{name}: {of_value:?}, said to be {value}");
            assert!(of_slope.0 <= slope, "slope of {name}: {of_slope:?}, said to be {slope}");
        }
    }
}

#[test]
fn elementwise_functions_keep_nan_and_know_their_ends() {
    let inf = f32::INFINITY;
    for twin in twins() {
        for f in Elementwise::ALL.iter().copied() {
            for x in [f32::NAN, -inf, inf] {
                let (got, want) = (twin.elementwise(f, x).0, reference::elementwise(f, x.into()));
                let same = f64::from(got) == want || got.is_nan() && want.is_nan();
                assert!(same, "{} of {x}: {got}, by its definition {want}", f.name());
            }
            assert!(twin.elementwise(f, f32::NAN).0.is_nan(), "{}", f.name());
        }
        let ends = |f| [twin.elementwise(f, -inf), twin.elementwise(f, inf)];
        assert_eq!(ends(Elementwise::Gelu), [(-0.0, 0.0), (inf, 1.0)]);
        assert_eq!(ends(Elementwise::Tanh), [(-1.0, 0.0), (1.0, 0.0)]);
        assert_eq!(ends(Elementwise::Sigmoid), [(0.0, 0.0), (1.0, 0.0)]);
        assert_eq!(ends(Elementwise::LeakyRelu), [(-inf, 0.01), (inf, 1.0)]);
        assert_eq!(ends(Elementwise::Relu), [(0.0, 0.0), (inf, 1.0)]);
        assert_eq!(twin.elementwise(Elementwise::Tanh, 1e-30), (1e-30, 1.0));
    }
}

#[test]
fn pixels_round_once() {
    for twin in twins() {
        for byte in 0..=255 {
            let want = f64::from(byte) * f64::from(1.0_f32 / 255.0);
            let got = f64::from(twin.pixel(byte, 1.0 / 255.0));
            assert!((got - want).abs() <= U * want);
        }
        assert_eq!(twin.pixel(255, 1.0 / 255.0), 1.0);
    }
}

#[test]
fn averages_round_after_each_operation() {
    let mut g = Gen::new(81);
    for twin in twins() {
        for _ in 0..1000 {
            let (to, end) = (g.float(), g.float());
            let want = f64::from(to) + 0.25 * (f64::from(end) - f64::from(to));
            // The difference and the sum round; a quarter of it does not.
            let bound = U * (0.25 * f64::from(end - to).abs() + want.abs());
            let got = f64::from(twin.lerp(to, end, 0.25));
            assert!((got - want).abs() <= bound * (1.0 + 4.0 * U), "{to} to {end}: {got}");
        }
    }
}

#[test]
fn gradcheck_finds_what_is_wrong() {
    let f = |x: &[f64]| (x[0] * 3.0).sin() + x[1] * x[1];
    let right = [3.0 * (1.5f64).cos(), 4.0];
    assert_eq!(gradcheck(f, &[0.5, 2.0], &right), Ok(()));
    let wrong = gradcheck(f, &[0.5, 2.0], &[right[0], 4.01]).unwrap_err();
    assert_eq!((wrong.index, wrong.claimed), (1, 4.01));
    assert!((wrong.measured - 4.0).abs() < 1e-6, "{wrong}");
    assert!(gradcheck(f, &[0.5, 2.0], &[f64::NAN, 4.0]).is_err(), "NaN is not a derivative");
    assert!(gradcheck(|_| f64::NAN, &[0.5], &[0.0]).is_err(), "nor is a NaN measured");
}

#[test]
#[should_panic(expected = "one derivative for each variable")]
fn gradcheck_wants_every_derivative() {
    let _ = gradcheck(|x| x[0], &[1.0, 2.0], &[1.0]);
}
