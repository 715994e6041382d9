//! The tutorial's training: five epochs of 784-128-10 in batches of 32.

use crate::{Machine, precisions, step_macs, train};
use benches::{Spread, Subject, in_turn};
use nn::{FitConfig, Inputs, Precision};

/// Each precision with each number of threads, in turn.
pub(crate) fn table(machine: Machine, inputs: Inputs<'_>, labels: &[u8], rounds: usize) {
    let mut counts = vec![1, 2, machine.threads];
    counts.retain(|t| *t <= machine.threads);
    counts.dedup();
    let settings: Vec<(Precision, usize)> =
        precisions().iter().flat_map(|p| counts.iter().map(|t| (*p, *t))).collect();
    let subject = |&(precision, threads): &(Precision, usize)| {
        let config = FitConfig { precision, ..FitConfig::default() };
        let name = format!("{}, {threads} threads", precision.name());
        Subject::new(name, move || train(machine, &[128], (inputs, labels), threads, &config))
    };
    let mut subjects: Vec<Subject<'_>> = settings.iter().map(subject).collect();
    let spreads = in_turn(&mut subjects, rounds);
    let config = FitConfig::default();
    let steps = (config.steps(inputs.len()) * config.epochs) as f64;
    let row =
        |((subject, spread), (_, threads)): ((&Subject<'_>, &Spread), &(Precision, usize))| {
            let flops = 2.0 * step_macs(&[128], 32) as f64 * steps / spread.median;
            vec![
                subject.name.clone(),
                format!("{:.3}", spread.median),
                format!("{:.3}", spread.min),
                format!("{:.3}", spread.max),
                format!("{:.1}", spread.median / steps * 1e6),
                format!("{:.0}", flops / 1e9),
                format!("{:.0} %", 100.0 * flops / (machine.peak * *threads as f64)),
                format!("{:.2}", spreads[0].median / spread.median),
            ]
        };
    let rows: Vec<_> = subjects.iter().zip(&spreads).zip(&settings).map(row).collect();
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
    println!();
}
