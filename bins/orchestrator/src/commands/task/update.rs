use serde_json::Value;

use super::{changed, one};
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::values;

#[derive(Debug, clap::Args)]
pub(crate) struct UpdateArgs {
    #[arg(value_name = "TASK")]
    id: String,
    /// What is to be done, in one line
    #[arg(long)]
    title: Option<String>,
    /// What to do in full; @FILE or - reads it
    #[arg(long, short, value_name = "TEXT")]
    description: Option<String>,
    /// critical, high, medium or low
    #[arg(long, short)]
    priority: Option<String>,
    /// What sort of work it is
    #[arg(long)]
    kind: Option<String>,
    /// A capability that the agent must have (repeatable; replaces all)
    #[arg(long = "requires", value_name = "CAPABILITY")]
    requires: Vec<String>,
    /// A word to find it by (repeatable; replaces all)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Data for the agent: a JSON object, @FILE or - (replaces all)
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// Not before: a time, from now (+10m), or none
    #[arg(long, value_name = "TIME", value_parser = values::when_or_none)]
    run_at: Option<Value>,
    /// Fails unless it has ended by then: a time, from now (+2h), or none
    #[arg(long, value_name = "TIME", value_parser = values::when_or_none)]
    deadline: Option<Value>,
    /// After how many attempts a failure is final
    #[arg(long, value_name = "NUMBER")]
    max_attempts: Option<u32>,
}

pub(super) async fn run(daemon: &Daemon, args: UpdateArgs) -> Result<(), Failure> {
    let description = args.description.as_deref().map(values::read_text).transpose()?;
    let metadata = args.metadata.as_deref().map(values::read_json).transpose()?;
    let params = one(&args.id)
        .maybe("title", args.title)
        .maybe("description", description)
        .maybe("priority", args.priority)
        .maybe("kind", args.kind)
        .list("requiredCapabilities", &args.requires)
        .list("tags", &args.tags)
        .maybe("metadata", metadata)
        .maybe("runAt", args.run_at)
        .maybe("deadline", args.deadline)
        .maybe("maxAttempts", args.max_attempts);
    changed(daemon, "task.update", params).await
}
