use orchestrator_sessions::{Entry, Numbered};
use orchestrator_transcript::Usage;
use orchestrator_vocab::OrgId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Unreadable;
use crate::conversation::{Conversation, Next};

/// What running a journal again came to. Nothing is asked or called: the answers and results are those of the journal, and
/// what is looked at is whether the same requests would be made and the same decisions taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// How many entries were read.
    pub entries: u64,
    /// How many answers of a model.
    pub turns: u32,
    /// How many calls of tools came back.
    pub calls: u64,
    /// What the answers cost in tokens.
    pub usage: Usage,
    /// What would be done next: `ask`, `call`, `note`, `wait`, `finish` or `fail`; `erased` if texts were erased since.
    pub next: String,
    /// The result, if it is finished; why it waits or failed, if it does.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub outcome: Value,
    /// Where it came to something else than the journal says; empty if it is the same throughout.
    pub divergences: Vec<Divergence>,
    /// How many texts of the session were erased since. Then nothing is run: what was asked cannot be made anew.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub erased: u64,
}

/// A place where a replay came to something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Divergence {
    /// The entry.
    pub number: u64,
    /// What the journal says.
    pub journal: String,
    /// What came of the replay.
    pub replay: String,
}

/// Runs a session's journal again, from its beginning.
///
/// # Errors
/// [`Unreadable`]: it is not whole, or of another runtime.
pub fn replay(org: OrgId, entries: &[Numbered]) -> Result<Replay, Unreadable> {
    let begun = entries.iter().position(|entry| matches!(entry.entry, Entry::Began { .. })).unwrap_or_default();
    let Some((first, rest)) = entries[begun..].split_first() else {
        return Err(Unreadable { number: 1, problem: "the session has not begun".to_owned() });
    };
    let mut conversation = Conversation::begin(first)?;
    let (mut divergences, mut calls) = (Vec::new(), 0);
    for numbered in rest {
        if let Some((journal, replay)) = differs(&mut conversation, org, &numbered.entry) {
            divergences.push(Divergence { number: numbered.number, journal, replay });
        }
        calls += u64::from(matches!(numbered.entry, Entry::Returned { .. }));
        conversation.apply(numbered)?;
    }
    let (next, outcome) = told(conversation.next());
    Ok(Replay {
        entries: entries.len() as u64,
        turns: conversation.turns,
        calls,
        usage: conversation.usage,
        next: next.to_owned(),
        outcome,
        divergences,
        erased: 0,
    })
}

/// What there is to say of a session some texts of which were erased: as much as was done, and nothing about whether it would be
/// done again.
pub(crate) fn replay_of_erased(entries: &[Numbered], erased: u64) -> Replay {
    let answers = entries.iter().filter_map(|numbered| match &numbered.entry {
        Entry::Answered { usage, .. } => Some(*usage),
        _ => None,
    });
    Replay {
        entries: entries.len() as u64,
        turns: u32::try_from(answers.clone().count()).unwrap_or(u32::MAX),
        calls: entries.iter().filter(|numbered| matches!(numbered.entry, Entry::Returned { .. })).count() as u64,
        usage: answers.fold(Usage::default(), |all, one| all + one),
        next: "erased".to_owned(),
        outcome: Value::Null,
        divergences: Vec::new(),
        erased,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it on like this")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The journal's word and ours, where an entry is not what would be done now.
fn differs(conversation: &mut Conversation, org: OrgId, entry: &Entry) -> Option<(String, String)> {
    match entry {
        Entry::Asked { request, upto, .. } => {
            let next = conversation.next();
            if next != Next::Ask {
                return Some(("ask".to_owned(), told(next).0.to_owned()));
            }
            conversation.deliver(*upto);
            let ours = conversation.request(org).digest();
            (ours != *request).then(|| (format!("request {request}"), format!("request {ours}")))
        }
        Entry::Noted { what, message: Some(message), .. } => match conversation.next() {
            Next::Note { what: ours, message: Some(said), .. } if ours == what && said == *message => None,
            // What others note is theirs.
            next if is_ours(what) => Some((format!("note {what}"), told(next).0.to_owned())),
            _ => None,
        },
        Entry::Calling { call, .. } => match conversation.next() {
            Next::Call(due) if due.iter().any(|due| due.call.id == *call) => None,
            next => Some((format!("call {call}"), told(next).0.to_owned())),
        },
        _ => None,
    }
}

fn is_ours(what: &str) -> bool {
    use crate::conversation::noted;
    [noted::CONTINUED, noted::CIRCLES].contains(&what)
}

fn told(next: Next) -> (&'static str, Value) {
    match next {
        Next::Ask => ("ask", Value::Null),
        Next::Call(_) => ("call", Value::Null),
        Next::Note { .. } => ("note", Value::Null),
        Next::Wait { reason } => ("wait", Value::String(reason)),
        Next::Finish { result } => ("finish", result),
        Next::Fail { error } => ("fail", Value::String(error)),
    }
}
