use async_trait::async_trait;
use orchestrator_vocab::TaskId;

use super::{Command, Plan};
use crate::{Claim, Error, Event, Fence, Released, Step, Task};

/// The owner cannot go on before a person has decided. Its lease ends, its fence stays good.
pub(crate) struct AwaitApproval {
    pub(crate) id: TaskId,
    pub(crate) fence: Fence,
}

#[async_trait]
impl Command for AwaitApproval {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        plan.load([self.id]).await?;
        plan.owned(self.id, self.fence)?;
        let before = plan.step(self.id, &Step::AwaitApproval)?;
        plan.report(self.id, Some(before), Event::Updated { changed: vec!["status"] });
        plan.task(self.id).cloned()
    }
}

/// The owner has its decision and goes on under a new lease.
pub(crate) struct Resume {
    pub(crate) id: TaskId,
    pub(crate) fence: Fence,
}

#[async_trait]
impl Command for Resume {
    type Output = Claim;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Claim, Error> {
        plan.load([self.id]).await?;
        plan.owned(self.id, self.fence)?;
        let lease_until = plan.now + plan.config.lease();
        let before = plan.step(self.id, &Step::Resume { lease_until })?;
        plan.report(self.id, Some(before), Event::Updated { changed: vec!["status"] });
        Ok(Claim { task: plan.task(self.id)?.clone(), fence: self.fence, lease_until })
    }
}

/// A person said yes and nobody holds on to the task: back into the backlog.
pub(crate) struct Approve {
    pub(crate) id: TaskId,
}

#[async_trait]
impl Command for Approve {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        let agent = plan.load_one(self.id).await?.state.owner().cloned();
        let before = plan.step(self.id, &Step::Approve)?;
        let task = plan.change(self.id)?;
        task.fence = task.fence.next();
        let task = task.clone();
        plan.report(self.id, Some(before), Event::Released { agent, reason: Released::Approved });
        Ok(task)
    }
}
