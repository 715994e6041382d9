//! Commands that take models elsewhere and bring them in.

use super::ModelArg;
use clap::{Args, ValueEnum};
use nn::Activation;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft export --model runs/first --onnx first.onnx
  weft export --model runs/first --onnx first.onnx --pixels f32

The model takes pixels of 0 to 255 (scaling them is part of it), any number of examples at once, and gives \
the probabilities of the classes. The names of the classes are in its metadata.

A model file is safetensors already: other programs read it as it is (docs/checkpoint.md).")]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) model: ModelArg,
    /// Write an ONNX model into this file; one that is there is replaced
    #[arg(long, value_name = "FILE.onnx")]
    pub(crate) onnx: PathBuf,
    /// Type of the pixels that it takes, 0 to 255 in either
    #[arg(long, value_name = "TYPE", default_value = "u8")]
    pub(crate) pixels: PixelType,
}

/// Types that an exported model can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PixelType {
    U8,
    F32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft import net.safetensors --out net
  weft import net.safetensors --out net --mean 0.5 --std 0.5 --force
  weft import net.safetensors --out nets/tanh.safetensors --activation tanh --classes classes.txt

A file that PyTorch's nn.Sequential of Linear layers wrote: save_file(net.state_dict(), \"net.safetensors\"). \
The layers follow each other in the order of the numbers in their names, and their shapes say how large they \
are. The file does not tell what follows a layer; the last one's outputs are taken for logits.")]
pub(crate) struct ImportArgs {
    /// The safetensors file
    #[arg(value_name = "FILE.safetensors")]
    pub(crate) file: PathBuf,
    /// Model file to write, or (without an ending) a folder to write model.safetensors into
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Replace the model that is in the place of --out
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) network: ForeignArgs,
    /// File with the names of the classes, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
}

/// What the tensors of a network do not tell.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct ForeignArgs {
    /// What follows the hidden layers: one for all, or one for each
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "relu", value_parser = activation)]
    pub(crate) activation: Vec<Activation>,
    /// Shape of one example, such as 28x28 [default: a square, if the inputs fill one]
    #[arg(long, value_name = "HxW", value_parser = shape)]
    pub(crate) input: Option<Shape>,
    /// What pixels of 0 to 255 were multiplied by on the way in [default: 1/255]
    #[arg(long, value_name = "SCALE", default_value = "1/255", hide_default_value = true, value_parser = number)]
    pub(crate) pixel_scale: f64,
    /// What was then subtracted, as by Normalize of torchvision
    #[arg(long, value_name = "MEAN", default_value = "0", value_parser = number)]
    pub(crate) mean: f64,
    /// What it was then divided by
    #[arg(long, value_name = "STD", default_value = "1", value_parser = number)]
    pub(crate) std: f64,
}

/// Sizes with an x between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape(pub(crate) Vec<usize>);

pub(super) fn shape(text: &str) -> Result<Shape, String> {
    let sizes: Result<Vec<usize>, _> = text.split('x').map(str::parse).collect();
    match sizes {
        Ok(sizes) if !sizes.contains(&0) => Ok(Shape(sizes)),
        _ => Err("sizes above 0 with an x between them are needed, such as 28x28".to_owned()),
    }
}

/// A number, or one divided by another.
fn number(text: &str) -> Result<f64, String> {
    let parse = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite());
    let value = match text.split_once('/') {
        Some((a, b)) => parse(a).zip(parse(b)).map(|(a, b)| a / b),
        None => parse(text),
    };
    value
        .filter(|n| n.is_finite())
        .ok_or_else(|| "a number is needed, such as 0.5 or 1/255".to_owned())
}

/// An activation of a hidden layer, as model files name it.
fn activation(text: &str) -> Result<Activation, String> {
    if text == Activation::Softmax.name() {
        return Err("softmax is for the last layer, and is added there".to_owned());
    }
    let names: Vec<&str> = Activation::HIDDEN.iter().map(|a| a.name()).collect();
    Activation::named(text).ok_or_else(|| format!("one of {} is needed", names.join(", ")))
}
