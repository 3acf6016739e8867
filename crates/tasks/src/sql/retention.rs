use std::collections::{BTreeMap, BTreeSet};

use orchestrator_vocab::{Id, OrgId, TaskId, Timestamp};
use sea_orm::{DbErr, QueryResult};

use super::rows::SqlRows;
use super::statement::lists;
use crate::Error;

/// Whether an unfinished task (`w`) waits by this edge (`e`).
const AWAITED: &str = "tasks_edge e join tasks_task w on w.org = e.org and w.id = e.task where e.met = 0 \
                       and w.status not in ('completed', 'failed', 'cancelled')";

impl SqlRows<'_> {
    /// All organisations: in the order of their ids, so that two daemons do not wait for each other in a circle.
    pub(super) async fn delete_finished(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        let mut removed = 0;
        for (org, ids) in self.find_gone(before, limit).await? {
            let ids = self.without_awaited(org, ids).await?;
            self.remove_edges_of(org, &ids).await?;
            self.remove_tags(org, &ids).await?;
            for ids in lists(&ids) {
                self.sql("delete from tasks_task where ").among("", "id", org, ids).run(self.tx).await?;
            }
            removed += ids.len() as u64;
        }
        Ok(removed)
    }

    async fn find_gone(&self, before: Timestamp, limit: usize) -> Result<BTreeMap<OrgId, Vec<TaskId>>, Error> {
        let select = self.sql("select t.org, t.id from tasks_task t where t.gone_at < ").bind(before.millis());
        let select = select.add(" and not exists (select 1 from ").add(AWAITED);
        let select = select.add(" and e.org = t.org and e.depends_on = t.id) order by t.gone_at limit ");
        // What somebody has in hand is no rubbish.
        let select = select.bind(limit as i64).on_postgres(" for update of t skip locked");
        let mut gone: BTreeMap<OrgId, Vec<TaskId>> = BTreeMap::new();
        for row in select.rows(self.tx).await? {
            let org = Id::from_uuid(row.try_get_by_index(0)?);
            gone.entry(org).or_default().push(Id::from_uuid(row.try_get_by_index(1)?));
        }
        Ok(gone)
    }

    /// Another daemon may have linked to one just before it was locked.
    async fn without_awaited(&self, org: OrgId, mut ids: Vec<TaskId>) -> Result<Vec<TaskId>, Error> {
        let mut awaited: BTreeSet<TaskId> = BTreeSet::new();
        for ids in lists(&ids).filter(|_| self.tx.is_postgres()) {
            let select = self.sql("select e.depends_on from ").add(AWAITED);
            let select = select.add(" and ").among("e.", "depends_on", org, ids);
            let rows = select.rows(self.tx).await?;
            let id = |row: &QueryResult| row.try_get_by_index(0).map(Id::from_uuid);
            awaited.extend(rows.iter().map(id).collect::<Result<Vec<_>, DbErr>>()?);
        }
        ids.retain(|id| !awaited.contains(id));
        Ok(ids)
    }
}
