//! Commands that show: images, data sets, runs.

use crate::settings::{Data, DataOfModel, Machine};
use clap::{Args, ValueEnum};
use std::ops::Range;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft show 0..25
  weft show 3 14 15 --train
  weft show 0..25 --model runs/first
  weft show --wrong --model runs/first")]
pub(crate) struct ShowArgs {
    /// Images, counted from 0: numbers and ranges without their end [default: the first fifteen]
    #[arg(value_name = "I|A..B", value_delimiter = ',', value_parser = span, allow_negative_numbers = true)]
    pub(crate) images: Vec<Range<usize>>,
    /// Training images instead of test images
    #[arg(long)]
    pub(crate) train: bool,
    /// Also say what this model takes them for: a model file, or a run folder
    #[arg(long, short, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// Only those that the model gets wrong, the worst first
    #[arg(long, requires = "model")]
    pub(crate) wrong: bool,
    /// How to draw them [default: as the terminal can]
    #[arg(long, value_name = "LOOK", help_heading = "Output")]
    pub(crate) look: Option<Look>,
    #[command(flatten)]
    pub(crate) data: DataOfModel,
    #[command(flatten)]
    pub(crate) engine: Machine,
}

/// How a terminal shows images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Look {
    /// Half-blocks in 16 million colours
    Blocks,
    /// Half-blocks in 256 colours
    Blocks256,
    /// The graphics protocol of kitty
    Kitty,
    /// Sixels
    Sixel,
    /// Plain characters
    Ascii,
}

impl From<Look> for app::show::Look {
    fn from(look: Look) -> app::show::Look {
        match look {
            Look::Blocks => app::show::Look::Blocks,
            Look::Blocks256 => app::show::Look::Blocks256,
            Look::Kitty => app::show::Look::Kitty,
            Look::Sixel => app::show::Look::Sixel,
            Look::Ascii => app::show::Look::Ascii,
        }
    }
}

/// `7`, `0..25` or `0..=24`.
fn span(text: &str) -> Result<Range<usize>, String> {
    let number = |part: &str| part.trim().parse::<usize>().ok();
    let found = match text.split_once("..") {
        None => number(text).and_then(|i| Some(i..i.checked_add(1)?)),
        Some((from, to)) => match (number(from), to.strip_prefix('=')) {
            (Some(from), None) => number(to).map(|to| from..to),
            (Some(from), Some(last)) => number(last).and_then(|to| Some(from..to.checked_add(1)?)),
            (None, _) => None,
        },
    };
    let found = found.filter(|range| range.start < range.end);
    found.ok_or_else(|| "a number such as 7, or a range such as 0..25, is needed".to_owned())
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft data
  weft data --data ~/datasets/kmnist
  weft data --dataset sample --json")]
pub(crate) struct DescribeArgs {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Print the description as one line of JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  weft report runs/first
  weft report runs/first --out first.html")]
pub(crate) struct ReportArgs {
    /// Run folder, or a model file
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// File to write [default: report.html in the run's folder]
    #[arg(long, value_name = "FILE.html")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataOfModel,
    #[command(flatten)]
    pub(crate) engine: Machine,
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn ranges_are_read_as_written() {
        assert_eq!([span("7"), span("0..25"), span("3..=5")], [Ok(7..8), Ok(0..25), Ok(3..6)]);
        let last = usize::MAX.to_string();
        for wrong in ["", "x", "3..", "..3", "5..5", "9..3", "-1", "1...3", &last] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
