use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use orchestrator_tools::CommandConfig;
use orchestrator_transcript::ToolPattern;
use serde::{Deserialize, Serialize};

/// What agents may do at all, whatever their files say.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Tools {
    /// What may be called, unless something else is in the way. What neither this nor `confirm` names is never called.
    pub(crate) allow: BTreeSet<ToolPattern>,
    /// What may be called once a person has confirmed the call, also if `allow` names it.
    pub(crate) confirm: BTreeSet<ToolPattern>,
    /// Bounds of every call.
    pub(crate) limits: orchestrator_tools::Config,
    /// How `command.run` runs commands.
    pub(crate) command: CommandConfig,
    /// Whom `http.fetch` and `http.request` may ask, for how long and for how much.
    pub(crate) http: orchestrator_egress::Config,
    /// Directories in which an administrator may try tools (`tool.call`), by name.
    pub(crate) workspaces: BTreeMap<String, PathBuf>,
}

impl Tools {
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        self.limits.validate().context("limits")?;
        self.command.validate().context("command")?;
        self.http.validate().context("http")?;
        for (name, path) in &self.workspaces {
            ensure!(path.is_absolute(), "workspaces.{name}: expected an absolute path");
        }
        Ok(())
    }
}
