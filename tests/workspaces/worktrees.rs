use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Daemon, Ran, on_both_backends, patiently, program};
use serde_json::json;

use super::{Fixture, begin, of, path, work};

const FIRST: &str = "sed -i s/two/FIRST/ plan.txt; echo done by the first";
const SECOND: &str = "sed -i s/two/SECOND/ plan.txt; echo new > second.txt; pwd; echo \"$ORCHESTRATOR_WORKSPACE\"";

on_both_backends!(
    two_sessions_edit_one_file_the_first_merges_and_the_second_is_told_where_it_conflicts,
    after_a_kill_the_same_workspaces_are_there,
);

async fn two_sessions_edit_one_file_the_first_merges_and_the_second_is_told_where_it_conflicts(
    backend: Backend,
) -> anyhow::Result<()> {
    let fixture = Fixture::repository()?;
    let daemon = fixture.daemon(None, &[("first", FIRST), ("second", SECOND)]).backend(backend).start().await?;
    let mut socket = daemon.admin().await;
    let (first, second) = (work(&mut socket, "first").await?, work(&mut socket, "second").await?);
    assert_eq!(fixture.git(&["status", "--porcelain"])?, "", "nobody has touched the source");
    let shown = of(&mut socket, "get", &second).await?;
    assert_eq!((&shown["mode"], &shown["status"]), (&json!("worktree"), &json!("ready")));
    assert_eq!(shown["branch"], format!("orchestrator/{second}"));
    let status = socket.call("session.status", json!({ "sessionId": second })).await?;
    assert_eq!(status["lastOutput"], shown["path"], "it was told where it works");
    let diff = of(&mut socket, "diff", &second).await?;
    assert!(diff["diff"].as_str().is_some_and(|diff| diff.contains("+SECOND") && diff.contains("+new")), "{diff}");

    socket.subscribe(&["workspace.*"]).await;
    let merged = of(&mut socket, "merge", &first).await?;
    assert_eq!(merged["changed"], true);
    let event = socket.event_about("workspace.merged", &json!(first)).await;
    assert_eq!(event.payload["commit"], merged["workspace"]["commit"]);
    assert_eq!(fixture.git(&["rev-parse", "HEAD"])?, merged["workspace"]["commit"]);
    assert_eq!(std::fs::read_to_string(fixture.source().join("plan.txt"))?, "one\nFIRST\nthree\n");

    let head = fixture.git(&["rev-parse", "HEAD"])?;
    let refused = of(&mut socket, "merge", &second).await.expect_err("both have changed the same line");
    assert_eq!((refused.code, refused.data), (Code::Conflict, Some(json!({ "paths": ["plan.txt"] }))));
    assert_eq!(fixture.git(&["rev-parse", "HEAD"])?, head);
    assert_eq!(fixture.git(&["status", "--porcelain"])?, "");

    of(&mut socket, "discard", &second).await?;
    assert!(!path(&shown).exists());
    assert_eq!(fixture.git(&["branch", "--list", "orchestrator/*"])?, "");
    let list = socket.call("session.workspace.list", json!({})).await?;
    let statuses: Vec<_> = list["items"].as_array().into_iter().flatten().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, ["discarded", "merged"]);
    Ok(())
}

async fn after_a_kill_the_same_workspaces_are_there(backend: Backend) -> anyhow::Result<()> {
    let fixture = Fixture::repository()?;
    let endless = "echo half > half.txt; echo ready; exec sleep 1000";
    let agents = [("first", FIRST), ("endless", endless)];
    let daemon = fixture.daemon(Some("worktree"), &agents).backend(backend).start().await?;
    let mut socket = daemon.admin().await;
    let done = work(&mut socket, "first").await?;
    socket.subscribe(&["stream.chunk"]).await;
    let cut_off = begin(&mut socket, "endless").await?;
    socket.events_until("the agent to work", |event| event.payload["sessionId"] == json!(cut_off)).await;
    let refused = of(&mut socket, "merge", &cut_off).await.expect_err("it is at work");
    assert_eq!(refused.message, format!("session {cut_off} is still at work in its workspace"));

    let daemon = daemon.kill().await.start().await?;
    let mut socket = daemon.admin().await;
    let kept = of(&mut socket, "diff", &cut_off).await?;
    assert_eq!(kept["files"][0]["path"], "half.txt", "what a crashed session had done is there");
    assert_eq!(of(&mut socket, "merge", &done).await?["changed"], true);
    of(&mut socket, "discard", &cut_off).await?;
    Ok(())
}

async fn cli(daemon: &Daemon, arguments: &[&str]) -> Ran {
    let mut command = tokio::process::Command::new(program("orchestrator").expect("built by `cargo xtask test`"));
    command.args(arguments).env_clear().env("ORCHESTRATOR_DATA_DIR", daemon.data_directory());
    let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    Ran::from(patiently("the command line", output).await.expect("a program that runs"))
}

#[tokio::test]
async fn what_was_not_changed_goes_with_its_session() -> anyhow::Result<()> {
    let fixture = Fixture::repository()?;
    let daemon = fixture.daemon(None, &[("reader", "cat plan.txt")]).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["workspace.*"]).await;
    let session = work(&mut socket, "reader").await?;
    socket.event_about("workspace.discarded", &json!(session)).await;
    assert_eq!(of(&mut socket, "get", &session).await?["status"], "discarded");
    assert_eq!(fixture.git(&["worktree", "list"])?.lines().count(), 1);
    Ok(())
}

#[tokio::test]
async fn the_command_line_shows_compares_merges_and_discards() -> anyhow::Result<()> {
    let fixture = Fixture::repository()?;
    let daemon = fixture.daemon(None, &[("first", FIRST), ("second", SECOND)]).start().await?;
    let mut socket = daemon.admin().await;
    let (first, second) = (work(&mut socket, "first").await?, work(&mut socket, "second").await?);
    let workspace = async |more: &[&str]| {
        let args = [&["session", "workspace"], more].concat();
        cli(&daemon, &args).await
    };
    let shown = workspace(&["show", &first]).await;
    assert!(shown.ok().contains("worktree"));
    let diff = workspace(&["diff", &first]).await;
    assert!(diff.ok().contains("+FIRST"));
    let stat = workspace(&["diff", &second, "--stat"]).await;
    let stat = stat.ok();
    assert!(stat.contains("second.txt") && stat.contains("added"), "{stat}");
    let merged = workspace(&["merge", &first, "--message", "A line"]).await;
    assert!(merged.ok().contains("merged as"));
    assert_eq!(fixture.git(&["log", "-1", "--format=%s"])?, "A line");
    workspace(&["merge", &second]).await.failed(1, "plan.txt");
    workspace(&["discard", &second]).await.ok();
    let list = workspace(&["list"]).await;
    let list = list.ok();
    assert!(list.contains("merged") && list.contains("discarded"), "{list}");
    Ok(())
}
