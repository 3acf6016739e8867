use std::collections::BTreeSet;

use orchestrator_rpc::page::Limit;
use orchestrator_rpc::{Call, Code, Error, Operation, Scope, Table};
use orchestrator_vocab::{AgentId, Capability, TaskId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{ClaimView, CompletedItem, Desk, Items, Lease};
use crate::{Candidate, Completion, Fence, Origin, View};

const OWNERS_ERRORS: [Code; 2] = [Code::NotFound, Code::Conflict];

pub(super) fn operations(desk: &Desk) -> Table {
    let (claim, heartbeat, release) = (desk.clone(), desk.clone(), desk.clone());
    let (complete, complete_many, fail) = (desk.clone(), desk.clone(), desk.clone());
    Table::new()
        .with(
            Operation::new("task.claim", Scope::Write, "Gives an agent the tasks that fit it best", move |call, p| {
                claim.clone().claim(call, p)
            })
            .fails_with([Code::NotFound]),
        )
        .with(
            Operation::new("task.heartbeat", Scope::Write, "Renews the lease of a claimed task", move |call, p| {
                heartbeat.clone().heartbeat(call, p)
            })
            .fails_with(OWNERS_ERRORS)
            .free(),
        )
        .with(
            Operation::new("task.release", Scope::Write, "Gives a claimed task back undone", move |call, p| {
                release.clone().release(call, p)
            })
            .fails_with(OWNERS_ERRORS),
        )
        .with(
            Operation::new("task.complete", Scope::Write, "Completes a claimed task", move |call, p| {
                complete.clone().complete(call, p)
            })
            .fails_with(OWNERS_ERRORS),
        )
        .with(Operation::new(
            "task.completeMany",
            Scope::Write,
            "Completes up to 1,000 claimed tasks, each for itself",
            move |call, p| complete_many.clone().complete_many(call, p),
        ))
        .with(
            Operation::new("task.fail", Scope::Write, "Reports that an attempt failed", move |call, p| {
                fail.clone().fail(call, p)
            })
            .fails_with(OWNERS_ERRORS),
        )
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClaimParams {
    /// Who asks; registered before.
    agent_id: AgentId,
    /// How many tasks at most, 1 to 1,000. Default 1.
    #[serde(default)]
    limit: Option<Limit>,
    /// Only tasks that need no more than these of the agent's capabilities.
    #[serde(default)]
    capabilities: Option<BTreeSet<Capability>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HeartbeatParams {
    /// The claimed task.
    task_id: TaskId,
    /// As it came with the claim.
    fence: Fence,
    /// What there is to report; up to 16 kB.
    #[serde(default)]
    progress: Option<Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReleaseParams {
    /// The claimed task.
    task_id: TaskId,
    /// As it came with the claim.
    fence: Fence,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CompleteParams {
    /// The claimed task.
    task_id: TaskId,
    /// As it came with the claim.
    fence: Fence,
    /// What came of it; up to 256 kB.
    #[serde(default)]
    result: Value,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CompleteManyParams {
    /// Up to 1,000.
    #[schemars(length(max = 1_000))]
    items: Vec<CompleteParams>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FailParams {
    /// The claimed task.
    task_id: TaskId,
    /// As it came with the claim.
    fence: Fence,
    /// What went wrong; up to 16 kB.
    #[schemars(length(max = 16_000), regex(pattern = crate::check::WITHOUT_NUL))]
    error: String,
}

impl From<CompleteParams> for Completion {
    fn from(params: CompleteParams) -> Self {
        Self { task_id: params.task_id, fence: params.fence, result: params.result }
    }
}

impl Desk {
    async fn claim(self, call: Call, params: ClaimParams) -> Result<Items<ClaimView>, Error> {
        self.workforce.seen(call.org(), &params.agent_id).await?;
        let mut agents = self.workforce.agents(call.org()).await?;
        if let Some(narrower) = &params.capabilities {
            let asking = agents.iter_mut().filter(|agent| agent.id == params.agent_id);
            asking.for_each(|agent: &mut Candidate| agent.capabilities.retain(|had| narrower.contains(had)));
        }
        let limit = params.limit.map_or(1, Limit::get);
        let claims = self.backlog.claim(&(&call).into(), &params.agent_id, agents, limit).await?;
        Ok(Items { items: claims.into_iter().map(ClaimView::from).collect() })
    }

    async fn heartbeat(self, call: Call, params: HeartbeatParams) -> Result<Lease, Error> {
        let origin = Origin::from(&call);
        let renewed = self.backlog.renew(&origin, params.task_id, params.fence, params.progress).await?;
        self.workforce.seen(call.org(), &renewed.owner).await?;
        Ok(Lease { lease_until: renewed.lease_until })
    }

    async fn release(self, call: Call, params: ReleaseParams) -> Result<View, Error> {
        Ok(self.backlog.release(&(&call).into(), params.task_id, params.fence).await?.into())
    }

    async fn complete(self, call: Call, params: CompleteParams) -> Result<View, Error> {
        Ok(self.backlog.complete(&(&call).into(), params.into()).await?.into())
    }

    async fn complete_many(self, call: Call, params: CompleteManyParams) -> Result<Items<CompletedItem>, Error> {
        let ids: Vec<TaskId> = params.items.iter().map(|item| item.task_id).collect();
        let items = params.items.into_iter().map(Completion::from).collect();
        let done = self.backlog.complete_many(&(&call).into(), items).await?;
        let item = |(task_id, done): (TaskId, Result<crate::Task, crate::Error>)| {
            let error = done.err().map(Error::from).and_then(|error| serde_json::to_value(error).ok());
            CompletedItem { task_id, completed: error.is_none(), error }
        };
        Ok(Items { items: ids.into_iter().zip(done).map(item).collect() })
    }

    async fn fail(self, call: Call, params: FailParams) -> Result<View, Error> {
        Ok(self.backlog.fail(&(&call).into(), params.task_id, params.fence, &params.error).await?.into())
    }
}
