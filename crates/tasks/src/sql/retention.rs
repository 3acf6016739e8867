use std::collections::BTreeMap;

use orchestrator_vocab::{Id, OrgId, TaskId, Timestamp};
use sea_orm::{DbErr, QueryResult};

use super::rows::SqlRows;
use super::statement::lists;
use crate::Error;

impl SqlRows<'_> {
    /// All organisations: in the order of their ids, so that two daemons do not wait for each other in a circle.
    pub(super) async fn delete_finished(&self, before: Timestamp, limit: usize) -> Result<u64, Error> {
        let select = self.sql("select t.org, t.id from tasks_task t where t.gone_at < ").bind(before.millis());
        let select = select.add(
            " and not exists (select 1 from tasks_edge e join tasks_task w on w.org = e.org and w.id = e.task \
             where e.org = t.org and e.depends_on = t.id and e.met = 0 \
             and w.status not in ('completed', 'failed', 'cancelled')) order by t.gone_at limit ",
        );
        let rows = select.bind(limit as i64).rows(self.tx).await?;
        let pair = |row: &QueryResult| -> Result<(OrgId, TaskId), DbErr> {
            Ok((Id::from_uuid(row.try_get_by_index(0)?), Id::from_uuid(row.try_get_by_index(1)?)))
        };
        let mut gone: BTreeMap<OrgId, Vec<TaskId>> = BTreeMap::new();
        for row in &rows {
            let (org, id) = pair(row)?;
            gone.entry(org).or_default().push(id);
        }
        for (org, ids) in &gone {
            self.remove_edges_of(*org, ids).await?;
            self.remove_tags(*org, ids).await?;
            for ids in lists(ids) {
                let delete = self.sql("delete from tasks_task where org = ").bind(org.uuid()).add(" and id in ");
                delete.list(ids.iter().map(|id| id.uuid())).run(self.tx).await?;
            }
        }
        Ok(rows.len() as u64)
    }
}
