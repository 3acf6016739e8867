use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What hooks are run for. The names are those that coding agents use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// A session begins.
    SessionStart,
    /// A session has ended.
    SessionEnd,
    /// A person says something, or gives an agent work; decides.
    UserPromptSubmit,
    /// A tool is to be called; decides, and may change its arguments.
    PreToolUse,
    /// A tool was called.
    PostToolUse,
    /// A tool was called, and said or was said to have failed.
    PostToolUseFailure,
    /// A coding agent asks leave for one of its own tools; decides.
    PermissionRequest,
    /// A task is to be worked on; decides.
    PreTask,
    /// A task is over, however.
    PostTask,
    /// A task was completed.
    TaskCompleted,
    /// A file is to be written, edited or removed by a tool; decides, and may change the arguments.
    PreEdit,
    /// A file was written, edited or removed by a tool.
    PostEdit,
    /// A command is to be run by a tool; decides, and may change the arguments.
    PreCommand,
    /// A command was run by a tool.
    PostCommand,
    /// A conversation is too long for its model and is to be made shorter; decides.
    PreCompact,
    /// An agent has spawned another one.
    SubagentStart,
    /// An agent that another one spawned has ended its task.
    SubagentStop,
    /// An agent has nothing more to do.
    TeammateIdle,
    /// Much of a limit on spending is spent, or all.
    BudgetAlert,
    /// A person should look.
    Notification,
}

/// There is no such event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no event `{0}` for hooks")]
pub struct UnknownEvent(String);

impl Event {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::SessionStart,
        Self::SessionEnd,
        Self::UserPromptSubmit,
        Self::PreToolUse,
        Self::PostToolUse,
        Self::PostToolUseFailure,
        Self::PermissionRequest,
        Self::PreTask,
        Self::PostTask,
        Self::TaskCompleted,
        Self::PreEdit,
        Self::PostEdit,
        Self::PreCommand,
        Self::PostCommand,
        Self::PreCompact,
        Self::SubagentStart,
        Self::SubagentStop,
        Self::TeammateIdle,
        Self::BudgetAlert,
        Self::Notification,
    ];

    /// As configurations and hooks know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionStart => "SessionStart",
            Self::SessionEnd => "SessionEnd",
            Self::UserPromptSubmit => "UserPromptSubmit",
            Self::PreToolUse => "PreToolUse",
            Self::PostToolUse => "PostToolUse",
            Self::PostToolUseFailure => "PostToolUseFailure",
            Self::PermissionRequest => "PermissionRequest",
            Self::PreTask => "PreTask",
            Self::PostTask => "PostTask",
            Self::TaskCompleted => "TaskCompleted",
            Self::PreEdit => "PreEdit",
            Self::PostEdit => "PostEdit",
            Self::PreCommand => "PreCommand",
            Self::PostCommand => "PostCommand",
            Self::PreCompact => "PreCompact",
            Self::SubagentStart => "SubagentStart",
            Self::SubagentStop => "SubagentStop",
            Self::TeammateIdle => "TeammateIdle",
            Self::BudgetAlert => "BudgetAlert",
            Self::Notification => "Notification",
        }
    }

    /// Whether something waits for what hooks say. Otherwise they are only told.
    pub const fn decides(self) -> bool {
        matches!(
            self,
            Self::UserPromptSubmit
                | Self::PreToolUse
                | Self::PermissionRequest
                | Self::PreTask
                | Self::PreEdit
                | Self::PreCommand
                | Self::PreCompact
        )
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Event {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        let found = Self::ALL.into_iter().find(|event| event.as_str() == text);
        found.ok_or_else(|| UnknownEvent(text.chars().take(64).collect()))
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
