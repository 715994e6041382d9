//! What a person sees while something takes time: on standard error, redrawn only where it can be.

use crate::term::Terminal;
use app::datasets;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nn::{EpochStats, Event};
use std::time::{Duration, Instant};

/// At most so often is a line redrawn.
const REDRAW: Duration = Duration::from_millis(50);
/// The clock is looked at once in so many steps: a step takes some 50 µs, and so does a careless observer.
const STEPS_A_LOOK: usize = 64;
/// Columns that the text of a line takes, the bar aside.
const TEXT: u16 = 60;

/// The epochs of a training run, as Keras shows them.
pub(crate) struct Training {
    terminal: Terminal,
    epochs: usize,
    /// The epoch that runs.
    epoch: usize,
    /// Bar and start of the epoch that runs, where lines can be redrawn.
    bar: Option<ProgressBar>,
    started: Instant,
    /// Steps that the epoch had then: some, where the training was resumed in the middle of it.
    before: usize,
    drawn: Instant,
}

impl Training {
    pub(crate) fn new(terminal: Terminal, epochs: usize) -> Training {
        let now = Instant::now();
        Training { terminal, epochs, epoch: 0, bar: None, started: now, before: 0, drawn: now }
    }

    /// Takes note of an event.
    pub(crate) fn observe(&mut self, event: &Event) {
        match event {
            Event::Step { epoch, step, steps, loss, accuracy, .. } => {
                if self.epoch != *epoch {
                    self.epoch = *epoch;
                    self.before = *step;
                    self.begin(*epoch, *steps);
                }
                if step.is_multiple_of(STEPS_A_LOOK) && step < steps {
                    self.redraw(*step, *steps, *loss, *accuracy);
                }
            }
            Event::Epoch(stats) => self.end(stats),
            _ => {}
        }
    }

    /// Leaves the line of the epoch that runs as it is.
    pub(crate) fn stop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.abandon();
            self.terminal.note("");
        }
    }

    fn begin(&mut self, epoch: usize, steps: usize) {
        self.started = Instant::now();
        self.drawn = self.started;
        if !self.terminal.animated() {
            return;
        }
        self.terminal.note(format_args!("Epoch {epoch}/{}", self.epochs));
        let counts = format!("{{pos:>{}}}/{{len}}", steps.to_string().len());
        self.bar = Some(bar(self.terminal, steps as u64, &counts));
    }

    fn redraw(&mut self, step: usize, steps: usize, loss: f64, accuracy: f64) {
        let Some(bar) = &self.bar else { return };
        let now = Instant::now();
        if now - self.drawn < REDRAW {
            return;
        }
        self.drawn = now;
        let each = self.step_time(now, step);
        let left = each * (steps - step) as f64;
        let (left, metrics) = (whole_seconds(left), metrics(each, loss, accuracy));
        bar.set_position(step as u64);
        bar.set_message(format!("{left} {metrics}"));
        bar.tick();
    }

    /// Seconds that a step takes.
    fn step_time(&self, now: Instant, step: usize) -> f64 {
        (now - self.started).as_secs_f64() / step.saturating_sub(self.before).max(1) as f64
    }

    fn end(&mut self, stats: &EpochStats) {
        let EpochStats { epoch, steps, seconds, loss, accuracy, val_loss, val_accuracy, .. } =
            *stats;
        let mut metrics = metrics(seconds / steps.max(1) as f64, loss, accuracy);
        if let (Some(loss), Some(accuracy)) = (val_loss, val_accuracy) {
            metrics += &format!(" - val_accuracy: {accuracy:.4} - val_loss: {}", metric(loss));
        }
        match self.bar.take() {
            Some(bar) => {
                bar.set_position(steps as u64);
                bar.abandon_with_message(format!("{} {metrics}", whole_seconds(seconds)));
                // The cursor stays in the last column.
                self.terminal.note("");
            }
            None => self.terminal.note(format_args!(
                "Epoch {epoch}/{} - {steps} steps - {seconds:.2}s {metrics}",
                self.epochs
            )),
        }
    }
}

/// Time of a step, accuracy and loss, as Keras words them.
fn metrics(step: f64, loss: f64, accuracy: f64) -> String {
    format!("{}/step - accuracy: {accuracy:.4} - loss: {}", span(step), metric(loss))
}

/// Four places, or an exponent where four places would show nothing.
fn metric(value: f64) -> String {
    if value.abs() > 1e-3 || value == 0.0 { format!("{value:.4}") } else { format!("{value:.4e}") }
}

/// A short time in a unit that suits it.
fn span(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.0}s"),
        s if s >= 1e-3 => format!("{:.0}ms", s * 1e3),
        s => format!("{:.0}us", s * 1e6),
    }
}

/// Seconds, minutes and seconds, or hours, minutes and seconds.
fn whole_seconds(seconds: f64) -> String {
    match seconds as u64 {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}:{:02}", s / 60, s % 60),
        s => format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
    }
}

/// A bar behind `counts`: 30 characters as Keras has it, fewer where the line would break.
fn bar(terminal: Terminal, length: u64, counts: &str) -> ProgressBar {
    let (on, off) = if terminal.colored() { ("\x1b[32m", "\x1b[0m") } else { ("", "") };
    let columns = terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(w, _)| w.0);
    let width = columns.saturating_sub(TEXT).clamp(5, 30);
    let template = format!("{counts} {on}{{bar:{width}}}{off} {{msg}}");
    let style = ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─");
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(60));
    bar.set_style(style);
    bar
}

/// Files that come from somewhere.
pub(crate) struct Download {
    terminal: Terminal,
    bar: Option<(String, ProgressBar)>,
    drawn: Option<Instant>,
    file: String,
}

impl Download {
    pub(crate) fn new(terminal: Terminal) -> Download {
        Download { terminal, bar: None, drawn: None, file: String::new() }
    }

    /// Takes note of what happens.
    pub(crate) fn observe(&mut self, progress: datasets::Progress<'_>) {
        match progress {
            datasets::Progress::Trying(source) => {
                self.finish();
                self.terminal.note(format_args!("Fetching the data set from {source}"));
            }
            datasets::Progress::Bytes { file, done, total } => self.bytes(file, done, total),
        }
    }

    fn bytes(&mut self, file: &str, done: u64, total: Option<u64>) {
        if !self.terminal.animated() {
            if self.file != file {
                file.clone_into(&mut self.file);
                self.terminal.note(format_args!("  {file}"));
            }
            return;
        }
        if self.bar.as_ref().is_none_or(|(name, _)| name != file) {
            self.finish();
            let bar = bar(self.terminal, total.unwrap_or(0), "{bytes}/{total_bytes}");
            bar.set_message(file.to_owned());
            self.bar = Some((file.to_owned(), bar));
            self.drawn = None;
        }
        let now = Instant::now();
        let last = total.is_some_and(|t| done >= t);
        if last || self.drawn.is_none_or(|drawn| now - drawn >= REDRAW) {
            self.drawn = Some(now);
            if let Some((_, bar)) = &self.bar {
                bar.set_position(done);
                bar.tick();
            }
        }
    }

    /// Leaves the last line as it is.
    pub(crate) fn finish(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.abandon();
            self.terminal.note("");
        }
    }
}

/// Things that are done one after the other.
pub(crate) struct Counted {
    terminal: Terminal,
    bar: Option<ProgressBar>,
    what: &'static str,
    total: usize,
    drawn: Instant,
}

impl Counted {
    pub(crate) fn new(terminal: Terminal, what: &'static str, total: usize) -> Counted {
        Counted { terminal, bar: None, what, total, drawn: Instant::now() }
    }

    /// So many are done. What is over at once draws nothing.
    pub(crate) fn reached(&mut self, done: usize) {
        let now = Instant::now();
        if now - self.drawn < REDRAW || !self.terminal.animated() {
            return;
        }
        self.drawn = now;
        let (terminal, what, total) = (self.terminal, self.what, self.total as u64);
        let bar = self.bar.get_or_insert_with(|| {
            let bar = bar(terminal, total, "{pos}/{len}");
            bar.set_message(what);
            bar
        });
        bar.set_position(done as u64);
        bar.tick();
    }

    /// Takes the line away: what was done is told in words.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_worded_as_keras_does() {
        assert_eq!([span(41.2e-6), span(1.4e-3), span(2.0)], ["41us", "1ms", "2s"]);
        let times = [0.4, 59.0, 61.0, 3725.0].map(whole_seconds);
        assert_eq!(times, ["0s", "59s", "1:01", "1:02:05"]);
    }

    #[test]
    fn a_step_takes_no_less_after_a_training_was_resumed() {
        let output = crate::cli::OutputArgs { quiet: true, color: crate::cli::Color::Never };
        let mut training = Training::new(Terminal::new(&output), 5);
        training.observe(&Event::Step {
            epoch: 2,
            step: 900,
            steps: 1000,
            lr: 1e-3,
            loss: 0.5,
            accuracy: 0.5,
            batch_loss: 0.5,
        });
        let now = training.started + Duration::from_secs(10);
        assert_eq!(training.step_time(now, 1000), 0.1);
    }

    #[test]
    fn small_losses_keep_their_digits() {
        assert_eq!([metric(0.29114), metric(0.000_123_45)], ["0.2911", "1.2345e-4"]);
        assert_eq!(metrics(41e-6, 0.5, 0.25), "41us/step - accuracy: 0.2500 - loss: 0.5000");
    }
}
