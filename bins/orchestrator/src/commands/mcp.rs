//! `orchestrator mcp …`

mod bridge;
mod servers;

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
    /// Lists the servers whose tools agents may use, and tools that wait for somebody
    #[command(visible_alias = "ls")]
    List,
    /// Confirms a tool that is new or has changed, as it is now
    Confirm {
        /// As it is configured
        server: String,
        /// As the server calls it
        tool: String,
        /// What `mcp list` showed of it: sha256:…
        digest: String,
    },
    /// Ends the conversation with a server and begins another one
    Restart {
        /// As it is configured
        server: String,
    },
}

pub(crate) async fn run(daemon: &Daemon, command: McpCommand) -> Result<(), Failure> {
    match command {
        McpCommand::Serve => serve(daemon).await,
        McpCommand::Tools => tools(daemon).await,
        McpCommand::List => servers::list(daemon).await,
        McpCommand::Confirm { server, tool, digest } => servers::confirm(daemon, &server, &tool, &digest).await,
        McpCommand::Restart { server } => servers::restart(daemon, &server).await,
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
