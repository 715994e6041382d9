//! Gradients of parameters and the optimisers' steps with them.

use super::*;

/// A step of each optimiser.
const STEPS: [fn() -> Step; 4] = [
    || AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 3).into(),
    || AdamWStep::new(1e-3, 0.9, 0.999, 1e-7, 0.1, 3).into(),
    || SgdStep { lr: 0.1, momentum: 0.9, nesterov: true, decay: 0.01 }.into(),
    || SgdStep { lr: 0.1, momentum: 0.0, nesterov: false, decay: 0.0 }.into(),
];

/// The twin of a step on one parameter.
fn stepped(twin: Twin, step: Step, g: f32, (w, m, v): (f32, f32, f32)) -> (f32, f32, f32) {
    match step {
        Step::Adam(step) => twin.adam(&step, g, (w, m, v)),
        Step::AdamW(step) => twin.adamw(&step, g, (w, m, v)),
        Step::Sgd(step) => {
            let (w, m) = twin.sgd(&step, g, (w, m));
            (w, m, v)
        }
        other => unreachable!("an optimiser without a twin: {other:?}"),
    }
}

#[test]
fn the_update_of_the_weights_equals_its_twin() {
    for_every_shape(|isa, layer| {
        let (batch, inputs, outputs) = layer.shape;
        let twin = Twin::of(isa);
        let g = twin.dense_gradient(layer.shape, &layer.x, &layer.dz);
        // Adam in every shape, of the others one in turn.
        let other = 1 + (batch + inputs + outputs) % (STEPS.len() - 1);
        for step in [STEPS[0](), STEPS[other]()] {
            let (mut w, mut m, mut v) = (layer.w.clone(), layer.m.clone(), layer.v.clone());
            for (i, g) in g.iter().enumerate() {
                (w[i], m[i], v[i]) = stepped(twin, step, *g, (w[i], m[i], v[i]));
            }
            for cut in Cut::all(batch, inputs) {
                let got = update(isa, layer, &cut, step);
                for (got, want) in got.iter().zip([&w, &m, &v]) {
                    let what = format_args!("{:?}, {cut:?}, {step:?} on {isa}", layer.shape);
                    assert_bits(got, want, what);
                }
            }
        }
    });
}

/// In memory first, and then a step with it scaled: what clipping does.
#[test]
fn gradients_in_memory_their_squares_and_steps_with_them_equal_their_twins() {
    for (batch, inputs, outputs) in [(1, 1, 1), (17, 65, 33), (32, 100, 64), (50, 64, 10)] {
        let layer = Layer::new(batch, inputs, outputs);
        for (isa, step) in isas().into_iter().flat_map(|isa| STEPS.map(|step| (isa, step()))) {
            let (twin, what) = (Twin::of(isa), format!("{:?}, {step:?} on {isa}", layer.shape));
            for cut in Cut::all(batch, inputs) {
                let rows = cut.blocks(batch);
                let x: Vec<_> = rows.iter().map(|r| Inputs::of(&layer, r, &cut)).collect();
                let dz: Vec<_> =
                    rows.iter().map(|r| block_of(&layer.dz, outputs, r, cut.block)).collect();
                let dz = |b: usize| dz[b][0].view().rows_at(0, rows[b].len());
                let dz = Blocks::new(rows.len(), &dz);
                let mut bias = panel_of(1, outputs, &vec![POISON; outputs]);
                bias_gradient(isa, dz, &mut bias);
                let want = twin.bias_gradient((batch, outputs), &layer.dz);
                assert_bits(&Line::flat(bias.row(0))[..outputs], &want, format_args!("{what}"));
                let mut all = Vec::new();
                for (part, mut owned) in cut.parts.iter().zip(owned(&layer, &cut).remove(0)) {
                    let x = |at: usize| x[at % rows.len()].view(&cut, part, at / rows.len());
                    let x = Blocks::new(cut.views(part) * rows.len(), &x);
                    let mut g = panel_of(part.len(), outputs, &vec![POISON; part.len() * outputs]);
                    dense_gradient(isa, x, dz, &mut g);
                    assert_padding_is_zero(&g, format_args!("{what}"));
                    let flat: Vec<f32> = (0..part.len())
                        .flat_map(|i| Line::flat(g.row(i))[..outputs].to_vec())
                        .collect();
                    assert_bits(
                        &[squares(isa, &g)],
                        &[twin.squares(outputs, &flat)],
                        format_args!("{what}"),
                    );
                    let before = owned.clone();
                    let mut scaled = g.clone();
                    assert!(scaled_update(isa, &mut scaled, 0.3, &mut owned, step), "{what}");
                    for (i, j) in (0..part.len()).flat_map(|i| (0..outputs).map(move |j| (i, j))) {
                        let old = (before.w.get(i, j), before.m.get(i, j), before.v.get(i, j));
                        let (w, m, v) = stepped(twin, step, g.get(i, j) * 0.3, old);
                        let got = [owned.w.get(i, j), owned.m.get(i, j), owned.v.get(i, j)];
                        assert_bits(&got, &[w, m, v], format_args!("{what}"));
                    }
                    all.extend(flat);
                }
                let want = twin.dense_gradient(layer.shape, &layer.x, &layer.dz);
                assert_bits(&all, &want, format_args!("{what}"));
            }
        }
    }
}

#[test]
fn the_update_of_the_bias_equals_its_twin() {
    for isa in isas() {
        for (batch, step) in BATCHES.into_iter().zip(STEPS.iter().cycle()) {
            for outputs in OUTPUTS {
                let step = step();
                let layer = Layer::new(batch, 1, outputs);
                let twin = Twin::of(isa);
                let (mut w, mut m, mut v) =
                    (layer.bias.clone(), vec![0.0; outputs], vec![0.0; outputs]);
                let g = twin.bias_gradient((batch, outputs), &layer.dz);
                for (i, g) in g.iter().enumerate() {
                    (w[i], m[i], v[i]) = stepped(twin, step, *g, (w[i], m[i], v[i]));
                }
                for cut in Cut::all(batch, 1) {
                    let rows = cut.blocks(batch);
                    let dz: Vec<_> =
                        rows.iter().map(|r| block_of(&layer.dz, outputs, r, cut.block)).collect();
                    for (q, cols) in panels(outputs).iter().enumerate() {
                        let dz = |b: usize| dz[b][q].view().rows_at(0, rows[b].len());
                        let mut owned = Owned::zeros(1, cols.len());
                        owned.w = panel_of(1, cols.len(), &layer.bias[cols.clone()]);
                        bias_update(isa, Blocks::new(rows.len(), &dz), &mut owned, step);
                        let what = format_args!("{batch}x{outputs}, {cut:?}, on {isa}");
                        for (panel, want) in [(&owned.w, &w), (&owned.m, &m), (&owned.v, &v)] {
                            let got = &Line::flat(panel.row(0))[..cols.len()];
                            assert_bits(got, &want[cols.clone()], what);
                            assert_padding_is_zero(panel, what);
                        }
                    }
                }
            }
        }
    }
}

/// Where a layer has no rows there are no inputs to be asked for.
#[test]
fn parameters_without_rows_need_no_inputs() {
    let step = AdamStep::new(0.1, 0.9, 0.999, 1e-7, 1);
    let dz = Panel::zeros(32, PANEL_COLS);
    let of_dz = |_: usize| dz.view();
    for isa in isas() {
        let mut owned = Owned::zeros(0, PANEL_COLS);
        assert!(dense_update(isa, Blocks::none(), Blocks::new(1, &of_dz), &mut owned, step));
        assert_eq!(owned, Owned::zeros(0, PANEL_COLS));
    }
}
