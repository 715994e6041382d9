//! What the benchmarks share: samples taken in turn, medians, tables.
#![allow(clippy::print_stdout, reason = "tables are what a benchmark is for")]

pub mod machine;

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Something to measure: its name and a run of it, which returns seconds.
pub struct Subject<'s> {
    /// What the table calls it.
    pub name: String,
    /// One run.
    pub run: Box<dyn FnMut() -> f64 + 's>,
}

impl<'s> Subject<'s> {
    /// A subject that measures itself.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> f64 + 's) -> Self {
        Subject { name: name.into(), run: Box::new(run) }
    }
}

/// Times a closure, in seconds.
pub fn seconds(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

/// Runs something until a millisecond is over, once at least: its threads are awake then, and what it needs is in the caches.
pub fn warm_up(mut run: impl FnMut()) {
    let start = Instant::now();
    run();
    while start.elapsed() < Duration::from_millis(1) {
        run();
    }
}

/// Smallest, middle and largest of some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Smallest.
    pub min: f64,
    /// Median.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Of these samples; all zero if there are none.
    pub fn of(mut samples: Vec<f64>) -> Spread {
        samples.sort_by(f64::total_cmp);
        let at = |i: usize| samples.get(i).copied().unwrap_or(0.0);
        let n = samples.len();
        let median =
            if n % 2 == 1 { at(n / 2) } else { (at(n / 2) + at((n / 2).wrapping_sub(1))) / 2.0 };
        Spread { min: at(0), median, max: at(n.wrapping_sub(1)) }
    }
}

/// Runs all subjects in turn, `rounds` times, so that what slows the machine for a while slows all of
/// them; a first round is not counted.
pub fn in_turn(subjects: &mut [Subject<'_>], rounds: usize) -> Vec<Spread> {
    let mut samples = vec![Vec::with_capacity(rounds); subjects.len()];
    for round in 0..=rounds {
        for (subject, samples) in subjects.iter_mut().zip(&mut samples) {
            let time = (subject.run)();
            if round > 0 {
                samples.push(time);
            }
        }
    }
    samples.into_iter().map(Spread::of).collect()
}

/// Shows people what is being measured, in one line that is written over; an empty one clears it.
pub fn progress(what: std::fmt::Arguments<'_>) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        let _ = write!(err, "\r\x1b[2K{what}").and_then(|()| err.flush());
    }
}

/// Prints rows under a head, columns as wide as they need to be, the first to the left.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    let all = || {
        std::iter::once(head.iter().map(|h| (*h).to_owned()).collect()).chain(rows.iter().cloned())
    };
    let width = |c: usize| {
        all().map(|r: Vec<String>| r.get(c).map_or(0, |x| x.chars().count())).max().unwrap_or(0)
    };
    for row in all() {
        let cell = |(c, x): (usize, &String)| {
            let w = width(c);
            if c == 0 { format!("{x:<w$}") } else { format!("{x:>w$}") }
        };
        println!("{}", row.iter().enumerate().map(cell).collect::<Vec<_>>().join("   ").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Spread { min: 1.0, median: 2.0, max: 3.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0]).median, 2.5);
    }

    #[test]
    fn the_first_round_does_not_count() {
        let mut calls = 0.0;
        let mut subjects = [Subject::new("count", || {
            calls += 1.0;
            calls
        })];
        assert_eq!(in_turn(&mut subjects, 2), [Spread { min: 2.0, median: 2.5, max: 3.0 }]);
    }
}
