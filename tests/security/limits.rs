use http::Method;
use orchestrator_rpc::Code;
use orchestrator_testkit::{Builder, Daemon, Http, Reply, Socket};
use serde_json::{Value, json};

use crate::still_ready;

fn limited(limits: Value) -> Builder {
    Daemon::builder().config(json!({"rateLimit": limits}))
}

async fn times(http: &Http, count: usize, headers: &[(&str, &str)]) -> Vec<Reply> {
    let mut replies = Vec::new();
    for _ in 0..count {
        replies.push(http.send(Method::GET, "/api/v1/tasks", headers, "").await);
    }
    replies
}

fn statuses(replies: &[Reply]) -> Vec<u16> {
    replies.iter().map(|reply| reply.status).collect()
}

#[tokio::test]
async fn requests_without_a_credential_are_counted_per_address() -> anyhow::Result<()> {
    let daemon = limited(json!({"max": 5, "windowMs": 60_000})).start().await?;
    let replies = times(&daemon.http(), 8, &[]).await;
    assert_eq!(statuses(&replies), [401, 401, 401, 401, 401, 429, 429, 429]);
    let wait: u64 = replies[7].header("retry-after").unwrap_or_default().parse()?;
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(
        Socket::open(daemon.url(), &[]).await.is_err_and(|refused| refused.status == Some(429)),
        "upgrades count too"
    );
    still_ready(&daemon).await;
    // Whoever has a credential is not among those who are counted by address.
    daemon.admin_http().call("task.list", json!({})).await?;

    let unlimited = limited(json!({"enabled": false, "max": 5, "windowMs": 60_000})).start().await?;
    assert_eq!(statuses(&times(&unlimited.http(), 8, &[]).await), [401; 8]);
    Ok(())
}

#[tokio::test]
async fn failed_logins_are_counted_per_address() -> anyhow::Result<()> {
    let daemon = limited(json!({"max": 5})).start().await?;
    let wrong = [("authorization", "Bearer wrong")];
    assert_eq!(statuses(&times(&daemon.http(), 7, &wrong).await), [401, 401, 401, 401, 401, 429, 429]);
    Ok(())
}

#[tokio::test]
async fn what_a_proxy_says_is_believed_only_from_listed_proxies() -> anyhow::Result<()> {
    let forwarded = |n: usize| format!("203.0.113.{n}");
    let strangers = limited(json!({"max": 3})).start().await?;
    let trusting =
        limited(json!({"max": 3})).config(json!({"gateway": {"trustedProxies": ["127.0.0.1"]}})).start().await?;
    for (daemon, expected) in [(&strangers, 429), (&trusting, 401)] {
        let mut last = 0;
        for n in 1..=6 {
            last = times(&daemon.http(), 1, &[("x-forwarded-for", &forwarded(n))]).await[0].status;
        }
        assert_eq!(last, expected);
    }
    assert_eq!(
        statuses(&times(&trusting.http(), 4, &[("x-forwarded-for", "203.0.113.9")]).await),
        [401, 401, 401, 429]
    );
    Ok(())
}

#[tokio::test]
async fn calls_are_counted_per_credential_and_pings_are_free() -> anyhow::Result<()> {
    let daemon = limited(json!({"callsPerCredential": 10})).start().await?;
    let other = daemon.organisation("other").await;
    let token = daemon.token("daemon.read").await;
    let mut socket = daemon.socket(&token).await;
    for call in 0..12 {
        socket.call("health.ping", json!({})).await?;
        let outcome = socket.call("task.list", json!({})).await;
        let refused = outcome.err();
        assert_eq!(refused.as_ref().map(|error| error.code), (call >= 10).then_some(Code::RateLimited), "call {call}");
        assert_eq!(refused.is_some_and(|error| error.retry_after.is_some()), call >= 10, "call {call}");
    }
    let reply = daemon.http().with_token(&token).get("/api/v1/tasks").await;
    assert_eq!((reply.status, reply.header("retry-after").is_some()), (429, true), "one count for all faces");
    // Another credential, and another organisation, are not touched.
    daemon.admin_http().call("task.list", json!({})).await?;
    other.http(&daemon).call("task.list", json!({})).await?;

    let more = limited(json!({"callsPerCredential": 1000})).start().await?;
    let mut socket = more.socket(&more.token("daemon.read").await).await;
    for _ in 0..12 {
        socket.call("task.list", json!({})).await?;
    }
    Ok(())
}

#[tokio::test]
async fn each_call_of_a_batch_counts() -> anyhow::Result<()> {
    let daemon = limited(json!({"callsPerCredential": 10})).start().await?;
    let http = daemon.http().with_token(&daemon.token("daemon.read").await);
    let call = |id: usize| json!({"jsonrpc": "2.0", "id": id, "method": "task.list"});
    let replies = http.post("/rpc", &json!((0..15).map(call).collect::<Vec<_>>())).await.json();
    let refused = |reply: &&Value| reply["error"]["code"] == Code::RateLimited.json_rpc();
    assert_eq!(replies.as_array().map(|replies| replies.iter().filter(refused).count()), Some(5), "{replies}");
    Ok(())
}
