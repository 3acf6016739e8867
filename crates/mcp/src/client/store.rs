use async_trait::async_trait;
use orchestrator_events::NewEvent;
use orchestrator_transcript::Digest;
use serde_json::Value;

use crate::Error;

/// What is remembered of one tool of a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// As the server calls it.
    pub tool: String,
    /// The one that may be called, with what it was; nothing if none was confirmed yet.
    pub pinned: Option<(Digest, Value)>,
    /// The one that was seen last, by whichever daemon.
    pub seen: Digest,
}

/// Where is remembered which tools of servers may be used. Daemons that share a store share what was confirmed. The events are
/// written with the change or not at all.
#[async_trait]
pub trait Store: Send + Sync {
    /// Everything that is remembered of a server's tools, in the order of their names.
    async fn of(&self, server: &str) -> Result<Vec<Remembered>, Error>;

    /// Remembers tools that were not; those that are already stay as they are.
    async fn insert(&self, server: &str, tools: Vec<Remembered>) -> Result<(), Error>;

    /// Another definition of a tool was seen than `from`. Nothing is written, and `false` answered, if somebody wrote so before.
    async fn saw(&self, server: &str, tool: &str, from: Digest, to: Digest, event: NewEvent) -> Result<bool, Error>;

    /// From now on this one may be called.
    async fn pin(&self, server: &str, tool: &str, pinned: (Digest, Value), event: NewEvent) -> Result<(), Error>;

    /// Writes down that something happened.
    async fn tell(&self, event: NewEvent) -> Result<(), Error>;
}
