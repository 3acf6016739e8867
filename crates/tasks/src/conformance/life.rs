use orchestrator_vocab::{Confidentiality, Integrity, Label, TaskId};
use serde_json::json;

use super::*;
use crate::{Order, Patch, Priority, Query, View};

/// Reads back every field that was given.
pub async fn a_created_task_is_found_with_all_it_says(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let parent = create(&backlog, "parent").await;
    let draft = Draft {
        description: "läßt ✓ 'quotes' \"and\" \\slashes\n".into(),
        kind: Some("review".into()),
        priority: Priority::High,
        required_capabilities: ["rust", "docs"].map(|name| name.parse().expect("a capability")).into(),
        parent_id: Some(parent.id),
        tags: ["a".to_owned(), "b c".to_owned()].into(),
        metadata: json!({ "deep": [1, 2.5, null, { "x": "ü" }] }).as_object().cloned().unwrap_or_default(),
        run_at: Some(START + MINUTE),
        deadline: Some(START + MINUTE * 2),
        max_attempts: Some(7),
        idempotency_key: Some("k".into()),
        concurrency_key: Some("c".into()),
        ..Draft::new("Read it back")
    };
    let mut from = origin();
    from.correlation = Some("request-1".into());
    from.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    from.label.integrity = Integrity::Untrusted;
    let created = backlog.create(&from, draft.clone()).await.expect("a good draft");
    let (found, edges) = backlog.get(ORG, created.id).await.expect("it exists");
    assert_eq!((found.created_at, found.fence.0, edges.len()), (fixture_time(&found), 0, 0));
    assert_eq!(
        (found.correlation.as_deref(), &found.traceparent, found.label),
        (Some("request-1"), &from.traceparent, from.label)
    );
    let view = View::from(found);
    assert_eq!(view.status, Status::Pending);
    assert_eq!((view.description, Some(view.kind), view.priority), (draft.description, draft.kind, draft.priority));
    assert_eq!((view.tags, view.metadata), (draft.tags, draft.metadata));
    assert_eq!(view.required_capabilities, draft.required_capabilities);
    assert_eq!((view.run_at, view.deadline), (draft.run_at, draft.deadline));
    assert_eq!((view.max_attempts, view.parent_id, view.attempt), (7, draft.parent_id, 0));
}

fn fixture_time(task: &Task) -> Timestamp {
    assert!(task.created_at >= START);
    task.updated_at
}

/// The key makes creation repeatable, in batches too.
pub async fn creating_again_under_a_key_gives_the_first_task(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let keyed = |key: &str| Draft { idempotency_key: Some(key.into()), ..Draft::new(key) };
    let first = backlog.create(&origin(), keyed("one")).await.expect("a good draft");
    let claimed = claim_one(&backlog).await;
    complete(&backlog, &claimed).await;
    let again = backlog.create(&origin(), keyed("one")).await.expect("a good draft");
    assert_eq!((again.id, again.state.status()), (first.id, Status::Completed));
    let batch = backlog.create_many(&origin(), vec![keyed("two"), keyed("one")]).await.expect("good drafts");
    let repeated = backlog.create_many(&origin(), vec![keyed("two"), keyed("one")]).await.expect("good drafts");
    assert_eq!(batch[1].id, first.id);
    assert!(batch.iter().map(|task| task.id).eq(repeated.iter().map(|task| task.id)));
    let created = fixture.events().await.iter().filter(|event| event.name == "task.created").count();
    assert_eq!(created, 2);
    let twice = backlog.create_many(&origin(), vec![keyed("x"), keyed("x")]).await;
    assert!(matches!(twice, Err(Error::Invalid { field, .. }) if field == "tasks[1].idempotencyKey"));
}

/// Also for a thousand.
pub async fn a_batch_is_created_in_order_or_not_at_all(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let mut drafts: Vec<Draft> = (0..1_000).map(|n| Draft::new(format!("task {n}"))).collect();
    let tasks = backlog.create_many(&origin(), drafts.clone()).await.expect("good drafts");
    assert!(tasks.iter().map(|task| &task.title).eq(drafts.iter().map(|draft| &draft.title)));
    assert!(tasks.is_sorted_by_key(|task| task.id));
    drafts[500].title.clear();
    let refused = backlog.create_many(&origin(), drafts.clone()).await;
    assert!(matches!(refused, Err(Error::Invalid { field, .. }) if field == "tasks[500].title"));
    drafts[500] = Draft { depends_on: vec![TaskId::new().into()], ..Draft::new("x") };
    let refused = backlog.create_many(&origin(), drafts).await;
    assert!(matches!(refused, Err(Error::UnknownDependencies(ids)) if ids.len() == 1));
    assert_eq!(backlog.counts(ORG).await.expect("counts").ready, 1_000);
}

/// Forwards and backwards.
pub async fn tasks_of_a_batch_depend_on_each_other_by_ref(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let named = |name: &str, on: &[&str]| Draft {
        reference: Some(name.into()),
        depends_on_refs: on.iter().map(|name| (*name).to_owned()).collect(),
        ..Draft::new(name)
    };
    let drafts = vec![named("test", &["build"]), named("build", &[]), named("ship", &["test", "build"])];
    let tasks = backlog.create_many(&origin(), drafts).await.expect("good drafts");
    let waiting: Vec<Option<u32>> = tasks.iter().map(Task::waiting_on).collect();
    assert_eq!(waiting, [Some(1), None, Some(2)]);
    for expected in ["build", "test", "ship"] {
        let claimed = claim_one(&backlog).await;
        assert_eq!(claimed.task.title, expected);
        complete(&backlog, &claimed).await;
    }
    let unknown = backlog.create_many(&origin(), vec![named("a", &["b"])]).await;
    assert!(matches!(unknown, Err(Error::Invalid { field, .. }) if field == "tasks[0].dependsOnRefs"));
}

/// Neither rows nor events.
pub async fn a_refused_command_changes_nothing(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let done = create(&backlog, "done").await;
    let claimed = claim_one(&backlog).await;
    complete(&backlog, &claimed).await;
    let waiting = create(&backlog, "waiting").await;
    let waiting = get(&backlog, waiting.id).await;
    let (events, counts) = (fixture.events().await.len(), backlog.counts(ORG).await.expect("counts"));
    let from = origin();
    let itself = vec![waiting.id.into()];
    assert!(backlog.cancel(&from, done.id, "late").await.is_err());
    assert!(backlog.retry(&from, waiting.id).await.is_err());
    assert!(backlog.requeue(&from, waiting.id).await.is_err());
    assert!(backlog.approve(&from, waiting.id).await.is_err());
    assert!(backlog.depend(&from, waiting.id, itself).await.is_err());
    assert!(backlog.depend(&from, done.id, vec![waiting.id.into()]).await.is_err());
    assert!(backlog.fail(&from, waiting.id, waiting.fence, "x").await.is_err());
    assert!(backlog.heartbeat(&from, waiting.id, waiting.fence, None).await.is_err());
    let past = Patch { deadline: Some(Some(START)), ..Patch::default() };
    fixture.clock.advance(SECOND);
    assert!(backlog.update(&from, waiting.id, past).await.is_err());
    assert_eq!((fixture.events().await.len(), backlog.counts(ORG).await.expect("counts")), (events, counts));
    assert_eq!(get(&backlog, waiting.id).await, waiting);
}

/// With dense numbers, who did it, and the state before and after.
pub async fn every_change_is_in_the_log_in_order(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "seen").await;
    let claimed = claim_one(&backlog).await;
    let progress = Some(json!({ "percent": 50 }));
    backlog.heartbeat(&origin(), task.id, claimed.fence, progress).await.expect("the owner");
    complete(&backlog, &claimed).await;
    let names = fixture.history(&task.id.to_string()).await;
    assert_eq!(names, ["task.created", "task.claimed", "task.progressed", "task.completed"]);
    let events = fixture.events().await;
    assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
    let last = events.last().expect("an event");
    assert_eq!(last.actor, origin().actor);
    assert_eq!(last.payload["taskId"], json!(task.id));
    assert_eq!(
        (&last.payload["status"], &last.payload["previousStatus"]),
        (&json!("completed"), &json!("in_progress"))
    );
    assert_eq!(events[1].payload["fence"], json!(1));
}

/// By each filter, upwards and downwards, page by page.
pub async fn lists_are_filtered_and_paged(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let parent = create(&backlog, "parent").await;
    let draft = |n: usize| Draft {
        kind: Some(if n.is_multiple_of(2) { "even" } else { "odd" }.into()),
        tags: [format!("tag {}", n % 3)].into(),
        priority: if n == 7 { Priority::Critical } else { Priority::Low },
        parent_id: (n < 2).then_some(parent.id),
        ..Draft::new(n.to_string())
    };
    let tasks = backlog.create_many(&origin(), (0..9).map(draft).collect()).await.expect("good drafts");
    let claimed = claim(&backlog, 1).await;
    let found = async |query: Query| {
        let found = backlog.list(ORG, query).await.expect("a good query");
        found.into_iter().map(|task| task.title).collect::<Vec<_>>()
    };
    let all = Query::default();
    assert_eq!(found(Query { kind: Some("even".into()), ..all.clone() }).await, ["0", "2", "4", "6", "8"]);
    assert_eq!(found(Query { tag: Some("tag 1".into()), ..all.clone() }).await, ["1", "4", "7"]);
    assert_eq!(found(Query { priorities: vec![Priority::Critical], ..all.clone() }).await, ["7"]);
    assert_eq!(found(Query { parent_id: Some(parent.id), ..all.clone() }).await, ["0", "1"]);
    assert_eq!(claimed[0].task.title, "7");
    assert_eq!(found(Query { owner: Some(coder()), ..all.clone() }).await, ["7"]);
    assert_eq!(found(Query { statuses: vec![Status::InProgress, Status::Failed], ..all.clone() }).await, ["7"]);
    let newest = Query { order: Order::Newest, limit: 2, after: Some(tasks[4].id), ..all.clone() };
    assert_eq!(found(newest).await, ["3", "2"]);
    let page = Query { limit: 3, after: Some(tasks[4].id), ..all.clone() };
    assert_eq!(found(page).await, ["5", "6", "7"]);
    assert!(backlog.list(ORG, Query { limit: 1_001, ..all }).await.is_err());
}

/// By status and priority, and the depth of the queue.
pub async fn counts_follow_the_tasks(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let first = create(&backlog, "first").await;
    create_after(&backlog, "second", &[first.id]).await;
    let urgent = Draft { priority: Priority::Critical, ..Draft::new("urgent") };
    backlog.create(&origin(), urgent).await.expect("a good draft");
    fixture.clock.advance(MINUTE);
    let claimed = claim_one(&backlog).await;
    assert_eq!(claimed.task.title, "urgent");
    let counts = backlog.counts(ORG).await.expect("counts");
    assert_eq!(counts.ready, 1);
    let of = |status, priority| counts.tasks.get(&(status, priority)).copied().unwrap_or(0);
    assert_eq!(of(Status::Pending, Priority::Medium), 1);
    assert_eq!(of(Status::Blocked, Priority::Medium), 1);
    assert_eq!(of(Status::InProgress, Priority::Critical), 1);
    assert_eq!(backlog.running(ORG).await.expect("counts").get(&coder()), Some(&1));
    let oldest = backlog.oldest_ready(ORG).await.expect("an age").expect("one is ready");
    assert!((MINUTE..MINUTE + SECOND * 30).contains(&oldest), "{oldest:?}");
    backlog.delete(&origin(), first.id).await.expect("it exists");
    let counts = backlog.counts(ORG).await.expect("counts");
    assert_eq!((counts.ready, counts.tasks.values().sum::<u64>()), (0, 2));
}

/// And reports which fields those were. The order of the backlog follows.
pub async fn an_update_changes_what_it_names(fixture: &Fixture) {
    let backlog = fixture.backlog();
    create(&backlog, "first").await;
    let second = create(&backlog, "second").await;
    let patch = Patch {
        priority: Some(Priority::Critical),
        required_capabilities: Some(["rust".parse().expect("a capability")].into()),
        ..Patch::default()
    };
    let changed = backlog.update(&origin(), second.id, patch.clone()).await.expect("it exists");
    assert_eq!((changed.priority, changed.fence), (Priority::Critical, second.fence));
    backlog.update(&origin(), second.id, patch).await.expect("it exists");
    assert_eq!(fixture.history(&second.id.to_string()).await, ["task.created", "task.updated"]);
    let rust = agent("coder", &["rust"]);
    let claims = backlog.claim(&origin(), &coder(), vec![rust], 2).await.expect("the agent is known");
    let order: Vec<&str> = claims.iter().map(|claim| claim.task.title.as_str()).collect();
    assert_eq!(order, ["second", "first"]);
    let third = create(&backlog, "third").await;
    let later = Patch { run_at: Some(Some(START + MINUTE * 60)), ..Patch::default() };
    backlog.update(&origin(), third.id, later).await.expect("it exists");
    assert!(claim(&backlog, 1).await.is_empty());
    let now = Patch { run_at: Some(None), ..Patch::default() };
    backlog.update(&origin(), third.id, now).await.expect("it exists");
    assert_eq!(titles(&backlog, 1).await, ["third"]);
}

/// Who changes it is believed no more than before; of a result only who may see it counts.
pub async fn a_task_is_as_secret_as_what_was_said_about_it(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let label = Label { integrity: Integrity::Untrusted, confidentiality: Confidentiality::Secret };
    let secret = Origin { label, ..origin() };
    let (done, other) = (create(&backlog, "done").await, create(&backlog, "other").await);
    let claimed = claim_one(&backlog).await;
    backlog.complete(&secret, Completion::new(done.id, claimed.fence)).await.expect("it is claimed");
    let (done, _) = backlog.get(ORG, done.id).await.expect("it exists");
    assert_eq!(done.label, Label { integrity: done.label.integrity, ..label });
    assert_ne!(done.label.integrity, Integrity::Untrusted);
    let same = Patch { title: Some("other".into()), ..Patch::default() };
    assert_eq!(backlog.update(&secret, other.id, same).await.expect("it exists").label, origin().label);
    let title = Patch { title: Some("another".into()), ..Patch::default() };
    backlog.update(&secret, other.id, title).await.expect("it exists");
    assert_eq!(backlog.get(ORG, other.id).await.expect("it exists").0.label, label);
}

/// They are history.
pub async fn a_finished_task_keeps_all_but_tags_and_metadata(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "done").await;
    complete(&backlog, &claim_one(&backlog).await).await;
    let tags = Patch { tags: Some(["x".to_owned()].into()), ..Patch::default() };
    assert_eq!(backlog.update(&origin(), task.id, tags).await.expect("allowed").tags.len(), 1);
    let title = Patch { title: Some("other".into()), ..Patch::default() };
    let refused = backlog.update(&origin(), task.id, title).await;
    assert!(matches!(refused, Err(Error::Finished { field, .. }) if field == "title"));
}

/// Nor does anybody get it; its owner is stale.
pub async fn a_deleted_task_is_not_found(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "gone").await;
    let claimed = claim_one(&backlog).await;
    backlog.delete(&origin(), task.id).await.expect("it exists");
    check_not_found(backlog.get(ORG, task.id).await);
    check_not_found(backlog.delete(&origin(), task.id).await);
    check_not_found(backlog.complete(&origin(), Completion::new(task.id, claimed.fence)).await);
    check_not_found(backlog.retry(&origin(), task.id).await);
    assert!(backlog.list(ORG, Query::default()).await.expect("a list").is_empty());
    assert!(claim(&backlog, 1).await.is_empty());
    let names = fixture.history(&task.id.to_string()).await;
    assert_eq!(names, ["task.created", "task.claimed", "task.cancelled", "task.deleted"]);
}

/// After `retention_days`; the younger stay.
pub async fn finished_tasks_are_removed_when_they_are_old(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let old = create(&backlog, "old").await;
    let after = create_after(&backlog, "after", &[old.id]).await;
    complete(&backlog, &claim_one(&backlog).await).await;
    fixture.clock.advance(Duration::from_secs(29 * 24 * 3600));
    complete(&backlog, &claim_one(&backlog).await).await;
    let keeper = Keeper::new(backlog.clone());
    assert_eq!(keeper.retain().await.expect("the store works"), 0);
    fixture.clock.advance(Duration::from_secs(2 * 24 * 3600));
    assert_eq!(keeper.retain().await.expect("the store works"), 1);
    check_not_found(backlog.get(ORG, old.id).await);
    let (found, edges) = backlog.get(ORG, after.id).await.expect("it is young");
    assert_eq!((found.state.status(), edges.len()), (Status::Completed, 0));
    let forever = fixture.backlog_with(Config { retention_days: None, ..Config::default() });
    fixture.clock.advance(Duration::from_secs(99 * 24 * 3600));
    assert_eq!(Keeper::new(forever).retain().await.expect("the store works"), 0);
}

/// However old it is, until nobody waits any more.
pub async fn a_task_that_is_waited_for_is_not_removed(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let failed = fail_for_good(&backlog, "failed").await;
    let waits = crate::Dependency { task_id: failed.id, on_failure: crate::OnFailure::Wait };
    let draft = Draft { depends_on: vec![waits], ..Draft::new("waits") };
    let waiting = backlog.create(&origin(), draft).await.expect("a good draft");
    fixture.clock.advance(Duration::from_secs(31 * 24 * 3600));
    let keeper = Keeper::new(backlog.clone());
    assert_eq!(keeper.retain().await.expect("the store works"), 0);
    backlog.cancel(&origin(), waiting.id, "no more").await.expect("it exists");
    assert_eq!(keeper.retain().await.expect("the store works"), 1);
    check_not_found(backlog.get(ORG, failed.id).await);
}
