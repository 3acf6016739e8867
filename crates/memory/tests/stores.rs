//! Every store keeps every promise.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use orchestrator_events::{Numbering, SqlLog};
use orchestrator_memory::SqlStore;
use orchestrator_memory::conformance::Subject;
use orchestrator_sql::{Backend, Database, Options, Scratch};

async fn on(backend: Backend) -> Subject<Scratch> {
    let keep = Scratch::create(backend).await.unwrap();
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect(keep.url(), options).await.unwrap();
    let log = Arc::new(SqlLog::open(database.clone(), &numbering).await.unwrap());
    Subject { store: Arc::new(SqlStore::open(database).await.unwrap()), log, keep }
}

mod sqlite {
    orchestrator_memory::memory_store_conformance!(super::on(orchestrator_sql::Backend::Sqlite));
}

mod postgres {
    orchestrator_memory::memory_store_conformance!(super::on(orchestrator_sql::Backend::Postgres));
}
