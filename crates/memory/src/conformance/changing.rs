use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::{Log, NewEvent};
use orchestrator_vocab::{Integrity, Label, SessionId};
use serde_json::json;

use super::{LOCAL, NOON, ada, bounds, everybody, holding, insert, made, prepared, put, told};
use crate::{Change, Draft, Error, Filter, Kind, MemoryId, State, Store, Tier, Used, Vector};

/// Whoever vouches for it makes it count.
pub async fn what_is_quarantined_is_confirmed_once(store: &Arc<dyn Store>, log: &dyn Log) {
    let draft = Draft { state: State::Quarantined, label: Label::default(), ..Draft::fact("heard") };
    let id = put(store, LOCAL, vec![draft]).await[0].id;
    assert!(holding(store, LOCAL, &["heard"], &Filter::default()).await.is_empty());
    let confirm = || Change::Confirm { integrity: Integrity::User };
    let event = NewEvent::new(LOCAL, "memory.confirmed", NOON, ada(), json!({}));
    let memory = store.change(LOCAL, id, confirm(), vec![event]).await.unwrap();
    assert_eq!((memory.state, memory.label.integrity), (State::Active, Integrity::User));
    assert_eq!(holding(store, LOCAL, &["heard"], &Filter::default()).await, ["heard"]);
    assert!(matches!(store.change(LOCAL, id, confirm(), Vec::new()).await, Err(Error::Conflict { .. })));
    assert!(matches!(store.change(LOCAL, MemoryId::new(), confirm(), Vec::new()).await, Err(Error::NotFound(_))));
    assert_eq!(told(log, LOCAL, "memory.confirmed").await, 1);
}

/// It is not found any more, and can be read.
pub async fn what_is_superseded_stays_and_is_not_superseded_again(store: &Arc<dyn Store>, _: &dyn Log) {
    let put = put(store, LOCAL, vec![Draft::fact("port 1"), Draft::fact("port 2")]).await;
    let supersede = || Change::Supersede { by: put[1].id, until: NOON };
    store.change(LOCAL, put[0].id, supersede(), Vec::new()).await.unwrap();
    assert_eq!(holding(store, LOCAL, &["port"], &Filter::default()).await, ["port 2"]);
    let old = store.get(LOCAL, &[put[0].id]).await.unwrap().remove(0).memory;
    assert_eq!((old.state, old.superseded_by, old.valid_to), (State::Superseded, Some(put[1].id), Some(NOON)));
    let superseded = Filter { states: vec![State::Superseded], ..Filter::default() };
    assert_eq!(holding(store, LOCAL, &["port"], &superseded).await, ["port 1"]);
    assert!(matches!(store.change(LOCAL, put[0].id, supersede(), Vec::new()).await, Err(Error::Conflict { .. })));
}

/// Unless somebody else was quicker.
pub async fn a_block_that_is_rewritten_is_found_by_its_new_words_only(store: &Arc<dyn Store>, _: &dyn Log) {
    let note = |text: &str, session| Draft { session: Some(session), ..Draft::new(Tier::Scratchpad, Kind::Note, text) };
    let session = SessionId::new();
    let old = put(store, LOCAL, vec![note("red", session)]).await.remove(0);
    let read = store.get(LOCAL, &[old.id]).await.unwrap().remove(0);
    store.embed("e", vec![Vector { org: LOCAL, number: read.number, values: vec![1.0] }]).await.unwrap();
    let mut new = made(LOCAL, note("green grass", session));
    new.id = old.id;
    store.rewrite(LOCAL, old.id, read.digest, prepared(new.clone()), bounds(100)).await.unwrap();
    assert_eq!(holding(store, LOCAL, &["red"], &Filter::default()).await, Vec::<String>::new());
    assert_eq!(holding(store, LOCAL, &["grass"], &Filter::default()).await, ["green grass"]);
    assert_eq!(store.usage(LOCAL, None).await.unwrap()[0], Used { count: 1, bytes: 11, words: 2 });
    assert_eq!(store.unembedded("e", &everybody(), 0, 9).await.unwrap().len(), 1, "it means something else now");
    let again = store.rewrite(LOCAL, old.id, read.digest, prepared(new.clone()), bounds(100)).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let digest = store.get(LOCAL, &[old.id]).await.unwrap()[0].digest;
    let full = store.rewrite(LOCAL, old.id, digest, prepared(new), bounds(10)).await;
    assert!(matches!(full, Err(Error::Full { .. })), "{full:?}");
}

/// Neither as a row nor by its words, its vector or its size.
pub async fn what_is_removed_is_nowhere_any_more(store: &Arc<dyn Store>, log: &dyn Log) {
    let put = put(store, LOCAL, vec![Draft::fact("gone soon"), Draft::fact("stays soon")]).await;
    let number = store.get(LOCAL, &[put[0].id]).await.unwrap()[0].number;
    store.embed("e", vec![Vector { org: LOCAL, number, values: vec![1.0] }]).await.unwrap();
    let event = NewEvent::new(LOCAL, "memory.deleted", NOON, ada(), json!({}));
    assert_eq!(store.remove(LOCAL, &[put[0].id, MemoryId::new()], NOON, vec![event]).await.unwrap(), [put[0].id]);
    assert!(store.get(LOCAL, &[put[0].id]).await.unwrap().is_empty());
    assert_eq!(holding(store, LOCAL, &["gone", "soon"], &Filter::default()).await, ["stays soon"]);
    assert_eq!(store.corpus(LOCAL, &["gone".into()]).await.unwrap().holding["gone"], 0);
    assert!(store.vectors(LOCAL, "e", 0, 9).await.unwrap().is_empty());
    assert_eq!(store.usage(LOCAL, None).await.unwrap()[2], Used { count: 1, bytes: 10, words: 2 });
    assert_eq!(told(log, LOCAL, "memory.deleted").await, 1);
    store.scrub().await.unwrap();
    assert_eq!(holding(store, LOCAL, &["soon"], &Filter::default()).await, ["stays soon"]);
}

/// What is old is found a session at a time, the oldest session first.
pub async fn what_expires_and_what_has_aged_is_found(store: &Arc<dyn Store>, _: &dyn Log) {
    let kept = put(store, LOCAL, vec![Draft::fact("a fact does not age")]).await;
    store.change(LOCAL, kept[0].id, Change::Expire { at: NOON }, Vec::new()).await.unwrap();
    assert!(store.expired(NOON - Duration::from_millis(1), 9).await.unwrap().is_empty());
    assert_eq!(store.expired(NOON, 9).await.unwrap(), [(LOCAL, kept[0].id)]);
    let (one, other) = (SessionId::new(), SessionId::new());
    for (session, place, age) in [(one, 1, 30), (other, 1, 50), (one, 2, 20), (other, 2, 1)] {
        let turn =
            Draft { session: Some(session), place: Some(place), ..Draft::new(Tier::Episodic, Kind::Turn, "said") };
        let mut turn = made(LOCAL, turn);
        turn.created_at = NOON - Duration::from_secs(age);
        insert(store, LOCAL, &[turn], 1_000).await.unwrap();
    }
    let aged = async |seconds: u64| {
        let aged = store.aged(NOON - Duration::from_secs(seconds), 9).await.unwrap();
        aged.into_iter().map(|stored| (stored.memory.session, stored.memory.place)).collect::<Vec<_>>()
    };
    assert_eq!(aged(10).await, [(Some(other), Some(1))]);
    assert_eq!(aged(40).await, [(Some(other), Some(1))]);
    assert!(aged(60).await.is_empty());
}
