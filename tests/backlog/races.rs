use std::collections::HashSet;

use futures::future::join;
use orchestrator_testkit::{Backend, Socket, on_both_backends};
use serde_json::{Value, json};

use crate::{claim, complete, create_many, items, worker};

on_both_backends![
    of_two_claims_of_one_task_one_wins_a_thousand_times,
    when_two_blockers_complete_at_once_the_dependent_is_ready_every_time,
    of_a_completion_and_a_cancellation_one_wins,
];

/// Leases outlast the test, or what was won early would come back and be won again.
fn daemon(backend: Backend) -> orchestrator_testkit::Builder {
    crate::daemon(backend).config(json!({"tasks": {"leaseMs": 600_000}}))
}

const CLAIM_RACES: usize = 1_000;
const BLOCKER_RACES: usize = 200;

async fn of_two_claims_of_one_task_one_wins_a_thousand_times(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let (mut left, mut right) = (daemon.admin().await, daemon.admin().await);
    worker(&mut left, "left", 10_000).await?;
    worker(&mut right, "right", 10_000).await?;
    let mut won = [0, 0];
    for race in 0..CLAIM_RACES {
        let task = left.call("task.create", json!({"title": race.to_string()})).await?;
        let (here, there) = join(claim(&mut left, "left", 1), claim(&mut right, "right", 1)).await;
        let (here, there) = (here?, there?);
        assert_eq!(here.len() + there.len(), 1, "race {race}: {here:?} and {there:?}");
        let winner = here.first().or(there.first()).map(|claim| &claim["task"]["id"]);
        assert_eq!(winner, Some(&task["id"]), "race {race}");
        won[usize::from(here.is_empty())] += 1;
    }
    println!("won: {won:?}");
    Ok(())
}

async fn when_two_blockers_complete_at_once_the_dependent_is_ready_every_time(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let (mut left, mut right) = (daemon.admin().await, daemon.admin().await);
    worker(&mut left, "left", 10_000).await?;
    worker(&mut right, "right", 10_000).await?;
    let blockers =
        create_many(&mut left, (0..2 * BLOCKER_RACES).map(|n| json!({"title": n.to_string()})).collect()).await?;
    let id = |n: usize| &blockers[n]["id"];
    let dependents = (0..BLOCKER_RACES).map(|n| json!({"title": "both", "dependsOn": [id(2 * n), id(2 * n + 1)]}));
    create_many(&mut left, dependents.collect()).await?;
    let claims = claim(&mut left, "left", 2 * BLOCKER_RACES).await?;
    let claim_of = |id: &Value| claims.iter().find(|claim| claim["task"]["id"] == *id).expect("it was claimed");
    for race in 0..BLOCKER_RACES {
        let (first, second) = (claim_of(id(2 * race)), claim_of(id(2 * race + 1)));
        let (first, second) = join(complete(&mut left, first), complete(&mut right, second)).await;
        first?;
        second?;
        let ready = claim(&mut right, "right", 1).await?;
        assert_eq!(ready.len(), 1, "race {race}: the dependent is ready");
    }
    Ok(())
}

async fn of_a_completion_and_a_cancellation_one_wins(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let (mut left, mut right) = (daemon.admin().await, daemon.admin().await);
    worker(&mut left, "left", 1_000).await?;
    create_many(&mut left, (0..100).map(|n| json!({"title": n.to_string()})).collect()).await?;
    for claim in claim(&mut left, "left", 100).await? {
        let cancelled = right.call("task.cancel", json!({"taskId": claim["task"]["id"]}));
        let (completed, cancelled) = join(complete(&mut left, &claim), cancelled).await;
        assert!(completed.is_ok() != cancelled.is_ok(), "{completed:?} and {cancelled:?}");
    }
    assert_one_end_each(&mut left).await
}

async fn assert_one_end_each(socket: &mut Socket) -> anyhow::Result<()> {
    let events = items(&socket.call("event.list", json!({"limit": 1000})).await?);
    let ends = ["task.completed", "task.cancelled"];
    let ended: Vec<_> = events.iter().filter(|event| ends.iter().any(|end| event["event"] == *end)).collect();
    let tasks: HashSet<_> = ended.iter().map(|event| event["payload"]["taskId"].to_string()).collect();
    assert_eq!((ended.len(), tasks.len()), (100, 100));
    Ok(())
}
