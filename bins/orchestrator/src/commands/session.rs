//! `orchestrator session …`

mod people;
mod workspace;

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::toned;
use crate::params::Params;
use crate::show::{ago, millis, short, text};
use crate::{live, values};

/// The daemon gives no more in one answer.
const PAGE_MAX: usize = 200;

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Lists sessions
    #[command(visible_alias = "ls")]
    List {
        /// Only in this: initializing, running, paused, suspended, completed, failed, terminated
        #[arg(long, short, value_parser = values::word)]
        status: Option<String>,
        /// Sessions at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Stays and refreshes when something changes
        #[arg(long, short)]
        watch: bool,
    },
    /// Shows a session
    #[command(visible_alias = "get")]
    Status {
        #[arg(value_name = "SESSION")]
        id: String,
        /// Stays and refreshes when something changes
        #[arg(long, short)]
        watch: bool,
    },
    /// Creates a task and a session that works on it
    Create {
        /// What to do
        description: String,
        /// The agent that does it; else the one that fits best
        #[arg(long, value_name = "AGENT")]
        agent: Option<String>,
        /// A capability that the agent must have (repeatable)
        #[arg(long = "requires", value_name = "CAPABILITY")]
        requires: Vec<String>,
        /// code, research, analysis, custom or general
        #[arg(long, default_value = "general")]
        kind: String,
        /// critical, high, medium or low
        #[arg(long, short, default_value = "medium")]
        priority: String,
        /// Data for the agent: a JSON object, @FILE or -
        #[arg(long, value_name = "JSON")]
        metadata: Option<String>,
        /// A word of your own to find it by
        #[arg(long, default_value = "cli")]
        label: String,
    },
    /// Ends a session and all its processes; its task goes back
    Stop {
        #[arg(value_name = "SESSION")]
        id: String,
        /// Why, for those who read it later
        #[arg(long)]
        reason: Option<String>,
        /// Kills at once instead of asking first
        #[arg(long)]
        force: bool,
    },
    /// Stops the processes of a session where they are
    Pause {
        #[arg(value_name = "SESSION")]
        id: String,
        /// Why, for those who read it later
        #[arg(long)]
        reason: Option<String>,
    },
    /// Lets a paused or suspended session go on
    Resume {
        #[arg(value_name = "SESSION")]
        id: String,
    },
    /// Shows, compares, merges and discards where sessions work on files
    #[command(subcommand)]
    Workspace(workspace::WorkspaceCommand),
    /// Says something to a session in the middle of its work
    Prompt(people::PromptArgs),
    /// Says what became of a call of which nobody knows whether it was made; the session goes on
    Settle(people::SettleArgs),
    /// Shows what a session did, step by step
    History(people::HistoryArgs),
    /// Runs what a session did again, without asking or calling anybody, and tells where it comes to something else
    Replay {
        #[arg(value_name = "SESSION")]
        id: String,
    },
}

pub(crate) async fn run(daemon: &Daemon, command: SessionCommand) -> Result<(), Failure> {
    match command {
        SessionCommand::List { status, limit, watch } => {
            let params = Params::new().maybe("status", status);
            let params = Value::from(params);
            live::show(daemon, watch, &["session.*"], || list(daemon, params.clone(), limit)).await
        }
        SessionCommand::Status { id, watch } => live::show(daemon, watch, &["session.*"], || status(daemon, &id)).await,
        SessionCommand::Create { description, agent, requires, kind, priority, metadata, label } => {
            let metadata = metadata.as_deref().map(values::read_json).transpose()?;
            let task = Params::new()
                .with("type", kind)
                .with("description", values::read_text(&description)?)
                .with("priority", priority)
                .maybe("metadata", metadata);
            let params = Params::new()
                .with("orchestratorId", label)
                .with("sessionType", "process")
                .maybe("agentId", agent)
                .list("requiredCapabilities", &requires)
                .with("task", Value::from(task));
            changed(daemon, "session.create", params).await
        }
        SessionCommand::Stop { id, reason, force } => {
            changed(daemon, "session.stop", one(&id).maybe("reason", reason).flag("force", force)).await
        }
        SessionCommand::Pause { id, reason } => {
            changed(daemon, "session.pause", one(&id).maybe("reason", reason)).await
        }
        SessionCommand::Resume { id } => changed(daemon, "session.resume", one(&id)).await,
        SessionCommand::Workspace(command) => workspace::run(daemon, command).await,
        SessionCommand::Prompt(args) => people::prompt(daemon, &args).await,
        SessionCommand::Settle(args) => changed(daemon, "session.settle", people::settle(&args)?).await,
        SessionCommand::History(args) => people::history(daemon, &args).await,
        SessionCommand::Replay { id } => people::replay(daemon, &id).await,
    }
}

const FIELDS: [(&str, &str); 20] = [
    ("session", "/id"),
    ("status", "/status"),
    ("reason", "/reason"),
    ("waits for", "/waitingFor"),
    ("agent", "/agentId"),
    ("runtime", "/runtime"),
    ("task", "/taskId"),
    ("what", "/task/description"),
    ("kind", "/task/type"),
    ("priority", "/task/priority"),
    ("label", "/orchestratorId"),
    ("started", "/startedAt"),
    ("ended", "/endedAt"),
    ("worked (ms)", "/metrics/durationMs"),
    ("tokens", "/metrics/tokensUsed"),
    ("turns", "/turns"),
    ("tasks completed", "/metrics/tasksCompleted"),
    ("exit", "/exit"),
    ("last output", "/lastOutput"),
    ("node", "/node"),
];

fn one(id: &str) -> Params {
    Params::new().with("sessionId", id)
}

async fn status(daemon: &Daemon, id: &str) -> Result<Answer, Failure> {
    let session = daemon.call("session.status", one(id)).await?;
    Ok(Answer::fields(&daemon.out, session, &FIELDS))
}

async fn changed(daemon: &Daemon, method: &str, params: Params) -> Result<(), Failure> {
    let session = daemon.call(method, params).await?;
    let said = format!("{} {}", text(&session, "id"), text(&session, "status"));
    daemon.out.show(&Answer::told(session, said.trim().to_owned()))
}

/// By offset, page for page.
async fn list(daemon: &Daemon, mut params: Value, limit: usize) -> Result<Answer, Failure> {
    let mut sessions = Vec::new();
    while sessions.len() < limit {
        params["limit"] = json!((limit - sessions.len()).min(PAGE_MAX));
        params["offset"] = json!(sessions.len());
        let mut page = daemon.call("session.list", params.clone()).await?;
        match page["sessions"].take() {
            Value::Array(more) if !more.is_empty() => sessions.extend(more),
            _ => break,
        }
    }
    let header = ["SESSION", "STATUS", "AGENT", "AGE", "WORKED", "TASK", "WHAT"];
    Ok(Answer::list(&daemon.out, sessions, &header, "no sessions", row))
}

fn row(session: &Value) -> Vec<Cell> {
    vec![
        Cell::new(text(session, "id")),
        toned(text(session, "status")),
        Cell::new(text(session, "agentId")),
        Cell::new(ago(&session["startedAt"])),
        Cell::new(millis(&session["metrics"]["durationMs"])),
        Cell::new(text(session, "taskId")),
        Cell::new(short(text(&session["task"], "description"), 60)),
    ]
}
