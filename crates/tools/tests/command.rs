//! `command.run`, as an agent calls it.

#![expect(clippy::unwrap_used, reason = "what cannot be set up is a test that fails")]

mod support;

use std::path::PathBuf;

use orchestrator_process::{Host, Sandbox};
use orchestrator_tools::{CommandConfig, Error, Output, Progress, command_tools};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use self::support::{Bench, text};

fn bench() -> Bench {
    Bench::new(command_tools(CommandConfig::default(), Sandbox::off(), Host::unconfined("a test")))
}

async fn run(bench: &Bench, arguments: Value) -> Value {
    bench.call("command.run", arguments).await.unwrap().structured.unwrap()
}

fn sh(script: &str) -> Value {
    json!({ "argv": ["sh", "-c", script] })
}

/// A context, and what is told in it.
fn watched(bench: &Bench) -> (orchestrator_tools::Context, mpsc::UnboundedReceiver<Value>) {
    let (teller, told) = mpsc::unbounded_channel();
    let mut context = bench.context();
    context.progress = Progress::new(move |progress| drop(teller.send(progress)));
    (context, told)
}

fn pid_in(told: &Value) -> i32 {
    told["text"].as_str().unwrap().trim().parse().unwrap()
}

fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test]
async fn it_tells_what_was_printed_and_how_it_ended() {
    let bench = bench();
    let output = bench.call("command.run", sh("echo out; echo err >&2; exit 3")).await.unwrap();
    let Output { structured, is_error, .. } = &output;
    let expected = json!({ "exitCode": 3, "signal": null, "stdout": "out\n", "stderr": "err\n", "timedOut": false,
        "cancelled": false, "truncated": false });
    assert_eq!((structured.as_ref(), *is_error), (Some(&expected), true));
    let said = text(&output);
    assert!(
        said.starts_with("[exit code 3, after ") && said.ends_with(" ms]\n[stdout]\nout\n[stderr]\nerr\n"),
        "{said}"
    );
    let killed = run(&bench, sh("kill -9 $$")).await;
    assert_eq!((&killed["exitCode"], &killed["signal"]), (&Value::Null, &json!(9)));
}

#[tokio::test]
async fn no_shell_is_there_unless_it_is_named() {
    let bench = bench();
    let said = run(&bench, json!({ "argv": ["echo", "$HOME; rm -rf *", "&&", "|"] })).await;
    assert_eq!(said["stdout"], "$HOME; rm -rf * && |\n");
    let error = bench.call("command.run", json!({ "argv": ["echo hi"] })).await.unwrap_err();
    assert_eq!(error.to_string(), "program \"echo hi\" was not found");
}

#[tokio::test]
async fn its_environment_is_what_is_configured_and_what_the_call_names() {
    let mut config = CommandConfig::default();
    config.environment.set.insert("LANG".to_owned(), "C".to_owned());
    let bench = Bench::new(command_tools(config, Sandbox::off(), Host::unconfined("a test")));
    let said = run(&bench, json!({ "argv": ["env"], "env": { "MINE": "1" } })).await;
    let names = said["stdout"].as_str().unwrap().lines().filter_map(|line| line.split_once('='));
    let names: Vec<_> = names.map(|(name, _)| name).filter(|name| !name.starts_with("ORCHESTRATOR_PROCESS_")).collect();
    assert_eq!(names, ["LANG", "MINE", "PATH"]);
}

#[tokio::test]
async fn it_works_in_the_workspace_or_below_and_nowhere_else() {
    let bench = bench();
    bench.file("sub/run.sh", "#!/bin/sh\npwd; cat").link("../outside", "up").link("sub", "inner");
    let real = bench.workspace().canonicalize().unwrap();
    assert_eq!(run(&bench, sh("pwd")).await["stdout"], format!("{}\n", real.display()));
    for cwd in ["sub", "inner", "./sub/../sub"] {
        let said = run(&bench, json!({ "argv": ["pwd"], "cwd": cwd })).await;
        assert_eq!(said["stdout"], format!("{}/sub\n", real.display()));
    }
    let path = bench.workspace().join("sub/run.sh");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let said = run(&bench, json!({ "argv": ["./run.sh"], "cwd": "sub", "stdin": "read" })).await;
    assert_eq!(said["stdout"], format!("{}/sub\nread", real.display()));
    for cwd in ["..", "up", "/", "sub/../../outside"] {
        bench.check_refused(bench.call("command.run", json!({ "argv": ["pwd"], "cwd": cwd })).await);
    }
    let mut context = bench.context();
    context.workspace = None::<PathBuf>;
    bench.check_refused(bench.call_in(context, "command.run", sh("pwd")).await);
}

#[tokio::test]
async fn of_long_output_the_beginning_and_the_end_stay() {
    let bench = bench();
    let said = run(&bench, json!({ "argv": ["seq", "1", "200000"] })).await;
    let stdout = said["stdout"].as_str().unwrap();
    assert!(stdout.starts_with("1\n2\n") && stdout.ends_with("199999\n200000\n"));
    assert!(stdout.contains(" bytes left out]\n") && stdout.len() < 17_000);
    assert_eq!(said["truncated"], true);
}

#[tokio::test]
async fn at_its_time_out_the_whole_tree_is_ended() {
    let bench = bench();
    let script = "(setsid sleep 1000 & echo $!); sleep 1000";
    let said = run(&bench, json!({ "argv": ["sh", "-c", script], "timeoutMs": 300 })).await;
    assert_eq!((&said["timedOut"], &said["cancelled"]), (&json!(true), &json!(false)));
    let pid = said["stdout"].as_str().unwrap().trim().parse().unwrap();
    assert!(!lives(pid));
    let wrong = bench.call("command.run", json!({ "argv": ["true"], "timeoutMs": 3_600_001 })).await.unwrap_err();
    assert!(matches!(wrong, Error::Invalid { .. }), "{wrong:?}");
}

#[tokio::test]
async fn a_call_that_is_cancelled_ends_the_tree_and_tells_what_it_printed() {
    let bench = bench();
    let script = "(setsid sleep 1000 >/dev/null 2>&1 & echo $!); sleep 1000";
    let (context, mut told) = watched(&bench);
    let cancel = context.cancel.clone();
    let watching = async {
        let pid = pid_in(&told.recv().await.unwrap());
        cancel.cancel();
        pid
    };
    let (result, pid) = tokio::join!(bench.call_in(context, "command.run", sh(script)), watching);
    let said = result.unwrap().structured.unwrap();
    assert_eq!((&said["cancelled"], &said["stdout"]), (&json!(true), &json!(format!("{pid}\n"))));
    assert!(!lives(pid));
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_the_tree() {
    let bench = bench();
    let script = "(setsid sleep 1000 >/dev/null 2>&1 & echo $!); sleep 1000";
    let (context, mut told) = watched(&bench);
    let pid = tokio::select! {
        result = bench.call_in(context, "command.run", sh(script)) => panic!("{result:?}"),
        told = told.recv() => pid_in(&told.unwrap()),
    };
    assert!(!lives(pid));
}

#[tokio::test]
async fn whoever_watches_hears_at_once_and_then_not_too_often() {
    let bench = bench();
    let (context, mut told) = watched(&bench);
    let script = "echo first; for i in $(seq 1 2000); do echo line $i; done; echo grün >&2";
    bench.call_in(context, "command.run", sh(script)).await.unwrap();
    let mut all = Vec::new();
    while let Ok(progress) = told.try_recv() {
        all.push(progress);
    }
    let texts = |stream: &'static str| {
        all.iter().filter(move |told| told["stream"] == stream).filter_map(|told| told["text"].as_str())
    };
    assert!(texts("stdout").next().unwrap().starts_with("first\n"));
    assert!(texts("stdout").collect::<String>().ends_with("line 2000\n"));
    assert_eq!(texts("stderr").collect::<String>(), "grün\n");
    assert!(all.len() < 100, "{}", all.len());
}

#[tokio::test]
async fn its_processes_carry_the_mark_of_their_owner() {
    let said = run(&bench(), sh("echo $ORCHESTRATOR_PROCESS_OWNER")).await;
    assert_eq!(said["stdout"], "a test\n");
}

#[tokio::test]
async fn input_that_nobody_reads_does_not_hold_it_up() {
    let said = run(&bench(), json!({ "argv": ["true"], "stdin": "x".repeat(500_000) })).await;
    assert_eq!(said["exitCode"], 0);
}
