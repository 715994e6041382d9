//! The command line, as typed. `config` makes of it what the commands work with.

mod away;
mod look;
mod pack;
mod tip;

pub(crate) use away::{ExportArgs, ForeignArgs, ImportArgs, PixelType};
pub(crate) use look::{DescribeArgs, ReportArgs, ShowArgs};
pub(crate) use pack::{DataVerb, DataVerbArgs, FitName, PackArgs};

use crate::commands::runs::Order;
use crate::settings::{
    DataOfModel, DatasetName, Flags, LayerArgs, Machine, is_number, learning_rate, whole,
};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::ffi::OsString;
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
  weft train    the tutorial, end to end
  weft info     what this machine can do, and where the data is
  weft eval --model runs/first/model.safetensors
  weft predict --model runs/first/model.safetensors --index 0 12";
    format!("{examples}\n\n{}", crate::exit::HELP)
}

/// Reads a command line.
pub(crate) fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = with_negatives(Cli::command());
    let matches = command.try_get_matches_from_mut(args);
    let matches = matches.map_err(|error| tip::with_tip(error, &command, args))?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Takes numbers below zero for values, not for flags, so that what a number may be is said where it is checked.
fn with_negatives(command: clap::Command) -> clap::Command {
    let negative = |arg| if is_number(&arg) { arg.allow_negative_numbers(true) } else { arg };
    command.mut_args(negative).mut_subcommands(with_negatives)
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
    /// Find a learning rate: train some steps while it grows, and look at the losses
    LrFind(Box<LrFindArgs>),
    /// Measure a model on the test images
    Eval(EvalArgs),
    /// Classify test images, or a picture of your own
    Predict(PredictArgs),
    /// Draw the figures for a model
    Plot(PlotArgs),
    /// List runs with their results, or compare some of them
    Runs(RunsArgs),
    /// Write a report of a run: one HTML file with everything
    Report(ReportArgs),
    /// Draw images of the data set in the terminal, with their classes and predictions
    Show(ShowArgs),
    /// Describe a data set, or make one from folders of pictures
    Data(DataVerbArgs),
    /// Write a model as other programs read it: ONNX
    Export(ExportArgs),
    /// Make a model file from a safetensors file, such as one that PyTorch wrote
    Import(ImportArgs),
    /// Show what this machine can do, where the data is, and what a model is made of
    Info(InfoArgs),
    /// Print the script that lets a shell complete command lines of weft
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    #[command(hide = true)]
    Man(ManArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft fetch
  weft fetch --dataset emnist-letters
  weft fetch --data ~/datasets/fashion-mnist")]
pub(crate) struct FetchArgs {
    /// Name of the data set
    #[arg(long, value_name = "NAME", default_value = "fashion-mnist")]
    pub(crate) dataset: DatasetName,
    /// Folder to put the files into [default: $WEFT_DATA, else the user's cache]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft train
  weft train --epochs 10 --hidden 256,128 --seed 7 --out runs/wide
  weft train --epochs 50 --val-split 0.1 --early-stopping 5 --restore-best --schedule cosine
  weft train --resume runs/wide
  weft train --dataset sample --json | tail -n 1
  weft train --hidden 512 --dry-run > wide.toml
  weft train --config wide.toml --set epochs=20 --seed 3

The same seed gives the same model, byte for byte, whatever the threads and, if it has fused \
multiply-adds, the instruction set.")]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) flags: Flags,
    #[command(flatten)]
    pub(crate) layers: LayerArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft lr-find
  weft lr-find --hidden 1024,512 --batch-size 128 --out rates.png
  weft lr-find --dataset sample --json

A test by L. Smith, as fastai does it: the learning rate grows from step to step, and the suggestion is where the \
smoothed loss falls for the longest.")]
pub(crate) struct LrFindArgs {
    #[command(flatten)]
    pub(crate) flags: Flags,
    #[command(flatten)]
    pub(crate) layers: LayerArgs,
    /// Learning rate of the first step
    #[arg(long, value_name = "RATE", default_value = "1e-7", value_parser = learning_rate, help_heading = "Range")]
    pub(crate) from: f64,
    /// Learning rate of the last step
    #[arg(long, value_name = "RATE", default_value = "10", value_parser = learning_rate, help_heading = "Range")]
    pub(crate) to: f64,
    /// Steps
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole::<u64>(10..=1_000_000), help_heading = "Range")]
    pub(crate) steps: u64,
    /// File for the picture, .png or .svg; one of that name is replaced
    #[arg(long, value_name = "FILE", default_value = "lr-find.png", help_heading = "Output")]
    pub(crate) out: PathBuf,
    /// Print rates, losses and suggestion as one line of JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct RunArgs {
    /// Folder for model, history, events and plots [default: runs/DATE-TIME-seedN]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the run that is in the folder of --out, which waits in replaced-run/ until this one has a model
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    /// Print settings, network and work of the run, as a config file, and do not run it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on with the run in this folder that was interrupted, with its own settings, to the same model
    #[arg(long, value_name = "RUN", conflicts_with_all = ["out", "force", "recipe", "config", "set"])]
    pub(crate) resume: Option<PathBuf>,
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
    pub(crate) data: DataOfModel,
    #[command(flatten)]
    pub(crate) engine: Machine,
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
    pub(crate) data: DataOfModel,
    #[command(flatten)]
    pub(crate) engine: Machine,
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
    #[arg(long, short, value_name = "I", num_args = 1.., value_delimiter = ',', value_parser = whole::<usize>(0..=u64::MAX))]
    pub(crate) index: Vec<usize>,
    /// All test images
    #[arg(long)]
    pub(crate) all: bool,
    /// A picture of any size, dark on light or light on dark: PNG or JPEG
    #[arg(long, value_name = "FILE")]
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
    #[arg(long, short, value_name = "I", num_args = 1.., value_delimiter = ',', value_parser = whole::<usize>(0..=u64::MAX))]
    pub(crate) index: Vec<usize>,
    /// Format of the pictures
    #[arg(long, value_name = "FORMAT", default_value = "png")]
    pub(crate) format: PictureFormat,
    #[command(flatten)]
    pub(crate) data: DataOfModel,
    #[command(flatten)]
    pub(crate) engine: Machine,
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
    pub(crate) engine: Machine,
}

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  weft runs
  weft runs --sort accuracy
  weft runs --json
  weft runs compare runs/first runs/wide"
)]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    pub(crate) below: DirArg,
    /// What comes first: the newest, the best on the test images, the shortest training
    #[arg(long, value_name = "KEY", default_value = "date")]
    pub(crate) sort: Order,
    /// Print one JSON object a line
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) action: Option<RunsAction>,
}

#[derive(Debug, Args)]
pub(crate) struct DirArg {
    /// Folder that the runs are in [default: runs]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsAction {
    /// Show in what runs differ, and draw their curves in one figure
    Compare(CompareArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft runs compare runs/first runs/wide
  weft runs compare first wide deep --dir runs --out curves.svg")]
pub(crate) struct CompareArgs {
    /// Folders of runs, or their names below --dir
    #[arg(value_name = "RUN", required = true, num_args = 2..=app::plot::MOST_RUNS)]
    pub(crate) runs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) below: DirArg,
    /// File for the figure, .png or .svg; one of that name is replaced [default: comparison.png beside the first run]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft completions bash > ~/.local/share/bash-completion/completions/weft
  weft completions zsh > ~/.zfunc/_weft
  weft completions fish > ~/.config/fish/completions/weft.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Folder for the pages; those of the same name are replaced
    #[arg(value_name = "DIR")]
    pub(crate) out: PathBuf,
}
