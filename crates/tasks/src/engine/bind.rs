//! What whoever asks leaves on tasks and schedules.

use orchestrator_vocab::TaskId;
use serde_json::{Map, Value};

use super::Plan;
use crate::{Error, Touched};

impl Plan<'_> {
    /// Adds to `noted` what whoever asks leaves on such a thing.
    pub(super) fn note(&self, touched: Touched, noted: &mut Map<String, Value>) -> Result<(), Error> {
        if let Some(binding) = &self.origin.binding {
            let notes = binding.bind(touched, noted).map_err(Error::Refused)?;
            noted.extend(notes);
        }
        Ok(())
    }

    /// Has whoever asks leave its notes on a loaded task.
    pub(super) fn bind(&mut self, id: TaskId) -> Result<(), Error> {
        if self.origin.binding.is_none() {
            return Ok(());
        }
        let mut metadata = self.task(id)?.metadata.clone();
        self.note(Touched::Task(id), &mut metadata)?;
        self.change(id)?.metadata = metadata;
        Ok(())
    }
}
