use http::Method;
use orchestrator_testkit::{Daemon, patiently};
use serde_json::{Value, json};

use crate::{apply, told};

async fn statuses(daemon: &Daemon, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(daemon.http().send(Method::GET, "/api/v1/tasks", &[], "").await.status);
    }
    statuses
}

fn limits(limits: Value) -> Value {
    json!({ "rateLimit": limits })
}

#[tokio::test]
async fn the_rate_of_an_address_is_lowered_and_lifted_while_it_runs() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let mut socket = told(&daemon).await;
    assert_eq!(statuses(&daemon, 6).await, [401; 6]);
    apply(&daemon, &mut socket, &limits(json!({"max": 8}))).await;
    assert_eq!(statuses(&daemon, 4).await, [401, 401, 429, 429], "what came before counts");
    apply(&daemon, &mut socket, &limits(json!({"enabled": false}))).await;
    assert_eq!(statuses(&daemon, 4).await, [401; 4]);
    Ok(())
}

#[tokio::test]
async fn the_calls_of_a_credential_are_limited_while_it_runs() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let (mut socket, token) = (told(&daemon).await, daemon.token("daemon.read").await);
    let reader = daemon.http().with_token(&token);
    let calls = async |count: usize| {
        let mut refused = 0;
        for _ in 0..count {
            refused += usize::from(reader.call("task.list", json!({})).await.is_err());
        }
        refused
    };
    assert_eq!(calls(5).await, 0);
    apply(&daemon, &mut socket, &limits(json!({"callsPerCredential": 3}))).await;
    assert_eq!(calls(5).await, 2);
    apply(&daemon, &mut socket, &limits(json!({"callsPerCredential": 100}))).await;
    assert_eq!(calls(5).await, 0);
    Ok(())
}

#[tokio::test]
async fn limits_and_origins_of_the_gateway_hold_for_new_connections() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let (mut socket, mut before) = (told(&daemon).await, daemon.admin().await);
    let origin = [("origin", "https://dashboard.example")];
    let ask = || async { daemon.http().send(Method::GET, "/livez", &origin, "").await };
    assert_eq!(ask().await.status, 403);
    let config = json!({
        "gateway": {"subscriptionsMax": 1},
        "cors": {"enabled": true, "origins": ["https://dashboard.example"]},
    });
    apply(&daemon, &mut socket, &config).await;
    let allowed = ask().await;
    assert_eq!(
        (allowed.status, allowed.header("access-control-allow-origin")),
        (200, Some("https://dashboard.example"))
    );
    let subscribe = || json!({"events": ["task.*"]});
    let mut after = daemon.admin().await;
    after.call("subscribe", subscribe()).await?;
    assert!(after.call("subscribe", subscribe()).await.is_err(), "a new connection may have one");
    before.call("subscribe", subscribe()).await?;
    before.call("subscribe", subscribe()).await?;
    apply(&daemon, &mut socket, &json!({})).await;
    assert_eq!(ask().await.status, 403);
    Ok(())
}

#[tokio::test]
async fn what_is_new_for_tasks_holds_for_the_next_one() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let (mut socket, mut admin) = (told(&daemon).await, daemon.admin().await);
    let attempts = async |admin: &mut orchestrator_testkit::Socket| {
        let task = admin.call("task.create", json!({"title": "t"})).await.expect("it is created");
        task["maxAttempts"].as_u64()
    };
    assert_eq!(attempts(&mut admin).await, Some(3));
    apply(&daemon, &mut socket, &json!({"tasks": {"maxAttempts": 9, "ageingStepMs": 1}})).await;
    assert_eq!(attempts(&mut admin).await, Some(9));
    Ok(())
}

#[tokio::test]
async fn the_level_of_the_log_changes_while_it_runs() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let mut admin = daemon.admin().await;
    let mut level = async |level: &str| admin.call("config.set", json!({"values": {"logging.level": level}})).await;
    let told = |daemon: &Daemon| daemon.log().matches("the configuration was loaded").count();
    // Each change is told by a line, at the level that it puts in force.
    level("off").await?;
    level("warn").await?;
    level("info").await?;
    let written = async {
        while told(&daemon) == 0 {
            daemon.http().get("/livez").await;
        }
    };
    patiently("the line of the last change", written).await;
    assert_eq!(told(&daemon), 1, "{}", daemon.log());
    Ok(())
}

#[tokio::test]
async fn what_would_be_wrong_until_the_restart_is_refused() -> anyhow::Result<()> {
    let daemon = Daemon::builder().config(json!({"sessions": {"heartbeatMs": 7_000}})).start().await?;
    let mut admin = daemon.admin().await;
    let values = json!({"sessions.heartbeatMs": 1_000, "tasks.leaseMs": 2_000});
    let refused = admin.call("config.set", json!({ "values": values })).await.expect_err("sessions still run at 7 s");
    assert!(refused.message.contains("until the daemon is restarted"), "{refused:?}");
    Ok(())
}
