//! Tables for people, JSON and CSV for programs.

use crate::cases::Case;
use benches::{Spread, table};
use serde::Serialize;

/// One line of a report: a product by a library.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    /// Of A, B and C: `r`, rows together, or `c`, columns.
    pub(crate) orders: String,
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
    pub(crate) threads: usize,
    pub(crate) library: String,
    pub(crate) version: String,
    /// Median, shortest and longest of the rounds.
    pub(crate) seconds: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) gflops: f64,
    /// Median over the rounds of the share of the peak that was measured beside it.
    pub(crate) of_peak: f64,
    pub(crate) rounds: usize,
}

/// What one library took for one product, and the peak beside it, round by round.
#[derive(Clone, Default)]
pub(crate) struct Samples {
    pub(crate) seconds: Vec<f64>,
    /// Operations a second.
    pub(crate) peaks: Vec<f64>,
}

impl Row {
    /// None if there are no samples.
    pub(crate) fn new(
        case: &Case,
        threads: usize,
        (library, version): (&str, &str),
        samples: &Samples,
    ) -> Option<Row> {
        if samples.seconds.is_empty() {
            return None;
        }
        let operations = case.operations() as f64;
        let pairs = samples.seconds.iter().zip(&samples.peaks);
        let shares = pairs.map(|(seconds, peak)| operations / seconds / peak).collect();
        let Spread { min, median, max } = Spread::of(samples.seconds.clone());
        Some(Row {
            case: case.name(),
            m: case.m,
            n: case.n,
            k: case.k,
            orders: case.orders.map(|order| order.letter()).iter().collect(),
            alpha: case.alpha,
            beta: case.beta,
            threads,
            library: library.to_owned(),
            version: version.to_owned(),
            seconds: median,
            min,
            max,
            gflops: operations / median / 1e9,
            of_peak: Spread::of(shares).median,
            rounds: samples.seconds.len(),
        })
    }
}

/// GFLOP/s of all libraries, a line a product: how ours compares with the best of the others stands first.
pub(crate) fn print(rows: &[Row], libraries: &[String]) {
    let mut head = vec!["m×n×k", "µs", "of peak", "to best"];
    head.extend(libraries.iter().map(String::as_str));
    let mut lines = Vec::new();
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let of_case = rest.iter().take_while(|row| row.case == first.case).count();
        let (case, others) = rest.split_at(of_case);
        rest = others;
        let ours = case.iter().find(|row| row.library == libraries[0]);
        let rivals = case.iter().filter(|row| row.library != libraries[0]);
        let best = rivals.map(|row| row.gflops).fold(0.0, f64::max);
        let cell = |x: Option<String>| x.unwrap_or_else(|| "-".to_owned());
        let mut line = vec![
            first.case.clone(),
            cell(ours.map(|row| format!("{:.2}", row.seconds * 1e6))),
            cell(ours.map(|row| format!("{:.0} %", 100.0 * row.of_peak))),
            cell(ours.filter(|_| best > 0.0).map(|row| format!("{:.2}", row.gflops / best))),
        ];
        for library in libraries {
            let row = case.iter().find(|row| row.library == *library);
            line.push(cell(row.map(|row| format!("{:.0}", row.gflops))));
        }
        lines.push(line);
    }
    table(&head, &lines);
}
