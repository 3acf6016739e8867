use futures::{FutureExt as _, StreamExt as _};
use orchestrator_sessions::{Entry, Outcome};
use orchestrator_transcript::{Accumulator, Content, Message, Reply};
use orchestrator_vocab::Tokens;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Go, Halted, Work, failed};
use crate::conversation::{Summed, noted};
use crate::frames::Frames;
use crate::runtime::released;
use crate::{ModelError, ModelRequest};

impl Work<'_> {
    /// Asks the model, and writes its answer down, or why there is none.
    pub(super) async fn ask(&mut self) -> Go {
        let is_open = self.gate.open().now_or_never().is_some();
        if !is_open || self.inputs.has_changed().unwrap_or_default() {
            self.inputs.mark_unchanged();
            // Nobody knows for how long it is closed; and whoever said something meanwhile is heard now.
            self.record(Vec::new()).await?;
            self.catch_up().await?;
            return self.until_cancelled(self.gate.open()).await;
        }
        self.offer().await?;
        self.conversation.gather(self.written());
        self.compact().await?;
        let upto = self.written();
        self.conversation.deliver(upto);
        let request = self.conversation.request(self.session.org);
        let asked = Entry::Asked { request: request.digest(), upto, model: request.model.clone() };
        self.record(vec![asked]).await?;
        match self.answer(request).await? {
            Ok((reply, trace)) => {
                let Reply { message, usage, stop, .. } = reply;
                self.desk.add_usage(Tokens(usage.total_input()), Tokens(usage.output));
                if !message.text().is_empty() {
                    self.desk.said(&message.text());
                }
                self.record(vec![Entry::Answered { message, usage, stop, trace }]).await
            }
            Err(error) => self.unanswered(error).await,
        }
    }

    /// Tools may come and go; what the model was told of is in the journal.
    async fn offer(&mut self) -> Go {
        let offered = self.parts.tools.offered(&self.conversation.standing);
        if offered == self.conversation.tools {
            return Ok(());
        }
        let facts = json!({ "tools": offered });
        self.record(vec![Entry::Noted { what: noted::TOOLS.to_owned(), facts, message: None }]).await
    }

    async fn answer(&mut self, request: ModelRequest) -> Go<Result<(Reply, Option<String>), ModelError>> {
        let label = self.conversation.label();
        let asked = self.parts.models.clone().oneshot(request);
        let answer = match self.until_cancelled(asked).await? {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        let (mut events, trace) = (answer.events, answer.trace);
        let mut frames = Frames::new(self.desk, &self.parts.redactor, self.frame_pause, self.conversation.turns + 1);
        let mut accumulator = Accumulator::new(label);
        while !accumulator.is_whole() {
            let event = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(Halted::Stopped),
                () = frames.due() => {
                    frames.flush();
                    continue;
                }
                event = events.next() => event,
            };
            let taken = match event {
                Some(Ok(event)) => {
                    frames.event(&event);
                    accumulator.push(event).map_err(|error| ModelError::Broken(error.to_string()))
                }
                Some(Err(error)) => Err(error),
                None => Err(ModelError::Broken("the stream ended before the answer did".into())),
            };
            if let Err(error) = taken {
                frames.broke(&error.to_string());
                return Ok(Err(error));
            }
        }
        let reply = accumulator.finish().expect("it is whole");
        Ok(Ok((Reply { message: distinct(reply.message), ..reply }, trace)))
    }

    /// Sums up the older part of a conversation that gets too long. Where that cannot be done, or a hook is against it, it goes on, and
    /// what is too old is left out when there is no room for it any more.
    async fn compact(&mut self) -> Go {
        let (Some(memory), Some((upto, stretch))) = (self.parts.memory.clone(), self.conversation.stretch()) else {
            return Ok(());
        };
        let asked = self.parts.tools.may_compact(&self.session, self.conversation.compactions());
        if let Err(why) = self.until_cancelled(asked).await? {
            tracing::info!(session = %self.session.id, %why, "not summed up");
            return Ok(());
        }
        let Some(made) = self.until_cancelled(memory.compact(&self.session, &stretch)).await? else { return Ok(()) };
        self.desk.add_usage(Tokens(made.usage.total_input()), Tokens(made.usage.output));
        let (known, usage) = (self.written(), made.usage);
        let facts = json!(Summed { upto, summary: made.summary, beside: made.beside, known, usage, more: made.facts });
        self.record(vec![Entry::Noted { what: noted::COMPACTED.to_owned(), facts, message: None }]).await
    }

    async fn unanswered(&mut self, error: ModelError) -> Go {
        let note = |what: &str| Entry::Noted {
            what: what.to_owned(),
            facts: json!({ "error": self.parts.redactor.redact(&error.to_string()) }),
            message: None,
        };
        match &error {
            ModelError::Broken(_) => self.record(vec![note(noted::BROKEN)]).await,
            ModelError::TooLong(_) if self.conversation.can_be_shorter() => {
                self.may_compact().await?;
                self.record(vec![note(noted::TOO_LONG)]).await
            }
            ModelError::Unavailable { retry_at, .. } => {
                let mut outcome = released(error.to_string());
                if let Outcome::Released { run_at, .. } = &mut outcome {
                    *run_at = *retry_at;
                }
                Err(Halted::With(outcome))
            }
            ModelError::TooLong(_) | ModelError::Refused(_) => Err(failed(error.to_string())),
        }
    }

    pub(super) async fn may_compact(&self) -> Go {
        let asked = self.parts.tools.may_compact(&self.session, self.conversation.shortened());
        let refused = |why| failed(format!("the conversation is too long, and must not be made shorter: {why}"));
        self.until_cancelled(asked).await?.map_err(refused)
    }

    pub(super) async fn until_cancelled<T>(&self, work: impl Future<Output = T>) -> Go<T> {
        self.cancel.run_until_cancelled(work).await.ok_or(Halted::Stopped)
    }
}

/// Results are told apart by the ids of calls; a model that uses one twice in an answer must not get one result for both.
fn distinct(mut message: Message) -> Message {
    let mut seen = std::collections::HashSet::new();
    for block in &mut message.content {
        if let Content::ToolCall(call) = &mut block.content {
            let mut copy = 1;
            while !seen.insert(call.id.clone()) {
                copy += 1;
                call.id = format!("{}-{copy}", call.id);
            }
            if call.malformed.is_none() && call.arguments.is_null() {
                call.arguments = Value::Object(serde_json::Map::new());
            }
        }
    }
    message
}
