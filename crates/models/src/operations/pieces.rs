use std::mem;
use std::time::Duration;

use orchestrator_events::{Hub, Transient};
use orchestrator_redact::{Redactor, Stream};
use orchestrator_transcript::{Delta, StreamEvent};
use orchestrator_vocab::OrgId;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{ProviderError, TraceId};

/// Pieces that come closer together are sent as one.
const GATHER: Duration = Duration::from_millis(16);

/// Sends an answer piece by piece to those who listen. Of content nothing is lost here; what is too much for a listener is
/// dropped at the listener, with a gap.
pub(super) struct Pieces {
    hub: Hub,
    redactor: Redactor,
    org: OrgId,
    stream_id: String,
    trace: TraceId,
    /// How many were sent.
    sent: u64,
    gathered: Option<Gathered>,
    /// Listeners know that it has ended.
    is_over: bool,
}

/// What waits to be sent: of one block and one kind.
struct Gathered {
    block: u32,
    kind: &'static str,
    text: String,
    hiding: Stream,
    due: Option<Instant>,
}

impl Pieces {
    pub(super) fn new(hub: Hub, redactor: &Redactor, org: OrgId, stream_id: String, trace: TraceId) -> Self {
        Self { hub, redactor: redactor.clone(), org, stream_id, trace, sent: 0, gathered: None, is_over: false }
    }

    /// When what waits is to be sent.
    pub(super) fn due(&self) -> Option<Instant> {
        self.gathered.as_ref()?.due
    }

    pub(super) fn event(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Start { origin, .. } => self.publish("stream.start", json!({ "origin": origin })),
            StreamEvent::BlockStart { .. } | StreamEvent::Usage { .. } => {}
            StreamEvent::Delta { index, delta } => self.gather(*index, delta),
            StreamEvent::BlockStop { index } => {
                if self.gathered.as_ref().is_some_and(|gathered| gathered.block == *index) {
                    self.close();
                }
            }
            StreamEvent::End { stop } => {
                self.close();
                self.is_over = true;
                self.publish("stream.end", json!({ "stop": stop }));
            }
        }
    }

    pub(super) fn broke(&mut self, error: &ProviderError) {
        self.close();
        self.is_over = true;
        let message = self.redactor.redact(&error.message).into_owned();
        self.publish("stream.error", json!({ "error": message, "kind": error.kind }));
    }

    /// Sends what is certain to hold no secret.
    pub(super) fn flush(&mut self) {
        let Some(gathered) = &mut self.gathered else { return };
        gathered.due = None;
        let (text, kind, block) = (mem::take(&mut gathered.text), gathered.kind, gathered.block);
        self.chunk(kind, block, &text);
    }

    fn gather(&mut self, block: u32, delta: &Delta) {
        let kind = match delta {
            Delta::Text(_) => "text",
            Delta::Thinking(_) => "thinking",
            Delta::Arguments(_) => "arguments",
            // Of use to the provider only.
            Delta::Signature(_) => return,
        };
        if self.gathered.as_ref().is_some_and(|gathered| (gathered.block, gathered.kind) != (block, kind)) {
            self.close();
        }
        let redactor = &self.redactor;
        let begin = || Gathered { block, kind, text: String::new(), hiding: redactor.stream(), due: None };
        let gathered = self.gathered.get_or_insert_with(begin);
        gathered.text.push_str(&gathered.hiding.push(delta.as_str()));
        if !gathered.text.is_empty() {
            gathered.due.get_or_insert_with(|| Instant::now() + GATHER);
        }
        if gathered.due.is_some_and(|due| due <= Instant::now()) {
            self.flush();
        }
    }

    /// Sends the rest of a block.
    fn close(&mut self) {
        let Some(Gathered { block, kind, mut text, hiding, .. }) = self.gathered.take() else { return };
        text.push_str(&hiding.finish());
        self.chunk(kind, block, &text);
    }

    fn chunk(&mut self, kind: &'static str, block: u32, text: &str) {
        if text.is_empty() {
            return;
        }
        let index = self.sent;
        self.sent += 1;
        self.publish("stream.chunk", json!({ "chunkType": kind, "content": text, "index": index, "block": block }));
    }

    fn publish(&self, name: &'static str, mut payload: Value) {
        payload["streamId"] = json!(self.stream_id);
        payload["traceId"] = json!(self.trace);
        self.hub.publish_transient(Transient { org: self.org, name: name.into(), payload });
    }
}

/// Whoever asked went away, or the call ran out of time: listeners are told that there will be no more.
impl Drop for Pieces {
    fn drop(&mut self) {
        if !self.is_over {
            self.close();
            self.publish("stream.error", json!({ "error": "whoever asked went away", "kind": "abandoned" }));
        }
    }
}
