//! Subscribers that go away and come back: a window remembers where they stand.

mod config;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod held;
mod memory;
mod positions;
mod store;
mod token;
mod trim;
mod windows;

use std::fmt;
use std::sync::Arc;

use orchestrator_vocab::EventId;

use crate::hub::Start;
use crate::{Error, Filter, Part, Subscription};

pub use config::{InvalidWindowsConfig, WindowsConfig};
pub use memory::MemoryWindows;
pub use positions::Positions;
pub use store::{Bookmark, Bounds, Definition, Record, WindowId, WindowKind, WindowStore};
pub use windows::Windows;

use held::Held;
use windows::Shared;

/// A subscriber's window while the subscriber is connected. Dropping it keeps what was last written; [`Window::close`]
/// writes where the subscriber stands.
pub struct Window {
    shared: Arc<Shared>,
    held: Arc<Held>,
}

/// A subscription that a window has remembered.
#[derive(Debug)]
pub struct Restored {
    /// What the subscriber calls it.
    pub id: String,
    /// What it wants.
    pub parts: Vec<Part>,
    /// It goes on where the subscriber was; what was trimmed is told first.
    pub subscription: Subscription,
}

/// A subscription to be made.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What the subscriber will call it; unique in the window.
    pub id: String,
    /// Which events; at least one part.
    pub parts: Vec<Part>,
    /// Only those with a number above this one; what happens from now on if absent.
    pub after: Option<u64>,
    /// Whether each event is sent again until it is acknowledged. Otherwise it counts as delivered once it is written.
    pub requires_ack: bool,
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("id", &self.held.id).finish_non_exhaustive()
    }
}

impl Window {
    fn new(shared: Arc<Shared>, held: Arc<Held>) -> Self {
        Self { shared, held }
    }

    /// What the subscriber has to show to get its window back. Worth nothing to anybody but the same subject of the same
    /// organisation.
    pub fn token(&self) -> String {
        self.shared.token(&self.held)
    }

    /// Subscribes, and remembers it: durably, before this returns.
    ///
    /// # Errors
    /// The log or the store failed; there is no such subscription then.
    pub async fn subscribe(&self, wanted: Wanted) -> Result<Subscription, Error> {
        let Wanted { id, parts, after, requires_ack } = wanted;
        let filter = Part::filter_of(&parts)?;
        let after = match after {
            Some(after) => after,
            None => self.shared.hub.log().head(self.held.org).await?,
        };
        let start = Start { ledger: self.shared.ledger(requires_ack), ..Start::after(after) };
        let subscription = self.shared.hub.attach(self.held.org, filter, start);
        let definition = Definition { n: 0, id: id.clone(), parts, requires_ack, after };
        let version = self.held.add(definition, subscription.progress());
        if let Err(error) = self.store(version).await {
            self.held.remove(&id);
            return Err(error);
        }
        Ok(subscription)
    }

    /// Remembers a subscription that somebody else made; durably a little later.
    pub fn adopt(&self, id: &str, subscription: &Subscription) {
        let after = subscription.cursor();
        let parts = subscription.filter().parts(after);
        let requires_ack = subscription.requires_acknowledgement();
        let definition = Definition { n: 0, id: id.to_owned(), parts, requires_ack, after };
        self.held.add(definition, subscription.progress());
    }

    /// Changes what a subscription wants, durably; [`Window::renew`] takes it up.
    ///
    /// # Errors
    /// The store failed; after a while the change may be remembered all the same.
    pub async fn define(&self, id: &str, parts: Vec<Part>) -> Result<(), Error> {
        let version = self.held.define(id, parts);
        self.store(version).await
    }

    /// A subscription in the place of one of this window, for another filter, going on after `after`. What was sent and is
    /// not acknowledged is sent again.
    pub fn renew(&self, id: &str, filter: Filter, after: u64) -> Subscription {
        let mut start = Start::after(after);
        let mut renewed = None;
        self.held.renew(id, |position, requires_ack| {
            start.settled = position.min(after);
            if requires_ack {
                start.after = start.settled;
                start.ledger = self.shared.ledger(true);
            }
            let subscription = self.shared.hub.attach(self.held.org, filter.clone(), start);
            let progress = subscription.progress();
            renewed = Some(subscription);
            progress
        });
        renewed.unwrap_or_else(|| self.shared.hub.subscribe_after(self.held.org, filter, after))
    }

    /// Forgets a subscription. Its [`Subscription`] is the caller's to drop.
    ///
    /// # Errors
    /// The store failed; the subscription may be there again when the subscriber comes back.
    pub async fn unsubscribe(&self, id: &str) -> Result<(), Error> {
        let version = self.held.remove(id);
        self.store(version).await
    }

    /// Everything up to and with this number has arrived, as far as it was sent: on the subscription of this id, or on each.
    pub fn acknowledge(&self, seq: u64, id: Option<&str>) {
        self.held.acknowledge(seq, id);
    }

    /// The same, by the ids of events: those before the last of them count too.
    pub fn acknowledge_ids(&self, ids: &[EventId], id: Option<&str>) {
        self.held.acknowledge_ids(ids, id);
    }

    /// Waits until somebody else shows the token: the connection it was given to has to end.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        self.held.lost.clone().cancelled_owned()
    }

    /// Writes where the subscriber stands, at its end.
    ///
    /// # Errors
    /// The store failed: what was delivered since the last writing will be delivered again.
    pub async fn close(&self) -> Result<(), Error> {
        if let Some(version) = self.held.ahead_of_store() {
            self.store(version).await?;
        }
        let last = self.held.last(self.shared.clock.now());
        self.shared.store.save(last.into_iter().collect()).await
    }

    async fn store(&self, version: u64) -> Result<(), Error> {
        self.shared.store(&self.held, version).await
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.shared.release(&self.held);
    }
}
