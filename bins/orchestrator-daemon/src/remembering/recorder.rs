use std::collections::HashSet;
use std::sync::Arc;

use orchestrator_memory::{COVERS_MAX, Draft, Filter, Kind, Memories, Memory, MemoryId, Scope, Tier, extract};
use orchestrator_sessions::{Session, Sessions};
use orchestrator_tasks::{Backlog, State, Task};
use orchestrator_vocab::{Actor, Label, OrgId, SessionId};
use serde_json::Value;
use tokio::sync::Mutex;

use super::episodes::{Reader, entry_of, shortened};
use super::lessons::lessons;
use crate::adapters::requester;

/// The longest name of a person in a scope.
const NAME_MAX: usize = 128;
/// How many episodes are stored at once.
const BATCH: usize = 500;
/// The longest summary of a session, in tokens.
const SUMMARY_TOKENS: usize = 400;
/// Of what came of a task, in bytes.
const OUTCOME_BYTES_MAX: usize = 4_096;
/// Tools that change files, and the argument that names which.
const WRITING: [(&str, &str); 4] =
    [("fs_write", "path"), ("fs_edit", "path"), ("fs_remove", "path"), ("fs_move", "to")];
/// How people say that something is left to do. English.
const OPEN: [&str; 6] = ["todo", "not yet", "still to", "remains to", "open question", "next step"];

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Puts what is in the journals of sessions into memory. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) memories: Memories,
    pub(crate) sessions: Sessions,
    pub(crate) backlog: Backlog,
    /// An entry is put in once: one at a time.
    one: Arc<Mutex<()>>,
}

impl Recorder {
    pub(crate) fn new(memories: Memories, sessions: Sessions, backlog: Backlog) -> Self {
        Self { memories, sessions, backlog, one: Arc::default() }
    }

    /// Whose memories those of a session are: of the person whose work it is, else of the agent.
    pub(crate) async fn scope(&self, session: &Session) -> Scope {
        let requester = match self.backlog.get(session.org, session.task).await {
            Ok((task, _)) => requester(&task),
            Err(_) => None,
        };
        match requester {
            Some(Actor::User(subject)) if subject.len() <= NAME_MAX && !subject.is_empty() => Scope::User(subject),
            _ => Scope::Agent(session.agent.clone()),
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
        let by = Actor::Agent(session.agent.clone());
        let learned = self.memories.learn(org, &by, lessons(&episodes, &scope)).await?;
        let label = episodes.iter().map(|episode| episode.label).reduce(Label::join).unwrap_or_default();
        let drafts = ending(&session, task.as_ref(), &scope, label, (&episodes, &learned));
        self.memories.store_many(org, &by, drafts).await?;
        Ok(())
    }

    /// What a stretch of a session comes down to, kept with the list of what it stands for. The same stretch is summed up once.
    pub(crate) async fn sum_up(
        &self,
        session: &Session,
        (text, label): (String, Label),
        before_entry: u64,
    ) -> Result<Memory, Failure> {
        let scope = self.scope(session).await;
        let episodes = self.catch_up(session, &scope).await?;
        let source = format!("{}#<{before_entry}", session.id);
        let earlier = episodes.iter().filter(|memory| memory.kind == Kind::Summary);
        if let Some(known) = earlier.clone().find(|memory| memory.sources.contains(&source)) {
            return Ok(known.clone());
        }
        // What an earlier one stands for is named there.
        let covered: HashSet<MemoryId> = earlier.flat_map(|summary| summary.covers.iter().copied()).collect();
        let is_of_stretch = |memory: &&Memory| {
            memory.kind != Kind::Summary && entry_of(&memory.metadata) < before_entry && !covered.contains(&memory.id)
        };
        let covers = episodes.iter().filter(is_of_stretch).map(|memory| memory.id).take(COVERS_MAX).collect();
        let draft = Draft { covers, sources: [source].into(), ..about(session, &scope, label, Kind::Summary, text) };
        Ok(self.memories.store(session.org, &Actor::Agent(session.agent.clone()), draft).await?)
    }
}

fn about(session: &Session, scope: &Scope, label: Label, kind: Kind, text: String) -> Draft {
    Draft {
        scope: scope.clone(),
        label,
        session: Some(session.id),
        task: Some(session.task),
        agent: Some(session.agent.clone()),
        sources: [session.id.to_string()].into(),
        ..Draft::new(Tier::Episodic, kind, text)
    }
}

fn ending(
    session: &Session,
    task: Option<&Task>,
    scope: &Scope,
    label: Label,
    (episodes, learned): (&[Memory], &[Memory]),
) -> Vec<Draft> {
    let title = task.map_or("a task", |task| task.title.as_str());
    let status = session.state.status().as_str();
    let said = task.and_then(|task| match &task.state {
        State::Completed { result: Value::String(text) } => Some(text.clone()),
        State::Completed { result } => Some(result.to_string()),
        State::Failed { error, .. } => Some(error.to_string()),
        _ => None,
    });
    let said = said.or_else(|| session.last_output.clone()).unwrap_or_default();
    let outcome =
        format!("\"{title}\" was {status} by {}: {}", session.agent, shortened(said.trim(), OUTCOME_BYTES_MAX));
    let outcome = about(session, scope, label, Kind::Outcome, outcome.trim_end_matches(": ").to_owned());
    if episodes.is_empty() {
        return vec![outcome];
    }
    let texts: Vec<&str> = episodes.iter().filter(|e| e.kind == Kind::Turn).map(|e| e.text.as_str()).collect();
    let mut text = format!("Session on \"{title}\", {status}.\n{}", extract(&texts, SUMMARY_TOKENS));
    let mut list = |head: &str, items: Vec<String>| {
        if !items.is_empty() {
            text.push_str(&format!("\n{head}: {}", items.join("; ")));
        }
    };
    let of_kind =
        |kind: Kind| learned.iter().filter(|memory| memory.kind == kind).map(|memory| memory.text.clone()).collect();
    list("Decisions", of_kind(Kind::Decision));
    list("Files", files(episodes));
    list("Open", open_ends(&said));
    let covers = episodes
        .iter()
        .filter(|memory| memory.kind != Kind::Summary)
        .map(|memory| memory.id)
        .take(COVERS_MAX)
        .collect();
    let facts = learned.iter().map(|memory| memory.id.to_string());
    let summary = about(session, scope, label, Kind::Summary, text);
    vec![outcome, Draft { covers, sources: summary.sources.iter().cloned().chain(facts).collect(), ..summary }]
}

/// Those that the agent had written, as its calls say.
fn files(episodes: &[Memory]) -> Vec<String> {
    let calls = episodes.iter().flat_map(|episode| episode.text.lines()).filter_map(|line| {
        let (tool, arguments) = line.strip_prefix("[called ")?.strip_suffix(']')?.split_once(' ')?;
        let (_, argument) = WRITING.iter().find(|(name, _)| *name == tool)?;
        let arguments: Value = serde_json::from_str(arguments).ok()?;
        Some(arguments.get(*argument)?.as_str()?.to_owned())
    });
    let mut files: Vec<String> = calls.collect();
    files.sort();
    files.dedup();
    files.truncate(20);
    files
}

fn open_ends(said: &str) -> Vec<String> {
    let is_open = |line: &&str| OPEN.iter().any(|word| line.to_lowercase().contains(word));
    said.lines().map(str::trim).filter(is_open).take(5).map(|line| shortened(line, 200).to_owned()).collect()
}
