//! What is learned from a session: proposed by a model, or by rules. A model only proposes; what is kept, and how far it is believed,
//! is decided here.

use std::collections::{BTreeMap, BTreeSet};

use orchestrator_memory::{Draft, Kind, Memory, State, Tier};
use orchestrator_transcript::Usage;
use orchestrator_vocab::{Integrity, Label};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ending::Ending;
use super::episodes::{entry_of, shortened};
use super::lessons::{LESSONS_MAX, is_persons, lessons};
use super::scribe::{Payer, Scribe};

/// How long the answer may be, in tokens.
const ANSWER_TOKENS: usize = 2_000;
/// The longest memory that is learned, in bytes.
const CONTENT_BYTES_MAX: usize = 600;
/// The shortest words that prove anything, in characters.
const QUOTE_CHARS_MIN: usize = 4;
/// Entries that one proposal may come from.
const ENTRIES_MAX: usize = 16;
/// A model is never as certain as whoever said it.
const CONFIDENCE_MAX: f32 = 0.9;
/// Of an entry that is shown, in bytes.
const RECORD_BYTES_MAX: usize = 4_096;
/// What can be learned.
const KINDS: [Kind; 8] = [
    Kind::Fact,
    Kind::Preference,
    Kind::Correction,
    Kind::Decision,
    Kind::Procedure,
    Kind::ErrorPattern,
    Kind::ToolLesson,
    Kind::Pattern,
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    memories: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proposal {
    #[serde(rename = "type")]
    kind: Kind,
    content: String,
    quote: String,
    entries: BTreeSet<u64>,
    confidence: f32,
}

/// Entries that a model is shown together. Whatever it proposes may come from any of them, also if it says otherwise: it is believed no
/// more than the least of them.
struct Shown<'a> {
    entries: BTreeMap<u64, &'a Memory>,
    label: Label,
    /// What was shown without the others before is not looked for again.
    only_new: bool,
}

/// What may be learned from a session, and who says so.
pub(super) async fn lessons_of(scribe: &Scribe, ending: &Ending<'_>) -> (Vec<Draft>, Map<String, Value>) {
    let (mut found, mut facts, mut invalid) = (Vec::new(), Map::new(), 0_u64);
    let (mut usage, mut requests) = (Usage::default(), 0_u64);
    for shown in readings(ending.episodes) {
        let records: Vec<String> = shown.entries.iter().map(|(entry, memory)| record(*entry, memory)).collect();
        let written = scribe.learn(&Payer::of(ending.session), &records, (ANSWER_TOKENS, proposals)).await;
        facts = written.facts;
        usage += written.usage;
        requests += facts.get("requests").and_then(Value::as_u64).unwrap_or_default();
        facts.extend([("usage".to_owned(), json!(usage)), ("requests".to_owned(), json!(requests))]);
        let Some(answers) = written.what else {
            return (lessons(ending.episodes, ending.scope), facts);
        };
        for proposal in answers.into_iter().flatten() {
            match proposal.and_then(|proposal| shown.checked(proposal, ending)) {
                Some(draft) => found.push(draft),
                None => invalid += 1,
            }
        }
    }
    let left_out = found.len().saturating_sub(LESSONS_MAX);
    found.truncate(LESSONS_MAX);
    if facts.is_empty() {
        facts.insert("by".to_owned(), json!("rules"));
    }
    facts.insert("proposed".to_owned(), json!(found.len()));
    facts.insert("invalid".to_owned(), json!(invalid));
    facts.insert("leftOut".to_owned(), json!(left_out));
    (found, facts)
}

/// What became of the proposals of models.
pub(super) fn counted(scribe: &Scribe, learned: &[Memory], facts: &Map<String, Value>) {
    let of = |field: &str| facts.get(field).and_then(Value::as_u64).unwrap_or_default();
    if facts.get("by") != Some(&json!("model")) {
        return;
    }
    let learned = learned.len() as u64;
    let known = of("proposed").saturating_sub(learned);
    for (outcome, count) in
        [("learned", learned), ("known", known), ("invalid", of("invalid")), ("left_out", of("leftOut"))]
    {
        scribe.metrics().counter("memory_proposals_total", &[("outcome", outcome.into())]).add(count);
    }
}

/// First what somebody vouches for, alone: then nothing that a stranger wrote has a say in it. Then everything, if there is more.
fn readings(episodes: &[Memory]) -> Vec<Shown<'_>> {
    let is_shown = |memory: &&Memory| matches!(memory.kind, Kind::Turn | Kind::ToolResult);
    let all: Vec<&Memory> = episodes.iter().filter(is_shown).collect();
    let vouched: Vec<&Memory> = all.iter().copied().filter(|memory| is_vouched_for(memory)).collect();
    let has_more = vouched.len() < all.len();
    let mut readings = Vec::new();
    if vouched.iter().any(|memory| is_evidence(memory)) {
        readings.push(Shown::of(vouched, false));
    }
    if has_more {
        readings.push(Shown::of(all, true));
    }
    readings
}

fn is_vouched_for(memory: &Memory) -> bool {
    memory.label.integrity >= Integrity::User
}

/// What an agent says proves nothing: it may be what it was told from earlier.
fn is_evidence(memory: &Memory) -> bool {
    memory.kind == Kind::ToolResult || is_persons(memory)
}

fn record(entry: u64, memory: &Memory) -> String {
    let by = match memory.kind {
        Kind::ToolResult => "what a tool answered",
        _ if is_persons(memory) => "what was said to the agent",
        _ => "what the agent said",
    };
    format!("Entry {entry}, {by}:\n{}", shortened(&memory.text, RECORD_BYTES_MAX))
}

/// What a model answered; each proposal by itself, `None` where it is none.
fn proposals(answer: &str) -> Result<Vec<Option<Proposal>>, String> {
    let json = answer.trim().trim_start_matches("```json").trim_start_matches("```").trim_end_matches("```");
    let answer: Answer = serde_json::from_str(json).map_err(|error| error.to_string())?;
    Ok(answer.memories.into_iter().map(|one| serde_json::from_value(one).ok()).collect())
}

impl<'a> Shown<'a> {
    fn of(memories: Vec<&'a Memory>, only_new: bool) -> Self {
        Self {
            label: memories.iter().map(|memory| memory.label).fold(Label::USER, Label::join),
            entries: memories.into_iter().map(|memory| (entry_of(&memory.metadata), memory)).collect(),
            only_new,
        }
    }

    /// A proposal as what it can be believed to be; `None` if it is not what was asked for.
    fn checked(&self, proposal: Proposal, ending: &Ending<'_>) -> Option<Draft> {
        let Proposal { kind, content, quote, entries, confidence } = proposal;
        let content = content.trim();
        let is_sound = KINDS.contains(&kind)
            && (1..=CONTENT_BYTES_MAX).contains(&content.len())
            && (1..=ENTRIES_MAX).contains(&entries.len())
            && (0.0..=1.0).contains(&confidence);
        let sources: Option<Vec<&Memory>> = entries.iter().map(|entry| self.entries.get(entry).copied()).collect();
        let sources = sources.filter(|_| is_sound)?;
        let quoted = words(&quote);
        let proves = |memory: &&&Memory| is_evidence(memory) && words(&memory.text).contains(&quoted);
        if quoted.chars().count() < QUOTE_CHARS_MIN || !sources.iter().any(|memory| proves(&memory)) {
            return None;
        }
        if self.only_new && sources.iter().all(|memory| is_vouched_for(memory)) {
            return None;
        }
        let state = if self.label.integrity >= Integrity::User { State::Active } else { State::Quarantined };
        let metadata = json!({ "by": "model", "quote": shortened(&quoted, CONTENT_BYTES_MAX) });
        let session = ending.session;
        let named = sources.iter().flat_map(|memory| memory.sources.iter().cloned().chain([memory.id.to_string()]));
        Some(Draft {
            scope: ending.scope.clone(),
            label: self.label,
            state,
            confidence: confidence.min(CONFIDENCE_MAX),
            session: Some(session.id),
            task: Some(session.task),
            agent: Some(session.agent.clone()),
            sources: named.collect(),
            metadata: metadata.as_object().cloned().unwrap_or_default(),
            ..Draft::new(Tier::Semantic, kind, content)
        })
    }
}

/// Without what is different about white space.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
