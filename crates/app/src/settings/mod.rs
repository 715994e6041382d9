//! The settings of `weft train`: what they are called, their defaults and checks, each in one place.
//!
//! To add one, add a field to a section below: its name is its key in TOML (or what follows the last dot of
//! `id`, where the name is taken), its `#[arg]` is flag, default and check, its comment the help. Use it in
//! `config::Train::resolve`. Nothing else: config files, `--set`, `--dry-run` and `config.toml` follow by
//! themselves. (A switch is a `bool` with `--flag` or, if it is on by default, `--no-flag` and `SetFalse`;
//! conditions on two settings belong into `resolve`, which can ask `Resolved::place` where a value came from.)

mod file;
mod layers;
pub(crate) mod recipes;
mod schema;

pub(crate) use layers::{Flags, LayerArgs, Resolved};

use clap::{ArgAction, Args, Command, ValueEnum};
use nn::Precision;
use std::path::PathBuf;

/// Makes one struct of the sections, and a table of them.
macro_rules! sections {
    ($($name:ident: $type:ty,)*) => {
        /// Everything that can be set about a training run, in the sections of a config file.
        #[derive(Clone, Debug, Args)]
        pub(crate) struct Settings {
            $(#[command(flatten)] pub(crate) $name: $type,)*
        }

        /// Each section's name, and what adds its flags to a command.
        const SECTIONS: &[(&str, fn(Command) -> Command)] =
            &[$((stringify!($name), <$type as Args>::augment_args),)*];
    };
}

sections! {
    network: Network,
    training: Training,
    optimizer: Optimizer,
    data: Data,
    output: Output,
    machine: Machine,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct Network {
    /// Units of the hidden layers, from the first
    #[arg(long, value_name = "UNITS", value_delimiter = ',', default_value = "128", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) hidden: Vec<u32>,
    /// Begin with the weights in this file (safetensors: dense_1.weight, dense_1.bias, …)
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) init: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct Training {
    /// Passes over the training images
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) epochs: u32,
    /// Images of a step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch_size: u32,
    /// Seed of the first weights and of the order of the images
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Take the images in the order of the file
    #[arg(long = "no-shuffle", action = ArgAction::SetFalse)]
    pub(crate) shuffle: bool,
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

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Optimizer")]
pub(crate) struct Optimizer {
    /// Learning rate of Adam
    #[arg(long, value_name = "RATE", default_value = "1e-3", value_parser = learning_rate)]
    pub(crate) lr: f64,
}

/// Which data set, and where it lies.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct Data {
    /// Folder with the data set's files [default: $WEFT_DATA, data/, the user's cache, the system]
    ///
    /// Any four IDX files named as MNIST names them, plain or .gz; a file classes.txt beside them may name the
    /// classes, one a line. The files must not be changed while weft runs (see --no-mmap).
    #[arg(long = "data", value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// The full data set, or a small part of it that is inside this program
    #[arg(long, value_name = "NAME", default_value = "fashion-mnist")]
    pub(crate) dataset: DatasetName,
    /// Read the files into memory instead of mapping them: for files that others may change meanwhile
    #[arg(long = "no-mmap", action = ArgAction::SetFalse)]
    pub(crate) mmap: bool,
}

/// The data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DatasetName {
    FashionMnist,
    Sample,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Draw no plots
    #[arg(long = "no-plots", action = ArgAction::SetFalse)]
    pub(crate) plots: bool,
}

/// What to compute with. The result does not depend on it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Machine (the result does not depend on it)")]
pub(crate) struct Machine {
    /// Threads [default: as many as this process may use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Instruction set, one of those that `weft info` lists [default: $WEFT_ISA, else the best]
    #[arg(long, value_name = "NAME")]
    pub(crate) isa: Option<String>,
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
