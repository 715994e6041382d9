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

pub(crate) use layers::{DataOfModel, Flags, LayerArgs, Resolved};
pub(crate) use schema::is_number;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Command, ValueEnum};
use nn::{Activation, Precision, Schedule};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

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
    learning_rate: LearningRate,
    validation: Validation,
    augment: Augment,
    average: Average,
    data: Data,
    output: Output,
    machine: Machine,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct Network {
    /// Units of the hidden layers, from the first; `none` for a network without
    #[arg(long, value_name = "UNITS", value_delimiter = ',', default_value = "128", value_parser = units)]
    pub(crate) hidden: Vec<u32>,
    /// What follows a hidden layer's sums
    #[arg(long, value_name = "NAME", default_value = "relu", value_parser = choice(Activation::HIDDEN.iter().map(|a| a.name()), Activation::named))]
    pub(crate) activation: Activation,
    /// Dropout rate: share of hidden outputs set to zero, drawn anew at each step
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = share)]
    pub(crate) dropout: f64,
    /// Begin with the weights in this file (safetensors: dense_1.weight, dense_1.bias, …) or run folder
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) init: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct Training {
    /// Passes over the training images
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole::<u32>(1..=MOST))]
    pub(crate) epochs: u32,
    /// Batch size: images per step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = whole::<u32>(1..=MOST))]
    pub(crate) batch_size: u32,
    /// Seed of the first weights and of the order of the images
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>(0..=u64::MAX))]
    pub(crate) seed: u64,
    /// Take the images in the order of the file
    #[arg(long = "no-shuffle", action = ArgAction::SetFalse)]
    pub(crate) shuffle: bool,
    /// Stop after so many steps in all
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1..=u64::MAX))]
    pub(crate) max_steps: Option<u64>,
    /// Spread this share of every label evenly over all classes
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) label_smoothing: f64,
    /// Multiply an image's loss by the weight of its class: one for each class, 1,0.5,…, or balanced
    #[arg(long, value_name = "W,W,…|balanced")]
    pub(crate) class_weights: Option<ClassWeights>,
    /// Precision of the first layer's products; bf16 is faster and gives slightly different results
    #[arg(long, value_name = "f32|bf16", default_value = "f32", value_parser = precision)]
    pub(crate) precision: Precision,
    /// Do not skip zero pixels: same model, slower
    #[arg(long)]
    pub(crate) dense: bool,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Optimizer")]
pub(crate) struct Optimizer {
    /// Optimizer: Adam, Adam with decoupled weight decay, stochastic gradient descent
    #[arg(id = "optimizer.name", long = "optimizer", value_name = "NAME", default_value = "adam", value_parser = choice(nn::Optimizer::NAMES.iter().copied(), nn::Optimizer::named))]
    pub(crate) name: nn::Optimizer,
    /// Momentum of sgd, such as 0.9 [default: none]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) momentum: Option<f64>,
    /// Look ahead along the momentum of sgd (Nesterov's form)
    #[arg(long)]
    pub(crate) nesterov: bool,
    /// Weight decay, biases included: of adamw decoupled, of sgd an L2 penalty [default: adamw 0.01, sgd 0]
    #[arg(long, value_name = "DECAY", value_parser = at_least_zero)]
    pub(crate) weight_decay: Option<f64>,
    /// Multiply gradients by LIMIT / norm where the norm of all of them is larger
    #[arg(long, value_name = "LIMIT", value_parser = learning_rate)]
    pub(crate) clip_norm: Option<f64>,
    /// Learning rate
    #[arg(long, value_name = "RATE", default_value = "1e-3", value_parser = learning_rate)]
    pub(crate) lr: f64,
}

/// Defaults that other places must know.
pub(crate) const LR_FACTOR: f64 = 0.1;
pub(crate) const LR_EVERY: u32 = 10;
pub(crate) const LR_PATIENCE: u32 = 2;
pub(crate) const MONITOR: &str = "loss";

/// How the learning rate changes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Learning rate")]
pub(crate) struct LearningRate {
    /// How the learning rate changes: by epochs (step, plateau) or from step to step (cosine, one-cycle)
    #[arg(long, value_name = "NAME", default_value = "constant", value_parser = schedule_names())]
    pub(crate) schedule: String,
    /// Steps in which the learning rate grows to its full size, before the schedule begins
    #[arg(long, value_name = "STEPS", default_value_t = 0, value_parser = whole::<u64>(0..=u64::MAX))]
    pub(crate) warmup: u64,
    /// Where cosine ends, and what plateau does not go below
    #[arg(long = "lr-min", value_name = "RATE", default_value = "0.0", value_parser = at_least_zero)]
    pub(crate) lr_min: f64,
    /// What step and plateau multiply the learning rate by
    #[arg(long = "lr-factor", value_name = "FACTOR", default_value_t = LR_FACTOR, value_parser = share)]
    pub(crate) lr_factor: f64,
    /// Epochs from one drop of step to the next
    #[arg(long = "lr-every", value_name = "EPOCHS", default_value_t = LR_EVERY, value_parser = whole::<u32>(1..=MOST))]
    pub(crate) lr_every: u32,
    /// Epochs without improvement that plateau waits
    #[arg(long = "lr-patience", value_name = "EPOCHS", default_value_t = LR_PATIENCE, value_parser = whole::<u32>(0..=MOST))]
    pub(crate) lr_patience: u32,
}

/// What is held back from the training, and what it decides.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Validation")]
pub(crate) struct Validation {
    /// Share of the training images that is held back and evaluated after each epoch
    #[arg(id = "validation.split", long = "val-split", value_name = "SHARE", default_value = "0.0", value_parser = share)]
    pub(crate) split: f64,
    /// Stop after so many epochs in a row without improvement on the images held back
    #[arg(long = "early-stopping", visible_alias = "patience", value_name = "EPOCHS", value_parser = whole::<u32>(1..=MOST))]
    pub(crate) patience: Option<u32>,
    /// Smallest change that counts as an improvement (Keras' min_delta)
    #[arg(long = "min-delta", value_name = "DELTA", default_value = "0.0", value_parser = at_least_zero)]
    pub(crate) min_delta: f64,
    /// What says which epoch is the best
    #[arg(long, value_name = "MEASURE", default_value = MONITOR, value_parser = [MONITOR, "accuracy"])]
    pub(crate) monitor: String,
    /// End with the weights of the best epoch, not those of the last
    #[arg(long = "restore-best")]
    pub(crate) restore_best: bool,
}

/// How training images are varied, anew in every epoch.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Augmentation")]
pub(crate) struct Augment {
    /// Move training images by up to so many pixels, each epoch anew
    #[arg(
        id = "augment.shift",
        long = "augment-shift",
        value_name = "PIXELS",
        default_value_t = 0,
        value_parser = whole::<u16>(0..=u64::from(u16::MAX))
    )]
    pub(crate) shift: u16,
    /// Mirror training images half of the time
    #[arg(id = "augment.flip", long = "augment-flip")]
    pub(crate) flip: bool,
}

/// Which weights are averaged; the averaged ones are validated and saved.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Averages of weights")]
pub(crate) struct Average {
    /// Average the weights after every step, of which this share remains in the next, such as 0.999
    #[arg(id = "average.ema", long = "average-ema", value_name = "DECAY", value_parser = share)]
    pub(crate) ema: Option<f64>,
    /// Average the weights at the ends of the last so many epochs
    #[arg(id = "average.last", long = "average-last", value_name = "EPOCHS", value_parser = whole::<u32>(1..=MOST))]
    pub(crate) last: Option<u32>,
}

/// Which data set, and where it lies.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Data")]
pub(crate) struct Data {
    /// Folder with the data set's files [default: $WEFT_DATA, else data/, the user's cache, the system]
    ///
    /// Any four IDX files, plain or .gz, named as MNIST names them or by other names that tell train from test and
    /// images from labels; a file classes.txt beside them may name the classes, one a line. The files must not be
    /// changed while weft runs (see --no-mmap).
    #[arg(long = "data", value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// A data set by its name, fetched if need be; sample is a small part of fashion-mnist inside this program
    #[arg(long, value_name = "NAME", default_value = "fashion-mnist")]
    pub(crate) dataset: DatasetName,
    /// Four IDX files instead: training images, training labels, test images, test labels
    #[arg(long, value_name = "A,B,C,D", value_delimiter = ',')]
    pub(crate) files: Vec<PathBuf>,
    /// File with the names of the classes, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
    /// Read the files into memory instead of mapping them: for files that others may change meanwhile
    #[arg(long = "no-mmap", action = ArgAction::SetFalse)]
    pub(crate) mmap: bool,
}

/// The data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DatasetName {
    FashionMnist,
    Mnist,
    Kmnist,
    EmnistBalanced,
    EmnistByclass,
    EmnistDigits,
    EmnistLetters,
    EmnistMnist,
    Sample,
}

impl DatasetName {
    /// As it is typed, and as `data/MANIFEST` has it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Draw no plots
    #[arg(long = "no-plots", action = ArgAction::SetFalse)]
    pub(crate) plots: bool,
    /// Write no report.html; --no-plots writes none either
    #[arg(long = "no-report", action = ArgAction::SetFalse)]
    pub(crate) report: bool,
    /// Save the state of the training after every so many steps [default: after an epoch, each ten seconds at most, and each minute within one]
    #[arg(long = "checkpoint-every", value_name = "STEPS", value_parser = whole::<u64>(1..=u64::MAX))]
    pub(crate) checkpoint_every: Option<u64>,
}

/// What to compute with. The result does not depend on it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Machine (the result does not depend on it)")]
pub(crate) struct Machine {
    /// Threads [default: as many as this process may use]
    #[arg(long, value_name = "N", value_parser = whole::<u16>(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Instruction set, one of those that `weft info` lists [default: $WEFT_ISA, else the best]
    #[arg(long, value_name = "NAME")]
    pub(crate) isa: Option<String>,
}

/// What a list without an item is called where it has to have one.
const NONE: &str = "none";

/// The most that counts of epochs and images can be.
const MOST: u64 = u32::MAX as u64;

/// A whole number in that range.
pub(crate) fn whole<T>(range: RangeInclusive<u64>) -> impl TypedValueParser<Value = T>
where
    T: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    move |text: &str| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let (least, most) = range.clone().into_inner();
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let needed = || match most {
            u64::MAX if !digits => format!("a whole number of {least} or more is needed"),
            _ => format!("a whole number from {least} to {most} is needed"),
        };
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(needed)
    }
}

/// Units of a layer, or 0 for [`NONE`].
fn units(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(units @ 1..=0x10_0000) => Ok(units),
        _ if text == NONE => Ok(0),
        _ => Err("whole numbers in 1..=1048576 are needed, such as 256,128, or none".to_owned()),
    }
}

pub(crate) fn learning_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("a number above 0 is needed, such as 0.001 or 1e-3".to_owned()),
    }
}

fn at_least_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("a number of 0 or more is needed, such as 1e-5".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("a share is needed, 0 or more and below 1, such as 0.1".to_owned()),
    }
}

fn schedule_names() -> PossibleValuesParser {
    PossibleValuesParser::new(Schedule::ALL.map(Schedule::name))
}

/// A weight for each class.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClassWeights {
    /// The rarer a class, the more: images / (classes · images of the class), as scikit-learn has it.
    Balanced,
    Given(Vec<f32>),
}

impl FromStr for ClassWeights {
    type Err = String;
    fn from_str(text: &str) -> Result<ClassWeights, String> {
        if text == "balanced" {
            return Ok(ClassWeights::Balanced);
        }
        let weight =
            |text: &str| text.trim().parse().ok().filter(|w: &f32| w.is_finite() && *w >= 0.0);
        let weights: Option<Vec<f32>> = text.split(',').map(weight).collect();
        let needed = || "`balanced` or a number of 0 or more for each class is needed".to_owned();
        weights.map(ClassWeights::Given).ok_or_else(needed)
    }
}

/// One of some names, and what it is the name of.
fn choice<T: Clone + Send + Sync + 'static>(
    names: impl Iterator<Item = &'static str>,
    named: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    let names: Vec<&'static str> = names.collect();
    PossibleValuesParser::new(names).try_map(move |name| named(&name).ok_or("an unknown name"))
}

fn precision(text: &str) -> Result<Precision, String> {
    Precision::named(text).ok_or_else(|| "f32 or bf16 is needed".to_owned())
}
