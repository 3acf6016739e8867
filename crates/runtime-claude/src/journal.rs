//! What the journal says of what was before.

use orchestrator_sessions::{Entry, Numbered};
use orchestrator_transcript::{Block, Content, Message};
use orchestrator_vocab::Label;
use serde_json::{Value, json};

/// The agent's own id of its conversation is known.
const CONVERSATION: &str = "conversation";
/// It does not know it any more.
const FORGOTTEN: &str = "forgotten";
/// It was told what a person said.
const TOLD: &str = "told";

/// What happened before this run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Past {
    pub(crate) has_begun: bool,
    /// What the agent goes on with.
    pub(crate) conversation: Option<String>,
    /// The number of the last thing a person said that it was told.
    pub(crate) told: u64,
}

impl Past {
    pub(crate) fn of(entries: &[Numbered]) -> Self {
        let mut past = Self::default();
        for Numbered { entry, .. } in entries {
            match entry {
                Entry::Began { .. } => past.has_begun = true,
                Entry::Noted { what, facts, .. } => match what.as_str() {
                    CONVERSATION => past.conversation = facts["id"].as_str().map(str::to_owned),
                    FORGOTTEN => past.conversation = None,
                    TOLD => past.told = facts["input"].as_u64().unwrap_or(past.told),
                    _ => {}
                },
                _ => {}
            }
        }
        past
    }
}

pub(crate) fn began(runtime: &str, profile: Value, task: &str, label: Label) -> Entry {
    Entry::Began { runtime: runtime.to_owned(), profile, message: Message::user(label, task) }
}

pub(crate) fn conversation(id: &str, facts: Value) -> Entry {
    noted(CONVERSATION, json!({ "id": id, "agent": facts }))
}

pub(crate) fn forgotten() -> Entry {
    noted(FORGOTTEN, Value::Null)
}

pub(crate) fn told(input: u64) -> Entry {
    noted(TOLD, json!({ "input": input }))
}

pub(crate) fn noted(what: &str, facts: Value) -> Entry {
    Entry::Noted { what: what.to_owned(), facts, message: None }
}

/// The words of what a person said.
pub(crate) fn words(content: &[Block]) -> String {
    let words = content.iter().filter_map(|block| match &block.content {
        Content::Text { text } => Some(text.as_str()),
        _ => None,
    });
    words.collect::<Vec<_>>().join("\n\n")
}

/// What the agent is told first: the task in words, and as a whole.
pub(crate) fn task(document: &Value) -> String {
    if let Value::String(text) = document {
        return text.clone();
    }
    let part = |field: &str| document[field].as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
    let description = part("description");
    // A title that is the beginning of the description would be told twice.
    let title = part("title").filter(|title| description.as_ref().is_none_or(|text| !text.starts_with(title)));
    let whole = serde_json::to_string_pretty(document).unwrap_or_default();
    let whole = format!("The whole task, with what came of the tasks it depended on:\n\n```json\n{whole}\n```");
    [title, description, Some(whole)].into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use orchestrator_vocab::Timestamp;

    use super::*;

    #[test]
    fn the_last_word_about_the_conversation_counts() {
        let entries = [
            began("claude-code", Value::Null, "do it", Label::USER),
            conversation("a", Value::Null),
            told(4),
            forgotten(),
            conversation("b", Value::Null),
        ];
        let numbered = |(number, entry): (u64, Entry)| Numbered { number, at: Timestamp(0), entry };
        let entries: Vec<Numbered> = (1..).zip(entries).map(numbered).collect();
        assert_eq!(Past::of(&entries), Past { has_begun: true, conversation: Some("b".into()), told: 4 });
        assert_eq!(Past::of(&entries[..4]).conversation, None);
    }

    #[test]
    fn a_task_is_told_in_words_first() {
        let told = task(&json!({ "title": "Mend it", "description": " ", "priority": "high" }));
        assert!(told.starts_with("Mend it\n\nThe whole task") && told.contains("\"priority\": \"high\""), "{told}");
        let told = task(&json!({ "title": "Mend it", "description": "Mend it\nsoon" }));
        assert!(told.starts_with("Mend it\nsoon\n\nThe whole task"), "{told}");
        assert_eq!(task(&json!("just this")), "just this");
    }
}
