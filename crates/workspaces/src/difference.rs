use serde::Serialize;

/// What was changed in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Every changed file, by path; also those that the diff had no room for.
    pub files: Vec<ChangedFile>,
    /// A unified diff, as `git apply` takes it; what is not text is only named.
    pub diff: String,
    /// Whether the diff ends early because it is longer than `workspaces.diffBytesMax`.
    pub truncated: bool,
    /// Changed files that have changed in the source too since the workspace was made. In a worktree they may still
    /// merge; in a copy they do not.
    pub also_changed: Vec<String>,
}

/// One changed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChangedFile {
    /// Relative to the workspace.
    pub path: String,
    /// What became of it.
    pub change: Change,
    /// Lines that came; absent if it is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<u64>,
    /// Lines that went; absent if it is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<u64>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// It has other contents, or is executable now, or no longer.
    Modified,
    /// It is gone.
    Deleted,
}
