use std::collections::BTreeMap;

use anyhow::Context as _;
use orchestrator_mcp::{ServerConfig, ServerName};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// The Model Context Protocol.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Mcp {
    /// Whether operations are offered as tools at `/mcp`.
    pub(crate) serve: bool,
    /// Other servers, whose tools agents may use.
    pub(crate) servers: BTreeMap<ServerName, ServerConfig>,
}

impl Default for Mcp {
    fn default() -> Self {
        Self { serve: true, servers: BTreeMap::new() }
    }
}

impl Mcp {
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        for (name, server) in &self.servers {
            server.validate().with_context(|| format!("servers.{name}"))?;
        }
        Ok(())
    }

    /// What must not be shown, by the keys of the configuration.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (String, &SecretString)> {
        self.servers.iter().flat_map(|(name, server)| {
            server.secrets().map(move |(key, secret)| (format!("mcp.servers.{name}.{key}"), secret))
        })
    }
}
