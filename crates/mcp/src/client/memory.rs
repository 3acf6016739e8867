use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use orchestrator_events::NewEvent;
use orchestrator_transcript::Digest;
use serde_json::Value;

use super::store::{Remembered, Store};
use crate::Error;

/// Remembers for as long as it lives: for embedders and tests.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    tools: BTreeMap<(String, String), Remembered>,
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

fn key(server: &str, tool: &str) -> (String, String) {
    (server.to_owned(), tool.to_owned())
}

#[async_trait]
impl Store for MemoryStore {
    async fn of(&self, server: &str) -> Result<Vec<Remembered>, Error> {
        let memory = self.memory();
        let of_server = memory.tools.iter().filter(|((name, _), _)| name == server);
        Ok(of_server.map(|(_, tool)| tool.clone()).collect())
    }

    async fn insert(&self, server: &str, tools: Vec<Remembered>) -> Result<(), Error> {
        let mut memory = self.memory();
        for tool in tools {
            memory.tools.entry(key(server, &tool.tool)).or_insert(tool);
        }
        Ok(())
    }

    async fn saw(&self, server: &str, tool: &str, from: Digest, to: Digest, event: NewEvent) -> Result<bool, Error> {
        let mut memory = self.memory();
        let Some(known) = memory.tools.get_mut(&key(server, tool)).filter(|known| known.seen == from) else {
            return Ok(false);
        };
        known.seen = to;
        memory.events.push(event);
        Ok(true)
    }

    async fn pin(&self, server: &str, tool: &str, pinned: (Digest, Value), event: NewEvent) -> Result<(), Error> {
        let mut memory = self.memory();
        let seen = pinned.0;
        let known = Remembered { tool: tool.to_owned(), pinned: Some(pinned), seen };
        memory.tools.insert(key(server, tool), known);
        memory.events.push(event);
        Ok(())
    }

    async fn tell(&self, event: NewEvent) -> Result<(), Error> {
        self.memory().events.push(event);
        Ok(())
    }
}
