use std::time::Duration;

use orchestrator_vocab::{AgentId, OrgId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::with_load;
use crate::{
    Audience, Candidate, Config, Consideration, Error, OnFailure, Place, Ready, Rows, SkipReason, Snapshot, State,
    Status, Task, class_of, consider, decide,
};

/// The most blockers that an explanation names.
const BLOCKERS_MAX: usize = 100;

/// Why a task is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The task.
    pub task_id: TaskId,
    /// Where it stands.
    pub status: Status,
    /// Why.
    #[serde(flatten)]
    pub why: Why,
    /// What each agent would be for it now, the best first. Empty if it has finished.
    pub candidates: Vec<Consideration>,
}

/// The reason, and what belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(tag = "why", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Why {
    /// It runs, because this agent was the best when it was claimed.
    Runs {
        /// Where it runs.
        agent_id: AgentId,
        /// Scores of the winner and of the best losers at the time of the decision.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decision: Option<Value>,
    },
    /// It waits for other tasks.
    BlockedBy {
        /// Those it waits for; at most 100.
        tasks: Vec<Blocker>,
    },
    /// Its time has not come.
    NotBefore {
        /// When it comes.
        run_at: Timestamp,
        /// What went wrong in the last attempt, if it waits for another one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_error: Option<String>,
    },
    /// All slots of its concurrency key are taken.
    NoSlot {
        /// The key.
        concurrency_key: String,
        /// How many slots the key has.
        slots: u32,
        /// How many are taken.
        taken: u32,
    },
    /// Nobody gets it now.
    NobodyGetsIt {
        /// Why not.
        because: SkipReason,
    },
    /// It goes to this agent in the next round, unless other tasks before it take the place.
    Next {
        /// Where it would go.
        agent_id: AgentId,
    },
    /// It waits for a person.
    AwaitsApproval {},
    /// It has finished; the task says how.
    Finished {},
}

/// A task that another one waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Blocker {
    /// The task.
    pub task_id: TaskId,
    /// Where it stands.
    pub status: Status,
    /// What becomes of the waiting task if it fails.
    pub on_failure: OnFailure,
}

pub(crate) async fn explain(
    rows: &dyn Rows,
    config: &Config,
    org: OrgId,
    id: TaskId,
    agents: &[Candidate],
) -> Result<Explanation, Error> {
    let task = rows.tasks(org, &[id]).await?.pop().filter(|task| task.deleted_at.is_none());
    let task = task.ok_or(Error::NotFound(id))?;
    let agents = with_load(agents, &rows.running(org).await?);
    let row = row(&task, config);
    let candidates = if task.state.is_finished() { Vec::new() } else { consider(&row, &agents) };
    let why = match &task.state {
        State::Completed { .. } | State::Failed { .. } | State::Cancelled { .. } => Why::Finished {},
        State::AwaitingApproval { .. } => Why::AwaitsApproval {},
        State::InProgress { owner, .. } => Why::Runs { agent_id: owner.clone(), decision: task.assignment.clone() },
        State::Blocked { .. } => blocked(rows, org, id).await?,
        State::Pending => pending(rows, config, &task, &row, &agents).await?,
    };
    Ok(Explanation { task_id: id, status: task.state.status(), why, candidates })
}

async fn blocked(rows: &dyn Rows, org: OrgId, id: TaskId) -> Result<Why, Error> {
    let mut edges = rows.edges_from(org, &[id]).await?;
    edges.retain(|edge| !edge.met);
    edges.truncate(BLOCKERS_MAX);
    let ids: Vec<TaskId> = edges.iter().map(|edge| edge.depends_on).collect();
    let blockers = rows.tasks(org, &ids).await?;
    let blocker = |task: &Task| {
        let edge = edges.iter().find(|edge| edge.depends_on == task.id)?;
        Some(Blocker { task_id: task.id, status: task.state.status(), on_failure: edge.on_failure })
    };
    Ok(Why::BlockedBy { tasks: blockers.iter().filter_map(blocker).collect() })
}

async fn pending(
    rows: &dyn Rows,
    config: &Config,
    task: &Task,
    row: &Ready,
    agents: &[Candidate],
) -> Result<Why, Error> {
    if let (Place::Timer, Some(run_at)) = (task.place, task.run_at) {
        return Ok(Why::NotBefore { run_at, last_error: task.last_error.clone() });
    }
    if let (Place::Line { .. }, Some(key)) = (task.place, &task.concurrency_key) {
        let taken = rows.slots(task.org, std::slice::from_ref(key)).await?.pop().unwrap_or(0);
        return Ok(Why::NoSlot { concurrency_key: key.clone(), slots: config.slots_of(key), taken });
    }
    let ready = std::slice::from_ref(row);
    let snapshot = Snapshot { ready, agents, strategy: config.strategy, audience: Audience::Push, limit: 1 };
    let decision = decide(&snapshot);
    let next = decision.assignments.into_iter().next().map(|assignment| assignment.agent);
    let because = decision.skipped.into_iter().next().map(|skip| skip.reason);
    Ok(match (next, because) {
        (Some(agent_id), _) => Why::Next { agent_id },
        (None, Some(because)) => Why::NobodyGetsIt { because },
        (None, None) => Why::NobodyGetsIt { because: SkipReason::NoCapacity },
    })
}

/// The task as it would stand in the ready index.
fn row(task: &Task, config: &Config) -> Ready {
    let waiting = || Ready {
        org: task.org,
        class: class_of(&task.required_capabilities),
        key: 0,
        id: task.id,
        priority: task.priority,
        avoid: task.avoid.clone(),
    };
    task.row(config.ageing_step()).unwrap_or_else(waiting)
}

/// How long the heads of the ready index have been waiting at most.
pub(crate) async fn oldest_ready(rows: &dyn Rows, org: OrgId, step: Duration) -> Result<Option<Duration>, Error> {
    let classes = rows.ready_classes(org).await?;
    let heads = rows.ready_heads(org, &classes, 1).await?;
    let since = |row: &Ready| Timestamp(row.key) + step.saturating_mul(row.priority.weight());
    Ok(heads.iter().map(|row| rows.now().since(since(row))).max())
}
