use orchestrator_mcp::{ServerInfo, State};

use super::Finding;
use crate::config::Config;

/// Whether the programs of the servers of tools are there.
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let enabled = config.mcp.servers.iter().filter(|(_, server)| server.enabled);
    let missing = enabled.clone().filter_map(|(name, server)| {
        let problem = server.find_program().err()?;
        let remedy = format!("install it, or correct mcp.servers.{name}.command and its PATH (environment)");
        Some(Finding::failure("MCP servers", format!("{name}: {problem}"), remedy))
    });
    let mut findings: Vec<Finding> = missing.collect();
    if findings.is_empty() {
        findings.push(Finding::ok("MCP servers", format!("{} are configured", enabled.count())));
    }
    findings
}

/// How they are doing. None of them is needed for the daemon to work.
pub(crate) fn of(servers: &[ServerInfo]) -> Vec<Finding> {
    let enabled = servers.iter().filter(|server| server.state != State::Disabled);
    let lost = enabled.clone().filter(|server| server.state != State::Connected).map(|server| {
        let reason = server.last_error.as_deref().unwrap_or("it is being started");
        Finding::warning("MCP servers", format!("{}: {reason}", server.name), "orchestrator mcp list")
    });
    let mut findings: Vec<Finding> = lost.collect();
    if findings.is_empty() {
        findings.push(Finding::ok("MCP servers", format!("{} are connected", enabled.count())));
    }
    findings
}
