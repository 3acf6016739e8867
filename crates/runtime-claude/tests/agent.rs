//! The runtime against an agent that speaks the protocol, each in a session of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(dead_code, reason = "each test program uses a part of what supports it")]

mod support;

use std::sync::Arc;

use orchestrator_process::Mode;
use orchestrator_runtime_claude::{CodingAgent, Verdict, deny_all};
use orchestrator_sessions::{Entry, State, Status};
use orchestrator_vocab::{SystemClock, Tokens};
use serde_json::{Value, json};
use support::{Fixture, LOCAL, Told, config, kinds, noted, permissions};

#[tokio::test]
async fn a_task_is_told_and_its_result_comes_back() {
    let fixture = Fixture::new().await;
    let (session, told) = fixture.run("@think I had better greet.\n@noise\n@say hello there").await;
    assert_eq!(told, Told::Completed(json!("hello there")));
    assert_eq!((session.state, session.runtime.as_str()), (State::Completed, "claude-code"));
    // Two answers of 10 and 2 tokens, and 5 that a subagent read.
    assert_eq!(session.metrics.tokens_used, Tokens(29));
    assert_eq!(session.last_output.as_deref(), Some("hello there"));
    let entries = fixture.entries(session.id).await;
    assert_eq!(kinds(&entries), ["began", "conversation", "answered", "answered", "result"]);
    assert_eq!(noted(&entries, "result")["costUsd"], json!(0.25));
    let chunks = fixture.chunks(session.id).await;
    assert_eq!(chunks, [("thinking".into(), "I had better greet.".into()), ("text".into(), "hello there".into())]);
}

#[tokio::test]
async fn a_structured_result_stays_one() {
    let (_, told) = Fixture::new().await.run("@json {\"files\": 3}\n@say done").await;
    assert_eq!(told, Told::Completed(json!({ "files": 3 })));
}

#[tokio::test]
async fn nobody_gives_leave_unless_somebody_does() {
    let fixture = Fixture::new().await;
    let (session, told) = fixture.run("@tool Bash rm -rf /").await;
    assert_eq!(told, Told::Completed(json!("nobody here gives leave for tools")));
    let entries = fixture.entries(session.id).await;
    let expected =
        Entry::Decided { call: "toolu_1".into(), allowed: false, reason: "nobody here gives leave for tools".into() };
    assert!(entries.iter().any(|one| one.entry == expected), "{entries:?}");

    let allowing = permissions(|asked| {
        assert_eq!((asked.tool.as_str(), &asked.input["command"]), ("Bash", &json!("ls")));
        Ok(Verdict::Allow { reason: "rule 1".into(), input: None })
    });
    let agent = CodingAgent::new(config(), allowing, Arc::new(SystemClock));
    let (session, told) = fixture.run_with(agent, "@tool Bash ls").await;
    assert_eq!(told, Told::Completed(json!("Bash did ls")));
    let names = fixture.tool_events(session.id).await;
    assert_eq!(names, ["tool.request", "tool.result"]);

    let broken = permissions(|_| Err("no connection".into()));
    let agent = CodingAgent::new(config(), broken, Arc::new(SystemClock));
    let (_, told) = fixture.run_with(agent, "@tool Bash ls").await;
    assert_eq!(told, Told::Completed(json!("leave could not be asked for: no connection")));
}

#[tokio::test]
async fn each_way_to_fail_is_told() {
    let fixture = Fixture::new().await;
    for (order, part) in [
        ("@fail error_max_turns", "the agent used all of its turns: as the task says"),
        ("@fail error_max_budget_usd", "the agent spent all of its money"),
        ("@fail error_during_execution", "the agent failed: as the task says"),
        ("@fail error_of_tomorrow", "the agent ended with `error_of_tomorrow`"),
        ("@crash", "the agent exited with code 3 and without a result"),
    ] {
        let (session, told) = fixture.run(order).await;
        assert!(matches!(&told, Told::Failed(error) if error.starts_with(part)), "{order}: {told:?}");
        assert_eq!(session.state.status(), Status::Failed, "{order}");
    }
}

#[tokio::test]
async fn a_limit_of_its_provider_gives_the_task_back_until_then() {
    let fixture = Fixture::new().await;
    let (session, told) = fixture.run("@limit").await;
    let Told::Released(reason, run_at) = told else { panic!("{told:?}") };
    assert_eq!(reason, "its provider does not answer: rate_limit");
    assert_eq!(run_at.map(|at| at.to_string()).as_deref(), Some("2100-01-01T00:00:00.000Z"));
    assert_eq!(session.state.status(), Status::Suspended);
}

#[tokio::test]
async fn it_is_interrupted_first_and_may_be_killed_then() {
    let fixture = Fixture::new().await;
    let id = fixture.start("@say begun\n@hang").await;
    fixture.until_said(id, "begun").await;
    let session = fixture.stop(id).await;
    assert_eq!(session.state, State::Terminated { reason: "enough".into() });
    assert_eq!(noted(&fixture.entries(id).await, "result")["subtype"], json!("error_during_execution"));

    let mut deaf = config();
    (deaf.command, deaf.grace_ms) =
        (vec!["/bin/sh".into(), "-c".into(), "trap '' TERM; while :; do read x; done".into()], 200);
    let id = fixture.start_with(CodingAgent::new(deaf, deny_all(), Arc::new(SystemClock)), "x").await;
    assert_eq!(fixture.stop(id).await.state.status(), Status::Terminated);
}

#[tokio::test]
async fn time_a_missing_program_and_a_missing_sandbox_are_failures() {
    let fixture = Fixture::new().await;
    let mut slow = config();
    slow.timeout_ms = Some(300);
    let (_, told) = fixture.run_with(CodingAgent::new(slow, deny_all(), Arc::new(SystemClock)), "@hang").await;
    assert!(matches!(&told, Told::Failed(error) if error.contains("timeoutMs (300 ms)")), "{told:?}");
    let mut missing = config();
    missing.command = vec!["/nowhere/claude".into()];
    let (_, told) = fixture.run_with(CodingAgent::new(missing, deny_all(), Arc::new(SystemClock)), "x").await;
    assert!(matches!(&told, Told::Failed(error) if error.contains("cannot be started")), "{told:?}");
    let mut confined = config();
    confined.sandbox.mode = Mode::Required;
    let (_, told) = fixture.run_with(CodingAgent::new(confined, deny_all(), Arc::new(SystemClock)), "x").await;
    assert!(matches!(&told, Told::Failed(error) if error.contains("sandbox.mode is `required`")), "{told:?}");
}

#[tokio::test]
async fn what_its_arguments_are_is_the_operators() {
    let fixture = Fixture::new().await;
    let mut wrong: orchestrator_runtime_claude::Claude = config();
    wrong.model = Some("--resume".into());
    let refused = fixture.refused(CodingAgent::new(wrong, deny_all(), Arc::new(SystemClock))).await;
    assert!(refused.contains("model"), "{refused}");
    let (session, _) = fixture.run("@say x").await;
    let facts: Value = noted(&fixture.entries(session.id).await, "conversation");
    assert_eq!(facts["agent"]["permissionMode"], json!("default"));
    assert_eq!(fixture.sessions.get(LOCAL, session.id).await.unwrap().id, session.id);
}
