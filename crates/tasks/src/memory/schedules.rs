use std::sync::Arc;

use orchestrator_vocab::{OrgId, ScheduleId, TaskId, Timestamp};

use super::rows::{Inner, Undo};
use crate::schedule::Schedule;
use crate::{Error, ScheduleQuery};

impl Inner<'_> {
    pub(super) fn schedules(&self, org: OrgId, ids: &[ScheduleId]) -> Result<Vec<Schedule>, Error> {
        let found = ids.iter().filter_map(|id| self.data.schedules.get(&(org, *id)));
        let mut found: Vec<Schedule> = found.map(|schedule| Schedule::clone(schedule)).collect();
        found.sort_unstable_by_key(|schedule| schedule.id);
        Ok(found)
    }

    pub(super) fn insert_schedule(&mut self, schedule: &Schedule) -> Result<(), Error> {
        let key = schedule.idempotency_key.clone().map(|key| (schedule.org, key));
        if key.is_some_and(|key| self.data.schedules_by_key.contains_key(&key)) {
            return Err(Error::Conflict);
        }
        self.put_schedule(schedule);
        Ok(())
    }

    pub(super) fn put_schedule(&mut self, schedule: &Schedule) {
        let old = self.data.set_schedule(schedule.org, schedule.id, Some(Arc::new(schedule.clone())));
        self.note(Undo::Schedule(schedule.org, schedule.id, old));
    }

    pub(super) fn remove_schedule(&mut self, org: OrgId, id: ScheduleId) {
        let old = self.data.set_schedule(org, id, None);
        self.note(Undo::Schedule(org, id, old));
        let range = (org, id, Timestamp(i64::MIN))..=(org, id, Timestamp(i64::MAX));
        let instants: Vec<Timestamp> =
            self.data.occurrences.range(range).map(|((_, _, instant), _)| *instant).collect();
        for instant in instants {
            let old = self.data.occurrences.remove(&(org, id, instant));
            self.note(Undo::Occurrence(org, id, instant, old));
        }
    }

    pub(super) fn list_schedules(&self, org: OrgId, query: &ScheduleQuery) -> Vec<Schedule> {
        let of_org = self.data.schedules.iter().filter(|((of, _), _)| *of == org);
        let later = of_org.filter(|((_, id), _)| query.after.is_none_or(|after| *id > after));
        later.take(query.limit).map(|(_, schedule)| Schedule::clone(schedule)).collect()
    }

    pub(super) fn occurrence(
        &mut self,
        org: OrgId,
        schedule: ScheduleId,
        instant: Timestamp,
        task: Option<TaskId>,
    ) -> bool {
        if self.data.occurrences.contains_key(&(org, schedule, instant)) {
            return false;
        }
        self.data.occurrences.insert((org, schedule, instant), task);
        self.note(Undo::Occurrence(org, schedule, instant, None));
        true
    }
}
