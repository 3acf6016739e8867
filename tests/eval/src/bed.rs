use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_events::{Numbering, SqlLog};
use orchestrator_memory::{BATCH_MAX, Config, Draft, Embedder, Memories, MemoriesParts, MemoryId, SqlStore};
use orchestrator_sql::{Backend, Database, Options};
use orchestrator_testkit::Scratch;
use orchestrator_vocab::{Actor, OrgId, SystemClock};
use tempfile::TempDir;

use crate::cranfield::Abstract;

/// The collection as memories, in a database of their own, composed as the daemon does it but without the daemon.
pub(crate) struct Bed {
    pub(crate) memories: Memories,
    /// Which abstract is which memory.
    pub(crate) numbers: HashMap<MemoryId, u32>,
    _log: SqlLog,
    _place: Place,
}

/// Where the database is, for as long as it is used.
enum Place {
    Directory(#[expect(dead_code, reason = "held so that it is removed afterwards")] TempDir),
    Server(#[expect(dead_code, reason = "held so that it is dropped afterwards")] Scratch),
}

impl Bed {
    /// With every abstract that has any text, and its vector if there is an embedder.
    pub(crate) async fn make(
        backend: Backend,
        embedder: Option<Arc<dyn Embedder>>,
        abstracts: &[Abstract],
    ) -> anyhow::Result<Self> {
        let (place, url) = place(backend).await?;
        let numbering = Numbering::default();
        let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
        let database = Database::connect(&url, options).await?;
        let log = SqlLog::open(database.clone(), &numbering).await?;
        let memories = Memories::new(MemoriesParts {
            store: Arc::new(SqlStore::open(database).await?),
            clock: Arc::new(SystemClock),
            config: Config::default(),
            embedder,
            summarizer: None,
            filter: None,
        })?;
        let numbers = filled(&memories, abstracts).await?;
        while memories.embed_some().await? > 0 {}
        Ok(Self { memories, numbers, _log: log, _place: place })
    }
}

async fn filled(memories: &Memories, abstracts: &[Abstract]) -> anyhow::Result<HashMap<MemoryId, u32>> {
    let texts: Vec<(u32, String)> = abstracts
        .iter()
        .map(|one| (one.number, format!("{}\n\n{}", one.title, one.text).trim().to_owned()))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    let mut numbers = HashMap::new();
    for batch in texts.chunks(BATCH_MAX) {
        let drafts = batch.iter().map(|(_, text)| Draft::fact(text)).collect();
        let stored = memories.store_many(OrgId::LOCAL, &Actor::system("eval"), drafts).await?;
        numbers.extend(stored.iter().map(|memory| memory.id).zip(batch.iter().map(|(number, _)| *number)));
    }
    Ok(numbers)
}

async fn place(backend: Backend) -> anyhow::Result<(Place, String)> {
    if backend == Backend::Postgres {
        let scratch = Scratch::create(Backend::Postgres).await.context("`cargo xtask services` starts PostgreSQL")?;
        let url = scratch.url().to_owned();
        return Ok((Place::Server(scratch), url));
    }
    let directory = tempfile::Builder::new().prefix("eval-").tempdir()?;
    let url = format!("sqlite:{}", directory.path().join("eval.db").display());
    Ok((Place::Directory(directory), url))
}
