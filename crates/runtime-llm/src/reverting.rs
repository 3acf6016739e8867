use orchestrator_sessions::{Entry, Numbered};
use serde_json::{Value, json};

use crate::Unreadable;
use crate::conversation::{Conversation, Summed, TakenBack, noted};

/// What is noted in a journal to take a summary back, with the facts of [`taken_back`].
pub const REVERTED: &str = noted::REVERTED;

/// The summaries that stand in the place of older parts of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Summaries {
    /// The oldest first; each was made of what came before it, with the one before.
    pub standing: Vec<Standing>,
    /// How long the conversation is, in tokens as they are estimated.
    pub tokens: u64,
    /// How long it would be without the latest of them.
    pub tokens_without_latest: u64,
    /// How long it may be: `contextTokens`, or less if its model found that too long.
    pub tokens_max: u64,
}

/// A summary that stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The entry of the journal that brought it.
    pub entry: u64,
    /// What whoever made it knows of it.
    pub facts: Value,
}

/// The summaries of a conversation, as its journal tells it. Those that are to be taken back do not stand any more.
///
/// # Errors
/// [`Unreadable`]: it is not whole, or of another runtime.
pub fn summaries(entries: &[Numbered]) -> Result<Summaries, Unreadable> {
    let begun = entries.iter().position(|entry| matches!(entry.entry, Entry::Began { .. })).unwrap_or_default();
    let Some(mut conversation) = Conversation::of(&entries[begun..])? else {
        return Err(Unreadable { number: 1, problem: "the session has not begun".to_owned() });
    };
    conversation.gather(u64::MAX);
    let entries_of = conversation.summaries();
    let facts = |entry: u64| {
        let noted = entries.iter().find(|numbered| numbered.number == entry);
        let Some(Entry::Noted { facts, .. }) = noted.map(|numbered| &numbered.entry) else { return Value::Null };
        serde_json::from_value(facts.clone()).map_or(Value::Null, |summed: Summed| summed.more)
    };
    let (tokens, tokens_max) = conversation.length();
    Ok(Summaries {
        standing: entries_of.iter().map(|entry| Standing { entry: *entry, facts: facts(*entry) }).collect(),
        tokens,
        tokens_without_latest: entries_of.last().map_or(tokens, |latest| conversation.length_without(*latest)),
        tokens_max,
    })
}

/// What is noted to take the summary of an entry back. It holds from the next request to the model on.
pub fn taken_back(entry: u64) -> Value {
    json!(TakenBack { entry })
}
