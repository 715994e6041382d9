//! `weft train --dry-run`: what a run would be, without running it.

use super::network::{check_classes, sequential, threads};
use super::{info, keeper, network_failure};
use crate::columns::plain;
use crate::commands::{data_failure, locate, open};
use crate::config::Train;
use crate::events;
use crate::exit::Outcome;
use crate::term::{Grouped, Terminal, print, print_bytes};
use app::datasets::manifest::Manifest;
use app::datasets::{self, Half};
use nn::Architecture;
use nn::checkpoint::State;
use serde::Serialize;
use std::fmt::Write as _;

/// What is known of the data.
#[derive(Debug, Serialize)]
struct Data {
    name: String,
    place: Option<String>,
    /// What identifies it.
    #[serde(skip)]
    hash: Option<String>,
    train: usize,
    image: Vec<usize>,
    classes: usize,
}

/// The event.
#[derive(Debug, Serialize)]
struct DryRun<'r> {
    settings: toml::Table,
    data: &'r Data,
    layers: &'r [nn::Layer],
    parameters: usize,
    parameter_bytes: usize,
    /// Of the training images, those that are held back.
    held_back: usize,
    steps_per_epoch: usize,
    flops_per_step: u64,
}

/// The steps that would be taken.
struct Steps {
    an_epoch: usize,
    /// Images of one; the data may have fewer than `--batch-size`.
    batch: usize,
    flops: u64,
}

/// Prints the settings as a config file, and the network in its comments.
pub(super) fn run(config: &Train, terminal: Terminal) -> Outcome {
    let data = data(config, terminal)?;
    check_classes(data.classes, data.place.as_deref().unwrap_or(&data.name))?;
    let network = sequential(config, &data.image, data.classes);
    let architecture = network.architecture();
    architecture.check().map_err(network_failure)?;
    let resumed = config.out.as_deref().filter(|_| config.resume).zip(data.hash.as_deref());
    let state = match resumed {
        Some((run, hash)) => keeper::open(config, run, hash, architecture)?.1,
        None => None,
    };
    let (trained, held) = config.fit.split(data.train).map_err(network_failure)?;
    let (steps, batch) = (config.fit.steps(trained), config.fit.batch_size.min(trained));
    let flops = architecture.step_flops(batch).iter().fold(0, |all: u64, n| all.saturating_add(*n));
    if config.json {
        let parameters = architecture.parameters();
        let event = DryRun {
            settings: config.resolved.to_table(),
            data: &data,
            layers: &architecture.layers,
            parameters,
            parameter_bytes: parameters * size_of::<f32>(),
            held_back: held,
            steps_per_epoch: steps,
            flops_per_step: flops,
        };
        return print_bytes(&events::line("dry-run", &event)?);
    }
    let settings = config.resolved.to_toml();
    let mut text = told(config, &data, architecture, Steps { an_epoch: steps, batch, flops });
    if let Some((epoch, step)) = state.as_ref().map(State::position) {
        let _ = writeln!(text, "Resumed in epoch {epoch}, after step {step}");
    }
    print(format_args!("{}\n{settings}", comment(&text)))
}

/// The data, or what Fashion-MNIST is like if it is not here yet: nothing is fetched.
fn data(config: &Train, terminal: Terminal) -> Outcome<Data> {
    let options = &config.data;
    let places = datasets::places(options);
    if !options.sample
        && options.data.is_none()
        && options.files.is_none()
        && !places.iter().any(|(_, _, there)| *there)
    {
        let set = Manifest::named(&options.set).unwrap_or_default();
        terminal.note(format_args!(
            "The data set is not on this machine yet: `weft fetch --dataset {}` gets it.",
            set.name
        ));
        // Behind a header of eight bytes, labels take a byte each.
        let train = set.files.get(1).map_or(0, |labels| labels.bytes.saturating_sub(8));
        let (train, classes) = (train as usize, set.classes.len());
        let (name, place, hash, image) = (set.name, None, None, vec![28, 28]);
        return Ok(Data { name, place, hash, train, image, classes });
    }
    let dataset = locate(options, terminal)?;
    let train = open(&dataset, Half::Train)?;
    let hash = dataset.hash().map_err(data_failure)?;
    let (place, classes) = (Some(dataset.place()), dataset.class_names.len());
    Ok(Data {
        name: dataset.name,
        place,
        hash: Some(hash),
        train: train.len(),
        image: train.dims().to_vec(),
        classes,
    })
}

fn told(
    config: &Train,
    data: &Data,
    architecture: &Architecture,
    Steps { an_epoch, batch, flops }: Steps,
) -> String {
    let mut text = format!("weft {}: what this run would be\n\n", env!("CARGO_PKG_VERSION"));
    let sizes: Vec<String> = data.image.iter().map(usize::to_string).collect();
    let _ = writeln!(
        text,
        "{}: {} training images of {}, {} classes\n",
        plain(&data.name),
        Grouped(data.train),
        sizes.join(" x "),
        data.classes
    );
    text.push_str(&architecture.training_summary(batch));
    let fit = &config.fit;
    let all =
        (an_epoch as u64).saturating_mul(fit.epochs as u64).min(fit.max_steps.unwrap_or(u64::MAX));
    let _ = writeln!(
        text,
        "\n{} steps of {} images: {} an epoch, {:.0} GFLOP in all",
        Grouped(all as usize),
        Grouped(batch),
        Grouped(an_epoch),
        all as f64 * flops as f64 / 1e9
    );
    let threads = threads(config.machine.all_threads(), fit.most_threads(architecture));
    let _ = writeln!(text, "{threads}, {}, {}", config.machine.isa, info::cpu_name());
    text
}

/// Lines behind a `#` each.
fn comment(text: &str) -> String {
    text.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect()
}
