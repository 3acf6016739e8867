use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator_vocab::{Actor, OrgId, ScheduleId, TaskId};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::engine::{Fire, Wake};
use crate::sweep::Sweep;
use crate::{Backlog, Error, Origin};

/// How many full batches one sweep takes before it lets others have a turn; the next sweep goes on.
const BATCHES_MAX: usize = 20;
/// How often finished tasks are looked through for those that are too old.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Does what time demands: ends leases that have run out, starts what was put off, fails what missed its deadline, fires
/// schedules, and removes what finished long ago. Several may run at once, in one process or in many.
#[derive(Debug, Clone)]
pub struct Keeper {
    backlog: Backlog,
}

/// What one sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Tasks whose lease, `runAt` or deadline had come.
    pub tasks: usize,
    /// Schedules that had instants due.
    pub schedules: usize,
}

impl Keeper {
    /// Starts nothing; see [`run`](Self::run).
    pub fn new(backlog: Backlog) -> Self {
        Self { backlog }
    }

    /// Sweeps every [`Config::sweep_ms`](crate::Config::sweep_ms) until told to stop. Failures are logged; the next sweep
    /// tries again.
    pub async fn run(self, stop: CancellationToken) {
        let mut sweep = Sweep::of(&self.backlog);
        let mut retention = tokio::time::interval(RETENTION_EVERY);
        retention.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let result = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sweep.tick(&self.backlog) => self.sweep().await.map(drop),
                _ = retention.tick() => self.retain().await.map(drop),
            };
            if let Err(error) = result {
                tracing::warn!(error = &error as &dyn std::error::Error, "a sweep of the backlog failed");
            }
        }
    }

    /// Does what is due now.
    ///
    /// # Errors
    /// The store's. What a single task or schedule refuses is logged and does not keep the others waiting.
    pub async fn sweep(&self) -> Result<Swept, Error> {
        Ok(Swept { tasks: self.wake_tasks().await?, schedules: self.fire_schedules().await? })
    }

    /// Removes tasks that finished longer ago than [`Config::retention_days`](crate::Config::retention_days); returns how
    /// many.
    ///
    /// # Errors
    /// The store's.
    pub async fn retain(&self) -> Result<u64, Error> {
        let Some(days) = self.backlog.config().retention_days else { return Ok(0) };
        let limit = self.backlog.config().sweep_rows_max;
        let mut removed = 0;
        for _ in 0..BATCHES_MAX {
            let batch = self.backlog.remove_finished(DAY.saturating_mul(days), limit).await?;
            removed += batch;
            if batch < limit as u64 {
                break;
            }
        }
        Ok(removed)
    }

    async fn wake_tasks(&self) -> Result<usize, Error> {
        let limit = self.backlog.config().sweep_rows_max;
        let mut woken = 0;
        for _ in 0..BATCHES_MAX {
            let due: Vec<(OrgId, TaskId)> =
                self.backlog.read(move |rows| Box::pin(async move { rows.to_wake(rows.now(), limit).await })).await?;
            let full = due.len() == limit;
            let mut orgs: BTreeMap<OrgId, Vec<TaskId>> = BTreeMap::new();
            for (org, id) in due {
                orgs.entry(org).or_default().push(id);
            }
            for (org, ids) in orgs {
                woken += self.wake(org, ids).await?;
            }
            if !full {
                break;
            }
        }
        Ok(woken)
    }

    /// All at once, or one by one if one of them is refused.
    async fn wake(&self, org: OrgId, ids: Vec<TaskId>) -> Result<usize, Error> {
        let origin = origin(org);
        match self.backlog.run(&origin, Wake { ids: ids.clone() }).await {
            Ok(()) => return Ok(ids.len()),
            Err(error) if error.is_retryable() => return Err(error),
            Err(_) => {}
        }
        let mut woken = 0;
        for id in ids {
            match self.backlog.run(&origin, Wake { ids: vec![id] }).await {
                Ok(()) => woken += 1,
                Err(error) => tracing::warn!(task = %id, %error, "a task could not be woken"),
            }
        }
        Ok(woken)
    }

    async fn fire_schedules(&self) -> Result<usize, Error> {
        let limit = self.backlog.config().sweep_rows_max;
        let due: Vec<(OrgId, ScheduleId)> =
            self.backlog.read(move |rows| Box::pin(async move { rows.schedules_due(rows.now(), limit).await })).await?;
        let mut fired = 0;
        for (org, id) in due {
            match self.backlog.run(&origin(org), Fire { id }).await {
                Ok(()) => fired += 1,
                Err(error @ Error::Store(_)) => return Err(error),
                Err(error) => tracing::warn!(schedule = %id, %error, "a schedule could not be fired"),
            }
        }
        Ok(fired)
    }
}

fn origin(org: OrgId) -> Origin {
    Origin::new(org, Actor::system("keeper"))
}
