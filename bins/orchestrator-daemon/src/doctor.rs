//! What an operator asks when something is odd, or before it is: checks that need no running daemon.
//!
//! What only a running daemon knows is the operation `daemon.doctor`; both speak in [`Finding`]s.

mod agents;
mod audit;
mod embedder;
mod emergency;
mod encryption;
mod files;
mod finding;
mod hosts;
mod machine;
mod mcp;
mod models;
mod network;
mod notify;
mod redis;
mod sandbox;
mod skills;
mod store;

use std::path::Path;
use std::process::ExitCode;

use orchestrator_settings::Loaded;

pub(crate) use agents::{of as of_agents, of_charters};
pub(crate) use embedder::of as of_embedder;
pub(crate) use emergency::of as of_emergency;
pub(crate) use finding::{Finding, Severity};
pub(crate) use machine::{disk, skew};
pub(crate) use mcp::of as of_servers;
pub(crate) use models::of as of_models;
pub(crate) use notify::of as of_notifications;
pub(crate) use redis::of as of_redis;
pub(crate) use sandbox::of as of_sandboxes;
pub(crate) use skills::{named as skills_of_agents, of as of_skills, without_room as skills_without_room};
pub(crate) use store::of as of_store;

use crate::args::Args;
use crate::config::{self, Config};
use crate::files::DataDir;

/// Ends with 1 if a check failed; warnings do not count.
pub(crate) fn run(args: &Args, as_json: bool) -> anyhow::Result<ExitCode> {
    let findings = match config::load(args) {
        Ok(loaded) => tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(check(&loaded)),
        Err(error) => {
            let remedy = "correct it: nothing else can be checked without it; README.md has every key";
            vec![Finding::failure("configuration", format!("{error:#}"), remedy)]
        }
    };
    if as_json {
        println!("{}", serde_json::to_string(&findings)?);
    } else {
        findings.iter().for_each(|finding| println!("{finding}"));
    }
    let has_failed = findings.iter().any(|finding| finding.severity == Severity::Failure);
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn check(loaded: &Loaded<Config>) -> Vec<Finding> {
    let config = &loaded.value;
    let data = DataDir::at(&config.daemon.data_dir);
    let is_running = network::is_alive(&data).await;
    let mut findings = of_configuration(loaded);
    findings.extend(agents::findings(config));
    findings.extend(skills::findings(config));
    findings.extend(mcp::findings(config));
    findings.extend(models::of(config));
    findings.extend(embedder::findings(config).await);
    findings.extend(files::data_directory(data.path()));
    findings.extend(files::modes(&data, config));
    findings.extend(files::leftovers(&data, is_running));
    if data.path().is_dir() {
        findings.extend(sandbox::of(config, &data).await);
    }
    findings.push(audit::finding(&data));
    findings.push(machine::disk(data.path()));
    findings.push(machine::clock(data.path()));
    findings.push(machine::descriptors(config.gateway.connections_max));
    findings.extend(network::ports(config, is_running));
    findings.extend(encryption::findings(config));
    findings.extend(store::offline(config, &data, is_running).await);
    findings.extend(redis::findings(config).await);
    findings.extend(notify::findings(config).await);
    findings
}

fn of_configuration(loaded: &Loaded<Config>) -> Vec<Finding> {
    let file = loaded.file.as_deref().map(Path::display);
    let found = file.map_or("no file; the defaults are in order".to_owned(), |file| format!("{file} is in order"));
    let warnings = loaded
        .warnings
        .iter()
        .map(|warning| Finding::warning("configuration", warning.to_string(), "take it out, or expect nothing of it"));
    std::iter::once(Finding::ok("configuration", found)).chain(warnings).collect()
}
