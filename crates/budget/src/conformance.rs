//! What every [`Store`] promises, one function per promise. Expand them with
//! [`budget_store_conformance!`](crate::budget_store_conformance).

#![expect(clippy::unwrap_used, reason = "a promise that is not kept panics")]

mod reading;
mod reserving;
mod settling;

use std::sync::Arc;

use orchestrator_events::Log;
use orchestrator_transcript::Usage;
use orchestrator_vocab::{OrgId, SessionId, TaskId, Timestamp, Tokens};

use crate::{
    Amount, Apply, Command, Counter, CounterQuery, End, Limit, Outcome, Owner, Policy, Price, PriceSource, Rate,
    Reservation, Scope, Settlement, Share, Span, Spender, SpendingId, Store, Zone,
};

pub use reading::*;
pub use reserving::*;
pub use settling::*;

/// A store under test, the log it writes to, and whatever must live as long.
pub struct Subject<Keep = ()> {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Where its events go.
    pub log: Arc<dyn Log>,
    /// Dropped last.
    pub keep: Keep,
}

impl<Keep> std::fmt::Debug for Subject<Keep> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}

/// Makes one test per promise out of an expression that gives a [`Subject`].
#[macro_export]
macro_rules! budget_store_conformance {
    ($subject:expr) => {
        $crate::budget_store_conformance!(@each $subject =>
            a_reservation_counts_in_every_scope_and_window,
            one_limit_in_the_way_refuses_everything,
            of_limits_in_the_way_the_longest_is_named,
            the_same_reservation_counts_once,
            two_hundred_at_once_reserve_exactly_the_limit,
            another_organisation_is_untouched,
            a_new_window_starts_from_zero,
            each_agent_is_limited_by_itself,
            a_limit_that_is_set_counts_until_it_expires,
            a_refusal_is_told_once_until_something_is_let_through,
            what_was_used_is_spent_and_the_rest_given_back,
            what_is_settled_beyond_a_limit_is_spent_all_the_same,
            a_release_leaves_nothing,
            what_is_settled_cannot_be_settled_again,
            a_raise_is_granted_or_refused_as_a_whole,
            much_is_told_once_until_much_less_is_spent,
            that_requests_are_degraded_is_told_once,
            what_is_left_behind_is_found,
            what_is_renewed_does_not_expire,
            spendings_survive_as_they_were_settled,
            spendings_are_listed_newest_first_in_pages,
            sums_are_of_what_was_spent_in_between,
            only_whole_answers_tell_what_a_model_uses,
            what_is_old_is_trimmed,
        );
    };
    (@each $subject:expr => $($promise:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $promise() {
            let subject = $subject.await;
            $crate::conformance::$promise(&subject.store, &*subject.log).await;
        })*
    };
}

const LOCAL: OrgId = OrgId::LOCAL;
/// 2026-01-31T12:34:56Z, a Saturday.
const NOON: Timestamp = Timestamp(1_769_862_896_000);

/// A cent per token.
const RATES: Price = Price {
    input: Rate::nanos_per_token(10),
    output: Rate::nanos_per_token(10),
    cache_read: None,
    cache_write_5m: None,
    cache_write_1h: None,
    long: None,
    batch: None,
};

fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

fn amount(tokens: u64) -> Amount {
    Amount::new(tokens, tokens * 10)
}

fn spender() -> Spender {
    Spender {
        team: Some("red".into()),
        agent: Some("coder".parse().unwrap()),
        session: Some(SessionId::new()),
        task: Some(TaskId::new()),
        ..Spender::of("p", "m")
    }
}

fn reservation(spender: Spender, tokens: u64, at: Timestamp) -> Reservation {
    Reservation {
        id: SpendingId::new(),
        org: LOCAL,
        spender,
        at,
        windows: Zone::UTC.windows(at),
        expected: usage(tokens, 0),
        amount: amount(tokens),
        rates: RATES,
        price: PriceSource::Operator,
        owner: Owner { node: "n1".into(), epoch: 2 },
        expires_at: Timestamp(at.millis() + 60_000),
    }
}

fn limit(scope: &str, window: Span, tokens: u64) -> Limit {
    Limit { scope: scope.parse().unwrap(), window, tokens: Some(Tokens(tokens)), usd: None, expires_at: None }
}

fn policy(limits: &[Limit]) -> Arc<Policy> {
    Arc::new(Policy { limits: limits.to_vec(), alert_at: Some(Share::USUAL), ..Policy::default() })
}

async fn apply(store: &Arc<dyn Store>, org: OrgId, policy: &Arc<Policy>, command: Command, now: Timestamp) -> Outcome {
    store.apply(Apply { org, command, policy: policy.clone(), now }).await.unwrap()
}

async fn reserve(store: &Arc<dyn Store>, policy: &Arc<Policy>, held: &Reservation) -> Outcome {
    apply(store, held.org, policy, Command::Reserve(held.clone()), held.at).await
}

fn settlement(usage: Usage, end: End, estimated: bool) -> Settlement {
    Settlement { usage, amount: amount(usage.total()), end, estimated, at: Timestamp(NOON.millis() + 5_000) }
}

async fn settle(store: &Arc<dyn Store>, policy: &Arc<Policy>, held: &Reservation, used: Usage) -> Outcome {
    let settlement = settlement(used, End::Completed, false);
    apply(store, held.org, policy, Command::Settle { id: held.id, settlement }, held.at).await
}

/// Reserved and settled.
async fn spent(store: &Arc<dyn Store>, policy: &Arc<Policy>, held: &Reservation, used: Usage) {
    assert_eq!(reserve(store, policy, held).await, Outcome::Done);
    assert!(matches!(settle(store, policy, held, used).await, Outcome::Settled(_)));
}

async fn counter(store: &Arc<dyn Store>, org: OrgId, scope: &str, span: Span, at: Timestamp) -> Counter {
    let scope: Scope = scope.parse().unwrap();
    let (name, start) = (Some(scope.name().to_owned()), Zone::UTC.window(span, at).start);
    let query = CounterQuery { kind: scope.kind(), name, span, start, limit: 10 };
    let found = store.counters(org, query).await.unwrap();
    assert!(found.len() <= 1);
    found.first().map(|(_, counter)| *counter).unwrap_or_default()
}

async fn day(store: &Arc<dyn Store>, scope: &str) -> (u64, u64) {
    let counter = counter(store, LOCAL, scope, Span::Day, NOON).await;
    assert_eq!(counter.spent.nano_usd.0, counter.spent.tokens.0 * 10);
    assert_eq!(counter.reserved.nano_usd.0, counter.reserved.tokens.0 * 10);
    (counter.spent.tokens.0, counter.reserved.tokens.0)
}

async fn told(log: &dyn Log) -> Vec<String> {
    log.read(LOCAL, 0, 100).await.unwrap().iter().map(|event| event.name.to_string()).collect()
}
