use std::sync::Arc;

use orchestrator_events::{Filter, Hub, Subscription, Window};
use orchestrator_vocab::OrgId;

/// Where a subscription of a connection comes from.
pub(crate) enum Source {
    /// The hub, for as long as the connection lasts.
    Hub(Hub, OrgId),
    /// The window of its subscriber, which knows it by this id.
    Window(Arc<Window>, Arc<str>),
}

impl Source {
    /// The same subscription with another filter, going on after `after`.
    pub(crate) fn renew(&self, filter: Filter, after: u64) -> Subscription {
        match self {
            Self::Hub(hub, org) => hub.subscribe_after(*org, filter, after),
            Self::Window(window, id) => window.renew(id, filter, after),
        }
    }
}
