//! `weft eval`: how well a model does on the test images.

use super::scores::{Fields, Scores};
use super::{check_outputs, inputs, load, locate_for, network_failure, open};
use crate::config::Eval;
use crate::exit::Outcome;
use crate::term::{Grouped, Terminal, print, print_bytes};
use crate::{columns, events};
use app::datasets::Half;
use nn::metrics::Scored;
use serde::Serialize;
use std::time::Instant;

#[derive(Serialize)]
struct Result<'r> {
    model: String,
    dataset: &'r str,
    data: String,
    test_loss: f64,
    test_accuracy: f64,
    correct: usize,
    count: usize,
    #[serde(flatten)]
    scores: Fields<'r>,
    seconds: f64,
    threads: usize,
    isa: &'static str,
}

pub(crate) fn run(config: &Eval, terminal: Terminal) -> Outcome {
    let loaded = load(&config.model)?;
    let dataset = locate_for(&loaded, &config.data, terminal)?;
    let test = open(&dataset, Half::Test)?;
    let mut engine = config.machine.engine(config.machine.all_threads())?;
    let start = Instant::now();
    let images = inputs(&test, loaded.metadata.pixel_scale)?;
    let found =
        loaded.model.evaluate(&mut engine, images, test.labels()).map_err(network_failure)?;
    let probabilities = loaded.model.predict(&mut engine, images).map_err(network_failure)?;
    check_outputs(&loaded.model, &config.model, &probabilities, terminal)?;
    let names = loaded.class_names(Some(&dataset));
    let scored =
        Scored::new(&probabilities, test.labels(), names.len()).map_err(network_failure)?;
    let scores = Scores::new(scored, &names);
    if config.json {
        let result = Result {
            model: config.model.display().to_string(),
            dataset: &dataset.name,
            data: dataset.place(),
            test_loss: found.loss,
            test_accuracy: found.accuracy,
            correct: found.correct,
            count: found.count,
            scores: scores.fields(),
            seconds: start.elapsed().as_secs_f64(),
            threads: engine.threads(),
            isa: engine.isa().name(),
        };
        return print_bytes(&events::line("result", &result)?);
    }
    print(format_args!(
        "Test loss {:.4}, accuracy {:.4}: {} of {} images right.\n{}",
        found.loss,
        found.accuracy,
        Grouped(found.correct),
        Grouped(found.count),
        scores.text(columns::of_stdout())
    ))
}
