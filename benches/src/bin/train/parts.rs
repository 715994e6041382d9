//! The parts of a step of the tutorial's training, on one thread, each beside its bound.

use crate::{L2_BYTES, Machine};
use benches::{Spread, Subject, in_turn, seconds};
use kernels::{AdamStep, Bf16, Blocks, Left16, Line, Owned, Panel, Right16, RowLoss, Then};

/// The tutorial: batch, inputs, and half of its hidden units: what a thread of two does.
const BATCH: usize = 32;
const INPUTS: usize = 784;
const UNITS: usize = 64;
/// Runs between two looks at the clock.
const REPEAT: usize = 50;

/// Seconds of one of many runs.
fn per(f: &mut dyn FnMut()) -> f64 {
    seconds(|| (0..REPEAT).for_each(|_| f())) / REPEAT as f64
}

/// Some blocks of rows with numbers in them that are no special case.
fn blocks(cols: usize) -> Vec<Panel> {
    let block = |b: usize| {
        let mut panel = Panel::zeros(BATCH / 2, cols);
        for i in 0..BATCH / 2 {
            (0..cols).for_each(|j| panel.set(i, j, ((i * 7 + j * 3 + b) % 13) as f32 * 0.05 - 0.2));
        }
        panel
    };
    (0..2).map(block).collect()
}

/// All parts in turn.
pub(crate) fn table(machine: Machine, rounds: usize) {
    let mut subjects = full(machine);
    if let Some(token) = Bf16::new() {
        subjects.extend(half(token, machine));
    }
    let (mut subjects, bounds): (Vec<_>, Vec<_>) = subjects.into_iter().unzip();
    let spreads = in_turn(&mut subjects, rounds);
    let row = |((subject, spread), bound): ((&Subject<'_>, &Spread), &Option<f64>)| {
        let us = |t: f64| format!("{:.2}", t * 1e6);
        let (bound, ratio) = bound.map_or((String::new(), String::new()), |b| {
            (us(b), format!("{:.2}", spread.median / b))
        });
        vec![subject.name.clone(), us(spread.median), us(spread.min), us(spread.max), bound, ratio]
    };
    let rows: Vec<_> = subjects.iter().zip(&spreads).zip(&bounds).map(row).collect();
    let head = ["part of a step, one thread, us", "median", "min", "max", "bound", "ratio"];
    benches::table(&head, &rows);
    println!();
}

type Part = (Subject<'static>, Option<f64>);

/// Parts of a step in f32.
fn full(Machine { isa, peak, l2, .. }: Machine) -> Vec<Part> {
    let (x, dz) = (blocks(INPUTS), blocks(UNITS));
    let (x2, mut out) = (x.clone(), blocks(UNITS));
    let mut owned = Owned::zeros(INPUTS, UNITS);
    let weights = owned.w.clone();
    let step = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 100);
    let (mut logits, mut losses) = (Panel::zeros(BATCH / 2, 10), [RowLoss::default(); BATCH / 2]);
    let pixels = vec![77u8; INPUTS * BATCH / 2];
    let mut floats = vec![0.0; pixels.len()];
    let macs = (2 * BATCH * INPUTS * UNITS) as f64 / peak;
    let forward = Subject::new("forward 32x784x64", move || {
        per(&mut || {
            for (x, out) in x.iter().zip(&mut out) {
                let x = |k: usize| x.view().cols_at(k * 112, 112);
                let w = |_: usize| weights.view();
                let (x, w) = (Blocks::new(7, &x), Blocks::new(1, &w));
                kernels::dense_forward(isa, x, w, &[Line::ZERO; 4], Then::Relu, out, 0);
            }
        })
    });
    let update = Subject::new("update 784x64 with Adam", move || {
        per(&mut || {
            let (x, dz) = (|b: usize| x2[b].view(), |b: usize| dz[b].view());
            let (x, dz) = (Blocks::new(2, &x), Blocks::new(2, &dz));
            kernels::dense_update(isa, x, dz, &mut owned, step);
        })
    });
    let loss = Subject::new("softmax and loss, 16 rows", move || {
        let labels = [3; BATCH / 2];
        per(&mut || {
            kernels::softmax_cross_entropy(isa, &mut logits, &labels, 1.0 / 32.0, &mut losses)
        })
    });
    let scaled = Subject::new("pixels, 16 rows", move || {
        per(&mut || kernels::pixels(isa, &pixels, 1.0 / 255.0, &mut floats))
    });
    // The update cannot be faster than its multiply-adds, nor than its weights and moments come and go.
    let traffic = L2_BYTES as f64 / l2;
    vec![(forward, Some(macs)), (update, Some(macs.max(traffic))), (loss, None), (scaled, None)]
}

/// Parts of a step in bf16.
fn half(token: Bf16, Machine { l2, .. }: Machine) -> Vec<Part> {
    let pixels: Vec<u8> = (0..BATCH * INPUTS).map(|i| (i * 7 % 256) as u8).collect();
    let mut x = Left16::zeros(BATCH, INPUTS);
    let rows = |i: usize| &pixels[i * INPUTS..][..INPUTS];
    kernels::pixels16(token, &rows, &mut x);
    let mut x_t = Left16::zeros(INPUTS, BATCH);
    kernels::transpose16(token, &x, &mut x_t);
    let mut dz = Right16::zeros(BATCH, UNITS);
    for (b, block) in blocks(UNITS).iter().enumerate() {
        kernels::pairs16(token, block.view(), &mut dz, b * BATCH / 2);
    }
    let (mut gathered, mut transposed) = (x.clone(), x_t.clone());
    let mut out = blocks(UNITS);
    let mut owned = Owned::zeros(INPUTS, UNITS);
    let mut weights = Right16::zeros(INPUTS, UNITS);
    let same = weights.clone();
    let step = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 100);
    let fetch = Subject::new("bf16: pixels in both layouts, 32 rows", move || {
        let rows = |i: usize| &pixels[i * INPUTS..][..INPUTS];
        per(&mut || {
            kernels::pixels16(token, &rows, &mut gathered);
            kernels::transpose16(token, &gathered, &mut transposed);
        })
    });
    let forward = Subject::new("bf16: forward 32x784x64", move || {
        let bias = (&[Line::ZERO; 4][..], Then::Relu);
        per(&mut || kernels::forward16(token, &x, &[&same], 1.0 / 255.0, bias, &mut out))
    });
    let update = Subject::new("bf16: update 784x64 with Adam", move || {
        let scale = 1.0 / 255.0;
        per(&mut || {
            kernels::update16(token, (&x_t, 0), &dz, scale, &mut owned, &mut weights, step);
        })
    });
    vec![(fetch, None), (forward, None), (update, Some(L2_BYTES as f64 / l2))]
}
