use std::sync::Arc;

use async_trait::async_trait;
use orchestrator_vocab::OrgId;

use crate::{Event, Transient};

/// Carries events to other processes that follow the same log, beside the log and faster than asking it.
///
/// It holds no truth: it may lose, repeat and reorder anything, and be gone at any moment. Whoever is missing something reads
/// the log. What it must never do is to make up events, or to wait.
#[async_trait]
pub trait Relay: Send + Sync {
    /// Takes events that have just become durable. Never waits. False means that they are not carried, so that others have
    /// to be told to read the log.
    fn offer(&self, events: &[Arc<Event>]) -> bool;

    /// Takes something live only. Never waits; what cannot be carried is dropped.
    fn offer_transient(&self, piece: &Arc<Transient>);

    /// Whether what others carry arrives here at this moment.
    fn is_up(&self) -> bool;

    /// Everything the relay still holds of the organisation: in any order, possibly with holes. `None` if it cannot tell
    /// within a moment.
    async fn recall(&self, org: OrgId) -> Option<Vec<Arc<Event>>>;

    /// Lets go of what it holds of the organisation, as far as it can be reached: some of it is not to be said any more.
    async fn forget(&self, org: OrgId);
}
