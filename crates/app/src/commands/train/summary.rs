//! What a person reads when a run is done.

use super::record::kept;
use crate::columns::plain;
use crate::config::{MODEL, Train};
use crate::exit::Failure;
use crate::run::{CHECKPOINTS, CONFIG, EVENTS, HISTORY, PLOTS, RECORD, REPORT};
use crate::term::Grouped;
use app::datasets::Dataset;
use app::report::over_fitting;
use nn::{EpochStats, Evaluation, History};
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

/// What came out of a run, in words.
pub(super) struct Results<'s> {
    pub(super) config: &'s Train,
    pub(super) dataset: &'s Dataset,
    pub(super) history: &'s History,
    pub(super) found: &'s Evaluation,
    /// Seconds since the start.
    pub(super) total: f64,
}

/// What its folder holds, and what to do with that.
pub(super) struct Files<'s> {
    pub(super) config: &'s Train,
    pub(super) folder: &'s Path,
    pub(super) plots: &'s [PathBuf],
    /// Test images.
    pub(super) count: usize,
    /// Whether the model takes pictures: examples with a height and a width.
    pub(super) pictures: bool,
}

impl Display for Results<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Evaluation { loss, accuracy, correct, count } = *self.found;
        let epochs = self.history.epochs.len();
        let plural = if epochs == 1 { "" } else { "s" };
        writeln!(
            f,
            "Trained on {}: {epochs} epoch{plural} in {:.2} s, {:.2} s {}.",
            plain(&self.dataset.name),
            self.history.seconds(),
            self.total,
            match self.config {
                Train { resume: true, .. } => "since it was resumed",
                Train { plots: true, .. } => "with everything but the pictures",
                _ => "with everything else",
            }
        )?;
        if self.history.stopped_early {
            match self.config.fit.early_stopping.map_or(0.0, |stop| stop.min_delta) {
                0.0 => writeln!(
                    f,
                    "Stopped early: the images held back were no longer classified better."
                )?,
                delta => writeln!(
                    f,
                    "Stopped early: on the images held back it no longer improved by more than {delta:?}."
                )?,
            }
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
        if let Some(epoch) = kept(self.history, self.config) {
            let classes = self.dataset.class_names.len();
            let best = self.history.best.filter(|_| self.config.fit.restore_best);
            let train = (epoch.accuracy, best.filter(|best| *best < epochs));
            let [first, second] = over_fitting(train, accuracy, count, classes);
            writeln!(f, "{first}\n{second}")?;
        }
        Ok(())
    }
}

impl Display for Files<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        self.files(f)?;
        writeln!(f)?;
        self.next(f)
    }
}

impl Files<'_> {
    fn files(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "In {}:", self.folder.display())?;
        let [checkpoints, plots] = [CHECKPOINTS, PLOTS].map(|folder| format!("{folder}/"));
        let mut lines = vec![
            (MODEL, "the model".to_owned()),
            (CONFIG, "the settings, to be used again: train --config".to_owned()),
            (HISTORY, "loss and accuracy of every epoch".to_owned()),
            (EVENTS, "the same for programs".to_owned()),
            (RECORD, "all settings, data, machine and times".to_owned()),
            (&checkpoints, "the state, to go on with more epochs: train --resume".to_owned()),
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
        writeln!(f, "Try next:")?;
        let images = if self.count > 12 { "0 12" } else { "0" };
        writeln!(f, "  {weft} predict --model {model} --index {images}")?;
        if self.pictures {
            writeln!(f, "  {weft} predict --model {model} --image YOUR.png")?;
        }
        Ok(())
    }
}

/// The results are safe: how to have what was not drawn.
pub(super) fn undrawn(failure: Failure, folder: &Path) -> Failure {
    let (weft, run, plots) = (invoked_as(), quoted(folder), quoted(&folder.join(PLOTS)));
    failure.next(format_args!(
        "model and results are written; once nothing is in the way, draw the pictures: \
         {weft} plot --model {run} --out {plots}; and the report: {weft} report {run}"
    ))
}

/// How the user called us: with a path, or by name.
pub(in crate::commands) fn invoked_as() -> String {
    let name = std::env::args_os().next().map(PathBuf::from);
    let typed = name.filter(|n| n.components().count() > 1);
    typed.map_or_else(|| "weft".to_owned(), |path| quoted(&path))
}

/// A path as a shell takes it.
pub(in crate::commands) fn quoted(path: &Path) -> String {
    let Some(text) = path.to_str() else {
        return quoted_bytes(path.as_os_str().as_encoded_bytes());
    };
    let special = if cfg!(windows) { r"/._-+:@%,=\" } else { "/._-+:@%,=" };
    let plain = |c: char| c.is_alphanumeric() || special.contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// What is no text, as bash, zsh and ksh take it.
fn quoted_bytes(bytes: &[u8]) -> String {
    let escaped: String = bytes
        .iter()
        .map(|byte| match byte {
            b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
            b' '..=b'~' => char::from(*byte).to_string(),
            byte => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("$'{escaped}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_can_be_pasted_into_a_shell() {
        assert_eq!(quoted(Path::new("runs/a-1/m.x")), "runs/a-1/m.x");
        assert_eq!(quoted(Path::new("my runs/it's")), r"'my runs/it'\''s'");
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt;
            let bytes = std::ffi::OsStr::from_bytes(b"it's\xff \\r");
            assert_eq!(quoted(Path::new(bytes)), r"$'it\'s\xff \\r'");
            assert_eq!(quoted(Path::new(r"a\b")), r"'a\b'");
        }
    }
}
