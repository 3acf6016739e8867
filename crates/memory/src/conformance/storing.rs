use std::sync::Arc;

use orchestrator_events::Log;
use orchestrator_vocab::{Confidentiality, Integrity, Label, OrgId, SessionId, TaskId};
use serde_json::json;

use super::{LOCAL, NOON, bounds, holding, insert, made, prepared, put, told};
use crate::{Draft, Error, Filter, Insert, Kind, MemoryId, Scope, State, Store, Tier, Used};

fn everything() -> Draft {
    Draft {
        scope: Scope::User("ada".into()),
        label: Label { integrity: Integrity::Untrusted, confidentiality: Confidentiality::Secret },
        state: State::Quarantined,
        confidence: 0.25,
        importance: 0.75,
        session: Some(SessionId::new()),
        place: Some(7),
        task: Some(TaskId::new()),
        agent: Some("coder".parse().unwrap()),
        sources: ["event_1".to_owned()].into(),
        covers: vec![MemoryId::new()],
        people: ["ada".to_owned()].into(),
        topics: ["ports".to_owned()].into(),
        valid_from: Some(NOON),
        valid_to: Some(NOON),
        metadata: json!({ "a": [1] }).as_object().unwrap().clone(),
        ..Draft::new(Tier::Episodic, Kind::Turn, "Größe: 7 \u{1f980}\n'quoted' \\ \"twice\"")
    }
}

/// Every field survives.
pub async fn what_is_stored_is_read_as_it_was(store: &Arc<dyn Store>, _: &dyn Log) {
    let wanted = put(store, LOCAL, vec![everything(), Draft::fact("plain")]).await;
    let ids: Vec<MemoryId> = wanted.iter().map(|memory| memory.id).collect();
    let mut found = store.get(LOCAL, &ids).await.unwrap();
    found.sort_by_key(|stored| stored.number);
    assert_eq!(found.iter().map(|stored| stored.memory.clone()).collect::<Vec<_>>(), wanted);
    assert_eq!(found[1].terms, "plain");
    assert_eq!(found[1].digest, prepared(wanted[1].clone()).digest);
    assert!(store.get(LOCAL, &[MemoryId::new()]).await.unwrap().is_empty());
}

/// A tier holds its limit and not a byte more.
pub async fn too_much_is_refused_and_nothing_of_it_stored(store: &Arc<dyn Store>, _: &dyn Log) {
    let of = |texts: &[&str]| texts.iter().map(|text| made(LOCAL, Draft::fact(*text))).collect::<Vec<_>>();
    insert(store, LOCAL, &of(&["12345"]), 10).await.unwrap();
    let refused = insert(store, LOCAL, &of(&["123", "456"]), 10).await;
    let Err(Error::Full { tier: Tier::Semantic, used: 5, limit: 10, wanted: 6 }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(store.usage(LOCAL, None).await.unwrap()[2], Used { count: 1, bytes: 5, words: 1 });
    insert(store, LOCAL, &of(&["12345"]), 10).await.unwrap();
    let other = made(LOCAL, Draft::new(Tier::Episodic, Kind::Turn, "another tier"));
    insert(store, LOCAL, &[other], 20).await.unwrap();
}

/// When the share that is alerted is crossed, and not again.
pub async fn that_a_tier_fills_is_told_once(store: &Arc<dyn Store>, log: &dyn Log) {
    for (text, expected) in [("1234567", 0), ("8", 1), ("9", 1)] {
        insert(store, LOCAL, &[made(LOCAL, Draft::fact(text))], 10).await.unwrap();
        assert_eq!(told(log, LOCAL, "memory.filling").await, expected, "{text}");
    }
}

/// One session's notes do not take the room of another's.
pub async fn scratchpads_are_counted_by_session(store: &Arc<dyn Store>, _: &dyn Log) {
    let (one, other) = (SessionId::new(), SessionId::new());
    let note = |session| Draft { session: Some(session), ..Draft::new(Tier::Scratchpad, Kind::Note, "12345678") };
    for session in [one, other] {
        insert(store, LOCAL, &[made(LOCAL, note(session))], 10).await.unwrap();
    }
    assert!(insert(store, LOCAL, &[made(LOCAL, note(one))], 10).await.is_err());
    assert_eq!(store.usage(LOCAL, Some(one)).await.unwrap()[0].bytes, 8);
    assert_eq!(store.usage(LOCAL, None).await.unwrap()[0], Used { count: 2, bytes: 16, words: 2 });
}

/// By no way of reading.
pub async fn another_organisation_finds_nothing(store: &Arc<dyn Store>, _: &dyn Log) {
    let other = OrgId::new();
    let draft = || Draft { session: Some(SessionId::new()), place: Some(1), ..everything() };
    let mine = put(store, LOCAL, vec![draft()]).await.remove(0);
    let any = Filter { states: vec![State::Active, State::Quarantined], ..Filter::default() };
    let nothing = async |org| {
        assert!(store.get(org, &[mine.id]).await.unwrap().is_empty());
        assert!(store.list(org, &any, None, 10).await.unwrap().is_empty());
        assert!(holding(store, org, &["7"], &any).await.is_empty());
        assert_eq!(store.corpus(org, &["7".into()]).await.unwrap().holding.get("7").copied().unwrap_or(0), 0);
        assert!(store.at_places(org, &[(mine.session.unwrap(), 1)]).await.unwrap().is_empty());
        assert_eq!(store.usage(org, None).await.unwrap(), [Used::default(); 3]);
        assert!(store.vectors(org, "e", 0, 10).await.unwrap().is_empty());
        assert!(store.remove(org, &[mine.id], NOON, Vec::new()).await.unwrap().is_empty());
    };
    nothing(other).await;
    let theirs = put(store, other, vec![draft()]).await.remove(0);
    let number = store.get(other, &[theirs.id]).await.unwrap()[0].number;
    assert!(store.passing(LOCAL, &[number], &any).await.unwrap().is_empty());
    assert_eq!(holding(store, LOCAL, &["7"], &any).await.len(), 1);
    assert_eq!(store.get(LOCAL, &[mine.id, theirs.id]).await.unwrap().len(), 1);
}

/// What stands for others takes their place at once, or not at all.
pub async fn what_is_replaced_goes_in_the_same_moment(store: &Arc<dyn Store>, _: &dyn Log) {
    let old = put(store, LOCAL, vec![Draft::fact("one old"), Draft::fact("two old")]).await;
    let summary = |text: &str| prepared(made(LOCAL, Draft::new(Tier::Semantic, Kind::Summary, text)));
    let replace = |text: &str, bytes_max| Insert {
        org: LOCAL,
        memories: vec![summary(text)],
        replaces: old.iter().map(|memory| memory.id).collect(),
        restored: Vec::new(),
        bounds: bounds(bytes_max),
        events: Vec::new(),
    };
    assert!(store.insert(replace("too much", 7)).await.is_err());
    assert_eq!(holding(store, LOCAL, &["old"], &Filter::default()).await.len(), 2);
    store.insert(replace("both", 1_000)).await.unwrap();
    assert_eq!(holding(store, LOCAL, &["old", "both"], &Filter::default()).await, ["both"]);
    assert_eq!(store.usage(LOCAL, None).await.unwrap()[2], Used { count: 1, bytes: 4, words: 1 });
}

/// What stands for others needs no more room than there is then.
pub async fn what_is_replaced_makes_room(store: &Arc<dyn Store>, _: &dyn Log) {
    let old = made(LOCAL, Draft::fact("12345678"));
    insert(store, LOCAL, std::slice::from_ref(&old), 10).await.unwrap();
    let replace = || Insert {
        org: LOCAL,
        memories: vec![prepared(made(LOCAL, Draft::fact("123456789")))],
        replaces: vec![old.id],
        restored: Vec::new(),
        bounds: bounds(10),
        events: Vec::new(),
    };
    store.insert(replace()).await.unwrap();
    assert_eq!(store.usage(LOCAL, None).await.unwrap()[2], Used { count: 1, bytes: 9, words: 1 });
    // Somebody else was quicker: nothing is stored twice.
    assert!(matches!(store.insert(replace()).await, Err(Error::Conflict { .. })));
    assert_eq!(store.usage(LOCAL, None).await.unwrap()[2].count, 1);
}

/// At once, or not at all.
pub async fn what_supersedes_ends_the_other_in_the_same_moment(store: &Arc<dyn Store>, _: &dyn Log) {
    let old = put(store, LOCAL, vec![Draft::fact("port 1")]).await.remove(0);
    let next = |text: &str, old| made(LOCAL, Draft { supersedes: Some(old), ..Draft::fact(text) });
    assert!(matches!(insert(store, LOCAL, &[next("too much", old.id)], 10).await, Err(Error::Full { .. })));
    assert_eq!(holding(store, LOCAL, &["port"], &Filter::default()).await, ["port 1"]);
    insert(store, LOCAL, &[next("port 2", old.id)], 100).await.unwrap();
    assert_eq!(holding(store, LOCAL, &["port"], &Filter::default()).await, ["port 2"]);
    for (wrong, named) in [(old.id, "superseded"), (MemoryId::new(), "unknown")] {
        let refused = insert(store, LOCAL, &[next("port 3", wrong)], 100).await;
        let is_right = matches!(
            (&refused, named),
            (Err(Error::Conflict { .. }), "superseded") | (Err(Error::NotFound(_)), "unknown")
        );
        assert!(is_right, "{refused:?}");
    }
    assert_eq!(holding(store, LOCAL, &["port"], &Filter::default()).await, ["port 2"]);
}

/// As if each were alone, in one order.
pub async fn what_comes_side_by_side_has_room_by_turns(store: &Arc<dyn Store>, log: &dyn Log) {
    let drafts = (10..40).map(|number| made(LOCAL, Draft::fact(format!("{number}"))));
    let of_others = made(OrgId::new(), Draft::fact("whose room is their own"));
    let theirs = of_others.org;
    let all: Vec<_> = drafts.chain([of_others]).collect();
    let come = all.iter().map(|memory| insert(store, memory.org, std::slice::from_ref(memory), 24));
    let outcomes = futures::future::join_all(come).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 12 + 1);
    for (memory, outcome) in all.iter().zip(&outcomes) {
        match outcome {
            Ok(numbers) => {
                let found = store.get(memory.org, &[memory.id]).await.unwrap();
                assert_eq!(numbers, &[found[0].number]);
            }
            Err(Error::Full { used: 24, limit: 24, wanted: 2, .. }) => {
                assert!(store.get(LOCAL, &[memory.id]).await.unwrap().is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.usage(LOCAL, None).await.unwrap()[2], Used { count: 12, bytes: 24, words: 12 });
    let stored: Vec<&str> = all
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| outcome.is_ok())
        .map(|(memory, _)| memory.text.as_str())
        .collect();
    assert_eq!(
        holding(store, LOCAL, &stored[..12], &Filter::default()).await,
        stored[..12],
        "each is found by its own word"
    );
    assert_eq!(store.usage(theirs, None).await.unwrap()[2].count, 1);
    assert_eq!(told(log, LOCAL, "memory.filling").await, 1);
}
