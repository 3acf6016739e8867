//! What is decided about calls of tools, as it is written into the audit log.

use std::collections::BTreeMap;
use std::fmt::Display;

use orchestrator_redact::Redactor;
use orchestrator_security::{Audit, Decision, Entry};
use orchestrator_tools::Context;
use orchestrator_transcript::Digest;
use orchestrator_vocab::Actor;
use serde_json::{Value, json};

/// The longest name that is written down of what is no tool.
const NAME_CHARS_MAX: usize = 128;

/// What was decided about a call, and by whom beside the operator's list.
pub(crate) struct Judged {
    /// Why it is allowed, or why not.
    pub(crate) decided: Result<String, String>,
    /// The charters that were asked, with their digests.
    pub(crate) charters: BTreeMap<String, String>,
}

/// The audit log, and what keeps secrets out of it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Trail {
    pub(crate) audit: Audit,
    pub(crate) redactor: Redactor,
}

impl Trail {
    /// Writes down what was decided.
    ///
    /// # Errors
    /// Why it is not allowed: also because it cannot be written down.
    pub(crate) async fn record(
        &self,
        tool: &impl Display,
        arguments: &Value,
        context: &Context,
        Judged { decided, charters }: Judged,
    ) -> Result<String, String> {
        let tool: String = tool.to_string().chars().take(NAME_CHARS_MAX).collect();
        // What has no digest of its own could be exchanged for something else with the same.
        let digest = Digest::of(&json!({ "arguments": arguments, "name": tool }));
        let decided = match (&decided, &digest) {
            (Ok(_), Err(error)) => Err(error.to_string()),
            _ => decided,
        };
        let (decision, reason) = match &decided {
            Ok(reason) => (Decision::Allowed, reason),
            Err(reason) => (Decision::Denied, reason),
        };
        let entry = Entry {
            org: context.org,
            actor: context.actor.clone(),
            decision,
            reason: self.redactor.redact(reason).into_owned(),
            session: context.session,
            task: context.task,
            agent: context.agent.clone().filter(|agent| context.actor != Actor::Agent(agent.clone())),
            digest: digest.ok(),
            arguments: self.shown(arguments),
            action: tool,
            charters,
        };
        match (self.audit.append(entry).await, decided) {
            (Ok(_), decided) => decided,
            (Err(_), Err(reason)) => Err(reason),
            (Err(error), Ok(_)) => Err(format!("it must be audited, and {error}")),
        }
    }

    /// Without secrets, and not longer than somebody would read.
    fn shown(&self, arguments: &Value) -> String {
        let mut text = self.redactor.redact_json(arguments.clone()).to_string();
        let kept = text.floor_char_boundary(self.audit.config().arguments_bytes_max.min(text.len()));
        let left_out = text.len() - kept;
        if left_out > 0 {
            text.truncate(kept);
            text.push_str(&format!("… {left_out} bytes more"));
        }
        text
    }
}
