//! Every store of tools keeps every promise.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use orchestrator_events::{Log as _, NewEvent, Numbering, SqlLog};
use orchestrator_mcp::{MemoryStore, Remembered, SqlStore, Store};
use orchestrator_sql::{Backend, Database, Options, Scratch};
use orchestrator_transcript::Digest;
use orchestrator_vocab::{Actor, OrgId, Timestamp};
use serde_json::{Value, json};

fn digest(text: &str) -> Digest {
    Digest::of(&json!(text)).unwrap()
}

fn event() -> NewEvent {
    NewEvent::new(OrgId::LOCAL, "mcp.tool.changed", Timestamp(0), Actor::system("test"), json!({}))
}

fn pinned(text: &str) -> (Digest, Value) {
    (digest(text), json!({ "description": text }))
}

async fn keeps_its_promises(store: &dyn Store) {
    let first = Remembered { tool: "a".into(), pinned: Some(pinned("one")), seen: digest("one") };
    let open = Remembered { tool: "b".into(), pinned: None, seen: digest("one") };
    store.insert("s", vec![open.clone(), first.clone()]).await.unwrap();
    assert_eq!(store.of("s").await.unwrap(), [first.clone(), open.clone()]);
    assert_eq!(store.of("other").await.unwrap(), []);
    // What is known stays as it is.
    let other = Remembered { pinned: Some(pinned("two")), seen: digest("two"), ..first.clone() };
    store.insert("s", vec![other]).await.unwrap();
    assert_eq!(store.of("s").await.unwrap()[0], first);
    // One of two that see a change tells of it.
    assert!(store.saw("s", "a", digest("one"), digest("two"), event()).await.unwrap());
    assert!(!store.saw("s", "a", digest("one"), digest("two"), event()).await.unwrap());
    assert!(!store.saw("s", "none", digest("one"), digest("two"), event()).await.unwrap());
    assert_eq!(store.of("s").await.unwrap()[0], Remembered { seen: digest("two"), ..first });
    for tool in ["a", "b"] {
        store.pin("s", tool, pinned("three"), event()).await.unwrap();
    }
    let confirmed = Remembered { pinned: Some(pinned("three")), seen: digest("three"), ..open };
    assert_eq!(store.of("s").await.unwrap()[1], confirmed);
    store.tell(event()).await.unwrap();
}

#[tokio::test]
async fn in_memory() {
    let store = MemoryStore::default();
    keeps_its_promises(&store).await;
    assert_eq!(store.take_events().len(), 4);
}

async fn on(backend: Backend) {
    let scratch = Scratch::create(backend).await.unwrap();
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect(scratch.url(), options).await.unwrap();
    let log = SqlLog::open(database.clone(), &numbering).await.unwrap();
    keeps_its_promises(&SqlStore::open(database).await.unwrap()).await;
    assert_eq!(log.head(OrgId::LOCAL).await.unwrap(), 4, "each change was told with its event");
}

#[tokio::test]
async fn on_sqlite() {
    on(Backend::Sqlite).await;
}

#[tokio::test]
async fn on_postgres() {
    on(Backend::Postgres).await;
}
