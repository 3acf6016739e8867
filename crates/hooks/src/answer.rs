use serde::Deserialize;
use serde_json::Value;

use crate::{Event, Verdict};

/// The longest reason and context of one answer, in characters; more is cut off.
const REASON_CHARS_MAX: usize = 2_000;
const CONTEXT_CHARS_MAX: usize = 10_000;

/// What one hook says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// Whether it may be done; `None`: no opinion.
    pub verdict: Option<Verdict>,
    /// Why.
    pub reason: Option<String>,
    /// The arguments with which it is to be done instead.
    pub input: Option<Value>,
    /// What the agent is to know beside.
    pub context: Option<String>,
}

/// What a hook said is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its answer cannot be read: {0}")]
pub struct Unreadable(String);

/// In the words that coding agents' hooks use; what else is said is not looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    r#continue: Option<bool>,
    stop_reason: Option<String>,
    decision: Option<Plain>,
    reason: Option<String>,
    system_message: Option<String>,
    hook_specific_output: Specific,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Plain {
    Approve,
    Block,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Specific {
    permission_decision: Option<Verdict>,
    permission_decision_reason: Option<String>,
    updated_input: Option<Value>,
    additional_context: Option<String>,
}

impl Answer {
    /// It may be done.
    pub fn allow() -> Self {
        Self { verdict: Some(Verdict::Allow), ..Self::default() }
    }

    /// A person is to be asked.
    pub fn ask(reason: impl Into<String>) -> Self {
        Self { verdict: Some(Verdict::Ask), reason: Some(reason.into()), ..Self::default() }
    }

    /// It must not be done.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self { verdict: Some(Verdict::Deny), reason: Some(reason.into()), ..Self::default() }
    }

    /// What a program printed, or a server answered. What is no JSON object is nothing, except for what a person says: there
    /// it is context.
    ///
    /// # Errors
    /// [`Unreadable`]: it is an object and none of this kind.
    pub fn read(text: &str, event: Event) -> Result<Self, Unreadable> {
        let text = text.trim();
        if !text.starts_with('{') {
            let is_context = event == Event::UserPromptSubmit && !text.is_empty();
            return Ok(Self { context: is_context.then(|| text.to_owned()), ..Self::default() }.bounded());
        }
        let said: Said = serde_json::from_str(text).map_err(|error| Unreadable(error.to_string()))?;
        Ok(said.into_answer().bounded())
    }

    /// Cut to what is kept of an answer.
    pub(crate) fn bounded(mut self) -> Self {
        self.reason = self.reason.map(|reason| reason.chars().take(REASON_CHARS_MAX).collect());
        self.context = self.context.map(|context| context.chars().take(CONTEXT_CHARS_MAX).collect());
        self
    }
}

impl Said {
    /// Of several words the strictest counts.
    fn into_answer(self) -> Answer {
        let Specific { permission_decision, permission_decision_reason, updated_input, additional_context } =
            self.hook_specific_output;
        let ends = (self.r#continue == Some(false)).then_some(Verdict::Deny);
        let plain = self.decision.map(|decision| match decision {
            Plain::Approve => Verdict::Allow,
            Plain::Block => Verdict::Deny,
        });
        let verdict = [permission_decision, plain, ends].into_iter().flatten().max();
        let ended_why = self.stop_reason.filter(|_| ends.is_some());
        let reason = permission_decision_reason.or(self.reason).or(ended_why).or(self.system_message);
        Answer { verdict, reason, input: updated_input, context: additional_context }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(said: Value, verdict: Option<Verdict>, reason: Option<&str>) {
        let answer = Answer::read(&said.to_string(), Event::PreToolUse).unwrap();
        assert_eq!((answer.verdict, answer.reason.as_deref()), (verdict, reason), "{said}");
    }

    #[test]
    fn the_words_of_coding_agents_are_understood() {
        check(json!({}), None, None);
        check(json!({"decision": "approve", "reason": "fine"}), Some(Verdict::Allow), Some("fine"));
        check(json!({"decision": "block", "reason": "no"}), Some(Verdict::Deny), Some("no"));
        check(json!({"continue": false, "stopReason": "enough"}), Some(Verdict::Deny), Some("enough"));
        check(json!({"continue": true, "suppressOutput": true, "stopReason": "never"}), None, None);
        let specific = |decision: &str| {
            json!({"hookSpecificOutput": {"hookEventName": "PreToolUse",
            "permissionDecision": decision, "permissionDecisionReason": "why"}})
        };
        check(specific("allow"), Some(Verdict::Allow), Some("why"));
        check(specific("ask"), Some(Verdict::Ask), Some("why"));
        check(specific("deny"), Some(Verdict::Deny), Some("why"));
    }

    #[test]
    fn of_words_that_disagree_the_strictest_counts() {
        let both = json!({"decision": "block", "hookSpecificOutput": {"permissionDecision": "allow"}});
        check(both, Some(Verdict::Deny), None);
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_other_text_is_nothing() {
        for wrong in [r#"{"decision": "perhaps"}"#, r#"{"hookSpecificOutput": {"permissionDecision": "defer"}}"#, "{"] {
            Answer::read(wrong, Event::PreToolUse).unwrap_err();
        }
        assert_eq!(Answer::read("done\n", Event::PreToolUse), Ok(Answer::default()));
        let context = Answer::read("it is Monday\n", Event::UserPromptSubmit).unwrap().context;
        assert_eq!(context.as_deref(), Some("it is Monday"));
    }

    #[test]
    fn an_answer_has_bounds() {
        let long = "x".repeat(20_000);
        let said = json!({"reason": long, "hookSpecificOutput": {"additionalContext": long}}).to_string();
        let answer = Answer::read(&said, Event::PostToolUse).unwrap();
        let lengths = (answer.reason.map(|text| text.len()), answer.context.map(|text| text.len()));
        assert_eq!(lengths, (Some(2_000), Some(10_000)));
    }
}
