//! The promises of a [`WindowStore`], one function each. Run them on every implementation with
//! [`window_store_conformance!`](crate::window_store_conformance).
#![expect(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a broken promise panics")]

use orchestrator_redact::Forget;
use orchestrator_vocab::{OrgId, Timestamp};
use serde_json::json;

use super::store::{Bounds, Definition, Record, WindowId, WindowStore};
use crate::{Part, Positions};

const BOUNDS: Bounds = Bounds { per_subject: 10, per_org: 100 };

fn record(subject: &str, seen: i64) -> Record {
    let definition = |n: u32, events: &str| Definition {
        n,
        id: format!("subscription {n} \u{1F680}"),
        parts: vec![Part {
            pattern: events.to_owned(),
            fields: json!({ "taskId": "task_1" }).as_object().unwrap().clone(),
            since: 2,
        }],
        requires_ack: n == 0,
        after: 3,
    };
    Record {
        id: WindowId::new(),
        org: OrgId::LOCAL,
        subject: subject.to_owned(),
        generation: 1,
        definitions: vec![definition(0, "task.*"), definition(4, "**")],
        positions: Positions::from_iter([(0, 17), (4, u64::MAX >> 1)]),
        seen: Timestamp(seen),
    }
}

async fn take(store: &dyn WindowStore, record: &Record, since: i64) -> Option<Record> {
    store.take(record.org, &record.subject, record.id, Timestamp(since), Timestamp(1_000)).await.unwrap()
}

/// What is taken is what was put, of the next generation, seen now.
pub async fn a_window_comes_back_as_it_was_put(store: &dyn WindowStore) {
    let put = record("alice", 5);
    assert!(store.put(put.clone(), BOUNDS).await.unwrap());
    let taken = take(store, &put, 5).await.unwrap();
    assert_eq!(taken, Record { generation: 2, seen: Timestamp(1_000), ..put.clone() });
    assert_eq!(store.generations(&[put.id, WindowId::new()]).await.unwrap(), [(put.id, 2)]);
    assert_eq!(store.generations(&[]).await.unwrap(), []);
}

/// Another organisation's, another subject's, an old and an unknown window are all the same: none.
pub async fn a_window_is_its_owners_and_not_for_ever(store: &dyn WindowStore) {
    let put = record("alice", 5);
    store.put(put.clone(), BOUNDS).await.unwrap();
    let others = [
        Record { org: OrgId::new(), ..put.clone() },
        Record { subject: "bob".into(), ..put.clone() },
        Record { id: WindowId::new(), ..put.clone() },
    ];
    for other in others {
        assert_eq!(take(store, &other, 0).await, None);
    }
    assert_eq!(take(store, &put, 6).await, None);
    assert_eq!(take(store, &put, 5).await.map(|taken| taken.generation), Some(2));
}

/// Whoever lost a window changes nothing, neither its subscriptions nor where it stands.
pub async fn an_older_generation_changes_nothing(store: &dyn WindowStore) {
    let put = record("alice", 5);
    store.put(put.clone(), BOUNDS).await.unwrap();
    let taken = take(store, &put, 0).await.unwrap();
    let stale = Record { definitions: Vec::new(), positions: Positions::from_iter([(0, 99)]), ..put.clone() };
    assert!(!store.put(stale.clone(), BOUNDS).await.unwrap());
    store.save(vec![stale.bookmark()]).await.unwrap();
    assert_eq!(take(store, &put, 0).await, Some(Record { generation: 3, ..taken }));
}

/// Saving writes positions and when it was seen, for many at once, and makes nothing that is not there.
pub async fn saving_writes_where_it_stands(store: &dyn WindowStore) {
    let put: Vec<_> = (0..1_200).map(|n| record(&format!("subject {}", n / 10), n)).collect();
    for record in &put {
        store.put(record.clone(), Bounds { per_subject: 10, per_org: 2_000 }).await.unwrap();
    }
    let moved = |record: &Record| Record {
        positions: Positions::from_iter([(0, 20), (4, 21)]),
        seen: Timestamp(7),
        ..record.clone()
    };
    let unknown = record("carol", 5);
    let saved = put.iter().chain([&unknown]).map(|record| moved(record).bookmark()).collect();
    store.save(saved).await.unwrap();
    store.save(Vec::new()).await.unwrap();
    for record in put.iter().step_by(400) {
        let expected = Record { generation: 2, seen: Timestamp(1_000), ..moved(record) };
        assert_eq!(take(store, record, 0).await, Some(expected));
    }
    assert_eq!(take(store, &unknown, 0).await, None);
}

/// Other subscriptions replace those that were there.
pub async fn putting_again_replaces_the_subscriptions(store: &dyn WindowStore) {
    let put = record("alice", 5);
    store.put(put.clone(), BOUNDS).await.unwrap();
    let changed = Record {
        definitions: put.definitions[1..].to_vec(),
        positions: Positions::from_iter([(4, 30)]),
        ..put.clone()
    };
    assert!(store.put(changed.clone(), BOUNDS).await.unwrap());
    let taken = take(store, &put, 0).await.unwrap();
    assert_eq!((taken.definitions, taken.positions), (changed.definitions, changed.positions));
}

/// Beyond its bounds, a subject and an organisation lose what was seen least recently; others lose nothing.
pub async fn the_least_recently_seen_go_first(store: &dyn WindowStore) {
    let bounds = Bounds { per_subject: 2, per_org: 3 };
    let foreign = Record { org: OrgId::new(), ..record("alice", 1) };
    let put = [record("alice", 10), record("alice", 30), record("alice", 20), record("bob", 15), record("bob", 40)];
    store.put(foreign.clone(), bounds).await.unwrap();
    for record in &put {
        assert!(store.put(record.clone(), bounds).await.unwrap());
    }
    let mut left = Vec::new();
    for record in [&foreign].into_iter().chain(&put) {
        left.push(take(store, record, 0).await.is_some());
    }
    assert_eq!(left, [true, false, true, true, false, true]);
}

/// Windows nobody has been seen at go, and only those.
pub async fn what_is_forgotten_is_removed(store: &dyn WindowStore) {
    let put: Vec<_> = (0..5).map(|n| record(&format!("subject {n}"), n)).collect();
    for record in &put {
        store.put(record.clone(), BOUNDS).await.unwrap();
    }
    assert_eq!(store.remove_unseen(Timestamp(3), 2).await.unwrap(), 2);
    assert_eq!(store.remove_unseen(Timestamp(3), 2).await.unwrap(), 1);
    assert_eq!(store.remove_unseen(Timestamp(3), 2).await.unwrap(), 0);
    for (n, record) in put.iter().enumerate() {
        assert_eq!(take(store, record, 0).await.is_some(), n >= 3);
    }
}

/// A window goes with whoever it was for, or was about; it can be counted first.
pub async fn who_is_to_be_forgotten_has_no_window(store: &dyn WindowStore) {
    let mut about = record("bob", 2);
    about.definitions[0].parts[0].fields.insert("title".into(), json!("For Ada Lovelace"));
    let foreign = Record { org: OrgId::new(), ..record("ada.lovelace", 1) };
    let put = [record("ada.lovelace", 1), about, foreign, record("bob", 3)];
    for record in &put {
        store.put(record.clone(), BOUNDS).await.unwrap();
    }
    let forget = Forget::naming("Ada Lovelace").unwrap();
    assert_eq!(store.forget(OrgId::LOCAL, &forget.clone().counting()).await.unwrap(), 2);
    assert_eq!(store.forget(OrgId::LOCAL, &forget).await.unwrap(), 2);
    assert_eq!(store.forget(OrgId::LOCAL, &forget).await.unwrap(), 0);
    let mut left = Vec::new();
    for record in &put {
        left.push(take(store, record, 0).await.is_some());
    }
    assert_eq!(left, [false, false, true, true]);
}

/// One test per promise: `window_store_conformance!(with_store)`, where `with_store` runs a promise on a new, empty store.
#[macro_export]
macro_rules! window_store_conformance {
    ($with_store:path) => {
        $crate::window_store_conformance!(
            $with_store,
            a_window_comes_back_as_it_was_put,
            a_window_is_its_owners_and_not_for_ever,
            an_older_generation_changes_nothing,
            saving_writes_where_it_stands,
            putting_again_replaces_the_subscriptions,
            the_least_recently_seen_go_first,
            what_is_forgotten_is_removed,
            who_is_to_be_forgotten_has_no_window,
        );
    };
    ($with_store:path, $($promise:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $promise() {
            $with_store(async |store| $crate::window_conformance::$promise(store).await).await;
        })*
    };
}
