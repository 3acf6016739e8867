use std::sync::Arc;
use std::time::{Duration, Instant};

use orchestrator_sql::Backend;
use orchestrator_tasks::{Candidate, Completion};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::Scale;
use crate::bed::{Bed, worker};
use crate::figure::{Aim, Figure, millis, name_of, per_second, percentile};

pub(crate) async fn complete(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let name = name_of(backend);
    let one = work(backend, scale.of(10_000, 640), 64, 1).await?;
    let hundred = work(backend, scale.of(50_000, 4_000), 2, 100).await?;
    let condition = |workers: usize, batch: usize| {
        format!("library, {workers} workers, each claims {batch} and completes {batch}, again and again, synced")
    };
    let one = Figure::new(format!("claim.complete.1.{name}"), one, "tasks/s", condition(64, 1));
    let hundred = Figure::new(format!("claim.complete.100.{name}"), hundred, "tasks/s", condition(2, 100));
    Ok(vec![one, hundred.aiming(Aim::at_least(backend, 30_000.0, 10_000.0))])
}

async fn work(backend: Backend, tasks: usize, workers: usize, batch: usize) -> anyhow::Result<f64> {
    let bed = Arc::new(Bed::make(backend).await?);
    bed.fill(tasks).await?;
    let agents: Vec<Candidate> = (0..workers).map(|n| worker(&format!("worker-{n}"))).collect::<Result<_, _>>()?;
    let started = Instant::now();
    let mut running = JoinSet::new();
    for agent in agents.clone() {
        running.spawn(until_empty(bed.clone(), agent, batch));
    }
    let mut done = 0;
    while let Some(ended) = running.join_next().await {
        done += ended??;
    }
    anyhow::ensure!(done == tasks, "{done} of {tasks} tasks were completed");
    Ok(per_second(tasks, started.elapsed()))
}

async fn until_empty(bed: Arc<Bed>, agent: Candidate, batch: usize) -> anyhow::Result<usize> {
    let (mut done, id) = (0, agent.id.clone());
    loop {
        let claims = bed.backlog.claim(&bed.origin, &id, vec![agent.clone()], batch).await?;
        if claims.is_empty() {
            return Ok(done);
        }
        let items =
            claims.iter().map(|claim| Completion { task_id: claim.task.id, fence: claim.fence, result: Value::Null });
        for completed in bed.backlog.complete_many(&bed.origin, items.collect()).await? {
            completed?;
            done += 1;
        }
    }
}

pub(crate) async fn waiting(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let bed = Bed::make(backend).await?;
    let agent = worker("worker")?;
    let mut filled = 0;
    let mut short = None;
    for waiting in [1_000, scale.of(1_000_000, 20_000)] {
        bed.fill(waiting - filled).await?;
        filled = waiting;
        let mut samples = Vec::new();
        for _ in 0..scale.of(300, 50) {
            let started = Instant::now();
            let claims = bed.backlog.claim(&bed.origin, &agent.id, vec![agent.clone()], 1).await?;
            samples.push(started.elapsed());
            let claim = claims.into_iter().next().ok_or_else(|| anyhow::anyhow!("nothing to claim"))?;
            bed.backlog.release(&bed.origin, claim.task.id, claim.fence).await?;
        }
        let median = percentile(&mut samples, 50);
        let name = format!("claim.waiting.{waiting}.{}", name_of(backend));
        let conditions = format!("library, one claim of one task, median of {}, {waiting} tasks wait", samples.len());
        let figure = Figure::new(name, millis(median), "ms", conditions);
        // Flat: what disturbs a measurement on a busy machine is allowed for.
        let flat = |short: Duration| Aim::AtMost((millis(short) * 1.5).max(millis(short) + 0.2));
        figures.push(match short.replace(median) {
            Some(short) => figure.aiming(flat(short)),
            None => figure,
        });
    }
    Ok(figures)
}
