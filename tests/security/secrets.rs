use orchestrator_testkit::{Daemon, Socket, shell};
use serde_json::{Value, json};

use crate::still_ready;
use crate::tokens::SECRET;

/// Of the form of a provider's key, and nobody's.
const PROVIDER_KEY: &str =
    "sk-ant-api03-4fG7hJ2kL9mN1pQ6rS3tV8wX5yZ0aB7cD4eF2gH9jK6lM1nP8qR3sT5uV0wX7yZ2aB4cD9eF6gH1jK-AbCdEfAA";
const HARMLESS: &str = "a-harmless-marker-4711";

/// Prints a secret it found, in several ways, and something that is none.
fn leaky(exit: u8) -> Value {
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, SECRET);
    let script = format!(
        "for to in 1 2; do echo '{HARMLESS} {PROVIDER_KEY}' >&$to; echo 'it is {SECRET}' >&$to; echo 'x {encoded} y' >&$to; done
         echo '{HARMLESS} {PROVIDER_KEY} {SECRET}' >&2; echo '{{\"text\": \"{HARMLESS} {PROVIDER_KEY} {SECRET}\"}}'; exit {exit}"
    );
    shell(&script, &[], 1)
}

#[track_caller]
fn assert_clean(place: &str, text: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!text.contains(secret), "{place} has {secret}: {text}");
    }
}

#[tokio::test]
async fn no_planted_secret_is_found_in_logs_events_results_or_metrics() -> anyhow::Result<()> {
    for exit in [0, 1] {
        let builder = Daemon::builder().env("DAEMON_JWT_SECRET", SECRET).env("LOG_LEVEL", "debug");
        let config = json!({"agents": {"leaky": leaky(exit)}, "tasks": {"sweepMs": 20, "maxAttempts": 1}});
        let daemon = builder.without_rate_limits().config(config).start().await?;
        let mut socket = daemon.admin().await;
        socket.subscribe(&["**"]).await;
        let task = socket.call("task.create", json!({"title": "leak", "description": PROVIDER_KEY})).await?;
        let end = if exit == 0 { "task.completed" } else { "task.failed" };
        let mut events = socket.events_until(end, |event| event.name == end).await;
        events.extend(socket.events_until("its session's end", |event| event.name == "session.stopped").await);
        let seen = format!("{events:?}");
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, SECRET);
        let secrets = [PROVIDER_KEY, SECRET, encoded.as_str()];
        assert!(seen.contains(HARMLESS), "what is no secret is told: {seen}");
        assert_clean("an event", &seen, &secrets);
        let outcome = socket.call("task.get", json!({"taskId": task["id"]})).await?;
        let outcome = format!("{} {}", outcome["result"], outcome["error"]);
        assert!(outcome.contains(HARMLESS), "what is no secret is kept: {outcome}");
        assert_clean("the outcome", &outcome, &secrets);
        for method in ["event.list", "session.list", "agent.list"] {
            // The description of the task is its creator's own, and shown to nobody else.
            let listed = socket.call(method, json!({})).await?.to_string();
            assert_clean(method, &listed.replace(&task["description"].to_string(), ""), &secrets);
        }
        for path in ["/metrics", "/status"] {
            assert_clean(
                path,
                &daemon.admin_http().get(path).await.body,
                &[PROVIDER_KEY, SECRET, daemon.admin_token()],
            );
        }
        let token = daemon.admin_token().to_owned();
        let (_, log) = daemon.terminate().await;
        assert!(log.contains("listening on"), "{log}");
        assert_clean("the log", &log, &[PROVIDER_KEY, SECRET, &encoded, &token]);
    }
    Ok(())
}

#[tokio::test]
async fn credentials_that_are_shown_are_not_written_down() -> anyhow::Result<()> {
    let daemon = Daemon::builder().env("LOG_LEVEL", "trace").without_rate_limits().start().await?;
    let issue = json!({"kind": "jwt", "subject": "somebody", "scopes": ["daemon.read"]});
    let issued = daemon.admin_http().call("auth.token.issue", issue).await?;
    let issued = issued["token"].as_str().unwrap_or_default().to_owned();
    daemon.socket(&issued).await.call("task.list", json!({})).await?;
    let wrong = format!("orc_{}_{}", "1".repeat(32), "a1b2".repeat(16));
    assert!(Socket::open(daemon.url(), &[("x-api-key", &wrong)]).await.is_err());
    let mut socket = Socket::open(daemon.url(), &[]).await.expect("the first frame authenticates");
    let refused = socket.exchange("auth.connect", json!({"auth": {"type": "api-key", "token": wrong}})).await;
    assert!(refused.is_ok_and(|outcome| outcome.is_err()));
    still_ready(&daemon).await;
    let admin = daemon.admin_token().to_owned();
    let listed = daemon.admin_http().call("auth.token.list", json!({})).await?.to_string();
    assert_clean("the list of tokens", &listed, &[&issued, &admin]);
    let (_, log) = daemon.terminate().await;
    assert!(log.contains("TRACE") || log.contains("DEBUG") || log.contains("trace"), "the log tells much: {log}");
    assert_clean("the log", &log, &[&issued, &wrong, &admin]);
    Ok(())
}

#[tokio::test]
async fn passwords_of_databases_are_not_told() -> anyhow::Result<()> {
    let url = "postgres://somebody:planted-password-4711@127.0.0.1:1/nowhere";
    let refused = Daemon::builder().env("DATABASE_URL", url).env("LOG_LEVEL", "debug").refused().await?;
    assert!(!refused.status.success());
    assert_clean("the output", &refused.output, &["planted-password-4711"]);
    assert!(refused.output.contains("database"), "it says what is wrong: {}", refused.output);
    Ok(())
}

#[tokio::test]
async fn a_secret_in_the_details_of_an_error_is_hidden_and_what_is_none_comes_through() -> anyhow::Result<()> {
    // As a name may be written, so that it can be asked for.
    let (secret, harmless) = ("k3v9qz7x1m5w8r2t6y4u0p3s7d1f5g9h", "an-honest-capability");
    let daemon = Daemon::builder().env("DAEMON_JWT_SECRET", secret).without_rate_limits().start().await?;
    let asked = |capability: &str| json!({"sessionType": "process", "task": {"description": "x"}, "requiredCapabilities": [capability]});
    let mut socket = daemon.admin().await;
    let open = socket.call("session.create", asked(harmless)).await.expect_err("nobody can");
    assert_eq!(open.data, Some(json!({"requiredCapabilities": [harmless]})));
    let hidden = socket.call("session.create", asked(secret)).await.expect_err("nobody can");
    assert_eq!(hidden.data, Some(json!({"requiredCapabilities": ["[redacted:jwt-secret]"]})), "{hidden:?}");
    let over_rest = async |capability: &str| daemon.admin_http().post("/api/v1/sessions", &asked(capability)).await;
    let open = over_rest(harmless).await;
    assert_eq!((open.status, &open.json()["error"]["details"]["requiredCapabilities"][0]), (409, &json!(harmless)));
    let hidden = over_rest(secret).await;
    assert_eq!(hidden.status, 409, "{}", hidden.body);
    assert_clean("the body", &hidden.body, &[secret]);
    Ok(())
}
