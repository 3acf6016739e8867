//! A tail that is ended and started again.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use orchestrator_testkit::Daemon;
use serde_json::{Value, json};

use crate::support::{Cli, Live};

async fn create(cli: &Cli, title: &str) {
    cli.run(&["-q", "task", "create", title, "--requires", "fly"]).await.ok();
}

/// The titles of the tasks that were created, up to this one.
async fn titles_until(tail: &mut Live, last: &str) -> Vec<String> {
    let mut titles = Vec::new();
    while titles.last().is_none_or(|title| title != last) {
        let line: Value = serde_json::from_str(&tail.line_with("").await).expect("a line of JSON");
        assert_eq!(line["event"], "task.created", "{line}");
        titles.push(line["payload"]["title"].as_str().expect("a title").to_owned());
    }
    titles
}

fn kept(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("the tail has written it");
    serde_json::from_str(&text).expect("it is JSON")
}

/// A daemon, its operator, and where a tail shall keep its place.
async fn place(config: Value) -> anyhow::Result<(Daemon, Cli, String)> {
    let daemon = Daemon::builder().without_rate_limits().config(config).start().await?;
    let cli = Cli::of(&daemon);
    let path = daemon.work_directory().join("tail").display().to_string();
    Ok((daemon, cli, path))
}

#[tokio::test]
async fn a_tail_goes_on_where_it_was_ended() -> anyhow::Result<()> {
    let (mut daemon, cli, path) = place(json!({})).await?;
    let arguments = ["event", "tail", "task.created", "--json", "--after", "0", "--resume", path.as_str()];
    create(&cli, "before").await;
    let mut tail = cli.start(&arguments);
    assert_eq!(titles_until(&mut tail, "before").await, ["before"]);
    let token = kept(Path::new(&path))["resumeToken"].clone();
    assert!(token.is_string(), "{token}");
    assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    cli.run(&arguments).await.failed(1, "another tail goes on in");

    for round in 0..3 {
        tail.kill().await;
        let [away, there] = [format!("away {round}"), format!("there {round}")];
        create(&cli, &away).await;
        if round == 1 {
            daemon = daemon.kill().await.start().await?;
        }
        tail = cli.start(&arguments);
        // What was shown last may come twice, if the end came between showing it and writing that down.
        let titles = titles_until(&mut tail, &away).await;
        assert!(titles.len() <= 2, "{titles:?}");
        create(&cli, &there).await;
        assert_eq!(titles_until(&mut tail, &there).await, [there]);
        assert_eq!(kept(Path::new(&path))["resumeToken"], token, "it is the same window");
    }
    drop(daemon);
    Ok(())
}

#[tokio::test]
async fn what_is_more_than_is_kept_is_told_first() -> anyhow::Result<()> {
    let (_daemon, cli, path) = place(json!({"events": {"windows": {"eventsMax": 5}}})).await?;
    let arguments = ["event", "tail", "task.created", "--resume", path.as_str(), "--after", "0"];
    create(&cli, "before").await;
    let mut tail = cli.start(&arguments);
    tail.line_with("before").await;
    tail.kill().await;
    for number in 0..12 {
        create(&cli, &format!("away {number}")).await;
    }
    let mut tail = cli.start(&arguments);
    let gap = tail.line_with("").await;
    assert!(gap.contains("events are missing, of the numbers") && gap.contains("orchestrator event list"), "{gap}");
    for number in 7..12 {
        assert!(tail.line_with("").await.contains(&format!("away {number}")), "the newest, in order");
    }
    Ok(())
}

#[tokio::test]
async fn a_window_that_is_gone_is_told_and_nothing_is_missing() -> anyhow::Result<()> {
    let (_daemon, cli, path) = place(json!({})).await?;
    let arguments = ["event", "tail", "task.created", "--json", "--after", "0", "--resume", path.as_str()];
    create(&cli, "before").await;
    let mut tail = cli.start(&arguments);
    titles_until(&mut tail, "before").await;
    tail.kill().await;
    let mut place = kept(Path::new(&path));
    let token = place["resumeToken"].clone();
    place["resumeToken"] = json!("forged");
    std::fs::write(&path, place.to_string())?;
    for number in 0..4 {
        create(&cli, &format!("away {number}")).await;
    }
    let text = ["event", "tail", "task.created", "--after", "0", "--resume", path.as_str()];
    let mut tail = cli.start(&text);
    for number in 0..4 {
        tail.line_with(&format!("away {number}")).await;
    }
    let said = tail.kill().await;
    assert!(said.contains("had forgotten this tail, nothing is missing"), "{said}");
    let new = kept(Path::new(&path))["resumeToken"].clone();
    assert!(new.is_string() && new != token && new != "forged", "{new}");
    Ok(())
}

#[tokio::test]
async fn a_file_is_of_one_tail_and_one_log() -> anyhow::Result<()> {
    let (_daemon, cli, path) = place(json!({})).await?;
    create(&cli, "one").await;
    let mut tail = cli.start(&["event", "tail", "task.*", "--after", "0", "--resume", &path]);
    tail.line_with("one").await;
    tail.kill().await;
    cli.run(&["event", "tail", "task.created", "--resume", &path])
        .await
        .failed(2, "is of a tail of other events: task.*");
    cli.run(&["event", "tail", "task.*", "--where", "title=one", "--resume", &path]).await.failed(2, "other events");

    let (_other, another, notes) = place(json!({})).await?;
    let mut far = kept(Path::new(&path));
    far["after"] = json!(1_000_000);
    std::fs::write(&path, far.to_string())?;
    another
        .run(&["event", "tail", "task.*", "--resume", &path])
        .await
        .failed(1, "and the last event of this daemon is");
    std::fs::write(&notes, "notes")?;
    cli.run(&["event", "tail", "--resume", &notes]).await.failed(2, "not where a tail has been");
    assert_eq!(std::fs::read_to_string(&notes)?, "notes");
    Ok(())
}
