//! What a person reads when a run is done.

use crate::commands::report::REPORT;
use crate::config::{MODEL, Train};
use crate::run::{CONFIG, EVENTS, HISTORY, PLOTS, RECORD};
use crate::term::Grouped;
use app::datasets::Dataset;
use nn::{EpochStats, Evaluation, History};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

/// Accuracies closer than this are the same: the standard error of 10,000 images at 0.87 is 0.0034.
const SAME: f64 = 0.005;

/// A run, in words.
pub(super) struct Summary<'s> {
    pub(super) config: &'s Train,
    pub(super) dataset: &'s Dataset,
    pub(super) folder: &'s Path,
    pub(super) history: History,
    pub(super) found: Evaluation,
    pub(super) plots: Vec<PathBuf>,
    pub(super) total: f64,
}

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Evaluation { loss, accuracy, correct, count } = self.found;
        let epochs = self.history.epochs.len();
        let plural = if epochs == 1 { "" } else { "s" };
        writeln!(
            f,
            "Trained on {}: {epochs} epoch{plural} in {:.2} s, {:.2} s with everything else.",
            self.dataset.name,
            self.history.seconds(),
            self.total
        )?;
        if self.history.stopped_early {
            writeln!(f, "Stopped early: the images held back were no longer done better.")?;
        }
        if let Some(best) = self.history.best
            && let Some(EpochStats { val_loss: Some(loss), val_accuracy: Some(accuracy), .. }) =
                self.history.epochs.get(best - 1)
        {
            let whose = if self.config.fit.restore_best { ", whose weights these are" } else { "" };
            writeln!(
                f,
                "Best epoch {best}{whose}: validation loss {loss:.4}, accuracy {accuracy:.4}."
            )?;
        }
        let (right, all) = (Grouped(correct), Grouped(count));
        writeln!(f, "Test loss {loss:.4}, test accuracy {accuracy:.4}: {right} of {all} right.")?;
        if let Some(last) = self.history.epochs.last() {
            writeln!(f, "{}", over_fitting(last.accuracy, accuracy))?;
        }
        writeln!(f)?;
        self.files(f)?;
        writeln!(f)?;
        self.next(f)
    }
}

impl Summary<'_> {
    fn files(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "In {}:", self.folder.display())?;
        let plots = format!("{PLOTS}/");
        let mut lines = vec![
            (MODEL, "the model".to_owned()),
            (CONFIG, "the settings, to be used again: train --config".to_owned()),
            (HISTORY, "loss and accuracy of every epoch".to_owned()),
            (EVENTS, "the same for programs".to_owned()),
            (RECORD, "all settings, data, machine and times".to_owned()),
        ];
        if self.config.report {
            lines.push((REPORT, "everything about the run, for a browser".to_owned()));
        }
        if !self.plots.is_empty() {
            lines.push((&plots, format!("{} pictures", self.plots.len())));
        }
        for (name, what) in lines {
            writeln!(f, "  {name:<18}  {what}")?;
        }
        Ok(())
    }

    fn next(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weft = invoked_as();
        let model = quoted(&self.folder.join(MODEL));
        let data = match &self.config.data.data {
            Some(folder) => format!(" --data {}", quoted(folder)),
            None if self.config.data.sample => " --dataset sample".to_owned(),
            None => String::new(),
        };
        writeln!(f, "Try next:")?;
        writeln!(f, "  {weft} predict --model {model} --index 0 12{data}")?;
        writeln!(f, "  {weft} predict --model {model} --image YOUR.png")
    }
}

/// What the two accuracies say, as the tutorial puts it.
fn over_fitting(train: f64, test: f64) -> String {
    let gap = train - test;
    if gap > SAME {
        format!(
            "That is {gap:.4} less than on the training images ({train:.4}): the network does\n\
             worse on new images than on those it learned from. The gap is over-fitting."
        )
    } else if gap >= -SAME {
        format!(
            "That is about the same as on the training images ({train:.4}): no over-fitting\n\
             to be seen."
        )
    } else {
        format!(
            "That is {:.4} more than on the training images ({train:.4}, a mean over the last\n\
             epoch, while it was learning): no over-fitting; more epochs may help.",
            -gap
        )
    }
}

/// How the user called us: with a path, or by name.
pub(super) fn invoked_as() -> String {
    let name = std::env::args_os().next().map(PathBuf::from);
    let typed = name.filter(|n| n.components().count() > 1);
    typed.map_or_else(|| "weft".to_owned(), |path| quoted(&path))
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=\\".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_decides_what_is_said() {
        assert!(over_fitting(0.8912, 0.8725).contains("0.0187 less"));
        assert!(over_fitting(0.8912, 0.8725).ends_with("The gap is over-fitting."));
        assert!(over_fitting(0.87, 0.868).ends_with("no over-fitting\nto be seen."));
        assert!(over_fitting(0.6, 0.7).contains("0.1000 more"));
    }

    #[test]
    fn paths_can_be_pasted_into_a_shell() {
        assert_eq!(quoted(Path::new("runs/a-1/m.x")), "runs/a-1/m.x");
        assert_eq!(quoted(Path::new("my runs/it's")), r"'my runs/it'\''s'");
    }
}
