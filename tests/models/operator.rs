use orchestrator_testkit::{Daemon, Ran, patiently, program};
use serde_json::{Value, json};

use super::{daemon, scripts, sick, well};

async fn cli(daemon: &Daemon, arguments: &[&str]) -> Ran {
    let mut command = tokio::process::Command::new(program("orchestrator").expect("built by `cargo xtask test`"));
    command.args(arguments).env_clear().env("ORCHESTRATOR_DATA_DIR", daemon.data_directory());
    let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    Ran::from(patiently("the command line", output).await.expect("a program that runs"))
}

#[tokio::test]
async fn the_command_line_lists_probes_asks_and_explains() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let fault = json!({ "error": "overloaded", "retryAfterMs": 1 });
    let locked =
        json!({ "models": ["m"], "probe": { "error": "authentication", "message": "wrong key" }, "rules": [] });
    let providers = [("sick", sick("sick", 99, &fault)), ("well", well("well")), ("locked", locked)];
    let daemon = daemon(directory.path(), &providers, json!({})).await?;
    let listed = cli(&daemon, &["model", "list"]).await.ok();
    assert!(
        listed.contains("well/scripted") && listed.contains("locked lists none: authentication: wrong key"),
        "{listed}"
    );
    let probed = cli(&daemon, &["model", "probe"]).await;
    assert!(probed.status != 0 && probed.stdout.contains("wrong key"), "{probed:?}");
    cli(&daemon, &["model", "probe", "well"]).await.ok();
    let said = cli(&daemon, &["model", "chat", "hello"]).await.ok();
    assert!(said.starts_with("well says hello") && said.contains("stopped by end turn"), "{said}");
    let quiet = cli(&daemon, &["--quiet", "model", "chat", "hello"]).await.ok();
    assert_eq!(quiet.trim(), "well says hello");
    let traces = cli(&daemon, &["--json", "model", "trace"]).await.ok();
    let traces: Value = serde_json::from_str(&traces)?;
    let id = traces["items"][0]["id"].as_str().expect("a decision");
    let told = cli(&daemon, &["model", "trace", id]).await.ok();
    assert!(told.contains("sick/m") && told.contains("overloaded"), "{told}");
    cli(&daemon, &["model", "chat", "hello", "--model", "sick/m", "--no-fallback"]).await.failed(3, "sick/m");
    Ok(())
}

#[tokio::test]
async fn the_command_line_makes_vectors() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let providers = scripts(directory.path(), &[("a", json!({}))]);
    let models = json!({ "providers": providers, "embedding": "a/vectors" });
    let daemon = Daemon::builder().config(json!({ "models": models })).start().await?;
    let told = cli(&daemon, &["model", "embed", "one text", "another", "--dimensions", "16"]).await.ok();
    assert!(told.contains("one text") && told.contains("a/vectors, 16 numbers each, 4 tokens read"), "{told}");
    let whole = cli(&daemon, &["--json", "model", "embed", "one text"]).await.ok();
    let whole: Value = serde_json::from_str(&whole)?;
    assert_eq!(whole["vectors"][0].as_array().map(Vec::len), Some(256));
    Ok(())
}

#[tokio::test]
async fn a_wrong_script_stops_the_start_with_its_place() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let providers = scripts(directory.path(), &[("a", json!({ "rules": [{ "shout": "hello" }] }))]);
    let refused = Daemon::builder().config(json!({ "models": { "providers": providers } })).refused().await?;
    assert!(refused.output.contains("line 1, column"), "{}", refused.output);
    let unknown = json!({ "models": { "providers": scripts(directory.path(), &[("a", well("a")), ("b", well("b"))]), "primary": "c/m" } });
    let refused = Daemon::builder().config(unknown).refused().await?;
    assert!(refused.output.contains("no provider that is configured has `c/m`"), "{}", refused.output);
    Ok(())
}
