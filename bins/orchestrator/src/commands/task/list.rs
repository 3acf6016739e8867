use comfy_table::Cell;
use serde_json::Value;

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::toned;
use crate::params::Params;
use crate::show::{ago, short, text};
use crate::{live, values};

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only in these: pending, blocked, in-progress, awaiting-approval, completed, failed, cancelled
    #[arg(long, short, value_delimiter = ',', value_parser = values::word)]
    status: Vec<String>,
    /// Only of these: critical, high, medium, low
    #[arg(long, short, value_delimiter = ',', value_parser = values::word)]
    priority: Vec<String>,
    /// Only those that this agent works on
    #[arg(long, value_name = "AGENT")]
    owner: Option<String>,
    /// Only of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only parts of this task
    #[arg(long, value_name = "TASK")]
    parent: Option<String>,
    /// Only those that this schedule created
    #[arg(long, value_name = "SCHEDULE")]
    schedule: Option<String>,
    /// The oldest first
    #[arg(long)]
    oldest: bool,
    /// Tasks at most
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Stays and refreshes when something changes
    #[arg(long, short)]
    watch: bool,
}

pub(super) async fn run(daemon: &Daemon, args: &ListArgs) -> Result<(), Failure> {
    live::show(daemon, args.watch, &["task.*"], || answer(daemon, args)).await
}

async fn answer(daemon: &Daemon, args: &ListArgs) -> Result<Answer, Failure> {
    let params = Params::new()
        .list("status", &args.status)
        .list("priority", &args.priority)
        .maybe("owner", args.owner.as_ref())
        .maybe("kind", args.kind.as_ref())
        .maybe("tag", args.tag.as_ref())
        .maybe("parentId", args.parent.as_ref())
        .maybe("scheduleId", args.schedule.as_ref())
        .with("order", if args.oldest { "oldest" } else { "newest" });
    let tasks = daemon.items("task.list", params, args.limit).await?;
    let header = ["TASK", "STATUS", "PRIORITY", "AGENT", "TRY", "AGE", "TITLE"];
    Ok(Answer::list(&daemon.out, tasks, &header, "no tasks", row))
}

fn row(task: &Value) -> Vec<Cell> {
    vec![
        Cell::new(text(task, "id")),
        toned(text(task, "status")),
        toned(text(task, "priority")),
        Cell::new(text(task, "owner")),
        Cell::new(format!("{}/{}", task["attempt"], task["maxAttempts"])),
        Cell::new(ago(&task["createdAt"])),
        Cell::new(short(text(task, "title"), 80)),
    ]
}
