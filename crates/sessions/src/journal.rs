use std::sync::Arc;

use orchestrator_vocab::{OrgId, SessionId};

use crate::live::Live;
use crate::sessions::Shared;
use crate::{Append, Entry, Error, Numbered, Session};

/// How many entries [`Journal::all`] reads at a time.
const PAGE: usize = 200;

/// What happened in one session, from the side of whoever works on it. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
    live: Arc<Live>,
    org: OrgId,
    session: SessionId,
    fence: u64,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("session", &self.session).field("fence", &self.fence).finish_non_exhaustive()
    }
}

impl Journal {
    pub(crate) fn new(shared: Arc<Shared>, live: Arc<Live>, session: &Session) -> Self {
        Self { shared, live, org: session.org, session: session.id, fence: session.fence }
    }

    /// Writes 1 to 1,000 entries behind what is there, all or none, and returns the number of the last when they cannot be
    /// lost any more. A sign of life.
    ///
    /// # Errors
    /// [`Error::Invalid`]: an entry is larger than `entryBytesMax`. [`Error::Stale`] and [`Error::Ended`]: the session is
    /// somebody else's or over, so stop working. [`Error::Store`]: whether they are written is not known; end the work as
    /// released and read the journal when it goes on.
    pub async fn append(&self, entries: Vec<Entry>) -> Result<u64, Error> {
        let append = Append {
            org: self.org,
            session: self.session,
            fence: Some(self.fence),
            at: self.shared.parts.clock.now(),
            entries,
            key: None,
            events: Vec::new(),
        };
        append.validate(self.shared.parts.config.entry_bytes_max)?;
        // Heard is heard, written down or not.
        self.live.heard(&append.entries);
        let last = self.shared.parts.store.append(append).await?;
        self.live.sign_of_life();
        Ok(last)
    }

    /// At most `limit` entries with numbers above `after`, in order.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn read(&self, after: u64, limit: usize) -> Result<Vec<Numbered>, Error> {
        let entries = self.shared.parts.store.entries(self.org, self.session, after, limit).await?;
        self.live.heard(entries.iter().map(|numbered| &numbered.entry));
        Ok(entries)
    }

    /// All of them, in order. They are held in memory: use it once, when the work begins or goes on.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn all(&self) -> Result<Vec<Numbered>, Error> {
        let entries = self.shared.all_entries(self.org, self.session).await?;
        self.live.heard(entries.iter().map(|numbered| &numbered.entry));
        Ok(entries)
    }
}

impl Shared {
    pub(crate) async fn all_entries(&self, org: OrgId, id: SessionId) -> Result<Vec<Numbered>, Error> {
        let mut all: Vec<Numbered> = Vec::new();
        loop {
            let after = all.last().map_or(0, |entry| entry.number);
            let page = self.parts.store.entries(org, id, after, PAGE).await?;
            let is_last = page.len() < PAGE;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }
}
