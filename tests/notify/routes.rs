use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Daemon, on_both_backends, patiently, shell};
use serde_json::{Value, json};

use crate::{Receiver, asked, daemon};

on_both_backends![
    an_alert_is_told_once_and_signed,
    what_happened_before_a_kill_is_told_after_it,
    two_daemons_of_one_database_tell_it_once,
];

async fn an_alert_is_told_once_and_signed(backend: Backend) -> anyhow::Result<()> {
    let (directory, mut receiver) = (tempfile::tempdir()?, Receiver::start(204).await?);
    let daemon = daemon(directory.path(), &receiver, &["budget.*"])?.backend(backend).start().await?;
    let mut socket = daemon.admin().await;
    socket.call("model.chat", asked()).await?;
    let told = receiver.next().await;
    assert!(told.is_signed, "{told:?}");
    let events = socket.call("event.list", json!({ "events": ["budget.alert"] })).await?;
    assert_eq!(told.id, events["items"][0]["eventId"], "{events}");
    let data = &told.body["data"];
    assert_eq!((&told.body["type"], &data["severity"]), (&json!("budget.alert"), &json!("warning")), "{data}");
    assert_eq!(data["title"], "100 % of the budget of organisation per day is spent", "{data}");
    socket.call("model.chat", asked()).await.expect_err("it is spent");
    let told = receiver.next().await;
    assert_eq!(
        (&told.body["type"], &told.body["data"]["severity"]),
        (&json!("budget.exhausted"), &json!("critical")),
        "{told:?}"
    );
    assert!(receiver.heard_nothing());
    let metrics = daemon.admin_http().get("/metrics").await.body;
    assert!(metrics.contains(r#"notifications_total{destination="ops",outcome="delivered"} 2"#), "{metrics}");
    Ok(())
}

/// Nobody is there to be told until the daemon is killed.
async fn what_happened_before_a_kill_is_told_after_it(backend: Backend) -> anyhow::Result<()> {
    let (directory, mut receiver) = (tempfile::tempdir()?, Receiver::start(503).await?);
    let daemon = daemon(directory.path(), &receiver, &["budget.alert"])?.backend(backend).start().await?;
    daemon.admin().await.call("model.chat", asked()).await?;
    let before = receiver.next().await;
    assert_eq!(before.answered, 503);
    let builder = daemon.kill().await;
    receiver.says(204);
    let daemon = builder.start().await?;
    let after = loop {
        let told = receiver.next().await;
        if told.answered == 204 {
            break told;
        }
    };
    assert!(after.is_signed && after.id == before.id, "{before:?} {after:?}");
    let mut socket = daemon.admin().await;
    let delivered = async { while listed(&mut socket).await["delivered"] != 1 {} };
    patiently("it to be counted", delivered).await;
    // And not again: what was delivered is noted before it ends.
    let (_, log) = daemon.terminate().await;
    assert!(receiver.heard_nothing(), "{log}");
    Ok(())
}

async fn two_daemons_of_one_database_tell_it_once(backend: Backend) -> anyhow::Result<()> {
    if backend == Backend::Sqlite {
        return Ok(()); // it belongs to one daemon
    }
    let (directory, mut receiver) = (tempfile::tempdir()?, Receiver::start(204).await?);
    let first = daemon(directory.path(), &receiver, &["budget.*", "mark"])?.backend(backend).start().await?;
    let second = daemon(directory.path(), &receiver, &["budget.*", "mark"])?.database_of(&first).start().await?;
    second.admin().await.call("model.chat", asked()).await?;
    assert_eq!(receiver.next().await.body["type"], "budget.alert");
    // Whoever held it has noted that it arrived: without that it would be told again.
    let (mut one, mut other) = (first.admin().await, second.admin().await);
    let noted = async {
        let count = |listed: Value| listed["delivered"].as_u64().unwrap_or_default();
        while count(listed(&mut one).await) + count(listed(&mut other).await) != 1 {}
    };
    patiently("it to be counted", noted).await;
    // It lets go, and the other one goes on where it was.
    first.terminate().await;
    second.admin().await.call("model.chat", asked()).await.expect_err("it is spent");
    assert_eq!(receiver.next().await.body["type"], "budget.exhausted");
    assert!(receiver.heard_nothing());
    Ok(())
}

async fn listed(socket: &mut orchestrator_testkit::Socket) -> Value {
    socket.call("notify.list", json!({})).await.expect("a list")["destinations"][0].clone()
}

/// The same with a route is told: the test above.
#[tokio::test]
async fn without_a_route_nobody_is_told() -> anyhow::Result<()> {
    let (directory, mut receiver) = (tempfile::tempdir()?, Receiver::start(204).await?);
    let daemon = daemon(directory.path(), &receiver, &["budget.exhausted"])?.start().await?;
    let mut socket = daemon.admin().await;
    socket.call("model.chat", asked()).await?;
    socket.call("model.chat", asked()).await.expect_err("it is spent");
    assert_eq!(receiver.next().await.body["type"], "budget.exhausted", "the alert before it is not told");
    assert!(receiver.heard_nothing());
    Ok(())
}

#[tokio::test]
async fn only_the_organisations_of_a_route_are_told_of() -> anyhow::Result<()> {
    let (directory, mut receiver) = (tempfile::tempdir()?, Receiver::start(204).await?);
    let local = orchestrator_vocab::OrgId::LOCAL;
    let routes = json!([{ "events": ["budget.exhausted"], "organisations": [local], "to": ["ops"] }]);
    let builder = daemon(directory.path(), &receiver, &["budget.exhausted"])?;
    let daemon = builder.config(json!({ "notify": { "routes": routes } })).start().await?;
    let other = daemon.organisation("other").await;
    for mut socket in [other.socket(&daemon).await, daemon.admin().await] {
        socket.call("model.chat", asked()).await?;
        socket.call("model.chat", asked()).await.expect_err("it is spent");
    }
    let told = receiver.next().await;
    assert_eq!(told.body["data"]["facts"]["organisation"], json!(local), "{told:?}");
    assert!(receiver.heard_nothing());
    Ok(())
}

#[tokio::test]
async fn who_was_away_is_told_when_it_is_back() -> anyhow::Result<()> {
    let (directory, mut receiver) = (tempfile::tempdir()?, Receiver::start(500).await?);
    let daemon = daemon(directory.path(), &receiver, &["budget.*"])?.start().await?;
    let mut socket = daemon.admin().await;
    socket.call("model.chat", asked()).await?;
    receiver.next().await;
    let problem = async { while listed(&mut socket).await["lastProblem"] != "it answered 500" {} };
    patiently("the failure to be told", problem).await;
    let report = socket.call("daemon.doctor", json!({})).await?;
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let finding = findings.iter().find(|finding| finding["check"] == "notifications").expect("a finding");
    assert!(finding["severity"] == "warning" && finding["found"].to_string().contains("ops"), "{finding}");
    receiver.says(200);
    let recovered = async { while listed(&mut socket).await["delivered"] != 1 {} };
    patiently("it to arrive", recovered).await;
    assert_eq!(listed(&mut socket).await["lastProblem"], Value::Null);
    Ok(())
}

/// What an agent wrote is in it, so secrets and links are not.
#[tokio::test]
async fn a_task_that_failed_for_good_is_told_of_without_its_secrets() -> anyhow::Result<()> {
    let (directory, mut receiver) = (tempfile::tempdir()?, Receiver::start(204).await?);
    let script = "echo 'see https://evil.example/ with sk-ant-api03-0123456789abcdefghijklmnop' >&2; exit 3";
    let agents = json!({ "agents": { "worker": shell(script, &[], 1) } });
    let daemon = daemon(directory.path(), &receiver, &["task.failed"])?.config(agents);
    let daemon = daemon.start().await?;
    let mut socket = daemon.admin().await;
    socket.call("task.create", json!({ "title": "a", "kind": "a", "maxAttempts": 1 })).await?;
    let told = receiver.next().await;
    let data = &told.body["data"];
    let title = data["title"].as_str().unwrap_or_default();
    assert!(title.starts_with("task_") && title.ends_with(" has failed for good"), "{data}");
    assert!(!told.body.to_string().contains("sk-ant") && !told.body.to_string().contains("://"), "{data}");
    Ok(())
}

#[tokio::test]
async fn what_is_configured_wrongly_stops_the_start() -> anyhow::Result<()> {
    let check = async |notify: Value, said: &str| -> anyhow::Result<()> {
        let ended = Daemon::builder().config(json!({ "notify": notify })).refused().await?;
        assert!(ended.output.contains(said), "{}", ended.output);
        Ok(())
    };
    check(json!({ "destinations": { "a": { "kind": "webhook" } } }), "destinations.a.url").await?;
    check(json!({ "routes": [{ "events": ["a"], "to": ["nobody"] }] }), "there is no destination nobody").await?;
    check(json!({ "routes": [{ "events": ["a."], "to": ["nobody"] }] }), "events").await
}

#[tokio::test]
async fn who_is_told_is_the_operators_business() -> anyhow::Result<()> {
    let (directory, receiver) = (tempfile::tempdir()?, Receiver::start(204).await?);
    let daemon = daemon(directory.path(), &receiver, &["budget.*"])?.start().await?;
    let other = daemon.organisation("other").await;
    let mut theirs = other.socket(&daemon).await;
    for (method, params) in [("notify.list", json!({})), ("notify.test", json!({ "destination": "ops" }))] {
        assert_eq!(theirs.call(method, params).await.expect_err("not theirs").code, Code::Forbidden);
    }
    let mut socket = daemon.admin().await;
    let set = json!({ "values": { "notify.allowNetworks": ["0.0.0.0/0"] } });
    socket.call("config.set", set).await.expect_err("in the file only");
    let shown = socket.call("config.get", json!({})).await?.to_string();
    assert!(!shown.contains("very-secret-path") && !shown.contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "{shown}");
    Ok(())
}
