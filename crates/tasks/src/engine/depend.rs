use std::collections::BTreeMap;

use async_trait::async_trait;
use orchestrator_vocab::TaskId;

use super::{Command, Plan};
use crate::{Dependency, Edge, Error, Event, State, Step, Task, check};

/// Makes a task that has not started wait for others too, or changes the policies of edges it has.
pub(crate) struct Depend {
    pub(crate) id: TaskId,
    pub(crate) on: Vec<Dependency>,
}

#[async_trait]
impl Command for Depend {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        plan.load(self.on.iter().map(|dependency| dependency.task_id).chain([self.id])).await?;
        plan.task(self.id)?;
        let unknown = self.on.iter().map(|dependency| dependency.task_id).filter(|id| plan.task(*id).is_err());
        let unknown: Vec<TaskId> = unknown.collect();
        if !unknown.is_empty() {
            return Err(Error::UnknownDependencies(unknown));
        }
        let old = existing(plan, self.id).await?;
        let wanted: BTreeMap<TaskId, &Dependency> = self.on.iter().map(|to| (to.task_id, to)).collect();
        check::count("dependsOn", wanted.len() + old.len(), check::DEPENDENCIES_MAX)?;
        let mut more = 0;
        for (depends_on, to) in wanted {
            let mut edge = plan.edge("dependsOn", self.id, depends_on, to.on_failure)?;
            let before = old.get(&depends_on);
            edge.met |= before.is_some_and(|before| before.met);
            more += i64::from(!edge.met) - before.map_or(0, |before| i64::from(!before.met));
            plan.link.push(edge);
        }
        if !plan.link.is_empty() {
            // What came of the others is told to whoever works on it.
            plan.bind(self.id)?;
        }
        plan.wait_for(self.id, more)
    }
}

/// Takes edges away; the task is unblocked if it waits for nothing else.
pub(crate) struct Undepend {
    pub(crate) id: TaskId,
    pub(crate) on: Vec<TaskId>,
}

#[async_trait]
impl Command for Undepend {
    type Output = Task;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Task, Error> {
        plan.load_one(self.id).await?;
        let mut old = existing(plan, self.id).await?;
        let gone: Vec<Edge> = self.on.iter().filter_map(|id| old.remove(id)).collect();
        plan.unlink.extend(gone.iter().map(|edge| (edge.task, edge.depends_on)));
        if !gone.is_empty() {
            plan.bind(self.id)?;
        }
        let fewer = gone.iter().filter(|edge| !edge.met).count() as i64;
        plan.wait_for(self.id, -fewer)
    }
}

async fn existing(plan: &Plan<'_>, id: TaskId) -> Result<BTreeMap<TaskId, Edge>, Error> {
    let edges = plan.rows.edges_from(plan.org(), &[id]).await?;
    Ok(edges.into_iter().map(|edge| (edge.depends_on, edge)).collect())
}

impl Plan<'_> {
    /// Waits for so many more (or fewer) dependencies.
    fn wait_for(&mut self, id: TaskId, more: i64) -> Result<Task, Error> {
        let count = u32::try_from(more.unsigned_abs()).unwrap_or(u32::MAX);
        let finished = self.task(id)?.state.is_finished();
        let before = match more {
            // Edges of a finished task may be taken away; it does not wait for them any more.
            ..0 if finished => None,
            ..0 => Some(self.step(id, &Step::DependenciesMet(count))?),
            0.. => Some(self.step(id, &Step::DependsOn(count))?),
        };
        let task = self.task(id)?.clone();
        let event = match (&task.state, before) {
            (State::Pending, Some(crate::Status::Blocked)) => Event::Unblocked,
            (State::Blocked { .. }, Some(_)) if more > 0 => Event::Blocked,
            _ => Event::Updated { changed: vec!["dependsOn"] },
        };
        self.report(id, before, event);
        Ok(task)
    }
}
