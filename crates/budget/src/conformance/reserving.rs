use std::sync::Arc;

use orchestrator_events::Log;
use orchestrator_vocab::{NanoUsd, OrgId, Timestamp};

use super::{
    LOCAL, NOON, amount, apply, counter, day, limit, policy, reservation, reserve, settle, spender, spent, told, usage,
};
use crate::{Command, Limit, Outcome, Reservation, Span, Spender, SpendingId, Store, Zone};

/// In 7 scopes and 4 windows.
pub async fn a_reservation_counts_in_every_scope_and_window(store: &Arc<dyn Store>, _: &dyn Log) {
    let held = reservation(spender(), 100, NOON);
    assert_eq!(reserve(store, &policy(&[]), &held).await, Outcome::Done);
    for scope in held.spender.scopes() {
        for span in Span::ALL {
            let counter = counter(store, LOCAL, &scope.to_string(), span, NOON).await;
            assert_eq!((counter.reserved, counter.spent), (amount(100), amount(0)), "{scope} {span}");
        }
    }
    assert_eq!(held.spender.scopes().len(), 7);
}

/// Nothing is reserved anywhere, whichever scope or unit is short.
pub async fn one_limit_in_the_way_refuses_everything(store: &Arc<dyn Store>, _: &dyn Log) {
    let held = reservation(spender(), 100, NOON);
    let scopes: Vec<String> = held.spender.scopes().iter().map(ToString::to_string).collect();
    for scope in &scopes {
        let wide = limit("organisation", Span::Month, 1_000_000);
        let dear = Limit { tokens: None, usd: Some(NanoUsd(999)), ..limit(scope, Span::Week, 0) };
        for narrow in [limit(scope, Span::Hour, 99), dear] {
            let Outcome::Refused(refusal) = reserve(store, &policy(&[wide.clone(), narrow.clone()]), &held).await
            else {
                panic!("{scope} is limited");
            };
            assert_eq!((refusal.limit.clone(), refusal.scope.to_string()), (narrow, scope.clone()));
            assert_eq!(refusal.wanted, amount(100));
            assert!(!refusal.is_temporary());
        }
    }
    for scope in scopes {
        assert_eq!(day(store, &scope).await, (0, 0), "{scope}");
    }
}

/// Waiting for a shorter one would be of no use.
pub async fn of_limits_in_the_way_the_longest_is_named(store: &Arc<dyn Store>, _: &dyn Log) {
    let limits = policy(&[
        limit("agent:*", Span::Day, 150),
        limit("organisation", Span::Hour, 150),
        limit("task:*", Span::Hour, 10),
    ]);
    let taskless = || Spender { task: None, ..spender() };
    assert_eq!(reserve(store, &limits, &reservation(taskless(), 100, NOON)).await, Outcome::Done);
    let Outcome::Refused(refusal) = reserve(store, &limits, &reservation(taskless(), 100, NOON)).await else {
        panic!("both are exhausted");
    };
    assert_eq!(
        (refusal.scope.to_string(), refusal.resets_at),
        ("agent:coder".into(), Zone::UTC.window(Span::Day, NOON).end)
    );
    assert!(refusal.is_temporary());
}

/// Whoever did not hear the answer asks again.
pub async fn the_same_reservation_counts_once(store: &Arc<dyn Store>, _: &dyn Log) {
    let (held, limits) = (reservation(spender(), 100, NOON), policy(&[limit("organisation", Span::Day, 100)]));
    assert_eq!(reserve(store, &limits, &held).await, Outcome::Done);
    assert_eq!(reserve(store, &limits, &held).await, Outcome::Done);
    assert_eq!(day(store, "organisation").await, (0, 100));
}

/// Not one more, not one less.
pub async fn two_hundred_at_once_reserve_exactly_the_limit(store: &Arc<dyn Store>, _: &dyn Log) {
    let limits = policy(&[limit("organisation", Span::Day, 1_005), limit("agent:*", Span::Hour, 5_000)]);
    let asked = (0..200).map(|_| async {
        let held = reservation(spender(), 10, NOON);
        match reserve(store, &limits, &held).await {
            Outcome::Done => Some(held),
            _ => None,
        }
    });
    let held: Vec<Reservation> = futures::future::join_all(asked).await.into_iter().flatten().collect();
    assert_eq!((held.len(), day(store, "organisation").await), (100, (0, 1_000)));
    let settled = held.iter().map(|held| settle(store, &limits, held, usage(4, 3)));
    assert_eq!(futures::future::join_all(settled).await.len(), 100);
    for scope in ["organisation", "agent:coder", "model:m", "provider:p", "team:red"] {
        assert_eq!(day(store, scope).await, (700, 0), "{scope}");
    }
}

/// Neither its limits nor its counters.
pub async fn another_organisation_is_untouched(store: &Arc<dyn Store>, _: &dyn Log) {
    let (limits, theirs) = (policy(&[limit("organisation", Span::Day, 100)]), OrgId::new());
    store.set_limit(theirs, limit("agent:coder", Span::Hour, 1)).await.unwrap();
    let mine = reservation(spender(), 100, NOON);
    assert_eq!(reserve(store, &limits, &mine).await, Outcome::Done);
    let foreign = Reservation { org: theirs, ..reservation(Spender { agent: None, ..spender() }, 100, NOON) };
    assert_eq!(reserve(store, &limits, &foreign).await, Outcome::Done);
    // A foreign name is like an unknown one.
    assert_eq!(apply(store, theirs, &limits, Command::Release { id: mine.id }, NOON).await, Outcome::Gone);
    assert_eq!(counter(store, theirs, "organisation", Span::Day, NOON).await.reserved, amount(100));
    assert_eq!(day(store, "organisation").await, (0, 100));
    assert!(store.limits(LOCAL).await.unwrap().is_empty());
}

/// What was reserved before stays where it was.
pub async fn a_new_window_starts_from_zero(store: &Arc<dyn Store>, _: &dyn Log) {
    let limits = policy(&[limit("organisation", Span::Day, 100)]);
    let today = reservation(spender(), 100, NOON);
    reserve(store, &limits, &today).await;
    assert!(matches!(reserve(store, &limits, &reservation(spender(), 1, NOON)).await, Outcome::Refused(_)));
    let tomorrow = Zone::UTC.window(Span::Day, NOON).end;
    assert_eq!(reserve(store, &limits, &reservation(spender(), 100, tomorrow)).await, Outcome::Done);
    settle(store, &limits, &today, usage(30, 0)).await;
    assert_eq!(day(store, "organisation").await, (30, 0));
    assert_eq!(counter(store, LOCAL, "organisation", Span::Day, tomorrow).await.reserved, amount(100));
    assert_eq!(counter(store, LOCAL, "organisation", Span::Week, NOON).await.used(), amount(130));
}

/// `agent:*` is no common purse.
pub async fn each_agent_is_limited_by_itself(store: &Arc<dyn Store>, _: &dyn Log) {
    let limits = policy(&[limit("agent:*", Span::Day, 100), limit("agent:reader", Span::Day, 50)]);
    let of =
        |name: &str, tokens| reservation(Spender { agent: Some(name.parse().unwrap()), ..spender() }, tokens, NOON);
    for (agent, tokens, fits) in
        [("a", 100, true), ("b", 100, true), ("a", 1, false), ("reader", 51, false), ("reader", 50, true)]
    {
        let outcome = reserve(store, &limits, &of(agent, tokens)).await;
        assert_eq!(matches!(outcome, Outcome::Done), fits, "{agent} {tokens}");
    }
}

/// In the place of the configured one with the same scope and window.
pub async fn a_limit_that_is_set_counts_until_it_expires(store: &Arc<dyn Store>, _: &dyn Log) {
    let limits = policy(&[limit("organisation", Span::Day, 100)]);
    let set = Limit { expires_at: Some(Timestamp(NOON.millis() + 1_000)), ..limit("organisation", Span::Day, 300) };
    store.set_limit(LOCAL, limit("organisation", Span::Day, 1)).await.unwrap();
    store.set_limit(LOCAL, set.clone()).await.unwrap();
    assert_eq!(store.limits(LOCAL).await.unwrap(), [set]);
    spent(store, &limits, &reservation(spender(), 250, NOON), usage(90, 0)).await;
    let later = Timestamp(NOON.millis() + 1_000);
    assert!(matches!(reserve(store, &limits, &reservation(spender(), 11, later)).await, Outcome::Refused(_)));
    assert_eq!(reserve(store, &limits, &reservation(spender(), 10, later)).await, Outcome::Done);
    assert!(store.remove_limit(LOCAL, "organisation".parse().unwrap(), Span::Day).await.unwrap());
    assert!(!store.remove_limit(LOCAL, "organisation".parse().unwrap(), Span::Day).await.unwrap());
}

/// A loop that knocks does not fill the log.
pub async fn a_refusal_is_told_once_until_something_is_let_through(store: &Arc<dyn Store>, log: &dyn Log) {
    let limits = policy(&[limit("organisation", Span::Day, 100)]);
    let large = || reservation(spender(), 101, NOON);
    for _ in 0..3 {
        assert!(matches!(reserve(store, &limits, &large()).await, Outcome::Refused(_)));
    }
    assert_eq!(told(log).await, ["budget.exhausted"]);
    let small = reservation(spender(), 1, NOON);
    assert_eq!(reserve(store, &limits, &small).await, Outcome::Done);
    reserve(store, &limits, &large()).await;
    assert_eq!(told(log).await, ["budget.exhausted", "budget.exhausted"]);
    let event = &log.read(LOCAL, 0, 1).await.unwrap()[0];
    assert_eq!(
        (event.payload["scope"].as_str(), event.payload["wanted"]["tokens"].as_u64()),
        (Some("organisation"), Some(101))
    );
    assert_eq!(apply(store, LOCAL, &limits, Command::Release { id: SpendingId::new() }, NOON).await, Outcome::Gone);
}
