use async_trait::async_trait;
use orchestrator_vocab::TaskId;
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
}

#[async_trait]
impl Command for Release {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        plan.load([self.id]).await?;
        plan.owned(self.id, self.fence)?;
        plan.give_back(self.id, Released::Returned)?;
        let task = plan.change(self.id)?;
        task.attempt = task.attempt.saturating_sub(1);
        Ok(task.clone())
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
        plan.load_one(self.id).await?;
        plan.give_back(self.id, Released::Requeued)?;
        plan.task(self.id).cloned()
    }
}

impl Plan<'_> {
    fn give_back(&mut self, id: TaskId, reason: Released) -> Result<(), Error> {
        let agent = self.task(id)?.state.owner().cloned();
        let before = self.step(id, &Step::Release)?;
        let task = self.change(id)?;
        task.fence = task.fence.next();
        self.report(id, Some(before), Event::Released { agent, reason });
        Ok(())
    }
}
