//! The report at the end of a run.

use super::{Job, PIXEL_SCALE};
use crate::commands::report::{self, Subject};
use crate::exit::Outcome;
use crate::run::REPORT;
use nn::{Engine, Model};
use serde_json::Value;

impl Job<'_> {
    /// Writes the report, from what `run.json` has and the folder's other files, unless nobody wants it.
    pub(super) fn report(&self, model: &Model, engine: &mut Engine, record: &[u8]) -> Outcome {
        if !self.config.report {
            return Ok(());
        }
        let record = serde_json::from_slice(record).unwrap_or(Value::Null);
        let subject = Subject {
            name: report::name(self.folder.path()),
            model,
            scale: PIXEL_SCALE,
            class_names: &self.dataset.class_names,
            train: self.train,
            test: self.test,
            photos: self.dataset.photos(),
            record: &record,
            history: &report::history(self.folder.path(), self.terminal),
            warnings: Vec::new(),
        };
        let html = subject.html(engine)?;
        self.folder.write(REPORT, html.as_bytes()).map(drop)
    }
}
