use async_trait::async_trait;
use orchestrator_vocab::TaskId;
use serde_json::Value;

use super::{Command, Plan};
use crate::{Completion, Error, Event, Fence, Released, State, Step, Task};

/// Owners are done. Each item stands for itself: a stale one does not keep the others from completing.
pub(crate) struct CompleteMany {
    pub(crate) items: Vec<Completion>,
}

#[async_trait]
impl Command for CompleteMany {
    type Output = Vec<Result<Task, Error>>;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Self::Output, Error> {
        plan.load(self.items.iter().map(|item| item.task_id)).await?;
        Ok(self.items.iter().map(|item| complete(plan, item)).collect())
    }
}

fn complete(plan: &mut Plan<'_>, item: &Completion) -> Result<Task, Error> {
    let id = item.task_id;
    let task = plan.owned(id, item.fence)?;
    if matches!(&task.state, State::Completed { result } if *result == item.result) {
        return Ok(task.clone()); // The owner did not hear the first answer.
    }
    let agent = task.state.owner().cloned();
    let before = plan.step(id, &Step::Complete { result: item.result.clone() })?;
    let confidentiality = plan.origin.label.confidentiality;
    let task = plan.change(id)?;
    // Who may see the result is told by the task.
    task.label.confidentiality = task.label.confidentiality.max(confidentiality);
    task.last_error = None;
    task.avoid = None;
    let task = task.clone();
    plan.report(id, Some(before), Event::Completed { agent });
    Ok(task)
}

/// The owner could not do it: another attempt after a while, or the dead letter.
pub(crate) struct Fail {
    pub(crate) id: TaskId,
    pub(crate) fence: Fence,
    pub(crate) error: String,
}

#[async_trait]
impl Command for Fail {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        plan.load([self.id]).await?;
        let task = plan.owned(self.id, self.fence)?;
        match task.attempt < task.attempts_allowed() {
            true => plan.try_again(self.id, Step::TryAgain, Released::Failed, self.error.clone())?,
            // Only an owner may give up; for the others `Complete` refuses with the right words.
            false if matches!(task.state, State::InProgress { .. }) => plan.give_up(self.id, self.error.clone())?,
            false => drop(plan.step(self.id, &Step::TryAgain)?),
        }
        plan.task(self.id).cloned()
    }
}

impl Plan<'_> {
    /// Back into the backlog after a failed attempt.
    pub(super) fn try_again(&mut self, id: TaskId, step: Step, reason: Released, error: String) -> Result<(), Error> {
        let agent = self.task(id)?.state.owner().cloned();
        let before = self.step(id, &step)?;
        let (now, backoff) = (self.now, self.config.backoff);
        let task = self.change(id)?;
        task.fence = task.fence.next();
        task.avoid.clone_from(&agent);
        task.last_error = Some(error);
        if reason == Released::Failed {
            task.run_at = Some(now + backoff.delay(id, task.attempt));
        }
        self.report(id, Some(before), Event::Released { agent, reason });
        Ok(())
    }
}

/// Calls a task off, and those that depend on it as their edges say.
pub(crate) struct Cancel {
    pub(crate) id: TaskId,
    pub(crate) reason: String,
}

#[async_trait]
impl Command for Cancel {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        let task = plan.load_one(self.id).await?;
        let step = Step::Cancel { reason: self.reason.clone() };
        let possible = task.state.after(&step);
        possible.map_err(|source| Error::Transition { id: self.id, source })?;
        plan.cancel(self.id, self.reason.clone())?;
        plan.task(self.id).cloned()
    }
}

/// Hides a task for good; one that has not finished is cancelled first.
pub(crate) struct Delete {
    pub(crate) id: TaskId,
}

#[async_trait]
impl Command for Delete {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        plan.load_one(self.id).await?;
        plan.cancel(self.id, "deleted".to_owned())?;
        // Those that wait for it to be retried would wait for ever.
        let edges = plan.rows.edges_to(plan.org(), &[self.id]).await?;
        let waiting: Vec<TaskId> = edges.iter().filter(|edge| edge.waits_for_retry()).map(|edge| edge.task).collect();
        plan.load(waiting.iter().copied()).await?;
        for dependent in waiting {
            plan.cancel(dependent, format!("depends on {}, which was deleted", self.id))?;
        }
        let now = plan.now;
        let task = plan.change(self.id)?;
        task.fence = task.fence.next();
        task.deleted_at = Some(now);
        let task = task.clone();
        plan.report(self.id, None, Event::Deleted);
        Ok(task)
    }
}

impl Completion {
    /// A completion without anything to say.
    pub fn new(task_id: TaskId, fence: Fence) -> Self {
        Self { task_id, fence, result: Value::Null }
    }
}
