use async_trait::async_trait;
use serde_json::Value;

use crate::{Answer, Event, Failed, Handler, Input};

/// The most that may be said at once, in characters.
pub(super) struct Guard(pub(super) usize);

#[async_trait]
impl Handler for Guard {
    async fn run(&self, _: Event, input: &Input) -> Result<Answer, Failed> {
        let said = input.facts.get("prompt").and_then(Value::as_str).unwrap_or_default().chars().count();
        let most = self.0;
        match said <= most {
            true => Ok(Answer::default()),
            false => Ok(Answer::deny(format!("it has {said} characters, and at most {most} may be said at once"))),
        }
    }
}
