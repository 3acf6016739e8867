use std::os::unix::fs::PermissionsExt as _;

use http::Method;
use orchestrator_testkit::{Builder, Daemon, Http, Reply, Socket};
use serde_json::{Value, json};

use crate::still_ready;
use crate::tokens::{
    Forger, SECRET, claims, claims_with, now_seconds, pem, public_key, signed, signed_with_seed, with_trailing_bits,
};

fn with_secret(secret: &str) -> Builder {
    Daemon::builder().env("DAEMON_JWT_SECRET", secret).without_rate_limits()
}

pub(crate) async fn ping(http: &Http, credential: &str) -> Reply {
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
    for auth in [
        json!({"jwtExpirationMs": 0}),
        json!({"enabled": false}),
        json!({"jwtSecret": "short"}),
        json!({"jwtSecretPrevious": "short"}),
        json!({"algorithm": "none"}),
        json!({"algorithm": "EdDSA", "jwtSecret": SECRET}),
        json!({"algorithm": "HS256", "ed25519Key": pem()}),
        json!({"ed25519Key": "no key"}),
        json!({"refreshIdleMs": 2_000, "refreshTotalMs": 1_000}),
        json!({"refreshedExpirationMs": 0}),
    ] {
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
async fn with_eddsa_a_key_is_made_once_and_everybody_may_know_its_public_half() -> anyhow::Result<()> {
    let daemon = Daemon::builder().config(json!({"auth": {"algorithm": "EdDSA"}})).start().await?;
    let params = json!({"kind": "jwt", "subject": "somebody", "scopes": ["daemon.read"]});
    let issued = daemon.admin_http().call("auth.token.issue", params).await?;
    let token = issued["token"].as_str().unwrap_or_default().to_owned();
    let key = daemon.data_directory().join("jwt.ed25519.pem");
    assert_eq!(std::fs::metadata(&key)?.permissions().mode() & 0o777, 0o600);
    assert!(!daemon.data_directory().join("jwt.key").exists());
    let set = daemon.http().get("/.well-known/jwks.json").await;
    let (set, header) = (set.json(), crate::tokens::header_of(&token));
    assert_eq!((&header["alg"], &header["kid"]), (&json!("EdDSA"), &set["keys"][0]["kid"]));
    assert_eq!(set["keys"].as_array().map(Vec::len), Some(1));
    assert!(set["keys"][0].get("d").is_none(), "the private half: {set}");
    let daemon = daemon.kill().await.start().await?;
    assert_eq!(ping(&daemon.http(), &token).await.status, 200);

    let symmetric = Daemon::builder().start().await?;
    assert_eq!(symmetric.http().get("/.well-known/jwks.json").await.json(), json!({"keys": []}));
    Ok(())
}

#[tokio::test]
async fn tokens_that_do_not_count_are_refused_with_one_and_the_same_body() -> anyhow::Result<()> {
    let mut bodies = Vec::new();
    for forger in Forger::BOTH {
        let daemon = forger.daemon().start().await?;
        let http = daemon.http();
        assert_eq!(ping(&http, &forger.token(&claims())).await.status, 200, "the token they are made from counts");
        bodies.extend(bodies_of(&http, forged(forger)).await);
        still_ready(&daemon).await;
    }
    let (name, first) = &bodies[0];
    for (other, body) in &bodies {
        assert_eq!(body, first, "{other} and {name} are told apart");
    }
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

fn forged(forger: Forger) -> Vec<(String, String)> {
    let mut tokens = wrong_forms(forger);
    tokens.extend(wrong_headers(forger));
    tokens.extend(wrong_keys(forger));
    tokens.extend(wrong_claims(forger));
    tokens.into_iter().map(|(name, token)| (format!("{} {name}", forger.alg()), token)).collect()
}

fn wrong_forms(forger: Forger) -> Vec<(String, String)> {
    let good = forger.token(&claims());
    let (message, _) = good.rsplit_once('.').expect("three parts");
    let forms = vec![
        ("no token at all", "x".to_owned()),
        ("two parts", message.to_owned()),
        ("no signature", format!("{message}.")),
        ("padding", format!("{good}=")),
        ("trailing bits", with_trailing_bits(&good)),
        ("an unknown API key", format!("orc_{}_{}", "0".repeat(32), "0".repeat(64))),
        ("a refresh token", format!("orr_{}_0_{}_{}", "0".repeat(32), "0".repeat(64), "0".repeat(32))),
        ("too long", "a".repeat(9_000)),
    ];
    named(forms)
}

fn wrong_headers(forger: Forger) -> Vec<(String, String)> {
    let (alg, payload) = (forger.alg(), claims().to_string());
    let unsigned = forger.signed(r#"{"alg":"none"}"#, &payload);
    let mut tokens = vec![("alg none".to_owned(), format!("{}.", unsigned.rsplit_once('.').expect("parts").0))];
    for other in ["none", "HS512", "RS256", "ES256", "HS256", "EdDSA", "Ed25519", "hs256", "eddsa"] {
        if other != alg {
            let header = json!({"alg": other, "typ": "JWT"}).to_string();
            tokens.push((format!("alg {other}, signed"), forger.signed(&header, &payload)));
        }
    }
    for header in [
        format!(r#"{{"alg":"none","alg":"{alg}"}}"#),
        format!(r#"{{"alg":"{alg}","kid":"../../dev/null"}}"#),
        format!(r#"{{"alg":"{alg}","kid":"x' or '1'='1"}}"#),
        format!(r#"{{"alg":"{alg}","kid":null}}"#),
        format!(r#"{{"alg":"{alg}","jku":"https://evil.example/keys"}}"#),
        format!(r#"{{"alg":"{alg}","jwk":{{"kty":"OKP"}}}}"#),
        format!(r#"{{"alg":"{alg}","x5u":"https://evil.example/cert"}}"#),
        format!(r#"{{"alg":"{alg}","crit":["exp"]}}"#),
        format!(r#"{{"alg":"{alg}","typ":"at+jwt"}}"#),
    ] {
        tokens.push((header.clone(), forger.signed(&header, &payload)));
    }
    tokens
}

/// The right form, signed with something else: above all with what everybody knows of the right key.
fn wrong_keys(forger: Forger) -> Vec<(String, String)> {
    let (header, payload) = (forger.header(), claims().to_string());
    let hmac = |secret: &[u8]| signed(&header, &payload, secret);
    let x = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, public_key());
    let hs256 = r#"{"alg":"HS256","typ":"JWT"}"#;
    let mut tokens = vec![
        ("another secret", hmac(b"another secret of 32 bytes or so")),
        ("an empty secret", hmac(b"")),
        ("the public key as secret", hmac(&public_key())),
        ("the public key as text as secret", hmac(x.as_bytes())),
        ("the private key's file as secret", hmac(pem().as_bytes())),
        ("another Ed25519 key", signed_with_seed(&header, &payload, &[7; 32])),
        ("no Ed25519 key", signed_with_seed(&header, &payload, &[0; 32])),
    ];
    if forger == Forger::EdDsa {
        tokens.push(("HS256 with the public key", signed(hs256, &payload, &public_key())));
        tokens.push(("HS256 with a secret", signed(hs256, &payload, SECRET.as_bytes())));
    }
    named(tokens)
}

fn wrong_claims(forger: Forger) -> Vec<(String, String)> {
    let twice = claims().to_string().replacen('{', r#"{"sub":"root","#, 1);
    let mut tokens = vec![("a claim twice".to_owned(), forger.signed(&forger.header(), &twice))];
    for name in ["iss", "aud", "sub", "org", "scope", "jti", "iat", "nbf", "exp"] {
        tokens.push((format!("no {name}"), forger.token(&claims_with(name, Value::Null))));
        tokens.push((format!("{name} of another type"), forger.token(&claims_with(name, json!(["x"])))));
    }
    let now = now_seconds();
    for (name, value) in [
        ("iss", json!("somebody-else")),
        ("aud", json!("another-daemon")),
        ("exp", json!(now - 60)),
        ("nbf", json!(now + 60)),
        ("exp", json!(f64::from(4_000_000) + 0.5)),
        ("org", json!("org_1")),
        ("family", json!("fam_00000000000070008000000000000009")),
    ] {
        tokens.push((format!("{name} is {value}"), forger.token(&claims_with(name, value))));
    }
    tokens
}

fn named(tokens: Vec<(&str, String)>) -> Vec<(String, String)> {
    tokens.into_iter().map(|(name, token)| (name.to_owned(), token)).collect()
}

#[tokio::test]
async fn a_key_id_may_name_the_key_that_signed_and_no_other() -> anyhow::Result<()> {
    for forger in Forger::BOTH {
        let daemon = forger.daemon().start().await?;
        let keys = daemon.admin_http().call("auth.key.list", json!({})).await?;
        let id = keys["items"][0]["id"].as_str().unwrap_or_default().to_owned();
        let with =
            |kid: &str| forger.signed(&json!({"alg": forger.alg(), "kid": kid}).to_string(), &claims().to_string());
        assert_eq!(ping(&daemon.http(), &with(&id)).await.status, 200);
        for other in [format!("{id}x"), id[1..].to_owned(), id.to_uppercase(), String::new()] {
            assert_eq!(ping(&daemon.http(), &with(&other)).await.status, 401, "{other}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn clocks_may_differ_by_half_a_minute() -> anyhow::Result<()> {
    for forger in Forger::BOTH {
        let daemon = forger.daemon().start().await?;
        let now = now_seconds();
        for (name, at, expected) in [("exp", -15, 200), ("exp", -45, 401), ("nbf", 15, 200), ("nbf", 45, 401)] {
            let mut claims = claims_with("iat", json!(now - 100));
            claims["nbf"] = json!(now - 100);
            claims[name] = json!(now + at);
            let status = ping(&daemon.http(), &forger.token(&claims)).await.status;
            assert_eq!(status, expected, "{} {name} {at} s from now", forger.alg());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_websocket_is_told_that_its_token_has_ended_and_nothing_else() -> anyhow::Result<()> {
    for forger in Forger::BOTH {
        let daemon = forger.daemon().start().await?;
        let mut claims = claims_with("iat", json!(now_seconds() - 100));
        (claims["nbf"], claims["exp"]) = (claims["iat"].clone(), json!(now_seconds() - 60));
        let ended = forger.token(&claims);
        let ended_and_forged = format!("{}x", &ended[..ended.len() - 2]);
        for (token, code, close) in [(&ended, "TOKEN_EXPIRED", 4003), (&ended_and_forged, "AUTH_FAILED", 4001)] {
            let mut socket = Socket::open(daemon.url(), &[]).await.expect("the first frame may authenticate");
            let frame = json!({
                "type": "auth", "id": "7b9c1d8e-3f4a-4b5c-8d6e-9f0a1b2c3d4e", "timestamp": "2026-01-01T00:00:00Z",
                "payload": {"accessToken": token},
            });
            socket.send_text(&frame.to_string()).await.expect("it is open");
            let answer: Value = serde_json::from_str(&socket.receive_text().await.expect("an answer"))?;
            assert_eq!((&answer["type"], &answer["payload"]["code"]), (&json!("auth_error"), &json!(code)));
            assert_eq!(socket.closed().await.code, Some(close));
        }
        let (first, second) =
            (ping(&daemon.http(), &ended).await.body, ping(&daemon.http(), &ended_and_forged).await.body);
        assert_eq!(first, second, "HTTP says the same to both");
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
