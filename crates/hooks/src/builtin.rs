//! Hooks that come along.

mod commands;
mod compaction;
mod log;
mod prompt;
mod secrets;

use std::fmt;
use std::sync::Arc;

use orchestrator_redact::Redactor;
use serde::{Deserialize, Serialize};

use crate::{Config, Event, Handler, Hook, Kind};

/// A hook that comes along, and is switched on by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Builtin {
    /// Blocks commands that are known to destroy much: a help against mistakes, no boundary.
    DangerousCommands,
    /// Blocks calls of tools whose arguments hold a secret.
    Secrets,
    /// Blocks what people say that is longer than `promptCharsMax`.
    PromptLength,
    /// Blocks making a conversation shorter more often than `compactionsMax`.
    Compaction,
    /// Writes a line into the daemon's log for each task that is over.
    TaskLog,
}

/// Before those of the operator, unless these have a higher priority.
const PRIORITY: i32 = 1_000;

impl Builtin {
    /// As configurations and lists know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DangerousCommands => "dangerousCommands",
            Self::Secrets => "secrets",
            Self::PromptLength => "promptLength",
            Self::Compaction => "compaction",
            Self::TaskLog => "taskLog",
        }
    }

    fn event(self) -> Event {
        match self {
            Self::DangerousCommands => Event::PreCommand,
            Self::Secrets => Event::PreToolUse,
            Self::PromptLength => Event::UserPromptSubmit,
            Self::Compaction => Event::PreCompact,
            Self::TaskLog => Event::PostTask,
        }
    }

    fn handler(self, config: &Config, redactor: &Redactor) -> Arc<dyn Handler> {
        match self {
            Self::DangerousCommands => Arc::new(commands::Guard),
            Self::Secrets => Arc::new(secrets::Guard(redactor.clone())),
            Self::PromptLength => Arc::new(prompt::Guard(config.prompt_chars_max)),
            Self::Compaction => Arc::new(compaction::Guard(config.compactions_max)),
            Self::TaskLog => Arc::new(log::TaskLog),
        }
    }
}

impl fmt::Display for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Those that are switched on.
pub(crate) fn hooks(config: &Config, redactor: &Redactor) -> Vec<Hook> {
    let hook = |builtin: &Builtin| {
        let handler = builtin.handler(config, redactor);
        let hook = Hook::of(builtin.to_string(), Kind::Builtin, [builtin.event()].into(), handler);
        Hook { priority: PRIORITY, ..hook }
    };
    config.builtin.iter().map(hook).collect()
}
