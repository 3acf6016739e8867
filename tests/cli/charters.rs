use orchestrator_testkit::Daemon;
use serde_json::json;

use crate::support::Cli;

const VIRTUAL_PRINCIPAL: &str = include_str!("../../examples/charters/virtual-principal.yaml");

#[tokio::test]
async fn charters_are_listed_shown_and_explained() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("virtual-principal.yaml"), VIRTUAL_PRINCIPAL)?;
    std::fs::write(folder.path().join("wrong.yaml"), "colour: red")?;
    let config = json!({ "charters": { "directory": folder.path() } });
    let daemon = Daemon::builder().without_rate_limits().config(config).start().await?;
    let cli = Cli::of(&daemon);
    let listed = cli.run(&["charter", "list"]).await.ok();
    assert!(listed.contains("virtual-principal") && listed.contains("broken"), "{listed}");
    let shown = cli.run(&["charter", "get", "virtual-principal"]).await.ok();
    assert!(shown.contains("notEnforced") && shown.contains("system_shutdown"), "{shown}");
    let argv = r#"{"argv": ["reboot"]}"#;
    let said = cli.run(&["charter", "explain", "virtual-principal", "command.run", argv]).await.ok();
    assert!(said.starts_with("deny") && said.contains("virtual-principal.yaml:10:39"), "{said}");
    let explain = ["charter", "explain", "virtual-principal", "notify.send", "--untrusted", "--secret", "--json"];
    assert!(cli.run(&explain).await.ok().contains("secret_exfiltration"));
    let online = folder.path().join("new.yaml");
    std::fs::write(&online, "extends: virtual-principal")?;
    let online = online.display().to_string();
    assert!(cli.run(&["charter", "validate", "--online", &online]).await.ok().contains("in order"));
    Ok(())
}

#[tokio::test]
async fn a_file_is_validated_without_a_daemon() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let cli = Cli::at(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("virtual-principal.yaml"), VIRTUAL_PRINCIPAL)?;
    std::fs::write(path("child.yaml"), "extends: virtual-principal\nresourceLimits: { maxSessions: 60 }\n")?;
    std::fs::write(path("typo.yaml"), "safetyHeuristics:\n  alwaysReject: [system_shutdwon]\n")?;
    let good = cli.run(&["charter", "validate", &path("child.yaml")]).await.ok();
    assert!(good.contains("in order (sha256:") && good.contains("a parent allows 50"), "{good}");
    let typo = cli.run(&["charter", "validate", &path("typo.yaml")]).await;
    typo.failed(1, "typo.yaml:2:18: `system_shutdwon` is no action");
    cli.run(&["charter", "validate", &path("nobody.yaml")]).await.failed(1, "cannot read");
    Ok(())
}
