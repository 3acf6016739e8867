use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use orchestrator_sql::Backend;
use orchestrator_tasks::{Candidate, Claim, Completion, Dispatch, Error, Refused, Scheduler, Workforce};
use orchestrator_vocab::OrgId;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::Scale;
use crate::bed::Bed;
use crate::figure::{Figure, millis, name_of, percentile};

/// Ten agents; whoever gets a task is told at which moment.
struct Team {
    claims: mpsc::UnboundedSender<(Claim, Instant)>,
    agents: Vec<Candidate>,
    changed: watch::Sender<u64>,
}

#[async_trait]
impl Workforce for Team {
    async fn agents(&self, _: OrgId) -> Result<Vec<Candidate>, Error> {
        Ok(self.agents.clone())
    }

    async fn orgs(&self) -> Result<Vec<OrgId>, Error> {
        Ok(vec![OrgId::LOCAL])
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

#[async_trait]
impl Dispatch for Team {
    async fn dispatch(&self, claim: Claim) -> Result<(), Refused> {
        let told = self.claims.send((claim, Instant::now()));
        told.map_err(|_| Refused { reason: "the measurement is over".into() })
    }
}

pub(crate) async fn measure(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let bed = Bed::make(backend).await?;
    let agent = |n: usize| {
        let agent = Candidate::new(format!("agent-{n}").parse()?, BTreeSet::new());
        anyhow::Ok(Candidate { max_concurrent: 10, ..agent })
    };
    let agents = (0..10).map(agent).collect::<Result<_, _>>()?;
    let (claims, mut claimed) = mpsc::unbounded_channel();
    let team = Arc::new(Team { claims, agents, changed: watch::Sender::new(0) });
    let stop = CancellationToken::new();
    let scheduler = Scheduler::new(bed.backlog.clone(), team.clone(), team);
    let mut running = tokio::task::JoinSet::new();
    running.spawn(scheduler.run(stop.clone()));

    let (mut samples, count) = (Vec::new(), scale.of(1_000, 50));
    for n in 0..count {
        let started = Instant::now();
        let task = bed.create(&format!("task {n}")).await?;
        let Some((claim, at)) = claimed.recv().await else { anyhow::bail!("the scheduler ended") };
        anyhow::ensure!(claim.task.id == task.id, "another task was started");
        samples.push(at.duration_since(started));
        let completion = Completion { task_id: task.id, fence: claim.fence, result: Value::Null };
        bed.backlog.complete(&bed.origin, completion).await?;
    }
    stop.cancel();
    running.join_next().await;
    let conditions = format!("library, create call to dispatch, {count} tasks one at a time, 10 idle agents, synced");
    let figure = |percent| {
        let name = format!("latency.create-start.p{percent}.{}", name_of(backend));
        Figure::new(name, millis(percentile(&mut samples.clone(), percent)), "ms", conditions.clone())
    };
    Ok(vec![figure(50), figure(99)])
}
