//! Sessions whose steps are in the journal: what interrupts them, and what becomes of them then.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::time::Duration;

use orchestrator_sessions::{Error, OnStall, State, Status};
use orchestrator_vocab::Actor;
use serde_json::json;
use support::journaled::{Deaf, Steps};
use support::{Fixture, LOCAL, Told, request, soon, stop};
use tokio::time::Instant;

fn user() -> Actor {
    Actor::User("bob".into())
}

#[tokio::test]
async fn every_step_is_in_the_journal_and_counted() {
    let fixture = Fixture::new().await;
    let steps = Steps::new(3);
    steps.allow(3);
    let (session, told) = fixture.run(steps.clone()).await;
    assert_eq!(told, Told::Completed(json!({ "steps": 3 })));
    assert_eq!((session.state, session.entries, session.runtime.as_str()), (State::Completed, 3, "steps"));
    assert_eq!((steps.effects(), session.last_output.as_deref()), (vec![1, 2, 3], Some("step 3")));
    assert_eq!(fixture.events(session.id).await, ["created", "running", "completed", "stopped"]);
}

#[tokio::test]
async fn a_drained_session_is_suspended_and_its_task_goes_back() {
    let fixture = Fixture::new().await;
    let steps = Steps::new(3);
    let id = fixture.start(steps).await;
    let drained = soon(fixture.sessions.drain(Instant::now())).await;
    assert_eq!(drained.handed_back, [id]);
    let session = fixture.sessions.get(LOCAL, id).await.unwrap();
    assert_eq!(session.state, State::Suspended { reason: "the daemon is stopping".into(), waiting: false });
    assert_eq!((session.ended_at, session.pid), (None, None));
    assert_eq!(fixture.backlog.told(), [Told::Released("the daemon is stopping".into())]);
    assert_eq!(fixture.events(id).await.last().unwrap(), "suspended", "it has not stopped");
}

#[tokio::test]
async fn a_session_that_lost_its_task_is_suspended_and_one_that_was_stopped_is_over() {
    let fixture = Fixture::new().await;
    let stopped = fixture.start(Steps::new(1)).await;
    let session = soon(fixture.sessions.stop(LOCAL, stopped, stop("enough"))).await.unwrap();
    assert_eq!(session.state, State::Terminated { reason: "enough".into() });

    let lost = fixture.start(Steps::new(1)).await;
    fixture.backlog.is_lost.store(true, std::sync::atomic::Ordering::SeqCst);
    let session = fixture.ended(lost).await;
    assert_eq!(session.state.status(), Status::Suspended);
    assert_eq!(fixture.sessions.active(), 0, "it does not count against the limit");
}

#[tokio::test]
async fn who_asks_a_person_waits_and_holds_nothing() {
    let fixture = Fixture::new().await;
    let id = fixture.start(Steps { asks_at: Some(1), ..Steps::new(1) }).await;
    let session = fixture.ended(id).await;
    assert_eq!(session.state, State::Suspended { reason: "may step 1 be taken?".into(), waiting: true });
    assert_eq!(fixture.backlog.told(), [Told::Waits("may step 1 be taken?".into())]);
    assert_eq!(fixture.events(id).await, ["created", "running", "suspended", "waiting"]);
    let info = fixture.sessions.info(&session);
    assert_eq!(info.waiting_for.as_deref(), Some("may step 1 be taken?"));
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_sign_of_life_fails_and_what_moves_does_not() {
    let fixture = Fixture::with(|parts| parts.config.stall_ms = 60_000).await;
    let steps = Steps::new(5);
    let moving = fixture.start(steps.clone()).await;
    let still = fixture.sessions.start(request(Deaf)).await.unwrap().id;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(40)).await;
        steps.allow(1);
    }
    let stalled = fixture.sessions.get(LOCAL, still).await.unwrap();
    let error = "it gave no sign of life for stallMs (60000 ms)".to_owned();
    assert_eq!(stalled.state, State::Failed { error: error.clone() });
    assert_eq!(fixture.backlog.told(), [Told::Failed(error)]);
    assert_eq!(fixture.events(still).await, ["created", "running", "stalled", "failed", "stopped"]);
    assert_eq!(fixture.sessions.get(LOCAL, moving).await.unwrap().state, State::Running);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_session_can_go_back_instead() {
    let fixture = Fixture::with(|parts| {
        (parts.config.stall_ms, parts.config.on_stall) = (60_000, OnStall::Release);
    })
    .await;
    let id = fixture.start(Steps::new(1)).await;
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(fixture.sessions.get(LOCAL, id).await.unwrap().state.status(), Status::Suspended);
    assert!(matches!(&fixture.backlog.told()[..], [Told::Released(_)]));
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_no_stall() {
    let fixture = Fixture::with(|parts| parts.config.stall_ms = 60_000).await;
    let steps = Steps::new(1);
    let id = fixture.start(steps.clone()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    fixture.sessions.pause(LOCAL, id, None, user()).await.unwrap();
    steps.allow(1);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(fixture.sessions.get(LOCAL, id).await.unwrap().state.status(), Status::Paused);
    assert!(steps.effects().is_empty(), "it stands still");
    fixture.sessions.resume(LOCAL, id, user()).await.unwrap();
    assert_eq!(fixture.ended(id).await.state, State::Completed);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_end_is_dropped_after_its_grace() {
    let fixture = Fixture::new().await;
    let id = fixture.sessions.start(request(Deaf)).await.unwrap().id;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = Instant::now();
    let session = fixture.sessions.stop(LOCAL, id, stop("please")).await.unwrap();
    assert_eq!(session.state, State::Terminated { reason: "please".into() });
    assert_eq!(before.elapsed().as_secs(), 11);
}

#[tokio::test]
async fn what_cannot_stand_still_says_so() {
    let fixture = Fixture::new().await;
    let steps = Steps { can_pause: false, ..Steps::new(1) };
    let id = fixture.start(steps).await;
    let refused = loop {
        match fixture.sessions.pause(LOCAL, id, None, user()).await.unwrap_err() {
            Error::Transition(_) => tokio::task::yield_now().await,
            other => break other,
        }
    };
    let expected = format!("session {id} cannot be paused: its runtime `steps` cannot stand still now");
    assert_eq!(refused.to_string(), expected);
    fixture.sessions.stop(LOCAL, id, stop("enough")).await.unwrap();
}

#[tokio::test]
async fn an_entry_has_a_bound() {
    let fixture = Fixture::with(|parts| parts.config.entry_bytes_max = 1_024).await;
    let large = support::journaled::Writes(vec![support::journaled::large(1_024)]);
    let (session, told) = fixture.run(large).await;
    assert!(matches!(told, Told::Failed(why) if why.starts_with("entry: expected at most entryBytesMax (1024) bytes")));
    assert_eq!(session.entries, 0);
    let none = fixture.run(support::journaled::Writes(vec![])).await.1;
    assert_eq!(none, Told::Failed("entries: expected 1 to 1000, got 0".into()));
    let (fine, _) = fixture.run(support::journaled::Writes(vec![support::journaled::large(500)])).await;
    assert_eq!((fine.state, fine.entries), (State::Completed, 1));
}

#[tokio::test]
async fn a_held_session_is_suspended_and_this_was_no_attempt() {
    let fixture = Fixture::new().await;
    let id = fixture.start(Steps::new(3)).await;
    fixture.sessions.hold(None, "stand still", user());
    let session = fixture.ended(id).await;
    assert_eq!(session.state, State::Suspended { reason: "stand still".into(), waiting: false });
    assert_eq!(fixture.backlog.told(), [Told::Released("stand still".into())]);
}
