use std::collections::HashSet;
use std::sync::Arc;

use orchestrator_agents::MemoryScope;
use orchestrator_memory::{COVERS_MAX, Draft, Filter, Kind, Memories, Memory, MemoryId, Scope, extract};
use orchestrator_sessions::{Session, Sessions};
use orchestrator_tasks::Backlog;
use orchestrator_transcript::Usage;
use orchestrator_vocab::{Actor, Label, OrgId, SessionId};
use serde_json::Value;
use tokio::sync::Mutex;

use super::ending::{Ending, SUMMARY_TOKENS, about, stretch_before};
use super::episodes::{Reader, entry_of};
use super::scribe::{Payer, Purpose, Scribe};
use super::{learning, prompts};
use crate::adapters::{Roster, requester};

/// The longest name of a person in a scope.
const NAME_MAX: usize = 128;
/// How many episodes are stored at once.
const BATCH: usize = 500;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Puts what is in the journals of sessions into memory. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) memories: Memories,
    pub(crate) sessions: Sessions,
    pub(crate) backlog: Backlog,
    pub(crate) roster: Roster,
    pub(crate) scribe: Scribe,
    /// An entry is put in once, and what is known is not learned again: one at a time.
    one: Arc<Mutex<()>>,
}

/// A part of a conversation that is to be summed up.
pub(super) struct Part<'a> {
    /// Its messages, for a model.
    pub(super) messages: &'a [String],
    /// Their lines, for the rules.
    pub(super) lines: &'a [&'a str],
    pub(super) label: Label,
    /// Where it ends.
    pub(super) before_entry: u64,
    /// How long its summary may be.
    pub(super) tokens_max: usize,
}

impl Recorder {
    pub(crate) fn new(
        memories: Memories,
        sessions: Sessions,
        (backlog, roster): (Backlog, Roster),
        scribe: Scribe,
    ) -> Self {
        Self { memories, sessions, backlog, roster, scribe, one: Arc::default() }
    }

    /// Whose memories those of a session are, by `memory` of its agent's file; otherwise of the person whose work it is, else of the
    /// agent.
    pub(crate) async fn scope(&self, session: &Session) -> Scope {
        let own = || Scope::Agent(session.agent.clone());
        match self.roster.profile(session.org, &session.agent).and_then(|profile| profile.memory) {
            Some(MemoryScope::Project) => Scope::Organisation,
            Some(MemoryScope::Local) => own(),
            Some(MemoryScope::User) | None => self.person(session).await.map_or_else(own, Scope::User),
        }
    }

    /// Whose work it is.
    async fn person(&self, session: &Session) -> Option<String> {
        let (task, _) = self.backlog.get(session.org, session.task).await.ok()?;
        match requester(&task)? {
            Actor::User(subject) if subject.len() <= NAME_MAX && !subject.is_empty() => Some(subject),
            _ => None,
        }
    }

    /// Remembers what happened in a session and is not remembered yet; tells all that did, in its order.
    pub(crate) async fn catch_up(&self, session: &Session, scope: &Scope) -> Result<Vec<Memory>, Failure> {
        let _one = self.one.lock().await;
        let known = self.memories.episodes(session.org, session.id).await?;
        let last = known.iter().map(|memory| entry_of(&memory.metadata)).max().unwrap_or_default();
        let mut place = known.iter().filter_map(|memory| memory.place).max().map_or(1, |place| place + 1);
        let (mut reader, mut drafts) = (Reader::default(), Vec::new());
        for numbered in self.sessions.entries(session.org, session.id).await? {
            let draft = reader.read(session, scope, &numbered);
            if let Some(draft) = draft.filter(|_| numbered.number > last) {
                drafts.push(Draft { place: Some(place), ..draft });
                place += 1;
            }
        }
        let mut episodes = known;
        let by = Actor::Agent(session.agent.clone());
        for some in drafts.chunks(BATCH) {
            episodes.extend(self.memories.store_many(session.org, &by, some.to_vec()).await?);
        }
        Ok(episodes)
    }

    /// A session is over: what it came to, what is to be learned from it, and what it comes down to. Done once, however often it is
    /// asked for.
    pub(crate) async fn conclude(&self, org: OrgId, id: SessionId) -> Result<(), Failure> {
        self.memories.session_ended(org, id).await?;
        if !self.memories.config().learning_enabled {
            return Ok(());
        }
        let session = self.sessions.get(org, id).await?;
        let outcome = Filter { kinds: vec![Kind::Outcome], session: Some(id), ..Filter::default() };
        if session.ended_at.is_none() || !self.memories.list(org, &outcome, None, 1).await?.is_empty() {
            return Ok(());
        }
        let scope = self.scope(&session).await;
        let episodes = self.catch_up(&session, &scope).await?;
        let task = self.backlog.get(org, session.task).await.ok().map(|(task, _)| task);
        let ending = Ending::of(&session, task.as_ref(), &scope, &episodes);
        let by = Actor::Agent(session.agent.clone());
        let (lessons, learning) = learning::lessons_of(&self.scribe, &ending).await;
        let learned = {
            let _one = self.one.lock().await;
            self.memories.learn(org, &by, lessons).await?
        };
        learning::counted(&self.scribe, &learned, &learning);
        let about = prompts::session(ending.title(), ending.status());
        let purpose = (Purpose::Session, about.as_str());
        let written = self.scribe.sum_up(&Payer::of(&session), purpose, &ending.texts(), SUMMARY_TOKENS).await;
        let mut facts = written.facts;
        facts.insert("learning".to_owned(), Value::Object(learning));
        self.memories.store_many(org, &by, ending.drafts(&learned, written.what, facts)).await?;
        Ok(())
    }

    /// What a stretch of a session comes down to, kept with the list of what it stands for, and what making it cost. The same stretch is
    /// summed up once.
    pub(super) async fn sum_up(&self, session: &Session, part: Part<'_>) -> Result<(Memory, Usage), Failure> {
        let scope = self.scope(session).await;
        let episodes = self.catch_up(session, &scope).await?;
        let source = stretch_before(session, part.before_entry);
        let earlier = episodes.iter().filter(|memory| memory.kind == Kind::Summary);
        if let Some(known) = earlier.clone().find(|memory| memory.sources.contains(&source)) {
            return Ok((known.clone(), usage_of(known)));
        }
        // What an earlier one stands for is named there.
        let covered: HashSet<MemoryId> = earlier.flat_map(|summary| summary.covers.iter().copied()).collect();
        let is_of_stretch = |memory: &&Memory| {
            memory.kind != Kind::Summary
                && entry_of(&memory.metadata) < part.before_entry
                && !covered.contains(&memory.id)
        };
        let covers = episodes.iter().filter(is_of_stretch).map(|memory| memory.id).take(COVERS_MAX).collect();
        let purpose = (Purpose::Stretch, prompts::STRETCH);
        let written = self.scribe.sum_up(&Payer::of(session), purpose, part.messages, part.tokens_max).await;
        let text = written.what.unwrap_or_else(|| extract(part.lines, part.tokens_max));
        let draft = about(session, &scope, part.label, Kind::Summary, text);
        let draft = Draft { covers, sources: [source].into(), metadata: written.facts, ..draft };
        let memory = self.memories.store(session.org, &Actor::Agent(session.agent.clone()), draft).await?;
        Ok((memory, written.usage))
    }
}

/// What making a summary cost.
fn usage_of(summary: &Memory) -> Usage {
    summary.metadata.get("usage").and_then(|usage| serde_json::from_value(usage.clone()).ok()).unwrap_or_default()
}
