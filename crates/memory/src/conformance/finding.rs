use std::sync::Arc;
use std::time::Duration;

use orchestrator_events::Log;
use orchestrator_vocab::{Confidentiality, Integrity, Label, OrgId, SessionId, TaskId};

use super::{LOCAL, NOON, ada, everybody, holding, insert, put};
use crate::{Change, Draft, Filter, Kind, Owners, Scope, State, Store, Tier, Vector};

/// The latest first; a page goes on before the number of the last.
pub async fn lists_go_back_in_time_in_pages(store: &Arc<dyn Store>, _: &dyn Log) {
    let drafts = (0..7).map(|n| Draft::fact(format!("fact {n}"))).collect();
    put(store, LOCAL, drafts).await;
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = store.list(LOCAL, &Filter::default(), before, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.number);
        seen.extend(page.into_iter().map(|stored| stored.memory.text));
    }
    let expected: Vec<String> = (0..7).rev().map(|n| format!("fact {n}")).collect();
    assert_eq!(seen, expected);
}

/// One memory differs in one thing from all others, and is what the filter finds.
fn one_for_each_condition() -> Vec<(Draft, Filter)> {
    let (session, task) = (SessionId::new(), TaskId::new());
    let base = || Draft::fact("x");
    let operator = Label { integrity: Integrity::Operator, ..Label::USER };
    let all = Filter::default;
    vec![
        (Draft { tier: Tier::Episodic, ..base() }, Filter { tiers: vec![Tier::Episodic], ..all() }),
        (Draft { kind: Kind::Decision, ..base() }, Filter { kinds: vec![Kind::Decision], ..all() }),
        (
            Draft { scope: Scope::Team("red".into()), ..base() },
            Filter { scopes: Some(vec![Scope::Team("red".into())]), ..all() },
        ),
        (Draft { state: State::Quarantined, ..base() }, Filter { states: vec![State::Quarantined], ..all() }),
        (Draft { session: Some(session), ..base() }, Filter { session: Some(session), ..all() }),
        (Draft { task: Some(task), ..base() }, Filter { task: Some(task), ..all() }),
        (Draft { people: ["a_b%".to_owned()].into(), ..base() }, Filter { person: Some("a_b%".into()), ..all() }),
        (Draft { topics: ["ports".to_owned()].into(), ..base() }, Filter { topic: Some("ports".into()), ..all() }),
        (Draft { label: operator, ..base() }, Filter { integrity_min: Some(Integrity::Operator), ..all() }),
    ]
}

/// Each alone.
pub async fn every_condition_of_a_filter_counts(store: &Arc<dyn Store>, _: &dyn Log) {
    let base = || Draft::fact("x");
    let secret = Label { confidentiality: Confidentiality::Secret, ..Label::USER };
    let wanted = one_for_each_condition();
    let session = wanted.iter().find_map(|(draft, _)| draft.session).unwrap();
    let mut filters = Vec::new();
    for (place, (draft, filter)) in wanted.into_iter().enumerate() {
        put(store, LOCAL, vec![Draft { text: format!("number {place}"), ..draft }]).await;
        filters.push(filter);
    }
    put(store, LOCAL, vec![Draft { label: secret, ..base() }]).await;
    let mut old = Draft::fact("old").into_memory(LOCAL, ada(), NOON).unwrap();
    old.created_at = NOON - Duration::from_secs(60);
    insert(store, LOCAL, &[old], 1_000_000).await.unwrap();
    for (place, filter) in filters.iter().enumerate() {
        let found = store.list(LOCAL, filter, None, 100).await.unwrap();
        let texts: Vec<String> = found.iter().map(|stored| stored.memory.text.clone()).collect();
        assert_eq!(texts, [format!("number {place}")], "{filter:?}");
        assert_eq!(holding(store, LOCAL, &["number", "x"], filter).await, texts);
        let numbers: Vec<i64> = found.iter().map(|stored| stored.number).collect();
        assert_eq!(store.passing(LOCAL, &numbers, filter).await.unwrap().len(), 1);
    }
    let count = async |filter: Filter| store.list(LOCAL, &filter, None, 100).await.unwrap().len();
    let all = count(Filter::default()).await;
    assert_eq!(
        count(Filter { confidentiality_max: Some(Confidentiality::Internal), ..Filter::default() }).await,
        all - 1
    );
    assert_eq!(count(Filter { except: Some(session), ..Filter::default() }).await, all - 1);
    assert_eq!(count(Filter { from: Some(NOON), ..Filter::default() }).await, all - 1);
    assert_eq!(count(Filter { until: Some(NOON), ..Filter::default() }).await, 1);
    assert_eq!(count(Filter { scopes: Some(Vec::new()), ..Filter::default() }).await, 0);
    put(store, LOCAL, vec![Draft { scope: Scope::User("ada".into()), ..base() }]).await;
    assert_eq!(count(Filter { only_user: Some("ada".into()), ..Filter::default() }).await, all + 1);
    assert_eq!(count(Filter { only_user: Some("ad_".into()), ..Filter::default() }).await, all);
}

/// A search by meaning goes by them.
pub async fn a_vector_comes_with_what_filters_ask(store: &Arc<dyn Store>, _: &dyn Log) {
    let mut filters = vec![
        Filter::default(),
        Filter { scopes: Some(Vec::new()), ..Filter::default() },
        Filter { confidentiality_max: Some(Confidentiality::Internal), ..Filter::default() },
        Filter { only_user: Some("ada".into()), ..Filter::default() },
        Filter { only_user: Some("ad_".into()), ..Filter::default() },
        Filter { from: Some(NOON), ..Filter::default() },
        Filter { until: Some(NOON), ..Filter::default() },
    ];
    let secret = Label { confidentiality: Confidentiality::Secret, ..Label::USER };
    let more = [
        Draft { label: secret, ..Draft::fact("secret") },
        Draft { scope: Scope::User("ada".into()), ..Draft::fact("hers") },
    ];
    for (draft, filter) in one_for_each_condition() {
        filters.extend(filter.session.map(|session| Filter { except: Some(session), ..Filter::default() }));
        filters.push(filter);
        put(store, LOCAL, vec![draft]).await;
    }
    put(store, LOCAL, more.to_vec()).await;
    let mut old = Draft::fact("old").into_memory(LOCAL, ada(), NOON).unwrap();
    old.created_at = NOON - Duration::from_secs(60);
    insert(store, LOCAL, &[old], 1_000_000).await.unwrap();
    let waiting = store.unembedded("e", &everybody(), 0, 100).await.unwrap();
    let vectors = waiting.iter().map(|one| Vector { org: LOCAL, number: one.number, values: vec![1.0] }).collect();
    store.embed("e", vectors).await.unwrap();
    let placed = store.vectors(LOCAL, "e", 0, 100).await.unwrap();
    assert_eq!(placed.len(), waiting.len());
    for filter in filters {
        let passes = placed.iter().filter(|one| filter.passes(&one.facets) && filter.is_of_time(one.created_at));
        let mut passing: Vec<i64> = passes.map(|one| one.number).collect();
        passing.sort_unstable();
        let mut listed: Vec<i64> =
            store.list(LOCAL, &filter, None, 100).await.unwrap().iter().map(|stored| stored.number).collect();
        listed.sort_unstable();
        assert_eq!(passing, listed, "{filter:?}");
    }
}

/// Whoever keeps it in memory reads it again, and nothing that comes later is passed over.
pub async fn a_vector_comes_again_when_its_memory_changes(store: &Arc<dyn Store>, _: &dyn Log) {
    let quarantined = Draft { state: State::Quarantined, ..Draft::fact("one") };
    let memory = put(store, LOCAL, vec![quarantined, Draft::fact("two")]).await.remove(0);
    let embed = async || {
        let waiting = store.unembedded("e", &everybody(), 0, 9).await.unwrap();
        let vector = |number| Vector { org: LOCAL, number, values: vec![1.0] };
        store.embed("e", waiting.iter().map(|one| vector(one.number)).collect()).await.unwrap();
    };
    embed().await;
    let first = store.vectors(LOCAL, "e", 0, 9).await.unwrap();
    let seen = first.last().unwrap().version;
    let confirm = Change::Confirm { integrity: Integrity::User };
    store.change(LOCAL, memory.id, confirm, Vec::new()).await.unwrap();
    let again = store.vectors(LOCAL, "e", seen, 9).await.unwrap();
    assert_eq!((again.len(), again[0].number, again[0].facets.state), (1, first[0].number, State::Active));
    assert_eq!(again[0].facets.integrity, Integrity::User);
    let seen = again[0].version;
    store.remove(LOCAL, &[memory.id], NOON, Vec::new()).await.unwrap();
    put(store, LOCAL, vec![Draft::fact("three")]).await;
    embed().await;
    assert_eq!(store.vectors(LOCAL, "e", seen, 9).await.unwrap().len(), 1, "versions are not used again");
    assert_eq!(store.vectors(LOCAL, "e", 0, 9).await.unwrap().len(), 2);
}

/// Any one is enough, and more come first.
pub async fn memories_are_found_by_any_of_their_words(store: &Arc<dyn Store>, _: &dyn Log) {
    put(store, LOCAL, ["red apple", "green apple", "red car"].map(Draft::fact).to_vec()).await;
    assert_eq!(holding(store, LOCAL, &["green", "car"], &Filter::default()).await, ["green apple", "red car"]);
    let terms = [("red".to_owned(), 1.0), ("apple".to_owned(), 1.0)];
    let found = store.matching(LOCAL, &terms, &Filter::default(), 2).await.unwrap();
    assert_eq!((found.len(), found[0].memory.text.as_str()), (2, "red apple"));
    assert!(store.matching(LOCAL, &[], &Filter::default(), 2).await.unwrap().is_empty());
}

/// They are data, in no language of a database.
pub async fn words_with_signs_in_them_do_no_harm(store: &Arc<dyn Store>, _: &dyn Log) {
    let odd = ["don't", "a\"b", "c\\d", "x:y", "not", "or*", "(near)", "3.14", "{col}", "-minus"];
    for word in odd {
        put(store, LOCAL, vec![Draft::fact(word)]).await;
        let found = holding(store, LOCAL, &[word], &Filter::default()).await;
        assert!(found.contains(&word.to_owned()), "{word}: {found:?}");
        assert!(store.corpus(LOCAL, &[word.to_owned()]).await.unwrap().holding[word] >= 1, "{word}");
    }
}

/// Nobody learns from a score what others remember.
pub async fn frequencies_are_those_of_the_organisation(store: &Arc<dyn Store>, _: &dyn Log) {
    put(store, LOCAL, ["red apple", "green apple"].map(Draft::fact).to_vec()).await;
    let other = OrgId::new();
    put(store, other, vec![Draft::fact("apple pie apple")]).await;
    let corpus = store.corpus(LOCAL, &["apple", "red", "none"].map(str::to_owned)).await.unwrap();
    assert_eq!((corpus.count, corpus.words), (2, 4));
    let held = |term: &str| corpus.holding.get(term).copied().unwrap_or(0);
    assert_eq!((held("apple"), held("red"), held("none")), (2, 1, 0));
    assert_eq!(store.corpus(other, &["apple".into()]).await.unwrap().holding["apple"], 1);
}

/// Of the same session only.
pub async fn neighbours_are_found_by_their_places(store: &Arc<dyn Store>, _: &dyn Log) {
    let (one, other) = (SessionId::new(), SessionId::new());
    let turn = |session, place| Draft {
        session: Some(session),
        place: Some(place),
        ..Draft::new(Tier::Episodic, Kind::Turn, format!("{place}"))
    };
    put(store, LOCAL, vec![turn(one, 1), turn(one, 2), turn(one, 3), turn(other, 2)]).await;
    let mut found: Vec<u64> = store
        .at_places(LOCAL, &[(one, 1), (one, 3), (other, 3)])
        .await
        .unwrap()
        .iter()
        .filter_map(|stored| stored.memory.place)
        .collect();
    found.sort_unstable();
    assert_eq!(found, [1, 3]);
}

/// So that what came after a version is what is new.
pub async fn vectors_come_in_the_order_they_were_stored(store: &Arc<dyn Store>, _: &dyn Log) {
    put(store, LOCAL, ["one", "two", "three"].map(Draft::fact).to_vec()).await;
    let waiting = store.unembedded("e", &everybody(), 0, 2).await.unwrap();
    assert_eq!(waiting.iter().map(|one| one.text.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    let vector = |number: i64, values: &[f32]| Vector { org: LOCAL, number, values: values.to_vec() };
    store.embed("e", vec![vector(waiting[1].number, &[0.0, 1.0])]).await.unwrap();
    let first = store.vectors(LOCAL, "e", 0, 10).await.unwrap();
    assert_eq!((first.len(), first[0].number, first[0].values.as_slice()), (1, waiting[1].number, &[0.0, 1.0][..]));
    let twice = [vector(waiting[0].number, &[1.0, 0.0]), vector(waiting[1].number, &[0.5, 0.5]), vector(9_999, &[1.0])];
    store.embed("e", twice.to_vec()).await.unwrap();
    let more = store.vectors(LOCAL, "e", first[0].version, 10).await.unwrap();
    assert_eq!((more.len(), more[0].number), (1, waiting[0].number));
    let of = store.vectors_of(LOCAL, "e", &[waiting[1].number]).await.unwrap();
    assert_eq!(of, [(waiting[1].number, vec![0.0, 1.0])]);
    assert_eq!(store.unembedded("e", &everybody(), 0, 9).await.unwrap().len(), 1);
    assert!(store.unembedded("e", &everybody(), i64::MAX, 9).await.unwrap().is_empty());
    let count = async |of| store.unembedded("e", &of, 0, 9).await.unwrap().len();
    assert_eq!(count(Owners::One(OrgId::new())).await, 0);
    assert_eq!(count(Owners::One(LOCAL)).await, 1);
    assert_eq!(count(Owners::AllBut(vec![LOCAL])).await, 0);
}

/// And the vectors of the one before can be forgotten.
pub async fn another_embedder_begins_anew(store: &Arc<dyn Store>, _: &dyn Log) {
    put(store, LOCAL, vec![Draft::fact("one")]).await;
    let number = store.unembedded("e", &everybody(), 0, 9).await.unwrap()[0].number;
    store.embed("e", vec![Vector { org: LOCAL, number, values: vec![1.0] }]).await.unwrap();
    assert!(store.unembedded("e", &everybody(), 0, 9).await.unwrap().is_empty());
    assert_eq!(store.unembedded("f", &everybody(), 0, 9).await.unwrap().len(), 1);
    store.embed("f", vec![Vector { org: LOCAL, number, values: vec![0.5] }]).await.unwrap();
    assert_eq!(store.forget_vectors("f", 10).await.unwrap(), 1);
    assert!(store.vectors(LOCAL, "e", 0, 10).await.unwrap().is_empty());
    assert_eq!(store.vectors(LOCAL, "f", 0, 10).await.unwrap().len(), 1);
}
