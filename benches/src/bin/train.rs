//! `cargo xtask bench train`: the tutorial's training beside what the machine can do at most.
#![allow(clippy::print_stdout, reason = "tables are what a benchmark is for")]

use app::datasets::{Half, Options, locate};
use benches::{Spread, Subject, in_turn, seconds, table};
use kernels::{AdamStep, Blocks, Isa, Line, Owned, Panel, RowLoss, Then, meter};
use nn::{Activation, Engine, FitConfig, Inputs, Sequential};
use std::error::Error;
use std::ops::ControlFlow;

/// The tutorial: batch, inputs, hidden units.
const BATCH: usize = 32;
const INPUTS: usize = 784;
const HIDDEN: usize = 128;
/// Multiply-adds of a step: forward and update of both layers, and the hidden layer's gradient.
const STEP_MACS: usize = BATCH * (2 * INPUTS * HIDDEN + 3 * HIDDEN * 10);
/// Bytes of weights and moments of the first layer that a thread of two reads and writes in a step.
const L2_BYTES: usize = 3 * 4 * INPUTS * HIDDEN / 2;

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|a| a == "--quick");
    let options = Options { sample: quick, ..Options::default() };
    let data = locate(&options, &mut |_| {})?.open(Half::Train)?;
    let inputs = Inputs::u8(data.images(), data.features(), 1.0 / 255.0)?;
    let isa = Isa::from_env()?;
    let peak = meter::peak_flops(isa);
    let l2 = meter::rewrite_bandwidth(isa, L2_BYTES);
    println!(
        "one thread, {isa}: {:.0} GFLOP/s of multiply-adds, {:.0} GB/s read and written back\n",
        peak / 1e9,
        l2 / 1e9
    );
    parts(isa, peak, l2, if quick { 3 } else { 30 });
    let rounds = if quick { 1 } else { 7 };
    whole(inputs, data.labels(), isa, peak, rounds);
    Ok(())
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

/// The parts of a step on one thread, for half of the hidden units, each beside its bound.
fn parts(isa: Isa, peak: f64, l2: f64, rounds: usize) {
    const REPEAT: usize = 50;
    let (x, dz) = (blocks(INPUTS), blocks(64));
    let mut out = blocks(64);
    let mut owned = Owned::zeros(INPUTS, 64);
    let weights = owned.w.clone();
    let step = AdamStep::new(1e-3, 0.9, 0.999, 1e-7, 100);
    let (mut logits, mut losses) = (Panel::zeros(BATCH / 2, 10), [RowLoss::default(); BATCH / 2]);
    let pixels = vec![77u8; INPUTS * BATCH / 2];
    let mut floats = vec![0.0; pixels.len()];
    let per = |f: &mut dyn FnMut()| seconds(|| (0..REPEAT).for_each(|_| f())) / REPEAT as f64;
    let mut subjects = [
        Subject::new("forward 32x784x64", || {
            per(&mut || {
                for (x, out) in x.iter().zip(&mut out) {
                    let x = |k: usize| x.view().cols_at(k * 112, 112);
                    let w = |_: usize| weights.view();
                    let (x, w) = (Blocks::new(7, &x), Blocks::new(1, &w));
                    kernels::dense_forward(isa, x, w, &[Line::ZERO; 4], Then::Relu, out, 0);
                }
            })
        }),
        Subject::new("update 784x64 with Adam", || {
            per(&mut || {
                let (x, dz) = (|b: usize| x[b].view(), |b: usize| dz[b].view());
                kernels::dense_update(
                    isa,
                    Blocks::new(2, &x),
                    Blocks::new(2, &dz),
                    &mut owned,
                    step,
                );
            })
        }),
        Subject::new("softmax and loss, 16 rows", || {
            per(&mut || {
                kernels::softmax_cross_entropy(
                    isa,
                    &mut logits,
                    &[3; BATCH / 2],
                    1.0 / 32.0,
                    &mut losses,
                )
            })
        }),
        Subject::new("pixels, 16 rows", || {
            per(&mut || kernels::pixels(isa, &pixels, 1.0 / 255.0, &mut floats))
        }),
    ];
    let spreads = in_turn(&mut subjects, rounds);
    let macs = (2 * BATCH * INPUTS * 64) as f64 / peak;
    // The update cannot be faster than its multiply-adds, nor than its weights and moments come and go.
    let bounds = [Some(macs), Some(macs.max(L2_BYTES as f64 / l2)), None, None];
    let row = |((subject, spread), bound): ((&Subject<'_>, &Spread), &Option<f64>)| {
        let us = |t: f64| format!("{:.2}", t * 1e6);
        let (bound, ratio) = bound.map_or((String::new(), String::new()), |b| {
            (us(b), format!("{:.2}", spread.median / b))
        });
        vec![subject.name.clone(), us(spread.median), us(spread.min), us(spread.max), bound, ratio]
    };
    let rows: Vec<_> = subjects.iter().zip(&spreads).zip(&bounds).map(row).collect();
    table(&["part of a step, one thread, us", "median", "min", "max", "bound", "ratio"], &rows);
    println!();
}

/// Five epochs with each number of threads, in turn.
fn whole(inputs: Inputs<'_>, labels: &[u8], isa: Isa, peak: f64, rounds: usize) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut counts: Vec<usize> = [1, 2, cores].into_iter().filter(|t| *t <= cores).collect();
    counts.dedup();
    let config = FitConfig::default();
    let train = |threads: usize| {
        let net = Sequential::new(&[INPUTS]).dense(HIDDEN, Activation::Relu);
        let model = net.dense(10, Activation::Softmax).build(1);
        let mut engine = Engine::new(Some(threads), Some(isa));
        let fitted = model.and_then(|mut m| {
            m.fit(&mut engine, inputs, labels, &config, &mut |_| ControlFlow::Continue(()))
        });
        fitted.map_or(f64::NAN, |history| history.seconds())
    };
    let subject =
        |&threads: &usize| Subject::new(format!("{threads} threads"), move || train(threads));
    let mut subjects: Vec<Subject<'_>> = counts.iter().map(subject).collect();
    let spreads = in_turn(&mut subjects, rounds);
    let steps = (config.steps(inputs.len()) * config.epochs) as f64;
    let row = |((subject, spread), threads): ((&Subject<'_>, &Spread), &usize)| {
        let flops = 2.0 * STEP_MACS as f64 * steps / spread.median;
        vec![
            subject.name.clone(),
            format!("{:.3}", spread.median),
            format!("{:.3}", spread.min),
            format!("{:.3}", spread.max),
            format!("{:.1}", spread.median / steps * 1e6),
            format!("{:.0}", flops / 1e9),
            format!("{:.0} %", 100.0 * flops / (peak * *threads as f64)),
            format!("{:.2}", spreads[0].median / spread.median),
        ]
    };
    let rows: Vec<_> = subjects.iter().zip(&spreads).zip(&counts).map(row).collect();
    let head =
        ["5 epochs, s", "median", "min", "max", "us a step", "GFLOP/s", "of peak", "speed-up"];
    table(&head, &rows);
}
