//! `orchestrator mcp …`

mod bridge;

use std::sync::Arc;

use clap::Subcommand;
use comfy_table::Cell;
use orchestrator_mcp::Identity;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::show::text;

/// A client that sends longer messages than this is not heard; the daemon takes less.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

#[derive(Debug, Subcommand)]
pub(crate) enum McpCommand {
    /// Speaks the protocol on standard input and output, for a client that starts this program
    Serve,
    /// Lists the operations that models are offered as tools, with your credential
    Tools,
}

pub(crate) async fn run(daemon: &Daemon, command: McpCommand) -> Result<(), Failure> {
    match command {
        McpCommand::Serve => serve(daemon).await,
        McpCommand::Tools => tools(daemon).await,
    }
}

/// Nothing but the protocol is printed to standard output.
async fn serve(daemon: &Daemon) -> Result<(), Failure> {
    let bridge = Arc::new(bridge::Bridge::new(daemon.client.clone()));
    let identity = Identity {
        name: "orchestrator".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instructions: "Tools of an orchestrator daemon: its tasks, schedules and agents.".to_owned(),
    };
    let streams = (tokio::io::stdin(), tokio::io::stdout());
    let served = orchestrator_mcp::serve(bridge, identity, streams, MESSAGE_BYTES_MAX).await;
    served.map_err(|error| Failure::failed(error.to_string()))
}

async fn tools(daemon: &Daemon) -> Result<(), Failure> {
    let found = daemon.call("mcp.tools", json!({})).await?;
    let tools = found["tools"].as_array().cloned().unwrap_or_default();
    let row = |tool: &Value| vec![Cell::new(text(tool, "tool")), Cell::new(text(tool, "summary"))];
    let names = tools.iter().map(|tool| text(tool, "tool").to_owned()).collect();
    let answer = Answer::list(&daemon.out, tools, &["TOOL", "WHAT IT DOES"], "no tools", row);
    daemon.out.show(&Answer { json: found, ids: names, ..answer })
}
