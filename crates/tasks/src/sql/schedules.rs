use orchestrator_vocab::{Id, OrgId, ScheduleId, TaskId, Timestamp};
use sea_orm::{DbErr, QueryResult, Value};

use super::rows::SqlRows;
use super::statement::lists;
use crate::schedule::Schedule;
use crate::{Error, ScheduleQuery};

impl SqlRows<'_> {
    pub(super) async fn read_schedules(&self, org: OrgId, ids: &[ScheduleId]) -> Result<Vec<Schedule>, Error> {
        let mut schedules = Vec::with_capacity(ids.len());
        for ids in lists(ids) {
            let select = self.sql("select body from tasks_schedule where org = ").bind(org.uuid());
            let mut select = select.add(" and id in ").list(ids.iter().map(|id| id.uuid())).add(" order by id");
            if self.writable {
                select = select.on_postgres(" for update");
            }
            schedules.extend(read_all(&select.rows(self.tx).await?)?);
        }
        schedules.sort_unstable_by_key(|schedule| schedule.id);
        Ok(schedules)
    }

    pub(super) async fn write_schedule(&self, schedule: &Schedule, on_conflict: &str) -> Result<(), Error> {
        let body = serde_json::to_string(schedule).map_err(|error| Error::Store(error.into()))?;
        let due_at = schedule.next_at.filter(|_| !schedule.paused).map(Timestamp::millis);
        let row: [Value; 5] = [
            schedule.org.uuid().into(),
            schedule.id.uuid().into(),
            due_at.into(),
            schedule.idempotency_key.as_deref().into(),
            body.into(),
        ];
        let insert = self.sql("insert into tasks_schedule (org, id, due_at, idempotency_key, body) values ");
        insert.tuples([row]).add(on_conflict).run(self.tx).await?;
        Ok(())
    }

    pub(super) async fn replace_schedule(&self, schedule: &Schedule) -> Result<(), Error> {
        let on_conflict = " on conflict (org, id) do update set due_at = excluded.due_at, body = excluded.body";
        self.write_schedule(schedule, on_conflict).await
    }

    pub(super) async fn delete_schedule(&self, org: OrgId, id: ScheduleId) -> Result<(), Error> {
        let delete = self.sql("delete from tasks_occurrence where org = ").bind(org.uuid());
        delete.add(" and schedule = ").bind(id.uuid()).run(self.tx).await?;
        let delete = self.sql("delete from tasks_schedule where org = ").bind(org.uuid());
        delete.add(" and id = ").bind(id.uuid()).run(self.tx).await?;
        Ok(())
    }

    pub(super) async fn find_schedule_key(&self, org: OrgId, key: &str) -> Result<Option<ScheduleId>, Error> {
        let select = self.sql("select id from tasks_schedule where org = ").bind(org.uuid());
        let row = select.add(" and idempotency_key = ").bind(key).row(self.tx).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.map(Id::from_uuid))
    }

    pub(super) async fn find_schedules(&self, org: OrgId, query: &ScheduleQuery) -> Result<Vec<Schedule>, Error> {
        let mut select = self.sql("select body from tasks_schedule where org = ").bind(org.uuid());
        if let Some(after) = query.after {
            select = select.add(" and id > ").bind(after.uuid());
        }
        read_all(&select.add(" order by id limit ").bind(query.limit as i64).rows(self.tx).await?)
    }

    pub(super) async fn find_due(&self, now: Timestamp, limit: usize) -> Result<Vec<(OrgId, ScheduleId)>, Error> {
        let select = self.sql("select org, id from tasks_schedule where due_at <= ").bind(now.millis());
        let rows = select.add(" order by due_at limit ").bind(limit as i64).rows(self.tx).await?;
        let pair =
            |row: &QueryResult| Ok((Id::from_uuid(row.try_get_by_index(0)?), Id::from_uuid(row.try_get_by_index(1)?)));
        Ok(rows.iter().map(pair).collect::<Result<_, DbErr>>()?)
    }

    pub(super) async fn find_occurrence(
        &self,
        org: OrgId,
        schedule: ScheduleId,
        instant: Timestamp,
    ) -> Result<bool, Error> {
        let select = self.sql("select 1 from tasks_occurrence where org = ").bind(org.uuid());
        let select = select.add(" and schedule = ").bind(schedule.uuid()).add(" and instant = ").bind(instant.millis());
        Ok(select.row(self.tx).await?.is_some())
    }

    pub(super) async fn add_occurrence(
        &self,
        org: OrgId,
        schedule: ScheduleId,
        instant: Timestamp,
        task: Option<TaskId>,
    ) -> Result<bool, Error> {
        let row: [Value; 4] =
            [org.uuid().into(), schedule.uuid().into(), instant.millis().into(), task.map(Id::uuid).into()];
        let insert = self.sql("insert into tasks_occurrence (org, schedule, instant, task) values ").tuples([row]);
        let done = insert.add(" on conflict (org, schedule, instant) do nothing").run(self.tx).await?;
        Ok(done.rows_affected() == 1)
    }
}

fn read_all(rows: &[QueryResult]) -> Result<Vec<Schedule>, Error> {
    let read = |row: &QueryResult| {
        let body: String = row.try_get_by_index(0)?;
        serde_json::from_str(&body).map_err(|error| Error::Store(error.into()))
    };
    rows.iter().map(read).collect()
}
