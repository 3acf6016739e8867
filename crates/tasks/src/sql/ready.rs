use orchestrator_vocab::{AgentId, Id, OrgId, TaskId};
use sea_orm::{DbErr, QueryResult, Value};
use tokio::time::Instant;

use super::rows::SqlRows;
use super::statement::{Sql, lists, pieces};
use super::tasks::parsed;
use crate::{Error, Ready};

/// How many classes one statement asks for; SQLite takes 500 parts of a union.
const CLASSES_PER_STATEMENT: usize = 100;

/// Jumps from class to class along the index, so that a million rows of one class cost as much as one.
const CLASSES: &str = "select class from (with recursive c (class) as (\
                       select min(class) from tasks_ready where org = {org} union all \
                       select (select min(r.class) from tasks_ready r where r.org = {org} and r.class > c.class) \
                       from c where c.class is not null) select class from c where class is not null) as classes";

impl SqlRows<'_> {
    pub(super) async fn add_ready(&self, rows: &[Ready]) -> Result<(), Error> {
        let values = |row: &Ready| -> [Value; 6] {
            let [rank, id, priority, avoid] = place(row);
            [row.org.uuid().into(), row.class.as_str().into(), rank, id, priority, avoid]
        };
        rows.iter().for_each(|row| self.shared.floors.lower(row.org, &row.class, row.key));
        let rows: Vec<[Value; 6]> = rows.iter().map(values).collect();
        for rows in pieces(self.tx, rows) {
            let insert = self.sql("insert into tasks_ready (org, class, rank, id, priority, avoid) values ");
            let insert = insert.tuples(rows).add(
                " on conflict (org, id) do update set class = excluded.class, rank = excluded.rank, \
                 priority = excluded.priority, avoid = excluded.avoid",
            );
            insert.run(self.tx).await?;
        }
        Ok(())
    }

    pub(super) async fn take_ready(&self, org: OrgId, ids: &[TaskId]) -> Result<Vec<TaskId>, Error> {
        let mut taken = Vec::with_capacity(ids.len());
        for ids in lists(ids) {
            let delete = self.sql("delete from tasks_ready where ");
            let delete = if self.tx.is_postgres() { free(delete, org, ids) } else { delete.among("", "id", org, ids) };
            let rows = delete.add(" returning id").rows(self.tx).await?;
            let id = |row: &QueryResult| Ok(Id::from_uuid(row.try_get_by_index(0)?));
            taken.extend(rows.iter().map(id).collect::<Result<Vec<TaskId>, DbErr>>()?);
        }
        Ok(taken)
    }

    pub(super) async fn find_classes(&self, org: OrgId) -> Result<Vec<String>, Error> {
        if let Some(classes) = self.shared.floors.classes(org) {
            return Ok(classes);
        }
        let started = Instant::now();
        let mut parts = CLASSES.split("{org}");
        let mut select = self.sql(parts.next().unwrap_or_default());
        for part in parts {
            select = select.bind(org.uuid()).add(part);
        }
        let rows = select.rows(self.tx).await?;
        let mut classes = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<Vec<String>, DbErr>>()?;
        classes.sort_unstable();
        if self.learns() {
            let floors = self.shared.floors.clone();
            floors.looked(org, &classes, started.elapsed());
            // Rows that were taken, or are not there after all: what was learnt of them is wrong.
            self.tx.on_rollback(move || {
                floors.forget(org);
            });
        }
        Ok(classes)
    }

    pub(super) async fn find_heads(&self, org: OrgId, classes: &[String], limit: usize) -> Result<Vec<Ready>, Error> {
        let (started, mut heads) = (Instant::now(), Vec::new());
        for classes in classes.chunks(CLASSES_PER_STATEMENT) {
            let mut union = self.sql("");
            for (index, class) in classes.iter().enumerate() {
                union.push(if index == 0 { "select * from (" } else { " union all select * from (" });
                union = union.add("select class, rank, id, priority, avoid from tasks_ready where org = ");
                union = union.bind(org.uuid()).add(" and class = ").bind(class.as_str());
                if self.tx.is_postgres() {
                    union = union.add(" and rank >= ").bind(self.shared.floors.of(org, class));
                }
                union = union.add(" order by rank, id limit ").bind(limit as i64).add(&format!(") as c{index}"));
            }
            let rows = union.rows(self.tx).await?;
            heads.extend(rows.iter().map(|row| read(org, row)).collect::<Result<Vec<_>, Error>>()?);
        }
        if self.learns() {
            let took = started.elapsed();
            for class in classes {
                let first = heads.iter().filter(|row| row.class == *class).map(|row| row.key).min();
                first.inspect(|rank| self.shared.floors.raise(org, class, *rank, took));
            }
        }
        Ok(heads)
    }

    /// Only the writer's transactions come one after the other; one that reads may see what is over by now.
    fn learns(&self) -> bool {
        self.writable && self.tx.is_postgres()
    }

    pub(super) fn forget_floors(&self, org: OrgId) -> bool {
        self.shared.floors.forget(org)
    }

    pub(super) async fn add_to_line(&self, rows: &[(String, Ready)]) -> Result<(), Error> {
        let values = |(slot, row): &(String, Ready)| -> [Value; 7] {
            let [rank, id, priority, avoid] = place(row);
            [row.org.uuid().into(), slot.as_str().into(), row.class.as_str().into(), rank, id, priority, avoid]
        };
        let rows: Vec<[Value; 7]> = rows.iter().map(values).collect();
        for rows in pieces(self.tx, rows) {
            let insert = self.sql("insert into tasks_line (org, slot, class, rank, id, priority, avoid) values ");
            let insert = insert.tuples(rows).add(
                " on conflict (org, id) do update set slot = excluded.slot, class = excluded.class, \
                 rank = excluded.rank, priority = excluded.priority, avoid = excluded.avoid",
            );
            insert.run(self.tx).await?;
        }
        Ok(())
    }

    pub(super) async fn find_in_line(&self, org: OrgId, slot: &str, limit: usize) -> Result<Vec<Ready>, Error> {
        let select = self.sql("select class, rank, id, priority, avoid from tasks_line where org = ").bind(org.uuid());
        let select = select.add(" and slot = ").bind(slot).add(" order by rank, id limit ").bind(limit as i64);
        select.rows(self.tx).await?.iter().map(|row| read(org, row)).collect()
    }

    pub(super) async fn take_from_line(&self, org: OrgId, ids: &[TaskId]) -> Result<(), Error> {
        for ids in lists(ids) {
            self.sql("delete from tasks_line where ").among("", "id", org, ids).run(self.tx).await?;
        }
        Ok(())
    }
}

/// Those that no other claim has in hand; nobody waits for the others.
///
/// Each is looked up by itself (`lateral`), and deleted where it was found (`ctid`). A join that leaves the order open is one that a plan kept
/// from when there were three rows does the wrong way round: it read a million, and a claim took 400 ms.
fn free(delete: Sql, org: OrgId, ids: &[TaskId]) -> Sql {
    let each = delete.add("ctid = any(array(select r.ctid from ").unnested(ids);
    let one = each.add(" cross join lateral (select t.ctid from tasks_ready t where t.org = ").bind(org.uuid());
    one.add(" and t.id = v.id for update skip locked) as r))")
}

fn place(row: &Ready) -> [Value; 4] {
    let avoid = row.avoid.as_ref().map(AgentId::as_str);
    [row.key.into(), row.id.uuid().into(), row.priority.as_str().into(), avoid.into()]
}

fn read(org: OrgId, row: &QueryResult) -> Result<Ready, Error> {
    let (priority, avoid): (String, Option<String>) = (row.try_get_by_index(3)?, row.try_get_by_index(4)?);
    Ok(Ready {
        org,
        class: row.try_get_by_index(0)?,
        key: row.try_get_by_index(1)?,
        id: Id::from_uuid(row.try_get_by_index(2)?),
        priority: parsed(&priority)?,
        avoid: avoid.map(|agent| parsed(&agent)).transpose()?,
    })
}
