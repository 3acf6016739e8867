//! `orchestrator schedule …`

mod plan;

use clap::Subcommand;
use comfy_table::Cell;
use serde_json::{Value, json};

use self::plan::{Habits, PlanArgs};
use crate::answer::Answer;
use crate::commands::task::Template;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::toned;
use crate::params::Params;
use crate::show::{away, short, text};

#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Creates a plan that creates tasks
    Create(Box<CreateArgs>),
    /// Lists schedules
    #[command(visible_alias = "ls")]
    List {
        /// Schedules at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Shows a schedule
    Get {
        #[arg(value_name = "SCHEDULE")]
        id: String,
    },
    /// Lets a schedule rest; what falls into the rest is not made up for
    Pause {
        #[arg(value_name = "SCHEDULE")]
        id: String,
    },
    /// Lets a schedule go on from now
    Resume {
        #[arg(value_name = "SCHEDULE")]
        id: String,
    },
    /// Creates a task of a schedule now
    Trigger {
        #[arg(value_name = "SCHEDULE")]
        id: String,
        /// Triggering again under the same key gives the first task
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Removes a schedule; its tasks stay
    Delete {
        #[arg(value_name = "SCHEDULE")]
        id: String,
    },
    /// Changes a schedule; what is not given stays
    Update(Box<UpdateArgs>),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// What people call it; also the title of its tasks, unless --title says otherwise
    name: String,
    #[command(flatten)]
    plan: PlanArgs,
    /// The title of its tasks
    #[arg(long)]
    title: Option<String>,
    #[command(flatten)]
    template: Template,
    #[command(flatten)]
    habits: Habits,
    /// Starts resting
    #[arg(long)]
    paused: bool,
    /// Creating again under the same key gives the first schedule
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UpdateArgs {
    #[arg(value_name = "SCHEDULE")]
    id: String,
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    plan: PlanArgs,
    /// The title of its tasks
    #[arg(long)]
    title: Option<String>,
    #[command(flatten)]
    template: Template,
    #[command(flatten)]
    habits: Habits,
}

pub(crate) async fn run(daemon: &Daemon, command: ScheduleCommand) -> Result<(), Failure> {
    match command {
        ScheduleCommand::Create(args) => create(daemon, *args).await,
        ScheduleCommand::List { limit } => {
            let schedules = daemon.items("schedule.list", Params::new(), limit).await?;
            let header = ["SCHEDULE", "STATE", "PLAN", "NEXT", "OVERLAP", "NAME"];
            daemon.out.show(&Answer::list(&daemon.out, schedules, &header, "no schedules", row))
        }
        ScheduleCommand::Get { id } => {
            let schedule = daemon.call("schedule.get", one(&id)).await?;
            daemon.out.show(&Answer::fields(&daemon.out, schedule, &FIELDS))
        }
        ScheduleCommand::Pause { id } => changed(daemon, "schedule.pause", one(&id)).await,
        ScheduleCommand::Resume { id } => changed(daemon, "schedule.resume", one(&id)).await,
        ScheduleCommand::Trigger { id, idempotency_key } => {
            let params = one(&id).maybe("idempotencyKey", idempotency_key);
            let task = daemon.call("schedule.trigger", params).await?;
            let said = format!("{} {}  {}", text(&task, "id"), text(&task, "status"), text(&task, "title"));
            daemon.out.show(&Answer::told(task, said))
        }
        ScheduleCommand::Delete { id } => {
            let answer = daemon.call("schedule.delete", one(&id)).await?;
            let said = format!("{id} deleted");
            daemon.out.show(&Answer { ids: vec![id], ..Answer::told(answer, said) })
        }
        ScheduleCommand::Update(args) => update(daemon, *args).await,
    }
}

const FIELDS: [(&str, &str); 13] = [
    ("schedule", "/id"),
    ("name", "/name"),
    ("plan", "/plan"),
    ("next", "/nextAt"),
    ("last", "/lastInstant"),
    ("paused", "/paused"),
    ("overlap", "/overlap"),
    ("catch-up window (ms)", "/catchUpWindowMs"),
    ("catch-up at most", "/catchUpMax"),
    ("jitter (ms)", "/jitterMs"),
    ("task", "/template"),
    ("created", "/createdAt"),
    ("created by", "/createdBy"),
];

fn one(id: &str) -> Params {
    Params::new().with("scheduleId", id)
}

async fn changed(daemon: &Daemon, method: &str, params: Params) -> Result<(), Failure> {
    let schedule = daemon.call(method, params).await?;
    daemon.out.show(&told(schedule))
}

fn told(schedule: Value) -> Answer {
    let next = match away(&schedule["nextAt"]) {
        _ if state(&schedule) == "paused" => "paused".to_owned(),
        next if next.is_empty() => "no more instants".to_owned(),
        next => format!("next {next}"),
    };
    let said = format!("{} {}  {next}", text(&schedule, "id"), text(&schedule, "name"));
    Answer::told(schedule, said)
}

fn state(schedule: &Value) -> &'static str {
    match (schedule["paused"].as_bool(), schedule["nextAt"].is_null()) {
        (Some(true), _) => "paused",
        (_, true) => "stopped",
        _ => "ready",
    }
}

fn row(schedule: &Value) -> Vec<Cell> {
    vec![
        Cell::new(text(schedule, "id")),
        toned(state(schedule)),
        Cell::new(plan::sentence(&schedule["plan"])),
        Cell::new(away(&schedule["nextAt"])),
        Cell::new(text(schedule, "overlap")),
        Cell::new(short(text(schedule, "name"), 60)),
    ]
}

async fn create(daemon: &Daemon, args: CreateArgs) -> Result<(), Failure> {
    let Some(plan) = args.plan.plan() else {
        return Err(Failure::usage("when? Give --cron PATTERN, --every TIME or --at TIME"));
    };
    let title = args.title.unwrap_or_else(|| args.name.clone());
    let template = Value::from(args.template.params()?.with("title", title));
    let params = args
        .habits
        .params()
        .with("name", args.name)
        .with("plan", plan)
        .with("template", template)
        .flag("paused", args.paused)
        .maybe("idempotencyKey", args.idempotency_key);
    changed(daemon, "schedule.create", params).await
}

async fn update(daemon: &Daemon, args: UpdateArgs) -> Result<(), Failure> {
    let mut params = args.habits.params().with("scheduleId", &args.id).maybe("name", args.name);
    params = params.maybe("plan", args.plan.plan());
    let template = args.template.params()?.maybe("title", args.title);
    if !template.is_empty() {
        // The daemon replaces a template as a whole.
        let schedule = daemon.call("schedule.get", one(&args.id)).await?;
        let mut whole = schedule.get("template").cloned().unwrap_or_else(|| json!({}));
        template.over(&mut whole);
        params = params.with("template", whole);
    }
    changed(daemon, "schedule.update", params).await
}
