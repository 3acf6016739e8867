use orchestrator_events_redis::Server;
use orchestrator_testkit::{Backend, Daemon};
use serde_json::{Value, json};

use crate::{create, until, with};

#[tokio::test]
async fn wrong_values_stop_the_start_and_the_address_is_not_shown() -> anyhow::Result<()> {
    for (section, part) in [
        (json!({"url": "http://:hunter2hunter2@redis.example"}), "redis.url"),
        (json!({"url": "redis://127.0.0.1", "prefix": "a b"}), "prefix"),
        (json!({"timeoutMs": 0}), "timeoutMs"),
        (json!({"keepDays": 8}), "keepDays"),
        (json!({"adress": "redis://127.0.0.1"}), "adress"),
    ] {
        let refused = Daemon::builder().config(json!({"redis": section})).refused().await?;
        assert!(!refused.status.success());
        assert!(refused.output.contains(part), "{part}: {}", refused.output);
        assert!(!refused.output.contains("hunter2hunter2"), "{}", refused.output);
    }
    Ok(())
}

#[tokio::test]
async fn with_sqlite_it_is_not_used_and_that_is_said() -> anyhow::Result<()> {
    let server = Server::absent()?;
    let alone = Daemon::builder().env("REDIS_URL", &server.url()).start().await?;
    assert!(alone.log().contains("with SQLite there is only one daemon"), "{}", alone.log());
    assert_eq!(alone.admin_http().get("/status").await.json()["redis"], Value::Null);
    create(&mut alone.admin().await, "all the same").await;
    Ok(())
}

#[tokio::test]
async fn the_address_may_come_from_a_file_and_its_password_never_shows() -> anyhow::Result<()> {
    let password = "correct-horse-battery";
    let server = Server::start_with(|port| {
        vec!["--port".into(), port.to_string(), "--requirepass".into(), password.to_owned()]
    })?;
    let directory = tempfile::tempdir()?;
    let (right, wrong) = (directory.path().join("right"), directory.path().join("wrong"));
    std::fs::write(&right, format!("redis://:{password}@127.0.0.1:{}\n", server.port()))?;
    std::fs::write(&wrong, format!("redis://:wrong-{password}@127.0.0.1:{}\n", server.port()))?;
    let daemon = |file: &std::path::Path| {
        Daemon::builder().backend(Backend::Postgres).env("REDIS_URL_FILE", &file.display().to_string())
    };
    let let_in = daemon(&right).start().await?;
    until(&let_in, "up").await;
    let turned_away = daemon(&wrong).start().await?;
    until(&turned_away, "down").await;
    let status = turned_away.admin_http().get("/status").await.body;
    for shown in [let_in.log(), turned_away.log(), status] {
        assert!(!shown.contains(password), "{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn other_organisations_are_not_told_about_it() -> anyhow::Result<()> {
    let server = Server::start()?;
    let daemon = with(&server).start().await?;
    until(&daemon, "up").await;
    let other = daemon.organisation("other").await;
    let status = other.http(&daemon).call("daemon.status", json!({})).await?;
    assert_eq!(status["redis"], Value::Null);
    Ok(())
}
