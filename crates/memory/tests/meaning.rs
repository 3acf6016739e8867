//! What is found by meaning is the nearest of what was asked for.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_events::{Numbering, SqlLog};
use orchestrator_memory::{
    Draft, EmbedError, Embedder, Filter, Memories, MemoriesParts, Memory, Parts, Question, Scope, SqlStore, State,
};
use orchestrator_sql::{Backend, Database, Options, Scratch};
use orchestrator_vocab::{Actor, OrgId, SystemClock};

/// More than are looked at closer for one question.
const CROWD: usize = 400;

/// A text is an angle in thousandths.
struct Angles;

#[async_trait]
impl Embedder for Angles {
    fn name(&self) -> &str {
        "angles"
    }

    fn dimensions(&self) -> usize {
        2
    }

    async fn embed(&self, _: OrgId, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let vector = |text: &String| {
            let angle = text.parse::<f32>().unwrap() / 1_000.0;
            vec![angle.cos(), angle.sin()]
        };
        Ok(texts.iter().map(vector).collect())
    }
}

struct Bed {
    database: Database,
    _log: SqlLog,
    _scratch: Scratch,
}

impl Bed {
    async fn on(backend: Backend) -> Self {
        let scratch = Scratch::create(backend).await.unwrap();
        let numbering = Numbering::default();
        let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
        let database = Database::connect(scratch.url(), options).await.unwrap();
        let log = SqlLog::open(database.clone(), &numbering).await.unwrap();
        Self { database, _log: log, _scratch: scratch }
    }

    /// Each knows vectors of its own, as each daemon does.
    async fn memories(&self) -> Memories {
        let parts = MemoriesParts {
            store: Arc::new(SqlStore::open(self.database.clone()).await.unwrap()),
            clock: Arc::new(SystemClock),
            config: Default::default(),
            embedder: Some(Arc::new(Angles)),
            summarizer: None,
            filter: None,
        };
        Memories::new(parts).unwrap()
    }
}

fn ada() -> Actor {
    Actor::User("ada".into())
}

async fn put(memories: &Memories, drafts: Vec<Draft>) -> Vec<Memory> {
    let stored = memories.store_many(OrgId::LOCAL, &ada(), drafts).await.unwrap();
    while memories.embed_some().await.unwrap() > 0 {}
    stored
}

/// All around an angle of nothing.
fn crowd(like: &Draft) -> Vec<Draft> {
    (0..CROWD).map(|number| Draft { text: number.to_string(), ..like.clone() }).collect()
}

async fn found(memories: &Memories, filter: Filter) -> Vec<String> {
    let parts = Parts { words: false, meaning: true, circumstances: false };
    let question = Question { filter, parts, ..Question::new("0") };
    let hits = memories.recall(OrgId::LOCAL, &question).await.unwrap();
    hits.into_iter().map(|hit| hit.memory.text).collect()
}

async fn who_asks_of_few_finds_their_nearest(backend: Backend) {
    let bed = Bed::on(backend).await;
    let memories = bed.memories().await;
    put(&memories, crowd(&Draft::fact(""))).await;
    let hers = Scope::User("ada".into());
    let of_hers = |text: &str| Draft { scope: hers.clone(), ..Draft::fact(text) };
    put(&memories, ["700", "900", "800"].map(of_hers).to_vec()).await;
    let filter = Filter { scopes: Some(vec![hers.clone()]), ..Filter::default() };
    assert_eq!(found(&memories, filter).await, ["700", "800", "900"]);
    assert_eq!(found(&memories, Filter::default()).await[0], "0");
}

async fn who_is_confirmed_by_another_daemon_is_found_among_those_that_wait(backend: Backend) {
    let bed = Bed::on(backend).await;
    let (memories, other) = (bed.memories().await, bed.memories().await);
    let waiting = Draft { state: State::Quarantined, ..Draft::fact("") };
    let all = put(&memories, crowd(&waiting)).await;
    assert!(found(&memories, Filter::default()).await.is_empty());
    let one = all.iter().find(|memory| memory.text == "399").unwrap();
    other.confirm(OrgId::LOCAL, &ada(), one.id).await.unwrap();
    assert_eq!(found(&memories, Filter::default()).await, ["399"]);
}

async fn what_another_daemon_removed_does_not_stand_in_the_way(backend: Backend) {
    let bed = Bed::on(backend).await;
    let (memories, other) = (bed.memories().await, bed.memories().await);
    let crowd = put(&memories, crowd(&Draft::fact(""))).await;
    put(&memories, vec![Draft::fact("900")]).await;
    assert_eq!(found(&memories, Filter::default()).await[0], "0");
    for memory in &crowd {
        other.delete(OrgId::LOCAL, &ada(), memory.id).await.unwrap();
    }
    assert_eq!(found(&memories, Filter::default()).await, ["900"]);
}

macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(orchestrator_sql::Backend::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test(orchestrator_sql::Backend::Postgres).await;
            })*
        }
    };
}

on_both!(
    who_asks_of_few_finds_their_nearest,
    who_is_confirmed_by_another_daemon_is_found_among_those_that_wait,
    what_another_daemon_removed_does_not_stand_in_the_way,
);
