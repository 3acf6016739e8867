use std::mem;
use std::time::Duration;

use orchestrator_redact::{Redactor, Stream};
use orchestrator_sessions::Desk;
use orchestrator_transcript::{Delta, StreamEvent};
use serde_json::json;
use tokio::time::Instant;

/// Sends an answer piece by piece to whoever listens: at most one frame per pause, none of it lost, and no secret in it, also
/// not one that comes in two pieces.
pub(crate) struct Frames<'a> {
    desk: &'a Desk,
    redactor: &'a Redactor,
    pause: Duration,
    turn: u32,
    sent: u64,
    gathered: Option<Gathered>,
    next: Instant,
}

/// What waits to be sent: of one block and one kind.
struct Gathered {
    block: u32,
    kind: &'static str,
    text: String,
    hiding: Stream,
    due: Option<Instant>,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(desk: &'a Desk, redactor: &'a Redactor, pause: Duration, turn: u32) -> Self {
        Self { desk, redactor, pause, turn, sent: 0, gathered: None, next: Instant::now() }
    }

    /// Returns when something is to be sent; never if nothing waits.
    pub(crate) async fn due(&self) {
        match self.gathered.as_ref().and_then(|gathered| gathered.due) {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn event(&mut self, event: &StreamEvent) {
        match event {
            StreamEvent::Delta { index, delta } => self.gather(*index, delta),
            StreamEvent::BlockStop { .. } | StreamEvent::End { .. } => self.close(),
            StreamEvent::Start { .. } | StreamEvent::BlockStart { .. } | StreamEvent::Usage { .. } => {}
        }
    }

    /// Sends what is certain to hold no secret.
    pub(crate) fn flush(&mut self) {
        let Some(gathered) = &mut self.gathered else { return };
        gathered.due = None;
        let (text, kind, block) = (mem::take(&mut gathered.text), gathered.kind, gathered.block);
        self.send(kind, block, &text);
    }

    /// The answer broke off: what was sent of it counts for nothing.
    pub(crate) fn broke(mut self, error: &str) {
        self.close();
        let error = self.redactor.redact(error);
        self.desk.publish("stream.error", json!({ "error": error, "turn": self.turn, "discarded": true }));
    }

    fn gather(&mut self, block: u32, delta: &Delta) {
        let kind = match delta {
            Delta::Text(_) => "text",
            Delta::Thinking(_) => "thinking",
            // Calls are told when they are whole, signatures are nobody's business.
            Delta::Arguments(_) | Delta::Signature(_) => return,
        };
        if self.gathered.as_ref().is_some_and(|gathered| gathered.block != block || gathered.kind != kind) {
            self.close();
        }
        let due = self.next.max(Instant::now());
        let gathered = self.gathered.get_or_insert_with(|| Gathered {
            block,
            kind,
            text: String::new(),
            hiding: self.redactor.stream(),
            due: None,
        });
        let shown = gathered.hiding.push(delta.as_str());
        gathered.text.push_str(&shown);
        if !gathered.text.is_empty() {
            gathered.due.get_or_insert(due);
        }
    }

    fn close(&mut self) {
        let Some(gathered) = self.gathered.take() else { return };
        let text = gathered.text + &gathered.hiding.finish();
        self.send(gathered.kind, gathered.block, &text);
    }

    fn send(&mut self, kind: &'static str, block: u32, text: &str) {
        if text.is_empty() {
            return;
        }
        self.next = Instant::now() + self.pause;
        let facts =
            json!({ "chunkType": kind, "content": text, "index": self.sent, "turn": self.turn, "block": block });
        self.sent += 1;
        self.desk.publish("stream.chunk", facts);
    }
}
