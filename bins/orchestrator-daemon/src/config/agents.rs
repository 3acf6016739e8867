use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use orchestrator_agents::Definition;
use orchestrator_sessions::Program;
use orchestrator_vocab::{AgentId, Capability, OrgId};
use orchestrator_workspaces::Choice;
use serde::{Deserialize, Serialize};

/// One agent program. Its name is the key in `agents`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct AgentConfig {
    #[serde(default)]
    pub(crate) description: String,
    /// Whose tasks it works on.
    #[serde(default = "local")]
    pub(crate) org: OrgId,
    #[serde(default)]
    pub(crate) capabilities: BTreeSet<Capability>,
    /// Tasks it may work on at once.
    #[serde(default = "one")]
    pub(crate) max_concurrent: u32,
    /// What runs: argv, environment and limits come from here and from nowhere else.
    pub(crate) program: Program,
    /// Where its sessions work; without it, where the program says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) workspace: Option<Choice>,
}

fn local() -> OrgId {
    OrgId::LOCAL
}

fn one() -> u32 {
    1
}

impl AgentConfig {
    /// One task at a time for the operator's organisation, no capabilities.
    #[cfg(test)]
    pub(super) fn new(program: Program) -> Self {
        let (org, capabilities) = (local(), BTreeSet::new());
        let (description, max_concurrent) = (String::new(), one());
        Self { description, org, capabilities, max_concurrent, program, workspace: None }
    }

    pub(super) fn validate(&self, name: &AgentId, workspaces: &orchestrator_workspaces::Config) -> anyhow::Result<()> {
        self.definition(name).validate()?;
        if let Some(Choice { source: Some(source), .. }) = &self.workspace
            && !workspaces.sources.contains_key(source)
        {
            bail!("workspace.source: no `{source}` in workspaces.sources");
        }
        self.program.validate().context("program")
    }

    /// What the registry knows of it: everything but how it is run.
    pub(crate) fn definition(&self, name: &AgentId) -> Definition {
        Definition {
            id: name.clone(),
            org: self.org,
            capabilities: self.capabilities.clone(),
            max_concurrent: self.max_concurrent,
            description: self.description.clone(),
            profile: None,
        }
    }
}
