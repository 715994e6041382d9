//! The examples that a training is validated on.

use crate::data::{Inputs, Labels};
use crate::error::Error;
use crate::rng::{Purpose, Rng};
use crate::train::FitConfig;

/// The examples that a run is validated on: those of some numbers, or all.
#[derive(Debug)]
pub(crate) struct Held<'r> {
    pub(crate) inputs: Inputs<'r>,
    pub(crate) labels: Labels<'r>,
    pub(crate) rows: Option<Vec<u32>>,
}

impl Held<'_> {
    pub(crate) fn count(&self) -> usize {
        self.rows.as_ref().map_or(self.labels.len(), Vec::len)
    }
}

/// The numbers of the examples to train on, if they are not all, and the examples to validate on.
pub(crate) fn split<'r>(
    inputs: Inputs<'r>,
    labels: Labels<'r>,
    config: &FitConfig,
) -> Result<(Option<Vec<u32>>, Option<Held<'r>>), Error> {
    let n = inputs.len();
    let (trained, held) = config.split(n)?;
    if held == 0 {
        return Ok((None, None));
    }
    let mut all: Vec<u32> = (0..n as u32).collect();
    Rng::new(config.seed, Purpose::Split, 0).shuffle(&mut all);
    let mut rows = all.split_off(trained);
    // In the order they lie in memory, and the order of who does not shuffle.
    all.sort_unstable();
    rows.sort_unstable();
    Ok((Some(all), Some(Held { inputs, labels, rows: Some(rows) })))
}
