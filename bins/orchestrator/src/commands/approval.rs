//! `orchestrator approval …`

use clap::{Args, Subcommand};
use comfy_table::Cell;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{ago, away, plain, text};

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalCommand {
    /// Lists calls that wait for somebody to confirm them
    #[command(visible_alias = "ls")]
    List {
        /// Also those that were answered, or have expired
        #[arg(long)]
        all: bool,
        /// Only those of this session
        #[arg(long, value_name = "SESSION")]
        session: Option<String>,
        /// Calls at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Shows a call as it would be made, with its arguments and their digest
    Get {
        /// Its id, as `approval list` shows it
        approval: String,
    },
    /// Confirms a call as it was shown; it is made once
    Approve(ApproveArgs),
    /// Says no to a call; the agent is told, and goes on without it
    Deny {
        /// Its id
        approval: String,
        /// Why; the agent reads it
        #[arg(long, short)]
        reason: Option<String>,
    },
    /// Lists the calls that were confirmed for good
    Grants {
        /// Grants at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Has such calls confirmed one by one again
    Revoke {
        /// The grant's id
        grant: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// Its id
    approval: String,
    /// What `approval get` showed as its digest; without it, what waits now is confirmed
    #[arg(long)]
    digest: Option<String>,
    /// Confirms every call of this agent and tool with exactly these arguments, from now on
    #[arg(long)]
    always: bool,
    /// Why, for the audit log
    #[arg(long, short)]
    note: Option<String>,
}

pub(crate) async fn run(daemon: &Daemon, command: ApprovalCommand) -> Result<(), Failure> {
    match command {
        ApprovalCommand::List { all, session, limit } => {
            let params = Params::new()
                .with("limit", limit)
                .maybe("status", (!all).then_some("pending"))
                .maybe("sessionId", session);
            list(daemon, params.into()).await
        }
        ApprovalCommand::Get { approval } => {
            let found = daemon.call("approval.get", json!({ "approvalId": approval })).await?;
            daemon.out.show(&Answer::fields(&daemon.out, found, FIELDS))
        }
        ApprovalCommand::Approve(args) => approve(daemon, args).await,
        ApprovalCommand::Deny { approval, reason } => {
            let params = Params::new().with("approvalId", approval).maybe("reason", reason);
            let denied = daemon.call("tool.deny", Value::from(params)).await?;
            let told = format!("{} is not called by {}", text(&denied, "tool"), text(&denied, "agentId"));
            daemon.out.show(&Answer::told(denied, told))
        }
        ApprovalCommand::Grants { limit } => grants(daemon, limit).await,
        ApprovalCommand::Revoke { grant } => {
            let revoked = daemon.call("grant.revoke", json!({ "grantId": grant })).await?;
            let told = format!("{} of {} has to be confirmed again", text(&revoked, "tool"), text(&revoked, "agentId"));
            daemon.out.show(&Answer::told(revoked, told))
        }
    }
}

const FIELDS: &[(&str, &str)] = &[
    ("approval", "/id"),
    ("status", "/status"),
    ("tool", "/tool"),
    ("arguments", "/arguments"),
    ("digest", "/digest"),
    ("agent", "/agentId"),
    ("task", "/taskId"),
    ("session", "/sessionId"),
    ("because", "/rules"),
    ("said by", "/label/integrity"),
    ("for the eyes of", "/label/confidentiality"),
    ("for", "/by"),
    ("wanted by", "/requester"),
    ("asked", "/requestedAt"),
    ("expires", "/expiresAt"),
    ("answered by", "/decidedBy"),
    ("answered", "/decidedAt"),
    ("note", "/note"),
];

async fn list(daemon: &Daemon, params: Value) -> Result<(), Failure> {
    let found = daemon.call("approval.list", params).await?;
    let items = found["items"].as_array().cloned().unwrap_or_default();
    let row = |approval: &Value| {
        vec![
            Cell::new(text(approval, "id")),
            Cell::new(text(approval, "status")),
            Cell::new(text(approval, "agentId")),
            Cell::new(text(approval, "tool")),
            Cell::new(away(&approval["expiresAt"])),
            Cell::new(text(approval, "arguments")),
        ]
    };
    let columns = ["APPROVAL", "STATUS", "AGENT", "TOOL", "EXPIRES", "ARGUMENTS"];
    let answer = Answer::list(&daemon.out, items, &columns, "nothing waits", row);
    daemon.out.show(&Answer { json: found, ..answer })
}

async fn approve(daemon: &Daemon, args: ApproveArgs) -> Result<(), Failure> {
    let params = Params::new()
        .with("approvalId", args.approval)
        .maybe("digest", args.digest)
        .flag("always", args.always)
        .maybe("note", args.note);
    let approved = daemon.call("tool.approve", Value::from(params)).await?;
    let often = if args.always { "always" } else { "once" };
    let told = format!(
        "{} may be called by {}, {often}: {}",
        text(&approved, "tool"),
        text(&approved, "agentId"),
        text(&approved, "arguments")
    );
    daemon.out.show(&Answer::told(approved, told))
}

async fn grants(daemon: &Daemon, limit: usize) -> Result<(), Failure> {
    let found = daemon.call("grant.list", json!({ "limit": limit })).await?;
    let items = found["items"].as_array().cloned().unwrap_or_default();
    let row = |grant: &Value| {
        vec![
            Cell::new(text(grant, "id")),
            Cell::new(text(grant, "agentId")),
            Cell::new(text(grant, "tool")),
            Cell::new(plain(&grant["grantedBy"])),
            Cell::new(ago(&grant["grantedAt"])),
            Cell::new(text(grant, "arguments")),
        ]
    };
    let columns = ["GRANT", "AGENT", "TOOL", "BY", "SINCE", "ARGUMENTS"];
    let answer = Answer::list(&daemon.out, items, &columns, "nothing is confirmed for good", row);
    daemon.out.show(&Answer { json: found, ..answer })
}
