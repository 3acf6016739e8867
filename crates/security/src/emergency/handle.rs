use std::sync::Arc;
use std::time::Duration;

use orchestrator_vocab::{Actor, Clock, OrgId};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Error, Order, Orders, Release, Stopped, Store, order};

/// How often orders that were given elsewhere are looked for, and what could not be written down is tried again.
const POLL: Duration = Duration::from_millis(500);

/// Whether everything is to stand still. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Emergency(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    orders: watch::Sender<Orders>,
    /// Held from asking the store until its answer is in `orders`: an older answer must not take the place of a newer one.
    turn: Mutex<()>,
    looking: Notify,
}

impl Emergency {
    /// Reads what is in force.
    ///
    /// # Errors
    /// [`Error::Store`]: nobody knows whether anything may run. Start nothing then.
    pub async fn open(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let mut orders = Orders::default();
        for order in store.orders().await? {
            orders.keep(order);
        }
        let orders = watch::Sender::new(orders);
        Ok(Self(Arc::new(Inner { store, clock, orders, turn: Mutex::default(), looking: Notify::new() })))
    }

    /// Stops everything of the organisation; for the operator's, of all. It is in force as soon as this is called, before it is
    /// written down. If an order is in force already, that one stays and is the answer.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a reason that is none or longer than 500 characters: nothing is stopped then. [`Error::NotKept`].
    pub async fn stop(&self, org: OrgId, reason: &str, by: Actor) -> Result<Order, Error> {
        let order = Order { org, reason: order::reason(reason)?, by, since: self.0.clock.now() };
        self.0.orders.send_if_modified(|orders| match orders.of(org) {
            Some(_) => false,
            None => orders.unkept.insert(org, order.clone()).is_none(),
        });
        let _turn = self.0.turn.lock().await;
        self.keep(order).await.map_err(|error| match error {
            Error::Store(source) => Error::NotKept(source),
            other => other,
        })
    }

    /// Takes the organisation's own order back. What was stopped may go on.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NotStopped`], [`Error::Store`]: then it is still in force.
    pub async fn release(&self, org: OrgId, reason: &str, by: Actor) -> Result<Order, Error> {
        let release = Release { org, reason: order::reason(reason)?, by, at: self.0.clock.now() };
        let _turn = self.0.turn.lock().await;
        let kept = self.0.store.release(release).await?;
        let order = kept.or_else(|| self.orders().of(org).cloned()).ok_or(Error::NotStopped)?;
        self.0.orders.send_modify(|orders| orders.remove(org));
        Ok(order)
    }

    /// What is in force now.
    pub fn orders(&self) -> Orders {
        self.0.orders.borrow().clone()
    }

    /// Changes whenever an order is given or taken back.
    pub fn changed(&self) -> watch::Receiver<Orders> {
        self.0.orders.subscribe()
    }

    /// Whether this organisation may do anything now.
    ///
    /// # Errors
    /// [`Stopped`], for whoever asks.
    pub fn check(&self, org: OrgId) -> Result<(), Stopped> {
        self.0.orders.borrow().concerning(org).map_or(Ok(()), |order| Err(Stopped::of(order, org)))
    }

    /// Does the work unless the organisation is stopped, and drops it in the middle if it is stopped meanwhile.
    ///
    /// # Errors
    /// [`Stopped`]; how far the work had come is not known.
    pub async fn unless_stopped<T>(&self, org: OrgId, work: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::select! {
            biased;
            stopped = self.stopped(org) => Err(stopped),
            done = work => Ok(done),
        }
    }

    /// Returns once the organisation is stopped; at once if it is.
    pub async fn stopped(&self, org: OrgId) -> Stopped {
        let mut orders = self.changed();
        // The sender lives as long as this.
        let found = orders.wait_for(|orders| orders.concerning(org).is_some()).await.ok();
        match found.and_then(|orders| orders.concerning(org).map(|order| Stopped::of(order, org))) {
            Some(stopped) => stopped,
            None => std::future::pending().await,
        }
    }

    /// Returns once the organisation may go on; at once if it may.
    pub async fn released(&self, org: OrgId) {
        // The sender lives as long as this.
        let _ = self.changed().wait_for(|orders| orders.concerning(org).is_none()).await;
    }

    /// Has the store looked at soon: something was heard of an order that was given or taken back elsewhere.
    pub fn look(&self) {
        self.0.looking.notify_one();
    }

    /// Learns of orders that are given and taken back elsewhere, and writes down what could not be written, until `stop`. While
    /// the store does not answer, what was known last stays in force.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_blind = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
                () = self.0.looking.notified() => {}
            }
            let refreshed = self.refresh().await;
            // Once per outage, not twice a second.
            if let (Err(error), false) = (&refreshed, is_blind) {
                tracing::warn!(error = error as &dyn std::error::Error, "cannot look for emergency stops");
            }
            is_blind = refreshed.is_err();
        }
    }

    /// Looks at the store once.
    ///
    /// # Errors
    /// [`Error::Store`]; nothing changes then.
    pub async fn refresh(&self) -> Result<(), Error> {
        let _turn = self.0.turn.lock().await;
        let unkept = self.orders().unkept;
        for order in unkept.into_values() {
            self.keep(order).await?;
        }
        let kept = self.0.store.orders().await?.into_iter().map(|order| (order.org, order)).collect();
        self.0.orders.send_if_modified(|orders| {
            let has_changed = orders.kept != kept;
            orders.kept = kept;
            has_changed
        });
        Ok(())
    }

    /// In one's turn.
    async fn keep(&self, order: Order) -> Result<Order, Error> {
        let kept = self.0.store.stop(order).await?;
        self.0.orders.send_modify(|orders| orders.keep(kept.clone()));
        Ok(kept)
    }
}

impl std::fmt::Debug for Emergency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Emergency").field(&*self.0.orders.borrow()).finish()
    }
}
