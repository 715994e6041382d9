//! `weft eval`: how well a model does on the test images.

use super::{inputs, load, locate, network_failure, open};
use crate::config::Eval;
use crate::events;
use crate::exit::Outcome;
use crate::term::{Grouped, Terminal, print, print_bytes};
use app::datasets::Half;
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
    seconds: f64,
    threads: usize,
    isa: &'static str,
}

pub(crate) fn run(config: &Eval, terminal: Terminal) -> Outcome {
    let loaded = load(&config.model)?;
    let dataset = locate(&config.data, terminal)?;
    let test = open(&dataset, Half::Test)?;
    let mut engine = config.machine.engine(config.machine.all_threads());
    let start = Instant::now();
    let images = inputs(&test, loaded.metadata.pixel_scale)?;
    let found =
        loaded.model.evaluate(&mut engine, images, test.labels()).map_err(network_failure)?;
    let result = Result {
        model: config.model.display().to_string(),
        dataset: &dataset.name,
        data: dataset.place(),
        test_loss: found.loss,
        test_accuracy: found.accuracy,
        correct: found.correct,
        count: found.count,
        seconds: start.elapsed().as_secs_f64(),
        threads: engine.threads(),
        isa: engine.isa().name(),
    };
    if config.json {
        return print_bytes(&events::line("result", &result)?);
    }
    print(format_args!(
        "Test loss {:.4}, accuracy {:.4}: {} of {} images right.\n",
        found.loss,
        found.accuracy,
        Grouped(found.correct),
        Grouped(found.count)
    ))
}
