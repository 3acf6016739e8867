use std::os::unix::fs::PermissionsExt as _;

use http::Method;
use orchestrator_testkit::{Builder, Daemon, Http, Reply, Socket};
use serde_json::{Value, json};

use crate::still_ready;
use crate::tokens::{SECRET, claims, claims_with, now_seconds, signed, token, with_trailing_bits};

fn with_secret(secret: &str) -> Builder {
    Daemon::builder().env("DAEMON_JWT_SECRET", secret).without_rate_limits()
}

async fn ping(http: &Http, credential: &str) -> Reply {
    let bearer = format!("Bearer {credential}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    http.send(Method::POST, "/rpc", &headers, r#"{"jsonrpc":"2.0","id":1,"method":"health.ping"}"#).await
}

#[tokio::test]
async fn a_secret_that_is_empty_short_or_known_stops_the_start() -> anyhow::Result<()> {
    let repeated = "abcd".repeat(16);
    let known = "please-changeme-please-changeme-please";
    for secret in ["", "secret", "changeme", known, &SECRET[1..], &repeated] {
        let refused = with_secret(secret).refused().await?;
        assert!(!refused.status.success(), "{secret:?}");
        assert!(refused.output.contains("DAEMON_JWT_SECRET"), "{secret:?}: {}", refused.output);
        let is_told = secret.len() > 10 && refused.output.contains(secret);
        assert!(!is_told, "the secret is in the output: {}", refused.output);
    }
    still_ready(&with_secret(SECRET).start().await?).await;
    Ok(())
}

#[tokio::test]
async fn an_invalid_section_about_identity_stops_the_start() -> anyhow::Result<()> {
    for auth in [json!({"jwtExpirationMs": 0}), json!({"enabled": false}), json!({"jwtSecret": "short"})] {
        let refused = Daemon::builder().config(json!({"auth": auth})).refused().await?;
        assert!(!refused.status.success() && refused.output.contains("auth"), "{auth}: {}", refused.output);
    }
    still_ready(&Daemon::builder().config(json!({"auth": {"jwtExpirationMs": 60_000}})).start().await?).await;
    Ok(())
}

#[tokio::test]
async fn without_a_secret_one_is_made_once_and_kept_private() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let params = json!({"kind": "jwt", "subject": "somebody", "scopes": ["daemon.read"]});
    let issued = daemon.admin_http().call("auth.token.issue", params).await?;
    let (key, admin) = (daemon.data_directory().join("jwt.key"), daemon.admin_token().to_owned());
    let first = std::fs::read(&key)?;
    assert_eq!(first.len(), 32);
    for file in ["jwt.key", "admin.token"] {
        let mode = std::fs::metadata(daemon.data_directory().join(file))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let daemon = daemon.kill().await.start().await?;
    assert_eq!(std::fs::read(&key)?, first);
    assert_eq!(daemon.admin_token(), admin);
    assert_eq!(ping(&daemon.http(), issued["token"].as_str().unwrap_or_default()).await.status, 200);
    Ok(())
}

#[tokio::test]
async fn tokens_that_do_not_count_are_refused_with_one_and_the_same_body() -> anyhow::Result<()> {
    let daemon = with_secret(SECRET).start().await?;
    let http = daemon.http();
    assert_eq!(ping(&http, &token(&claims())).await.status, 200, "the token they are made from counts");
    let bodies = bodies_of(&http, forged()).await;
    let (name, first) = &bodies[0];
    for (other, body) in &bodies {
        assert_eq!(body, first, "{other} and {name} are told apart");
    }
    still_ready(&daemon).await;
    Ok(())
}

async fn bodies_of(http: &Http, tokens: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut bodies = Vec::new();
    for (name, token) in tokens {
        let reply = ping(http, &token).await;
        assert_eq!(reply.status, 401, "{name}: {}", reply.body);
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{name}");
        bodies.push((name, reply.body));
    }
    bodies
}

fn forged() -> Vec<(String, String)> {
    let good = token(&claims());
    let (message, _) = good.rsplit_once('.').expect("three parts");
    let payload = claims().to_string();
    let twice = payload.replacen('{', r#"{"sub":"root","#, 1);
    let header = |header: &str| signed(header, &payload, SECRET);
    let mut tokens = vec![
        ("no token at all", "x".to_owned()),
        ("two parts", message.to_owned()),
        ("no signature", format!("{message}.")),
        ("alg none", format!("{}.", signed(r#"{"alg":"none"}"#, &payload, SECRET).rsplit_once('.').expect("parts").0)),
        ("alg none, signed", header(r#"{"alg":"none","typ":"JWT"}"#)),
        ("alg HS512", header(r#"{"alg":"HS512","typ":"JWT"}"#)),
        ("alg RS256", header(r#"{"alg":"RS256","typ":"JWT"}"#)),
        ("alg twice", header(r#"{"alg":"none","alg":"HS256"}"#)),
        ("a key id", header(r#"{"alg":"HS256","typ":"JWT","kid":"../../dev/null"}"#)),
        ("a key set", header(r#"{"alg":"HS256","typ":"JWT","jku":"https://evil.example/keys"}"#)),
        ("another key", signed(r#"{"alg":"HS256","typ":"JWT"}"#, &payload, "another secret of 32 bytes or so")),
        ("an empty key", signed(r#"{"alg":"HS256","typ":"JWT"}"#, &payload, "")),
        ("padding", format!("{good}=")),
        ("trailing bits", with_trailing_bits(&good)),
        ("a claim twice", signed(r#"{"alg":"HS256","typ":"JWT"}"#, &twice, SECRET)),
        ("an unknown API key", format!("orc_{}_{}", "0".repeat(32), "0".repeat(64))),
        ("too long", "a".repeat(9_000)),
    ]
    .into_iter()
    .map(|(name, token)| (name.to_owned(), token))
    .collect::<Vec<_>>();
    for name in ["iss", "aud", "sub", "org", "scope", "jti", "iat", "nbf", "exp"] {
        tokens.push((format!("no {name}"), token(&claims_with(name, Value::Null))));
        tokens.push((format!("{name} of another type"), token(&claims_with(name, json!(["x"])))));
    }
    let now = now_seconds();
    for (name, value) in [
        ("iss", json!("somebody-else")),
        ("aud", json!("another-daemon")),
        ("exp", json!(now - 60)),
        ("nbf", json!(now + 60)),
        ("exp", json!(f64::from(4_000_000) + 0.5)),
        ("org", json!("org_1")),
    ] {
        tokens.push((format!("{name} is {value}"), token(&claims_with(name, value))));
    }
    tokens
}

#[tokio::test]
async fn clocks_may_differ_by_half_a_minute() -> anyhow::Result<()> {
    let daemon = with_secret(SECRET).start().await?;
    let now = now_seconds();
    for (name, at, expected) in [("exp", -15, 200), ("exp", -45, 401), ("nbf", 15, 200), ("nbf", 45, 401)] {
        let mut claims = claims_with("iat", json!(now - 100));
        claims["nbf"] = json!(now - 100);
        claims[name] = json!(now + at);
        assert_eq!(ping(&daemon.http(), &token(&claims)).await.status, expected, "{name} {at} s from now");
    }
    Ok(())
}

#[tokio::test]
async fn coming_from_this_machine_is_no_identity() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let http = daemon.http();
    for path in ["/api/v1/tasks", "/status", "/metrics"] {
        assert_eq!(http.get(path).await.status, 401, "{path}");
        assert_eq!(daemon.admin_http().get(path).await.status, 200, "{path}");
    }
    let mut socket = Socket::open(daemon.url(), &[]).await.expect("the first frame may authenticate");
    let refused = socket.exchange("task.list", json!({})).await;
    assert!(refused.is_ok_and(|outcome| outcome.is_err()), "no call before auth.connect");
    assert_eq!(socket.closed().await.code, Some(4001));

    let mut socket = Socket::open(daemon.url(), &[]).await.expect("the first frame may authenticate");
    let connect = json!({"auth": {"type": "api-key", "token": daemon.admin_token()}});
    socket.call("auth.connect", connect).await?;
    socket.call("task.list", json!({})).await?;
    Ok(())
}

#[tokio::test]
async fn credentials_are_taken_from_headers_and_never_from_urls() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let key = daemon.admin_token();
    for name in ["token", "access_token", "apiKey", "api-key", "jwt"] {
        let url = format!("{}/ws?{name}={key}", daemon.url());
        let refused = Socket::open(&url, &[]).await.expect_err("a token in a URL");
        assert_eq!(refused.status, Some(400), "{name}");
        assert!(!refused.body.contains(key), "{name}: it is not repeated");
        assert_eq!(daemon.admin_http().get(&format!("/api/v1/tasks?{name}={key}")).await.status, 400, "{name}");
    }
    for (header, value) in [("authorization", format!("Bearer {key}")), ("x-api-key", key.to_owned())] {
        assert!(Socket::open(daemon.url(), &[(header, &value)]).await.is_ok(), "{header}");
    }
    assert!(!daemon.log().contains(key), "the log has the key");
    still_ready(&daemon).await;
    Ok(())
}

#[tokio::test]
async fn revoking_a_token_closes_its_open_sockets_and_no_others() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let admin = daemon.admin_http();
    for kind in ["apiKey", "jwt"] {
        let params = json!({"kind": kind, "subject": "somebody", "scopes": ["daemon.read"]});
        let issued = admin.call("auth.token.issue", params).await?;
        let revoked = issued["token"].as_str().unwrap_or_default();
        let (mut first, mut second) = (daemon.socket(revoked).await, daemon.socket(revoked).await);
        let mut other = daemon.admin().await;
        first.call("health.ping", json!({})).await?;
        admin.call("auth.token.revoke", json!({"tokenId": issued["tokenId"]})).await?;
        let asked = std::time::Instant::now();
        assert_eq!(first.closed().await.code, Some(4001), "{kind}");
        assert_eq!(second.closed().await.code, Some(4001), "{kind}");
        assert!(asked.elapsed() < std::time::Duration::from_secs(1), "{kind}: {:?}", asked.elapsed());
        assert_eq!(ping(&daemon.http(), revoked).await.status, 401, "{kind}");
        other.call("health.ping", json!({})).await?;
    }
    Ok(())
}
