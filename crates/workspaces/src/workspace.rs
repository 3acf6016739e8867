use std::fmt;
use std::path::PathBuf;

use orchestrator_vocab::{OrgId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::SourceName;

/// How a session works on its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// On the source itself, with everybody else who does.
    Shared,
    /// On a copy of its files.
    Copy,
    /// On a worktree and a branch of its git repository.
    Worktree,
}

/// Where a workspace is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is being made, or its making was cut off: asking for it again remakes it.
    Preparing,
    /// Its files are there.
    Ready,
    /// Its changes are in the source, its directory is gone.
    Merged,
    /// Its directory is gone.
    Discarded,
}

/// Where one session works on files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// Whose it is.
    pub org: OrgId,
    /// Which session works in it.
    pub session: SessionId,
    /// The daemon on whose machine the files are.
    pub node: String,
    /// Where it is in its life.
    pub status: Status,
    /// How it works on its source.
    pub mode: Mode,
    /// The name of the source; without one it began empty.
    pub source: Option<SourceName>,
    /// Where the source was when the workspace was made.
    pub origin: Option<PathBuf>,
    /// Its directory.
    pub path: PathBuf,
    /// The commit it began with, of a worktree.
    pub base: Option<String>,
    /// Its branch, of a worktree.
    pub branch: Option<String>,
    /// What somebody should know: what was left out of a copy, what of the source was not committed.
    pub notes: Vec<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its session was seen to have ended.
    pub ended_at: Option<Timestamp>,
    /// Whether anything was changed in it, as seen at the session's end.
    pub changed: Option<bool>,
    /// When it was merged or discarded.
    pub closed_at: Option<Timestamp>,
    /// The commit with its changes, once merged.
    pub commit: Option<String>,
}

impl Status {
    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Merged => "merged",
            Self::Discarded => "discarded",
        }
    }

    /// Whether its directory is, or may be, there.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Preparing | Self::Ready)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Mode {
    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Copy => "copy",
            Self::Worktree => "worktree",
        }
    }
}
