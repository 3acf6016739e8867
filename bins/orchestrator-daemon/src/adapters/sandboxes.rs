use std::sync::Arc;

use anyhow::Context as _;
use orchestrator_confine::{Launcher, Mode};
use orchestrator_tools::Sandbox;

use crate::config::Config;
use crate::files::DataDir;

/// What the programs of `command.run` are confined by; `None` if they are not to be.
pub(crate) fn of_commands(config: &Config, data: &DataDir) -> anyhow::Result<Option<Sandbox>> {
    let launcher = Launcher::of_this_program(config.sandbox.mode);
    tell(&launcher);
    if launcher.mode() == Mode::Off {
        return Ok(None);
    }
    // What is there is left of commands of a run that did not end by itself.
    drop(std::fs::remove_dir_all(data.path().join("temporary")));
    let temporary = data.temporary().context("cannot make the directory for what is temporary")?;
    let confinement = config.sandbox.confinement(data.path());
    Ok(Some(Sandbox { confine: Arc::new(launcher), confinement, temporary }))
}

/// Once, at the start.
fn tell(launcher: &Launcher) {
    let (report, missing) = (launcher.report(), launcher.report().missing().join(", and "));
    match launcher.mode() {
        Mode::Off => tracing::warn!("commands are not confined: sandbox.mode is off"),
        Mode::Required if !missing.is_empty() => {
            tracing::error!(
                missing,
                "no command will run: sandbox.mode is required, and this system cannot confine them"
            );
        }
        _ if !missing.is_empty() => tracing::warn!(missing, "commands are confined in part"),
        _ => tracing::info!(by = %report, "commands are confined"),
    }
    for weakness in report.weaknesses() {
        tracing::warn!(weakness, "commands are confined, except that");
    }
}
