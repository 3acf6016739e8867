use orchestrator_testkit::Daemon;
use orchestrator_vocab::{Clock as _, SystemClock};
use serde_json::json;

use crate::{EACH, asked, rules};

/// A time zone in which it is between two and three in the morning, so that most of the day is ahead.
fn early() -> String {
    let hour = SystemClock.now().millis().div_euclid(3_600_000).rem_euclid(24);
    // By this much clocks there are behind Greenwich, and the names say it so.
    match hour - 2 {
        behind @ 1..=12 => format!("Etc/GMT+{behind}"),
        0 => "Etc/GMT".into(),
        ahead @ ..0 => format!("Etc/GMT{ahead}"),
        late => format!("Etc/GMT-{}", 24 - late),
    }
}

/// Of the one limit it is most of what may be spent in a day, of the other hardly anything.
#[tokio::test]
async fn a_limit_that_will_not_last_is_told_of_and_one_that_will_is_not() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let script = directory.path().join("script.json");
    std::fs::write(&script, json!({ "rules": rules() }).to_string())?;
    let models = json!({ "providers": { "stage": { "kind": "scripted", "script": script } }, "primary": "stage/m" });
    let limits = json!([{ "scope": "model:m", "window": "day", "tokens": 1_000 * EACH }]);
    let budget = json!({
        "daily": 2 * EACH, "weekly": null, "monthly": null, "limits": limits, "timeZone": early(), "paceCheckMs": 100,
    });
    let daemon = Daemon::builder().config(json!({ "models": models, "budget": budget })).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["budget.*"]).await;
    socket.call("model.chat", asked("hello")).await?;
    let events = socket.events_until("a pace that is too fast", |event| event.name == "budget.pace").await;
    let told = events.last().expect("it was waited for");
    assert_eq!((&told.payload["scope"], &told.payload["window"]), (&json!("organisation"), &json!("day")));
    assert!(told.payload["exhaustedAt"].is_string() && told.payload["resetsAt"].is_string(), "{}", told.payload);
    let status = socket.call("budget.status", json!({})).await?;
    let paces = status["limits"].as_array().into_iter().flatten();
    let burning: Vec<_> = paces.map(|limit| (limit["scope"].as_str(), limit["pace"]["burning"].as_bool())).collect();
    assert_eq!(burning, [(Some("organisation"), Some(true)), (Some("model:m"), Some(false))], "{status}");
    let events = socket.call("event.list", json!({ "events": ["budget.pace"] })).await?;
    assert_eq!(events["items"].as_array().map(Vec::len), Some(1), "{events}");
    let metrics = daemon.admin_http().get("/metrics").await.body;
    assert!(metrics.contains("budget_burning_limits{window=\"day\"} 1"), "{metrics}");
    Ok(())
}
