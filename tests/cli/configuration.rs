use crate::support::{Cli, daemon};

#[tokio::test]
async fn values_are_shown_set_explained_and_given_back() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    assert_eq!(cli.run(&["config", "get", "daemon.maxSessions"]).await.ok(), "100");
    let set = cli.run(&["config", "set", "daemon.maxSessions=7", "daemon.name=second"]).await.ok();
    assert_eq!(set, "applied: daemon.maxSessions\nin effect after a restart: daemon.name");
    assert_eq!(cli.run(&["config", "get", "-q", "daemon.maxSessions"]).await.ok(), "7");
    assert!(cli.run(&["config", "get"]).await.ok().contains("daemon.maxSessions = 7"));
    let explained = cli.run(&["config", "explain", "daemon"]).await.ok();
    for part in ["set at run time", "\"orchestrator\" (\"second\" after a restart)", "flag --port", "default"] {
        assert!(explained.contains(part), "{part} in {explained}");
    }
    assert!(cli.run(&["config", "unset", "daemon.maxSessions"]).await.ok().contains("applied: daemon.maxSessions"));
    assert_eq!(cli.run(&["config", "get", "daemon.maxSessions"]).await.ok(), "100");
    cli.run(&["config", "set", "daemon.maxSession=7"]).await.failed(2, "did you mean `maxSessions`?");
    cli.run(&["config", "set", "daemon.maxSessions"]).await.failed(2, "KEY=VALUE");
    cli.run(&["config", "get", "nothing"]).await.failed(5, "nothing");
    assert!(cli.run(&["config", "reload"]).await.ok().contains("daemon.name"));
    Ok(())
}
