use orchestrator_testkit::{Daemon, Ran, program};
use serde_json::{Value, json};

use crate::{Receiver, SECRET, daemon};

async fn orchestrator(daemon: &Daemon, arguments: &[&str]) -> Ran {
    let mut command = tokio::process::Command::new(program("orchestrator").expect("built by `cargo xtask test`"));
    command.args(arguments).args(["--url", daemon.url(), "--token", daemon.admin_token()]);
    command.output().await.expect("the program runs").into()
}

#[tokio::test]
async fn the_command_line_lists_and_tries() -> anyhow::Result<()> {
    let (directory, mut receiver) = (tempfile::tempdir()?, Receiver::start(204).await?);
    let daemon = daemon(directory.path(), &receiver, &["budget.*"])?.start().await?;
    let listed = orchestrator(&daemon, &["notify", "list"]).await.ok();
    assert!(listed.contains("ops") && listed.contains("webhook") && listed.contains("127.0.0.1"), "{listed}");
    assert!(!listed.contains("very-secret-path"), "{listed}");
    let tried = orchestrator(&daemon, &["notify", "test", "ops"]).await.ok();
    assert!(tried.contains("ops has taken a test message"), "{tried}");
    let told = receiver.next().await;
    assert!(told.is_signed && told.body["type"] == "notify.test", "{told:?}");
    receiver.says(404);
    orchestrator(&daemon, &["notify", "test", "ops"]).await.failed(1, "it answered 404");
    let listed = orchestrator(&daemon, &["notify", "list"]).await.ok();
    assert!(listed.contains("it answered 404"), "{listed}");
    orchestrator(&daemon, &["notify", "test", "nobody"]).await.failed(5, "nobody");
    Ok(())
}

/// The same with the address listed arrives: the test above.
#[tokio::test]
async fn an_address_of_this_machine_is_not_spoken_to_unless_it_is_listed() -> anyhow::Result<()> {
    let mut receiver = Receiver::start(204).await?;
    let ops = json!({ "kind": "webhook", "url": receiver.url(), "secret": SECRET });
    let notify = json!({ "destinations": { "ops": ops } });
    let daemon = Daemon::builder().config(json!({ "notify": notify })).start().await?;
    let tried = daemon.admin().await.call("notify.test", json!({ "destination": "ops" })).await?;
    assert_eq!(tried["delivered"], false, "{tried}");
    assert!(tried["problem"].as_str().is_some_and(|problem| problem.contains("refused")), "{tried}");
    assert!(receiver.heard_nothing());
    Ok(())
}

#[tokio::test]
async fn secrets_come_from_files_and_variables() -> anyhow::Result<()> {
    let (directory, mut receiver) = (tempfile::tempdir()?, Receiver::start(204).await?);
    let path = directory.path().join("secret");
    std::fs::write(&path, format!("{SECRET}\n"))?;
    let ops = json!({ "kind": "webhook", "url": "${HOOK_URL}", "secretFile": path });
    let notify = json!({ "destinations": { "ops": ops }, "allowNetworks": ["127.0.0.0/8"] });
    let builder = Daemon::builder().config(json!({ "notify": notify })).env("HOOK_URL", &receiver.url());
    let daemon = builder.start().await?;
    let tried: Value = daemon.admin().await.call("notify.test", json!({ "destination": "ops" })).await?;
    assert_eq!(tried["delivered"], true, "{tried}");
    assert!(receiver.next().await.is_signed);
    Ok(())
}
