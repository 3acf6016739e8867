use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_confine::{Report, Sandboxes};
use orchestrator_process::{Host, Mode, Network};

use crate::config::Config;
use crate::files::DataDir;

/// What starts the programs of this daemon. The data directory is out of reach of those that are confined.
pub(crate) fn host(config: &Config, data: &DataDir) -> anyhow::Result<Host> {
    // What is there is left of programs of a run that did not end by itself.
    drop(std::fs::remove_dir_all(data.path().join("temporary")));
    let temporary = data.temporary().context("cannot make the directory for what is temporary")?;
    let confine = Sandboxes::of_this_program(temporary).hiding(data.path());
    tell(config, confine.report());
    Ok(Host { owner: data.node()?, confine: Arc::new(confine) })
}

/// Whether the programs of `command.run` can reach nobody: what is missing may be what would keep them from it.
pub(crate) fn cuts_off(config: &Config) -> bool {
    let sandbox = &config.sandbox;
    sandbox.mode != Mode::Off && sandbox.network == Network::None && Report::of_this_system().missing().is_empty()
}

/// Once, at the start.
fn tell(config: &Config, report: &Report) {
    let missing = report.missing().join(", and ");
    for (key, sandbox) in config.sandboxes() {
        match sandbox.mode {
            // What the operator names runs as it is unless a sandbox is asked for; what agents name does not.
            Mode::Off if key == "sandbox" => tracing::warn!("commands are not confined: sandbox.mode is off"),
            Mode::Off => {}
            Mode::Required if !missing.is_empty() => {
                tracing::error!(
                    missing,
                    "nothing of it will run: {key}.mode is required, and this system cannot confine"
                );
            }
            _ if !missing.is_empty() => tracing::warn!(missing, "confined in part: {key}"),
            _ => tracing::info!(by = %report, "confined: {key}"),
        }
    }
    for weakness in report.weaknesses() {
        tracing::warn!(weakness, "programs are confined, except that");
    }
}
