use std::fmt;
use std::sync::Arc;

use orchestrator_rpc::Error;

use crate::Subscription;

/// Takes a subscription for the connection a call came over. A transport that can tell of events puts one into
/// [`Call::extensions`](orchestrator_rpc::Call::extensions), for operations that make something worth following.
#[derive(Clone)]
pub struct Follower {
    take: Arc<Take>,
    by_default: Arc<dyn Fn() -> bool + Send + Sync>,
}

type Take = dyn Fn(&str, Subscription) -> Result<(), Error> + Send + Sync;

impl Follower {
    /// A follower that hands subscriptions, each with the id it shall have, to `take`. `by_default` says whether clients of
    /// this connection expect that without asking for it.
    pub fn new(
        take: impl Fn(&str, Subscription) -> Result<(), Error> + Send + Sync + 'static,
        by_default: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { take: Arc::new(take), by_default: Arc::new(by_default) }
    }

    /// Whether to follow, if the caller may have said so.
    pub fn is_wanted(&self, said: Option<bool>) -> bool {
        said.unwrap_or_else(|| (self.by_default)())
    }

    /// Tells the connection of what `subscription` brings, under the id `name`. One that is open under that id goes on.
    ///
    /// # Errors
    /// The connection has no room for another.
    pub fn follow(&self, name: &str, subscription: Subscription) -> Result<(), Error> {
        (self.take)(name, subscription)
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Follower")
    }
}
