use std::sync::Arc;
use std::time::Instant;

use orchestrator_sql::Backend;
use tokio::task::JoinSet;

use crate::Scale;
use crate::bed::{Bed, drafts};
use crate::figure::{Aim, Figure, name_of, per_second};

const IN_FLIGHT: usize = 64;

pub(crate) async fn single(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let bed = Arc::new(Bed::make(backend).await?);
    let each = scale.of(500, 25);
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let bed = bed.clone();
        callers.spawn(async move {
            for n in 0..each {
                bed.create(&format!("task {n}")).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    let count = IN_FLIGHT * each;
    let rate = per_second(count, started.elapsed());
    let conditions = format!("library, {count} tasks one per call, {IN_FLIGHT} calls in flight, event each, synced");
    let figure = Figure::new(format!("create.single.{}", name_of(backend)), rate, "tasks/s", conditions);
    Ok(vec![figure.aiming(Aim::at_least(backend, 8_000.0, 2_500.0))])
}

pub(crate) async fn many(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let bed = Bed::make(backend).await?;
    let calls = scale.of(50, 3);
    let started = Instant::now();
    for _ in 0..calls {
        bed.backlog.create_many(&bed.origin, drafts(1_000)).await?;
    }
    let rate = per_second(calls * 1_000, started.elapsed());
    let conditions = format!("library, {calls} calls of 1,000 one after the other, event each, synced");
    Ok(vec![Figure::new(format!("create.many.{}", name_of(backend)), rate, "tasks/s", conditions)])
}
