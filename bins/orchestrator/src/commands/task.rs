//! `orchestrator task …`

mod create;
mod details;
mod follow;
mod list;
mod update;
mod work;

use clap::Subcommand;
use serde_json::Value;

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::text;
use crate::values;

pub(crate) use create::Template;

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Creates a task, or many from a file
    Create(Box<create::CreateArgs>),
    /// Lists tasks, the newest first
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    /// Shows a task, what it depends on and what came of it
    Get {
        #[arg(value_name = "TASK")]
        id: String,
    },
    /// Says why a task runs where it runs, or why it does not
    Explain {
        #[arg(value_name = "TASK")]
        id: String,
    },
    /// Shows what happened to a task
    History {
        #[arg(value_name = "TASK")]
        id: String,
        /// Events at most
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
    /// Follows tasks live until they have ended; fails if one did not complete
    Watch {
        #[arg(value_name = "TASK", required = true)]
        ids: Vec<String>,
    },
    /// Calls tasks off, and those that depend on them
    Cancel {
        #[arg(value_name = "TASK", required = true)]
        ids: Vec<String>,
        /// Why, for those who read it later
        #[arg(long)]
        reason: Option<String>,
    },
    /// Starts failed or cancelled tasks anew
    Retry {
        #[arg(value_name = "TASK", required = true)]
        ids: Vec<String>,
        /// Follows them until they have ended
        #[arg(long, short)]
        watch: bool,
    },
    /// Hides tasks for good; cancels them if they have not ended
    Delete {
        #[arg(value_name = "TASK", required = true)]
        ids: Vec<String>,
    },
    /// Changes what a task says
    Update(Box<update::UpdateArgs>),
    /// Makes a task wait for others too
    Depend {
        #[arg(value_name = "TASK")]
        id: String,
        /// What it waits for; `:continue` or `:wait` after an id says what to do if that fails (else: cancel)
        #[arg(long = "on", value_name = "TASK[:POLICY]", required = true, value_parser = values::dependency)]
        on: Vec<Value>,
    },
    /// Takes dependencies away from a task
    Undepend {
        #[arg(value_name = "TASK")]
        id: String,
        #[arg(long = "on", value_name = "TASK", required = true)]
        on: Vec<String>,
    },
    #[command(flatten)]
    Work(work::WorkCommand),
}

pub(crate) async fn run(daemon: &Daemon, command: TaskCommand) -> Result<(), Failure> {
    match command {
        TaskCommand::Create(args) => create::run(daemon, *args).await,
        TaskCommand::List(args) => list::run(daemon, &args).await,
        TaskCommand::Get { id } => details::get(daemon, &id).await,
        TaskCommand::Explain { id } => details::explain(daemon, &id).await,
        TaskCommand::History { id, limit } => details::history(daemon, &id, limit).await,
        TaskCommand::Watch { ids } => follow::run(daemon, ids).await,
        TaskCommand::Cancel { ids, reason } => {
            each(daemon, &ids, "task.cancel", |params| params.maybe("reason", reason.as_deref())).await
        }
        TaskCommand::Retry { ids, watch: false } => each(daemon, &ids, "task.retry", |params| params).await,
        TaskCommand::Retry { ids, watch: true } => {
            let head = daemon.head().await?;
            each(daemon, &ids, "task.retry", |params| params).await?;
            follow::after(daemon, ids, head).await
        }
        TaskCommand::Delete { ids } => each(daemon, &ids, "task.delete", |params| params).await,
        TaskCommand::Update(args) => update::run(daemon, *args).await,
        TaskCommand::Depend { id, on } => changed(daemon, "task.depend", one(&id).with("dependsOn", on)).await,
        TaskCommand::Undepend { id, on } => changed(daemon, "task.undepend", one(&id).with("dependsOn", on)).await,
        TaskCommand::Work(command) => work::run(daemon, command).await,
    }
}

fn one(id: &str) -> Params {
    Params::new().with("taskId", id)
}

/// One call that answers with the task.
async fn changed(daemon: &Daemon, method: &str, params: Params) -> Result<(), Failure> {
    let task = daemon.call(method, params).await?;
    daemon.out.show(&told(task))
}

/// The same for each of the ids; the first refusal ends it.
async fn each(daemon: &Daemon, ids: &[String], method: &str, more: impl Fn(Params) -> Params) -> Result<(), Failure> {
    for id in ids {
        let answer = daemon.call(method, more(one(id))).await?;
        let said = match text(&answer, "id") {
            "" => Answer { ids: vec![id.clone()], ..Answer::told(answer, format!("{id} deleted")) },
            _ => told(answer),
        };
        daemon.out.show(&said)?;
    }
    Ok(())
}

/// A task in a line.
fn told(task: Value) -> Answer {
    let line = format!("{} {}  {}", text(&task, "id"), text(&task, "status"), text(&task, "title"));
    Answer::told(task, line)
}
