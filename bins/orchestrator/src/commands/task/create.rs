use std::path::PathBuf;

use orchestrator_vocab::Timestamp;
use serde_json::{Value, json};

use super::{follow, told};
use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{count, text};
use crate::values;

#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// What is to be done, in one line
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    title: Option<String>,
    #[command(flatten)]
    template: Template,
    /// A task to wait for; `:continue` or `:wait` after the id says what to do if that fails (else: cancel)
    #[arg(long = "depends-on", value_name = "TASK[:POLICY]", value_parser = values::dependency)]
    depends_on: Vec<Value>,
    /// The task it is a part of
    #[arg(long, value_name = "TASK")]
    parent: Option<String>,
    /// Not before: a time, or from now (+10m)
    #[arg(long, value_name = "TIME", value_parser = values::when)]
    run_at: Option<Timestamp>,
    /// Fails unless it has ended by then
    #[arg(long, value_name = "TIME", value_parser = values::when)]
    deadline: Option<Timestamp>,
    /// Creating again under the same key gives the first task
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Creates all tasks of a JSON file: a list of tasks, which may name each other by `ref` and `dependsOnRefs`; - for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Follows it live until it has ended; fails unless it completed
    #[arg(long, short)]
    watch: bool,
}

/// What a task and the template of a schedule have in common.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Template {
    /// What to do in full; @FILE or - reads it
    #[arg(long, short, value_name = "TEXT")]
    description: Option<String>,
    /// critical, high, medium or low
    #[arg(long, short)]
    priority: Option<String>,
    /// A capability that the agent must have (repeatable)
    #[arg(long = "requires", value_name = "CAPABILITY")]
    requires: Vec<String>,
    /// A word to find it by (repeatable)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// What sort of work it is
    #[arg(long)]
    kind: Option<String>,
    /// Data for the agent: a JSON object, @FILE or -
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// After how many attempts a failure is final
    #[arg(long, value_name = "NUMBER")]
    max_attempts: Option<u32>,
    /// Tasks with the same key share a limited number of slots
    #[arg(long, value_name = "KEY")]
    concurrency_key: Option<String>,
}

impl Template {
    pub(crate) fn params(self) -> Result<Params, Failure> {
        let description = self.description.as_deref().map(values::read_text).transpose()?;
        let metadata = self.metadata.as_deref().map(values::read_json).transpose()?;
        Ok(Params::new()
            .maybe("description", description)
            .maybe("priority", self.priority)
            .list("requiredCapabilities", &self.requires)
            .list("tags", &self.tags)
            .maybe("kind", self.kind)
            .maybe("metadata", metadata)
            .maybe("maxAttempts", self.max_attempts)
            .maybe("concurrencyKey", self.concurrency_key))
    }
}

pub(super) async fn run(daemon: &Daemon, args: CreateArgs) -> Result<(), Failure> {
    let (file, watch) = (args.file.clone(), args.watch);
    let head = if watch { daemon.head().await? } else { 0 };
    let created = match file {
        Some(file) => many(daemon, &file, args).await?,
        None => {
            let params = args.template.params()?.maybe("title", args.title);
            let params = params
                .list("dependsOn", &args.depends_on)
                .maybe("parentId", args.parent)
                .maybe("runAt", args.run_at)
                .maybe("deadline", args.deadline)
                .maybe("idempotencyKey", args.idempotency_key);
            told(daemon.call("task.create", params).await?)
        }
    };
    if !watch {
        return daemon.out.show(&created);
    }
    follow::after(daemon, created.ids, head).await
}

async fn many(daemon: &Daemon, file: &std::path::Path, args: CreateArgs) -> Result<Answer, Failure> {
    let source = if file.as_os_str() == "-" { "-".to_owned() } else { format!("@{}", file.display()) };
    let mut tasks = match values::read_json(&source)? {
        Value::Array(tasks) => tasks,
        Value::Object(mut fields) => match fields.remove("tasks") {
            Some(Value::Array(tasks)) => tasks,
            _ => return Err(Failure::usage("expected a list of tasks, or {\"tasks\": [..]}")),
        },
        _ => return Err(Failure::usage("expected a list of tasks")),
    };
    // What is given on the command line holds for every task that does not say otherwise.
    let common = Value::from(args.template.params()?);
    for task in tasks.iter_mut().filter_map(Value::as_object_mut) {
        for (field, value) in common.as_object().into_iter().flatten() {
            task.entry(field).or_insert_with(|| value.clone());
        }
    }
    let params = Params::new().with("tasks", tasks).maybe("idempotencyKey", args.idempotency_key);
    let answer = daemon.call("task.createMany", params).await?;
    let items = answer["items"].as_array().cloned().unwrap_or_default();
    let line = |task: &Value| format!("{} {}  {}", text(task, "id"), text(task, "status"), text(task, "title"));
    let mut lines: Vec<String> = items.iter().map(line).collect();
    lines.push(format!("{} created", count(items.len(), "task")));
    let ids = items.iter().map(|task| text(task, "id").to_owned()).collect();
    Ok(Answer { json: json!({ "items": items }), text: lines.join("\n"), ids })
}
