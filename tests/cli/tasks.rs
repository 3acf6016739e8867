use serde_json::{Value, json};

use crate::support::{Cli, daemon};

#[tokio::test]
async fn a_task_is_followed_to_its_end_and_the_status_tells_how_it_ended() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let said = cli.run(&["task", "create", "Count", "--requires", "count", "--watch"]).await.ok();
    for part in ["created: Count", "started by counter", "was chosen, with", "completed by counter", "\"lines\": 3"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let broken = cli.run(&["task", "create", "Break", "--requires", "break", "--max-attempts", "1", "--watch"]).await;
    assert!(broken.stdout.contains("failed by broken"), "{broken:?}");
    broken.failed(1, "it broke");
    Ok(())
}

#[tokio::test]
async fn a_graph_comes_from_a_file_or_from_standard_input() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let tasks = json!([
        { "ref": "first", "title": "first", "requiredCapabilities": ["count"] },
        { "title": "second", "dependsOnRefs": ["first"], "requiredCapabilities": ["count"], "priority": "low" },
    ]);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tasks.json");
    std::fs::write(&file, tasks.to_string())?;
    let said = cli.run(&["task", "create", "--file", &file.display().to_string(), "--watch"]).await.ok();
    assert_eq!(said.matches("completed by counter").count(), 2, "{said}");

    let created = cli.run_with(&tasks.to_string(), &["task", "create", "--file", "-", "--tag", "mine", "--json"]).await;
    let items = created.json()["items"].clone();
    assert_eq!((items[0]["tags"].clone(), items[1]["priority"].clone()), (json!(["mine"]), json!("low")));
    Ok(())
}

#[tokio::test]
async fn a_task_can_be_changed_explained_and_called_off() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let first =
        cli.run(&["-q", "task", "create", "first", "--requires", "fly", "--metadata", r#"{"a": 1}"#]).await.ok();
    let wait = format!("{first}:wait");
    let second =
        cli.run_with("in full", &["-q", "task", "create", "second", "--depends-on", &wait, "-d", "-"]).await.ok();

    assert!(cli.run(&["task", "explain", &first]).await.ok().contains("no agent can fly"));
    assert!(cli.run(&["task", "explain", &second]).await.ok().contains(&format!("waits for {first} (pending)")));
    let shown = cli.run(&["task", "get", &second]).await.ok();
    assert!(shown.contains("in full") && shown.contains(&format!("depends on {first}")), "{shown}");

    let changed =
        cli.run(&["task", "update", &first, "--priority", "critical", "--run-at", "+1h", "--json"]).await.json();
    assert_eq!((changed["priority"].clone(), changed["runAt"].is_string()), (json!("critical"), true));
    assert!(cli.run(&["task", "explain", &first]).await.ok().contains("not before"));
    cli.run(&["task", "depend", &first, "--on", &second]).await.failed(1, &first);
    cli.run(&["task", "undepend", &second, "--on", &first]).await.ok();

    cli.run(&["task", "cancel", &first, &second, "--reason", "enough"]).await.ok();
    let listed = cli.run(&["task", "list", "--status", "cancelled", "--json"]).await.json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));
    assert!(cli.run(&["task", "history", &first]).await.ok().contains("cancelled: enough"));
    cli.run(&["task", "retry", &second]).await.ok();
    assert!(cli.run(&["task", "delete", &second]).await.ok().contains("deleted"));
    cli.run(&["task", "get", &second]).await.failed(5, "no such task");
    Ok(())
}

#[tokio::test]
async fn an_agent_can_work_by_hand() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    cli.run(&["agent", "register", "hand", "--capability", "carve", "--max-concurrent", "2"]).await.ok();
    let mut claimed = Vec::new();
    for title in ["one", "two"] {
        cli.run(&["task", "create", title, "--requires", "carve"]).await.ok();
        let claims = cli.run(&["task", "claim", "--agent", "hand", "--json"]).await.json();
        let field = |pointer: &str| claims.pointer(pointer).map(Value::to_string).unwrap_or_default();
        claimed.push((field("/items/0/task/id").trim_matches('"').to_owned(), field("/items/0/fence")));
    }
    let [(one, fence), (two, second_fence)] = &claimed[..] else { panic!("{claimed:?}") };
    cli.run(&["task", "heartbeat", one, "--fence", fence, "--progress", r#"{"done": 1}"#]).await.ok();
    cli.run(&["task", "complete", one, "--fence", "77"]).await.failed(1, "fence");
    let done = cli.run(&["task", "complete", one, "--fence", fence, "--result", "[1,2]", "--json"]).await.json();
    assert_eq!((done["status"].clone(), done["result"].clone()), (json!("completed"), json!([1, 2])));
    cli.run(&["task", "release", two, "--fence", second_fence]).await.ok();
    assert!(cli.run(&["agent", "get", "hand"]).await.ok().contains("carve"));
    assert_eq!(cli.run(&["agent", "list", "-q"]).await.ok(), "broken\ncounter\nhand");
    cli.run(&["agent", "unregister", "hand"]).await.ok();
    Ok(())
}

#[tokio::test]
async fn a_report_tells_what_was_done_what_failed_and_what_waits() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    cli.run(&["task", "create", "good one", "--requires", "count", "--watch"]).await.ok();
    cli.run(&["task", "create", "bad one", "--requires", "break", "--max-attempts", "1", "--watch"])
        .await
        .failed(1, "");
    cli.run(&["task", "create", "waiting one", "--requires", "fly"]).await.ok();
    let said = cli.run(&["report", "--since", "1h"]).await.ok();
    for part in ["done: 1 task", "good one", "failed: 1 task", "it broke", "not done yet: 1 task", "no agent can fly"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let counts = cli.run(&["report", "--json"]).await.json();
    let count = |part: &str| counts[part]["count"].clone();
    assert_eq!(
        [count("completed"), count("failed"), count("cancelled"), count("waiting")],
        [1, 1, 0, 1].map(Value::from)
    );
    Ok(())
}
