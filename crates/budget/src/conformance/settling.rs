use std::sync::Arc;

use orchestrator_events::Log;
use orchestrator_vocab::Timestamp;

use super::{
    LOCAL, NOON, amount, apply, day, limit, policy, reservation, reserve, settle, settlement, spender, spent, told,
    usage,
};
use crate::{Command, End, Outcome, Owner, Policy, Reservation, Share, Span, Store};

/// In every scope.
pub async fn what_was_used_is_spent_and_the_rest_given_back(store: &Arc<dyn Store>, _: &dyn Log) {
    let (held, limits) = (reservation(spender(), 100, NOON), policy(&[limit("organisation", Span::Day, 100)]));
    spent(store, &limits, &held, usage(20, 40)).await;
    for scope in held.spender.scopes() {
        assert_eq!(day(store, &scope.to_string()).await, (60, 0), "{scope}");
    }
    assert_eq!(reserve(store, &limits, &reservation(spender(), 40, NOON)).await, Outcome::Done);
    assert!(matches!(reserve(store, &limits, &reservation(spender(), 1, NOON)).await, Outcome::Refused(_)));
}

/// The ledger tells the truth, also an unpleasant one.
pub async fn what_is_settled_beyond_a_limit_is_spent_all_the_same(store: &Arc<dyn Store>, _: &dyn Log) {
    let limits = policy(&[limit("organisation", Span::Day, 100)]);
    spent(store, &limits, &reservation(spender(), 100, NOON), usage(0, 150)).await;
    assert_eq!(day(store, "organisation").await, (150, 0));
}

/// No spending either.
pub async fn a_release_leaves_nothing(store: &Arc<dyn Store>, _: &dyn Log) {
    let (held, limits) = (reservation(spender(), 100, NOON), policy(&[]));
    reserve(store, &limits, &held).await;
    assert_eq!(apply(store, LOCAL, &limits, Command::Release { id: held.id }, NOON).await, Outcome::Done);
    assert_eq!(day(store, "organisation").await, (0, 0));
    assert!(store.spendings(LOCAL, crate::SpendingQuery { limit: 10, ..Default::default() }).await.unwrap().is_empty());
}

/// Nor raised or released.
pub async fn what_is_settled_cannot_be_settled_again(store: &Arc<dyn Store>, _: &dyn Log) {
    let (held, limits) = (reservation(spender(), 100, NOON), policy(&[]));
    spent(store, &limits, &held, usage(10, 0)).await;
    let (id, amount) = (held.id, amount(200));
    assert_eq!(settle(store, &limits, &held, usage(50, 0)).await, Outcome::Gone);
    for command in [Command::Release { id }, Command::TopUp { id, expected: usage(200, 0), amount }] {
        assert_eq!(apply(store, LOCAL, &limits, command, NOON).await, Outcome::Gone);
    }
    assert_eq!(day(store, "organisation").await, (10, 0));
}

/// To what is named, not by it; and to less is no lowering.
pub async fn a_raise_is_granted_or_refused_as_a_whole(store: &Arc<dyn Store>, _: &dyn Log) {
    let (held, limits) = (reservation(spender(), 100, NOON), policy(&[limit("session:*", Span::Day, 150)]));
    reserve(store, &limits, &held).await;
    let raise = |tokens| Command::TopUp { id: held.id, expected: usage(tokens, 0), amount: amount(tokens) };
    for (tokens, reserved) in [(150, 150), (120, 150)] {
        assert_eq!(apply(store, LOCAL, &limits, raise(tokens), NOON).await, Outcome::Done);
        assert_eq!(day(store, "organisation").await, (0, reserved));
    }
    assert!(matches!(apply(store, LOCAL, &limits, raise(151), NOON).await, Outcome::Refused(_)));
    assert_eq!(day(store, "organisation").await, (0, 150));
    settle(store, &limits, &held, usage(7, 0)).await;
    assert_eq!(day(store, "organisation").await, (7, 0));
}

/// At 80 %; again only after the limit was raised so that it is less than 70 %.
pub async fn much_is_told_once_until_much_less_is_spent(store: &Arc<dyn Store>, log: &dyn Log) {
    let limits = policy(&[limit("organisation", Span::Day, 100)]);
    let spend = |tokens| {
        let held = reservation(spender(), 1, NOON);
        let limits = &limits;
        async move { spent(store, limits, &held, usage(tokens, 0)).await }
    };
    spend(79).await;
    assert!(told(log).await.is_empty());
    spend(1).await;
    spend(1).await;
    assert_eq!(told(log).await, ["budget.alert"]);
    // 82 of 110 is less than 80 %, but not much less.
    store.set_limit(LOCAL, limit("organisation", Span::Day, 110)).await.unwrap();
    spend(1).await;
    store.set_limit(LOCAL, limit("organisation", Span::Day, 100)).await.unwrap();
    spend(1).await;
    assert_eq!(told(log).await, ["budget.alert"]);
    store.set_limit(LOCAL, limit("organisation", Span::Day, 200)).await.unwrap();
    spend(1).await;
    spend(76).await;
    assert_eq!(told(log).await, ["budget.alert"; 2]);
    let event = &log.read(LOCAL, 1, 1).await.unwrap()[0];
    let told = (event.payload["usedPermille"].as_u64(), event.payload["spent"]["tokens"].as_u64());
    assert_eq!(told, (Some(800), Some(160)));
}

/// Beside the alert, and by itself where nobody is alerted.
pub async fn that_requests_are_degraded_is_told_once(store: &Arc<dyn Store>, log: &dyn Log) {
    let limits = vec![limit("organisation", Span::Day, 100)];
    let spend = |tokens, alert_at: Option<Share>, degrade_at: Option<Share>| {
        let held = reservation(spender(), 1, NOON);
        let policy = Arc::new(Policy { limits: limits.clone(), alert_at, degrade_at, ..Policy::default() });
        async move { spent(store, &policy, &held, usage(tokens, 0)).await }
    };
    let soft = Some(Share::USUAL);
    spend(79, None, soft).await;
    assert!(told(log).await.is_empty());
    spend(1, None, soft).await;
    spend(1, None, soft).await;
    assert_eq!(told(log).await, ["budget.degraded"]);
    spend(1, soft, soft).await;
    spend(1, soft, soft).await;
    assert_eq!(told(log).await, ["budget.degraded", "budget.alert"]);
}

/// By an earlier start of the node, or by anybody who let it expire.
pub async fn what_is_left_behind_is_found(store: &Arc<dyn Store>, _: &dyn Log) {
    let limits = policy(&[]);
    let of = |node: &str, epoch, expires: i64| Reservation {
        owner: Owner { node: node.into(), epoch },
        expires_at: Timestamp(NOON.millis() + expires),
        ..reservation(spender(), 10, NOON)
    };
    let all = [of("n1", 1, 1_000), of("n1", 2, 1_000), of("n1", 1, -1), of("n2", 1, 1_000), of("n2", 9, -1)];
    for held in &all {
        reserve(store, &limits, held).await;
    }
    let owner = Owner { node: "n1".into(), epoch: 2 };
    let mut found = store.left_behind(&owner, NOON, 10).await.unwrap();
    found.sort_by_key(|held| held.id);
    assert_eq!(found, [all[0].clone(), all[2].clone(), all[4].clone()]);
    assert_eq!(store.left_behind(&owner, NOON, 1).await.unwrap().len(), 1);
    let settlement = settlement(all[0].expected, End::Crashed, true);
    apply(store, LOCAL, &limits, Command::Settle { id: all[0].id, settlement }, NOON).await;
    assert_eq!(store.left_behind(&owner, NOON, 10).await.unwrap().len(), 2);
}

/// Of this start only.
pub async fn what_is_renewed_does_not_expire(store: &Arc<dyn Store>, _: &dyn Log) {
    let held = reservation(spender(), 10, NOON);
    reserve(store, &policy(&[]), &held).await;
    let (owner, later) = (held.owner.clone(), Timestamp(NOON.millis() + 100_000));
    let other = Owner { epoch: 1, ..owner.clone() };
    store.renew(&other, Timestamp(later.millis() + 1)).await.unwrap();
    assert_eq!(store.left_behind(&other, later, 10).await.unwrap(), [held]);
    store.renew(&owner, Timestamp(later.millis() + 1)).await.unwrap();
    assert!(store.left_behind(&other, later, 10).await.unwrap().is_empty());
}
