use crate::support::{Cli, daemon};

#[tokio::test]
async fn events_are_shown_as_they_happen() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let mut tail = cli.start(&["event", "tail", "task.*", "--json", "--after", "0"]);
    for title in ["one", "two"] {
        cli.run(&["task", "create", title, "--requires", "count"]).await.ok();
        tail.line_with(&format!(r#""title":"{title}""#)).await;
        let last: serde_json::Value = serde_json::from_str(&tail.line_with("task.completed").await)?;
        assert!(last["seq"].is_u64() && last["payload"]["taskId"].is_string(), "{last}");
    }
    let listed = cli.run(&["event", "list", "task.completed", "-q"]).await.ok();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    Ok(())
}

#[tokio::test]
async fn a_list_is_shown_anew_when_something_changes() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let mut list = cli.start(&["task", "list", "--watch"]);
    list.line_with("no tasks").await;
    let id = cli.run(&["-q", "task", "create", "look at me", "--requires", "fly"]).await.ok();
    assert!(list.line_with(&id).await.contains("pending"));
    cli.run(&["task", "cancel", &id]).await.ok();
    list.line_with("cancelled").await;
    Ok(())
}

#[tokio::test]
async fn tasks_are_watched_until_the_last_has_ended() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let first = cli.run(&["-q", "task", "create", "first", "--requires", "fly"]).await.ok();
    let second = cli.run(&["-q", "task", "create", "second", "--requires", "fly"]).await.ok();
    let mut watch = cli.start(&["task", "watch", &first, &second, "--json"]);
    // The subscription is there when what has happened since arrives.
    let looked = async { watch.line_with("task.updated").await };
    let changed = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
        for priority in ["high", "low"].into_iter().cycle() {
            ticks.tick().await;
            cli.run(&["task", "update", &first, "--priority", priority]).await.ok();
        }
    };
    tokio::select! {
        _ = looked => {}
        () = changed => {}
    }
    cli.run(&["task", "cancel", &first]).await.ok();
    watch.line_with("task.cancelled").await;
    cli.run(&["task", "cancel", &second]).await.ok();
    watch.line_with("task.cancelled").await;
    cli.run(&["task", "watch", &first, &second]).await.failed(1, "2 tasks did not complete");
    Ok(())
}

#[tokio::test]
async fn a_task_that_ended_before_is_not_waited_for() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let id = cli.run(&["-q", "task", "create", "count", "--requires", "count", "--watch"]).await.ok();
    assert!(cli.run(&["task", "watch", &id]).await.ok().contains("\"lines\": 3"));
    Ok(())
}
