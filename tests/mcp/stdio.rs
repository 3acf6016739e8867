use std::process::Stdio;

use orchestrator_testkit::{Daemon, patiently, program};
use rmcp::ClientLifecycleMode;
use rmcp::service::serve_client_with_lifecycle;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{Peer, ages, call, failure, names};

pub(crate) fn command(daemon: &Daemon, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("orchestrator").expect("built by `cargo xtask test`"));
    command.args(arguments).env_clear().env("ORCHESTRATOR_DATA_DIR", daemon.data_directory());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn bridge(daemon: &Daemon, token: &str, age: ClientLifecycleMode) -> anyhow::Result<(Child, Peer)> {
    let mut child = command(daemon, &["mcp", "serve"]).env("ORCHESTRATOR_TOKEN", token).spawn()?;
    let streams = (child.stdout.take().expect("it is piped"), child.stdin.take().expect("it is piped"));
    let peer = patiently("a conversation", serve_client_with_lifecycle((), streams, age)).await?;
    Ok((child, peer))
}

#[tokio::test]
async fn a_program_on_standard_streams_offers_the_daemons_tools() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    for age in ages() {
        let (mut child, peer) = bridge(&daemon, daemon.admin_token(), age).await?;
        // Before it was asked what there is.
        let created = call(&peer, "task_create", json!({"title": "over a pipe"})).await?;
        let task = created.structured_content.expect("the task");
        let found = daemon.admin().await.call("task.get", json!({"taskId": task["id"]})).await?;
        assert_eq!(found["title"], "over a pipe");
        assert!(names(&peer).await?.contains(&"task_list".into()));
        assert!(call(&peer, "daemon_backup", json!({})).await.is_err(), "it is no tool");
        peer.cancel().await?;
        let ended = patiently("its end with its input", child.wait()).await?;
        assert!(ended.success(), "{ended:?}");
    }
    Ok(())
}

#[tokio::test]
async fn it_can_do_what_its_users_credential_allows() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let [age, _] = ages();
    let (_child, reader) = bridge(&daemon, &daemon.token("daemon.read").await, age).await?;
    let offered = names(&reader).await?;
    assert!(offered.contains(&"task_list".into()) && !offered.contains(&"task_create".into()), "{offered:?}");
    assert!(call(&reader, "task_create", json!({"title": "a"})).await.is_err(), "it is not offered");
    let unknown = json!({"taskId": "task_00000000000070008000000000000001"});
    assert_eq!(failure(&call(&reader, "task_get", unknown).await?)["code"], "NOT_FOUND");
    Ok(())
}

#[tokio::test]
async fn the_command_line_lists_the_tools() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let listed = patiently("a list", command(&daemon, &["mcp", "tools", "--json"]).output()).await?;
    let listed: Value = serde_json::from_slice(&listed.stdout)?;
    let tools = listed["tools"].as_array().expect("a list");
    let create = tools.iter().find(|tool| tool["tool"] == "task_create").expect("it is offered");
    assert_eq!((&create["operation"], &create["readOnly"]), (&json!("task.create"), &json!(false)));
    Ok(())
}
