use std::fmt::Write as _;
use std::time::{Duration, Instant};

use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

use crate::Scale;
use crate::figure::{Aim, Figure, micros, millis, percentile};
use crate::process::processor_time;

/// Lines of the charter that everybody acts under.
const LINES: usize = 200;

/// What governing adds to a call: an operation that is also a tool, called as a tool through hooks, gate, charter and audit log, and
/// as it is.
pub(crate) async fn measure(scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let place = tempfile::tempdir()?;
    let rules: String = (0..LINES).fold(String::new(), |mut rules, number| {
        let _ = write!(rules, "mcp.server-{}.do-{number}, ", number % 9);
        rules
    });
    std::fs::write(
        place.path().join("everybody.yaml"),
        format!("safetyHeuristics:\n  alwaysReject: [{rules}fs.remove]\n"),
    )?;
    let daemon = Daemon::builder().without_rate_limits().config(json!({
        "charters": {"directory": place.path(), "everyone": ["everybody"]},
        "tools": {"allow": ["agent.list"]},
        "hooks": {"builtin": ["secrets", "dangerousCommands"]},
    }));
    let daemon = daemon.start().await?;
    let mut socket = daemon.admin().await;
    let times = scale.of(20_000, 200);
    let governed = ("tool.call", json!({"tool": "agent.list", "arguments": {}}));
    let bare = ("agent.list", json!({}));
    // So that neither is the first to be asked.
    called(&mut socket, &governed, times / 10).await?;
    called(&mut socket, &bare, times / 10).await?;
    let (mut took, mut busy) = (Vec::new(), Vec::new());
    for call in [&governed, &bare] {
        let before = processor_time(daemon.pid())?;
        took.push(called(&mut socket, call, times).await?);
        busy.push(processor_time(daemon.pid())?.saturating_sub(before));
    }
    let verified = socket.call("audit.verify", json!({})).await?;
    let written = verified["records"].as_u64().unwrap_or_default();
    anyhow::ensure!(written >= u64::try_from(times)?, "not each call is in the audit log: {verified}");
    let conditions = format!(
        "agent.list as a tool through 2 hooks in the process, the gate, a charter of {} lines and the synced audit log, less agent.list itself; {times} calls over one WebSocket, one at a time",
        LINES + 1
    );
    let more = |percent: usize, took: &mut [Vec<Duration>]| {
        let [governed, bare] = took else { return Duration::ZERO };
        percentile(governed, percent).saturating_sub(percentile(bare, percent))
    };
    let added = busy[0].saturating_sub(busy[1]);
    Ok(vec![
        Figure::new("governed.added.p50", millis(more(50, &mut took)), "ms", format!("{conditions}; half"))
            .aiming(Aim::AtMost(1.0)),
        Figure::new("governed.added.p99", millis(more(99, &mut took)), "ms", format!("{conditions}; 99 %")),
        Figure::new("governed.added.cpu", micros(added) / times as f64, "µs CPU", conditions),
    ])
}

async fn called(socket: &mut Socket, (method, params): &(&str, Value), times: usize) -> anyhow::Result<Vec<Duration>> {
    let mut samples = Vec::new();
    for _ in 0..times {
        let started = Instant::now();
        socket.call(method, params.clone()).await?;
        samples.push(started.elapsed());
    }
    Ok(samples)
}
