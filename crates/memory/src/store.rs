use std::collections::BTreeMap;

use async_trait::async_trait;
use orchestrator_events::NewEvent;
use orchestrator_vocab::{Confidentiality, Integrity, OrgId, SessionId, TaskId, Timestamp};

use crate::{Error, Facets, Kind, Memory, MemoryId, Scope, State, Tier};

/// A memory, with the words it is found by.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its number in the store. Later ones are higher; nothing else is promised.
    pub number: i64,
    /// What is remembered.
    pub memory: Memory,
    /// Its words as they are looked for, separated by spaces.
    pub terms: String,
    /// Of its text: the same text has the same.
    pub digest: [u8; 32],
}

/// What is to be stored; the store gives numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// What is to be remembered.
    pub memory: Memory,
    /// Its words, separated by spaces.
    pub terms: String,
    /// Of its text.
    pub digest: [u8; 32],
}

/// Memories of one organisation that are stored together or not at all.
#[derive(Debug, Clone)]
pub struct Insert {
    /// Whose they are.
    pub org: OrgId,
    /// What is stored.
    pub memories: Vec<Prepared>,
    /// What goes in the same moment, because these stand for it.
    pub replaces: Vec<MemoryId>,
    /// Of their ids, those that were given out before: nobody may have them now, and that they were removed counts no more.
    pub restored: Vec<MemoryId>,
    /// How much each tier may hold.
    pub bounds: Bounds,
    /// What the log is told.
    pub events: Vec<NewEvent>,
}

/// How much may be stored, and when that is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Bytes by tier, in the order of [`Tier::ALL`].
    pub bytes_max: [u64; 3],
    /// The share at which `memory.filling` is told.
    pub alert: f64,
    /// When that is.
    pub now: Timestamp,
}

/// What is stored where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// How many memories.
    pub count: u64,
    /// The bytes of their texts.
    pub bytes: u64,
    /// The words of their texts, as they are looked for.
    pub words: u64,
}

/// Which memories. Every condition must hold; the default is all that count.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Of these tiers; none: of all.
    pub tiers: Vec<Tier>,
    /// Of these kinds; none: of all.
    pub kinds: Vec<Kind>,
    /// Of these scopes; `None`: of all.
    pub scopes: Option<Vec<Scope>>,
    /// Of what single people have remembered, only what this one has.
    pub only_user: Option<String>,
    /// In these states; none: those that are active.
    pub states: Vec<State>,
    /// From this session.
    pub session: Option<SessionId>,
    /// Not from this session.
    pub except: Option<SessionId>,
    /// From the work on this task.
    pub task: Option<TaskId>,
    /// About this person, by a name in lower case.
    pub person: Option<String>,
    /// About this topic, in lower case.
    pub topic: Option<String>,
    /// Remembered from then on.
    pub from: Option<Timestamp>,
    /// Remembered before then.
    pub until: Option<Timestamp>,
    /// Believed at least so far.
    pub integrity_min: Option<Integrity>,
    /// Not more secret than this.
    pub confidentiality_max: Option<Confidentiality>,
}

/// What is known of the words of an organisation's memories.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Corpus {
    /// How many memories there are.
    pub count: u64,
    /// How many words they have together.
    pub words: u64,
    /// In how many of them each asked term stands; for frequent ones about so many.
    pub holding: BTreeMap<String, u64>,
}

/// What is to be changed about a memory.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Somebody vouches for it: it counts from now on, and is believed so far.
    Confirm {
        /// How far.
        integrity: Integrity,
    },
    /// Another takes its place.
    Supersede {
        /// Which.
        by: MemoryId,
        /// Until when it held.
        until: Timestamp,
    },
    /// It is to be gone at this time.
    Expire {
        /// When.
        at: Timestamp,
    },
}

/// A vector of a memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector {
    /// Whose memory.
    pub org: OrgId,
    /// The memory's number.
    pub number: i64,
    /// Of length 1.
    pub values: Vec<f32>,
}

/// Whose memories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owners {
    /// Of this organisation.
    One(OrgId),
    /// Of all but these.
    AllBut(Vec<OrgId>),
}

/// A memory that has no vector yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unembedded {
    /// Whose it is.
    pub org: OrgId,
    /// Its number.
    pub number: i64,
    /// What it says.
    pub text: String,
}

/// A vector as it is kept in memory for searching, with what is asked about its memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// Rises with every vector that is stored, and whenever what is asked of its memory changes.
    pub version: i64,
    /// The memory's number.
    pub number: i64,
    /// Of length 1.
    pub values: Vec<f32>,
    /// What a filter asks of the memory.
    pub facets: Facets,
    /// Since when it is remembered.
    pub created_at: Timestamp,
}

/// Where memories are. Every call names the organisation; what belongs to another is as if it were not there.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Stores all of them or none, ends what they supersede, removes what they replace, and tells what a tier holds if it is getting
    /// full. What is replaced makes room.
    ///
    /// # Errors
    /// [`Error::Full`]. [`Error::NotFound`] and [`Error::Conflict`]: what was to be superseded is not there, or was already; what was to
    /// be replaced is gone; what was to be restored is there.
    async fn insert(&self, insert: Insert) -> Result<Vec<i64>, Error>;

    /// Tells the log something that is no part of a change.
    async fn tell(&self, events: Vec<NewEvent>) -> Result<(), Error>;

    /// Those that are there, in any order, whatever their state.
    async fn get(&self, org: OrgId, ids: &[MemoryId]) -> Result<Vec<Stored>, Error>;

    /// The latest that pass, before a number if one is given, the latest first.
    async fn list(&self, org: OrgId, filter: &Filter, before: Option<i64>, limit: usize) -> Result<Vec<Stored>, Error>;

    /// Changes one, and tells how it is then.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it is not in a state for that.
    async fn change(&self, org: OrgId, id: MemoryId, change: Change, events: Vec<NewEvent>) -> Result<Memory, Error>;

    /// Writes a block of a scratchpad anew, keeping its place, if it still reads as `before`.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] if it reads otherwise; [`Error::Full`].
    async fn rewrite(
        &self,
        org: OrgId,
        id: MemoryId,
        before: [u8; 32],
        after: Prepared,
        bounds: Bounds,
    ) -> Result<(), Error>;

    /// Removes them from every table and index, and tells which were there. Of each, its id is kept, and when it went: for
    /// [`forgotten`](Self::forgotten). Notes in scratchpads leave nothing.
    async fn remove(
        &self,
        org: OrgId,
        ids: &[MemoryId],
        now: Timestamp,
        events: Vec<NewEvent>,
    ) -> Result<Vec<MemoryId>, Error>;

    /// Which of these were removed or replaced, for whatever reason, and are not back.
    async fn forgotten(&self, org: OrgId, ids: &[MemoryId]) -> Result<Vec<MemoryId>, Error>;

    /// Those that say word by word what has one of these digests, whatever their state.
    async fn saying(&self, org: OrgId, digests: &[[u8; 32]]) -> Result<Vec<Stored>, Error>;

    /// What each tier holds, of an organisation or of one session in it.
    async fn usage(&self, org: OrgId, session: Option<SessionId>) -> Result<[Used; 3], Error>;

    /// How frequent terms are.
    async fn corpus(&self, org: OrgId, terms: &[String]) -> Result<Corpus, Error>;

    /// Memories that hold any of the terms and pass, the most promising first; each term comes with its weight.
    async fn matching(
        &self,
        org: OrgId,
        terms: &[(String, f64)],
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Stored>, Error>;

    /// Those of these numbers that pass.
    async fn passing(&self, org: OrgId, numbers: &[i64], filter: &Filter) -> Result<Vec<Stored>, Error>;

    /// What stands at these places of a session's episodic memory.
    async fn at_places(&self, org: OrgId, places: &[(SessionId, u64)]) -> Result<Vec<Stored>, Error>;

    /// Whose texts are not embedded under this name, the oldest first, beyond a number: it costs as much as there are beyond. What was
    /// refused once is left out.
    async fn unembedded(&self, embedder: &str, of: &Owners, after: i64, limit: usize)
    -> Result<Vec<Unembedded>, Error>;

    /// Stores vectors under this name; those without values say that a text has none. Memories that are gone are skipped.
    async fn embed(&self, embedder: &str, vectors: Vec<Vector>) -> Result<(), Error>;

    /// Vectors under this name that were stored after a version, or whose memories were confirmed or superseded since, in that
    /// order.
    async fn vectors(&self, org: OrgId, embedder: &str, after: i64, limit: usize) -> Result<Vec<Placed>, Error>;

    /// The vectors of these numbers.
    async fn vectors_of(&self, org: OrgId, embedder: &str, numbers: &[i64]) -> Result<Vec<(i64, Vec<f32>)>, Error>;

    /// Forgets vectors under other names. Tells how many.
    async fn forget_vectors(&self, except: &str, limit: usize) -> Result<u64, Error>;

    /// Memories that were to be gone by now, of whatever organisation.
    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<(OrgId, MemoryId)>, Error>;

    /// Episodic memories from before a time, a session at a time: one session's, in the order of their places.
    async fn aged(&self, before: Timestamp, limit: usize) -> Result<Vec<Stored>, Error>;

    /// Leaves nothing of what was removed behind in the files of the database, as far as the database can.
    async fn scrub(&self) -> Result<(), Error>;
}
