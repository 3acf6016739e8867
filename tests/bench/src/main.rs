#![doc = include_str!("../README.md")]

mod agents;
mod audit;
mod bed;
mod budget;
mod chain;
mod claim;
mod create;
mod decide;
mod figure;
mod gate;
mod governed;
mod journal;
mod latency;
mod memories;
mod models;
mod process;
mod redact;
mod snapshot;
mod socket;
mod storm;
mod subscriptions;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use futures::future::BoxFuture;
use orchestrator_sql::Backend;

use figure::{Figure, Report};

/// The daemon's own, so that what is measured as a library is what it runs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the backlog and the running daemon.
#[derive(Debug, Clone, Parser)]
struct Args {
    /// Smaller numbers: to see that it works, not to quote.
    #[arg(long)]
    quick: bool,
    /// Only groups of figures whose name contains this text; may be repeated.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Only this database.
    #[arg(long, value_enum)]
    backend: Option<Database>,
    /// Also writes the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

/// How large the measurements are.
#[derive(Debug, Clone, Copy)]
struct Scale {
    quick: bool,
}

impl Scale {
    fn of(self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

type Measured = BoxFuture<'static, anyhow::Result<Vec<Figure>>>;

/// A group of figures that are measured together.
struct Group {
    name: &'static str,
    /// Whether it is measured once per database; else with SQLite, or with none.
    per_backend: bool,
    measure: fn(Backend, Scale) -> Measured,
}

const GROUPS: [Group; 28] = [
    Group { name: "decide", per_backend: false, measure: |_, scale| Box::pin(decide::measure(scale)) },
    Group { name: "create.single", per_backend: true, measure: |on, scale| Box::pin(create::single(on, scale)) },
    Group { name: "create.many", per_backend: true, measure: |on, scale| Box::pin(create::many(on, scale)) },
    Group { name: "claim.complete", per_backend: true, measure: |on, scale| Box::pin(claim::complete(on, scale)) },
    Group { name: "claim.waiting", per_backend: true, measure: |on, scale| Box::pin(claim::waiting(on, scale)) },
    Group { name: "snapshot", per_backend: true, measure: |on, scale| Box::pin(snapshot::measure(on, scale)) },
    Group { name: "budget", per_backend: true, measure: |on, scale| Box::pin(budget::measure(on, scale)) },
    Group { name: "gate", per_backend: false, measure: |_, scale| Box::pin(gate::measure(scale)) },
    Group { name: "governed", per_backend: false, measure: |_, scale| Box::pin(governed::measure(scale)) },
    Group { name: "audit", per_backend: false, measure: |_, scale| Box::pin(audit::measure(scale)) },
    Group { name: "redact", per_backend: false, measure: |_, scale| Box::pin(redact::measure(scale)) },
    Group { name: "latency", per_backend: true, measure: |on, scale| Box::pin(latency::measure(on, scale)) },
    Group { name: "chain", per_backend: true, measure: |on, scale| Box::pin(chain::measure(on, scale)) },
    Group { name: "socket.roundtrip", per_backend: false, measure: |_, scale| Box::pin(socket::round_trips(scale)) },
    Group { name: "socket.create", per_backend: true, measure: |on, scale| Box::pin(socket::create(on, scale)) },
    Group { name: "socket.fanout", per_backend: false, measure: |_, scale| Box::pin(socket::fan_out(scale)) },
    Group { name: "subscriptions", per_backend: false, measure: |_, scale| Box::pin(subscriptions::measure(scale)) },
    Group { name: "storm", per_backend: false, measure: |_, scale| Box::pin(storm::measure(scale)) },
    Group { name: "model", per_backend: false, measure: |_, scale| Box::pin(models::measure(scale)) },
    Group { name: "model.journaled", per_backend: false, measure: |_, scale| Box::pin(journal::measure(scale)) },
    Group { name: "agent.turn", per_backend: false, measure: |_, scale| Box::pin(agents::turns(scale)) },
    Group { name: "agent.memory", per_backend: false, measure: |_, scale| Box::pin(agents::memory(scale)) },
    Group { name: "memory.insert", per_backend: true, measure: |on, scale| Box::pin(memories::insert(on, scale)) },
    Group { name: "memory.recall", per_backend: true, measure: |on, scale| Box::pin(memories::recall(on, scale)) },
    Group { name: "memory.growth", per_backend: true, measure: |on, scale| Box::pin(memories::growth(on, scale)) },
    Group { name: "memory.socket", per_backend: true, measure: |on, scale| Box::pin(memories::socket(on, scale)) },
    Group { name: "process.start", per_backend: true, measure: |on, scale| Box::pin(process::start(on, scale)) },
    Group { name: "process.memory", per_backend: false, measure: |_, scale| Box::pin(process::memory(scale)) },
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let scale = Scale { quick: args.quick };
    let mut report = Report::new(args.quick);
    report.print_head();
    for group in GROUPS.iter().filter(|group| is_wanted(group, &args.only)) {
        for backend in backends(group, args.backend) {
            for figure in (group.measure)(backend, scale).await? {
                report.add(figure);
            }
        }
    }
    if let Some(file) = &args.json {
        report.write(file)?;
    }
    Ok(())
}

fn is_wanted(group: &Group, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|text| group.name.contains(text.as_str()))
}

fn backends(group: &Group, asked: Option<Database>) -> Vec<Backend> {
    match (group.per_backend, asked) {
        (false, Some(Database::Postgres)) => Vec::new(),
        (false, _) | (true, Some(Database::Sqlite)) => vec![Backend::Sqlite],
        (true, Some(Database::Postgres)) => vec![Backend::Postgres],
        (true, None) => vec![Backend::Sqlite, Backend::Postgres],
    }
}
