use orchestrator_events_redis::Server;
use orchestrator_testkit::{Backend, Daemon, Scratch, patiently};
use serde_json::{Value, json};

use crate::doctor::{doctor, severity, status};
use crate::place::Place;

/// A place to configure daemons that share an empty PostgreSQL.
struct Shared {
    place: Place,
    database: Scratch,
}

impl Shared {
    async fn new() -> anyhow::Result<Self> {
        Ok(Self { place: Place::new()?, database: Scratch::create(Backend::Postgres).await? })
    }

    /// What the doctor says where this Redis is configured; never that something failed, for events cross all the same.
    async fn examined(&self, redis: &str) -> anyhow::Result<Value> {
        let database = json!({"url": self.database.url()});
        let config = json!({"daemon": {"port": 0}, "database": database, "redis": {"url": redis}});
        self.place.write("work/redis.json", &config.to_string(), 0o600)?;
        let report = doctor(&self.place, &["--config", "redis.json"]).await;
        assert_eq!(status(&report), 0, "{report:?}");
        Ok(report.document())
    }
}

fn server(more: &[&str]) -> std::io::Result<Server> {
    Server::start_with(|port| ["--port", &port.to_string()].iter().chain(more).map(|part| (*part).to_owned()).collect())
}

fn found<'a>(report: &'a Value, check: &str) -> &'a str {
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().find(|finding| finding["check"] == check).expect("one of it")["found"].as_str().expect("a text")
}

#[tokio::test]
async fn a_redis_that_answers_is_in_order_and_one_that_is_gone_is_a_warning() -> anyhow::Result<()> {
    let shared = Shared::new().await?;
    let mut redis = Server::start()?;
    let report = shared.examined(&redis.url()).await?;
    assert_eq!((severity(&report, "redis"), severity(&report, "memory of redis")), ("ok", "ok"), "{report}");
    assert!(found(&report, "redis").starts_with("it answers: "), "{report}");
    redis.kill();
    let report = shared.examined(&redis.url()).await?;
    assert_eq!(severity(&report, "redis"), "warning", "the database carries the events then: {report}");
    Ok(())
}

#[tokio::test]
async fn a_redis_that_stalls_is_found_in_time() -> anyhow::Result<()> {
    let shared = Shared::new().await?;
    let redis = Server::start()?;
    redis.stall();
    let report = patiently("the doctor", shared.examined(&redis.url())).await?;
    assert_eq!(severity(&report, "redis"), "warning", "{report}");
    redis.resume();
    assert_eq!(severity(&shared.examined(&redis.url()).await?, "redis"), "ok");
    Ok(())
}

#[tokio::test]
async fn a_redis_that_throws_away_what_it_was_given_is_a_warning() -> anyhow::Result<()> {
    let shared = Shared::new().await?;
    for (policy, expected) in [("allkeys-lru", "warning"), ("volatile-ttl", "warning"), ("noeviction", "ok")] {
        let redis = server(&["--maxmemory", "64mb", "--maxmemory-policy", policy])?;
        let report = shared.examined(&redis.url()).await?;
        assert_eq!(severity(&report, "memory of redis"), expected, "{report}");
    }
    let full = server(&["--maxmemory", "500kb", "--maxmemory-policy", "noeviction"])?;
    let report = shared.examined(&full.url()).await?;
    assert_eq!(severity(&report, "memory of redis"), "warning", "an empty one has used more already: {report}");
    Ok(())
}

#[tokio::test]
async fn the_password_of_redis_is_used_and_never_shown() -> anyhow::Result<()> {
    let shared = Shared::new().await?;
    let redis = server(&["--requirepass", "correct-horse-battery"])?;
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", redis.port());
    for (password, expected) in [("correct-horse-battery", "ok"), ("wrong-horse-battery", "warning")] {
        let report = shared.examined(&url(password)).await?;
        assert_eq!(severity(&report, "redis"), expected, "{report}");
        assert!(!report.to_string().contains("horse"), "{report}");
    }
    Ok(())
}

#[tokio::test]
async fn a_redis_beside_sqlite_is_of_no_use_and_one_that_is_not_configured_is_not_looked_for() -> anyhow::Result<()> {
    let place = Place::new()?;
    let config = json!({"daemon": {"port": 0}, "redis": {"url": "redis://127.0.0.1:1"}});
    place.write("work/sqlite.json", &config.to_string(), 0o600)?;
    let report = doctor(&place, &["--config", "sqlite.json"]).await;
    assert_eq!((status(&report), severity(&report.document(), "redis")), (0, "warning"), "{report:?}");
    place.write("work/none.json", r#"{"daemon": {"port": 0}}"#, 0o600)?;
    let report = doctor(&place, &["--config", "none.json"]).await;
    assert!(!report.stdout.contains("redis"), "{report:?}");
    Ok(())
}

#[tokio::test]
async fn a_running_daemon_says_how_it_stands_with_redis() -> anyhow::Result<()> {
    let mut redis = Server::start()?;
    let daemon = Daemon::builder().backend(Backend::Postgres).without_rate_limits().env("REDIS_URL", &redis.url());
    let daemon = daemon.start().await?;
    let mut admin = daemon.admin().await;
    let mut said = async |part: &str, expected: &str| {
        let told = async {
            loop {
                let report = admin.call("daemon.doctor", json!({})).await.expect("a report");
                if found(&report, "redis").starts_with(part) {
                    break report;
                }
            }
        };
        let report = patiently(&format!("Redis to be {part}"), told).await;
        assert_eq!(severity(&report, "redis"), expected, "{report}");
    };
    said("up since", "ok").await;
    redis.kill();
    said("down since", "warning").await;
    Ok(())
}
