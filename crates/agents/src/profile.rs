use std::collections::BTreeSet;
use std::fmt;

use orchestrator_vocab::{AgentId, Capability, OrgId};
use serde::{Deserialize, Serialize};

use crate::Permissions;

/// An agent as its file defines it, with what it takes over from those it extends.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Its name: the stem of its file.
    pub id: AgentId,
    /// Whose tasks it works on.
    #[serde(rename = "orgId")]
    pub org: OrgId,
    /// What people call it; its id unless the file says otherwise.
    pub name: String,
    /// What it is for, at most 1,000 characters.
    pub description: String,
    /// What sort of agent it is.
    #[serde(rename = "type")]
    pub role: Role,
    /// Where it stands among others, 0 at the top, to 3. Shown and searched for, nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<u8>,
    /// What it belongs to.
    pub groups: BTreeSet<String>,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// What runs it.
    pub runtime: Runtime,
    /// The configured program, if that is what runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<AgentId>,
    /// The language model, as `models.*` names it; the daemon's primary one if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether another model may answer when its own cannot.
    pub fallback_allowed: bool,
    /// How much it thinks before it answers; the model's own habit if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    /// How freely it chooses its words, 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The tools it may use, with those of its parents intersected.
    pub permissions: Permissions,
    /// What the file says of permissions as a whole; what it does today: see [`PermissionMode`].
    pub permission_mode: PermissionMode,
    /// What bounds its work.
    pub limits: Limits,
    /// How it works on files: in a worktree of its own where there is a git repository, else in a copy, if it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Workspace>,
    /// On which of the operator's directories (`workspaces.sources`); its workspace begins empty if it does not say.
    #[serde(rename = "workspaceSource", skip_serializing_if = "Option::is_none")]
    pub workspace_source: Option<String>,
    /// Whose what it remembers is; as [`MemoryScope::User`] if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryScope>,
    /// The charter that it acts under; whoever composes this crate sees to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charter: Option<String>,
    /// What happens when it fails too often in a row.
    pub restart: Restart,
    /// The skills that it sees, by their names; all that there are if it does not say. Whoever composes this crate sees to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skills: Option<BTreeSet<String>>,
    /// Those it extends, its parent first.
    pub extends: Vec<AgentId>,
    /// Its system prompt: those of its parents, the farthest first, then its own.
    pub prompt: String,
    /// Its file.
    pub source: String,
}

/// What sort of agent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Writes code.
    Developer,
    /// Splits work and hands it out.
    Coordinator,
    /// Judges results.
    Evaluator,
    /// Looks after sessions.
    SessionManager,
    /// Finds out.
    Researcher,
    /// Reads what others made.
    Reviewer,
    /// Tries what others made.
    Tester,
    /// Makes plans.
    Planner,
    /// Something of its own: what a file without a type defines.
    #[default]
    Specialist,
    /// Coordinates coordinators.
    SwarmCoordinator,
}

impl Role {
    /// As files and the wire spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::Coordinator => "coordinator",
            Self::Evaluator => "evaluator",
            Self::SessionManager => "session-manager",
            Self::Researcher => "researcher",
            Self::Reviewer => "reviewer",
            Self::Tester => "tester",
            Self::Planner => "planner",
            Self::Specialist => "specialist",
            Self::SwarmCoordinator => "swarm-coordinator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What runs an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// A language model with tools, in the daemon itself.
    #[default]
    Llm,
    /// A program that the operator configured under `agents`.
    Program,
    /// The command line of Claude Code.
    ClaudeCode,
    /// The command line of ruflo.
    Ruflo,
}

impl Runtime {
    /// As files and the wire spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Llm => "llm",
            Self::Program => "program",
            Self::ClaudeCode => "claude-code",
            Self::Ruflo => "ruflo",
        }
    }
}

/// How much a model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Thinking {
    /// Not at all.
    Off,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// As usual.
    Medium,
    /// Hard.
    High,
    /// As hard as it can.
    Max,
    /// At most so many tokens, 1,024 or more.
    Tokens(u32),
}

/// What a file says of permissions as a whole. None of them ever widens what `tools` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum PermissionMode {
    /// The tools that are named.
    #[default]
    Default,
    /// Of those, the ones that change nothing.
    Plan,
    /// As `default`: kept for whoever asks people about edits.
    AcceptEdits,
    /// As `default`: no file can switch checks off.
    BypassPermissions,
    /// As `default`.
    DontAsk,
}

/// What bounds an agent's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// How many tasks it may have at once, 1 to 10,000.
    pub max_instances: u32,
    /// How often its model is asked for one task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// The most tokens of one answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// How long it may work on one task, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// How an agent works on files. An agent that a program runs works where the configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Workspace {
    /// Where others do.
    Shared,
    /// In a copy of its own.
    Copy,
    /// In a git worktree of its own.
    Worktree,
}

/// Whose what an agent remembers is, and with whose memories it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MemoryScope {
    /// Of the person whose work it is; the agent's own if it is nobody's.
    User,
    /// Everybody's in the organisation.
    Project,
    /// The agent's own, whoever it works for.
    Local,
}

/// What happens when an agent fails `registry.failuresInRowMax` times in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// It rests for `registry.probeMs` and is tried again.
    #[default]
    OnFailure,
    /// It gets nothing more until it is registered again, or the daemon is restarted.
    Never,
}
