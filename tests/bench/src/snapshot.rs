//! What a forgotten transaction costs: on PostgreSQL, an open snapshot keeps every removed row from being cleaned up.

use std::time::{Duration, Instant};

use orchestrator_sql::Backend;
use orchestrator_tasks::{Completion, Config};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::Scale;
use crate::bed::{Bed, worker};
use crate::figure::{Aim, Figure, per_second};

const BATCH: usize = 100;
/// Tasks that wait all the time.
const WAITING: usize = 5_000;

/// The rate of claiming and completing before and at the end of a snapshot that is held for minutes.
pub(crate) async fn measure(backend: Backend, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    if backend != Backend::Postgres {
        return Ok(Vec::new());
    }
    let (held, slice) = (scale.of(300, 6), Duration::from_secs(scale.of(30, 2) as u64));
    let bed = Bed::configured(backend, Config::default()).await?;
    bed.fill(WAITING).await?;
    let before = rate(&bed, slice).await?;
    let released = CancellationToken::new();
    let worked = async {
        let _release = released.clone().drop_guard();
        let (started, mut last) = (Instant::now(), before);
        while started.elapsed() < Duration::from_secs(held as u64) {
            last = rate(&bed, slice).await?;
        }
        anyhow::Ok(last)
    };
    let (last, ()) = tokio::try_join!(worked, bed.hold_snapshot(released.clone()))?;
    let conditions = |when: &str| {
        format!("library, 1 worker claims and completes {BATCH} at a time, {WAITING} tasks wait, {when}, {slice:?}")
    };
    let held = format!("at the end of a snapshot held for {held} s");
    let first = Figure::new("snapshot.before.postgres", before, "tasks/s", conditions("no snapshot is held"));
    let last_figure = Figure::new("snapshot.held.postgres", last, "tasks/s", conditions(&held));
    let kept = Figure::new("snapshot.kept.postgres", 100.0 * last / before, "%", "held as a part of before");
    Ok(vec![first, last_figure, kept.aiming(Aim::AtLeast(70.0))])
}

async fn rate(bed: &Bed, slice: Duration) -> anyhow::Result<f64> {
    let agent = worker("worker")?;
    let mut working = Duration::ZERO;
    let (mut done, started) = (0, Instant::now());
    while started.elapsed() < slice {
        bed.fill(1_000).await?;
        for _ in 0..1_000 / BATCH {
            let claiming = Instant::now();
            let claims = bed.backlog.claim(&bed.origin, &agent.id, vec![agent.clone()], BATCH).await?;
            let items: Vec<Completion> = claims
                .iter()
                .map(|claim| Completion { task_id: claim.task.id, fence: claim.fence, result: Value::Null })
                .collect();
            anyhow::ensure!(items.len() == BATCH, "only {} were there to claim", items.len());
            bed.backlog.complete_many(&bed.origin, items).await?;
            working += claiming.elapsed();
            done += BATCH;
        }
    }
    Ok(per_second(done, working))
}
