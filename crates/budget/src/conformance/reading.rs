use std::sync::Arc;

use orchestrator_events::Log;
use orchestrator_transcript::Usage;
use orchestrator_vocab::{OrgId, Timestamp};

use super::{LOCAL, NOON, apply, policy, reservation, reserve, settlement, spender, spent, usage};
use crate::{
    Answered, Command, CounterQuery, End, Group, Outcome, ScopeKind, Span, Spender, Spending, SpendingQuery, Store,
    Zone,
};

async fn listed(store: &Arc<dyn Store>, query: SpendingQuery) -> Vec<Spending> {
    store.spendings(LOCAL, SpendingQuery { limit: 10, ..query }).await.unwrap()
}

/// Every field.
pub async fn spendings_survive_as_they_were_settled(store: &Arc<dyn Store>, _: &dyn Log) {
    let used = Usage { input: 1, cache_read: 2, cache_write_5m: 3, cache_write_1h: 4, output: 50, reasoning: 6 };
    for (spender, end, estimated) in
        [(spender(), End::Completed, false), (Spender::of("q", "a/b"), End::Truncated, true)]
    {
        let held = reservation(spender, 100, NOON);
        reserve(store, &policy(&[]), &held).await;
        let command = Command::Settle { id: held.id, settlement: settlement(used, end, estimated) };
        let Outcome::Settled(spending) = apply(store, LOCAL, &policy(&[]), command, NOON).await else {
            panic!("it was held")
        };
        assert_eq!((spending.usage, spending.end, spending.estimated), (used, end, estimated));
        assert_eq!(listed(store, SpendingQuery::default()).await[0], spending);
    }
    assert!(
        store
            .spendings(OrgId::new(), SpendingQuery { limit: 10, ..SpendingQuery::default() })
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.orgs().await.unwrap(), [LOCAL]);
}

/// Also filtered.
pub async fn spendings_are_listed_newest_first_in_pages(store: &Arc<dyn Store>, _: &dyn Log) {
    let mut held = Vec::new();
    for number in 0..5 {
        let asked = reservation(Spender { agent: None, ..spender() }, 10 + number, NOON);
        spent(store, &policy(&[]), &asked, usage(number, 0)).await;
        held.insert(0, asked);
    }
    let ids = |found: Vec<Spending>| found.into_iter().map(|spending| spending.id).collect::<Vec<_>>();
    let all: Vec<_> = held.iter().map(|held| held.id).collect();
    assert_eq!(ids(listed(store, SpendingQuery::default()).await), all);
    let page = SpendingQuery { before: Some(all[1]), limit: 2, ..SpendingQuery::default() };
    assert_eq!(ids(store.spendings(LOCAL, page).await.unwrap()), all[2..4]);
    let of = &held[3].spender;
    let queries = [
        SpendingQuery { session: of.session, ..SpendingQuery::default() },
        SpendingQuery { task: of.task, ..SpendingQuery::default() },
    ];
    for query in queries {
        assert_eq!(ids(listed(store, query).await), all[3..4]);
    }
    let none = SpendingQuery { agent: Some("other".parse().unwrap()), ..SpendingQuery::default() };
    let other = SpendingQuery { model: Some("other".into()), ..SpendingQuery::default() };
    assert!(listed(store, none).await.is_empty() && listed(store, other).await.is_empty());
}

/// In groups, the largest first; the end is not included.
pub async fn sums_are_of_what_was_spent_in_between(store: &Arc<dyn Store>, _: &dyn Log) {
    let later = Timestamp(NOON.millis() + 3_600_000);
    for (agent, model, tokens, at) in
        [(Some("a"), "m", 10, NOON), (Some("b"), "n", 30, NOON), (None, "m", 5, later), (Some("a"), "m", 7, later)]
    {
        let agent = agent.map(|name| name.parse().unwrap());
        let held = reservation(Spender { agent, ..Spender::of("p", model) }, 100, at);
        spent(store, &policy(&[]), &held, usage(tokens, 1)).await;
    }
    let sums = |group, from, until| async move {
        let sums = store.sums(LOCAL, group, from, until, 10).await.unwrap();
        sums.into_iter()
            .map(|sum| {
                assert_eq!(sum.amount.nano_usd.0, sum.usage.total() * 10);
                (sum.name, sum.provider, sum.requests, sum.amount.tokens.0)
            })
            .collect::<Vec<_>>()
    };
    let row = |name: &str, provider: &str, requests, tokens| (name.to_owned(), provider.to_owned(), requests, tokens);
    let end = Timestamp(later.millis() + 1);
    assert_eq!(
        sums(Group::Scope(ScopeKind::Agent), NOON, end).await,
        [row("b", "", 1, 31), row("a", "", 2, 19), row("", "", 1, 6)]
    );
    assert_eq!(sums(Group::Scope(ScopeKind::Model), NOON, end).await, [row("n", "p", 1, 31), row("m", "p", 3, 25)]);
    assert_eq!(sums(Group::Scope(ScopeKind::Organisation), NOON, later).await, [row("", "", 2, 42)]);
    let quarter = (NOON.millis() / 900_000 * 900_000).to_string();
    assert_eq!(sums(Group::Quarter, NOON, later).await, [row(&quarter, "", 2, 42)]);
    assert!(sums(Group::Quarter, end, end).await.is_empty());
    assert_eq!(store.sums(LOCAL, Group::Scope(ScopeKind::Agent), NOON, end, 1).await.unwrap().len(), 1);
}

/// To this agent, the newest first.
pub async fn only_whole_answers_tell_what_a_model_uses(store: &Arc<dyn Store>, _: &dyn Log) {
    let asked = |end, estimated, output| async move {
        let held = reservation(spender(), 100, NOON);
        reserve(store, &policy(&[]), &held).await;
        let settlement = settlement(Usage { cache_read: 5, ..usage(100, output) }, end, estimated);
        apply(store, LOCAL, &policy(&[]), Command::Settle { id: held.id, settlement }, NOON).await;
    };
    asked(End::Completed, false, 1).await;
    asked(End::Completed, true, 2).await;
    asked(End::Truncated, false, 3).await;
    asked(End::Completed, false, 4).await;
    let answer = |output| Answered { input_expected: 100, input: 105, output };
    let coder = "coder".parse().unwrap();
    assert_eq!(store.answered(LOCAL, "m", Some(&coder), 10).await.unwrap(), [answer(4), answer(1)]);
    assert_eq!(store.answered(LOCAL, "m", Some(&coder), 1).await.unwrap(), [answer(4)]);
    assert!(store.answered(LOCAL, "m", None, 10).await.unwrap().is_empty());
    assert!(store.answered(LOCAL, "n", Some(&coder), 10).await.unwrap().is_empty());
}

/// Spendings by when they were made, counters by when their window began.
pub async fn what_is_old_is_trimmed(store: &Arc<dyn Store>, _: &dyn Log) {
    let old = Timestamp(NOON.millis() - 40 * 24 * 3_600_000);
    for at in [old, NOON] {
        spent(store, &policy(&[]), &reservation(spender(), 10, at), usage(10, 0)).await;
    }
    let before = Timestamp(NOON.millis() - 30 * 24 * 3_600_000);
    while store.trim(before, 5).await.unwrap() > 0 {}
    assert_eq!(listed(store, SpendingQuery::default()).await.len(), 1);
    for (at, left) in [(old, 0), (NOON, 1)] {
        let start = Zone::UTC.window(Span::Month, at).start;
        let query = CounterQuery { kind: ScopeKind::Organisation, name: None, span: Span::Month, start, limit: 10 };
        // The month of what stays began before.
        let left = if start < before { 0 } else { left };
        assert_eq!(store.counters(LOCAL, query).await.unwrap().len(), left);
        let query = CounterQuery {
            kind: ScopeKind::Agent,
            name: Some("coder".into()),
            span: Span::Hour,
            start: Zone::UTC.window(Span::Hour, at).start,
            limit: 10,
        };
        assert_eq!(store.counters(LOCAL, query).await.unwrap().len(), usize::from(at == NOON));
    }
}
