//! A reader that does not read costs bounded memory, and nobody else's time.

use orchestrator_testkit::{Daemon, Gone, Socket, patiently};
use serde_json::{Value, json};

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

    let (texts, _) = to_its_end(&mut stuck).await;
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

/// What had left already, and how it ended.
async fn to_its_end(socket: &mut Socket) -> (Vec<String>, Gone) {
    let mut texts = Vec::new();
    loop {
        match socket.receive_text().await {
            Ok(text) => texts.push(text),
            Err(gone) => return (texts, gone),
        }
    }
}

#[tokio::test]
async fn who_is_cut_off_reads_last_how_to_come_back() -> anyhow::Result<()> {
    let config = serde_json::json!({"daemon": {"heartbeatIntervalMs": 4_000}});
    let daemon = Daemon::builder().without_rate_limits().config(config).start().await?;
    let mut maker = daemon.admin().await;
    let (mut stuck, hello) = daemon.arrive(None).await;
    stuck.subscribe(&["task.created"]).await;
    let mut watcher = daemon.admin().await;
    let reading = async {
        // It begins to read in the moment in which it is given up: the daemon waits for that a little.
        let given_up = async { while is_open(&mut watcher, &hello["connectionId"]).await {} };
        patiently("the reader to be given up", given_up).await;
        to_its_end(&mut stuck).await
    };
    let title = "\u{1F680}".repeat(500);
    let ((), (mut texts, gone)) = tokio::join!(create_titled(&mut maker, 6_000, &title), reading);
    assert_eq!(gone.code, Some(1013), "{gone:?}");
    let last: Value = serde_json::from_str(&texts.pop().expect("a last frame"))?;
    assert_eq!(last["method"], "connection.reconnect", "{last}");
    let told = &last["params"]["payload"];
    assert_eq!((&told["resumeToken"], told["delay"].is_u64()), (&hello["resumeToken"], true), "{last}");
    let events: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?;
    assert!(events.iter().all(|event| event["method"] == "task.created"), "nothing else of the connection itself");

    let (mut back, hello) = daemon.arrive(told["resumeToken"].as_str()).await;
    assert_eq!(hello["resumed"], true);
    assert_eq!(back.next_event().await.name, "stream.gap");
    rising(&super::events(&mut back, 1_000).await);
    Ok(())
}

/// Whether the daemon counts it among its connections.
async fn is_open(socket: &mut Socket, id: &Value) -> bool {
    let listed = socket.call("connection.list", json!({})).await.expect("a list");
    listed["items"].as_array().into_iter().flatten().any(|one| one["connectionId"] == *id)
}
