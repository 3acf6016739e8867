use orchestrator_vocab::ScheduleId;
use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::{Every, Overlap, Plan, Query, ScheduleDraft, SchedulePatch, ScheduleQuery};

/// Every minute, side by side.
fn minutely(overlap: Overlap) -> ScheduleDraft {
    let plan = Plan::Every(Every { interval_ms: 60_000, anchor: Some(START) });
    ScheduleDraft { overlap, ..ScheduleDraft::new("minutely", plan, Draft::new("tick")) }
}

async fn schedule(backlog: &Backlog, draft: ScheduleDraft) -> ScheduleId {
    backlog.create_schedule(&origin(), draft).await.expect("a good draft").id
}

async fn tasks_of(backlog: &Backlog, id: ScheduleId) -> Vec<Task> {
    let query = Query { schedule_id: Some(id), ..Query::default() };
    backlog.list(ORG, query).await.expect("a good query")
}

async fn statuses_of(backlog: &Backlog, id: ScheduleId) -> Vec<Status> {
    tasks_of(backlog, id).await.iter().map(|task| task.state.status()).collect()
}

/// With the label and the author of the schedule, and an event.
pub async fn each_instant_yields_one_task(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let id = schedule(&backlog, minutely(Overlap::Allow)).await;
    fixture.pass(&backlog, SECOND * 30).await;
    assert!(tasks_of(&backlog, id).await.is_empty());
    for expected in 1..=3 {
        fixture.pass(&backlog, MINUTE).await;
        fixture.pass(&backlog, SECOND / 10).await;
        assert_eq!(tasks_of(&backlog, id).await.len(), expected);
    }
    assert_eq!(fixture.history(&id.to_string()).await, ["schedule.fired"; 3]);
    let events = fixture.events().await;
    let fired = events.iter().find(|event| event.name == "schedule.fired").expect("an event");
    let first = tasks_of(&backlog, id).await.remove(0);
    assert_eq!((&fired.payload["taskId"], &fired.payload["instant"]), (&json!(first.id), &json!(START + MINUTE)));
    let found = backlog.schedule(ORG, id).await.expect("it exists");
    assert_eq!((found.last_instant, found.next_instant), (Some(START + MINUTE * 3), Some(START + MINUTE * 4)));
}

/// In one process or in two.
pub async fn two_keepers_yield_one_task_per_instant(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let id = schedule(&backlog, minutely(Overlap::Allow)).await;
    for expected in 1..=20 {
        fixture.clock.advance(MINUTE);
        let mut keepers = JoinSet::new();
        for _ in 0..2 {
            let backlog = fixture.backlog();
            keepers.spawn(async move { Keeper::new(backlog).sweep().await.expect("the store works") });
        }
        keepers.join_all().await;
        assert_eq!(tasks_of(&backlog, id).await.len(), expected);
    }
}

/// Also across restarts: what counts is in the store.
pub async fn what_was_missed_is_one_recorded_skip(fixture: &Fixture) {
    let id = schedule(&fixture.backlog(), minutely(Overlap::Allow)).await;
    let backlog = fixture.backlog();
    fixture.pass(&backlog, MINUTE * 60 * 24).await;
    assert_eq!(tasks_of(&backlog, id).await.len(), 1);
    assert_eq!(fixture.history(&id.to_string()).await, ["schedule.skipped", "schedule.fired"]);
    fixture.pass(&backlog, SECOND).await;
    assert_eq!(tasks_of(&backlog, id).await.len(), 1);
}

/// When the task of the instant before has not finished.
pub async fn overlap_skips_queues_replaces_or_allows(fixture: &Fixture) {
    use Status::{Blocked, Cancelled, Completed, Pending};
    let backlog = fixture.backlog();
    let mut ids = Vec::new();
    for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Replace, Overlap::Allow] {
        ids.push(schedule(&backlog, minutely(overlap)).await);
    }
    fixture.pass(&backlog, MINUTE).await;
    fixture.pass(&backlog, MINUTE).await;
    let expected = [vec![Pending], vec![Pending, Blocked], vec![Cancelled, Pending], vec![Pending, Pending]];
    for (id, expected) in ids.iter().zip(expected) {
        assert_eq!(statuses_of(&backlog, *id).await, expected);
    }
    assert_eq!(fixture.history(&ids[0].to_string()).await, ["schedule.fired", "schedule.skipped"]);
    for claimed in claim(&backlog, 99).await {
        complete(&backlog, &claimed).await;
    }
    assert_eq!(statuses_of(&backlog, ids[1]).await, [Completed, Pending]);
    fixture.pass(&backlog, MINUTE).await;
    assert_eq!(statuses_of(&backlog, ids[0]).await, [Completed, Pending]);
}

/// What falls into the rest is not caught up with.
pub async fn a_resting_schedule_fires_only_when_triggered(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let id = schedule(&backlog, ScheduleDraft { paused: true, ..minutely(Overlap::Skip) }).await;
    fixture.pass(&backlog, MINUTE * 5).await;
    assert!(tasks_of(&backlog, id).await.is_empty());
    let key = || Some("once".to_owned());
    let task = backlog.trigger_schedule(&origin(), id, key()).await.expect("it exists");
    let again = backlog.trigger_schedule(&origin(), id, key()).await.expect("it exists");
    assert_eq!((task.id, task.schedule_id), (again.id, Some(id)));
    assert_eq!(fixture.history(&id.to_string()).await, ["schedule.fired"]);
    complete(&backlog, &claim_one(&backlog).await).await;
    let wake = SchedulePatch { paused: Some(false), ..SchedulePatch::default() };
    let awake = backlog.update_schedule(&origin(), id, wake).await.expect("it exists");
    assert_eq!(awake.next_instant, Some(START + MINUTE * 6));
    fixture.pass(&backlog, MINUTE).await;
    assert_eq!(statuses_of(&backlog, id).await, [Status::Completed, Status::Pending]);
}

/// And goes on.
pub async fn a_schedule_that_cannot_create_records_why(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let parent = create(&backlog, "parent").await;
    let template = Draft { parent_id: Some(parent.id), ..Draft::new("child") };
    let id = schedule(&backlog, ScheduleDraft { template, ..minutely(Overlap::Allow) }).await;
    fixture.pass(&backlog, MINUTE).await;
    backlog.delete(&origin(), parent.id).await.expect("it exists");
    fixture.pass(&backlog, MINUTE).await;
    assert_eq!(fixture.history(&id.to_string()).await, ["schedule.fired", "schedule.skipped"]);
    let events = fixture.events().await;
    let skipped = events.iter().find(|event| event.name == "schedule.skipped").expect("an event");
    assert_eq!(skipped.payload["reason"], json!(format!("parentId: no task {}", parent.id)));
    let found = backlog.schedule(ORG, id).await.expect("it exists");
    assert_eq!(found.next_instant, Some(START + MINUTE * 3));
}

/// Under their keys, by name, for good.
pub async fn schedules_are_created_once_changed_and_deleted(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let keyed = || ScheduleDraft { idempotency_key: Some("k".into()), ..minutely(Overlap::Skip) };
    let id = schedule(&backlog, keyed()).await;
    assert_eq!(schedule(&backlog, keyed()).await, id);
    let other = schedule(&backlog, minutely(Overlap::Skip)).await;
    let listed = backlog.list_schedules(ORG, ScheduleQuery::default()).await.expect("a good query");
    assert_eq!(listed.iter().map(|found| found.id).collect::<Vec<_>>(), [id, other]);
    let next = ScheduleQuery { after: Some(id), limit: 1 };
    assert_eq!(backlog.list_schedules(ORG, next).await.expect("a good query")[0].id, other);
    let hourly = Plan::Every(Every { interval_ms: 3_600_000, anchor: Some(START) });
    let patch = SchedulePatch { plan: Some(hourly), name: Some("hourly".into()), ..SchedulePatch::default() };
    let changed = backlog.update_schedule(&origin(), id, patch).await.expect("it exists");
    assert_eq!((changed.name.as_str(), changed.next_instant), ("hourly", Some(START + MINUTE * 60)));
    let stranger = Origin::new(OrgId::new(), origin().actor);
    assert!(matches!(backlog.schedule(stranger.org, id).await, Err(Error::NoSchedule(_))));
    assert!(matches!(backlog.delete_schedule(&stranger, id).await, Err(Error::NoSchedule(_))));
    assert!(matches!(backlog.trigger_schedule(&stranger, id, None).await, Err(Error::NoSchedule(_))));
    backlog.delete_schedule(&origin(), id).await.expect("it exists");
    assert!(matches!(backlog.schedule(ORG, id).await, Err(Error::NoSchedule(_))));
    fixture.pass(&backlog, MINUTE * 60).await;
    assert!(tasks_of(&backlog, id).await.is_empty());
}
