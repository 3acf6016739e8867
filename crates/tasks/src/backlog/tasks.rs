use orchestrator_vocab::TaskId;

use super::Backlog;
use crate::{Dependency, Draft, Error, Origin, Patch, Task, check, engine};

impl Backlog {
    /// Creates a task. Under a known idempotency key it returns the task that was created first, as it is now.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::UnknownDependencies`].
    pub async fn create(&self, origin: &Origin, draft: Draft) -> Result<Task, Error> {
        let create = engine::Create::one(draft);
        create.validate()?;
        self.run(origin, create).await?.pop().ok_or(Error::Conflict)
    }

    /// Creates up to 1,000 tasks, all or none; they may depend on each other by `ref`. In the order of the drafts.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the path `tasks[n]`, [`Error::UnknownDependencies`], [`Error::Cycle`].
    pub async fn create_many(&self, origin: &Origin, drafts: Vec<Draft>) -> Result<Vec<Task>, Error> {
        let create = engine::Create { drafts, list: "tasks", schedule: None };
        create.validate()?;
        self.run(origin, create).await
    }

    /// Changes what a task says. An owner keeps it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`], also for a field that a finished task keeps.
    pub async fn update(&self, origin: &Origin, id: TaskId, patch: Patch) -> Result<Task, Error> {
        patch.validate()?;
        self.run(origin, engine::Update { id, patch }).await
    }

    /// Makes a task that has not started wait for others too.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::UnknownDependencies`], [`Error::Cycle`]; [`Error::Transition`] if it has started.
    pub async fn depend(&self, origin: &Origin, id: TaskId, on: Vec<Dependency>) -> Result<Task, Error> {
        check::count("dependsOn", on.len(), check::DEPENDENCIES_MAX)?;
        self.run(origin, engine::Depend { id, on }).await
    }

    /// Takes dependencies away; those it does not have are ignored.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn undepend(&self, origin: &Origin, id: TaskId, on: Vec<TaskId>) -> Result<Task, Error> {
        check::count("dependsOn", on.len(), check::DEPENDENCIES_MAX)?;
        self.run(origin, engine::Undepend { id, on }).await
    }

    /// Calls a task off, and its dependents as their edges say. Its owner, if any, is stale from now on.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Transition`] if it has finished.
    pub async fn cancel(&self, origin: &Origin, id: TaskId, reason: &str) -> Result<Task, Error> {
        check::bytes("reason", reason, check::ERROR_BYTES_MAX)?;
        self.run(origin, engine::Cancel { id, reason: reason.to_owned() }).await
    }

    /// Starts a failed or cancelled task anew, with all its attempts. Dependents that were cancelled because of it stay
    /// cancelled; retry them after it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Transition`] if it is neither failed nor cancelled; [`Error::Invalid`] if a
    /// dependency would cancel it at once.
    pub async fn retry(&self, origin: &Origin, id: TaskId) -> Result<Task, Error> {
        self.run(origin, engine::Retry { id }).await
    }

    /// Hides a task for good, after cancelling it if it has not finished.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(&self, origin: &Origin, id: TaskId) -> Result<Task, Error> {
        self.run(origin, engine::Delete { id }).await
    }
}
