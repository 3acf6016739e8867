use orchestrator_transcript::{Block, Digest, Message, Stop, ToolResult, Usage};
use orchestrator_vocab::{Actor, Label, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One step of a session, durable before the next depends on it. Read in order they are the whole session: what was asked and
/// answered, done and decided. Nothing is removed but with the session, and nothing changed but texts that are to be forgotten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Entry {
    /// The work began. What it began with stays, whatever is configured later.
    Began {
        /// How the agent works, such as `llm`.
        runtime: String,
        /// Who the agent is, in the runtime's own terms.
        profile: Value,
        /// The task, as the agent reads it.
        message: Message,
    },
    /// A person said something in the middle.
    Input {
        /// Who.
        by: Actor,
        /// What.
        content: Vec<Block>,
    },
    /// A model was asked.
    Asked {
        /// Of everything it was given.
        request: Digest,
        /// The last entry of others that it was told of, or one behind it. Results of its calls it was told of anyway.
        upto: u64,
        /// The model that was wanted, if any in particular.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    /// It answered.
    Answered {
        /// What.
        message: Message,
        /// What that cost in tokens.
        usage: Usage,
        /// Why it stopped.
        stop: Stop,
        /// The decision trace that tells who was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<String>,
    },
    /// Whether a call of a tool may be made.
    Decided {
        /// Which call.
        call: String,
        /// Whether it may.
        allowed: bool,
        /// By what rule, or why not.
        reason: String,
    },
    /// A person has to confirm a call before it is made.
    Awaiting {
        /// Which call.
        call: String,
        /// What they answer to.
        approval: String,
        /// Why.
        reason: String,
    },
    /// What they answered, or that nobody did in time.
    Ruled {
        /// Which call.
        call: String,
        /// What was answered to.
        approval: String,
        /// Who.
        by: Actor,
        /// Whether it may be made; whoever decides about calls still has a say.
        allowed: bool,
        /// Why.
        reason: String,
    },
    /// A call is about to be made. Without a matching [`Entry::Returned`] nobody knows whether it was.
    Calling {
        /// Which call.
        call: String,
        /// The tool.
        tool: String,
        /// Of the tool and its arguments.
        digest: Digest,
        /// What the same call may be repeated under, if the tool tells repetitions apart by it.
        key: String,
        /// What a repetition would do.
        repeat: Repeat,
    },
    /// A call came back.
    Returned {
        /// What it came to.
        result: ToolResult,
        /// Whose words those are.
        label: Label,
        /// How long it took.
        millis: u64,
    },
    /// A person said what became of a call that nobody knew of.
    Settled {
        /// Which call.
        call: String,
        /// Who.
        by: Actor,
        /// What is to become of it.
        verdict: Verdict,
    },
    /// Something to know about the course of the session, such as `resumed`, `stalled`, `nudged` or `suspended`.
    Noted {
        /// What happened.
        what: String,
        /// More about it.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        facts: Value,
        /// What the agent is told of it, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Message>,
    },
}

impl Entry {
    /// Of the words in it, if there are any.
    pub fn label(&self) -> Option<Label> {
        match self {
            Self::Began { message, .. }
            | Self::Answered { message, .. }
            | Self::Noted { message: Some(message), .. } => Some(message.label()),
            Self::Input { content, .. } => content.iter().map(|block| block.label).reduce(Label::join),
            Self::Returned { label, .. } => Some(*label),
            _ => None,
        }
    }

    /// The field `kind` of its JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Began { .. } => "began",
            Self::Input { .. } => "input",
            Self::Asked { .. } => "asked",
            Self::Answered { .. } => "answered",
            Self::Decided { .. } => "decided",
            Self::Awaiting { .. } => "awaiting",
            Self::Ruled { .. } => "ruled",
            Self::Calling { .. } => "calling",
            Self::Returned { .. } => "returned",
            Self::Settled { .. } => "settled",
            Self::Noted { .. } => "noted",
        }
    }
}

/// What making a call a second time would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Repeat {
    /// Nothing: it only reads, or says the same again. It may be repeated.
    Harmless,
    /// Nothing, under the same key. It may be repeated.
    Keyed,
    /// Something. A person must say whether it is to be repeated.
    Effective,
}

/// What is to become of a call of which nobody knows whether it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(tag = "is", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Verdict {
    /// It was not made: make it.
    Repeat,
    /// It was made, with this result.
    Done {
        /// What the agent is told.
        result: String,
    },
}

/// An entry with its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Numbered {
    /// Dense within its session, from 1.
    pub number: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What.
    pub entry: Entry,
}
