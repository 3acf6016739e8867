use std::process::Stdio;

use orchestrator_testkit::{Daemon, patiently, program};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Cli, daemon};

#[tokio::test]
async fn what_init_writes_is_a_configuration_the_daemon_takes_and_an_agent_that_works() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let directory = folder.path().display().to_string();
    let nobody = Cli::at(folder.path());
    nobody.run(&["init", &directory]).await.ok();
    nobody.run(&["init", &directory]).await.failed(1, "--force");
    let mut check = Command::new(program("orchestrator-daemon")?);
    check.arg("--check-config").current_dir(folder.path()).env_clear().stdin(Stdio::null());
    let checked = patiently("the configuration to be checked", check.output()).await?;
    assert!(checked.status.success(), "{checked:?}");

    let script = folder.path().join("agents/word-report.sh").display().to_string();
    let agent = json!({ "capabilities": ["word-report"], "program": { "command": ["sh", script], "workingDirectory": directory } });
    let daemon = Daemon::builder().config(json!({ "agents": { "word-report": agent } })).start().await?;
    let cli = Cli::of(&daemon);
    let create =
        ["task", "create", "words", "--requires", "word-report", "--max-attempts", "1", "--watch", "--metadata"];
    let with = |path: &str| json!({ "path": path }).to_string();
    let said = cli.run(&[&create[..], &[&with("orchestrator.yaml")]].concat()).await.ok();
    assert!(said.contains("\"daemon\":") && said.contains("\"words\":"), "{said}");
    for (path, why) in
        [("../secret", "only files below"), ("none.txt", "no file none.txt"), ("/etc/passwd", "only files")]
    {
        cli.run(&[&create[..], &[&with(path)]].concat()).await.failed(1, why);
    }
    Ok(())
}

#[tokio::test]
async fn schedules_are_planned_paused_and_triggered() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let cron = ["--cron", "0 9 * * MON-FRI", "--time-zone", "Europe/Berlin"];
    cli.run(&[&["schedule", "create", "mornings", "--title", "News"][..], &cron].concat()).await.ok();
    let id =
        cli.run(&["-q", "schedule", "create", "often", "--every", "90s", "--paused", "--requires", "count"]).await.ok();
    let listed = cli.run(&["schedule", "list"]).await.ok();
    for part in ["0 9 * * MON-FRI Europe/Berlin", "every 90s", "paused"] {
        assert!(listed.contains(part), "{part} in {listed}");
    }
    cli.run(&["schedule", "update", &id, "--every", "2h", "--priority", "high"]).await.ok();
    let schedule = cli.run(&["schedule", "get", &id, "--json"]).await.json();
    let template = json!({ "title": "often", "priority": "high", "requiredCapabilities": ["count"] });
    assert_eq!((&schedule["template"], &schedule["plan"]["every"]["intervalMs"]), (&template, &json!(7_200_000)));
    assert!(cli.run(&["schedule", "resume", &id]).await.ok().contains("next in 2h"));
    assert!(cli.run(&["schedule", "pause", &id]).await.ok().contains("paused"));
    let task = cli.run(&["-q", "schedule", "trigger", &id]).await.ok();
    cli.run(&["task", "watch", &task]).await.ok();
    cli.run(&["schedule", "delete", &id]).await.ok();
    cli.run(&["schedule", "get", &id]).await.failed(5, "no such schedule");
    cli.run(&["schedule", "create", "never"]).await.failed(2, "--cron");
    Ok(())
}

#[tokio::test]
async fn tokens_and_organisations_are_given_out_and_taken_back() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let org = cli.run(&["-q", "org", "create", "Acme"]).await.ok();
    assert!(cli.run(&["org", "list"]).await.ok().contains("Acme"));
    let issue = ["token", "issue", "eve", "--org", &org, "--scope", "admin", "--expires-in", "1h", "--name", "first"];
    let token = cli.run(&issue).await.ok();
    let eve = cli.clone().env("ORCHESTRATOR_TOKEN", &token);
    assert_eq!(eve.run(&["task", "list"]).await.ok(), "no tasks");
    let id = eve.run(&["token", "list", "-q"]).await.ok();
    let listed = eve.run(&["token", "list"]).await.ok();
    assert!(listed.contains("eve") && !listed.contains(&token), "{listed}");
    eve.run(&["token", "revoke", &id]).await.ok();
    eve.run(&["task", "list"]).await.failed(4, "credential");
    Ok(())
}

#[tokio::test]
async fn sessions_are_created_and_looked_at() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let id = cli.run(&["-q", "session", "create", "count something", "--agent", "counter"]).await.ok();
    let session = cli.run(&["session", "status", &id, "--json"]).await.json();
    assert_eq!(session["agentId"], "counter");
    assert!(cli.run(&["session", "list"]).await.ok().contains(&id));
    assert!(cli.run(&["session", "history", &id]).await.ok().contains("nothing was written down"));
    let nobody = "session_00000000000000000000000000000000";
    cli.run(&["session", "stop", nobody]).await.failed(5, "no session");
    cli.run(&["session", "history", nobody]).await.failed(5, "no session");
    cli.run(&["session", "prompt", nobody, "hello"]).await.failed(5, "no session");
    cli.run(&["session", "settle", nobody, "c1", "--done", "it was made"]).await.failed(5, "no session");
    cli.run(&["session", "settle", nobody, "c1"]).await.failed(2, "--repeat");
    Ok(())
}

#[tokio::test]
async fn everything_else_is_reachable() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    assert!(cli.run(&["status"]).await.ok().contains("running"));
    assert_eq!(cli.run(&["status", "-q"]).await.ok(), "running");
    let copy = cli.run(&["backup", "monday", "--json"]).await.json();
    assert!(copy["path"].as_str().is_some_and(|path| std::path::Path::new(path).is_file()), "{copy}");
    cli.run(&["backup", "monday"]).await.failed(1, "monday");
    let methods = cli.run(&["methods", "-q"]).await.ok();
    assert!(methods.lines().any(|method| method == "task.claim"), "{methods}");
    assert!(cli.run(&["methods", "task.claim"]).await.ok().contains("agentId"));
    let pong = cli.run_with(r#"{"clientTimestamp": 7}"#, &["call", "health.ping", "-", "--json"]).await.json();
    assert_eq!(pong["clientTimestamp"], 7);
    for shell in ["bash", "zsh", "fish"] {
        assert!(cli.run(&["completions", shell]).await.ok().contains("orchestrator"));
    }
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_lives_in_a_file_and_keys_are_rotated() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("refresh").display().to_string();
    let first = cli.run(&["token", "issue", "eve", "--scope", "read", "--refresh", &file]).await.ok();
    let secret = std::fs::read_to_string(&file)?;
    assert!(secret.starts_with("orr_") && !first.contains(secret.trim()));
    // No other credential is at hand.
    let nobody = Cli::at(folder.path()).env("ORCHESTRATOR_URL", daemon.url());
    let second = nobody.run(&["token", "refresh", &file]).await.ok();
    assert!(second != first && second.starts_with("eyJ"), "{second}");
    assert_ne!(std::fs::read_to_string(&file)?, secret);
    assert_eq!(nobody.clone().env("ORCHESTRATOR_TOKEN", &second).run(&["task", "list"]).await.ok(), "no tasks");
    let family = cli.run(&["token", "list"]).await.ok();
    let family = family.split_whitespace().find(|word| word.starts_with("fam_")).expect("a family").to_owned();

    let key = cli.run(&["token", "keys", "-q"]).await.ok();
    cli.run(&["token", "retire", &key]).await.failed(1, "rotate before");
    let next = cli.run(&["token", "rotate", "-q"]).await.ok();
    cli.run(&["token", "retire", &key]).await.ok();
    let keys = cli.run(&["token", "keys"]).await.ok();
    assert!(keys.contains(&next) && keys.contains("retired"), "{keys}");
    nobody.clone().env("ORCHESTRATOR_TOKEN", &second).run(&["task", "list"]).await.failed(4, "credential");
    let third = nobody.run(&["token", "refresh", &file]).await.ok();
    cli.run(&["token", "update", &family, "--scope", "write"]).await.ok();
    cli.run(&["token", "revoke", &family]).await.ok();
    nobody.clone().env("ORCHESTRATOR_TOKEN", &third).run(&["task", "list"]).await.failed(4, "credential");
    nobody.run(&["token", "refresh", &file]).await.failed(4, "");
    Ok(())
}

#[tokio::test]
async fn logging_out_ends_the_token_in_the_file_and_deletes_the_file() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let login = async |name: &str| {
        let issue = ["token", "issue", name, "--scope", "read", "--refresh", &path(name)];
        cli.run(&issue).await.ok()
    };
    let (eve, mallory) = (login("eve").await, login("mallory").await);
    std::fs::copy(path("eve"), path("copy"))?;
    let nobody = Cli::at(folder.path()).env("ORCHESTRATOR_URL", daemon.url());
    let told = nobody.run(&["token", "logout", &path("eve")]).await.ok();
    assert!(told.starts_with("logged out") && !folder.path().join("eve").exists(), "{told}");
    nobody.clone().env("ORCHESTRATOR_TOKEN", &eve).run(&["task", "list"]).await.failed(4, "credential");
    nobody.run(&["token", "refresh", &path("copy")]).await.failed(4, "");
    nobody.run(&["token", "logout", &path("copy")]).await.ok();
    nobody.run(&["token", "logout", &path("never")]).await.failed(2, "cannot read");
    nobody.clone().env("ORCHESTRATOR_TOKEN", &mallory).run(&["task", "list"]).await.ok();
    nobody.run(&["token", "refresh", &path("mallory")]).await.ok();
    Ok(())
}

#[tokio::test]
async fn who_is_connected_is_listed() -> anyhow::Result<()> {
    let daemon = daemon().await?;
    let cli = Cli::of(&daemon);
    let other = daemon.organisation("other").await;
    let _theirs = other.socket(&daemon).await;
    let mut ours = orchestrator_testkit::Socket::open(daemon.url(), &[]).await.expect("a socket");
    let client = json!({"name": "planner", "version": "7"});
    let auth = json!({"type": "api-key", "token": daemon.admin_token()});
    let hello = ours.call("auth.connect", json!({"auth": auth, "client": client})).await?;
    let listed: Value = serde_json::from_str(&cli.run(&["connection", "list", "--json"]).await.ok())?;
    let items = listed["items"].as_array().expect("a list").clone();
    // Its own connection is one of them.
    assert_eq!(items.len(), 2, "{listed}");
    let planner = items.iter().find(|one| one["client"] == client).expect("the one that said so");
    assert_eq!(planner["connectionId"], hello["connectionId"], "{hello}");
    let table = cli.run(&["connection", "list"]).await.ok();
    assert!(table.starts_with("CONNECTION") && table.contains("planner"), "{table}");
    let ids = cli.run(&["connection", "list", "-q"]).await.ok();
    assert!(ids.lines().any(|id| hello["connectionId"] == id), "{ids}");
    Ok(())
}
