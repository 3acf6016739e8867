//! What an agent does with tasks, by hand or from a script.

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::Value;

use super::{changed, one};
use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{away, plain, short, text};
use crate::values;

/// A task that was claimed, and the fence that came with the claim.
#[derive(Debug, clap::Args)]
pub(crate) struct Claimed {
    #[arg(value_name = "TASK")]
    id: String,
    /// The number that came with the claim
    #[arg(long)]
    fence: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkCommand {
    /// Takes the tasks that fit a registered agent best
    Claim {
        /// Who takes them
        #[arg(long, value_name = "AGENT")]
        agent: String,
        /// Tasks at most
        #[arg(long, default_value_t = 1)]
        limit: usize,
        /// Only tasks that need no more than these (repeatable)
        #[arg(long = "capability", value_name = "CAPABILITY")]
        capabilities: Vec<String>,
    },
    /// Renews the lease of a claimed task; without that it goes back
    Heartbeat {
        #[command(flatten)]
        claimed: Claimed,
        /// What there is to report: JSON, @FILE or -
        #[arg(long, value_name = "JSON")]
        progress: Option<String>,
    },
    /// Completes a claimed task
    Complete {
        #[command(flatten)]
        claimed: Claimed,
        /// What came of it: JSON, @FILE or -
        #[arg(long, value_name = "JSON")]
        result: Option<String>,
    },
    /// Reports that an attempt at a claimed task failed
    Fail {
        #[command(flatten)]
        claimed: Claimed,
        /// What went wrong
        #[arg(long, value_name = "TEXT")]
        error: String,
    },
    /// Gives a claimed task back undone
    Release {
        #[command(flatten)]
        claimed: Claimed,
    },
}

pub(super) async fn run(daemon: &Daemon, command: WorkCommand) -> Result<(), Failure> {
    let of = |claimed: &Claimed| one(&claimed.id).with("fence", claimed.fence);
    match command {
        WorkCommand::Claim { agent, limit, capabilities } => {
            let params = Params::new().with("agentId", agent).with("limit", limit).list("capabilities", &capabilities);
            claim(daemon, params).await
        }
        WorkCommand::Heartbeat { claimed, progress } => {
            let progress = progress.as_deref().map(values::read_json).transpose()?;
            let lease = daemon.call("task.heartbeat", of(&claimed).maybe("progress", progress)).await?;
            let said = format!("yours until {}", text(&lease, "leaseUntil"));
            daemon.out.show(&Answer { ids: vec![claimed.id], ..Answer::told(lease, said) })
        }
        WorkCommand::Complete { claimed, result } => {
            let result = result.as_deref().map(values::read_json).transpose()?;
            changed(daemon, "task.complete", of(&claimed).maybe("result", result)).await
        }
        WorkCommand::Fail { claimed, error } => {
            changed(daemon, "task.fail", of(&claimed).with("error", values::read_text(&error)?)).await
        }
        WorkCommand::Release { claimed } => changed(daemon, "task.release", of(&claimed)).await,
    }
}

async fn claim(daemon: &Daemon, params: Params) -> Result<(), Failure> {
    let answer = daemon.call("task.claim", params).await?;
    let claims = answer["items"].as_array().cloned().unwrap_or_default();
    let row = |claim: &Value| {
        vec![
            Cell::new(text(&claim["task"], "id")),
            Cell::new(plain(&claim["fence"])),
            Cell::new(away(&claim["leaseUntil"])),
            Cell::new(short(text(&claim["task"], "title"), 80)),
        ]
    };
    let ids = claims.iter().map(|claim| text(&claim["task"], "id").to_owned()).collect();
    let answer = Answer::list(&daemon.out, claims, &["TASK", "FENCE", "LEASE ENDS", "TITLE"], "nothing to do", row);
    daemon.out.show(&Answer { ids, ..answer })
}
