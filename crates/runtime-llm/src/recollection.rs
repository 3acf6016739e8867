use async_trait::async_trait;
use orchestrator_sessions::Session;
use orchestrator_transcript::{Block, Message, Usage};
use orchestrator_vocab::Label;
use serde_json::Value;

/// What is remembered from before, for one session. Nothing of it may keep the work from going on: what cannot be had is left out.
#[async_trait]
pub trait Recollection: Send + Sync {
    /// What matters for a task, told to the agent behind it. Asked once, before the work begins; what is told is in the journal.
    async fn recall(&self, session: &Session, words: &str, label: Label) -> Option<Recalled>;

    /// Sums up a stretch of the conversation that is to be left out from now on, and keeps what it stands for. Asked again for the
    /// same stretch if the daemon goes down before the summary is in the journal. `None`: it stays as it is.
    async fn compact(&self, session: &Session, stretch: &Stretch) -> Option<Compacted>;
}

/// A part of a conversation that is to be left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// What was said, with the summary of what came before, if there was one.
    pub messages: Vec<Message>,
    /// The entry of the journal at which it ends, itself not included: everything before stands in the summaries from then on.
    pub before_entry: u64,
}

/// What is told to an agent from earlier.
#[derive(Debug, Clone, PartialEq)]
pub struct Recalled {
    /// In words.
    pub message: Message,
    /// Where it is from: noted in the journal.
    pub facts: Value,
}

/// What stands in the place of a stretch of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Compacted {
    /// In words, with the label of all that it was made from. It is a part of the next stretch.
    pub summary: Block,
    /// Shown behind it until the next one, and not summed up again.
    pub beside: Vec<Block>,
    /// What making it cost in tokens: a part of what the session uses up.
    pub usage: Usage,
    /// What it covers: noted in the journal.
    pub facts: Value,
}
