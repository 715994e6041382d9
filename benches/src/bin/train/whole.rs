//! The tutorial's training: five epochs of 784-128-10 in batches of 32.

use crate::{Machine, precisions, step_macs, train};
use benches::{Spread, Subject, in_turn};
use kernels::{Panel, Zeros};
use nn::{FitConfig, Inputs, Precision};

/// Precision, whether zeros are skipped, threads.
type Setting = (Precision, bool, usize);

/// Each precision with each number of threads, in turn.
pub(crate) fn table(
    machine: Machine,
    (pixels, inputs): (&[u8], Inputs<'_>),
    labels: &[u16],
    rounds: usize,
) {
    let mut counts = vec![1, 2, machine.threads];
    counts.retain(|t| *t <= machine.threads);
    counts.dedup();
    // Whether zeros are skipped is a question for f32 only.
    let mut modes = vec![(Precision::F32, false)];
    modes.extend(precisions().into_iter().map(|precision| (precision, true)));
    let settings: Vec<Setting> =
        modes.iter().flat_map(|(p, skip)| counts.iter().map(|t| (*p, *skip, *t))).collect();
    let subject = |&(precision, skip_zeros, threads): &Setting| {
        let config = FitConfig { precision, skip_zeros, ..FitConfig::default() };
        Subject::new(name((precision, skip_zeros, threads)), move || {
            train(machine, &[128], (inputs, labels), threads, &config)
        })
    };
    let mut subjects: Vec<Subject<'_>> = settings.iter().map(subject).collect();
    let spreads = in_turn(&mut subjects, rounds);
    let config = FitConfig::default();
    let steps = (config.steps(inputs.len()) * config.epochs) as f64;
    // The settings of a mode follow one another, one thread first.
    let alone = |i: usize| spreads[i - i % counts.len()].median;
    let row = |(i, (subject, spread)): (usize, (&Subject<'_>, &Spread))| {
        let (_, _, threads) = settings[i];
        let flops = 2.0 * step_macs(&[128], 32) as f64 * steps / spread.median;
        vec![
            subject.name.clone(),
            format!("{:.3}", spread.median),
            format!("{:.3}", spread.min),
            format!("{:.3}", spread.max),
            format!("{:.1}", spread.median / steps * 1e6),
            format!("{:.0}", flops / 1e9),
            format!("{:.0} %", 100.0 * flops / (machine.peak * threads as f64)),
            format!("{:.2}", alone(i) / spread.median),
        ]
    };
    let rows: Vec<_> = subjects.iter().zip(&spreads).enumerate().map(row).collect();
    let head = [
        "5 epochs of the tutorial, s",
        "median",
        "min",
        "max",
        "us a step",
        "GFLOP/s",
        "of f32 peak",
        "speed-up",
    ];
    benches::table(&head, &rows);
    let [forward, gradient] = densities(machine, pixels);
    println!(
        "GFLOP/s are of all multiply-adds. Where zeros are skipped, {:.0} % of the first layer's forward pass \
         and {:.0} % of its\ngradient are executed.\n",
        100.0 * forward,
        100.0 * gradient
    );
}

/// What the table calls a setting.
fn name((precision, skip_zeros, threads): Setting) -> String {
    let how = match (precision, skip_zeros) {
        (Precision::F32, true) => ", zeros skipped",
        (Precision::F32, false) => ", dense",
        _ => "",
    };
    format!("{}{how}, {threads} threads", precision.name())
}

/// Shares of the first layer's multiply-adds that are left in the first batches, as a training arranges them.
fn densities(machine: Machine, pixels: &[u8]) -> [f64; 2] {
    let (rows, blocks) = (32, 60.min(pixels.len() / 784 / 32));
    let inputs = Inputs::u8(pixels, 784, 1.0).expect("whole images");
    let (mut x, mut zeros) = (Panel::zeros(rows, 784), Zeros::new(rows, 784, 160));
    let mut sums = [0.0; 2];
    for b in 0..blocks {
        let from = b * rows;
        let mut batch: Vec<u32> = (from as u32..(from + rows) as u32).collect();
        nn::arrange(inputs, &mut batch);
        for (i, at) in batch.into_iter().enumerate() {
            let to = &mut kernels::Line::flat_mut(x.row_mut(i))[..784];
            let from = &pixels[at as usize * 784..][..784];
            to.iter_mut().zip(from).for_each(|(to, from)| *to = f32::from(*from));
        }
        kernels::find_zeros(machine.isa, &x, rows, &mut zeros);
        sums.iter_mut().zip(zeros.densities()).for_each(|(sum, density)| *sum += density);
    }
    sums.map(|sum| sum / blocks.max(1) as f64)
}
