//! Sessions: one agent program at work on one task.

use std::path::Path;
use std::time::Duration;

use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Daemon, Socket, on_both_backends, patiently, shell};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::{create, daemon, get};

on_both_backends![
    stopping_a_session_ends_the_whole_tree_and_returns_the_task,
    a_paused_session_stands_still_and_goes_on,
    creating_a_session_answers_when_it_exists,
    cancelling_a_task_ends_its_session,
    after_a_kill_the_programs_left_behind_are_ended_and_their_tasks_run_again,
    told_to_stop_it_lets_sessions_finish_and_exits_with_zero,
    a_program_cannot_be_talked_to_and_has_no_history,
    told_to_stop_it_hands_back_what_does_not_finish_in_time,
];

/// Programs tell of themselves by files in their working directory: the only way to look into them from here.
async fn file(path: &Path) -> anyhow::Result<String> {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let read = async {
        loop {
            ticks.tick().await;
            match std::fs::read_to_string(path) {
                Ok(text) if text.ends_with('\n') => return text,
                _ => {}
            }
        }
    };
    Ok(patiently("a program to write its file", read).await)
}

async fn pid_in(daemon: &Daemon, name: &str) -> anyhow::Result<Pid> {
    let text = file(&daemon.work_directory().join(name)).await?;
    Pid::from_raw(text.trim().parse()?).ok_or_else(|| anyhow::anyhow!("no pid: {text}"))
}

/// Ended processes may lie as zombies in the test's container until somebody waits for them; they run no more.
fn runs(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

async fn ended(pid: Pid) {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    patiently("a process to end", async {
        while runs(pid) {
            ticks.tick().await;
        }
    })
    .await;
}

async fn session_of(socket: &mut Socket, task: &Value) -> Value {
    socket
        .events_until("its session", |event| event.name == "session.created" && event.payload["taskId"] == task["id"])
        .await;
    let sessions = socket.call("session.list", json!({})).await.expect("sessions");
    sessions["sessions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one["taskId"] == task["id"])
        .cloned()
        .expect("it is listed")
}

const FAMILY: &str = r#"setsid sh -c 'echo $$ > stray; exec sleep 600' &
    sh -c 'trap "" TERM; echo $$ > stubborn; while :; do sleep 1; done' &
    echo $$ > own; wait"#;

async fn stopping_a_session_ends_the_whole_tree_and_returns_the_task(backend: Backend) -> anyhow::Result<()> {
    let agents = json!({"agents": {"family": shell(FAMILY, &[], 1)}});
    let daemon = daemon(backend).config(agents).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["session.*"]).await;
    let task = create(&mut socket, json!({"title": "a family"})).await?;
    let session = session_of(&mut socket, &task).await;
    let family = [pid_in(&daemon, "own").await?, pid_in(&daemon, "stray").await?, pid_in(&daemon, "stubborn").await?];
    assert!(family.into_iter().all(runs));
    // Nobody else may take it up again, or there would be a second family.
    socket.call("agent.unregister", json!({"agentId": "family"})).await?;
    let stop = json!({"sessionId": session["id"], "reason": "enough"});
    socket.call("session.stop", stop.clone()).await?;
    socket.event_about("session.stopped", &session["id"]).await;
    for pid in family {
        assert!(!runs(pid), "{pid:?} is still there when its session has stopped");
    }
    let status = socket.call("session.status", json!({"sessionId": session["id"]})).await?;
    assert_eq!((&status["status"], &status["reason"]), (&json!("terminated"), &json!("enough")), "{status}");
    let task = get(&mut socket, &task["id"]).await?;
    assert_eq!((&task["status"], &task["attempt"]), (&json!("pending"), &json!(0)), "it was no attempt: {task}");
    let again = socket.call("session.stop", stop).await.expect_err("it has ended");
    assert_eq!(again.code, Code::Conflict);
    Ok(())
}

async fn a_paused_session_stands_still_and_goes_on(backend: Backend) -> anyhow::Result<()> {
    let script = "echo $$ > own; until [ -e go ]; do :; done; echo done";
    let daemon = daemon(backend).config(json!({"agents": {"busy": shell(script, &[], 1)}})).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["session.*", "task.completed"]).await;
    let task = create(&mut socket, json!({"title": "busy"})).await?;
    let session = session_of(&mut socket, &task).await;
    let pid = pid_in(&daemon, "own").await?;
    let paused = socket.call("session.pause", json!({"sessionId": session["id"], "reason": "lunch"})).await?;
    assert_eq!((&paused["status"], &paused["reason"]), (&json!("paused"), &json!("lunch")), "{paused}");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
    assert!(stat.contains(") T "), "the program is stopped: {stat}");
    std::fs::write(daemon.work_directory().join("go"), "")?;
    let resumed = socket.call("session.resume", json!({"sessionId": session["id"]})).await?;
    assert_eq!(resumed["status"], "running");
    socket.event_about("task.completed", &task["id"]).await;
    Ok(())
}

async fn creating_a_session_answers_when_it_exists(backend: Backend) -> anyhow::Result<()> {
    let agents = json!({"agents": {"first": shell("echo done", &[], 1), "second": shell("echo done", &[], 1)}});
    let daemon = daemon(backend).config(agents).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["session.stopped"]).await;
    let params = json!({
        "orchestratorId": "a label", "sessionType": "process", "agentId": "second", "idempotencyKey": "once",
        "task": {"type": "code", "description": "Count the lines\nof everything", "priority": "high"},
    });
    let session = socket.call("session.create", params.clone()).await?;
    for (key, expected) in [("sessionType", "process"), ("orchestratorId", "a label"), ("agentId", "second")] {
        assert_eq!(session[key], expected, "{session}");
    }
    assert_eq!((&session["task"]["type"], &session["task"]["priority"]), (&json!("code"), &json!("high")));
    socket.event_about("session.stopped", &session["id"]).await;
    let task = get(&mut socket, &session["taskId"]).await?;
    assert_eq!((&task["title"], &task["status"]), (&json!("Count the lines"), &json!("completed")));
    assert_eq!(socket.call("session.create", params).await?["id"], session["id"], "the key makes it repeatable");
    let unknown = json!({"sessionType": "llm", "task": {"description": "x"}});
    assert_eq!(socket.call("session.create", unknown).await.expect_err("no such runtime").code, Code::InvalidParams);
    Ok(())
}

async fn cancelling_a_task_ends_its_session(backend: Backend) -> anyhow::Result<()> {
    let quick = json!({"agents": {"slow": shell("echo $$ > own; sleep 600", &[], 1)}});
    let daemon = daemon(backend).config(quick).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["session.*"]).await;
    let task = create(&mut socket, json!({"title": "slow"})).await?;
    let session = session_of(&mut socket, &task).await;
    let pid = pid_in(&daemon, "own").await?;
    socket.call("task.cancel", json!({"taskId": task["id"]})).await?;
    socket.event_about("session.stopped", &session["id"]).await;
    ended(pid).await;
    assert_eq!(get(&mut socket, &task["id"]).await?["status"], "cancelled");
    Ok(())
}

async fn after_a_kill_the_programs_left_behind_are_ended_and_their_tasks_run_again(
    backend: Backend,
) -> anyhow::Result<()> {
    let script = "if [ -e own ]; then echo second; else setsid sh -c 'echo $$ > stray; exec sleep 600' & echo $$ > own; sleep 600; fi";
    let daemon = daemon(backend).config(json!({"agents": {"survivor": shell(script, &[], 1)}})).start().await?;
    let mut socket = daemon.admin().await;
    let task = create(&mut socket, json!({"title": "a task"})).await?;
    let (own, stray) = (pid_in(&daemon, "own").await?, pid_in(&daemon, "stray").await?);
    let before = get(&mut socket, &task["id"]).await?;
    let killed = daemon.kill().await;
    assert!(runs(own) && runs(stray), "the programs outlive the daemon");
    let daemon = killed.start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe_after(&["task.completed"], 0).await;
    let done = socket.event_about("task.completed", &task["id"]).await;
    assert_eq!(done.payload["result"], "second");
    ended(own).await;
    ended(stray).await;
    let after = get(&mut socket, &task["id"]).await?;
    assert!(after["fence"].as_u64() > before["fence"].as_u64(), "under a new fence");
    Ok(())
}

async fn told_to_stop_it_lets_sessions_finish_and_exits_with_zero(backend: Backend) -> anyhow::Result<()> {
    let script = "echo started > own; until [ -e go ]; do sleep 0.02; done; echo done";
    let daemon = daemon(backend).config(json!({"agents": {"slow": shell(script, &[], 1)}})).start().await?;
    let mut socket = daemon.admin().await;
    let task = create(&mut socket, json!({"title": "slow"})).await?;
    file(&daemon.work_directory().join("own")).await?;
    let http = daemon.http();
    daemon.signal(Signal::TERM);
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let draining = async {
        loop {
            ticks.tick().await;
            match http.try_send(http::Method::GET, "/readyz", &[], "").await {
                Ok(reply) if reply.status == 200 => {}
                Ok(reply) => return reply.status,
                Err(_) => return 0,
            }
        }
    };
    let status = patiently("the daemon to say that it is not ready", draining).await;
    assert!([0, 503].contains(&status), "{status}");
    std::fs::write(daemon.work_directory().join("go"), "")?;
    let again = daemon.again();
    let (status, output) = daemon.terminate().await;
    assert!(status.success(), "{status}: {output}");
    let daemon = again.start().await?;
    let task = get(&mut daemon.admin().await, &task["id"]).await?;
    assert_eq!((&task["status"], &task["result"]), (&json!("completed"), &json!("done")));
    Ok(())
}

async fn told_to_stop_it_hands_back_what_does_not_finish_in_time(backend: Backend) -> anyhow::Result<()> {
    let config =
        json!({"agents": {"slow": shell("echo $$ > own; sleep 600", &[], 1)}, "daemon": {"shutdownTimeoutMs": 300}});
    let daemon = daemon(backend).config(config).start().await?;
    let mut socket = daemon.admin().await;
    let task = create(&mut socket, json!({"title": "slow"})).await?;
    let pid = pid_in(&daemon, "own").await?;
    let again = daemon.again().config(json!({"agents": {"slow": null}}));
    let (status, output) = daemon.terminate().await;
    assert!(status.success(), "{status}: {output}");
    ended(pid).await;
    let daemon = again.start().await?;
    let task = get(&mut daemon.admin().await, &task["id"]).await?;
    assert_eq!((&task["status"], &task["attempt"]), (&json!("pending"), &json!(0)), "{task}");
    Ok(())
}

async fn a_program_cannot_be_talked_to_and_has_no_history(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).config(json!({"agents": {"deaf": shell("exec sleep 1000", &[], 1)}})).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["session.*"]).await;
    let task = create(&mut socket, json!({"title": "deaf"})).await?;
    let id = session_of(&mut socket, &task).await["id"].clone();
    let refused =
        socket.call("prompt.submit", json!({"sessionId": id, "text": "hello"})).await.expect_err("it is deaf");
    assert_eq!(refused.code, Code::Conflict);
    assert!(refused.message.ends_with("takes no input: its runtime is `program`"), "{refused:?}");
    let verdict = json!({"sessionId": id, "callId": "c1", "verdict": {"is": "repeat"}});
    assert_eq!(socket.call("session.settle", verdict).await.expect_err("it calls nothing").code, Code::Conflict);
    let blank =
        socket.call("prompt.submit", json!({"sessionId": id, "text": "  "})).await.expect_err("nothing is said");
    assert_eq!((blank.code, blank.field.as_deref()), (Code::InvalidParams, Some("text")));
    let history = socket.call("session.history", json!({"sessionId": id})).await?;
    assert_eq!(history, json!({"entries": []}));
    let session = socket.call("session.status", json!({"sessionId": id})).await?;
    assert_eq!(
        (&session["runtime"], &session["turns"], &session["entries"]),
        (&json!("program"), &json!(0), &json!(0))
    );
    Ok(())
}
