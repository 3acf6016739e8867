use orchestrator_events_redis::Server;
use orchestrator_testkit::shell;
use serde_json::json;

use crate::{create, metric, redis_of, two, until, with};

#[tokio::test]
async fn a_subscriber_hears_of_the_other_daemon_without_the_database() -> anyhow::Result<()> {
    let server = Server::start()?;
    let (first, second) = two(&server).await?;
    let (mut creator, mut listener) = (first.admin().await, second.admin().await);
    listener.subscribe(&["task.created"]).await;
    // The first one may still be read from the log.
    let id = create(&mut creator, "the first").await;
    assert_eq!(listener.next_event().await.payload["taskId"], id);
    let from_log = r#"event_reads_total{source="log"}"#;
    let before = metric(&second, from_log).await;
    for n in 0..100 {
        let id = create(&mut creator, &format!("task {n}")).await;
        assert_eq!(listener.next_event().await.payload["taskId"], id);
    }
    // A busy machine may need longer for one of them than a daemon is patient.
    let read = metric(&second, from_log).await - before;
    assert!(read <= 10.0, "{read} of 100 events were read from the log");
    assert!(metric(&second, r#"redis_events_total{outcome="received"}"#).await >= 100.0);
    assert_eq!(metric(&second, "redis_up").await, 1.0);
    assert!(redis_of(&first).await["eventsSent"].as_u64() >= Some(101));
    Ok(())
}

#[tokio::test]
async fn output_of_an_agent_is_seen_through_the_other_daemon_while_it_streams() -> anyhow::Result<()> {
    let server = Server::start()?;
    let script = "for n in 1 2 3; do echo line $n; done; until [ -e go ]; do sleep 0.02; done; echo done";
    let first = with(&server).config(json!({"agents": {"talker": shell(script, &[], 1)}})).start().await?;
    let second = with(&server).database_of(&first).start().await?;
    until(&first, "up").await;
    until(&second, "up").await;
    let mut listener = second.admin().await;
    listener.subscribe(&["stream.*", "task.completed"]).await;
    let id = create(&mut listener, "talk").await;
    let mut heard = String::new();
    let live = listener.events_until("what it says", |event| {
        heard.push_str(event.payload["content"].as_str().unwrap_or_default());
        heard.contains("line 3")
    });
    live.await;
    assert!(heard.contains("line 1") && heard.contains("line 2"), "{heard}");
    // It was live: the agent has not ended yet.
    std::fs::write(first.work_directory().join("go"), "")?;
    let ended = listener.events_until("its end", |event| event.name == "task.completed").await;
    assert_eq!(ended.last().map(|event| &event.payload["taskId"]), Some(&id));
    Ok(())
}

#[tokio::test]
async fn a_daemon_that_has_just_started_answers_from_the_stream() -> anyhow::Result<()> {
    let server = Server::start()?;
    let (first, second) = two(&server).await?;
    let (mut creator, mut listener) = (first.admin().await, second.admin().await);
    listener.subscribe(&["task.created"]).await;
    // What was written while Redis was not joined yet is in the log only.
    create(&mut creator, "the first").await;
    let after = listener.next_event().await.seq.unwrap_or_default();
    for n in 0..50 {
        create(&mut creator, &format!("task {n}")).await;
        listener.next_event().await;
    }
    let third = with(&server).database_of(&first).start().await?;
    until(&third, "up").await;
    let from_log = r#"event_reads_total{source="log"}"#;
    let before = metric(&third, from_log).await;
    let mut resumed = third.admin().await;
    resumed.subscribe_after(&["task.created"], after).await;
    let mut last = None;
    for _ in 0..50 {
        let event = resumed.next_event().await;
        assert!(event.seq > last, "{:?} after {last:?}", event.seq);
        last = event.seq;
    }
    assert_eq!(metric(&third, from_log).await, before, "all of it came from Redis");
    Ok(())
}
