use orchestrator_testkit::{Backend, Daemon, Socket, on_both_backends, shell};
use serde_json::{Value, json};

on_both_backends![the_status_is_complete];

async fn the_status_is_complete(backend: Backend) -> anyhow::Result<()> {
    let agents = json!({"agents": {"any": shell("echo done", &[], 4)}, "daemon": {"name": "tested"}});
    let daemon = Daemon::builder().backend(backend).config(agents).start().await?;
    let http = daemon.admin_http();
    let mut socket: Socket = daemon.admin().await;
    let create = json!({"sessionType": "process", "task": {"description": "work"}});
    let session = http.call("session.create", create).await?;
    loop {
        let now = http.call("session.status", json!({"sessionId": session["id"]})).await?;
        if now["status"] == "completed" {
            break;
        }
    }
    socket.call("task.create", json!({"title": "waits", "requiredCapabilities": ["none"]})).await?;

    let status = http.get("/status").await.json();
    assert_eq!(status["health"], "running", "{status}");
    assert_eq!(status["role"], "standalone");
    assert_eq!(status["name"], "tested");
    assert!(status["node"].as_str().is_some_and(|node| node.starts_with("tested-")), "{status}");
    let backend = if backend == Backend::Sqlite { "sqlite" } else { "postgresql" };
    assert_eq!(status["database"]["backend"], backend);
    assert!(status["database"]["roundTripMs"].as_f64().is_some_and(|millis| millis > 0.0), "{status}");
    assert_eq!(status["sessionsByStatus"], json!({"completed": 1}), "{status}");
    assert!(status["uptimeSeconds"].is_u64() && status["startedAt"].is_string(), "{status}");
    let running = |part: &Value| part["state"] == "running";
    assert!(status["loops"].as_array().is_some_and(|loops| loops.len() > 5 && loops.iter().all(running)), "{status}");
    let tasks = |status: &Value| status["tasks"].as_object().map(|tasks| tasks.keys().cloned().collect::<Vec<_>>());
    assert!(tasks(&status).is_some(), "{status}");

    let stranger = daemon.organisation("other").await;
    let theirs = stranger.http(&daemon).get("/status").await.json();
    assert_eq!((&theirs["sessionsByStatus"], &theirs["tasks"]), (&json!({}), &json!({})), "{theirs}");
    assert_eq!(daemon.http().get("/status").await.status, 401);
    Ok(())
}
