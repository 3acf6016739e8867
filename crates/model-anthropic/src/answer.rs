//! An answer in everybody's words: a pure machine from events of the protocol to events of the transcript.

mod blocks;
mod end;
mod usage;

use std::collections::VecDeque;

use orchestrator_models::{ErrorKind, ProviderError};
use orchestrator_transcript::{Origin, Stop, StreamEvent};

use self::blocks::Blocks;
use self::usage::Tally;
use crate::Ttl;
use crate::failure;
use crate::wire::{Delta, Event, Message};

/// Where in the answer we are.
#[derive(Debug)]
pub(crate) struct Reader {
    provider: String,
    request_id: Option<String>,
    has_begun: bool,
    blocks: Blocks,
    tally: Tally,
    stop: Option<Stop>,
}

/// Whether more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    More,
    Over,
}

impl Reader {
    pub(crate) fn new(provider: &str, request_id: Option<String>, ttl: Ttl) -> Self {
        Self {
            provider: provider.to_owned(),
            request_id,
            has_begun: false,
            blocks: Blocks::new(provider),
            tally: Tally::new(ttl),
            stop: None,
        }
    }

    /// Takes the data of the next event and adds to `ready` what it means.
    pub(crate) fn take(&mut self, data: &str, ready: &mut VecDeque<StreamEvent>) -> Result<Next, ProviderError> {
        let event = serde_json::from_str(data)
            .map_err(|error| self.malformed(format!("an event is not what the protocol says: {error}")))?;
        if let Event::Error { error, request_id } = event {
            return Err(failure::in_stream(error, request_id.or_else(|| self.request_id.clone())));
        }
        if !self.has_begun && !matches!(event, Event::MessageStart { .. } | Event::Unknown) {
            return Err(self.malformed("an event before the beginning"));
        }
        match event {
            Event::MessageStart { message } => self.begin(message, ready)?,
            Event::ContentBlockStart { index, content_block } => {
                let opened = self.blocks.open(index, content_block, ready);
                opened.map_err(|problem| self.malformed(problem))?;
            }
            Event::ContentBlockDelta { index, delta } => {
                let filled = self.blocks.fill(index, delta, ready);
                filled.map_err(|problem| self.malformed(problem))?;
            }
            Event::ContentBlockStop { index } => {
                let closed = self.blocks.close(index, ready);
                closed.map_err(|problem| self.malformed(problem))?;
            }
            Event::MessageDelta { delta, usage } => {
                if let Some(usage) = usage {
                    ready.push_back(StreamEvent::Usage { usage: self.tally.add(usage) });
                }
                self.stops(delta);
            }
            Event::MessageStop => {
                ready.push_back(StreamEvent::End { stop: self.end()? });
                return Ok(Next::Over);
            }
            Event::Error { .. } | Event::Unknown => {}
        }
        Ok(Next::More)
    }

    /// The events have ended, and the answer had not.
    pub(crate) fn truncated(&self) -> ProviderError {
        let error = ProviderError::new(ErrorKind::StreamTruncated, "the stream ended before the answer did");
        ProviderError { request_id: self.request_id.clone(), ..error }
    }

    fn begin(&mut self, message: Message, ready: &mut VecDeque<StreamEvent>) -> Result<(), ProviderError> {
        if self.has_begun {
            return Err(self.malformed("a second beginning"));
        }
        self.has_begun = true;
        let origin = Origin { provider: self.provider.clone(), model: message.model };
        ready.push_back(StreamEvent::Start { origin, id: message.id });
        if let Some(usage) = message.usage {
            ready.push_back(StreamEvent::Usage { usage: self.tally.add(usage) });
        }
        Ok(())
    }

    fn stops(&mut self, delta: Delta) {
        if let Some(stop) = end::stop(delta) {
            self.stop = Some(stop);
        }
    }

    fn end(&mut self) -> Result<Stop, ProviderError> {
        if self.blocks.has_open() {
            return Err(self.malformed("the end comes before the end of a block"));
        }
        self.stop.take().ok_or_else(|| self.truncated())
    }

    fn malformed(&self, message: impl Into<String>) -> ProviderError {
        let error = ProviderError::new(ErrorKind::Malformed, message);
        ProviderError { request_id: self.request_id.clone(), ..error }
    }
}
