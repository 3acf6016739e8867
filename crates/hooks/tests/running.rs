//! Programs, closures and guards, run as they are.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use orchestrator_hooks::{
    Answer, Config, Decision, Event, Failed, Hook, Hooks, Input, Outcome, Parts, Ran, ToolUse, Verdict,
};
use orchestrator_process::Host;
use orchestrator_redact::Redactor;
use orchestrator_vocab::{OrgId, SystemClock};
use serde_json::{Value, json};

const COMMAND: [Event; 2] = [Event::PreCommand, Event::PreToolUse];

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Ran>>>);

fn hooks(config: Value, more: Vec<Hook>) -> (Hooks, Told) {
    let told = Told::default();
    let listener = told.0.clone();
    let parts = Parts {
        config: serde_json::from_value::<Config>(config).unwrap(),
        more,
        redactor: Redactor::builder().secret("key", &"topsecret-value".to_owned().into()).build(),
        clock: Arc::new(SystemClock),
        host: Host::unconfined("a test of hooks"),
        listener: Arc::new(move |ran| listener.lock().unwrap().push(ran.clone())),
    };
    (Hooks::new(parts).unwrap(), told)
}

fn program(script: &str) -> Value {
    let one = json!({ "events": ["PreToolUse", "PostToolUse"], "tools": ["command.*"], "timeoutMs": 5_000,
        "program": { "command": ["sh", "-c", script] } });
    json!({ "custom": { "one": one } })
}

fn call(tool: &str, input: Value) -> Input {
    let tool = ToolUse { name: tool.into(), input, id: "call-1".into(), response: None };
    Input { tool: Some(tool), ..Input::new(OrgId::LOCAL) }
}

fn run(argv: &[&str]) -> Input {
    call("command.run", json!({ "argv": argv }))
}

async fn decided(script: &str) -> Decision {
    hooks(program(script), Vec::new()).0.decide(&COMMAND, run(&["ls"])).await
}

#[tokio::test]
async fn a_program_lets_pass_with_0_and_blocks_with_2_and_its_words() {
    assert_eq!(decided("exit 0").await, Decision::default());
    let blocked = decided("echo 'not today' >&2; exit 2").await;
    assert_eq!(blocked.objection().as_deref(), Some("blocked by the hook one: not today"));
}

#[tokio::test]
async fn a_program_that_fails_or_is_not_there_or_talks_nonsense_or_takes_too_long_denies() {
    for (script, why) in [
        ("echo broken >&2; exit 1", "its program ended with 1: broken"),
        ("kill -9 $$", "ended by a signal"),
        ("echo '{\"decision\": 1}'", "cannot be read"),
        ("head -c 400000 /dev/zero", "printed more than"),
    ] {
        let decision = decided(script).await;
        assert!(decision.verdict == Verdict::Deny && decision.reason.contains(why), "{script}: {decision:?}");
    }
    let mut slow = program("sleep 60");
    slow["custom"]["one"]["timeoutMs"] = json!(50);
    let (hooks, told) = hooks(slow, Vec::new());
    let decision = hooks.decide(&COMMAND, run(&["ls"])).await;
    assert!(decision.reason.contains("took longer than 50 ms"), "{decision:?}");
    assert_eq!(told.0.lock().unwrap()[0].outcome, Outcome::Failed);
    let listed = &hooks.list()[0];
    assert_eq!((listed.runs, listed.failed, listed.blocked), (1, 1, 0));
}

#[tokio::test]
async fn it_reads_what_is_to_be_done_and_changes_it() {
    let script = r#"IFS= read -r told
        case $told in *'"hook_event_name":"PreToolUse"'*) ;; *) exit 1;; esac
        case $told in *'"tool_name":"command.run"'*) ;; *) exit 1;; esac
        case $told in *'"tool_input":{"argv":["ls"]}'*) ;; *) exit 1;; esac
        echo '{"hookSpecificOutput": {"updatedInput": {"argv": ["pwd"]}, "additionalContext": "ls is boring"}}'"#;
    let decision = decided(script).await;
    assert_eq!(decision.input, Some(json!({ "argv": ["pwd"] })), "{decision:?}");
    assert_eq!((decision.verdict, decision.context), (Verdict::Allow, vec!["ls is boring".to_owned()]));
}

#[tokio::test]
async fn a_program_that_must_be_confined_where_nothing_can_confine_it_denies() {
    let mut confined = program("exit 0");
    confined["custom"]["one"]["program"]["sandbox"] = json!({ "mode": "required" });
    let decision = hooks(confined, Vec::new()).0.decide(&COMMAND, run(&["ls"])).await;
    assert!(
        decision.verdict == Verdict::Deny && decision.reason.contains("sandbox.mode is `required`"),
        "{decision:?}"
    );
}

#[tokio::test]
async fn only_the_tools_that_are_meant_are_asked_about() {
    let (hooks, told) = hooks(program("exit 2"), Vec::new());
    let other = hooks.decide(&[Event::PreToolUse], call("fs.read", json!({}))).await;
    assert_eq!((other, told.0.lock().unwrap().len()), (Decision::default(), 0));
}

fn closure(name: &str, priority: i32, answer: Answer) -> Hook {
    Hook::new(name, [Event::PreToolUse], move |_, _| {
        let answer = answer.clone();
        async move { Ok(answer) }
    })
    .with_priority(priority)
}

#[tokio::test]
async fn they_are_asked_in_order_until_one_denies() {
    let more = vec![
        closure("last", -1, Answer::deny("too late")),
        closure("first", 1, Answer::ask("is it meant?")),
        closure("second", 0, Answer::deny("never")),
    ];
    let (hooks, told) = hooks(json!({}), more);
    let decision = hooks.decide(&COMMAND, run(&["ls"])).await;
    assert_eq!(decision.objection().as_deref(), Some("blocked by the hook second: never"));
    let asked: Vec<String> = told.0.lock().unwrap().iter().map(|ran| ran.hook.clone()).collect();
    assert_eq!(asked, ["first", "second"]);
}

#[tokio::test]
async fn each_sees_what_the_one_before_made_of_it() {
    let change = Answer { input: Some(json!({ "argv": ["rm", "-rf", "/"] })), ..Answer::allow() };
    let early = vec![closure("early", 2_000, change)];
    let (hooks, _) = hooks(json!({ "builtin": ["dangerousCommands"] }), early);
    let decision = hooks.decide(&COMMAND, run(&["ls"])).await;
    assert!(decision.reason.contains("removes everything"), "{decision:?}");
}

#[tokio::test]
async fn for_what_a_hook_does_none_is_run() {
    let (hooks, told) = hooks(json!({}), vec![closure("never", 0, Answer::deny("no"))]);
    let input = Input { by_a_hook: true, ..run(&["ls"]) };
    assert_eq!(hooks.decide(&COMMAND, input).await, Decision::default());
    assert!(told.0.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn observers_are_told_at_once_and_what_they_add_is_in_order() {
    let after = |name: &str, priority, millis| {
        let text = name.to_owned();
        Hook::new(name, [Event::PostToolUse], move |_, _| {
            let text = text.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                Ok(Answer { context: Some(text), ..Answer::default() })
            }
        })
        .with_priority(priority)
    };
    let broken = Hook::new("broken", [Event::PostToolUse], |_, _| async { Err(Failed("it broke".into())) });
    let blocks = Hook::new("z", [Event::PostToolUse], |_, _| async { Ok(Answer::deny("look again")) });
    let (hooks, _) = hooks(json!({}), vec![after("slow", 1, 5_000), after("quick", 0, 1), broken, blocks]);
    let begun = tokio::time::Instant::now();
    let heard = hooks.observe(&[Event::PostToolUse], run(&["ls"])).await;
    assert_eq!(heard, ["slow", "quick", "look again"]);
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn the_guards_guard() {
    let all = json!({ "builtin": ["secrets", "promptLength", "compaction", "taskLog"], "promptCharsMax": 5, "compactionsMax": 1 });
    let (hooks, _) = hooks(all, Vec::new());
    let secret = hooks.decide(&COMMAND, run(&["echo", "topsecret-value"])).await;
    assert!(secret.reason.contains("secret") && !secret.reason.contains("topsecret"), "{secret:?}");
    assert_eq!(hooks.decide(&COMMAND, run(&["echo", "words"])).await.verdict, Verdict::Allow);
    let said = |words: &str| Input::new(OrgId::LOCAL).fact("prompt", words);
    assert_eq!(hooks.decide(&[Event::UserPromptSubmit], said("short")).await.verdict, Verdict::Allow);
    assert_eq!(hooks.decide(&[Event::UserPromptSubmit], said("longer")).await.verdict, Verdict::Deny);
    let shorter = |times: u64| Input::new(OrgId::LOCAL).fact("compactions", times);
    assert_eq!(hooks.decide(&[Event::PreCompact], shorter(0)).await.verdict, Verdict::Allow);
    assert_eq!(hooks.decide(&[Event::PreCompact], shorter(1)).await.verdict, Verdict::Deny);
}
