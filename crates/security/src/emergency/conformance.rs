//! What every [`Store`] promises, one function per promise. Expand them with
//! [`emergency_store_conformance!`](crate::emergency_store_conformance).

#![expect(clippy::unwrap_used, reason = "a promise that is not kept panics")]

use std::sync::Arc;

use orchestrator_events::Log;
use orchestrator_vocab::{Actor, OrgId, Timestamp};

use super::{Order, Release, Store};

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
macro_rules! emergency_store_conformance {
    ($subject:expr) => {
        $crate::emergency_store_conformance!(@each $subject =>
            what_is_stopped_is_told_until_it_is_released,
            a_second_order_changes_nothing_and_nobody_is_told_again,
            what_is_not_stopped_is_not_released,
            organisations_are_stopped_and_released_by_themselves,
            of_many_that_stop_at_once_one_is_told,
        );
    };
    (@each $subject:expr => $($promise:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $promise() {
            let subject = $subject.await;
            $crate::emergency::conformance::$promise(&subject.store, &*subject.log).await;
        })*
    };
}

/// An order is there as it was given, with its event, and is gone with its release.
pub async fn what_is_stopped_is_told_until_it_is_released(store: &Arc<dyn Store>, log: &dyn Log) {
    assert_eq!(store.orders().await.unwrap(), []);
    let given = order(OrgId::LOCAL, "it deletes everything");
    assert_eq!(store.stop(given.clone()).await.unwrap(), given);
    assert_eq!(store.orders().await.unwrap(), std::slice::from_ref(&given));
    assert_eq!(store.release(release(OrgId::LOCAL)).await.unwrap(), Some(given));
    assert_eq!(store.orders().await.unwrap(), []);
    let events = log.read(OrgId::LOCAL, 0, 100).await.unwrap();
    let told: Vec<&str> = events.iter().map(|event| event.name.as_ref()).collect();
    assert_eq!(told, ["emergency.stopped", "emergency.released"]);
    assert_eq!(events[0].payload["reason"], "it deletes everything");
    assert_eq!((&events[1].payload["reason"], &events[1].payload["by"]), (&"over".into(), &"user:root".into()));
}

/// The first order stays.
pub async fn a_second_order_changes_nothing_and_nobody_is_told_again(store: &Arc<dyn Store>, log: &dyn Log) {
    let first = store.stop(order(OrgId::LOCAL, "first")).await.unwrap();
    assert_eq!(store.stop(order(OrgId::LOCAL, "second")).await.unwrap(), first);
    assert_eq!(log.read(OrgId::LOCAL, 0, 100).await.unwrap().len(), 1);
}

/// Releasing what is not in force is no event.
pub async fn what_is_not_stopped_is_not_released(store: &Arc<dyn Store>, log: &dyn Log) {
    assert_eq!(store.release(release(OrgId::LOCAL)).await.unwrap(), None);
    assert_eq!(log.read(OrgId::LOCAL, 0, 100).await.unwrap().len(), 0);
}

/// One organisation's order is not another's.
pub async fn organisations_are_stopped_and_released_by_themselves(store: &Arc<dyn Store>, log: &dyn Log) {
    let (one, other) = (OrgId::new(), OrgId::new());
    store.stop(order(one, "one")).await.unwrap();
    store.stop(order(other, "other")).await.unwrap();
    assert_eq!(store.release(release(OrgId::LOCAL)).await.unwrap(), None);
    store.release(release(one)).await.unwrap().unwrap();
    let left: Vec<OrgId> = store.orders().await.unwrap().into_iter().map(|order| order.org).collect();
    assert_eq!(left, [other]);
    assert_eq!(log.read(other, 0, 100).await.unwrap().len(), 1);
}

/// However many give an order at once, one is in force and told.
pub async fn of_many_that_stop_at_once_one_is_told(store: &Arc<dyn Store>, log: &dyn Log) {
    let mut giving = tokio::task::JoinSet::new();
    for number in 0..16 {
        let store = store.clone();
        giving.spawn(async move { store.stop(order(OrgId::LOCAL, &format!("order {number}"))).await.unwrap() });
    }
    let mut answers = Vec::new();
    while let Some(answer) = giving.join_next().await {
        answers.push(answer.unwrap());
    }
    let [in_force] = &store.orders().await.unwrap()[..] else { panic!("one order") };
    assert!(answers.iter().all(|answer| answer == in_force), "{answers:?}");
    assert_eq!(log.read(OrgId::LOCAL, 0, 100).await.unwrap().len(), 1);
}

fn order(org: OrgId, reason: &str) -> Order {
    Order { org, reason: reason.to_owned(), by: Actor::User("root".to_owned()), since: Timestamp(1_000) }
}

fn release(org: OrgId) -> Release {
    let by = Actor::User("root".to_owned());
    Release { org, reason: "over".to_owned(), by, at: Timestamp(2_000) }
}
