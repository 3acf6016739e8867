use tokio::task::JoinSet;

use super::*;
use crate::{Dependency, OnFailure, State};

const RACES: usize = 200;

fn on(task: &Task, on_failure: OnFailure) -> Dependency {
    Dependency { task_id: task.id, on_failure }
}

async fn create_on(backlog: &Backlog, title: &str, depends_on: Vec<Dependency>) -> Task {
    backlog.create(&origin(), Draft { depends_on, ..Draft::new(title) }).await.expect("a good draft")
}

/// Not before, and with an event.
pub async fn the_last_dependency_unblocks_in_the_same_commit(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let (a, b) = (create(&backlog, "a").await, create(&backlog, "b").await);
    let c = create_after(&backlog, "c", &[a.id, b.id, a.id]).await;
    assert_eq!(c.state, State::Blocked { waiting_on: 2 });
    let claims = claim(&backlog, 9).await;
    assert_eq!(claims.len(), 2);
    complete(&backlog, &claims[0]).await;
    assert_eq!(get(&backlog, c.id).await.state, State::Blocked { waiting_on: 1 });
    assert!(claim(&backlog, 1).await.is_empty());
    complete(&backlog, &claims[1]).await;
    assert_eq!(titles(&backlog, 1).await, ["c"]);
    let names = fixture.history(&c.id.to_string()).await;
    assert_eq!(names, ["task.created", "task.unblocked", "task.claimed"]);
}

/// Two hundred times.
pub async fn of_two_blockers_completing_at_once_the_last_unblocks(fixture: &Fixture) {
    let backlog = fixture.backlog();
    for _ in 0..RACES {
        let (a, b) = (create(&backlog, "a").await, create(&backlog, "b").await);
        let waiting = create_after(&backlog, "waiting", &[a.id, b.id]).await;
        let mut racers = JoinSet::new();
        for claimed in claim(&backlog, 2).await {
            let backlog = backlog.clone();
            racers.spawn(async move { complete(&backlog, &claimed).await });
        }
        assert_eq!(racers.join_all().await.len(), 2);
        let ready = claim_one(&backlog).await;
        assert_eq!(ready.task.id, waiting.id);
        complete(&backlog, &ready).await;
    }
}

/// It is met from the start.
pub async fn a_dependency_that_is_done_blocks_nothing(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let done = create(&backlog, "done").await;
    complete(&backlog, &claim_one(&backlog).await).await;
    let task = create_after(&backlog, "task", &[done.id]).await;
    assert_eq!(task.state, State::Pending);
    let (_, edges) = backlog.get(ORG, task.id).await.expect("it exists");
    assert_eq!((edges.len(), edges[0].depends_on, edges[0].met), (1, done.id, true));
}

/// On creation and on `depend`; deleted ones are unknown.
pub async fn unknown_dependencies_are_refused_by_name(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let (unknown, deleted) = (TaskId::new(), create(&backlog, "deleted").await);
    backlog.delete(&origin(), deleted.id).await.expect("it exists");
    let task = create(&backlog, "task").await;
    let both = vec![unknown.into(), deleted.id.into()];
    let draft = Draft { depends_on: both.clone(), ..Draft::new("x") };
    for refused in [backlog.create(&origin(), draft).await, backlog.depend(&origin(), task.id, both).await] {
        let Err(Error::UnknownDependencies(ids)) = refused else { panic!("{refused:?}") };
        assert_eq!(ids, [unknown, deleted.id]);
    }
    assert_eq!(titles(&backlog, 9).await, ["task"]);
}

/// The one that closes it, with the way around; also a task with itself.
pub async fn a_cycle_is_refused_and_shown(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let a = create(&backlog, "a").await;
    let b = create_after(&backlog, "b", &[a.id]).await;
    let c = create_after(&backlog, "c", &[b.id]).await;
    let refused = backlog.depend(&origin(), a.id, vec![c.id.into()]).await;
    let Err(Error::Cycle { path }) = refused else { panic!("{refused:?}") };
    assert_eq!(path.first(), path.last());
    assert!([a.id, b.id, c.id].iter().all(|id| path.contains(id)) && path.len() == 4, "{path:?}");
    assert!(matches!(backlog.depend(&origin(), a.id, vec![a.id.into()]).await, Err(Error::Cycle { .. })));
    assert_eq!(get(&backlog, a.id).await.state, State::Pending);
    let chain: Vec<Draft> = (0..30)
        .map(|n| Draft {
            reference: Some(n.to_string()),
            depends_on_refs: (n > 0).then(|| (n - 1).to_string()).into_iter().collect(),
            ..Draft::new(n.to_string())
        })
        .collect();
    let chain = backlog.create_many(&origin(), chain).await.expect("no cycle");
    let refused = backlog.depend(&origin(), chain[0].id, vec![chain[29].id.into()]).await;
    assert!(matches!(refused, Err(Error::Cycle { path }) if path.len() <= 20));
    backlog.undepend(&origin(), b.id, vec![a.id]).await.expect("it exists");
    backlog.depend(&origin(), a.id, vec![c.id.into()]).await.expect("no cycle any more");
}

/// And nothing of it is created.
pub async fn a_cycle_within_a_batch_is_refused(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let named = |name: &str, on: &str| Draft {
        reference: Some(name.into()),
        depends_on_refs: vec![on.into()],
        ..Draft::new(name)
    };
    let batch = vec![named("a", "b"), named("b", "c"), named("c", "a")];
    assert!(matches!(backlog.create_many(&origin(), batch).await, Err(Error::Cycle { .. })));
    assert!(matches!(backlog.create_many(&origin(), vec![named("a", "a")]).await, Err(Error::Cycle { .. })));
    assert_eq!(backlog.counts(ORG).await.expect("counts"), crate::Counts::default());
    assert!(fixture.events().await.is_empty());
}

/// Two hundred times.
pub async fn of_two_opposite_edges_at_once_one_is_refused(fixture: &Fixture) {
    let backlog = fixture.backlog();
    for _ in 0..RACES {
        let (a, b) = (create(&backlog, "a").await.id, create(&backlog, "b").await.id);
        let mut racers = JoinSet::new();
        for (task, on) in [(a, b), (b, a)] {
            let backlog = backlog.clone();
            racers.spawn(async move { backlog.depend(&origin(), task, vec![on.into()]).await });
        }
        let results = racers.join_all().await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(results.iter().any(|result| matches!(result, Err(Error::Cycle { .. }))), "{results:?}");
    }
}

/// However long the chain.
pub async fn cancelling_cascades_along_the_graph(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let a = create(&backlog, "a").await;
    let b = create_after(&backlog, "b", &[a.id]).await;
    let c = create_after(&backlog, "c", &[b.id]).await;
    let claimed = claim_one(&backlog).await;
    backlog.cancel(&origin(), a.id, "no need").await.expect("it has not finished");
    for id in [a.id, b.id, c.id] {
        assert_eq!(status(&backlog, id).await, Status::Cancelled);
    }
    let State::Cancelled { reason } = get(&backlog, c.id).await.state else { panic!("it is cancelled") };
    assert!(reason.contains(&b.id.to_string()), "{reason}");
    let late = backlog.complete(&origin(), Completion::new(a.id, claimed.fence)).await;
    assert!(matches!(late, Err(Error::Stale { .. })));
    assert!(matches!(backlog.cancel(&origin(), a.id, "again").await, Err(Error::Transition { .. })));
}

/// Cancel, continue, wait.
pub async fn each_edge_has_its_policy(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let draft = Draft { max_attempts: Some(1), ..Draft::new("fails") };
    let fails = backlog.create(&origin(), draft).await.expect("a good draft");
    let cancels = create_on(&backlog, "cancels", vec![on(&fails, OnFailure::Cancel)]).await;
    let continues = create_on(&backlog, "continues", vec![on(&fails, OnFailure::Continue)]).await;
    let waits = create_on(&backlog, "waits", vec![on(&fails, OnFailure::Wait)]).await;
    fail_claimed(&backlog, fails.id).await;
    assert_eq!(status(&backlog, cancels.id).await, Status::Cancelled);
    assert_eq!(status(&backlog, continues.id).await, Status::Pending);
    assert_eq!(status(&backlog, waits.id).await, Status::Blocked);
    let changed = backlog.depend(&origin(), waits.id, vec![on(&fails, OnFailure::Continue)]).await;
    assert_eq!(changed.expect("it has not started").state, State::Pending);
}

/// When what they wait for completes after all.
pub async fn waiting_dependents_go_on_after_a_retry(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let failed = fail_for_good(&backlog, "failed").await;
    let waits = create_on(&backlog, "waits", vec![on(&failed, OnFailure::Wait)]).await;
    assert_eq!(waits.state, State::Blocked { waiting_on: 1 });
    backlog.retry(&origin(), failed.id).await.expect("it failed");
    complete(&backlog, &claim_one(&backlog).await).await;
    assert_eq!(titles(&backlog, 9).await, ["waits"]);
}

/// Until somebody retries them too, in order.
pub async fn dependents_that_were_cancelled_stay_so_after_a_retry(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let a = create(&backlog, "a").await;
    let b = create_after(&backlog, "b", &[a.id]).await;
    backlog.cancel(&origin(), a.id, "for now").await.expect("it has not finished");
    let early = backlog.retry(&origin(), b.id).await;
    assert!(matches!(early, Err(Error::Invalid { .. })), "{early:?}");
    backlog.retry(&origin(), a.id).await.expect("it was cancelled");
    assert_eq!(status(&backlog, b.id).await, Status::Cancelled);
    let b = backlog.retry(&origin(), b.id).await.expect("a is no obstacle any more");
    assert_eq!(b.state, State::Blocked { waiting_on: 1 });
    complete(&backlog, &claim_one(&backlog).await).await;
    assert_eq!(titles(&backlog, 9).await, ["b"]);
}

/// Under the default it would be cancelled at once.
pub async fn a_failed_dependency_needs_another_policy(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let failed = fail_for_good(&backlog, "failed").await;
    let draft = Draft { depends_on: vec![failed.id.into()], ..Draft::new("x") };
    let refused = backlog.create(&origin(), draft).await;
    assert!(matches!(refused, Err(Error::Invalid { field, .. }) if field == "dependsOn"));
    let goes_on = create_on(&backlog, "goes on", vec![on(&failed, OnFailure::Continue)]).await;
    assert_eq!(goes_on.state, State::Pending);
}

/// As long as it has not started.
pub async fn dependencies_can_be_added_and_taken_away(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = create(&backlog, "task").await;
    let late = Draft { priority: crate::Priority::Low, ..Draft::new("late") };
    let late = backlog.create(&origin(), late).await.expect("a good draft");
    let blocked = backlog.depend(&origin(), task.id, vec![late.id.into()]).await.expect("it has not started");
    assert_eq!(blocked.state, State::Blocked { waiting_on: 1 });
    let again = backlog.depend(&origin(), task.id, vec![late.id.into()]).await.expect("it has not started");
    assert_eq!(again.state, State::Blocked { waiting_on: 1 });
    let claimed = claim(&backlog, 9).await;
    assert_eq!((claimed.len(), claimed[0].task.id), (1, late.id));
    let free = backlog.undepend(&origin(), task.id, vec![late.id, TaskId::new()]).await.expect("it exists");
    assert_eq!(free.state, State::Pending);
    assert_eq!(titles(&backlog, 9).await, ["task"]);
    let started = backlog.depend(&origin(), task.id, vec![late.id.into()]).await;
    assert!(matches!(started, Err(Error::Transition { .. })));
    let names = fixture.history(&task.id.to_string()).await;
    assert_eq!(names, ["task.created", "task.blocked", "task.updated", "task.unblocked", "task.claimed"]);
}

/// Of those that waited for a retry, too.
pub async fn deleting_ends_the_waiting(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let failed = fail_for_good(&backlog, "failed").await;
    let waits = create_on(&backlog, "waits", vec![on(&failed, OnFailure::Wait)]).await;
    let after = create_after(&backlog, "after", &[waits.id]).await;
    backlog.delete(&origin(), failed.id).await.expect("it exists");
    assert_eq!(status(&backlog, waits.id).await, Status::Cancelled);
    assert_eq!(status(&backlog, after.id).await, Status::Cancelled);
}
