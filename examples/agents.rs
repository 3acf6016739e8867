//! A configured program and a worker that registers, goes silent, and is lost.
//!
//! `cargo run -p orchestrator-examples --example agents`

use std::sync::Arc;

use orchestrator_agents::{Agent, Config, Definition, Outcome, Registration, Registry};
use orchestrator_events::{Log as _, Numbering, SqlLog};
use orchestrator_sql::{Database, Options};
use orchestrator_vocab::{Actor, OrgId, SystemClock};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect("sqlite::memory:", options).await?;
    let log = SqlLog::open(database.clone(), &numbering).await?;

    // In a daemon this is the section `agents` of the operator's configuration.
    let coder = Definition {
        capabilities: ["rust".parse()?, "review".parse()?].into(),
        max_concurrent: 2,
        description: "writes and reviews Rust".to_owned(),
        ..Definition::new("coder".parse()?)
    };
    let config =
        Config { heartbeat_timeout_ms: Some(1_000), sweep_ms: 100, failures_in_row_max: 2, ..Config::default() };
    let registry = Registry::open(database, vec![coder], Arc::new(SystemClock), config).await?;

    println!("-- a worker comes");
    let laptop = Registration {
        capabilities: Some(["docs".parse()?].into()),
        ..Registration::new("laptop".parse()?, Actor::User("alice".into()))
    };
    registry.register(OrgId::LOCAL, laptop).await?;
    print_all(&registry).await?;

    println!("\n-- the program fails twice in a row");
    for _ in 0..2 {
        registry.record_outcome(OrgId::LOCAL, &"coder".parse()?, Outcome::Failed);
    }
    print_all(&registry).await?;

    println!("\n-- nobody hears of the worker for a second");
    let (stop, mut changed) = (CancellationToken::new(), registry.changed());
    let watching = async {
        changed.changed().await?;
        stop.cancel();
        anyhow::Ok(())
    };
    let (swept, watched) = tokio::join!(registry.run(stop.clone()), watching);
    swept?;
    watched?;
    print_all(&registry).await?;

    println!("\n-- what the log says");
    for event in log.read(OrgId::LOCAL, 0, 100).await? {
        println!("{} {} {}", event.seq, event.name, event.payload);
    }
    Ok(())
}

async fn print_all(registry: &Registry) -> anyhow::Result<()> {
    for agent in registry.candidates(OrgId::LOCAL).await? {
        let Agent { id, kind, status, healthy, capabilities, .. } = agent;
        println!("{id}: {kind:?}, {status:?}, healthy: {healthy}, {capabilities:?}");
    }
    Ok(())
}
