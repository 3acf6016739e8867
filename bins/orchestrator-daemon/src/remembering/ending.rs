//! What a session came to.

use orchestrator_memory::{COVERS_MAX, Draft, Kind, Memory, Scope, Tier, extract};
use orchestrator_sessions::Session;
use orchestrator_tasks::{State, Task};
use orchestrator_vocab::Label;
use serde_json::{Map, Value};

use super::episodes::{entry_of, shortened};

/// The longest summary of a session, in tokens.
pub(super) const SUMMARY_TOKENS: usize = 400;
/// Of what came of a task, in bytes.
const OUTCOME_BYTES_MAX: usize = 4_096;
/// Of what a tool answered, for a model that sums up, in bytes.
const RESULT_BYTES_MAX: usize = 2_048;
/// Tools that change files, and the argument that names which.
const WRITING: [(&str, &str); 4] =
    [("fs_write", "path"), ("fs_edit", "path"), ("fs_remove", "path"), ("fs_move", "to")];
/// How people say that something is left to do. English.
const OPEN: [&str; 6] = ["todo", "not yet", "still to", "remains to", "open question", "next step"];

/// A session that is over, with what is remembered of it.
pub(super) struct Ending<'a> {
    pub(super) session: &'a Session,
    pub(super) scope: &'a Scope,
    pub(super) episodes: &'a [Memory],
    title: &'a str,
    said: String,
    /// Of everything that happened in it.
    pub(super) label: Label,
}

pub(super) fn about(session: &Session, scope: &Scope, label: Label, kind: Kind, text: String) -> Draft {
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

/// How a summary names the stretch that it is of: by the entry at which that ends.
pub(super) fn stretch_before(session: &Session, entry: u64) -> String {
    format!("{}#<{entry}", session.id)
}

impl<'a> Ending<'a> {
    pub(super) fn of(session: &'a Session, task: Option<&'a Task>, scope: &'a Scope, episodes: &'a [Memory]) -> Self {
        let said = task.and_then(|task| match &task.state {
            State::Completed { result: Value::String(text) } => Some(text.clone()),
            State::Completed { result } => Some(result.to_string()),
            State::Failed { error, .. } => Some(error.to_string()),
            _ => None,
        });
        let said = said.or_else(|| session.last_output.clone()).unwrap_or_default();
        let label = episodes.iter().map(|episode| episode.label).reduce(Label::join).unwrap_or_default();
        Self { session, scope, episodes, title: task.map_or("a task", |task| task.title.as_str()), said, label }
    }

    pub(super) fn title(&self) -> &str {
        self.title
    }

    pub(super) fn status(&self) -> &'static str {
        self.session.state.status().as_str()
    }

    /// For a model that sums up: the latest summary of a stretch, and what came after it.
    pub(super) fn texts(&self) -> Vec<String> {
        let summaries = self.episodes.iter().filter(|memory| memory.kind == Kind::Summary);
        let latest = summaries.filter_map(|memory| Some((end_of_stretch(memory)?, memory))).max_by_key(|(end, _)| *end);
        let after = latest.map_or(0, |(end, _)| end);
        let since =
            self.episodes.iter().filter(|memory| memory.kind != Kind::Summary && entry_of(&memory.metadata) >= after);
        let text = |memory: &Memory| match memory.kind {
            Kind::ToolResult => shortened(&memory.text, RESULT_BYTES_MAX).to_owned(),
            _ => memory.text.clone(),
        };
        let earlier = latest.map(|(_, memory)| format!("Summary of what came before: {}", memory.text));
        earlier.into_iter().chain(since.map(text)).collect()
    }

    /// What is remembered of it: its outcome and, if anything happened in it, its summary. A model's, if there is one.
    pub(super) fn drafts(&self, learned: &[Memory], by_model: Option<String>, facts: Map<String, Value>) -> Vec<Draft> {
        let (session, said) = (self.session, shortened(self.said.trim(), OUTCOME_BYTES_MAX));
        let outcome = format!("\"{}\" was {} by {}: {said}", self.title, self.status(), session.agent);
        let outcome = outcome.trim_end_matches(": ").to_owned();
        let outcome = about(session, self.scope, self.label, Kind::Outcome, outcome);
        if self.episodes.is_empty() {
            return vec![outcome];
        }
        let text = self.summary(learned, by_model);
        let happened = self.episodes.iter().filter(|memory| memory.kind != Kind::Summary);
        let covers = happened.map(|memory| memory.id).take(COVERS_MAX).collect();
        let known = learned.iter().map(|memory| memory.id.to_string());
        let summary = about(session, self.scope, self.label, Kind::Summary, text);
        let sources = summary.sources.iter().cloned().chain(known).collect();
        vec![outcome, Draft { covers, sources, metadata: facts, ..summary }]
    }

    fn summary(&self, learned: &[Memory], by_model: Option<String>) -> String {
        let is_by_rules = by_model.is_none();
        let told = by_model.unwrap_or_else(|| {
            let turns = self.episodes.iter().filter(|episode| episode.kind == Kind::Turn);
            let texts: Vec<&str> = turns.map(|episode| episode.text.as_str()).collect();
            extract(&texts, SUMMARY_TOKENS)
        });
        let mut text = format!("Session on \"{}\", {}.\n{told}", self.title, self.status());
        let mut list = |head: &str, items: Vec<String>| {
            if !items.is_empty() {
                text.push_str(&format!("\n{head}: {}", items.join("; ")));
            }
        };
        if is_by_rules {
            let decisions = learned.iter().filter(|memory| memory.kind == Kind::Decision);
            list("Decisions", decisions.map(|memory| memory.text.clone()).collect());
        }
        // Which files were changed is told by the calls, whoever sums up.
        list("Files", files(self.episodes));
        if is_by_rules {
            list("Open", open_ends(&self.said));
        }
        text
    }
}

/// The entry at which the stretch ends that a summary is of.
fn end_of_stretch(summary: &Memory) -> Option<u64> {
    summary.sources.iter().find_map(|source| source.split_once("#<")?.1.parse().ok())
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
