//! How programs are confined: those that agents name by `sandbox`, each that the operator names by a `sandbox` of its own.

use std::path::Path;

use anyhow::{Context as _, ensure};
use orchestrator_process::Sandbox;

use super::Config;

impl Config {
    /// Every sandbox, by its key. Those of programs that are not confined are off.
    pub(crate) fn sandboxes(&self) -> Vec<(String, &Sandbox)> {
        let mut all = vec![("sandbox".to_owned(), &self.sandbox)];
        all.extend(self.agents.iter().map(|(name, agent)| (format!("agents.{name}.program"), &agent.program.sandbox)));
        let coding = self.coding_agents.iter();
        all.extend(coding.map(|(name, agent)| (format!("codingAgents.{}", name.as_str()), &agent.sandbox)));
        let servers = self.mcp.servers.iter().filter(|(_, server)| server.url.is_none());
        all.extend(servers.map(|(name, server)| (format!("mcp.servers.{name}"), &server.sandbox)));
        let hooks = self.hooks.custom.iter().filter_map(|(name, hook)| Some((name, hook.program.as_ref()?)));
        all.extend(hooks.map(|(name, program)| (format!("hooks.custom.{name}.program"), &program.sandbox)));
        for (key, _) in all.iter_mut().skip(1) {
            key.push_str(".sandbox");
        }
        all
    }

    pub(super) fn validate_sandboxes(&self) -> anyhow::Result<()> {
        for (key, sandbox) in self.sandboxes() {
            sandbox.validate().map_err(anyhow::Error::msg).context(key.clone())?;
            for path in &sandbox.writable {
                let (real, data) = (real(path), real(&self.daemon.data_dir));
                ensure!(!data.starts_with(&real), "{key}.writable: the data directory is in {}", path.display());
            }
        }
        Ok(())
    }
}

/// Without links, as far as it exists.
fn real(path: &Path) -> std::path::PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.canonicalize().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_data_directory_is_never_writable_whoever_the_sandbox_is_for() {
        let check = |mut values: Value, key: &str| {
            values["daemon"] = json!({ "dataDir": "/srv/some/data" });
            let config: Config = serde_json::from_value(values).unwrap();
            let told = format!("{:#}", config.validate_sandboxes().unwrap_err());
            assert!(told.starts_with(key), "{told}");
        };
        let wrong = json!({ "writable": ["/srv"] });
        let program = json!({ "command": ["x"], "sandbox": wrong });
        check(json!({ "sandbox": wrong }), "sandbox.writable");
        check(json!({ "agents": { "a": { "program": program } } }), "agents.a.program.sandbox.writable");
        check(json!({ "codingAgents": { "ruflo": program } }), "codingAgents.ruflo.sandbox.writable");
        check(json!({ "mcp": { "servers": { "s": program } } }), "mcp.servers.s.sandbox.writable");
        let hook = json!({ "events": ["PreToolUse"], "program": program });
        check(json!({ "hooks": { "custom": { "h": hook } } }), "hooks.custom.h.program.sandbox.writable");
        check(json!({ "sandbox": { "limits": { "openFiles": 1 } } }), "sandbox: limits.openFiles");
    }
}
