//! The store on SQLite or PostgreSQL.

mod clock;
mod edges;
mod floors;
mod graphs;
mod list;
mod migrations;
mod ready;
mod retention;
mod rows;
mod schedules;
mod slots;
mod statement;
mod task_row;
mod tasks;

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::future::BoxFuture;
use orchestrator_sql::{Class, Database};
use orchestrator_vocab::{Clock, TaskId};

use self::clock::SharedClock;
use self::floors::{Floors, Trust};
use self::graphs::Graphs;
use self::rows::SqlRows;
use crate::{Error, Store, Work};

/// The backlog's tables in a database. Cheap to clone.
///
/// Events go to the log of the same database: connect it with the hook of an [`orchestrator_events::SqlLog`], and open
/// that too.
#[derive(Clone)]
pub struct SqlStore {
    database: Database,
    shared: Arc<Shared>,
}

/// What all transactions of this process share.
struct Shared {
    clock: SharedClock,
    graphs: Graphs,
    floors: Floors,
    /// In there being no task that should have been woken long ago.
    none_overdue: Mutex<Trust>,
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("database", &self.database).finish_non_exhaustive()
    }
}

impl SqlStore {
    /// Where texts are: what [`Database::scrub`] is to see to after something was forgotten.
    pub const TABLES: [&str; 3] = ["tasks_task", "tasks_tag", "tasks_slot"];

    /// Brings the tables up to date.
    ///
    /// Time is `clock`'s. On PostgreSQL, which may serve several daemons, it is corrected by what the server's clock
    /// differs from this machine's.
    ///
    /// # Errors
    /// [`Error::Store`] if the database fails, or its tables were written by a newer version.
    pub async fn open(database: Database, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        orchestrator_sql::migrate(&database, "tasks", migrations::ALL).await?;
        let clock = SharedClock::new(clock);
        Ok(Self {
            database,
            shared: Arc::new(Shared {
                clock,
                graphs: Graphs::default(),
                floors: Floors::default(),
                none_overdue: Mutex::default(),
            }),
        })
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn transact(&self, work: Work) -> Result<(), Error> {
        let now = self.shared.clock.now(&self.database).await?;
        let shared = self.shared.clone();
        self.database
            .write(move |tx| -> BoxFuture<'_, Result<(), Error>> {
                let (work, rows) = (work.clone(), SqlRows::new(tx, shared.clone(), now, true));
                Box::pin(async move { work(&rows).await })
            })
            .await
    }

    async fn read(&self, work: Work) -> Result<(), Error> {
        let now = self.shared.clock.now(&self.database).await?;
        let shared = self.shared.clone();
        self.database
            .read(move |tx| -> BoxFuture<'_, Result<(), Error>> {
                let rows = SqlRows::new(tx, shared, now, false);
                Box::pin(async move { work(&rows).await })
            })
            .await
    }
}

impl From<orchestrator_sql::Error> for Error {
    fn from(error: orchestrator_sql::Error) -> Self {
        match error.class() {
            Some(Class::Duplicate | Class::Contention) => Self::Conflict,
            _ => Self::Store(Box::new(error)),
        }
    }
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        orchestrator_sql::Error::from(error).into()
    }
}

/// A row that this program cannot have written.
fn damaged(id: TaskId, what: &dyn fmt::Display) -> Error {
    Error::Store(format!("the row of {id} is damaged: {what}").into())
}
