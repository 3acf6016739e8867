use orchestrator_transcript::{Message, Stop, StopReason};
use orchestrator_vocab::Label;
use serde_json::{Value, json};

use super::{Conversation, Next, SHORTENED_MAX, fail, noted};

impl Conversation {
    /// What follows an answer that calls no tool.
    pub(super) fn after(&self, stop: &Stop, text: &str) -> Next {
        if !self.waiting.is_empty() {
            return self.ask();
        }
        match &stop.reason {
            StopReason::MaxTokens => self.go_on("Your answer was cut off. Go on exactly where it ended."),
            StopReason::PauseTurn | StopReason::Compaction => self.go_on("Go on."),
            StopReason::ModelContextWindowExceeded if self.can_be_shorter() => {
                Next::Note { what: noted::TOO_LONG, facts: Value::Null, message: None }
            }
            StopReason::ModelContextWindowExceeded => {
                fail("the conversation is too long for the model, also after it was made shorter")
            }
            StopReason::Refusal { category, explanation } => {
                let said = [category, explanation].into_iter().flatten().cloned().collect::<Vec<_>>().join(": ");
                fail(if said.is_empty() { "the model refused".into() } else { format!("the model refused: {said}") })
            }
            _ => Next::Finish { result: result(&self.earlier, text) },
        }
    }

    fn go_on(&self, advice: &str) -> Next {
        if self.continuations >= self.profile.limits.continuations {
            return fail(format!("the answer was cut off {} times in a row (continuations)", self.continuations + 1));
        }
        Next::Note { what: noted::CONTINUED, facts: json!({}), message: Some(Message::user(Label::USER, advice)) }
    }

    /// How often it was made shorter since it last fitted.
    pub(crate) fn shortened(&self) -> u32 {
        self.shortened
    }

    /// Whether a conversation that is too long for its model can still be made shorter.
    pub(crate) fn can_be_shorter(&self) -> bool {
        self.shortened < SHORTENED_MAX
    }
}

/// An answer that is a JSON object or array is that; any other is text. One that came in parts is all of them.
fn result(earlier: &str, text: &str) -> Value {
    let whole = format!("{earlier}{text}");
    match serde_json::from_str(whole.trim()) {
        Ok(structured @ (Value::Object(_) | Value::Array(_))) => structured,
        _ => Value::String(whole),
    }
}
