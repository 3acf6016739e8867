use async_trait::async_trait;
use orchestrator_redact::{Forget, Shape};
use orchestrator_vocab::{Id, Kind, OrgId, Timestamp};
use serde::{Deserialize, Serialize};

use super::positions::Positions;
use crate::{Error, Part};

/// A window, as a kind of id.
pub enum WindowKind {}

impl Kind for WindowKind {
    const PREFIX: &'static str = "window";
}

/// Names a window.
pub type WindowId = Id<WindowKind>;

/// One subscription, as a window remembers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    /// Its number in the window: rises, and is never used again.
    pub n: u32,
    /// What the subscriber calls it.
    pub id: String,
    /// What it wants.
    pub parts: Vec<Part>,
    /// Whether its events have to be acknowledged.
    #[serde(default)]
    pub requires_ack: bool,
    /// The number it began after.
    pub after: u64,
}

/// A window as it is stored: where its subscriber stands, never what it is waiting for.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Which window.
    pub id: WindowId,
    /// Whose events.
    pub org: OrgId,
    /// The subscriber, by its credential's subject.
    pub subject: String,
    /// Raised whenever somebody takes the window; whoever has an older one has lost it.
    pub generation: u64,
    /// Its subscriptions, in the order they were made.
    pub definitions: Vec<Definition>,
    /// By the number of the subscription, where to go on after.
    pub positions: Positions,
    /// When its subscriber was last there.
    pub seen: Timestamp,
}

impl Record {
    pub(crate) fn is_forgotten_by(&self, forget: &Forget) -> bool {
        forget.concerns(&self.subject) || forget.count(&self.definitions, &Shape::FREE) > 0
    }

    /// The part that changes while its subscriber is there.
    pub fn bookmark(&self) -> Bookmark {
        let Self { id, generation, seen, .. } = *self;
        Bookmark { id, generation, positions: self.positions.clone(), seen }
    }
}

/// What changes of a window while its subscriber is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Bookmark {
    /// Which window.
    pub id: WindowId,
    /// That of whoever writes it.
    pub generation: u64,
    /// By the number of the subscription, where to go on after.
    pub positions: Positions,
    /// When its subscriber was last there.
    pub seen: Timestamp,
}

/// How many windows there may be; the least recently seen go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Of one subject.
    pub per_subject: u32,
    /// Of one organisation.
    pub per_org: u32,
}

/// Where windows are kept. Implementations must keep the promises of [`conformance`](super::conformance).
#[async_trait]
pub trait WindowStore: Send + Sync {
    /// Stores a window, new or with other subscriptions, and keeps to the bounds. False if somebody else has it: nothing
    /// is changed.
    async fn put(&self, record: Record, bounds: Bounds) -> Result<bool, Error>;

    /// Takes a window over: raises its generation, notes that its subscriber is there, and answers it as it is now.
    /// `None` if there is none of this id, organisation and subject that was seen at or after `since`.
    async fn take(
        &self,
        org: OrgId,
        subject: &str,
        id: WindowId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Record>, Error>;

    /// Writes positions and when subscribers were seen; subscriptions stay as they are. Whatever is gone, or belongs to
    /// another generation, is left alone.
    async fn save(&self, bookmarks: Vec<Bookmark>) -> Result<(), Error>;

    /// The generations of those of these windows that exist.
    async fn generations(&self, ids: &[WindowId]) -> Result<Vec<(WindowId, u64)>, Error>;

    /// Removes the organisation's windows whose subscriber, or what it asked for, is to be forgotten, and tells how many; or only
    /// tells, if `forget` changes nothing. A subscriber that is there has none to come back to from then on.
    async fn forget(&self, org: OrgId, forget: &Forget) -> Result<u64, Error>;

    /// Removes at most `limit` windows that were last seen before `before`, and tells how many.
    async fn remove_unseen(&self, before: Timestamp, limit: usize) -> Result<u64, Error>;
}
