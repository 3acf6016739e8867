use std::sync::atomic::{AtomicBool, Ordering};

use orchestrator_events_redis::Server;
use orchestrator_testkit::{Daemon, Socket, shell};
use serde_json::{Value, json};

use crate::{create, metric, redis_of, two, until, with};

/// Both create and both listen while `disturb` does something to Redis; each listener gets every event once, in order.
async fn under_load(
    server: &mut Server,
    disturb: impl AsyncFnOnce(&mut Server, &Daemon, &Daemon) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (first, second) = two(server).await?;
    let (mut left, mut right) = (first.admin().await, second.admin().await);
    let (mut here, mut there) = (first.admin().await, second.admin().await);
    here.subscribe(&["task.created"]).await;
    there.subscribe(&["task.created"]).await;
    let over = AtomicBool::new(false);
    let write = async |socket: &mut Socket| {
        let mut ids = Vec::new();
        while !over.load(Ordering::Relaxed) || ids.len() < 50 {
            ids.push(create(socket, "under load").await);
        }
        ids
    };
    let disturbed = async {
        let done = disturb(server, &first, &second).await;
        over.store(true, Ordering::Relaxed);
        done
    };
    let (left, right) = (Box::pin(write(&mut left)), Box::pin(write(&mut right)));
    let (mut ids, more, done) = tokio::join!(left, right, Box::pin(disturbed));
    done?;
    ids.extend(more);
    for listener in [&mut here, &mut there] {
        assert_each_once(listener, &ids).await;
    }
    Ok(())
}

async fn assert_each_once(listener: &mut Socket, ids: &[Value]) {
    let (mut heard, mut last) = (Vec::new(), None);
    for _ in ids {
        let event = listener.next_event().await;
        assert_eq!(event.name, "task.created");
        assert!(event.seq > last, "{:?} after {last:?}", event.seq);
        last = event.seq;
        heard.push(event.payload["taskId"].to_string());
    }
    let mut created: Vec<_> = ids.iter().map(Value::to_string).collect();
    heard.sort();
    created.sort();
    assert!(heard == created, "lost or doubled");
}

#[tokio::test]
async fn a_redis_that_is_killed_in_the_middle_loses_nothing() -> anyhow::Result<()> {
    let mut server = Server::start()?;
    Box::pin(under_load(&mut server, async |server, first, second| {
        server.kill();
        until(first, "down").await;
        until(second, "down").await;
        assert_eq!(first.http().get("/readyz").await.status, 200, "the daemon is as ready as before");
        server.start_again()?;
        until(first, "up").await;
        until(second, "up").await;
        let said = first.log().matches("Redis is not reachable").count();
        assert_eq!((said, &redis_of(first).await["outages"]), (1, &1.into()), "told once, not with every event");
        Ok(())
    }))
    .await
}

#[tokio::test]
async fn a_redis_that_is_flushed_in_the_middle_loses_nothing() -> anyhow::Result<()> {
    let mut server = Server::start()?;
    Box::pin(under_load(&mut server, async |server, first, _| {
        for _ in 0..10 {
            server.flush()?;
            redis_of(first).await;
        }
        Ok(())
    }))
    .await
}

#[tokio::test]
async fn a_redis_that_stops_answering_in_the_middle_loses_nothing() -> anyhow::Result<()> {
    let mut server = Server::start()?;
    Box::pin(under_load(&mut server, async |server, first, second| {
        server.stall();
        until(first, "down").await;
        until(second, "down").await;
        server.resume();
        until(first, "up").await;
        until(second, "up").await;
        Ok(())
    }))
    .await
}

#[tokio::test]
async fn a_daemon_started_without_redis_works_and_joins_later() -> anyhow::Result<()> {
    let mut server = Server::absent()?;
    let first = with(&server).start().await?;
    let second = with(&server).database_of(&first).start().await?;
    until(&first, "down").await;
    until(&second, "down").await;
    let (mut creator, mut listener) = (first.admin().await, second.admin().await);
    listener.subscribe(&["task.created"]).await;
    for state in ["down", "up"] {
        if state == "up" {
            server.start_again()?;
        }
        until(&first, state).await;
        until(&second, state).await;
        for n in 0..20 {
            let id = create(&mut creator, &format!("task {n}")).await;
            assert_eq!(listener.next_event().await.payload["taskId"], id, "while it is {state}");
        }
    }
    assert!(redis_of(&second).await["eventsReceived"].as_u64() >= Some(20));
    Ok(())
}

#[tokio::test]
async fn output_that_an_outage_swallows_leaves_a_gap_on_the_other_daemon() -> anyhow::Result<()> {
    let mut server = Server::start()?;
    let wait = |file: &str| format!("until [ -e {file} ]; do sleep 0.02; done");
    let script = format!("echo before; {}; echo meanwhile; {}; echo after", wait("go"), wait("on"));
    let first = with(&server).config(json!({"agents": {"talker": shell(&script, &[], 1)}})).start().await?;
    let second = with(&server).database_of(&first).start().await?;
    until(&first, "up").await;
    until(&second, "up").await;
    let (mut here, mut there, mut tasks) = (first.admin().await, second.admin().await, second.admin().await);
    here.subscribe(&["stream.*"]).await;
    there.subscribe(&["stream.*"]).await;
    tasks.subscribe(&["task.*"]).await;
    create(&mut tasks, "talk").await;
    let says = |event: &orchestrator_testkit::Event, what: &str| {
        event.payload["content"].as_str().is_some_and(|said| said.contains(what))
    };
    let before = there.events_until("its first words", |event| says(event, "before")).await;
    assert!(before.iter().all(|event| event.name != "stream.gap"), "{before:?}");
    server.kill();
    until(&first, "down").await;
    until(&second, "down").await;
    assert!(metric(&second, "redis_down_seconds").await > 0.0);
    std::fs::write(first.work_directory().join("go"), "")?;
    here.events_until("what nobody carries", |event| says(event, "meanwhile")).await;
    server.start_again()?;
    until(&first, "up").await;
    until(&second, "up").await;
    assert!(metric(&second, "redis_down_seconds").await == 0.0);
    std::fs::write(first.work_directory().join("on"), "")?;
    let after = there.events_until("its last words", |event| says(event, "after")).await;
    let gap = after.iter().find(|event| event.name == "stream.gap").map(|event| event.payload["reason"].clone());
    assert_eq!(gap, Some(json!("relay")), "{after:?}");
    assert!(!after.iter().any(|event| says(event, "meanwhile")), "{after:?}");
    let told = tasks.events_until("its end", |event| event.name == "task.completed").await;
    assert!(told.iter().all(|event| event.name != "stream.gap"), "who wants no output has no gap: {told:?}");
    Ok(())
}

#[tokio::test]
async fn a_redis_that_is_full_and_refuses_loses_nothing() -> anyhow::Result<()> {
    let mut server = Server::start_with(|port| {
        let limits = ["--maxmemory", "500kb", "--maxmemory-policy", "noeviction", "--port"];
        limits.iter().map(|part| (*part).to_owned()).chain([port.to_string()]).collect()
    })?;
    Box::pin(under_load(&mut server, async |_, first, _| {
        let refused = async { while redis_of(first).await["lastError"].is_null() {} };
        orchestrator_testkit::patiently("Redis to refuse", refused).await;
        assert!(redis_of(first).await["lastError"].to_string().contains("OOM"), "{}", redis_of(first).await);
        Ok(())
    }))
    .await
}
