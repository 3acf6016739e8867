use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::PoisonError;

use orchestrator_vocab::{AgentId, Id, OrgId, TaskId, Timestamp};
use sea_orm::Value;

use super::damaged;
use super::rows::SqlRows;
use super::statement::{lists, pieces};
use super::task_row::{self, COLUMNS, READ};
use crate::{Counts, Error, Priority, Status, Task};

/// What to overwrite if only the progress of a task changed.
const CHANGES: &str = " on conflict (org, id) do update set status = excluded.status, priority = excluded.priority, \
                       owner = excluded.owner, wake_at = excluded.wake_at, gone_at = excluded.gone_at, \
                       deleted = excluded.deleted, live = excluded.live";
/// What to overwrite beside that if its texts changed too.
const TEXTS: &str = ", kind = excluded.kind, parent = excluded.parent, fixed = excluded.fixed";

/// What a transaction remembers of the tasks it has read, to see what changed.
#[derive(Default)]
pub(super) struct Seen(HashMap<TaskId, u64>);

impl Seen {
    fn digest(fixed: &str, task: &Task) -> u64 {
        BuildHasherDefault::<DefaultHasher>::new().hash_one((fixed, &task.kind, task.parent_id))
    }
}

impl SqlRows<'_> {
    pub(super) async fn read_tasks(&self, org: OrgId, ids: &[TaskId]) -> Result<Vec<Task>, Error> {
        let mut tasks = Vec::with_capacity(ids.len());
        for ids in lists(ids) {
            let mut select = self.sql("select ").add(READ).add(" from tasks_task t where t.org = ");
            select = select.bind(org.uuid()).add(" and t.id in ").list(ids.iter().map(|id| id.uuid()));
            select = select.add(" order by t.id");
            let select = if self.locks() { select.add(" for update") } else { select };
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let rows = drop_then(&mut seen, select);
            let _ = rows;
        }
        tasks.sort_unstable_by_key(|task: &Task| task.id);
        Ok(tasks)
    }
}
