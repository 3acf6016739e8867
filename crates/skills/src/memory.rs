use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use orchestrator_events::NewEvent;
use orchestrator_transcript::Digest;

use crate::{Error, Remembered, SkillName, Store};

/// Remembers for as long as it lives: for embedders and tests.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    skills: BTreeMap<SkillName, Remembered>,
    events: Vec<NewEvent>,
}

impl MemoryStore {
    /// What was told so far; asking forgets it.
    pub fn take_events(&self) -> Vec<NewEvent> {
        std::mem::take(&mut self.memory().events)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn all(&self) -> Result<Vec<Remembered>, Error> {
        Ok(self.memory().skills.values().cloned().collect())
    }

    async fn first(&self, skill: Remembered) -> Result<Remembered, Error> {
        Ok(self.memory().skills.entry(skill.name.clone()).or_insert(skill).clone())
    }

    async fn saw(&self, name: &SkillName, from: Digest, to: Digest, event: NewEvent) -> Result<bool, Error> {
        let mut memory = self.memory();
        let Some(known) = memory.skills.get_mut(name).filter(|known| known.seen == from) else { return Ok(false) };
        known.seen = to;
        memory.events.push(event);
        Ok(true)
    }

    async fn pin(&self, skill: Remembered, event: NewEvent) -> Result<(), Error> {
        let mut memory = self.memory();
        memory.skills.insert(skill.name.clone(), skill);
        memory.events.push(event);
        Ok(())
    }

    async fn tell(&self, event: NewEvent) -> Result<(), Error> {
        self.memory().events.push(event);
        Ok(())
    }
}
