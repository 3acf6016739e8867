use orchestrator_testkit::Daemon;
use serde_json::json;

use crate::{Receiver, notify};

/// As when the disk with the audit log is gone.
#[tokio::test]
async fn a_daemon_that_cannot_write_its_audit_log_says_so_and_says_when_it_can_again() -> anyhow::Result<()> {
    let mut receiver = Receiver::start(204).await?;
    let notify = notify(&receiver, &["audit.*", "daemon.*"]);
    let config = json!({ "notify": notify, "audit": { "segmentBytesMax": 4096 } });
    let daemon = Daemon::builder().config(config).start().await?;
    let mut admin = daemon.admin().await;
    let (directory, away) = (daemon.data_directory().join("audit"), daemon.data_directory().join("away"));
    std::fs::rename(&directory, &away)?;
    // Each is a change by an administrator, and writes a record; the file is full after some.
    let change = json!({ "scope": "organisation", "window": "hour", "tokens": 5 });
    while admin.call("budget.set", change.clone()).await.is_ok() {}
    let names = ["audit.unwritable", "daemon.unready"];
    for name in names {
        let told = receiver.next().await;
        assert_eq!(
            (&told.body["type"], &told.body["data"]["severity"]),
            (&json!(name), &json!("critical")),
            "{told:?}"
        );
    }
    std::fs::rename(&away, &directory)?;
    admin.call("budget.set", change).await?;
    assert_eq!(receiver.next().await.body["type"], "daemon.ready");
    let events = admin.call("event.list", json!({ "events": ["audit.*", "daemon.*"] })).await?;
    assert_eq!(events["items"].as_array().map(Vec::len), Some(3), "{events}");
    Ok(())
}
