//! What a program says and how it ends, and what becomes of its session and its task.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use orchestrator_process::{Mode, Sandbox};
use orchestrator_sessions::{Program, State, Status};
use orchestrator_vocab::Tokens;
use serde_json::{Value, json};
use support::{Fixture, Told, request, shell};

#[tokio::test]
async fn a_program_reads_its_task_and_its_last_line_is_the_result() {
    let fixture = Fixture::new().await;
    let (session, told) = fixture.run(shell("echo working; cat")).await;
    assert_eq!(told, Told::Completed(json!({ "title": "say hello" })));
    assert_eq!((session.state, session.metrics.tasks_completed), (State::Completed, 1));
    assert_eq!(session.exit.unwrap().code, Some(0));
    assert_eq!(fixture.events(session.id).await, ["created", "running", "completed", "stopped"]);
    assert_eq!((fixture.sessions.active(), fixture.sessions.free()), (0, 100));
}

#[tokio::test]
async fn its_environment_is_what_was_configured_and_who_it_is() {
    let fixture = Fixture::new().await;
    let mut program = shell("env | cut -d= -f1 | grep -v -e PWD -e SHLVL -e ^_ -e PROCESS | sort | tr '\\n' ' '");
    program.environment.inherit = vec!["PATH".into(), "NO_SUCH_VARIABLE".into()];
    program.environment.set = [("ORCHESTRATOR_AGENT".into(), "forged".into()), ("KEY".into(), "v".into())].into();
    let (session, told) = fixture.run(program.clone()).await;
    let names = "KEY ORCHESTRATOR_AGENT ORCHESTRATOR_SESSION_ID ORCHESTRATOR_TASK_ID PATH ";
    assert_eq!(told, Told::Completed(json!(names)));

    program.command[2] = "echo $ORCHESTRATOR_AGENT $ORCHESTRATOR_SESSION_ID $ORCHESTRATOR_TASK_ID".into();
    let (second, told) = fixture.run(program).await;
    assert_eq!(told, Told::Completed(json!(format!("coder {} {}", second.id, second.task))));
    assert_ne!(session.id, second.id);
}

#[tokio::test]
async fn messages_are_heard_and_a_named_result_wins() {
    let mut fixture = Fixture::new().await;
    let script = r#"echo '{"progress": {"percent": 50}}'
        echo '{"usage": {"inputTokens": 10, "outputTokens": 5}}'
        echo '{"result": {"answer": 42}}'
        echo bye"#;
    let (session, told) = fixture.run(shell(script)).await;
    assert_eq!(told, Told::Completed(json!({ "answer": 42 })));
    assert_eq!((session.metrics.tokens_used, session.last_output.as_deref()), (Tokens(15), Some("bye")));
    assert_eq!(fixture.line().await, "bye", "messages are not text");
    let (name, end) = fixture.next().await;
    assert_eq!((name.as_str(), &end["usage"]), ("end", &json!({ "inputTokens": 10, "outputTokens": 5 })));
}

#[tokio::test]
async fn progress_reaches_the_backlog_while_the_program_runs() {
    let fixture = Fixture::new().await;
    let id = fixture.start(shell(r#"echo '{"progress": "half"}'; exec sleep 1000"#)).await;
    fixture.backlog.until_told(|told| *told == Told::Heartbeat(Some(json!("half")))).await;
    fixture.backlog.until_told(|told| *told == Told::Heartbeat(None)).await;
    fixture.sessions.stop(support::LOCAL, id, support::stop("enough")).await.unwrap();
}

#[tokio::test]
async fn output_is_streamed_line_by_line() {
    let mut fixture = Fixture::new().await;
    let id = fixture.start(shell("echo one; echo two; echo oops >&2")).await;
    let (name, start) = fixture.next().await;
    assert_eq!((name.as_str(), &start["sessionId"]), ("start", &json!(id)));
    let mut texts = Vec::new();
    for index in 0..3 {
        let (name, chunk) = fixture.next().await;
        assert_eq!((name.as_str(), &chunk["index"], chunk["taskId"].is_string()), ("chunk", &json!(index), true));
        texts.push((chunk["chunkType"].clone(), chunk["content"].clone()));
    }
    let texts_of = |kind: &str| -> Vec<&Value> {
        texts.iter().filter(|(this, _)| this == kind).map(|(_, content)| content).collect()
    };
    assert_eq!((texts_of("text"), texts_of("error")), (vec![&json!("one"), &json!("two")], vec![&json!("oops")]));
    assert_eq!(fixture.next().await.0, "end");
}

#[tokio::test]
async fn what_a_filter_takes_out_is_nowhere() {
    let mut fixture =
        Fixture::with(|parts| parts.filter = Some(Arc::new(|text| text.replace("s3cret", "[redacted]")))).await;
    let (session, told) = fixture.run(shell("echo the key is s3cret")).await;
    assert_eq!(told, Told::Completed(json!("the key is [redacted]")));
    assert_eq!(session.last_output.unwrap(), "the key is [redacted]");
    assert_eq!(fixture.line().await, "the key is [redacted]");
}

#[track_caller]
fn failed(outcome: (orchestrator_sessions::Session, Told), expected: &str) {
    let (session, told) = outcome;
    assert_eq!(told, Told::Failed(expected.to_owned()));
    assert_eq!(session.state, State::Failed { error: expected.to_owned() });
    assert_eq!((session.metrics.errors_encountered, session.metrics.tasks_completed), (1, 0));
}

#[tokio::test]
async fn a_failure_says_what_the_program_said_last() {
    let mut fixture = Fixture::new().await;
    let outcome = fixture.run(shell("echo fine; echo disk is >&2; echo full >&2; exit 3")).await;
    assert_eq!(outcome.0.exit.unwrap().code, Some(3));
    failed(outcome, "the program exited with code 3: disk is\nfull");
    loop {
        let (name, payload) = fixture.next().await;
        if name == "error" {
            break assert!(payload["error"].as_str().unwrap().ends_with("full"));
        }
    }
    failed(fixture.run(shell("kill -9 $$")).await, "the program was ended by signal 9");
}

#[tokio::test]
async fn a_limit_is_named_by_the_failure() {
    let fixture = Fixture::new().await;
    let slow = Program { timeout_ms: Some(100), ..shell("exec sleep 1000") };
    failed(fixture.run(slow).await, "the program ran longer than timeoutMs (100 ms)");
    let silent = Program { idle_timeout_ms: Some(100), ..shell("exec sleep 1000") };
    failed(fixture.run(silent).await, "the program printed nothing for idleTimeoutMs (100 ms)");
    let chatty = Program { output_bytes_max: 1_000, ..shell("yes") };
    failed(fixture.run(chatty).await, "the program printed more than outputBytesMax (1000 bytes)");
}

#[tokio::test]
async fn a_program_that_cannot_be_started_fails_its_task() {
    let fixture = Fixture::new().await;
    let outcome = fixture.run(Program::new(["/no/such/program"])).await;
    assert_eq!(fixture.events(outcome.0.id).await, ["created", "failed", "stopped"]);
    failed(outcome, "program \"/no/such/program\" was not found");
    let homeless = Program { working_directory: Some("/no/such/place".into()), ..shell("true") };
    let (_, told) = fixture.run(homeless).await;
    assert!(matches!(told, Told::Failed(why) if why.starts_with("cannot work in \"/no/such/place\"")));
}

#[tokio::test]
async fn a_program_that_must_be_confined_where_nothing_can_confine_it_is_not_started() {
    let fixture = Fixture::new().await;
    let confined = |mode| Program { sandbox: Sandbox { mode, ..Sandbox::default() }, ..shell("true") };
    let (_, told) = fixture.run(confined(Mode::Required)).await;
    assert!(matches!(told, Told::Failed(why) if why.contains("sandbox.mode is `required`")));
    let (_, told) = fixture.run(confined(Mode::Preferred)).await;
    assert!(matches!(told, Told::Completed(_)), "{told:?}");
}

#[tokio::test]
async fn a_completion_is_told_again_until_the_backlog_answers() {
    let fixture = Fixture::new().await;
    fixture.backlog.unavailable.store(5, Ordering::SeqCst);
    let (session, told) = fixture.run(shell("echo done")).await;
    assert_eq!((session.state, told), (State::Completed, Told::Completed(json!("done"))));
    assert_eq!(fixture.backlog.unavailable.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_result_that_is_refused_is_a_failure() {
    let fixture = Fixture::new().await;
    fixture.backlog.refuses_results.store(true, Ordering::SeqCst);
    failed(fixture.run(shell("echo done")).await, "the result was refused: the backlog refused it: too large");
}

#[tokio::test]
async fn a_stale_completion_terminates_the_session() {
    let fixture = Fixture::with(|parts| parts.config.heartbeat_ms = 600_000).await;
    fixture.backlog.is_lost.store(true, Ordering::SeqCst);
    let (session, _) = fixture.run(shell("echo done")).await;
    assert_eq!(session.state.status(), Status::Terminated);
    assert_eq!(session.state.reason(), Some("the task is no longer this session's"));
    assert_eq!(session.metrics.tasks_completed, 0);
}

#[tokio::test]
async fn a_lost_task_ends_the_tree() {
    let mut fixture = Fixture::new().await;
    let id = fixture.start(shell("sleep 1000 & echo $!; trap '' TERM; while :; do sleep 1; done")).await;
    let pid = fixture.pid().await;
    fixture.backlog.is_lost.store(true, Ordering::SeqCst);
    let session = fixture.ended(id).await;
    gone_and_untold(&fixture, pid).await;
    assert_eq!(session.state.reason(), Some("the task is no longer this session's"));
}

async fn gone_and_untold(fixture: &Fixture, pid: u32) {
    support::gone(pid).await;
    assert_eq!(fixture.backlog.told(), [], "there is nobody to tell");
}

#[tokio::test]
async fn a_panic_ends_one_session_only() {
    let fixture = Fixture::with(|parts| {
        parts.filter = Some(Arc::new(|text| if text == "boom" { panic!("boom") } else { text }));
    })
    .await;
    let (calm, loud) =
        tokio::join!(fixture.start(shell("read x; echo calm")), fixture.start(shell("echo boom; exec sleep 1000")));
    let loud = fixture.ended(loud).await;
    assert_eq!(loud.state.reason(), Some("internal error: the session panicked"));
    assert_eq!(fixture.ended(calm).await.state, State::Completed);
    assert_eq!(fixture.sessions.active(), 0);
}

#[tokio::test]
async fn a_program_without_a_command_is_refused_before_anything_happens() {
    let fixture = Fixture::new().await;
    let refused = fixture.sessions.start(request(Program::new(Vec::<String>::new()))).await.unwrap_err();
    assert!(refused.to_string().starts_with("command"), "{refused}");
    assert_eq!(fixture.sessions.active(), 0);
}
