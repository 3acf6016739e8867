use async_trait::async_trait;
use serde_json::Value;

use crate::{Answer, Event, Failed, Handler, Input};

/// How often a conversation may be made shorter: one that has lost most of what was said does not know any more what it does.
pub(super) struct Guard(pub(super) u32);

#[async_trait]
impl Handler for Guard {
    async fn run(&self, _: Event, input: &Input) -> Result<Answer, Failed> {
        let before = input.facts.get("compactions").and_then(Value::as_u64).unwrap_or_default();
        match before < u64::from(self.0) {
            true => Ok(Answer::default()),
            false => Ok(Answer::deny(format!("the conversation was made shorter {before} times already"))),
        }
    }
}
