//! `weft data`: data sets of one's own.

use super::DescribeArgs;
use super::away::{Shape, shape};
use crate::settings::whole;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `weft data`: a description, unless something else is asked for.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  weft data
  weft data --data ~/datasets/kmnist
  weft data --dataset sample --json
  weft data pack photos --out data/mine --size 32x32"
)]
pub(crate) struct DataVerbArgs {
    #[command(flatten)]
    pub(crate) describe: DescribeArgs,
    #[command(subcommand)]
    pub(crate) verb: Option<DataVerb>,
}

/// What else to do with data sets.
#[derive(Debug, Subcommand)]
pub(crate) enum DataVerb {
    /// Make a data set from folders of pictures, one a class
    Pack(PackArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft data pack photos --out data/mine --size 32x32
  weft data pack drawings --out data/drawings --size 28x28 --invert --test-split 0.1
  weft train --data data/mine

The name of a folder is the class of the pictures in it (PNG or JPEG, in folders below it, too): photos/cat, \
photos/dog, ... Where there are photos/train/CLASS and photos/test/CLASS, those are the halves; else some \
pictures of every class, drawn with the seed, are for testing.

Pictures are turned upright, laid on white where they are transparent, made grey (0.2126 R + 0.7152 G + \
0.0722 B) and scaled to fit, in the middle of the colour of their border. `weft predict --image` does the \
same with a picture, if the model learned from such a data set.")]
pub(crate) struct PackArgs {
    /// Folder with a folder of pictures for each class
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Folder for the data set
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Width and height of the images [default: that of the pictures, if it is the same for all]
    #[arg(long, value_name = "WxH", value_parser = shape)]
    pub(crate) size: Option<Shape>,
    /// What becomes of pictures of another shape
    #[arg(long, value_name = "HOW", default_value = "pad")]
    pub(crate) fit: FitName,
    /// Make dark light and light dark: for drawings on white, so that the background is 0
    #[arg(long)]
    pub(crate) invert: bool,
    /// Share of the pictures of each class that are for testing [default: 0.2]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) test_split: Option<f64>,
    /// Seed of the order of the pictures, and of which are for testing
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>(0..=u64::MAX))]
    pub(crate) seed: u64,
    /// Leave out pictures that cannot be read, instead of stopping
    #[arg(long)]
    pub(crate) skip_bad: bool,
    /// Replace the data set that is in the folder of --out
    #[arg(long)]
    pub(crate) force: bool,
    /// Pictures that are read at once [default: as many as there are processors for this process]
    #[arg(long, value_name = "N", value_parser = whole::<u16>(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// What becomes of pictures of another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FitName {
    /// As large as fits, in the middle
    Pad,
    /// Stretched or squeezed
    Stretch,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("a share between 0 and 1 is needed, such as 0.2".to_owned()),
    }
}
