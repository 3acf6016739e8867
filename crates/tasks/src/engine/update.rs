use async_trait::async_trait;
use orchestrator_vocab::TaskId;

use super::{Command, Plan};
use crate::{Error, Event, OnFailure, Patch, Released, State, Status, Step, Task, Touched};

/// Changes what a task says. Its owner, if it has one, keeps it.
pub(crate) struct Update {
    pub(crate) id: TaskId,
    pub(crate) patch: Patch,
}

#[async_trait]
impl Command for Update {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        let task = plan.load_one(self.id).await?;
        let mut changed_task = task.clone();
        let changed = self.patch.apply(&mut changed_task)?;
        if changed.is_empty() {
            return Ok(changed_task);
        }
        if changed.contains(&"deadline") && changed_task.deadline.is_some_and(|deadline| deadline <= plan.now) {
            return Err(Error::invalid("deadline", "expected a time in the future"));
        }
        if !Patch::is_scheduling(&changed) {
            plan.note(Touched::Task(self.id), &mut changed_task.metadata)?;
        }
        changed_task.updated_at = plan.now;
        changed_task.label = changed_task.label.join(plan.origin.label);
        *plan.change(self.id)? = changed_task.clone();
        plan.report(self.id, None, Event::Updated { changed });
        Ok(changed_task)
    }
}

/// Starts a failed or cancelled task anew, with all its attempts. Dependents that were cancelled with it stay cancelled:
/// they may be retried after it.
pub(crate) struct Retry {
    pub(crate) id: TaskId,
}

#[async_trait]
impl Command for Retry {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        plan.load_one(self.id).await?;
        let waiting_on = self.dependencies(plan).await?;
        let before = plan.step(self.id, &Step::Retry { waiting_on })?;
        if before == Status::Cancelled {
            // Nobody wanted it any more: now whoever asks does.
            plan.bind(self.id)?;
        }
        let now = plan.now;
        let task = plan.change(self.id)?;
        task.fence = task.fence.next();
        task.attempt = 0;
        task.avoid = None;
        task.last_error = None;
        task.progress = None;
        task.started_at = None;
        task.run_at = None;
        // It would fail again at once.
        task.deadline = task.deadline.filter(|deadline| *deadline > now);
        let task = task.clone();
        plan.report(self.id, Some(before), Event::Released { agent: None, reason: Released::Retried });
        Ok(task)
    }
}

impl Retry {
    /// Looks at the dependencies as they are now and returns how many it has to wait for.
    async fn dependencies(&self, plan: &mut Plan<'_>) -> Result<u32, Error> {
        let edges = plan.rows.edges_from(plan.org(), &[self.id]).await?;
        plan.load(edges.iter().map(|edge| edge.depends_on)).await?;
        let mut waiting_on = 0;
        for mut edge in edges {
            let Some(state) = plan.entries.get(&edge.depends_on).map(|entry| &entry.task.state) else { continue };
            let met = match (state, edge.on_failure) {
                (State::Completed { .. }, _) => true,
                (State::Failed { .. } | State::Cancelled { .. }, OnFailure::Continue) => true,
                (State::Failed { .. } | State::Cancelled { .. }, OnFailure::Cancel) => {
                    let problem =
                        format!("it depends on {}, which is {}: retry that first", edge.depends_on, state.status());
                    return Err(Error::invalid("taskId", problem));
                }
                _ => false,
            };
            waiting_on += u32::from(!met);
            if met != edge.met {
                edge.met = met;
                plan.link.push(edge);
            }
        }
        Ok(waiting_on)
    }
}
