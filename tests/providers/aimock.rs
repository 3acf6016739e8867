//! The npm package `@copilotkit/aimock`, which speaks like the vendors. `cargo xtask setup` installs it.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;
use orchestrator_testkit::{patiently, program};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

pub(crate) struct Aimock {
    pub(crate) url: String,
    _server: Child,
    _fixtures: TempDir,
}

impl Aimock {
    /// With these fixtures; a request that none fits is an error.
    pub(crate) async fn start(fixtures: &Value) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("fixtures.json"), fixtures.to_string())?;
        let mut server = Command::new("node")
            .arg(script()?)
            .args(["--strict", "--chunk-size", "4", "-p", "0", "-f"])
            .arg(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("node is missing: run `cargo xtask setup`")?;
        let output = server.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(output).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some((_, url)) = line.split_once("listening on ") {
                    return Ok::<_, std::io::Error>(Some(url.trim().to_owned()));
                }
            }
            Ok(None)
        };
        let url = patiently("aimock to listen", listening).await?.context("aimock ended at its start")?;
        Ok(Self { url, _server: server, _fixtures: directory })
    }
}

/// In the folder of the build, where the daemon is too; a build that measures coverage lies deeper.
fn script() -> anyhow::Result<PathBuf> {
    const SCRIPT: &str = "aimock/node_modules/@copilotkit/aimock/dist/cli.js";
    let daemon = program("orchestrator-daemon")?;
    let script = daemon.ancestors().map(|folder| folder.join(SCRIPT)).find(|script| script.is_file());
    script.with_context(|| format!("{SCRIPT} is missing: run `cargo xtask setup`"))
}
