use std::sync::Arc;

use orchestrator_events::Log;
use orchestrator_vocab::{OrgId, SessionId};

use super::{LOCAL, NOON, bounds, holding, prepared, put};
use crate::{Draft, Error, Filter, Insert, Kind, Memory, MemoryId, Store, Tier};

fn restoring(memory: &Memory) -> Insert {
    let (memories, restored) = (vec![prepared(memory.clone())], vec![memory.id]);
    Insert { org: memory.org, memories, replaces: Vec::new(), restored, bounds: bounds(1_000), events: Vec::new() }
}

/// By its id, to its own organisation, and whatever took it away.
pub async fn that_something_was_removed_is_known_until_it_is_restored(store: &Arc<dyn Store>, _: &dyn Log) {
    let other = OrgId::new();
    let note = Draft { session: Some(SessionId::new()), ..Draft::new(Tier::Scratchpad, Kind::Note, "a note") };
    let put = put(store, LOCAL, vec![Draft::fact("one"), Draft::fact("two"), Draft::fact("stays"), note]).await;
    let ids: Vec<MemoryId> = put.iter().map(|memory| memory.id).collect();
    store.remove(LOCAL, &[ids[0], ids[3], MemoryId::new()], NOON, Vec::new()).await.unwrap();
    assert_eq!(store.forgotten(LOCAL, &ids).await.unwrap(), [ids[0]], "a session's notes leave nothing");
    let summary = super::made(LOCAL, Draft::new(Tier::Semantic, Kind::Summary, "of two"));
    let replaces = Insert { replaces: vec![ids[1]], restored: Vec::new(), ..restoring(&summary) };
    store.insert(replaces).await.unwrap();
    let mut gone = store.forgotten(LOCAL, &ids).await.unwrap();
    gone.sort_unstable();
    let mut expected = vec![ids[0], ids[1]];
    expected.sort_unstable();
    assert_eq!(gone, expected);
    assert!(store.forgotten(other, &ids).await.unwrap().is_empty());

    store.insert(restoring(&put[0])).await.unwrap();
    assert_eq!(store.forgotten(LOCAL, &ids).await.unwrap(), [ids[1]]);
    assert_eq!(holding(store, LOCAL, &["one"], &Filter::default()).await, ["one"]);
    assert!(matches!(store.insert(restoring(&put[0])).await, Err(Error::Conflict { id, .. }) if id == ids[0]));
    store.remove(LOCAL, &[ids[0]], NOON, Vec::new()).await.unwrap();
    store.remove(LOCAL, &[ids[0]], NOON, Vec::new()).await.unwrap();
    assert_eq!(store.forgotten(LOCAL, &[ids[0]]).await.unwrap(), [ids[0]]);
}

/// In whatever state, and in the same organisation only.
pub async fn what_says_the_same_word_by_word_is_found(store: &Arc<dyn Store>, _: &dyn Log) {
    let put = put(store, LOCAL, vec![Draft::fact("the same"), Draft::fact("the same."), Draft::fact("other")]).await;
    let digests = [prepared(put[0].clone()).digest, [0; 32]];
    let found = store.saying(LOCAL, &digests).await.unwrap();
    assert_eq!(found.iter().map(|stored| stored.memory.id).collect::<Vec<_>>(), [put[0].id]);
    assert!(store.saying(OrgId::new(), &digests).await.unwrap().is_empty());
    assert!(store.saying(LOCAL, &[]).await.unwrap().is_empty());
}
