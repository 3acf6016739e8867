//! `orchestrator connection …`

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::Value;

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{ago, short, text, words};

/// The most characters of what a client says of itself.
const CLIENT_CHARS_MAX: usize = 60;

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionCommand {
    /// Lists the open WebSockets of the organisation; `token revoke` ends those of a credential
    #[command(visible_alias = "ls")]
    List {
        /// Connections at most
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
}

pub(crate) async fn run(daemon: &Daemon, command: ConnectionCommand) -> Result<(), Failure> {
    let ConnectionCommand::List { limit } = command;
    let connections = daemon.items("connection.list", Params::new(), limit).await?;
    let header = ["CONNECTION", "DIALECT", "SUBJECT", "CREDENTIAL", "AGE", "HEARD", "CLIENT"];
    daemon.out.show(&Answer::list(&daemon.out, connections, &header, "no connections", row))
}

fn row(connection: &Value) -> Vec<Cell> {
    vec![
        Cell::new(text(connection, "connectionId")),
        Cell::new(text(connection, "dialect")),
        Cell::new(text(connection, "subject")),
        Cell::new(text(connection, "credential")),
        Cell::new(ago(&connection["connectedAt"])),
        Cell::new(ago(&connection["heartbeat"]["at"])),
        Cell::new(short(&words(&connection["client"]), CLIENT_CHARS_MAX)),
    ]
}
