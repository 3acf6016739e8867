use async_trait::async_trait;
use orchestrator_redact::Redactor;
use serde_json::Value;

use crate::{Answer, Event, Failed, Handler, Input};

/// Knows secrets as the redactor does: those that are configured, in their usual forms, and what looks like one.
pub(super) struct Guard(pub(super) Redactor);

#[async_trait]
impl Handler for Guard {
    async fn run(&self, _: Event, input: &Input) -> Result<Answer, Failed> {
        let arguments = input.tool.as_ref().map_or(&Value::Null, |tool| &tool.input);
        match self.0.redact_json(arguments.clone()) == *arguments {
            true => Ok(Answer::default()),
            false => Ok(Answer::deny("the arguments hold a secret, or a number of a card or an account")),
        }
    }
}
