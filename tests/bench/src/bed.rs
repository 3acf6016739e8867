use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_events::{Hub, Numbering, SqlLog};
use orchestrator_sql::{Backend, Database, Options};
use orchestrator_tasks::{Accepts, Backlog, Candidate, Config, Draft, Origin, SqlStore, Store as _, Task, Work};
use orchestrator_testkit::Scratch;
use orchestrator_vocab::{Actor, OrgId, SystemClock};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The most tasks one call creates.
const BATCH: usize = 1_000;

/// A backlog in a database of its own, composed as the daemon does it but without the daemon.
pub(crate) struct Bed {
    pub(crate) backlog: Backlog,
    pub(crate) origin: Origin,
    _hub: Hub,
    store: Arc<SqlStore>,
    database: Database,
    _place: Place,
}

/// Where the database is, for as long as it is used.
pub(crate) enum Place {
    Directory(#[expect(dead_code, reason = "held so that it is removed afterwards")] TempDir),
    Server(#[expect(dead_code, reason = "held so that it is dropped afterwards")] Scratch),
}

impl Bed {
    /// One whose claims last as long as it is measured.
    pub(crate) async fn make(backend: Backend) -> anyhow::Result<Self> {
        Self::configured(backend, Config { lease_ms: 3_600_000, ..Config::default() }).await
    }

    pub(crate) async fn configured(backend: Backend, config: Config) -> anyhow::Result<Self> {
        let (place, url) = place(backend).await?;
        let numbering = Numbering::default();
        let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
        let database = Database::connect(&url, options).await?;
        let log = SqlLog::open(database.clone(), &numbering).await?;
        let store = Arc::new(SqlStore::open(database.clone(), Arc::new(SystemClock)).await?);
        let backlog = Backlog::new(store.clone(), config)?;
        let origin = Origin::new(OrgId::LOCAL, Actor::system("bench"));
        Ok(Self { backlog, origin, store, _hub: Hub::new(Arc::new(log)), database, _place: place })
    }

    /// Where it is.
    pub(crate) fn database(&self) -> Database {
        self.database.clone()
    }

    /// Creates this many tasks without dependencies.
    pub(crate) async fn fill(&self, count: usize) -> anyhow::Result<()> {
        let mut left = count;
        while left > 0 {
            let batch = left.min(BATCH);
            self.backlog.create_many(&self.origin, drafts(batch)).await?;
            left -= batch;
        }
        Ok(())
    }

    /// Holds one consistent view of the backlog open until `released`, like a report that somebody forgot.
    pub(crate) async fn hold_snapshot(&self, released: CancellationToken) -> anyhow::Result<()> {
        let work: Work = Arc::new(move |rows| {
            let released = released.clone();
            Box::pin(async move {
                rows.counts(OrgId::LOCAL).await?;
                released.cancelled().await;
                Ok(())
            })
        });
        Ok(self.store.read(work).await?)
    }

    pub(crate) async fn create(&self, title: &str) -> anyhow::Result<Task> {
        Ok(self.backlog.create(&self.origin, Draft::new(title)).await?)
    }
}

pub(crate) fn drafts(count: usize) -> Vec<Draft> {
    (0..count).map(|n| Draft::new(format!("task {n}"))).collect()
}

/// One that claims by itself as much as it likes.
pub(crate) fn worker(name: &str) -> anyhow::Result<Candidate> {
    let agent = Candidate::new(name.parse()?, BTreeSet::new());
    Ok(Candidate { max_concurrent: u32::MAX, accepts: Accepts::Pull, ..agent })
}

pub(crate) async fn place(backend: Backend) -> anyhow::Result<(Place, String)> {
    if backend == Backend::Postgres {
        let scratch = Scratch::create(Backend::Postgres).await.context("`cargo xtask services` starts PostgreSQL")?;
        let url = scratch.url().to_owned();
        return Ok((Place::Server(scratch), url));
    }
    let directory = on_disk()?;
    let url = format!("sqlite:{}", directory.path().join("bench.db").display());
    Ok((Place::Directory(directory), url))
}

/// A directory beside the program: that for temporary files may be memory, on which syncing costs nothing.
pub(crate) fn on_disk() -> anyhow::Result<TempDir> {
    let program = std::env::current_exe()?;
    let beside = program.parent().context("a program lies in a directory")?;
    Ok(tempfile::Builder::new().prefix("bench-").tempdir_in(beside)?)
}
