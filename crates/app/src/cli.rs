//! The command line, as typed. `config` makes of it what the commands work with.

use clap::{Args, Parser, Subcommand, ValueEnum};
use nn::Precision;
use std::path::PathBuf;

/// What plain `weft` says.
pub(crate) const WELCOME: &str = "\
weft trains small neural networks on the CPU. Begin with

  weft train                      train on Fashion-MNIST: fetches the data, then takes a second or so
  weft train --dataset sample     the same on the small data set inside this program: no network needed

then look at the pictures in the run's folder, and ask the model about a test image:

  weft predict --model runs/<the run>/model.safetensors --index 0

`weft --help` lists all commands, `weft train --help` all that can be set.
";

/// Train small neural networks on the CPU, fast, and with the same result every time.
#[derive(Debug, Parser)]
#[command(name = "weft", version, after_help = after_help(), max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

fn after_help() -> String {
    let examples = "\
Examples:
  weft train                                     the tutorial, end to end
  weft eval --model runs/first/model.safetensors
  weft predict --model runs/first/model.safetensors --index 0 12
  weft info                                      what this machine can do, and where the data is";
    format!("{examples}\n\n{}", crate::exit::HELP)
}

/// How to talk.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Colours: auto asks the terminal, NO_COLOR and TERM
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Print no progress, only results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch the data set and check every byte
    Fetch(FetchArgs),
    /// Train a network, evaluate it, and write model, history and plots into a run folder
    Train(Box<TrainArgs>),
    /// Measure a model on the test images
    Eval(EvalArgs),
    /// Classify test images, or a picture of your own
    Predict(PredictArgs),
    /// Draw the figures for a model
    Plot(PlotArgs),
    /// Show what this machine can do, where the data is, and what a model is made of
    Info(InfoArgs),
}

/// Which data set, and where it lies.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct DataArgs {
    /// Folder with the data set's files [default: $WEFT_DATA, data/, the user's cache, the system]
    ///
    /// Any four IDX files named as MNIST names them, plain or .gz; a file classes.txt beside them may name the
    /// classes, one a line. The files must not be changed while weft runs (see --no-mmap).
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The full data set, or a small part of it that is inside this program
    #[arg(long, value_name = "NAME", default_value = "fashion-mnist")]
    pub(crate) dataset: DatasetName,
    /// Read the files into memory instead of mapping them: for files that others may change meanwhile
    #[arg(long)]
    pub(crate) no_mmap: bool,
}

/// The data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DatasetName {
    FashionMnist,
    Sample,
}

/// What to compute with. The result does not depend on it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Machine (the result does not depend on it)")]
pub(crate) struct EngineArgs {
    /// Threads [default: as many as this process may use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Instruction set, one of those that `weft info` lists [default: $WEFT_ISA, else the best]
    #[arg(long, value_name = "NAME")]
    pub(crate) isa: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft fetch
  weft fetch --data ~/datasets/fashion-mnist")]
pub(crate) struct FetchArgs {
    /// Folder to put the files into [default: $WEFT_DATA, else the user's cache]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft train
  weft train --epochs 10 --hidden 256,128 --seed 7 --out runs/wide
  weft train --dataset sample --json | tail -n 1

The same seed gives the same model, byte for byte, whatever the threads and the instruction set.")]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) training: TrainingArgs,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// Units of the hidden layers, from the first
    #[arg(long, value_name = "UNITS", value_delimiter = ',', default_value = "128", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) hidden: Vec<u32>,
    /// Begin with the weights in this file (safetensors: dense_1.weight, dense_1.bias, …)
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) init: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct TrainingArgs {
    /// Passes over the training images
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) epochs: u32,
    /// Images of a step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch_size: u32,
    /// Learning rate of Adam
    #[arg(long, value_name = "RATE", default_value = "1e-3", value_parser = learning_rate)]
    pub(crate) lr: f64,
    /// Seed of the first weights and of the order of the images
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Take the images in the order of the file
    #[arg(long)]
    pub(crate) no_shuffle: bool,
    /// Stop after so many steps in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_steps: Option<u64>,
    /// Of the first layer's products: f32, or bf16 where the CPU has AMX (other bits, but sooner)
    #[arg(long, value_name = "f32|bf16", default_value = "f32", value_parser = precision)]
    pub(crate) precision: Precision,
    /// Multiply by pixels that are zero, too: the same model, later
    #[arg(long)]
    pub(crate) dense: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct RunArgs {
    /// Folder for model, history, events and plots [default: runs/DATE-TIME-seedN]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the run that is in the folder of --out
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    /// Draw no plots
    #[arg(long)]
    pub(crate) no_plots: bool,
    /// Print events on standard output, one JSON object a line: start, epoch (each), result
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft eval --model runs/first/model.safetensors
  weft eval --model runs/first/model.safetensors --json")]
pub(crate) struct EvalArgs {
    #[command(flatten)]
    pub(crate) model: ModelArg,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// Print the result as one line of JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ModelArg {
    /// Model file that `weft train` wrote, or the run folder it is in
    #[arg(long, short, value_name = "FILE")]
    pub(crate) model: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft predict --model runs/first/model.safetensors --index 0 12 42
  weft predict --model runs/first/model.safetensors --image shoe.png
  weft predict --model runs/first/model.safetensors --all --csv > predictions.csv")]
pub(crate) struct PredictArgs {
    #[command(flatten)]
    pub(crate) model: ModelArg,
    #[command(flatten)]
    pub(crate) what: WhatArgs,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// Print one JSON object a line
    #[arg(long, help_heading = "Output", conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Print comma-separated values
    #[arg(long, help_heading = "Output")]
    pub(crate) csv: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct WhatArgs {
    /// Test images, counted from 0
    #[arg(long, short, value_name = "I", num_args = 1.., value_delimiter = ',')]
    pub(crate) index: Vec<usize>,
    /// All test images
    #[arg(long)]
    pub(crate) all: bool,
    /// A PNG picture of any size, dark on light or light on dark
    #[arg(long, value_name = "FILE.png")]
    pub(crate) image: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft plot --model runs/first/model.safetensors --out figures
  weft plot --model runs/first/model.safetensors --out figures --index 0 12 --format svg")]
pub(crate) struct PlotArgs {
    #[command(flatten)]
    pub(crate) model: ModelArg,
    /// Folder for the pictures; those of the same name are replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Only the predictions of these test images, counted from 0
    #[arg(long, short, value_name = "I", num_args = 1.., value_delimiter = ',')]
    pub(crate) index: Vec<usize>,
    /// Format of the pictures
    #[arg(long, value_name = "FORMAT", default_value = "png")]
    pub(crate) format: PictureFormat,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// A format of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PictureFormat {
    Png,
    Svg,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft info
  weft info --model runs/first/model.safetensors")]
pub(crate) struct InfoArgs {
    /// Also show what this model is made of
    #[arg(long, short, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// Folder with the data set's files
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

fn learning_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("a number above 0 is needed, such as 0.001 or 1e-3".to_owned()),
    }
}

fn precision(text: &str) -> Result<Precision, String> {
    Precision::named(text).ok_or_else(|| "f32 or bf16 is needed".to_owned())
}
