//! The promises of a store, on both databases.

use std::sync::Arc;

use orchestrator_events::{Numbering, SqlLog};
use orchestrator_sql::{Backend, Database, Options, Scratch};
use orchestrator_tasks::SqlStore;
use orchestrator_tasks::conformance::Fixture;

async fn fixture(backend: Backend) -> Fixture {
    let scratch = Scratch::create(backend).await.expect("a database server");
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect(scratch.url(), options).await.expect("a database");
    let log = SqlLog::open(database.clone(), &numbering).await.expect("tables");
    let clock = Fixture::clock();
    let store = SqlStore::open(database.clone(), clock.clone()).await.expect("tables");
    Fixture { store: Arc::new(store), log: Arc::new(log), clock, keep: Box::new((database, scratch)) }
}

mod sqlite {
    use super::*;

    orchestrator_tasks::task_store_conformance!(fixture(Backend::Sqlite));
}

mod postgres {
    use super::*;

    orchestrator_tasks::task_store_conformance!(fixture(Backend::Postgres));
}
