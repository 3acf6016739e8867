use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use orchestrator_sessions::{Entry, Repeat};
use orchestrator_transcript::{Digest, ToolCall, ToolResult, ToolResultPart};
use orchestrator_vocab::Label;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Go, Work};
use crate::conversation::{Due, What, noted};
use crate::tool::{Permitted, Progress, Refused, ToolAnswer, ToolRequest};

/// A call that may be made now.
struct Ready {
    call: ToolCall,
    permitted: Permitted,
    entries: Vec<Entry>,
}

impl Work<'_> {
    /// Answers what cannot be made, and makes the rest: what may be repeated side by side, everything else one by one.
    pub(super) async fn call(&mut self, due: Vec<Due>) -> Go {
        self.until_cancelled(self.gate.open()).await?;
        let mut together = Vec::new();
        for due in due {
            let repeat = self.repeat_of(&due.call);
            if repeat == Repeat::Effective || due.what != What::Make {
                self.make(std::mem::take(&mut together)).await?;
                self.make(vec![due]).await?;
            } else {
                together.push(due);
            }
        }
        self.make(together).await
    }

    async fn make(&mut self, due: Vec<Due>) -> Go {
        let (mut entries, mut ready) = (Vec::new(), Vec::new());
        for Due { call, key, what } in due {
            match what {
                What::Make => match self.permit(&call, &key).await? {
                    Ok(permitted) => ready.push(permitted),
                    Err(decided) => entries.extend(decided),
                },
                What::Refuse(reason) => entries.push(self.returned(&call, ToolAnswer::failed(reason), 0)),
                What::Tell(result) => {
                    let content = vec![ToolResultPart::Text { text: result }];
                    let answer = ToolAnswer { content, is_error: false, label: Label::USER, standing: None };
                    entries.push(self.returned(&call, answer, 0));
                }
            }
        }
        if ready.is_empty() {
            return self.hold(entries).await;
        }
        entries.extend(ready.iter_mut().flat_map(|ready| std::mem::take(&mut ready.entries)));
        // From here on a call that is not followed by its result may have been made.
        self.record(entries).await?;
        self.run_all(ready).await
    }

    async fn permit(&self, call: &ToolCall, key: &str) -> Go<Result<Ready, Vec<Entry>>> {
        let digest = match call.digest() {
            Ok(digest) => digest,
            Err(error) => return Ok(Err(vec![self.returned(call, ToolAnswer::failed(error.to_string()), 0)])),
        };
        let request = self.request(call, key);
        self.desk.publish(
            "tool.request",
            json!({ "requestId": call.id, "tool": request.tool, "input": call.arguments, "turn": self.conversation.turns }),
        );
        let tool = request.tool.clone();
        match self.until_cancelled(self.parts.tools.permit(request)).await? {
            Ok(permitted) => {
                let entries = self.allowed(call, tool, digest, key, &permitted.reason);
                Ok(Ok(Ready { call: call.clone(), permitted, entries }))
            }
            Err(Refused::Denied { reason }) => {
                let told = format!("not allowed: {reason}");
                let decided = Entry::Decided { call: call.id.clone(), allowed: false, reason };
                Ok(Err(vec![decided, self.returned(call, ToolAnswer::failed(told), 0)]))
            }
            Err(Refused::Waits { approval, reason }) => {
                self.desk.publish(
                    "tool.status",
                    json!({ "requestId": call.id, "status": "awaiting_approval", "approvalId": approval }),
                );
                Ok(Err(vec![Entry::Awaiting { call: call.id.clone(), approval, reason }]))
            }
        }
    }

    fn allowed(&self, call: &ToolCall, tool: String, digest: Digest, key: &str, reason: &str) -> Vec<Entry> {
        let decided = Entry::Decided { call: call.id.clone(), allowed: true, reason: reason.to_owned() };
        let repeat = self.repeat_of(call);
        vec![decided, Entry::Calling { call: call.id.clone(), tool, digest, key: self.key(key), repeat }]
    }

    async fn run_all(&mut self, ready: Vec<Ready>) -> Go {
        let at_once = self.conversation.profile.limits.calls_at_once;
        let timed = ready.into_iter().map(|Ready { call, permitted, .. }| async move {
            let begun = Instant::now();
            let answer = permitted.run.await;
            (call, answer, u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX))
        });
        // Also when the session is to end: each was told, and what it came to is worth knowing.
        let mut calls = stream::iter(timed.collect::<Vec<_>>()).buffer_unordered(at_once.max(1));
        while let Some((call, answer, millis)) = calls.next().await {
            // Together or not at all: what was said to hold does.
            let standing = answer.standing.clone().map(standing);
            let entries = [self.returned(&call, answer, millis)].into_iter().chain(standing);
            self.hold(entries.collect()).await?;
        }
        Ok(())
    }

    fn request(&self, call: &ToolCall, key: &str) -> ToolRequest {
        let (desk, id) = (self.desk.clone(), call.id.clone());
        let progress: Progress = Arc::new(move |progress: Value| {
            desk.publish("tool.status", json!({ "requestId": id, "status": "running", "progress": progress }));
        });
        ToolRequest {
            session: self.session.clone(),
            tool: self.tool_of(call),
            call: call.clone(),
            key: self.key(key),
            label: self.conversation.label(),
            standing: self.conversation.standing.clone(),
            cancel: self.cancel.child_token(),
            progress,
        }
    }

    fn returned(&self, call: &ToolCall, answer: ToolAnswer, millis: u64) -> Entry {
        let ToolAnswer { content, is_error, label, .. } = answer;
        let result = ToolResult { call_id: call.id.clone(), content, is_error };
        self.desk.publish(
            "tool.result",
            json!({ "requestId": call.id, "tool": self.tool_of(call), "success": !is_error, "result": result.content,
                "durationMs": millis }),
        );
        Entry::Returned { result, label, millis }
    }

    /// Models know tools by names without dots.
    fn tool_of(&self, call: &ToolCall) -> String {
        let offered =
            self.conversation.tools.iter().find(|tool| tool.wire_name() == call.name || tool.name == call.name);
        offered.map_or_else(|| call.name.clone(), |tool| tool.name.clone())
    }

    fn repeat_of(&self, call: &ToolCall) -> Repeat {
        let name = self.tool_of(call);
        let offered = self.conversation.tools.iter().find(|tool| tool.name == name);
        offered.map_or(Repeat::Effective, |tool| tool.repeat)
    }

    fn key(&self, place: &str) -> String {
        format!("{}.{place}", self.session.id)
    }
}

pub(super) fn standing(standing: Value) -> Entry {
    Entry::Noted { what: noted::STANDING.to_owned(), facts: json!({ "standing": standing }), message: None }
}
