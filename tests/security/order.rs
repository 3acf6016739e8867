//! The layers of a call lie in an order that matters: each test fails if the two that it names are exchanged.

use std::path::{Path, PathBuf};

use orchestrator_rpc::Code;
use orchestrator_testkit::{Builder, Daemon, Socket, patiently};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tokens::SECRET;

/// An agent that anybody may give work, and a hook for what people say to it.
struct Stage(TempDir);

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let stage = Self(tempfile::tempdir()?);
        std::fs::create_dir(stage.path("agents"))?;
        std::fs::write(stage.path("agents/coder.md"), "---\ntools: []\n---\nYou do as you are told.\n")?;
        std::fs::write(stage.path("script.json"), json!({"rules": [{"say": [{"text": "done"}]}]}).to_string())?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The hook runs this script, in which `$NOTES` is a file.
    fn daemon(&self, script: &str) -> Builder {
        let program = json!({"command": ["sh", "-c", script], "environment": {"set": {"NOTES": self.path("notes")}}});
        let provider = json!({"kind": "scripted", "script": self.path("script.json")});
        Daemon::builder().without_rate_limits().config(json!({
            "models": {"providers": {"stage": provider}, "primary": "stage/scripted"},
            "agentFiles": {"directories": [self.path("agents")]},
            "hooks": {"custom": {"words": {"events": ["UserPromptSubmit"], "timeoutMs": 20_000, "program": program}}},
        }))
    }
}

fn spawn(prompt: &str) -> Value {
    json!({"agent": "coder", "prompt": prompt})
}

/// Lines that the hook wrote.
fn noted(notes: &Path) -> usize {
    std::fs::read_to_string(notes).unwrap_or_default().lines().count()
}

async fn records(socket: &mut Socket, action: &str, decision: &str) -> anyhow::Result<usize> {
    let found = socket.call("audit.list", json!({"action": action, "decision": decision})).await?;
    Ok(found["items"].as_array().map(Vec::len).unwrap_or_default())
}

/// The value of a metric with these labels; 0 if there is none.
async fn metric(daemon: &Daemon, name: &str, labels: &[&str]) -> f64 {
    let page = daemon.admin_http().get("/metrics").await.body;
    let is_meant = |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
    page.lines().filter(is_meant).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// Trace and latency, then the rate limit.
#[tokio::test]
async fn what_the_rate_limit_refuses_is_counted_and_measured() -> anyhow::Result<()> {
    let daemon = Daemon::builder().config(json!({"rateLimit": {"callsPerCredential": 3}})).start().await?;
    let mut socket = daemon.socket(&daemon.token("daemon.read").await).await;
    let answers = socket.call_all("task.list", (0..5).map(|_| json!({})), 1).await;
    let refused = answers.iter().filter(|answer| answer.as_ref().is_err_and(|e| e.code == Code::RateLimited)).count();
    assert!(refused >= 2, "{answers:?}");
    let seen = metric(&daemon, "rpc_call_duration_seconds_count", &["method=\"task.list\""]).await;
    assert_eq!(seen, 5.0);
    let counted = metric(&daemon, "rpc_errors_total", &["code=\"RATE_LIMITED\""]).await;
    assert_eq!(counted, refused as f64);
    Ok(())
}

/// The rate limit, then the audit log, then what does it.
#[tokio::test]
async fn what_the_rate_limit_refuses_is_not_written_down_and_not_done() -> anyhow::Result<()> {
    let daemon = Daemon::builder().config(json!({"rateLimit": {"callsPerCredential": 3}})).start().await?;
    let issue = |n: usize| json!({"kind": "apiKey", "subject": format!("s{n}"), "scopes": ["daemon.admin"]});
    let mut socket = daemon.admin().await;
    let token = socket.call("auth.token.issue", issue(0)).await?["token"].as_str().unwrap_or_default().to_owned();
    let answers = socket.call_all("auth.token.issue", (1..6).map(issue), 1).await;
    let done = 1 + answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((1..=3).contains(&done), "{answers:?}");
    let mut other = daemon.socket(&token).await;
    assert_eq!(records(&mut other, "auth.token.issue", "allowed").await?, done);
    Ok(())
}

/// The audit log, then the emergency stop, then hooks.
#[tokio::test]
async fn what_the_emergency_stop_refuses_is_written_down_and_no_hook_is_asked() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon("cat > /dev/null; echo asked >> \"$NOTES\"").start().await?;
    let mut admin = daemon.admin().await;
    admin.call("emergency.stop", json!({"reason": "a drill"})).await?;
    let refused = admin.call("agent.spawn", spawn("Do it.")).await.expect_err("everything is stopped");
    assert!(refused.code == Code::Forbidden && refused.message.contains("a drill"), "{refused:?}");
    assert_eq!(records(&mut admin, "agent.spawn", "denied").await?, 1);
    assert_eq!(noted(&stage.path("notes")), 0);
    admin.call("emergency.release", json!({"reason": "over"})).await?;
    admin.call("agent.spawn", spawn("Do it.")).await?;
    assert_eq!(noted(&stage.path("notes")), 1);
    Ok(())
}

/// One request per key, then hooks.
#[tokio::test]
async fn a_request_that_is_repeated_is_the_same_whatever_hooks_add_to_it() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon("cat > /dev/null; echo asked >> \"$NOTES\"; wc -l < \"$NOTES\"").start().await?;
    let mut admin = daemon.admin().await;
    let keyed = |prompt: &str| json!({"agent": "coder", "prompt": prompt, "idempotencyKey": "once"});
    let first = admin.call("agent.spawn", keyed("Do it.")).await?;
    let again = admin.call("agent.spawn", keyed("Do it.")).await?;
    assert_eq!(first["taskId"], again["taskId"]);
    let other = admin.call("agent.spawn", keyed("Do something else.")).await.expect_err("the key is taken");
    assert_eq!(other.code, Code::Conflict);
    let asked = noted(&stage.path("notes"));
    assert!((1..=2).contains(&asked), "nobody is asked about what the key refuses: {asked}");
    Ok(())
}

/// Redaction, then the audit log, then whatever refuses.
#[tokio::test]
async fn what_a_refusal_says_of_a_secret_is_hidden_from_who_is_refused_and_in_the_audit_log() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon("cat > /dev/null").env("DAEMON_JWT_SECRET", SECRET).start().await?;
    let mut admin = daemon.admin().await;
    admin.call("emergency.stop", json!({"reason": format!("it says {SECRET} everywhere")})).await?;
    let refused = admin.call("agent.spawn", spawn("Do it.")).await.expect_err("everything is stopped");
    assert!(refused.message.contains("it says [redacted:jwt-secret] everywhere"), "{refused:?}");
    let log = std::fs::read_to_string(daemon.data_directory().join("audit/audit-000001.jsonl"))?;
    assert!(log.contains("it says [redacted:jwt-secret] everywhere") && !log.contains(SECRET), "{log}");
    Ok(())
}

/// Who somebody is, then how much they may call.
#[tokio::test]
async fn who_has_no_credential_uses_up_nobody_s_calls() -> anyhow::Result<()> {
    let limits = json!({"rateLimit": {"max": 10_000, "callsPerCredential": 3}});
    let daemon = Daemon::builder().config(limits).start().await?;
    let wrong = daemon.http().with_token("orc_nobody_knows_this");
    for _ in 0..10 {
        assert_eq!(wrong.get("/api/v1/tasks").await.status, 401);
        assert_eq!(daemon.http().get("/api/v1/tasks").await.status, 401);
    }
    for _ in 0..3 {
        assert_eq!(daemon.admin_http().get("/api/v1/tasks").await.status, 200);
    }
    assert_eq!(daemon.admin_http().get("/api/v1/tasks").await.status, 429);
    Ok(())
}

/// The budget, then the provider's places.
#[tokio::test]
async fn who_has_nothing_left_to_spend_does_not_wait_for_a_place() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let rules = json!([
        {"when": {"says": "wait"}, "delayMs": 600_000, "say": [{"text": "late"}]}, {"say": [{"text": "yes"}]},
    ]);
    std::fs::write(stage.path("script.json"), json!({"rules": rules}).to_string())?;
    let provider = json!({"kind": "scripted", "script": stage.path("script.json"), "maxConcurrent": 1});
    let daemon = Daemon::builder().without_rate_limits().config(json!({
        "models": {
            "providers": {"stage": provider},
            "primary": "stage/scripted",
            "limits": {"queueMs": 60_000, "timeoutMs": 600_000},
        },
        "budget": {"daily": 8},
    }));
    let daemon = daemon.start().await?;
    let (mut first, mut second) = (daemon.admin().await, daemon.admin().await);
    let asked = |text: &str| json!({"messages": [{"role": "user", "content": text}], "maxTokens": 5});
    first.send("model.chat", asked("wait")).await.expect("a connection");
    let mut reserved = async || {
        let status = second.call("budget.status", json!({})).await.expect("a status");
        let limits = status["limits"].as_array().cloned().unwrap_or_default();
        limits.iter().any(|limit| limit["reserved"]["tokens"] == 6)
    };
    patiently("the first to be under way", async { while !reserved().await {} }).await;
    // With places first this would wait for a minute, which is longer than any call of a test.
    let refused = second.call("model.chat", asked("hello")).await.expect_err("two tokens are left");
    assert_eq!(refused.code, Code::BudgetExhausted, "{refused:?}");
    Ok(())
}
