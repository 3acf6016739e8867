use std::sync::Arc;

use orchestrator_events::SqlLog;
use orchestrator_sql::Tx;
use orchestrator_vocab::Actor;
use serde_json::json;

use super::change::event;
use super::{Inner, Registry};
use crate::sql::{self, Row};
use crate::{Error, Kind, Status};

/// The most workers that one transaction looks at.
const ROWS_MAX: u32 = 500;

impl Registry {
    /// One round of [`Registry::run`]: silent workers are lost, workers lost for days are forgotten.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn sweep(&self) -> Result<(), Error> {
        let (now, configured) = (self.0.clock.now(), self.0.configured());
        let config = &configured.config;
        if self.0.memory.sweep(now, config) {
            self.0.bump();
        }
        let reader = self.0.database.reader();
        // Looked up outside of a transaction: in most rounds there is nothing to write.
        let silent = sql::silent(reader, Status::Ready, now - config.heartbeat_timeout(), ROWS_MAX).await?;
        let forgotten = sql::silent(reader, Status::Lost, now - config.lost(), ROWS_MAX).await?;
        if silent.is_empty() && forgotten.is_empty() {
            return Ok(());
        }
        let rows = Arc::new([silent, forgotten]);
        let (inner, written) = (self.0.clone(), rows.clone());
        self.0
            .database
            .write(move |tx| {
                let (inner, rows) = (inner.clone(), written.clone());
                Box::pin(async move { inner.write_off(tx, &rows[0], &rows[1]).await })
            })
            .await?;
        rows.iter().flatten().for_each(|row| self.0.memory.forget_sign(row.org, &row.id));
        self.0.bump();
        Ok(())
    }
}

impl Inner {
    async fn write_off(&self, tx: &Tx, silent: &[Row], forgotten: &[Row]) -> Result<(), Error> {
        let now = self.clock.now();
        let actor = || Actor::system("registry");
        for row in silent {
            // Another daemon may have heard of it, or been quicker.
            if sql::mark_lost(tx, row).await? {
                let mut lost = event(row.org, &row.id, "agent.lost", now, actor());
                lost.payload["lastSeen"] = json!(row.last_seen);
                SqlLog::append(tx, [lost]);
            }
        }
        for row in forgotten {
            if sql::delete(tx, row.org, &row.id, Kind::Worker).await? {
                SqlLog::append(tx, [event(row.org, &row.id, "agent.unregistered", now, actor())]);
            }
        }
        Ok(())
    }
}
