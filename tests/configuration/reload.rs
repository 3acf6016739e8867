use std::path::Path;

use orchestrator_testkit::{Daemon, Event, Socket, shell};
use serde_json::json;

use crate::{apply, metric, names, told, waiting, write};

#[tokio::test]
async fn a_changed_file_is_applied_without_a_restart_and_told() -> anyhow::Result<()> {
    // The file has nothing before it changes.
    let daemon = Daemon::builder().config_file("config.json", "{}").start().await?;
    let (mut socket, mut admin) = (told(&daemon).await, daemon.admin().await);
    let config = json!({
        "agents": {"fresh": shell("echo fresh", &["fresh"], 1)}, "daemon": {"maxSessions": 7, "name": "other"},
    });
    let payload = apply(&daemon, &mut socket, &config).await;
    assert_eq!(payload["trigger"], "file");
    let applied = names(&payload, "applied");
    assert!(applied.contains(&"daemon.maxSessions".into()), "{applied:?}");
    assert!(applied.contains(&"agents.fresh.maxConcurrent".into()), "{applied:?}");
    assert_eq!(names(&payload, "restart"), ["daemon.name"]);
    let status = admin.call("daemon.status", json!({})).await?;
    assert_eq!((&status["sessions"]["free"], &status["name"]), (&json!(7), &json!("orchestrator")));
    admin.subscribe(&["task.*"]).await;
    let task = admin.call("task.create", json!({"title": "by it", "requiredCapabilities": ["fresh"]})).await?;
    let done = admin.event_about("task.completed", &task["id"]).await;
    assert_eq!(done.payload["result"]["output"].as_str().unwrap_or("fresh").trim(), "fresh", "{done:?}");
    Ok(())
}

#[tokio::test]
async fn a_broken_file_is_refused_whole_and_the_daemon_goes_on() -> anyhow::Result<()> {
    let daemon = Daemon::builder().config(json!({"daemon": {"maxSessions": 5}})).start().await?;
    let (mut socket, mut admin) = (told(&daemon).await, daemon.admin().await);
    assert_eq!(metric(&daemon, "config_last_reload_successful").await, Some(1.0));
    // The first key would be fine by itself.
    for (text, reason) in [
        (
            "{\"daemon\": {\"maxSessions\": 6}, \"rateLimit\": {\n  \"maxx\": 1}}",
            "config.json:2:11: unknown key `rateLimit.maxx`, did you mean `max`?",
        ),
        ("{\"daemon\": {\"maxSessions\": 0}}", "daemon.maxSessions: expected 1 to 100000"),
        ("{\"daemon\": ", "config.json:1:"),
    ] {
        let event = write(&daemon, &mut socket, text).await;
        assert_eq!(event.name, "config.refused");
        let told = event.payload["reasons"][0].as_str().unwrap_or_default().to_owned();
        assert!(told.contains(reason), "{told}");
        assert!(daemon.log().contains(reason), "the log says it too");
        assert_eq!(admin.call("daemon.status", json!({})).await?["sessions"]["free"], 5);
        assert_eq!(metric(&daemon, "config_last_reload_successful").await, Some(0.0));
    }
    let payload = apply(&daemon, &mut socket, &json!({"daemon": {"maxSessions": 5}})).await;
    assert!(names(&payload, "applied").is_empty(), "nothing is different: {payload}");
    assert_eq!(metric(&daemon, "config_last_reload_successful").await, Some(1.0));
    Ok(())
}

#[tokio::test]
async fn sighup_reads_everything_again() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let mut socket = told(&daemon).await;
    daemon.signal(rustix::process::Signal::HUP);
    let event = socket.next_event().await;
    assert_eq!((event.name.as_str(), &event.payload["trigger"]), ("config.reloaded", &json!("signal")));
    assert!(names(&event.payload, "applied").is_empty());
    daemon.admin_http().call("task.list", json!({})).await?;
    Ok(())
}

#[tokio::test]
async fn an_env_file_and_the_file_of_a_secret_are_followed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("jwt");
    std::fs::write(&secret, "the first secret of these tests, long enough")?;
    let daemon = Daemon::builder().env("DAEMON_JWT_SECRET_FILE", &secret.display().to_string()).start().await?;
    let mut socket = told(&daemon).await;
    // It did not exist when the daemon started.
    replace(&daemon.work_directory().join(".env"), "DAEMON_MAX_SESSIONS=3\n")?;
    assert_eq!(names(&change(&mut socket).await.payload, "applied"), ["daemon.maxSessions"]);
    replace(&secret, "the second secret of these tests, long enough")?;
    let event = change(&mut socket).await;
    assert_eq!(names(&event.payload, "restart"), ["auth.jwtSecret"]);
    replace(&secret, "short")?;
    let event = change(&mut socket).await;
    assert_eq!(event.name, "config.refused");
    for text in [format!("{event:?}"), daemon.log()] {
        assert!(!text.contains("secret of these tests"), "{text}");
    }
    Ok(())
}

/// All at once: what is half written would be another change.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let beside = file.with_extension("swp");
    std::fs::write(&beside, text)?;
    std::fs::rename(beside, file)
}

/// The next reload that found something. One that found nothing may come for what lies beside a file.
async fn change(socket: &mut Socket) -> Event {
    loop {
        let event = socket.next_event().await;
        let lists = ["applied", "restart"].map(|field| names(&event.payload, field));
        if event.name != "config.reloaded" || lists.iter().any(|names| !names.is_empty()) {
            return event;
        }
    }
}

#[tokio::test]
async fn a_removed_agent_finishes_what_it_works_on_and_gets_nothing_more() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let go = folder.path().join("go");
    let agents = json!({"agents": {"old": waiting(&go)}});
    let daemon = Daemon::builder().config(agents).start().await?;
    let (mut socket, mut admin) = (told(&daemon).await, daemon.admin().await);
    admin.subscribe(&["task.*"]).await;
    let session = json!({"sessionType": "process", "agentId": "old", "task": {"description": "work"}});
    admin.call("session.create", session).await?;
    apply(&daemon, &mut socket, &json!({})).await;
    let listed = admin.call("agent.list", json!({})).await?;
    assert_eq!(listed["items"], json!([]));
    let late = json!({"title": "too late", "requiredCapabilities": ["agent.old"]});
    let late = admin.call("task.create", late).await?;
    std::fs::write(&go, "")?;
    let done = admin.events_until("the end of what it worked on", |event| event.name == "task.completed").await;
    assert!(done.iter().all(|event| event.name != "task.failed"), "{done:#?}");
    assert_eq!(admin.call("task.get", json!({"taskId": late["id"]})).await?["status"], "pending");
    // It comes back, and what waited for it is done.
    apply(&daemon, &mut socket, &json!({"agents": {"old": waiting(&go)}})).await;
    admin.event_about("task.completed", &late["id"]).await;
    Ok(())
}
