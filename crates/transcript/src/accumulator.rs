use std::collections::BTreeMap;

use orchestrator_vocab::Label;

use crate::{Block, Content, Delta, Message, Opening, Origin, Role, Stop, StreamEvent, ToolCall, Usage};

/// The most bytes of text, thinking, signatures and arguments in one answer: 32 MiB, what providers take in one request.
pub const BYTES_MAX: usize = 32 * 1024 * 1024;

/// An answer, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// What the model said.
    pub message: Message,
    /// What it cost in tokens.
    pub usage: Usage,
    /// Why it stopped.
    pub stop: Stop,
    /// The provider's id of the answer, if it gave one.
    pub id: Option<String>,
}

/// An event that cannot come here: whoever sent it is broken, and the answer with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misplaced {
    /// Before `start`, a second `start`, or after `end`.
    #[error("{0} at the wrong time")]
    Order(&'static str),
    /// A place was opened before, or a later one was: blocks are opened in order.
    #[error("block {0} is out of order")]
    Reopened(u32),
    /// A delta or a stop for a block that is not open.
    #[error("block {0} is not open")]
    NotOpen(u32),
    /// A delta of another kind than the block.
    #[error("block {0} does not take this kind of delta")]
    Kind(u32),
    /// The end, with blocks that are still open.
    #[error("the end came before the end of block {0}")]
    StillOpen(u32),
    /// More than [`BYTES_MAX`].
    #[error("the answer is longer than {BYTES_MAX} bytes")]
    TooLong,
}

/// The events ended before the answer did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stream ended before the answer did")]
pub struct Unfinished;

/// Puts an answer together from its events. Pure: no clock, no I/O.
#[derive(Debug, Clone)]
pub struct Accumulator {
    label: Label,
    begun: Option<(Origin, Option<String>)>,
    blocks: BTreeMap<u32, Part>,
    usage: Usage,
    stop: Option<Stop>,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Part {
    filling: Filling,
    open: bool,
}

#[derive(Debug, Clone)]
enum Filling {
    Text(String),
    Thinking { text: String, signature: String },
    ToolCall { id: String, name: String, arguments: String },
    Whole(Content),
}

impl Accumulator {
    /// For an answer whose blocks get `label`. What a model says is no more to be believed than the least trusted text it
    /// read, and as secret as the most secret: join the labels of the request, and trust the model itself as you see fit.
    pub const fn new(label: Label) -> Self {
        Self { label, begun: None, blocks: BTreeMap::new(), usage: ZERO, stop: None, bytes: 0 }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// If it cannot come here; the answer is worth nothing then.
    pub fn push(&mut self, event: StreamEvent) -> Result<(), Misplaced> {
        if self.stop.is_some() {
            return Err(Misplaced::Order("an event after the end"));
        }
        if let StreamEvent::Start { origin, id } = event {
            return match self.begun.replace((origin, id)) {
                None => Ok(()),
                Some(_) => Err(Misplaced::Order("a second start")),
            };
        }
        if self.begun.is_none() {
            return Err(Misplaced::Order("an event before the start"));
        }
        match event {
            StreamEvent::Start { .. } => {}
            StreamEvent::BlockStart { index, block } => self.open(index, block)?,
            StreamEvent::Delta { index, delta } => self.fill(index, delta)?,
            StreamEvent::BlockStop { index } => self.opened(index)?.open = false,
            StreamEvent::Usage { usage } => self.usage = usage,
            StreamEvent::End { stop } => {
                if let Some((index, _)) = self.blocks.iter().find(|(_, part)| part.open) {
                    return Err(Misplaced::StillOpen(*index));
                }
                self.stop = Some(stop);
            }
        }
        Ok(())
    }

    /// What was used so far, as far as the provider has told.
    pub const fn usage(&self) -> Usage {
        self.usage
    }

    /// Whether the end has come.
    pub const fn is_whole(&self) -> bool {
        self.stop.is_some()
    }

    /// The whole answer.
    ///
    /// # Errors
    /// If the end has not come. What there is of an answer is not an answer.
    pub fn finish(self) -> Result<Reply, Unfinished> {
        let (Some((origin, id)), Some(stop)) = (self.begun, self.stop) else { return Err(Unfinished) };
        let content = self.blocks.into_values().map(|part| Block::new(self.label, part.filling.content())).collect();
        let message = Message { role: Role::Assistant, content, origin: Some(origin) };
        Ok(Reply { message, usage: self.usage, stop, id })
    }

    fn open(&mut self, index: u32, block: Opening) -> Result<(), Misplaced> {
        if self.blocks.last_key_value().is_some_and(|(last, _)| index <= *last) {
            return Err(Misplaced::Reopened(index));
        }
        let filling = match block {
            Opening::Text => Filling::Text(String::new()),
            Opening::Thinking => Filling::Thinking { text: String::new(), signature: String::new() },
            Opening::ToolCall { id, name } => Filling::ToolCall { id, name, arguments: String::new() },
            Opening::Whole { content } => Filling::Whole(content),
        };
        self.blocks.insert(index, Part { filling, open: true });
        Ok(())
    }

    fn opened(&mut self, index: u32) -> Result<&mut Part, Misplaced> {
        self.blocks.get_mut(&index).filter(|part| part.open).ok_or(Misplaced::NotOpen(index))
    }

    fn fill(&mut self, index: u32, delta: Delta) -> Result<(), Misplaced> {
        let bytes = self.bytes.saturating_add(delta.as_str().len());
        if bytes > BYTES_MAX {
            return Err(Misplaced::TooLong);
        }
        self.bytes = bytes;
        match (&mut self.opened(index)?.filling, delta) {
            (Filling::Text(text), Delta::Text(more)) => text.push_str(&more),
            (Filling::Thinking { text, .. }, Delta::Thinking(more)) => text.push_str(&more),
            (Filling::Thinking { signature, .. }, Delta::Signature(more)) => signature.push_str(&more),
            (Filling::ToolCall { arguments, .. }, Delta::Arguments(more)) => arguments.push_str(&more),
            _ => return Err(Misplaced::Kind(index)),
        }
        Ok(())
    }
}

const ZERO: Usage = Usage { input: 0, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, output: 0, reasoning: 0 };

impl Filling {
    fn content(self) -> Content {
        match self {
            Self::Text(text) => Content::Text { text },
            Self::Thinking { text, signature } => {
                Content::Thinking { text, signature: Some(signature).filter(|signature| !signature.is_empty()) }
            }
            Self::ToolCall { id, name, arguments } => Content::ToolCall(ToolCall::parse(id, name, &arguments)),
            Self::Whole(content) => content,
        }
    }
}

impl Reply {
    /// The events of an answer that came in one piece, as if it had been streamed.
    pub fn into_events(self) -> Vec<StreamEvent> {
        let origin = self.message.origin.unwrap_or_else(|| Origin { provider: String::new(), model: String::new() });
        let mut events = vec![StreamEvent::Start { origin, id: self.id }];
        for (index, block) in (0..).zip(self.message.content) {
            let (block, deltas) = pieces(block.content);
            events.push(StreamEvent::BlockStart { index, block });
            events.extend(deltas.into_iter().map(|delta| StreamEvent::Delta { index, delta }));
            events.push(StreamEvent::BlockStop { index });
        }
        events.push(StreamEvent::Usage { usage: self.usage });
        events.push(StreamEvent::End { stop: self.stop });
        events
    }
}

fn pieces(content: Content) -> (Opening, Vec<Delta>) {
    match content {
        Content::Text { text } => (Opening::Text, vec![Delta::Text(text)]),
        Content::Thinking { text, signature } => {
            let signature = signature.map(Delta::Signature);
            (Opening::Thinking, std::iter::once(Delta::Thinking(text)).chain(signature).collect())
        }
        Content::ToolCall(ToolCall { id, name, arguments, malformed }) => {
            let written = malformed.unwrap_or_else(|| arguments.to_string());
            (Opening::ToolCall { id, name }, vec![Delta::Arguments(written)])
        }
        content => (Opening::Whole { content }, Vec::new()),
    }
}

#[cfg(test)]
mod tests;
