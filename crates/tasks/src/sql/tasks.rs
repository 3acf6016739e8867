use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::PoisonError;
use std::time::Duration;

use orchestrator_vocab::{AgentId, Id, OrgId, TaskId, Timestamp};
use sea_orm::{DbErr, QueryResult, Value};
use tokio::time::Instant;

use super::floors::Trust;
use super::rows::SqlRows;
use super::statement::{lists, pieces};
use super::task_row::{self, COLUMNS, READ};
use crate::{Counts, Error, Priority, Rows as _, Status, Task};

/// How long ago a lease may have ended for its task to count as running: long enough for the keeper to have looked.
const OVERDUE_KEPT: Duration = Duration::from_secs(60);
/// What to overwrite if only the progress of a task changed.
const PROGRESS: &str = "status = excluded.status, priority = excluded.priority, owner = excluded.owner, \
                        wake_at = excluded.wake_at, gone_at = excluded.gone_at, deleted = excluded.deleted, \
                        live = excluded.live";
/// What to overwrite beside that if its texts changed too.
const TEXTS: &str = ", kind = excluded.kind, parent = excluded.parent, fixed = excluded.fixed";
/// What never changes otherwise.
const KEYS: &str = ", idempotency_key = excluded.idempotency_key";

/// What a transaction remembers of the texts it has read: long ones are only written again if they changed.
#[derive(Default)]
pub(super) struct Seen(HashMap<TaskId, u64>);

impl Seen {
    fn digest(task: &Task, fixed: &str) -> u64 {
        BuildHasherDefault::<DefaultHasher>::new().hash_one((fixed, &task.kind, task.parent_id))
    }

    fn note(&mut self, task: &Task, fixed: &str) {
        self.0.insert(task.id, Self::digest(task, fixed));
    }

    fn is_as_read(&self, task: &Task, fixed: &str) -> bool {
        self.0.get(&task.id) == Some(&Self::digest(task, fixed))
    }
}

impl SqlRows<'_> {
    pub(super) async fn read_tasks(&self, org: OrgId, ids: &[TaskId]) -> Result<Vec<Task>, Error> {
        let mut tasks = Vec::with_capacity(ids.len());
        for ids in lists(ids) {
            let mut select = self.sql("select ").add(READ).add(" from tasks_task t where ");
            select = select.among("t.", "id", org, ids).add(" order by t.id");
            if self.writable {
                select = select.on_postgres(" for update of t");
            }
            tasks.extend(self.decode(org, &select.rows(self.tx).await?)?);
        }
        tasks.sort_unstable_by_key(|task| task.id);
        Ok(tasks)
    }

    pub(super) fn decode(&self, org: OrgId, rows: &[QueryResult]) -> Result<Vec<Task>, Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |row| {
            let (task, fixed) = task_row::read(org, row)?;
            seen.note(&task, &fixed);
            Ok(task)
        };
        rows.iter().map(read).collect()
    }

    pub(super) async fn add_tasks(&self, tasks: &[Task]) -> Result<(), Error> {
        let mut rows = Vec::with_capacity(tasks.len());
        for task in tasks {
            rows.push(task_row::values(task, task_row::fixed(task)?)?);
        }
        self.insert_rows(rows, "").await?;
        let tagged: Vec<&Task> = tasks.iter().filter(|task| !task.tags.is_empty()).collect();
        self.add_tags(&tagged).await
    }

    pub(super) async fn replace_tasks(&self, tasks: &[Task]) -> Result<(), Error> {
        let (mut progressed, mut rewritten, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for task in tasks {
            let fixed = task_row::fixed(task)?;
            let same = self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_as_read(task, &fixed);
            if same {
                // The row exists, so what is not overwritten need not be sent.
                progressed.push(task_row::values(task, String::new())?);
            } else {
                rewritten.push(task_row::values(task, fixed)?);
                texts.push(task);
            }
        }
        self.insert_rows(progressed, &format!(" on conflict (org, id) do update set {PROGRESS}")).await?;
        if texts.is_empty() {
            return Ok(());
        }
        self.insert_rows(rewritten, &format!(" on conflict (org, id) do update set {PROGRESS}{TEXTS}")).await?;
        let ids: Vec<TaskId> = texts.iter().map(|task| task.id).collect();
        self.remove_tags(texts[0].org, &ids).await?;
        self.add_tags(&texts).await
    }

    /// All of it, as if it had been read as something else.
    pub(super) async fn write_over_tasks(&self, tasks: &[Task]) -> Result<(), Error> {
        let Some(first) = tasks.first() else { return Ok(()) };
        let mut rows = Vec::with_capacity(tasks.len());
        for task in tasks {
            rows.push(task_row::values(task, task_row::fixed(task)?)?);
        }
        let all = format!(" on conflict (org, id) do update set {PROGRESS}{TEXTS}{KEYS}");
        self.insert_rows(rows, &all).await?;
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        self.remove_tags(first.org, &ids).await?;
        self.add_tags(&tasks.iter().collect::<Vec<_>>()).await
    }

    pub(super) async fn find_ids(&self, org: OrgId, after: Option<TaskId>, limit: usize) -> Result<Vec<TaskId>, Error> {
        let mut select = self.sql("select id from tasks_task where org = ").bind(org.uuid());
        if let Some(after) = after {
            select = select.add(" and id > ").bind(after.uuid());
        }
        let rows = select.add(" order by id limit ").bind(limit as i64).rows(self.tx).await?;
        let id = |row: &QueryResult| row.try_get_by_index(0).map(Id::from_uuid);
        Ok(rows.iter().map(id).collect::<Result<_, DbErr>>()?)
    }

    async fn insert_rows(&self, rows: Vec<[Value; 14]>, on_conflict: &str) -> Result<(), Error> {
        for rows in pieces(self.tx, rows) {
            let insert = self.sql("insert into tasks_task (").add(COLUMNS).add(") values ");
            insert.tuples(rows).add(on_conflict).run(self.tx).await?;
        }
        Ok(())
    }

    async fn add_tags(&self, tasks: &[&Task]) -> Result<(), Error> {
        let rows = |task: &&Task| -> Vec<[Value; 3]> {
            task.tags.iter().map(|tag| [task.org.uuid().into(), tag.as_str().into(), task.id.uuid().into()]).collect()
        };
        let rows: Vec<[Value; 3]> = tasks.iter().flat_map(rows).collect();
        for rows in pieces(self.tx, rows) {
            let insert = self.sql("insert into tasks_tag (org, tag, task) values ");
            insert.tuples(rows).run(self.tx).await?;
        }
        Ok(())
    }

    pub(super) async fn remove_tags(&self, org: OrgId, ids: &[TaskId]) -> Result<(), Error> {
        for ids in lists(ids) {
            self.sql("delete from tasks_tag where ").among("", "task", org, ids).run(self.tx).await?;
        }
        Ok(())
    }

    pub(super) async fn find_keys(&self, org: OrgId, keys: &[String]) -> Result<Vec<(String, TaskId)>, Error> {
        let mut found = Vec::new();
        for keys in lists(keys) {
            let select = self.sql("select idempotency_key, id from tasks_task where org = ").bind(org.uuid());
            let select = select.add(" and idempotency_key in ").list(keys.iter().map(String::as_str));
            let pair = |row: &QueryResult| Ok((row.try_get_by_index(0)?, Id::from_uuid(row.try_get_by_index(1)?)));
            let rows = select.rows(self.tx).await?;
            found.extend(rows.iter().map(pair).collect::<Result<Vec<_>, DbErr>>()?);
        }
        Ok(found)
    }

    pub(super) async fn count(&self, org: OrgId) -> Result<Counts, Error> {
        let select = self.sql("select status, priority, count(*) from tasks_task where deleted = 0 and org = ");
        let rows = select.bind(org.uuid()).add(" group by status, priority").rows(self.tx).await?;
        let mut counts = Counts::default();
        for row in rows {
            let (status, priority): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            let of = (parsed::<Status>(&status)?, parsed::<Priority>(&priority)?);
            counts.tasks.insert(of, row.try_get_by_index::<i64>(2)?.unsigned_abs());
        }
        let ready = self.sql("select count(*) from tasks_ready where org = ").bind(org.uuid()).row(self.tx).await?;
        let ready: i64 = ready.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        counts.ready = ready.unsigned_abs();
        Ok(counts)
    }

    /// Those whose lease ended long ago are left out: they are about to be taken back.
    pub(super) async fn count_running(&self, org: OrgId) -> Result<BTreeMap<AgentId, u32>, Error> {
        let alive = (self.now() - OVERDUE_KEPT).millis();
        let mut select = self.sql("select owner, count(*) from tasks_task where org = ").bind(org.uuid());
        if self.tx.is_postgres() {
            // The index of what is in progress, by the end of its lease: what was removed lies below, and is not stepped over.
            select = select.add(" and wake_at > ").bind(alive);
        }
        let select = select.add(" and status = 'in_progress' and deleted = 0 and owner is not null group by owner");
        let count = |row: &QueryResult| {
            let (owner, count): (String, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            Ok((parsed(&owner)?, u32::try_from(count).unwrap_or(u32::MAX)))
        };
        select.rows(self.tx).await?.iter().map(count).collect()
    }

    pub(super) async fn find_to_wake(&self, now: Timestamp, limit: usize) -> Result<Vec<(OrgId, TaskId)>, Error> {
        let trust = || self.shared.none_overdue.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_partial, started) = (self.tx.is_postgres() && trust().holds(), Instant::now());
        let mut select = self.sql("select org, id from tasks_task where wake_at <= ").bind(now.millis());
        if is_partial {
            select = select.add(" and wake_at > ").bind((now - OVERDUE_KEPT).millis());
        }
        let rows = select.add(" order by wake_at limit ").bind(limit as i64).rows(self.tx).await?;
        if !is_partial && rows.len() < limit {
            *trust() = Trust::after(started.elapsed());
        }
        let pair =
            |row: &QueryResult| Ok((Id::from_uuid(row.try_get_by_index(0)?), Id::from_uuid(row.try_get_by_index(1)?)));
        Ok(rows.iter().map(pair).collect::<Result<_, DbErr>>()?)
    }
}

/// A name from a column that only this program writes.
pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: T::Err| Error::Store(format!("a row holds `{text}`: {error}").into()))
}
