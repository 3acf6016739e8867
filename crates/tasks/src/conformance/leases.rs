use serde_json::json;

use super::*;
use crate::{Fence, State};

const LEASE: Duration = Duration::from_secs(15);

/// And its old owner is stale.
pub async fn a_lease_that_ran_out_returns_the_task_under_a_new_fence(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "lost").await;
    let old = claim_one(&backlog).await;
    fixture.pass(&backlog, LEASE - SECOND * 5).await;
    assert_eq!(status(&backlog, task.id).await, Status::InProgress);
    fixture.pass(&backlog, SECOND * 6).await;
    let back = get(&backlog, task.id).await;
    assert_eq!((back.state.status(), back.fence, back.attempt), (Status::Pending, Fence(2), 1));
    let late = backlog.complete(&origin(), Completion::new(task.id, old.fence)).await;
    assert!(matches!(late, Err(Error::Stale { .. })));
    let new = claim_one(&backlog).await;
    assert_eq!(new.fence, Fence(3));
    complete(&backlog, &new).await;
    let events = fixture.events().await;
    let released = events.iter().find(|event| event.name == "task.released").expect("an event");
    assert_eq!(released.payload["reason"], json!("expired"));
}

/// For as long as it comes.
pub async fn a_heartbeat_renews_the_lease(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "long").await;
    let claimed = claim_one(&backlog).await;
    for n in 0..5 {
        fixture.pass(&backlog, SECOND * 10).await;
        let until = backlog.heartbeat(&origin(), task.id, claimed.fence, Some(json!(n))).await.expect("the owner");
        assert!(until > claimed.lease_until);
    }
    let task = get(&backlog, task.id).await;
    assert_eq!((task.state.status(), task.progress), (Status::InProgress, Some(json!(4))));
    complete(&backlog, &claimed).await;
}

/// The fence decides, not the clock of the owner.
pub async fn a_late_heartbeat_is_good_until_the_task_was_taken_back(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "late").await;
    let claimed = claim_one(&backlog).await;
    fixture.clock.advance(LEASE * 2);
    backlog.heartbeat(&origin(), task.id, claimed.fence, None).await.expect("nobody has taken it");
    fixture.pass(&backlog, SECOND).await;
    assert_eq!(status(&backlog, task.id).await, Status::InProgress);
    fixture.pass(&backlog, LEASE).await;
    let late = backlog.heartbeat(&origin(), task.id, claimed.fence, None).await;
    assert!(matches!(late, Err(Error::Stale { .. })));
}

/// Each was one.
pub async fn leases_that_run_out_spend_the_attempts(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let draft = Draft { max_attempts: Some(2), ..Draft::new("kills its agents") };
    let task = backlog.create(&origin(), draft).await.expect("a good draft");
    for _ in 0..2 {
        claim_one(&backlog).await;
        fixture.pass(&backlog, LEASE + SECOND).await;
    }
    let task = get(&backlog, task.id).await;
    assert_eq!(task.state, State::Failed { error: "the lease of coder ran out".into() });
    assert!(claim(&backlog, 1).await.is_empty());
}

/// Whatever the task allows; with another owner the task's own bound counts again.
pub async fn an_owner_that_may_not_try_again_fails_for_good(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let bounded = |most| vec![Candidate { attempts_max: Some(most), ..agent("coder", &[]) }];
    let (once, thrice) = (create(&backlog, "once").await, create(&backlog, "as it says").await);
    for (task, most, expected) in [(once, 1, Status::Failed), (thrice, 100, Status::Pending)] {
        let claims = backlog.claim(&origin(), &coder(), bounded(most), 1).await.expect("known");
        assert_eq!(claims[0].task.id, task.id);
        let failed = backlog.fail(&origin(), task.id, claims[0].fence, "no luck").await.expect("the owner");
        assert_eq!(failed.state.status(), expected);
    }
    let lost = create(&backlog, "lost").await;
    let claims = backlog.claim(&origin(), &coder(), bounded(1), 1).await.expect("known");
    assert_eq!(claims[0].task.id, lost.id);
    fixture.pass(&backlog, LEASE + SECOND).await;
    assert_eq!(status(&backlog, lost.id).await, Status::Failed);
}

/// Unless it is the only one that can do it.
pub async fn a_failed_attempt_waits_and_avoids_the_agent(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "hard").await;
    let claimed = claim_one(&backlog).await;
    let failed = backlog.fail(&origin(), task.id, claimed.fence, "no luck").await.expect("the owner");
    assert_eq!((failed.state.status(), failed.avoid), (Status::Pending, Some(coder())));
    assert_eq!((failed.last_error.as_deref(), failed.fence), (Some("no luck"), Fence(2)));
    assert!(claim(&backlog, 1).await.is_empty());
    fixture.pass(&backlog, SECOND * 2).await;
    let both = || vec![agent("coder", &[]), agent("other", &[])];
    let other = "other".parse().expect("a name");
    assert!(backlog.claim(&origin(), &coder(), both(), 1).await.expect("known").is_empty());
    let second = backlog.claim(&origin(), &other, both(), 1).await.expect("known");
    backlog.fail(&origin(), task.id, second[0].fence, "no luck").await.expect("the owner");
    fixture.pass(&backlog, SECOND).await;
    assert!(claim(&backlog, 1).await.is_empty(), "the second wait is longer");
    fixture.pass(&backlog, SECOND * 2).await;
    assert_eq!(claim_one(&backlog).await.task.attempt, 3);
}

/// It says why, and does not come back by itself.
pub async fn the_last_failed_attempt_is_the_dead_letter(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let failed = fail_for_good(&backlog, "hopeless").await;
    assert_eq!(failed.state, State::Failed { error: "no luck".into() });
    assert!(failed.finished_at.is_some());
    fixture.pass(&backlog, MINUTE * 60).await;
    assert!(claim(&backlog, 1).await.is_empty());
    let names = fixture.history(&failed.id.to_string()).await;
    assert_eq!(names, ["task.created", "task.claimed", "task.failed"]);
}

/// It may go to anybody again, at once.
pub async fn a_released_task_was_not_tried(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "given back").await;
    let claimed = claim_one(&backlog).await;
    let released = backlog.release(&origin(), task.id, claimed.fence).await.expect("the owner");
    assert_eq!((released.attempt, released.avoid, released.fence), (0, None, Fence(2)));
    assert_eq!(claim_one(&backlog).await.task.attempt, 1);
}

/// And nobody gets it before; without one it keeps the time it had.
pub async fn a_released_task_waits_for_the_time_that_was_said(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "not now").await;
    let claimed = claim_one(&backlog).await;
    let run_at = START + MINUTE * 10;
    let released = backlog.release_until(&origin(), task.id, claimed.fence, run_at).await.expect("the owner");
    assert_eq!((released.attempt, released.run_at, released.fence), (0, Some(run_at), Fence(2)));
    assert!(claim(&backlog, 1).await.is_empty());
    fixture.pass(&backlog, MINUTE * 11).await;
    let again = claim_one(&backlog).await;
    assert_eq!(again.task.attempt, 1);
    let stale = backlog.release_until(&origin(), task.id, claimed.fence, run_at).await;
    assert!(matches!(stale, Err(Error::Stale { .. })));
}

/// The attempt counts.
pub async fn a_requeued_task_is_no_longer_its_owners(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "orphan").await;
    let claimed = claim_one(&backlog).await;
    let back = backlog.requeue(&origin(), task.id).await.expect("it is worked on");
    assert_eq!((back.attempt, back.fence), (1, Fence(2)));
    let late = backlog.complete(&origin(), Completion::new(task.id, claimed.fence)).await;
    assert!(matches!(late, Err(Error::Stale { .. })));
    assert!(matches!(backlog.requeue(&origin(), task.id).await, Err(Error::Transition { .. })));
}

/// And is ready then.
pub async fn a_task_waits_for_its_time(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let draft = Draft { run_at: Some(START + MINUTE * 10), ..Draft::new("later") };
    backlog.create(&origin(), draft).await.expect("a good draft");
    assert!(claim(&backlog, 1).await.is_empty());
    fixture.pass(&backlog, MINUTE * 9).await;
    assert!(claim(&backlog, 1).await.is_empty());
    fixture.pass(&backlog, MINUTE * 2).await;
    assert_eq!(titles(&backlog, 1).await, ["later"]);
}

/// Whether it is worked on or not.
pub async fn a_passed_deadline_fails_the_task(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let draft = |title: &str| Draft { deadline: Some(START + MINUTE), ..Draft::new(title) };
    let idle = backlog.create(&origin(), draft("idle")).await.expect("a good draft");
    let working = claim_one(&backlog).await;
    let other = backlog.create(&origin(), draft("other")).await.expect("a good draft");
    fixture.clock.advance(MINUTE - SECOND * 5);
    backlog.heartbeat(&origin(), idle.id, working.fence, None).await.expect("the owner");
    fixture.pass(&backlog, SECOND * 6).await;
    for id in [idle.id, other.id] {
        assert_eq!(get(&backlog, id).await.state, State::Failed { error: "deadline passed".into() });
    }
    let late = backlog.complete(&origin(), Completion::new(idle.id, working.fence)).await;
    assert!(matches!(late, Err(Error::Stale { .. })));
    assert!(claim(&backlog, 1).await.is_empty());
    let past = backlog.create(&origin(), draft("past")).await;
    assert!(matches!(past, Err(Error::Invalid { field, .. }) if field == "deadline"));
}

/// The owner may go on afterwards, or anybody else.
pub async fn waiting_for_approval_holds_no_lease(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "asks").await;
    let claimed = claim_one(&backlog).await;
    backlog.await_approval(&origin(), task.id, claimed.fence).await.expect("the owner");
    fixture.pass(&backlog, MINUTE * 600).await;
    assert_eq!(status(&backlog, task.id).await, Status::AwaitingApproval);
    assert!(backlog.running(ORG).await.expect("counts").is_empty());
    let resumed = backlog.resume(&origin(), task.id, claimed.fence).await.expect("the owner");
    assert_eq!((resumed.fence, resumed.task.state.owner()), (claimed.fence, Some(&coder())));
    backlog.await_approval(&origin(), task.id, claimed.fence).await.expect("the owner");
    let approved = backlog.approve(&origin(), task.id).await.expect("it waits");
    assert_eq!((approved.state.status(), approved.fence), (Status::Pending, claimed.fence.next()));
    let late = backlog.resume(&origin(), task.id, claimed.fence).await;
    assert!(matches!(late, Err(Error::Stale { .. })));
    complete(&backlog, &claim_one(&backlog).await).await;
}

/// With all its attempts; only if it failed or was cancelled.
pub async fn a_retried_task_starts_anew(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let failed = fail_for_good(&backlog, "second chance").await;
    let retried = backlog.retry(&origin(), failed.id).await.expect("it failed");
    assert_eq!((retried.state.status(), retried.attempt, retried.avoid), (Status::Pending, 0, None));
    assert!(retried.fence > failed.fence && retried.finished_at.is_none());
    let claimed = claim_one(&backlog).await;
    complete(&backlog, &claimed).await;
    assert!(matches!(backlog.retry(&origin(), failed.id).await, Err(Error::Transition { .. })));
    let cancelled = create(&backlog, "called off").await;
    backlog.cancel(&origin(), cancelled.id, "for now").await.expect("it has not finished");
    assert!(claim(&backlog, 1).await.is_empty());
    backlog.retry(&origin(), cancelled.id).await.expect("it was cancelled");
    assert_eq!(titles(&backlog, 1).await, ["called off"]);
}
