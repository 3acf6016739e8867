use std::sync::Arc;
use std::time::{Duration, Instant};

use orchestrator_sql::Backend;
use orchestrator_tasks::{Dependency, Draft, Error, OnFailure};
use orchestrator_vocab::TaskId;
use tokio::task::JoinSet;

use crate::Scale;
use crate::bed::{Bed, drafts};
use crate::figure::{Aim, Figure, millis, name_of, percentile};

const IN_FLIGHT: usize = 64;
const BATCH: usize = 1_000;

pub(crate) async fn measure(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let mut figures = of_length(backend, scale, scale.of(10_000, 1_000)).await?;
    figures.extend(of_length(backend, scale, scale.of(100_000, 5_000)).await?);
    Ok(figures)
}

async fn of_length(backend: Backend, scale: Scale, length: usize) -> anyhow::Result<Vec<Figure>> {
    let name = name_of(backend);
    let bed = Arc::new(Bed::make(backend).await?);
    let (forward, took) = forwards(&bed, length).await?;
    let built = |how: &str, took: Duration, conditions: &str| {
        let conditions = format!("library, {length} tasks, {conditions}");
        Figure::new(format!("chain.{length}.{how}.{name}"), millis(took), "ms", conditions)
    };
    let mut figures = vec![built("forwards", took, "1,000 per call, each waits for the one before it")];
    let (backward, took) = backwards(&bed, length).await?;
    figures.push(built("backwards", took, "one edge per call from the last to the first, 64 calls in flight"));
    for (how, chain) in [("forwards", forward), ("backwards", backward)] {
        let median = close(&bed, &chain, scale.of(200, 20)).await?;
        let conditions = format!("library, the edge that closes {length} tasks built {how} is refused, median");
        let figure = Figure::new(format!("chain.{length}.close.{how}.{name}"), millis(median), "ms", conditions);
        figures.push(figure.aiming(Aim::AtMost(1.0)));
    }
    Ok(figures)
}

async fn forwards(bed: &Bed, length: usize) -> anyhow::Result<(Vec<TaskId>, Duration)> {
    let mut chain: Vec<TaskId> = Vec::with_capacity(length);
    let started = Instant::now();
    while chain.len() < length {
        let draft = |n: usize| {
            let depends_on = if n == 0 { chain.last().map(|id| dependency(*id)).into_iter().collect() } else { vec![] };
            let depends_on_refs = if n == 0 { vec![] } else { vec![(n - 1).to_string()] };
            Draft { reference: Some(n.to_string()), depends_on, depends_on_refs, ..Draft::new("a link") }
        };
        let batch = (0..BATCH.min(length - chain.len())).map(draft).collect();
        let made = bed.backlog.create_many(&bed.origin, batch).await?;
        chain.extend(made.iter().map(|task| task.id));
    }
    Ok((chain, started.elapsed()))
}

async fn backwards(bed: &Arc<Bed>, length: usize) -> anyhow::Result<(Vec<TaskId>, Duration)> {
    let mut chain: Vec<TaskId> = Vec::with_capacity(length);
    while chain.len() < length {
        let made = bed.backlog.create_many(&bed.origin, drafts(BATCH.min(length - chain.len()))).await?;
        chain.extend(made.iter().map(|task| task.id));
    }
    let started = Instant::now();
    let mut calls = JoinSet::new();
    for edge in chain.windows(2).rev() {
        let (before, task, bed) = (edge[0], edge[1], bed.clone());
        calls.spawn(async move { bed.backlog.depend(&bed.origin, task, vec![dependency(before)]).await });
        if calls.len() == IN_FLIGHT
            && let Some(ended) = calls.join_next().await
        {
            ended??;
        }
    }
    while let Some(ended) = calls.join_next().await {
        ended??;
    }
    Ok((chain, started.elapsed()))
}

async fn close(bed: &Bed, chain: &[TaskId], times: usize) -> anyhow::Result<Duration> {
    let (first, last) = (chain[0], chain[chain.len() - 1]);
    let mut samples = Vec::new();
    for _ in 0..times {
        let started = Instant::now();
        let refused = bed.backlog.depend(&bed.origin, first, vec![dependency(last)]).await;
        samples.push(started.elapsed());
        anyhow::ensure!(matches!(refused, Err(Error::Cycle { .. })), "the chain was closed: {refused:?}");
    }
    Ok(percentile(&mut samples, 50))
}

fn dependency(on: TaskId) -> Dependency {
    Dependency { task_id: on, on_failure: OnFailure::default() }
}
