use std::sync::Arc;
use std::time::Instant;

use orchestrator_budget::{Config, Ledger, NoWitness, Owner, Parts, Price, Request, Spender};
use orchestrator_sql::Backend;
use orchestrator_transcript::Usage;
use orchestrator_vocab::{OrgId, SessionId, SystemClock, TaskId};
use tokio::task::JoinSet;

use crate::Scale;
use crate::bed::Bed;
use crate::figure::{Aim, Figure, name_of, per_second};

/// Requests under way at once.
const IN_FLIGHT: usize = 128;
/// Requests of one session, one after the other.
const PER_SESSION: usize = 10;

/// Reserving and settling, over 7 scopes and 4 windows.
pub(crate) async fn measure(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let bed = Bed::make(backend).await?;
    let ledger = Ledger::new(Parts {
        store: Arc::new(orchestrator_budget::SqlStore::open(bed.database()).await?),
        clock: Arc::new(SystemClock),
        owner: Owner { node: "bench".into(), epoch: 1 },
        config: Config {
            daily: Some(orchestrator_vocab::Tokens(u64::MAX / 2)),
            weekly: None,
            monthly: None,
            ..Config::default()
        },
        witness: Arc::new(NoWitness),
        vendors: Default::default(),
    })?;
    let sessions = scale.of(3_000, 400);
    let (started, mut running, mut begun) = (Instant::now(), JoinSet::new(), 0);
    while begun < sessions || !running.is_empty() {
        while begun < sessions && running.len() < IN_FLIGHT {
            running.spawn(session(ledger.clone(), begun));
            begun += 1;
        }
        if let Some(ended) = running.join_next().await {
            ended??;
        }
    }
    let rate = per_second(sessions * PER_SESSION, started.elapsed());
    let conditions =
        format!("library, {IN_FLIGHT} sessions of {PER_SESSION} requests each, 7 scopes and 4 windows, synced");
    let name = format!("budget.settle.{}", name_of(backend));
    Ok(vec![Figure::new(name, rate, "requests/s", conditions).aiming(Aim::at_least(backend, 3_000.0, 1_000.0))])
}

async fn session(ledger: Ledger, number: usize) -> anyhow::Result<()> {
    let spender = Spender {
        team: Some(format!("team-{}", number % 4)),
        agent: Some(format!("agent-{}", number % 16).parse()?),
        session: Some(SessionId::new()),
        task: Some(TaskId::new()),
        ..Spender::of("provider", "model")
    };
    for _ in 0..PER_SESSION {
        let (vendor, price) = (None, Some(Price::default()));
        let request = Request {
            org: OrgId::LOCAL,
            spender: spender.clone(),
            vendor,
            price,
            input: 1_000,
            is_counted: false,
            output_max: Some(500),
        };
        let mut hold = ledger.reserve(request).await?;
        hold.told(Usage { input: 1_000, output: 300, ..Usage::default() }).await?;
        hold.complete().await?;
    }
    Ok(())
}
