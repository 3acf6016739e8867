use orchestrator_vocab::{AgentId, OrgId};

use super::rows::SqlRows;
use super::statement::Sql;
use super::task_row::READ;
use crate::{Error, Order, Priority, Query, Status, Task};

impl SqlRows<'_> {
    pub(super) async fn find(&self, org: OrgId, query: &Query) -> Result<Vec<Task>, Error> {
        let one_by_one = query.tag.is_none() && query.parent_id.is_none() && query.schedule_id.is_none();
        let select = match query.statuses.as_slice() {
            statuses if one_by_one && statuses.len() > 1 => self.per_status(org, query, statuses),
            _ => self.selection(org, query, &query.statuses),
        };
        self.decode(org, &select.rows(self.tx).await?)
    }

    /// The index has each status in the order of the ids: the heads of each are merged, nothing is sorted that is not given.
    fn per_status(&self, org: OrgId, query: &Query, statuses: &[Status]) -> Sql {
        let mut union = self.sql("");
        let mut statuses = statuses.to_vec();
        statuses.sort_unstable();
        statuses.dedup();
        for (index, status) in statuses.into_iter().enumerate() {
            union.push(if index == 0 { "select * from (" } else { " union all select * from (" });
            union = self.select_from(union, org, query, &[status]);
            union.push(&format!(") as s{index}"));
        }
        let direction = direction(query.order);
        union.add(" order by id ").add(direction).add(" limit ").bind(query.limit as i64)
    }

    fn selection(&self, org: OrgId, query: &Query, statuses: &[Status]) -> Sql {
        self.select_from(self.sql(""), org, query, statuses)
    }

    fn select_from(&self, sql: Sql, org: OrgId, query: &Query, statuses: &[Status]) -> Sql {
        let mut select = sql.add("select ").add(READ);
        select = match &query.tag {
            // The order of the ids comes from the tag's own index.
            Some(tag) => select
                .add(" from tasks_tag g join tasks_task t on t.org = g.org and t.id = g.task where g.org = ")
                .bind(org.uuid())
                .add(" and g.tag = ")
                .bind(tag.as_str()),
            None => select.add(" from tasks_task t where t.org = ").bind(org.uuid()),
        };
        let id = if query.tag.is_some() { "g.task" } else { "t.id" };
        select = restrict(select.add(" and t.deleted = 0"), query, statuses);
        if let Some(after) = query.after {
            let beyond = if query.order == Order::Oldest { " > " } else { " < " };
            select = select.add(" and ").add(id).add(beyond).bind(after.uuid());
        }
        let order = select.add(" order by ").add(id).add(" ").add(direction(query.order));
        order.add(" limit ").bind(query.limit as i64)
    }
}

fn restrict(mut select: Sql, query: &Query, statuses: &[Status]) -> Sql {
    if let Some(parent) = query.parent_id {
        select = select.add(" and t.parent = ").bind(parent.uuid());
    }
    if let Some(schedule) = query.schedule_id {
        select = select.add(" and t.schedule = ").bind(schedule.uuid());
    }
    match statuses {
        [] => {}
        [status] => select = select.add(" and t.status = ").bind(status.as_str()),
        // An expression, so that no planner prefers the index by status here: it would have to sort.
        _ => select = select.add(" and t.status || '' in ").list(statuses.iter().map(|status| status.as_str())),
    }
    if !query.priorities.is_empty() {
        let priorities = query.priorities.iter().copied().map(Priority::as_str);
        select = select.add(" and t.priority in ").list(priorities);
    }
    if let Some(owner) = &query.owner {
        select = select.add(" and t.owner = ").bind(AgentId::as_str(owner));
    }
    if let Some(kind) = &query.kind {
        select = select.add(" and t.kind = ").bind(kind.as_str());
    }
    select
}

fn direction(order: Order) -> &'static str {
    match order {
        Order::Oldest => "asc",
        Order::Newest => "desc",
    }
}
