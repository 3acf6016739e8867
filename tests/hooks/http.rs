use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use orchestrator_testkit::PATIENCE;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::{Stage, named, run};

const SECRET: &str = "a secret of sixteen or more";

/// Headers `x-orchestrator-timestamp` and `-signature`, and the body.
type Heard = Arc<Mutex<Vec<(String, String, String)>>>;

/// Answers each request with this status and text, for as long as it is kept.
async fn server(status: u16, answer: Value) -> anyhow::Result<(String, Heard, JoinSet<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (url, heard, mut serving) =
        (format!("http://{}/hook", listener.local_addr()?), Heard::default(), JoinSet::new());
    let hears = heard.clone();
    serving.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (heard, answer) = (hears.clone(), answer.to_string());
            let service = service_fn(move |request: http::Request<Incoming>| {
                let (heard, answer) = (heard.clone(), answer.clone());
                async move {
                    let header = |name: &str| {
                        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
                    };
                    let (timestamp, signature) =
                        (header("x-orchestrator-timestamp"), header("x-orchestrator-signature"));
                    let body = request.into_body().collect().await?.to_bytes();
                    let told = (timestamp, signature, String::from_utf8_lossy(&body).into_owned());
                    heard.lock().expect("nobody panics with it").push(told);
                    let response = http::Response::builder().status(status).body(Full::new(Bytes::from(answer)));
                    anyhow::Ok(response?)
                }
            });
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A test that ends closes connections in the middle.
            let _ = tokio::time::timeout(PATIENCE, served).await;
        }
    });
    Ok((url, heard, serving))
}

fn hook(url: &str) -> Value {
    named("server", json!({ "events": ["PreToolUse"], "http": { "url": url, "secret": SECRET } }))
}

fn signature(timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
    mac.update(format!("{timestamp}.{body}").as_bytes());
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

#[tokio::test]
async fn a_server_is_told_by_a_signed_request_and_its_answer_counts() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let (url, heard, _serving) = server(200, json!({ "decision": "block", "reason": "not by me" })).await?;
    let daemon = stage.daemon(&[], hook(&url))?.start().await?;
    let mut admin = daemon.admin().await;
    let refused = admin.call("tool.call", run(&["true"])).await.expect_err("it is blocked");
    assert_eq!(refused.message, "blocked by the hook server: not by me");
    let told = heard.lock().expect("nobody panics with it").clone();
    let [(timestamp, signed, body)] = &told[..] else { panic!("one request: {told:?}") };
    assert_eq!(*signed, signature(timestamp, body));
    let body: Value = serde_json::from_str(body)?;
    assert_eq!((&body["hook_event_name"], &body["tool_name"]), (&json!("PreToolUse"), &json!("command.run")), "{body}");
    let shown = admin.call("config.get", json!({})).await?.to_string();
    assert!(!shown.contains(SECRET) && !daemon.log().contains(SECRET));
    Ok(())
}

#[tokio::test]
async fn a_server_that_lets_pass_lets_pass_and_one_that_fails_denies() -> anyhow::Result<()> {
    for (status, passes) in [(200, true), (500, false), (302, false)] {
        let stage = Stage::new()?;
        let (url, _, _serving) = server(status, json!({})).await?;
        let daemon = stage.daemon(&[], hook(&url))?.start().await?;
        let called = daemon.admin().await.call("tool.call", run(&["true"])).await;
        assert_eq!(called.is_ok(), passes, "{status}: {called:?}");
    }
    let stage = Stage::new()?;
    let nobody = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let daemon = stage.daemon(&[], hook(&format!("http://{nobody}/")))?.start().await?;
    let refused = daemon.admin().await.call("tool.call", run(&["true"])).await.expect_err("nobody is there");
    assert!(refused.message.contains("it failed"), "{refused:?}");
    Ok(())
}
