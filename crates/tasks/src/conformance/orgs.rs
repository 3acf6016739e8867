use super::*;
use crate::{Patch, Query, ScheduleQuery};

fn stranger() -> Origin {
    Origin::new(OrgId::new(), Actor::User("mallory".into()))
}

/// By every command, exactly like one that does not exist.
pub async fn another_organisations_task_is_unknown(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "ours").await;
    let claimed = claim_one(&backlog).await;
    let before = get(&backlog, task.id).await;
    let (them, id, fence) = (stranger(), task.id, claimed.fence);
    check_not_found(backlog.get(them.org, id).await);
    check_not_found(backlog.update(&them, id, Patch { title: Some("x".into()), ..Patch::default() }).await);
    check_not_found(backlog.cancel(&them, id, "x").await);
    check_not_found(backlog.retry(&them, id).await);
    check_not_found(backlog.delete(&them, id).await);
    check_not_found(backlog.heartbeat(&them, id, fence, None).await);
    check_not_found(backlog.complete(&them, Completion::new(id, fence)).await);
    check_not_found(backlog.fail(&them, id, fence, "x").await);
    check_not_found(backlog.release(&them, id, fence).await);
    check_not_found(backlog.requeue(&them, id).await);
    check_not_found(backlog.await_approval(&them, id, fence).await);
    check_not_found(backlog.undepend(&them, id, vec![]).await);
    check_not_found(backlog.explain(them.org, id, vec![]).await);
    let depends = Draft { depends_on: vec![id.into()], ..Draft::new("x") };
    assert!(matches!(backlog.create(&them, depends).await, Err(Error::UnknownDependencies(_))));
    let child = Draft { parent_id: Some(id), ..Draft::new("x") };
    assert!(matches!(backlog.create(&them, child).await, Err(Error::Invalid { field, .. }) if field == "parentId"));
    let theirs = backlog.create(&them, Draft::new("theirs")).await.expect("a good draft");
    assert!(matches!(backlog.depend(&them, theirs.id, vec![id.into()]).await, Err(Error::UnknownDependencies(_))));
    assert_eq!(get(&backlog, id).await, before);
}

/// Lists, counts, claims, schedules and the log are empty.
pub async fn another_organisation_sees_and_counts_nothing(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "ours").await;
    claim_one(&backlog).await;
    create(&backlog, "ready").await;
    let them = stranger();
    assert!(backlog.list(them.org, Query::default()).await.expect("a list").is_empty());
    assert_eq!(backlog.counts(them.org).await.expect("counts"), crate::Counts::default());
    assert!(backlog.running(them.org).await.expect("counts").is_empty());
    let claims = backlog.claim(&them, &coder(), vec![agent("coder", &[])], 10).await;
    assert!(claims.expect("the agent is known").is_empty());
    assert!(backlog.list_schedules(them.org, ScheduleQuery::default()).await.expect("a list").is_empty());
    assert_eq!(fixture.log.head(them.org).await.expect("the log works"), 0);
    assert_eq!(status(&backlog, task.id).await, Status::InProgress);
}

/// Idempotency keys and concurrency keys mean something within one organisation only.
pub async fn a_key_of_another_organisation_is_free(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let keyed =
        || Draft { idempotency_key: Some("k".into()), concurrency_key: Some("c".into()), ..Draft::new("keyed") };
    let them = stranger();
    let ours = backlog.create(&origin(), keyed()).await.expect("a good draft");
    let theirs = backlog.create(&them, keyed()).await.expect("a good draft");
    assert_ne!(ours.id, theirs.id);
    assert_eq!(claim(&backlog, 1).await.len(), 1);
    let claims = backlog.claim(&them, &coder(), vec![agent("coder", &[])], 1).await;
    assert_eq!(claims.expect("the agent is known").len(), 1);
}
