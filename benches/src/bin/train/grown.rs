//! Wider and deeper networks, and how the time of a step grows with batch, width and depth.

use crate::plot::{Growth, Line};
use crate::{Machine, step_macs, train};
use benches::{Subject, in_turn};
use nn::{FitConfig, Inputs};

/// A network, its batch, and how many steps are timed.
type Case = (Vec<usize>, usize, u64);

/// What grows, through which sizes, and the case of a size.
type Growing<'g> = (&'static str, &'g [usize], &'g dyn Fn(usize) -> Case);

/// All tables, of as many steps as take a while, or of the most that are asked for; and the growths they show.
pub(crate) fn tables(
    machine: Machine,
    run: (Inputs<'_>, &[u16]),
    rounds: usize,
    most_steps: u64,
) -> Vec<Growth> {
    let large =
        [(vec![512, 512], 128, most_steps.min(60)), (vec![2048, 2048], 256, most_steps.min(4))];
    table(machine, "large networks", &large, run, rounds);
    let cases: [Growing<'_>; 3] = [
        ("batch", &[8, 16, 32, 64, 128, 256, 512], &|b| (vec![128], b, (12_800 / b) as u64)),
        ("width", &[64, 128, 256, 512, 1024], &|w| (vec![w], 32, (51_200 / w) as u64)),
        ("depth", &[1, 2, 4, 8], &|d| (vec![128; d], 32, 400)),
    ];
    let growth = |(what, sizes, case): Growing<'_>| {
        let fewer = |(hidden, batch, steps): Case| (hidden, batch, most_steps.min(steps));
        let cases: Vec<Case> = sizes.iter().map(|size| fewer(case(*size))).collect();
        let times = table(machine, what, &cases, run, rounds);
        let line = |(i, threads): (usize, usize)| {
            let times = times.iter().skip(i).step_by(2).map(|seconds| seconds * 1e6);
            let points = sizes.iter().map(|size| *size as f64).zip(times).collect();
            Line { threads, points }
        };
        Growth { what, lines: [1, machine.threads].into_iter().enumerate().map(line).collect() }
    };
    cases.into_iter().map(growth).collect()
}

/// Seconds of a step of each case with one thread and with all, in turn.
fn table(
    machine: Machine,
    what: &str,
    cases: &[Case],
    run: (Inputs<'_>, &[u16]),
    rounds: usize,
) -> Vec<f64> {
    let settings: Vec<(&Case, usize)> =
        cases.iter().flat_map(|case| [(case, 1), (case, machine.threads)]).collect();
    let subject = |&(case, threads): &(&Case, usize)| {
        let (hidden, batch, steps) = case.clone();
        let config = FitConfig {
            batch_size: batch,
            max_steps: Some(steps),
            epochs: 1000,
            ..FitConfig::default()
        };
        let widths = hidden.iter().map(|w| format!("{w}-")).collect::<String>();
        let name = format!("{what}: 784-{widths}10, batch {batch}, {threads} threads");
        Subject::new(name, move || train(machine, &hidden, run, threads, &config) / steps as f64)
    };
    let mut subjects: Vec<Subject<'_>> = settings.iter().map(subject).collect();
    let spreads = in_turn(&mut subjects, rounds);
    let rows: Vec<_> = subjects
        .iter()
        .zip(&spreads)
        .zip(&settings)
        .map(|((subject, spread), ((hidden, batch, _), threads))| {
            let flops = 2.0 * step_macs(hidden, *batch) as f64 / spread.median;
            vec![
                subject.name.clone(),
                format!("{:.1}", spread.median * 1e6),
                format!("{:.1}", spread.min * 1e6),
                format!("{:.0}", flops / 1e9),
                format!("{:.0} %", 100.0 * flops / (machine.peak * *threads as f64)),
            ]
        })
        .collect();
    benches::table(&["a step in f32, us", "median", "min", "GFLOP/s", "of peak"], &rows);
    println!();
    spreads.iter().map(|spread| spread.median).collect()
}
