//! What an operator meets: the demonstration, configuration, what is observed, backup and restore.

use std::path::Path;

use http::Method;
use orchestrator_testkit::{Daemon, shell};
use serde_json::{Value, json};

fn files(directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory.join("src"))?;
    std::fs::write(directory.join("README.md"), "# A project\n\nWith some words.\n")?;
    std::fs::write(directory.join("src/main.rs"), "fn main() {\n    println!(\"hello\");\n}\n")?;
    Ok(std::fs::write(directory.join("a file with spaces.txt"), "one\ntwo\n")?)
}

#[tokio::test]
async fn the_demonstration_has_a_team_of_agents_describe_the_current_directory() -> anyhow::Result<()> {
    let here = tempfile::tempdir()?;
    files(here.path())?;
    let demo = Daemon::builder().arg("demo").arg("--once").working_directory(here.path());
    let ended = demo.ended("the demonstration").await?;
    assert!(ended.status.success(), "{}: {}", ended.status, ended.output);
    assert!(ended.output.contains("follows a script and asks nobody"), "{}", ended.output);
    for line in
        ["- README.md: begins with *A project*; 3 lines", "- a file with spaces.txt: begins with *one*; 2 lines"]
    {
        // As the result of its task, and in the report.
        assert!(ended.output.matches(line).count() >= 2, "{line}: {}", ended.output);
    }
    let mut left: Vec<_> = std::fs::read_dir(here.path())?.flatten().map(|entry| entry.file_name()).collect();
    left.sort();
    assert_eq!(left, ["README.md", "a file with spaces.txt", "src"], "nothing in the directory is changed");
    Ok(())
}

#[tokio::test]
async fn after_the_demonstration_the_daemon_keeps_serving() -> anyhow::Result<()> {
    let here = tempfile::tempdir()?;
    files(here.path())?;
    let daemon = Daemon::builder().arg("demo").working_directory(here.path()).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe_after(&["task.*"], 0).await;
    let (mut created, mut completed) = (0, 0);
    socket
        .events_until("all tasks to complete", |event| {
            created += usize::from(event.name == "task.created");
            completed += usize::from(event.name == "task.completed");
            created == 3 && completed == created
        })
        .await;
    let tasks = socket.call("task.list", json!({"limit": 1000})).await?;
    let tasks = tasks["items"].as_array().cloned().unwrap_or_default();
    assert!(tasks.iter().all(|task| task["status"] == "completed" && !task["result"].is_null()), "{tasks:#?}");
    let children = tasks.iter().filter(|task| task["parentId"].is_string());
    assert_eq!(children.count(), 2, "the planner has spawned the readers: {tasks:#?}");
    let (status, output) = daemon.terminate().await;
    assert!(status.success(), "{output}");
    Ok(())
}

#[tokio::test]
async fn the_second_demonstration_knows_what_the_first_one_came_to() -> anyhow::Result<()> {
    let here = tempfile::tempdir()?;
    files(here.path())?;
    let recalls = json!({ "memory": { "recallTokens": 1_500 } });
    let first = Daemon::builder().arg("demo").config(recalls).working_directory(here.path()).start().await?;
    let mut socket = first.admin().await;
    socket.subscribe_after(&["memory.stored"], 0).await;
    let outcomes = json!({ "type": "outcome" });
    while socket.call("memory.list", outcomes.clone()).await?["items"].as_array().map(Vec::len) < Some(3) {
        socket.next_event().await;
    }
    said(&first, "Nothing was known from earlier runs").await;
    let second = first.kill().await.start().await?;
    said(&second, "From earlier runs the agents were told").await;
    said(&second, "- [memory_").await;
    let log = said(&second, "hold what was written").await;
    // What it is told beside its task does not keep it from its task.
    assert!(log.contains("- README.md: begins with *A project*; 3 lines"), "{log}");
    Ok(())
}

/// Waits until a daemon has printed something.
async fn said(daemon: &Daemon, what: &str) -> String {
    let told = async {
        while !daemon.log().contains(what) {
            tokio::task::yield_now().await;
        }
        daemon.log()
    };
    orchestrator_testkit::patiently(what, told).await
}

#[tokio::test]
async fn a_demonstration_with_nothing_to_read_says_so_and_ends() -> anyhow::Result<()> {
    let here = tempfile::tempdir()?;
    let ended = Daemon::builder().arg("demo").arg("--once").working_directory(here.path()).ended("the end").await?;
    assert!(ended.status.success() && ended.output.contains("no file to read here"), "{}", ended.output);
    Ok(())
}

#[tokio::test]
async fn the_configuration_of_the_field_loads_as_it_is() -> anyhow::Result<()> {
    let text = "daemon: { port: 8787, host: 127.0.0.1, maxSessions: 100, verbose: false }\n\
        memory: { compactionEnabled: true, compactionThreshold: 0.8 }\n\
        budget: { daily: 1000000, weekly: 5000000, alertThreshold: 0.8 }\n\
        federation: { enabled: false, maxOrchestrators: 10 }\n";
    let daemon = Daemon::builder().config_file("orchestrator.yaml", text).start().await?;
    let (_, log) = daemon.terminate().await;
    assert!(!log.contains("`memory`"), "memory is in force: {log}");
    assert!(!log.contains("`budget`"), "budgets are in force: {log}");
    let federated = text.replace("enabled: false", "enabled: true");
    let refused = Daemon::builder().config_file("orchestrator.yaml", &federated).refused().await?;
    assert!(!refused.status.success() && refused.output.contains("federation"), "{}", refused.output);
    Ok(())
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_told_with_file_line_and_key() -> anyhow::Result<()> {
    for (name, text, line, key) in [
        ("wrong.toml", "[daemon]\nmaxSessions = 3\nmaxSesions = 4\n", ":3", "maxSesions"),
        ("wrong.yaml", "daemon:\n  name: x\n  maxSessions: many\n", ":3", "maxSessions"),
        ("wrong.json", "{\n  \"tasks\": {\n    \"leaseMs\": \"soon\"\n  }\n}\n", ":3", "leaseMs"),
    ] {
        for check in [&[][..], &["--check-config"]] {
            let builder =
                check.iter().fold(Daemon::builder().config_file(name, text), |builder, flag| builder.arg(flag));
            let refused = builder.refused().await?;
            assert!(!refused.status.success());
            let place = format!("{name}{line}");
            assert!(refused.output.contains(&place) && refused.output.contains(key), "{place}: {}", refused.output);
        }
    }
    let fine = Daemon::builder().config(json!({"daemon": {"name": "x"}})).arg("--check-config").refused().await?;
    assert!(fine.status.success() && fine.output.contains("daemon.name"), "{}", fine.output);
    Ok(())
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() -> anyhow::Result<()> {
    let names = async |builder: orchestrator_testkit::Builder| -> anyhow::Result<Value> {
        let daemon = builder.start().await?;
        Ok(daemon.admin_http().get("/status").await.json()["name"].clone())
    };
    let file = || Daemon::builder().config(json!({"daemon": {"name": "from the file", "port": 1}}));
    assert_eq!(names(file()).await?, "from the file", "and --port 0 won over port 1");
    assert_eq!(names(file().env("DAEMON_NAME", "from the environment")).await?, "from the environment");
    assert_eq!(names(file().env("ORCHESTRATOR__DAEMON__NAME", "by its path")).await?, "by its path");
    let unknown = Daemon::builder().env("ORCHESTRATOR__DAEMON__NAMES", "x").refused().await?;
    assert!(unknown.output.contains("ORCHESTRATOR__DAEMON__NAMES"), "{}", unknown.output);
    Ok(())
}

#[tokio::test]
async fn what_happens_is_counted_for_prometheus() -> anyhow::Result<()> {
    let config = json!({"agents": {"quick": shell("echo done", &[], 1)}, "metrics": {"port": 0}});
    let daemon = Daemon::builder().config(config).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["session.stopped"]).await;
    socket.call("task.create", json!({"title": "count me", "priority": "high"})).await?;
    socket.events_until("its session's end", |_| true).await;
    let metrics = daemon.admin_http().get("/metrics").await.body;
    let value = |name: &str| {
        // Series that nothing was counted in are there too, with zero.
        let of_name = metrics.lines().filter(|line| line.starts_with(name));
        of_name.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).reduce(|sum, value| sum + value)
    };
    for name in ["tasks_created_total{priority=\"high\"", "sessions_spawned_total", "tasks_finished_total{"] {
        assert_eq!(value(name), Some(1.0), "{name} in {metrics}");
    }
    for name in
        ["process_resident_memory_bytes", "events_total", "rpc_call_duration_seconds", "task_claim_wait_seconds"]
    {
        assert!(value(name).is_some_and(|value| value >= 0.0), "{name} in {metrics}");
    }
    // A scraper on this machine needs no credential, on a listener of its own.
    let log = daemon.log();
    let own = log.lines().find_map(|line| line.split_once("metrics on ")).map(|(_, url)| url.trim().to_owned());
    let own = own.unwrap_or_else(|| panic!("the second listener is announced: {log}"));
    let (base, path) = own.rsplit_once('/').unwrap_or((&own, ""));
    let page = orchestrator_testkit::Http::at(base).get(&format!("/{path}")).await;
    assert!(page.status == 200 && page.body.contains("sessions_spawned_total"), "{page:?}");
    Ok(())
}

#[tokio::test]
async fn a_trace_goes_through_from_the_request_to_the_agent() -> anyhow::Result<()> {
    let daemon = Daemon::builder().config(json!({"agents": {"echo": shell("cat", &[], 1)}})).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["task.*"]).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [("content-type", "application/json"), ("traceparent", parent.as_str())];
    let task = daemon.admin_http().send(Method::POST, "/api/v1/tasks", &headers, r#"{"title":"traced"}"#).await.json();
    let done = socket.event_about("task.completed", &task["id"]).await;
    let read = done.payload["result"]["traceparent"].as_str().unwrap_or_default();
    assert!(read.contains(trace), "the agent program gets the trace: {done:?}");
    let events = socket.call("task.history", json!({"taskId": task["id"]})).await?;
    let events = events["items"].as_array().cloned().unwrap_or_default();
    assert!(
        events.iter().all(|event| event["correlation"].as_str().is_some_and(|text| text.contains(trace))),
        "{events:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_backup_taken_under_load_restores_what_was_acknowledged_before_it() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let (mut creator, mut operator) = (daemon.admin().await, daemon.admin().await);
    let before = creator.call_all("task.create", (0..50).map(|n| json!({"title": n.to_string()})), 16).await;
    let before: Vec<Value> =
        before.into_iter().map(|task| task.map(|task| task["id"].clone())).collect::<Result<_, _>>()?;
    let during = creator.call_all("task.create", (0..200).map(|n| json!({"title": n.to_string()})), 16);
    let (_, backup) = futures::future::join(during, operator.call("daemon.backup", json!({"name": "nightly"}))).await;
    let backup = backup?["path"].as_str().unwrap_or_default().to_owned();
    let again = daemon.again();
    let in_use = again.clone().arg("restore").arg(&backup).arg("--force").refused().await?;
    assert!(!in_use.status.success() && in_use.output.contains("in use"), "{}", in_use.output);
    daemon.terminate().await;
    let unforced = again.clone().arg("restore").arg(&backup).refused().await?;
    assert!(!unforced.status.success() && unforced.output.contains("--force"), "{}", unforced.output);
    let restored = again.clone().arg("restore").arg(&backup).arg("--force").refused().await?;
    assert!(restored.status.success(), "{}", restored.output);
    let daemon = again.start().await?;
    let mut socket = daemon.admin().await;
    for id in before {
        socket.call("task.get", json!({"taskId": id})).await?;
    }
    Ok(())
}
