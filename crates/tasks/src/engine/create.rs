use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use orchestrator_vocab::{Label, ScheduleId, TaskId};
use serde_json::{Map, Value};

use super::{Command, Plan};
use crate::{Draft, Edge, Error, Event, Fence, OnFailure, Place, State, Step, Task, Touched};

/// Creates tasks, all or none. A draft whose idempotency key is known gives the task that was created first.
pub(crate) struct Create {
    pub(crate) drafts: Vec<Draft>,
    /// The name of the list on the wire, for errors; empty for a single draft.
    pub(crate) list: &'static str,
    /// The schedule that asks, and the label of its text.
    pub(crate) schedule: Option<(ScheduleId, Label)>,
}

#[async_trait]
impl Command for Create {
    type Output = Vec<Task>;

    async fn run(&self, plan: &mut Plan<'_>) -> Result<Vec<Task>, Error> {
        let known = self.known(plan).await?;
        let ids: Vec<TaskId> = known.iter().map(|known| known.unwrap_or_else(TaskId::new)).collect();
        let refs = self.refs(&ids)?;
        plan.load(self.outside(&known)).await?;
        self.refuse_unknown(plan, &known)?;
        for (index, id) in ids.iter().enumerate().filter(|(index, _)| known[*index].is_none()) {
            self.create(plan, index, *id, &refs).map_err(|error| self.at(index, error))?;
        }
        ids.iter().map(|id| plan.entries.get(id).map(|entry| entry.task.clone()).ok_or(Error::Conflict)).collect()
    }
}

impl Create {
    pub(crate) fn one(draft: Draft) -> Self {
        Self { drafts: vec![draft], list: "", schedule: None }
    }

    fn at(&self, index: usize, error: Error) -> Error {
        if self.list.is_empty() { error } else { error.within(&format!("{}[{index}]", self.list)) }
    }

    /// What can be refused without looking at the backlog.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        crate::check::count(self.list, self.drafts.len(), crate::check::BATCH_MAX)?;
        let mut keys: HashMap<&str, usize> = HashMap::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            draft.validate().map_err(|error| self.at(index, error))?;
            let key = draft.idempotency_key.as_deref();
            if let Some(first) = key.and_then(|key| keys.insert(key, index)) {
                let problem = format!("the same as that of {}[{first}]", self.list);
                return Err(self.at(index, Error::invalid("idempotencyKey", problem)));
            }
        }
        Ok(())
    }

    /// The tasks that have to be there already.
    fn outside(&self, known: &[Option<TaskId>]) -> Vec<TaskId> {
        let dependencies = self.drafts.iter().flat_map(|draft| &draft.depends_on).map(|dependency| dependency.task_id);
        let parents = self.drafts.iter().filter_map(|draft| draft.parent_id);
        dependencies.chain(parents).chain(known.iter().copied().flatten()).collect()
    }

    /// For each draft the task that was created from it before, if any.
    async fn known(&self, plan: &Plan<'_>) -> Result<Vec<Option<TaskId>>, Error> {
        let keys: Vec<String> = self.drafts.iter().filter_map(|draft| draft.idempotency_key.clone()).collect();
        if keys.is_empty() {
            return Ok(vec![None; self.drafts.len()]);
        }
        let created: HashMap<String, TaskId> = plan.rows.created_under(plan.org(), &keys).await?.into_iter().collect();
        let known = |draft: &Draft| created.get(draft.idempotency_key.as_ref()?).copied();
        Ok(self.drafts.iter().map(known).collect())
    }

    fn refs(&self, ids: &[TaskId]) -> Result<HashMap<&str, TaskId>, Error> {
        let mut refs = HashMap::new();
        for (index, draft) in self.drafts.iter().enumerate() {
            let Some(reference) = draft.reference.as_deref() else { continue };
            if refs.insert(reference, ids[index]).is_some() {
                return Err(self.at(index, Error::invalid("ref", format!("`{reference}` is used twice"))));
            }
        }
        Ok(refs)
    }

    fn refuse_unknown(&self, plan: &Plan<'_>, known: &[Option<TaskId>]) -> Result<(), Error> {
        let fresh = || self.drafts.iter().enumerate().filter(|(index, _)| known[*index].is_none());
        let dependencies = fresh().flat_map(|(_, draft)| draft.depends_on.iter().map(|dependency| dependency.task_id));
        let unknown: Vec<TaskId> = dependencies.filter(|id| plan.task(*id).is_err()).collect();
        if !unknown.is_empty() {
            return Err(Error::UnknownDependencies(unknown));
        }
        for (index, draft) in fresh() {
            if let Some(parent) = draft.parent_id.filter(|parent| plan.task(*parent).is_err()) {
                return Err(self.at(index, Error::invalid("parentId", format!("no task {parent}"))));
            }
        }
        Ok(())
    }

    fn create(&self, plan: &mut Plan<'_>, index: usize, id: TaskId, refs: &HashMap<&str, TaskId>) -> Result<(), Error> {
        let draft = &self.drafts[index];
        if draft.deadline.is_some_and(|deadline| deadline <= plan.now) {
            return Err(Error::invalid("deadline", "expected a time in the future"));
        }
        let edges = edges(plan, id, draft, refs)?;
        let mut task = self.task(plan, draft, id)?;
        let waiting_on = edges.iter().filter(|edge| !edge.met).count() as u32;
        let step = Step::DependsOn(waiting_on);
        task.state = task.state.after(&step).map_err(|source| Error::Transition { id, source })?;
        plan.insert(task);
        plan.report(id, None, Event::Created { depends_on: edges.iter().map(|edge| edge.depends_on).collect() });
        plan.link.extend(edges);
        Ok(())
    }

    fn task(&self, plan: &Plan<'_>, draft: &Draft, id: TaskId) -> Result<Task, Error> {
        let draft = draft.clone();
        let mut metadata: Map<String, Value> = draft.metadata.into_iter().chain(draft.reserved).collect();
        plan.note(Touched::New, &mut metadata)?;
        Ok(Task {
            id,
            org: plan.org(),
            title: draft.title,
            description: draft.description,
            kind: draft.kind.unwrap_or_else(|| "general".to_owned()),
            priority: draft.priority,
            state: State::Pending,
            place: Place::Nowhere,
            required_capabilities: draft.required_capabilities,
            parent_id: draft.parent_id,
            tags: draft.tags,
            metadata,
            label: self.schedule.map_or(plan.origin.label, |(_, label)| label),
            created_by: plan.origin.actor.clone(),
            idempotency_key: draft.idempotency_key,
            concurrency_key: draft.concurrency_key,
            run_at: draft.run_at,
            deadline: draft.deadline,
            attempt: 0,
            max_attempts: draft.max_attempts.unwrap_or(plan.config.max_attempts),
            avoid: None,
            last_error: None,
            progress: None,
            assignment: None,
            fence: Fence::default(),
            schedule_id: self.schedule.map(|(id, _)| id),
            correlation: plan.origin.correlation.clone(),
            traceparent: plan.origin.traceparent.clone(),
            created_at: plan.now,
            updated_at: plan.now,
            started_at: None,
            finished_at: None,
            deleted_at: None,
        })
    }
}

fn edges(plan: &Plan<'_>, id: TaskId, draft: &Draft, refs: &HashMap<&str, TaskId>) -> Result<Vec<Edge>, Error> {
    let mut wanted: BTreeMap<TaskId, OnFailure> = BTreeMap::new();
    for dependency in &draft.depends_on {
        wanted.insert(dependency.task_id, dependency.on_failure);
    }
    for reference in &draft.depends_on_refs {
        let problem = || Error::invalid("dependsOnRefs", format!("no task has the ref `{reference}`"));
        wanted.insert(*refs.get(reference.as_str()).ok_or_else(problem)?, OnFailure::default());
    }
    let edges = wanted.into_iter();
    edges.map(|(depends_on, on_failure)| plan.edge("dependsOn", id, depends_on, on_failure)).collect()
}

impl Plan<'_> {
    /// The edge from `task` to a task that is loaded, or created in this plan later.
    pub(super) fn edge(
        &self,
        field: &str,
        task: TaskId,
        depends_on: TaskId,
        on_failure: OnFailure,
    ) -> Result<Edge, Error> {
        let met = match self.entries.get(&depends_on).map(|entry| &entry.task.state) {
            Some(State::Completed { .. }) => true,
            Some(state @ (State::Failed { .. } | State::Cancelled { .. })) => match on_failure {
                OnFailure::Continue => true,
                OnFailure::Wait => false,
                OnFailure::Cancel => {
                    let problem = format!(
                        "{depends_on} is {} already: retry it, or depend on it with onFailure continue or wait",
                        state.status()
                    );
                    return Err(Error::invalid(field, problem));
                }
            },
            _ => false,
        };
        Ok(Edge { org: self.org(), task, depends_on, on_failure, met })
    }
}
