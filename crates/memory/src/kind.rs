use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What sort of thing is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Kind {
    /// A working note: the block `notes` of a scratchpad.
    Note,
    /// Who the agent is, in a scratchpad.
    Persona,
    /// Whom it talks to, in a scratchpad.
    Human,
    /// What it works on, in a scratchpad.
    Task,
    /// Something that was said.
    Turn,
    /// What a tool answered.
    ToolResult,
    /// What came of a task.
    Outcome,
    /// What a session came to, or a stretch of it.
    Summary,
    /// Something that is so.
    Fact,
    /// How somebody wants it.
    Preference,
    /// That something was wrong, and what is right.
    Correction,
    /// What was decided, and why.
    Decision,
    /// How something is done.
    Procedure,
    /// What goes wrong, and how it shows.
    ErrorPattern,
    /// What was learned of a tool.
    ToolLesson,
    /// What happens again and again.
    Pattern,
}

/// The text names no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {}", Kind::ALL.map(Kind::as_str).join(", "))]
pub struct InvalidKind;

impl Kind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Note,
        Self::Persona,
        Self::Human,
        Self::Task,
        Self::Turn,
        Self::ToolResult,
        Self::Outcome,
        Self::Summary,
        Self::Fact,
        Self::Preference,
        Self::Correction,
        Self::Decision,
        Self::Procedure,
        Self::ErrorPattern,
        Self::ToolLesson,
        Self::Pattern,
    ];

    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Persona => "persona",
            Self::Human => "human",
            Self::Task => "task",
            Self::Turn => "turn",
            Self::ToolResult => "toolResult",
            Self::Outcome => "outcome",
            Self::Summary => "summary",
            Self::Fact => "fact",
            Self::Preference => "preference",
            Self::Correction => "correction",
            Self::Decision => "decision",
            Self::Procedure => "procedure",
            Self::ErrorPattern => "errorPattern",
            Self::ToolLesson => "toolLesson",
            Self::Pattern => "pattern",
        }
    }

    /// Whether it is a block of a scratchpad, of which a session has one each.
    pub fn is_block(self) -> bool {
        matches!(self, Self::Note | Self::Persona | Self::Human | Self::Task)
    }

    /// How much it matters if nobody says so, from 0 to 1: what people want and corrected more than what was only said.
    pub fn importance(self) -> f32 {
        match self {
            Self::Preference | Self::Correction => 0.9,
            Self::Decision | Self::Procedure | Self::ErrorPattern => 0.8,
            Self::Fact | Self::Outcome | Self::ToolLesson | Self::Pattern => 0.6,
            Self::Summary => 0.5,
            Self::Note | Self::Persona | Self::Human | Self::Task | Self::Turn => 0.4,
            Self::ToolResult => 0.2,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = InvalidKind;

    fn from_str(text: &str) -> Result<Self, InvalidKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(InvalidKind)
    }
}
