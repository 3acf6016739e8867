//! A reader that does not read costs bounded memory, and nobody else's time.

use orchestrator_testkit::{Daemon, Socket};

use super::{create_titled, events, rising};

const EVENTS: usize = 10_000;
/// What the daemon may grow by: its caches of recent events, the work of creating the tasks, and one send queue.
const GROWTH_KIB_MAX: u64 = 128 << 10;

#[tokio::test]
async fn a_reader_that_never_reads_hurts_nobody() -> anyhow::Result<()> {
    // Each beat looks whether the reader has taken anything.
    let config = serde_json::json!({"daemon": {"heartbeatIntervalMs": 1_000}});
    let daemon = Daemon::builder().without_rate_limits().config(config).start().await?;
    let mut maker = daemon.admin().await;
    let (mut stuck, hello) = daemon.arrive(None).await;
    stuck.subscribe(&["task.created"]).await;
    let (mut reader, _) = daemon.arrive(None).await;
    reader.subscribe(&["task.created"]).await;
    let before = resident_kib(daemon.pid())?;
    // Two kilobytes each: more than the kernel buffers for the one that does not read.
    let title = "\u{1F680}".repeat(500);
    let making = create_titled(&mut maker, EVENTS, &title);
    let ((), got) = tokio::join!(making, events(&mut reader, EVENTS));
    rising(&got);
    let after = resident_kib(daemon.pid())?;
    assert!(after < before + GROWTH_KIB_MAX, "from {before} KiB to {after} KiB");

    let texts = to_its_end(&mut stuck).await;
    assert!(texts.len() < EVENTS, "it was cut off");
    let (mut back, hello) = daemon.arrive(hello["resumeToken"].as_str()).await;
    assert_eq!(hello["resumed"], true);
    let first = back.next_event().await;
    assert_eq!(first.name, "stream.gap", "more was missed than a window keeps");
    rising(&events(&mut back, 1_000).await);
    Ok(())
}

fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.and_then(|line| line.split_whitespace().next()).unwrap_or_default().parse()?)
}

/// What had left already.
async fn to_its_end(socket: &mut Socket) -> Vec<String> {
    let mut texts = Vec::new();
    while let Ok(text) = socket.receive_text().await {
        texts.push(text);
    }
    texts
}
