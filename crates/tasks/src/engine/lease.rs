use async_trait::async_trait;
use orchestrator_vocab::{TaskId, Timestamp};
use serde_json::Value;

use super::{Command, Plan};
use crate::{Error, Event, Fence, Released, Renewed, Step, Task};

/// The owner is alive. Good also for a lease that has run out, as long as nobody has taken the task back.
pub(crate) struct Heartbeat {
    pub(crate) id: TaskId,
    pub(crate) fence: Fence,
    pub(crate) progress: Option<Value>,
}

#[async_trait]
impl Command for Heartbeat {
    type Output = Renewed;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Renewed, Error> {
        plan.load([self.id]).await?;
        let owner = plan.owned(self.id, self.fence)?.state.owner().cloned();
        let lease_until = plan.now + plan.config.lease();
        let before = plan.step(self.id, &Step::Renew { lease_until })?;
        if let Some(progress) = &self.progress {
            plan.change(self.id)?.progress = Some(progress.clone());
            plan.report(self.id, Some(before), Event::Progressed);
        }
        let owner = owner.ok_or(Error::Conflict)?;
        Ok(Renewed { owner, lease_until })
    }
}

/// The owner gives the task back undone. That was no attempt.
pub(crate) struct Release {
    pub(crate) id: TaskId,
    pub(crate) fence: Fence,
    /// Nobody gets it before.
    pub(crate) run_at: Option<Timestamp>,
}

#[async_trait]
impl Command for Release {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        plan.load([self.id]).await?;
        plan.owned(self.id, self.fence)?;
        let agent = plan.task(self.id)?.state.owner().cloned();
        let before = plan.step(self.id, &Step::Release)?;
        let task = plan.change(self.id)?;
        task.fence = task.fence.next();
        task.attempt = task.attempt.saturating_sub(1);
        task.run_at = self.run_at.or(task.run_at);
        let task = task.clone();
        plan.report(self.id, Some(before), Event::Released { agent, reason: Released::Returned });
        Ok(task)
    }
}

/// Somebody who administers the backlog takes the task from its owner. The attempt counts.
pub(crate) struct Requeue {
    pub(crate) id: TaskId,
}

#[async_trait]
impl Command for Requeue {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        let agent = plan.load_one(self.id).await?.state.owner().cloned();
        let before = plan.step(self.id, &Step::Release)?;
        let task = plan.change(self.id)?;
        task.fence = task.fence.next();
        let task = task.clone();
        plan.report(self.id, Some(before), Event::Released { agent, reason: Released::Requeued });
        Ok(task)
    }
}
