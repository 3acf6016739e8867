use std::collections::BTreeMap;

use async_trait::async_trait;
use orchestrator_events::NewEvent;
use orchestrator_vocab::{OrgId, SessionId, TaskId, Timestamp};

use crate::config::within;
use crate::{Entry, Error, Numbered, Session, Status};

/// Which sessions to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// Only these.
    pub status: Option<Status>,
    /// At most this many.
    pub limit: usize,
    /// After passing over this many.
    pub offset: usize,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The newest first.
    pub sessions: Vec<Session>,
    /// How many there are without limit and offset.
    pub total: u64,
}

/// How many entries one call may add.
const ENTRIES_MAX: usize = 1_000;

/// Entries to be written behind those of a session's journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// Whose.
    pub org: OrgId,
    /// Which session.
    pub session: SessionId,
    /// Only while the session is active under this claim; `None`: as long as it has not ended, for what people say.
    pub fence: Option<u64>,
    /// When.
    pub at: Timestamp,
    /// 1 to 1,000.
    pub entries: Vec<Entry>,
    /// If something was written under this key before, nothing is written and the answer is its number.
    pub key: Option<String>,
    /// What the log is told with it.
    pub events: Vec<NewEvent>,
}

impl Append {
    pub(crate) fn validate(&self, entry_bytes_max: usize) -> Result<(), Error> {
        within("entries", self.entries.len() as u64, 1, ENTRIES_MAX as u64)?;
        for entry in &self.entries {
            let bytes = serde_json::to_vec(entry).map_or(0, |json| json.len());
            if bytes > entry_bytes_max {
                let problem = format!("expected at most entryBytesMax ({entry_bytes_max}) bytes, got {bytes}");
                return Err(Error::invalid("entry", problem));
            }
        }
        Ok(())
    }

    pub(crate) fn turns(&self) -> u64 {
        self.entries.iter().filter(|entry| matches!(entry, Entry::Answered { .. })).count() as u64
    }
}

/// Where sessions are remembered. Implementations must pass the conformance suite (feature `test-util`).
#[async_trait]
pub trait Store: Send + Sync {
    /// Adds a session and appends the events, both or neither.
    async fn insert(&self, session: Session, events: Vec<NewEvent>) -> Result<(), Error>;

    /// Replaces a session and appends the events, both or neither. [`Error::NotFound`] if there is none;
    /// [`Error::Ended`] if the stored one has ended: that is final; [`Error::Stale`] if the stored one has a higher fence:
    /// it was taken over. What [`append`](Self::append) counts stays as it is.
    async fn update(&self, session: Session, events: Vec<NewEvent>) -> Result<(), Error>;

    /// The session, or `None`; another organisation's is `None` too.
    async fn get(&self, org: OrgId, id: SessionId) -> Result<Option<Session>, Error>;

    /// The organisation's sessions, the newest first.
    async fn list(&self, org: OrgId, query: Query) -> Result<Listing, Error>;

    /// How many sessions the organisation has in each status that occurs.
    async fn counts(&self, org: OrgId) -> Result<BTreeMap<Status, u64>, Error>;

    /// The sessions of the task that have not ended, the oldest first; more than one only if a daemon has not noticed yet
    /// that it lost the task.
    async fn open_of_task(&self, org: OrgId, task: TaskId) -> Result<Vec<Session>, Error>;

    /// At most `limit` suspended sessions, of all organisations, with ids above `after`, in the order of their ids.
    async fn suspended(&self, after: Option<SessionId>, limit: usize) -> Result<Vec<Session>, Error>;

    /// Writes entries behind those of a session, numbered without gaps from 1, and appends the events, all or nothing, and
    /// tells the last number. [`Error::NotFound`] if there is no session, [`Error::Ended`] if it has ended,
    /// [`Error::Stale`] if it is not active under the fence.
    async fn append(&self, append: Append) -> Result<u64, Error>;

    /// At most `limit` entries of a session with numbers above `after`, in order; none of a session that is unknown.
    async fn entries(&self, org: OrgId, id: SessionId, after: u64, limit: usize) -> Result<Vec<Numbered>, Error>;

    /// Active sessions, of all organisations, that an earlier start of the node left behind; at most `limit`.
    async fn left_behind(&self, node: &str, epoch: u64, limit: usize) -> Result<Vec<Session>, Error>;

    /// At most `limit` sessions of the organisation with ids below `before`, the newest first.
    async fn newest(&self, org: OrgId, before: Option<SessionId>, limit: usize) -> Result<Vec<Session>, Error>;

    /// The keys under which something was said in a session.
    async fn keys(&self, org: OrgId, id: SessionId) -> Result<Vec<String>, Error>;

    /// Writes over what is said of a session that has ended, and over these entries of its journal, all or nothing: numbers,
    /// times and kinds of entries and the session's state stay as they were, and keys under which something was said are
    /// dropped. False, and nothing is written, if there is no such session or it has not ended.
    async fn rewrite(&self, session: Session, entries: Vec<Numbered>) -> Result<bool, Error>;

    /// Removes at most `limit` sessions, of all organisations, that ended before `before`, with their
    /// journals, and tells how many.
    async fn trim(&self, before: Timestamp, limit: usize) -> Result<u64, Error>;
}
