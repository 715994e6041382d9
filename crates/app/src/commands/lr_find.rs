//! `weft lr-find`: which learning rate to take.

use super::train::{PIXEL_SCALE, class_weights, invoked_as, network, quoted};
use super::{figures, inputs, locate, network_failure, open};
use crate::config::{LrFind, figure_format};
use crate::events;
use crate::exit::{Code, Failure, Outcome};
use crate::progress::Counted;
use crate::term::{Terminal, print, print_bytes};
use app::datasets::Half;
use app::plot::{Figure, Size, render};
use nn::{Labels, RateSweep, Sweep};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A fall by less than so many standard errors may be chance.
const CHANCE: f64 = 4.0;

/// The event.
#[derive(Serialize)]
struct Found<'f> {
    /// The rate to take, if the losses fell anywhere.
    suggestion: Option<f64>,
    /// Whether the test ended early, since the loss exploded.
    diverged: bool,
    rates: &'f [f64],
    losses: &'f [f64],
    smoothed: &'f [f64],
    plot: Option<String>,
}

pub(crate) fn run(config: &LrFind, terminal: Terminal) -> Outcome {
    let train = &config.train;
    let dataset = locate(&train.data, terminal)?;
    let data = open(&dataset, Half::Train)?;
    let model = network(train, &dataset, &data)?;
    let mut engine = train.machine.engine(train.machine.all_threads())?;
    let images = inputs(&data, PIXEL_SCALE)?;
    let weights = class_weights(train, &data, dataset.class_names.len())?;
    let labels = Labels::from(data.labels()).with_class_weights(&weights);
    let mut counted = Counted::new(terminal, "steps", config.sweep.steps as usize);
    let mut steps = 0;
    let mut observe = |event: &nn::Event| {
        steps += usize::from(matches!(event, nn::Event::Step { .. }));
        counted.reached(steps);
        ControlFlow::Continue(())
    };
    let (fit, sweep) = (&train.fit, config.sweep);
    let found = model.find_learning_rate(&mut engine, images, labels, fit, sweep, &mut observe);
    counted.finish();
    let mut found = found.map_err(network_failure)?;
    if found.rates.is_empty() {
        let what = "training diverged: the first loss is not finite";
        return Err(Failure::new(Code::Diverged, what)
            .at(format_args!("step 1, with a learning rate of {:e}", sweep.first))
            .next("begin with other weights: another file for --init, or none"));
    }
    found.suggestion = found.suggestion.filter(|_| falls(&found.losses));
    // A single loss makes no curve.
    let drawn = train.plots && found.rates.len() > 1;
    let (plot, failed) = match drawn.then(|| draw(config, &found)).transpose() {
        Ok(plot) => (plot, Ok(())),
        Err(failure) => (None, Err(failure)),
    };
    // What was found is worth having without its picture, too.
    let told = tell(config, &found, plot);
    failed.and(told)
}

/// Whether losses fall by more than chance makes of them: the mean of some in a row, against the first as many. How much they
/// vary, steps from one to the next tell, whatever way they go.
fn falls(losses: &[f64]) -> bool {
    let each = (losses.len() / 4).max(2);
    let means = losses.windows(each).map(|some| some.iter().sum::<f64>() / each as f64);
    let Some((at, least)) = means.clone().enumerate().min_by(|a, b| a.1.total_cmp(&b.1)) else {
        return false;
    };
    let first = means.clone().next().unwrap_or(least);
    let until = &losses[..at + each];
    let squares = until.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum::<f64>();
    let variance = 0.5 * squares / (until.len() - 1) as f64;
    first - least > CHANCE * (variance / each as f64).sqrt()
}

fn tell(config: &LrFind, found: &RateSweep, plot: Option<PathBuf>) -> Outcome {
    if config.json {
        let RateSweep { rates, losses, smoothed, suggestion, diverged, .. } = found;
        let (suggestion, diverged) = (*suggestion, *diverged);
        let plot = plot.map(|path| path.display().to_string());
        let event = Found { suggestion, diverged, rates, losses, smoothed, plot };
        return print_bytes(&events::line("lr-find", &event)?);
    }
    print(told(found, config, plot))
}

fn draw(config: &LrFind, found: &RateSweep) -> Outcome<PathBuf> {
    let path = &config.out;
    let RateSweep { rates, losses, smoothed, suggestion, .. } = found;
    let figure = Figure::Sweep { rates, losses, smoothed, suggestion: *suggestion };
    let bytes = render(&figure, figure_format(path)?, Size::Natural).map_err(|e| {
        Failure::new(Code::Other, e).at("drawing the losses").next("leave it out: --no-plots")
    })?;
    figures::write(path, &bytes)?;
    Ok(path.clone())
}

fn told(found: &RateSweep, config: &LrFind, plot: Option<PathBuf>) -> String {
    let Sweep { first, last, .. } = config.sweep;
    let (steps, plural) = (found.rates.len(), if found.rates.len() == 1 { "" } else { "s" });
    let mut text = format!("{steps} step{plural} with learning rates from {first:e} to {last:e}");
    if let Some(rate) = found.rates.last().filter(|_| found.diverged) {
        text += &format!(", ended at {rate:.1e}, where the loss exploded");
    }
    text += ".\n";
    match found.suggestion {
        Some(rate) => {
            text += &format!("The loss falls best around {rate:.1e}.\n");
            if let Some(path) = plot {
                text += &format!("The losses are drawn in {}.\n", path.display());
            }
            let (weft, flags) = (invoked_as(), flags(config));
            text += &format!("\nTry next:\n  {weft} train --lr {rate:.1e}{flags}\n");
        }
        None => {
            text += "The loss falls nowhere by more than chance: try other rates with --from and --to, or more --steps.\n"
        }
    }
    text
}

/// All settings but the learning rate as flags, with a space before each.
fn flags(config: &LrFind) -> String {
    let mut flags = String::new();
    for flag in config.train.resolved.typed(&["lr", "plots"]) {
        let flag = flag.to_string_lossy();
        let (name, value) = flag.split_once('=').unwrap_or((&flag, ""));
        flags += &format!(" {name}");
        if !value.is_empty() {
            flags += &format!(" {}", quoted(Path::new(value)));
        }
    }
    flags
}
