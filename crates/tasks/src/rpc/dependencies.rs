use orchestrator_rpc::{Call, Code, Error, Operation, Scope, Table};
use orchestrator_vocab::TaskId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Desk;
use crate::{Dependency, View};

pub(super) fn operations(desk: &Desk) -> Table {
    let (depend, undepend) = (desk.clone(), desk.clone());
    Table::new()
        .with(
            Operation::new("task.depend", Scope::Write, "Makes a task wait for others too", move |call, p| {
                depend.clone().depend(call, p)
            })
            .fails_with([Code::NotFound, Code::Conflict])
            .tool(),
        )
        .with(
            Operation::new("task.undepend", Scope::Write, "Takes dependencies away from a task", move |call, p| {
                undepend.clone().undepend(call, p)
            })
            .fails_with([Code::NotFound, Code::Conflict])
            .tool(),
        )
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DependParams {
    /// The task that waits.
    task_id: TaskId,
    /// Those it waits for: ids, or `{taskId, onFailure}`. For an edge that exists, the policy is changed.
    depends_on: Vec<Dependency>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UndependParams {
    /// The task that waits.
    task_id: TaskId,
    /// Those it need not wait for any more.
    depends_on: Vec<TaskId>,
}

impl Desk {
    async fn depend(self, call: Call, params: DependParams) -> Result<View, Error> {
        Ok(self.backlog.depend(&(&call).into(), params.task_id, params.depends_on).await?.into())
    }

    async fn undepend(self, call: Call, params: UndependParams) -> Result<View, Error> {
        Ok(self.backlog.undepend(&(&call).into(), params.task_id, params.depends_on).await?.into())
    }
}
