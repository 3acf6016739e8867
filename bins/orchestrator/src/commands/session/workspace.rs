//! `orchestrator session workspace …`

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::Value;

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::toned;
use crate::params::Params;
use crate::show::{ago, plain, text};

#[derive(Debug, Subcommand)]
pub(crate) enum WorkspaceCommand {
    /// Shows where a session works on files
    #[command(visible_alias = "get")]
    Show {
        #[arg(value_name = "SESSION")]
        id: String,
    },
    /// Lists workspaces
    #[command(visible_alias = "ls")]
    List {
        /// Workspaces at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Prints what a session changed, as a unified diff
    Diff {
        #[arg(value_name = "SESSION")]
        id: String,
        /// Only the files, with their numbers of lines
        #[arg(long)]
        stat: bool,
    },
    /// Brings a session's changes into the source
    Merge {
        #[arg(value_name = "SESSION")]
        id: String,
        /// The message of the commit
        #[arg(long, short)]
        message: Option<String>,
    },
    /// Removes a workspace with everything that was changed in it
    Discard {
        #[arg(value_name = "SESSION")]
        id: String,
    },
}

const FIELDS: [(&str, &str); 15] = [
    ("session", "/sessionId"),
    ("status", "/status"),
    ("mode", "/mode"),
    ("source", "/source"),
    ("path", "/path"),
    ("branch", "/branch"),
    ("base", "/base"),
    ("commit", "/commit"),
    ("changed", "/changed"),
    ("bytes", "/bytes"),
    ("notes", "/notes"),
    ("created", "/createdAt"),
    ("ended", "/endedAt"),
    ("closed", "/closedAt"),
    ("node", "/node"),
];

pub(super) async fn run(daemon: &Daemon, command: WorkspaceCommand) -> Result<(), Failure> {
    match command {
        WorkspaceCommand::Show { id } => {
            let workspace = daemon.call("session.workspace.get", one(&id)).await?;
            daemon.out.show(&Answer::fields(&daemon.out, workspace, &FIELDS))
        }
        WorkspaceCommand::List { limit } => list(daemon, limit).await,
        WorkspaceCommand::Diff { id, stat } => diff(daemon, &id, stat).await,
        WorkspaceCommand::Merge { id, message } => {
            let merged = daemon.call("session.workspace.merge", one(&id).maybe("message", message)).await?;
            let said = match (&merged["changed"], text(&merged["workspace"], "commit")) {
                (Value::Bool(false), _) => "nothing was changed: there was nothing to merge".to_owned(),
                (_, "") => "merged".to_owned(),
                (_, commit) => format!("merged as {commit}"),
            };
            daemon.out.show(&Answer::told(merged, said))
        }
        WorkspaceCommand::Discard { id } => {
            let gone = daemon.call("session.workspace.discard", one(&id)).await?;
            daemon.out.show(&Answer::told(gone, "discarded".to_owned()))
        }
    }
}

fn one(id: &str) -> Params {
    Params::new().with("sessionId", id)
}

async fn list(daemon: &Daemon, limit: usize) -> Result<(), Failure> {
    let workspaces = daemon.items("session.workspace.list", Params::new(), limit).await?;
    let row = |workspace: &Value| {
        vec![
            Cell::new(text(workspace, "sessionId")),
            toned(text(workspace, "status")),
            Cell::new(text(workspace, "mode")),
            Cell::new(text(workspace, "source")),
            Cell::new(plain(&workspace["changed"])),
            Cell::new(ago(&workspace["createdAt"])),
            Cell::new(text(workspace, "path")),
        ]
    };
    let header = ["SESSION", "STATUS", "MODE", "SOURCE", "CHANGED", "AGE", "PATH"];
    daemon.out.show(&Answer::list(&daemon.out, workspaces, &header, "no workspaces", row))
}

async fn diff(daemon: &Daemon, id: &str, stat: bool) -> Result<(), Failure> {
    let difference = daemon.call("session.workspace.diff", one(id)).await?;
    let files = difference["files"].as_array().cloned().unwrap_or_default();
    if stat {
        let row = |file: &Value| {
            let lines = |field: &str| plain(&file[field]);
            vec![
                Cell::new(text(file, "path")),
                Cell::new(text(file, "change")),
                Cell::new(lines("added")),
                Cell::new(lines("removed")),
            ]
        };
        let answer = Answer::list(&daemon.out, files, &["FILE", "CHANGE", "ADDED", "REMOVED"], "no changes", row);
        return daemon.out.show(&Answer { json: difference, ..answer });
    }
    let mut said = text(&difference, "diff").trim_end_matches('\n').to_owned();
    if said.is_empty() {
        said.push_str("no changes");
    }
    if difference["truncated"] == true {
        said.push_str("\n… the diff is longer than workspaces.diffBytesMax: --stat has all files");
    }
    daemon.out.show(&Answer::told(difference, said))
}
