//! Stopping, pausing, limits, draining and recovery, with real processes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use orchestrator_sessions::{Error, Program, Sessions, State, Status, Stop};
use orchestrator_vocab::{Actor, OrgId, SessionId};
use support::{Fixture, LOCAL, Told, gone, request, shell, soon, stop};
use tokio::time::Instant;

/// Prints its pid and then only listens to SIGKILL.
const STUBBORN: &str = "trap '' TERM; echo $$; while :; do sleep 1; done";

fn user() -> Actor {
    Actor::User("bob".into())
}

#[tokio::test]
async fn a_stopped_session_ends_its_tree_and_gives_its_task_back() {
    let mut fixture = Fixture::new().await;
    let id = fixture.start(shell(STUBBORN)).await;
    let pid = fixture.pid().await;
    let session = soon(fixture.sessions.stop(LOCAL, id, stop("no longer needed"))).await.unwrap();
    gone(pid).await;
    assert_eq!(session.state, State::Terminated { reason: "no longer needed".into() });
    assert_eq!(fixture.backlog.told(), [Told::Released("no longer needed".into())]);
    assert_eq!(fixture.events(id).await, ["created", "running", "terminated", "stopped"]);
    let again = fixture.sessions.stop(LOCAL, id, stop("again")).await.unwrap_err();
    assert_eq!(again.to_string(), "a session that is terminated cannot be terminated");
}

#[tokio::test]
async fn a_grandchild_in_a_session_of_its_own_ends_too() {
    let mut fixture = Fixture::new().await;
    let script = "setsid sh -c 'echo $$; exec sleep 1000' & wait";
    let id = fixture.start(shell(script)).await;
    let pid = fixture.pid().await;
    fixture.sessions.stop(LOCAL, id, stop("enough")).await.unwrap();
    gone(pid).await;
}

#[tokio::test]
async fn force_cuts_a_long_grace_short() {
    let mut fixture = Fixture::new().await;
    let id = fixture.start(Program { grace_ms: 3_600_000, ..shell(STUBBORN) }).await;
    fixture.pid().await;
    let forced = Stop { force: true, ..stop("now") };
    let (first, second) = soon(async {
        let first = fixture.sessions.stop(LOCAL, id, stop("please"));
        let second = fixture.sessions.stop(LOCAL, id, forced);
        tokio::join!(biased; first, second)
    })
    .await;
    assert_eq!(first.unwrap().state, State::Terminated { reason: "please".into() });
    assert_eq!(second.unwrap().state.status(), Status::Terminated);
}

#[tokio::test]
async fn a_paused_session_stands_still_and_keeps_its_task() {
    let mut fixture = Fixture::new().await;
    let id = fixture.start(shell("echo $$; while :; do sleep 0.02; echo tick; done")).await;
    let pid = fixture.pid().await;
    assert_eq!(fixture.line().await, "tick");
    let paused = fixture.sessions.pause(LOCAL, id, Some("lunch".into()), user()).await.unwrap();
    assert_eq!(paused.state, State::Paused { reason: Some("lunch".into()) });
    // A shell whose vforked child was stopped before its exec waits for that child (D) and cannot stop itself.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert!(stat.contains(") T ") || stat.contains(") D "), "{stat}");
    let twice = fixture.sessions.pause(LOCAL, id, None, user()).await.unwrap_err();
    assert_eq!(twice.to_string(), "a session that is paused cannot be paused");

    let heartbeats = fixture.parts.config.heartbeat_ms;
    assert!(heartbeats < 1_000);
    fixture.backlog.until_told(|told| matches!(told, Told::Heartbeat(_))).await;
    fixture.sessions.resume(LOCAL, id, user()).await.unwrap();
    while fixture.line().await != "tick" {}
    let twice = fixture.sessions.resume(LOCAL, id, user()).await.unwrap_err();
    assert!(matches!(twice, Error::Transition(_)));
    fixture.sessions.stop(LOCAL, id, stop("enough")).await.unwrap();
    let expected = ["created", "running", "paused", "running", "terminated", "stopped"];
    assert_eq!(fixture.events(id).await, expected);
}

#[tokio::test]
async fn another_organisation_can_do_nothing() {
    let mut fixture = Fixture::new().await;
    let id = fixture.start(shell(STUBBORN)).await;
    fixture.pid().await;
    let other = OrgId::new();
    let unknown = fixture.sessions.get(other, id).await.unwrap_err().to_string();
    assert_eq!(unknown, format!("no session {id}"));
    let answers = [
        fixture.sessions.pause(other, id, None, user()).await,
        fixture.sessions.resume(other, id, user()).await,
        fixture.sessions.stop(other, id, stop("mine")).await,
    ];
    for answer in answers {
        assert_eq!(answer.unwrap_err().to_string(), unknown);
    }
    fixture.sessions.stop(LOCAL, id, Stop { force: true, ..stop("enough") }).await.unwrap();
}

#[tokio::test]
async fn of_200_parallel_starts_at_50_exactly_50_get_in() {
    let fixture = Fixture::with(|parts| parts.config.max_active = 50).await;
    let starts = join_all((0..200).map(|_| fixture.sessions.start(request(shell("exec sleep 1000"))))).await;
    let (in_, out): (Vec<_>, Vec<_>) = starts.into_iter().partition(Result::is_ok);
    assert_eq!((in_.len(), out.len(), fixture.sessions.active()), (50, 150, 50));
    for refused in out {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Error::AtCapacity { max: 50 }) && refused.is_retryable());
    }

    let first = in_[0].as_ref().unwrap().id;
    let mut changed = fixture.sessions.changed();
    fixture.sessions.stop(LOCAL, first, stop("make room")).await.unwrap();
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    fixture.start(shell("exec sleep 1000")).await;
    assert_eq!(fixture.sessions.free(), 0, "ended sessions do not count");
    soon(fixture.sessions.drain(Instant::now())).await;
}

#[tokio::test]
async fn a_draining_daemon_lets_sessions_finish_and_starts_none() {
    let mut fixture = Fixture::new().await;
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let id = fixture.start(shell(&format!("echo ready; read line < {}; echo done", gate.display()))).await;
    assert_eq!(fixture.line().await, "ready");
    let (drained, ()) = soon(async {
        let draining = fixture.sessions.drain(Instant::now() + Duration::from_secs(60));
        tokio::join!(biased; draining, async {
            let refused = fixture.sessions.start(request(shell("true"))).await.unwrap_err();
            assert!(matches!(refused, Error::Draining) && refused.is_retryable());
            tokio::fs::write(&gate, "go\n").await.unwrap();
        })
    })
    .await;
    assert_eq!((drained.finished, drained.handed_back.len()), (1, 0));
    assert_eq!(fixture.ended(id).await.state, State::Completed);
}

#[tokio::test]
async fn what_is_not_finished_by_the_deadline_is_handed_back() {
    let mut fixture = Fixture::with(|parts| parts.config.hand_back_grace_ms = 50).await;
    let id = fixture.start(Program { grace_ms: 3_600_000, ..shell(STUBBORN) }).await;
    let pid = fixture.pid().await;
    let drained = soon(fixture.sessions.drain(Instant::now())).await;
    gone(pid).await;
    assert_eq!((drained.finished, drained.handed_back, drained.abandoned), (0, vec![id], vec![]));
    assert_eq!(fixture.backlog.told(), [Told::Released("the daemon is stopping".into())]);
    assert_eq!(fixture.ended(id).await.state.reason(), Some("the daemon is stopping"));
}

#[tokio::test]
async fn what_cannot_be_handed_back_is_left_for_the_next_start() {
    let mut fixture = Fixture::with(|parts| parts.config.hand_back_grace_ms = 0).await;
    let id = fixture.start(shell(STUBBORN)).await;
    let pid = fixture.pid().await;
    fixture.backlog.unavailable.store(usize::MAX, Ordering::SeqCst);
    let drained = soon(fixture.sessions.drain(Instant::now())).await;
    gone(pid).await;
    assert_eq!((drained.handed_back, drained.abandoned), (vec![], vec![id]));
    assert_eq!(recovered(&fixture).await, [id]);
    assert_eq!(recovered(&fixture).await, [], "once");
}

/// What the next start of the node finds.
async fn recovered(fixture: &Fixture) -> Vec<SessionId> {
    let mut parts = fixture.parts.clone();
    parts.node.epoch += 1;
    let found = Sessions::new(parts).unwrap().recover().await.unwrap();
    found.into_iter().map(|one| one.session).collect()
}

#[tokio::test]
async fn sessions_and_processes_of_a_crashed_daemon_are_ended() {
    let mut fixture = Fixture::new().await;
    let id = fixture.start(shell(STUBBORN)).await;
    let pid = fixture.pid().await;
    // A process as a killed daemon leaves it: with its owner's mark, made by somebody who is gone, child of init.
    let orphaned = Command::new("/bin/sh")
        .args(["-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"])
        .env("ORCHESTRATOR_PROCESS_OWNER", &fixture.parts.host.owner)
        .env("ORCHESTRATOR_PROCESS_TREE", "7ffffff0-1-0")
        .output()
        .unwrap();
    let orphan: u32 = String::from_utf8(orphaned.stdout).unwrap().trim().parse().unwrap();

    assert_eq!(recovered(&fixture).await, [id]);
    gone(orphan).await;
    let session = fixture.sessions.get(LOCAL, id).await.unwrap();
    assert_eq!(session.state, State::Terminated { reason: "daemon restarted".into() });
    assert_eq!(fixture.events(id).await.last().unwrap(), "stopped");

    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists(), "its creator lives: it is no stray");
    soon(fixture.sessions.drain(Instant::now())).await;
    gone(pid).await;
    assert_eq!(fixture.sessions.get(LOCAL, id).await.unwrap(), session, "an end is final");
}

#[tokio::test]
async fn a_session_of_another_node_is_named() {
    let fixture = Fixture::new().await;
    let mut parts = fixture.parts.clone();
    parts.node.name = "n2".into();
    let id = fixture.start(shell("exec sleep 1000")).await;
    let elsewhere = Sessions::new(parts).unwrap();
    let refused = elsewhere.stop(LOCAL, id, stop("please")).await.unwrap_err();
    assert_eq!(refused.to_string(), format!("session {id} runs on node `n1`"));
    fixture.sessions.stop(LOCAL, id, stop("please")).await.unwrap();
}

#[tokio::test]
async fn held_sessions_are_killed_at_once_and_none_starts_until_they_are_let_go() {
    let mut fixture = Fixture::new().await;
    let id = fixture.start(Program { grace_ms: 3_600_000, ..shell(STUBBORN) }).await;
    let pid = fixture.pid().await;
    fixture.sessions.hold(Some(OrgId::new()), "not ours", user());
    fixture.sessions.hold(Some(LOCAL), "stand still", user());
    gone(pid).await;
    let session = fixture.ended(id).await;
    assert_eq!(session.state, State::Terminated { reason: "stand still".into() });
    assert_eq!(fixture.backlog.told(), [Told::Released("stand still".into())]);
    let refused = fixture.sessions.start(request(shell("true"))).await.unwrap_err();
    assert!(matches!(&refused, Error::Held { reason } if reason == "stand still"), "{refused}");
    fixture.sessions.let_go(Some(LOCAL));
    fixture.sessions.start(request(shell("true"))).await.unwrap();
}

#[tokio::test]
async fn other_organisations_are_held_by_themselves_or_with_all() {
    let mut fixture = Fixture::new().await;
    fixture.sessions.hold(Some(OrgId::new()), "not ours", user());
    let id = fixture.start(shell(STUBBORN)).await;
    fixture.pid().await;
    fixture.sessions.hold(None, "all of them", user());
    assert_eq!(fixture.ended(id).await.state, State::Terminated { reason: "all of them".into() });
}
