use async_trait::async_trait;
use orchestrator_vocab::TaskId;

use super::{Command, Plan};
use crate::{Error, Released, State, Step};

/// Does what time demands of some tasks: passed deadlines, expired leases, `run_at` that has come.
pub(crate) struct Wake {
    pub(crate) ids: Vec<TaskId>,
}

#[async_trait]
impl Command for Wake {
    type Output = ();

    async fn run(&self, plan: &mut Plan<'_>) -> Result<(), Error> {
        plan.load(self.ids.iter().copied()).await?;
        self.ids.iter().try_for_each(|id| plan.wake(*id))
    }
}

impl Plan<'_> {
    fn wake(&mut self, id: TaskId) -> Result<(), Error> {
        let now = self.now;
        // It may have been dealt with since the sweep saw it.
        let Ok(task) = self.task(id) else { return Ok(()) };
        if task.wake_at().is_none_or(|wake_at| wake_at > now) {
            return Ok(());
        }
        if task.deadline.is_some_and(|deadline| deadline <= now) {
            self.give_up(id, "deadline passed".to_owned())?;
            let task = self.change(id)?;
            task.fence = task.fence.next();
            return Ok(());
        }
        match &task.state {
            State::InProgress { .. } => self.expire(id),
            // Settling puts it where it belongs by now.
            _ => self.change(id).map(drop),
        }
    }

    /// The owner was not heard of in time. That was an attempt.
    fn expire(&mut self, id: TaskId) -> Result<(), Error> {
        let task = self.task(id)?;
        let owner = task.state.owner().map_or("nobody", |owner| owner.as_str());
        let error = format!("the lease of {owner} ran out");
        if task.attempt < task.attempts_allowed() {
            let step = Step::Expire { now: self.now };
            return self.try_again(id, step, Released::Expired, error);
        }
        self.give_up(id, error)?;
        let task = self.change(id)?;
        task.fence = task.fence.next();
        Ok(())
    }
}
