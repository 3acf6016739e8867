//! No secret gets out, whichever way it came in: what is planted in each is looked for in everything that the daemon writes or tells.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use orchestrator_testkit::{Builder, Daemon, Event, Socket, shell};
use serde_json::{Value, json};

use crate::{Receiver, notify};

/// What the daemon signs with, of letters that every way of writing it down writes otherwise.
const PLANTED: &str = "pl4nt/ed+S3cret?of=th1s&Daemon:42xyz~";

/// Which way it comes in, and the places that tell of it, so that it is known that they would have told the secret.
const WAYS: [(&str, &[&str]); 8] = [
    ("prompt-way", &["hooks"]),
    ("title-way", &["hooks"]),
    ("model-way", &["pieces"]),
    ("argument-way", &["audit", "events", "hooks"]),
    ("output-way", &["events", "hooks"]),
    ("program-way", &["events", "notifications", "results"]),
    ("hook-way", &["audit", "errors", "log", "log file"]),
    ("method-way", &["errors", "log", "log file"]),
];

/// As it is, in base64, base64url, hexadecimal digits, and as in an address.
fn forms() -> Vec<String> {
    let hex = |digit: fn(u8) -> String| PLANTED.bytes().map(digit).collect::<String>();
    let address = PLANTED.bytes().fold(String::new(), |mut text, byte| {
        let stays = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let _ = if stays { write!(text, "{}", char::from(byte)) } else { write!(text, "%{byte:02X}") };
        text
    });
    vec![
        PLANTED.to_owned(),
        STANDARD.encode(PLANTED).trim_end_matches('=').to_owned(),
        URL_SAFE_NO_PAD.encode(PLANTED),
        hex(|byte| format!("{byte:02x}")),
        hex(|byte| format!("{byte:02X}")),
        address,
    ]
}

/// The secret in every form behind the name of its way.
fn leak(way: &str) -> String {
    format!("{way} {}", forms().join(" "))
}

/// A model that tells it, a program that prints it, a hook that says it, and one that notes all it hears.
fn daemon(place: &Path, receiver: &Receiver) -> anyhow::Result<Builder> {
    for directory in ["agents", "source"] {
        std::fs::create_dir(place.join(directory))?;
    }
    std::fs::write(place.join("source/told.txt"), leak("output-way"))?;
    let front = "tools: [fs.*]\nworkspace: shared\nworkspaceSource: main";
    std::fs::write(place.join("agents/coder.md"), format!("---\n{front}\n---\nYou do as you are told.\n"))?;
    let call = |tool: &str, arguments: Value| json!({"call": {"tool": tool, "arguments": arguments}});
    let write = call("fs.write", json!({"path": "a.txt", "content": leak("argument-way")}));
    let rules = json!([
        {"when": {"turn": 1}, "say": [{"text": leak("model-way")}, write]},
        {"when": {"turn": 2}, "say": [call("fs.read", json!({"path": "told.txt"}))]},
        {"say": [{"text": "done"}]},
    ]);
    std::fs::write(place.join("script.json"), json!({"rules": rules}).to_string())?;
    let hook = |events: &[&str], script: String| json!({"events": events, "timeoutMs": 20_000, "program": {"command": ["sh", "-c", script]}});
    let heard = place.join("heard");
    let events = ["UserPromptSubmit", "PreTask", "PreToolUse", "PostToolUse", "SessionStart", "SessionEnd", "PostTask"];
    let says = format!("case \"$(cat)\" in *forbidden*) echo '{}' >&2; exit 2;; esac", leak("hook-way"));
    let prints = format!("cat > /dev/null; echo '{0}'; echo '{0}' >&2; exit 1", leak("program-way"));
    Ok(Daemon::builder().without_rate_limits().env("DAEMON_JWT_SECRET", PLANTED).env("LOG_LEVEL", "trace").config(
        json!({
            "models": {
                "providers": {"stage": {"kind": "scripted", "script": place.join("script.json")}},
                "primary": "stage/scripted",
            },
            "agents": {"leaky": shell(&prints, &["leaking"], 1)},
            "agentFiles": {"directories": [place.join("agents")]},
            "workspaces": {"sources": {"main": place.join("source")}},
            "tools": {"allow": ["fs.*"]},
            "tasks": {"sweepMs": 20, "maxAttempts": 1},
            "logging": {"file": place.join("daemon.log"), "level": "debug"},
            "hooks": {"custom": {
                "ear": hook(&events, format!("cat >> {}", heard.display())),
                "mouth": hook(&["UserPromptSubmit"], says),
            }},
            "notify": notify(receiver, &["task.failed"]),
        }),
    ))
}

async fn ended(socket: &mut Socket, names: [&str; 2]) -> Vec<Event> {
    let mut missing = names.to_vec();
    socket
        .events_until("both ends", move |event| {
            missing.retain(|name| *name != event.name);
            missing.is_empty()
        })
        .await
}

/// What was said in pieces, put together: a secret may lie in several.
fn pieces(events: &[Event]) -> String {
    events
        .iter()
        .filter(|event| event.name == "stream.chunk")
        .filter_map(|event| event.payload["content"].as_str())
        .collect()
}

/// What each place was told.
struct Places(Vec<(&'static str, String)>);

impl Places {
    fn of(&self, place: &str) -> &str {
        self.0.iter().find(|(name, _)| *name == place).map_or("", |(_, told)| told)
    }
}

#[tokio::test]
async fn no_secret_gets_out_whichever_way_it_came_in() -> anyhow::Result<()> {
    let (place, mut receiver) = (tempfile::tempdir()?, Receiver::start(204).await?);
    let daemon = daemon(place.path(), &receiver)?.start().await?;
    let (mut admin, mut errors) = (daemon.admin().await, String::new());
    admin.subscribe(&["**"]).await;
    let spawn = |prompt: String| json!({"agent": "coder", "prompt": prompt});
    admin.call("agent.spawn", spawn(leak("prompt-way"))).await?;
    let leaking = json!({"title": leak("title-way"), "requiredCapabilities": ["leaking"]});
    let leaking = admin.call("task.create", leaking).await?;
    let events = ended(&mut admin, ["task.completed", "task.failed"]).await;
    for (method, params) in
        [("agent.spawn", spawn("something forbidden".to_owned())), (leak("method-way").as_str(), json!({}))]
    {
        let refused = admin.call(method, params).await.expect_err("it is refused");
        let _ = writeln!(errors, "{refused:?}");
    }
    let notified = receiver.next().await.body.to_string();
    let failed = admin.call("task.get", json!({"taskId": leaking["id"]})).await?;
    let listed = admin.call("event.list", json!({"limit": 1000})).await?;
    let traces = admin.call("model.traces", json!({})).await?;
    anyhow::ensure!(traces["items"].as_array().is_some_and(|traces| !traces.is_empty()), "{traces}");
    let page = daemon.admin_http().get("/metrics").await.body;
    let read = |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let (audit, heard) = (daemon.data_directory().join("audit/audit-000001.jsonl"), place.path().join("heard"));
    let (audit, heard) = (read(audit), read(heard));
    // What it says as it ends is told as well.
    let (_, log) = daemon.terminate().await;
    check(&Places(vec![
        ("audit", audit),
        ("errors", errors),
        ("events", format!("{events:?} {listed}")),
        ("hooks", heard),
        ("log", log),
        ("log file", read(place.path().join("daemon.log"))),
        ("metrics", page),
        ("model traces", traces.to_string()),
        ("notifications", notified),
        ("pieces", pieces(&events)),
        ("results", format!("{} {}", failed["result"], failed["error"])),
    ]));
    Ok(())
}

#[track_caller]
fn check(places: &Places) {
    for (place, told) in &places.0 {
        for form in forms() {
            let at = told.find(&form).map(|at| {
                let (from, to) = (at.saturating_sub(300), (at + 300).min(told.len()));
                told[told.floor_char_boundary(from)..told.floor_char_boundary(to)].to_owned()
            });
            assert_eq!(at, None, "{place} has {form}");
        }
    }
    let missing = WAYS.iter().flat_map(|(way, told_in)| {
        told_in.iter().filter(move |place| !places.of(place).contains(way)).map(move |place| (*way, *place))
    });
    assert_eq!(missing.collect::<Vec<_>>(), [], "what came this way is not told there, or no more");
}
