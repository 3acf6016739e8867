//! Every store of skills keeps every promise.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use orchestrator_events::{Log as _, NewEvent, Numbering, SqlLog};
use orchestrator_skills::{Capabilities, MemoryStore, Remembered, SkillName, SqlStore, Store, Summary};
use orchestrator_sql::{Backend, Database, Options, Scratch};
use orchestrator_transcript::Digest;
use orchestrator_vocab::{Actor, OrgId, Timestamp};
use serde_json::json;

fn digest(text: &str) -> Digest {
    Digest::of(&json!(text)).unwrap()
}

fn event() -> NewEvent {
    NewEvent::new(OrgId::LOCAL, "skill.changed", Timestamp(0), Actor::system("test"), json!({}))
}

fn remembered(name: &str, text: &str) -> Remembered {
    let capabilities = Capabilities { hosts: [text.to_owned()].into(), ..Capabilities::default() };
    let summary = Summary { capabilities, files: [("SKILL.md".to_owned(), text.to_owned())].into() };
    Remembered { name: name.parse().unwrap(), pinned: digest(text), summary, confirmed: false, seen: digest(text) }
}

async fn keeps_its_promises(store: &dyn Store) {
    let (a, b) = (remembered("a", "one"), remembered("b", "one"));
    assert_eq!(store.all().await.unwrap(), []);
    assert_eq!(store.first(b.clone()).await.unwrap(), b);
    assert_eq!(store.first(a.clone()).await.unwrap(), a);
    assert_eq!(store.all().await.unwrap(), [a.clone(), b.clone()]);
    // The first use counts, whoever comes later.
    assert_eq!(store.first(remembered("a", "two")).await.unwrap(), a);
    // One of two that see a change tells of it.
    let name: SkillName = "a".parse().unwrap();
    assert!(store.saw(&name, digest("one"), digest("two"), event()).await.unwrap());
    assert!(!store.saw(&name, digest("one"), digest("two"), event()).await.unwrap());
    assert!(!store.saw(&"none".parse().unwrap(), digest("one"), digest("two"), event()).await.unwrap());
    assert_eq!(store.all().await.unwrap()[0], Remembered { seen: digest("two"), ..a });
    let confirmed = Remembered { confirmed: true, ..remembered("a", "two") };
    store.pin(confirmed.clone(), event()).await.unwrap();
    store.pin(remembered("c", "one"), event()).await.unwrap();
    assert_eq!(store.all().await.unwrap(), [confirmed, b, remembered("c", "one")]);
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
