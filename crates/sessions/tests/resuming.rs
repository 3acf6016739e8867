//! Suspended sessions go on, on the same daemon or another, and are ended when they will not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::sync::Arc;

use orchestrator_sessions::{Entry, Error, Runtime, Session, Sessions, StartRequest, State, Status};
use orchestrator_vocab::SessionId;
use support::journaled::{Deaf, Steps};
use support::{Fixture, LOCAL, Told, request, shell, soon, stop};
use tokio::time::Instant;

/// The request that goes on with the session's task, under the next claim.
fn again(session: &Session, runtime: impl Runtime) -> StartRequest {
    StartRequest { task: session.task, fence: session.fence + 1, ..request(runtime) }
}

fn next_start(fixture: &Fixture) -> Sessions {
    let mut parts = fixture.parts.clone();
    parts.node.epoch += 1;
    Sessions::new(parts).unwrap()
}

async fn settled(sessions: &Sessions, id: SessionId) -> Session {
    soon(async {
        let mut changed = sessions.changed();
        loop {
            let session = sessions.get(LOCAL, id).await.unwrap();
            if !session.state.is_active() {
                return session;
            }
            changed.changed().await.unwrap();
        }
    })
    .await
}

async fn notes(fixture: &Fixture, id: SessionId) -> Vec<String> {
    let entries = fixture.parts.store.entries(LOCAL, id, 0, 100).await.unwrap();
    entries
        .into_iter()
        .map(|one| match one.entry {
            Entry::Noted { what, .. } => what,
            other => other.kind().to_owned(),
        })
        .collect()
}

#[tokio::test]
async fn a_drained_session_goes_on_where_it_was_and_does_nothing_twice() {
    let fixture = Fixture::new().await;
    let steps = Steps::new(4);
    let id = fixture.start(steps.clone()).await;
    steps.took(2).await;
    soon(fixture.sessions.drain(Instant::now())).await;
    let suspended = fixture.sessions.get(LOCAL, id).await.unwrap();

    let next = next_start(&fixture);
    assert!(next.recover().await.unwrap().is_empty(), "nothing was left behind");
    let reopened = next.start(again(&suspended, steps.clone())).await.unwrap();
    assert_eq!((reopened.id, reopened.state, reopened.fence), (id, State::Initializing, suspended.fence + 1));
    steps.allow(2);
    let done = settled(&next, id).await;
    assert_eq!((done.state, steps.effects()), (State::Completed, vec![1, 2, 3, 4]));
    assert_eq!(notes(&fixture, id).await, ["step", "step", "resumed", "step", "step"]);
    let expected = ["created", "running", "suspended", "initializing", "running", "completed", "stopped"];
    assert_eq!(fixture.events(id).await, expected);
}

#[tokio::test]
async fn a_crashed_daemons_journaled_session_is_suspended_and_its_programs_session_is_over() {
    let fixture = Fixture::new().await;
    let steps = Steps::new(2);
    let journaled = fixture.start(steps.clone()).await;
    steps.took(1).await;
    let program = fixture.start(shell("exec sleep 1000")).await;
    let next = next_start(&fixture);
    let mut found: Vec<SessionId> = next.recover().await.unwrap().iter().map(|one| one.session).collect();
    found.sort();
    assert_eq!(found, [journaled, program]);
    let fixture = &fixture;
    let state = |id| async move { fixture.parts.store.get(LOCAL, id).await.unwrap().unwrap().state };
    assert_eq!(state(journaled).await, State::Suspended { reason: "daemon restarted".into(), waiting: false });
    assert_eq!(state(program).await.status(), Status::Terminated);
    soon(fixture.sessions.drain(Instant::now())).await;
}

#[tokio::test]
async fn who_was_cut_off_cannot_write_once_somebody_else_went_on() {
    let fixture = Fixture::new().await;
    let old = Steps::new(3);
    let id = fixture.start(old.clone()).await;
    old.took(1).await;
    let before = fixture.sessions.get(LOCAL, id).await.unwrap();

    // Another daemon, while the first still believes that it holds the task.
    let mut parts = fixture.parts.clone();
    parts.node.name = "n2".into();
    let elsewhere = Sessions::new(parts).unwrap();
    let new = Steps { effects: old.effects.clone(), ..Steps::new(3) };
    let taken = elsewhere.start(again(&before, new.clone())).await.unwrap();
    assert_eq!((taken.id, taken.node.as_str()), (id, "n2"));
    fixture.backlog.is_lost.store(true, std::sync::atomic::Ordering::SeqCst);
    old.allow(1);
    soon(async {
        let mut changed = fixture.sessions.changed();
        while fixture.sessions.active() > 0 {
            changed.changed().await.unwrap();
        }
    })
    .await;
    assert_eq!(old.effects(), [1], "its step was refused before it had an effect");
    fixture.backlog.is_lost.store(false, std::sync::atomic::Ordering::SeqCst);
    assert!(elsewhere.get(LOCAL, id).await.unwrap().state.is_active(), "the new holder was not touched");
    soon(elsewhere.drain(Instant::now())).await;
}

#[tokio::test]
async fn a_task_claimed_anew_here_waits_for_its_old_session_to_leave() {
    let fixture = Fixture::new().await;
    let steps = Steps::new(2);
    let id = fixture.start(steps.clone()).await;
    steps.took(1).await;
    let before = fixture.sessions.get(LOCAL, id).await.unwrap();
    let reopened = soon(fixture.sessions.start(again(&before, steps.clone()))).await.unwrap();
    assert_eq!(reopened.id, id);
    steps.allow(1);
    let done = fixture.ended(id).await;
    assert_eq!((done.state, steps.effects()), (State::Completed, vec![1, 2]));
    assert_eq!(fixture.sessions.active(), 0);
}

#[tokio::test]
async fn another_agent_begins_anew_and_the_old_session_is_over() {
    let fixture = Fixture::new().await;
    let steps = Steps::new(2);
    let id = fixture.start(steps.clone()).await;
    fixture.sessions.lost(LOCAL, id, "the task was taken away".into());
    let suspended = fixture.ended(id).await;
    assert_eq!(suspended.state.reason(), Some("the task was taken away"));
    let request = StartRequest { agent: "writer".parse().unwrap(), ..again(&suspended, steps.clone()) };
    let other = fixture.sessions.start(request).await.unwrap();
    assert_ne!(other.id, id);
    let old = fixture.sessions.get(LOCAL, id).await.unwrap();
    assert_eq!(old.state, State::Terminated { reason: "the task went to another agent".into() });
    fixture.sessions.stop(LOCAL, other.id, stop("enough")).await.unwrap();
    let stopped = fixture.sessions.get(LOCAL, other.id).await.unwrap();
    assert_eq!(stopped.state.status(), Status::Terminated);
}

#[tokio::test]
async fn an_agent_that_is_run_another_way_begins_anew() {
    let fixture = Fixture::new().await;
    let id = fixture.start(Steps::new(1)).await;
    fixture.sessions.lost(LOCAL, id, "taken".into());
    let suspended = fixture.ended(id).await;
    let other = fixture.sessions.start(again(&suspended, Deaf)).await.unwrap();
    assert_ne!(other.id, id);
    assert_eq!(fixture.sessions.get(LOCAL, id).await.unwrap().state.status(), Status::Terminated);
}

#[tokio::test]
async fn a_suspended_session_is_stopped_at_once_and_one_that_waits_gives_its_task_back() {
    let fixture = Fixture::new().await;
    let waiting = fixture.start(Steps { asks_at: Some(1), ..Steps::new(1) }).await;
    fixture.ended(waiting).await;
    let session = fixture.sessions.stop(LOCAL, waiting, stop("no longer wanted")).await.unwrap();
    assert_eq!(session.state, State::Terminated { reason: "no longer wanted".into() });
    assert!(session.ended_at.is_some());
    assert_eq!(fixture.backlog.told().last(), Some(&Told::Released("no longer wanted".into())));

    let lost = fixture.start(Steps::new(1)).await;
    fixture.sessions.lost(LOCAL, lost, "taken".into());
    fixture.ended(lost).await;
    let told = fixture.backlog.told().len();
    fixture.sessions.stop(LOCAL, lost, stop("enough")).await.unwrap();
    assert_eq!(fixture.backlog.told().len(), told, "its task is in the backlog already");
    assert!(matches!(fixture.sessions.stop(LOCAL, lost, stop("again")).await, Err(Error::Transition(_))));
}

#[tokio::test]
async fn a_suspended_session_is_resumed_by_its_agent_being_given_the_task() {
    let fixture = Fixture::new().await;
    let steps = Steps::new(1);
    let id = fixture.start(steps.clone()).await;
    fixture.sessions.lost(LOCAL, id, "taken".into());
    fixture.ended(id).await;
    let runtime: Arc<dyn Runtime> = Arc::new(steps.clone());
    *fixture.backlog.starting.lock().unwrap() = Some((fixture.sessions.clone(), runtime));
    let resumed = fixture.sessions.resume(LOCAL, id, orchestrator_vocab::Actor::system("test")).await.unwrap();
    assert!(resumed.state.is_active());
    steps.allow(1);
    assert_eq!(fixture.ended(id).await.state, State::Completed);
}
