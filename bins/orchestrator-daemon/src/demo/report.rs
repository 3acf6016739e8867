use std::path::Path;

use anyhow::Context as _;
use orchestrator_client::Client;
use serde_json::{Value, json};

/// What the reporter calls it.
const NAME: &str = "REPORT.md";
/// A report has a line for each of a few files.
const REPORT_BYTES_MAX: usize = 64 << 10;

/// Shows what was written, and where. It was the last session, so its workspace is the newest.
pub(super) async fn show(client: &Client) -> anyhow::Result<()> {
    let workspaces: Value = client.call("session.workspace.list", &json!({ "limit": 1 })).await?;
    let workspace = &workspaces["items"][0];
    let directory = workspace["path"].as_str().context("the report has no workspace")?;
    let path = Path::new(directory).join(NAME);
    let report = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let report = String::from_utf8_lossy(&report[..report.len().min(REPORT_BYTES_MAX)]);
    println!("\n{}:\n\n{}", path.display(), report.trim_end());
    Ok(())
}
