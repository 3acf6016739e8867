//! `orchestrator emergency …`

use clap::Subcommand;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::show::{ago, text};

#[derive(Debug, Subcommand)]
pub(crate) enum EmergencyCommand {
    /// Ends every tool, model request and session at once, and lets none begin until it is released, also after a restart
    Stop {
        /// Why, for whoever meets it
        reason: String,
    },
    /// Takes it back: what was interrupted goes on
    Release {
        /// Why, for whoever reads the log later
        reason: String,
    },
    /// Whether one is in force, and why
    Status,
}

pub(crate) async fn run(daemon: &Daemon, command: EmergencyCommand) -> Result<(), Failure> {
    let standing = match command {
        EmergencyCommand::Stop { reason } => daemon.call("emergency.stop", json!({ "reason": reason })).await?,
        EmergencyCommand::Release { reason } => daemon.call("emergency.release", json!({ "reason": reason })).await?,
        EmergencyCommand::Status => daemon.call("emergency.status", json!({})).await?,
    };
    let said = described(&standing);
    daemon.out.show(&Answer::told(standing, said))
}

/// In a sentence for each order.
pub(super) fn described(standing: &Value) -> String {
    let orders = [("everything is stopped", "byOperator"), ("the organisation is stopped", "own")];
    let in_force = orders.into_iter().filter(|(_, field)| standing[field].is_object());
    let lines: Vec<String> = in_force.map(|(what, field)| sentence(what, &standing[field])).collect();
    match lines.is_empty() {
        true => "no emergency stop is in force".to_owned(),
        false => lines.join("\n"),
    }
}

fn sentence(what: &str, order: &Value) -> String {
    let since = ago(&order["since"]);
    match (text(order, "by"), text(order, "reason")) {
        ("", _) => format!("{what} by the operator, {since} ago"),
        (by, reason) => format!("{what} by {by}, {since} ago: {reason}"),
    }
}
