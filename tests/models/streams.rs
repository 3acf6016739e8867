use orchestrator_rpc::Code;
use orchestrator_testkit::{Daemon, Event, Socket};
use serde_json::{Value, json};

use super::{daemon, hello};

fn streamed(id: &str) -> Value {
    let mut asked = hello();
    asked["streamId"] = json!(id);
    asked
}

async fn listener(daemon: &Daemon) -> Socket {
    let mut socket = daemon.admin().await;
    socket.subscribe(&["stream.*"]).await;
    socket
}

/// All pieces up to the end, and the end.
async fn pieces(socket: &mut Socket) -> (String, Event) {
    let mut said = String::new();
    loop {
        let event = socket.next_event().await;
        match event.name.as_str() {
            "stream.start" => assert!(said.is_empty()),
            "stream.chunk" => said.push_str(event.payload["content"].as_str().expect("content")),
            _ => return (said, event),
        }
    }
}

#[tokio::test]
async fn an_answer_comes_in_pieces_to_those_who_listen_and_without_secrets() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let secret = "a-secret-that-the-daemon-itself-knows-of";
    let text = format!("the key is {secret}, and this is the end");
    let script = json!({ "rules": [{ "say": [{ "text": text }], "pieceChars": 5, "pieceDelayMs": 3 }] });
    let models = json!({ "providers": super::scripts(directory.path(), &[("a", script)]), "primary": "a/m" });
    let builder = Daemon::builder().config(json!({ "models": models })).env("DAEMON_JWT_SECRET", secret);
    let daemon = builder.start().await?;
    let mut listening = listener(&daemon).await;
    let answer = daemon.admin().await.call("model.chat", streamed("mine")).await?;
    assert_eq!(super::text(&answer), text);
    let (said, end) = pieces(&mut listening).await;
    assert!(said.starts_with("the key is ") && said.ends_with(", and this is the end"), "{said}");
    assert!(!said.contains("daemon-itself"), "{said}");
    assert_eq!((end.name.as_str(), &end.payload["streamId"]), ("stream.end", &json!("mine")));
    assert_eq!(end.payload["traceId"], answer["traceId"]);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_and_nobody_goes_on_with_it() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let broken = json!({ "rules": [{
        "say": [{ "text": "half of an answer" }], "pieceChars": 4, "fault": { "error": "stream_truncated", "afterPieces": 2 },
    }] });
    let daemon = daemon(directory.path(), &[("a", broken), ("b", super::well("b"))], json!({})).await?;
    let mut listening = listener(&daemon).await;
    let refusal = daemon.admin().await.call("model.chat", streamed("mine")).await.expect_err("it broke off");
    assert_eq!(
        (refusal.code, &refusal.data.expect("details")["kind"]),
        (Code::Unavailable, &json!("stream_truncated"))
    );
    let (said, end) = pieces(&mut listening).await;
    assert_eq!((said.as_str(), end.name.as_str()), ("half of ", "stream.error"));
    assert_eq!(end.payload["kind"], "stream_truncated");
    Ok(())
}

#[tokio::test]
async fn silence_ends_in_a_time_out() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let silent = json!({ "rules": [{ "say": [{ "text": "half of an answer" }], "fault": { "silent": true, "afterPieces": 1 } }] });
    let daemon = daemon(directory.path(), &[("a", silent)], json!({ "idleTimeoutMs": 200 })).await?;
    let refusal = daemon.admin().await.call("model.chat", hello()).await.expect_err("it fell silent");
    assert_eq!(refusal.code, Code::Timeout);
    Ok(())
}
