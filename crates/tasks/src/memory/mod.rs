mod data;
mod rows;
mod schedules;
#[cfg(test)]
mod simulation;

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_events::MemoryLog;
use orchestrator_vocab::Clock;
use tokio::sync::Mutex;

use self::data::Data;
use self::rows::MemoryRows;
use crate::{Error, Store, Work};

/// A backlog that lives as long as the process, with its own log of events. For tests and for embedders who need no
/// durability; it keeps every promise of [`Store`] but that one.
pub struct MemoryStore {
    data: Mutex<Data>,
    log: Arc<MemoryLog>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// An empty store that takes the time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { data: Mutex::default(), log: Arc::default(), clock }
    }

    /// Where the events of committed works are found.
    pub fn log(&self) -> Arc<MemoryLog> {
        self.log.clone()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn transact(&self, work: Work) -> Result<(), Error> {
        let mut data = self.data.lock().await;
        let rows = MemoryRows::new(&mut data, self.clock.now(), true);
        match work(&rows).await {
            Ok(()) => {
                // Still under the lock, so that the log is in the order of the commits.
                let events = rows.commit();
                if !events.is_empty() {
                    self.log.append(events);
                }
                Ok(())
            }
            Err(error) => {
                rows.roll_back();
                Err(error)
            }
        }
    }

    async fn read(&self, work: Work) -> Result<(), Error> {
        let mut data = self.data.lock().await;
        work(&MemoryRows::new(&mut data, self.clock.now(), false)).await
    }
}

#[cfg(test)]
mod tests {
    use crate::conformance::Fixture;

    crate::task_store_conformance!(async { Fixture::memory() });
}
