//! What was missed comes, in order, and once.

use orchestrator_testkit::{Backend, Daemon, on_both_backends};
use serde_json::json;

use super::{create, events, resume_token, rising};

const SECRET: &str = "what both daemons of this test sign with";

async fn what_was_missed_comes_in_order(backend: Backend) -> anyhow::Result<()> {
    let daemon = Daemon::builder().backend(backend).without_rate_limits().start().await?;
    let mut maker = daemon.admin().await;
    let (mut socket, hello) = daemon.arrive(None).await;
    let token = resume_token(&hello);
    let first = socket.subscribe(&["task.created"]).await;
    let second = socket.subscribe(&["task.deleted"]).await;
    create(&mut maker, 3).await;
    rising(&events(&mut socket, 3).await);
    socket.leave().await;
    create(&mut maker, 5).await;

    let (mut socket, hello) = daemon.arrive(Some(&token)).await;
    assert_eq!((&hello["resumed"], hello["resumeToken"].as_str()), (&json!(true), Some(token.as_str())));
    let ids: Vec<_> =
        hello["subscriptions"].as_array().into_iter().flatten().map(|one| &one["subscriptionId"]).collect();
    assert_eq!(ids, [&json!(first), &json!(second)], "in the order they were made");
    let missed = events(&mut socket, 5).await;
    rising(&missed);
    assert!(missed.iter().all(|event| event.name == "task.created" && event.subscription_id == first));
    create(&mut maker, 1).await;
    let live = socket.next_event().await;
    assert!(live.seq > missed[4].seq && live.name == "task.created");
    socket.call("unsubscribe", json!({"subscriptionId": first})).await?;
    socket.leave().await;
    let (_socket, hello) = daemon.arrive(Some(&token)).await;
    assert_eq!(hello["subscriptions"].as_array().map(Vec::len), Some(1), "what was unsubscribed is forgotten: {hello}");
    Ok(())
}

async fn a_killed_daemon_knows_what_was_missed(backend: Backend) -> anyhow::Result<()> {
    let daemon = Daemon::builder().backend(backend).without_rate_limits().start().await?;
    let mut maker = daemon.admin().await;
    let (mut socket, hello) = daemon.arrive(None).await;
    let token = resume_token(&hello);
    socket.subscribe(&["task.created"]).await;
    create(&mut maker, 3).await;
    let before = rising(&events(&mut socket, 3).await);
    socket.leave().await;
    create(&mut maker, 4).await;
    let daemon = daemon.kill().await.start().await?;
    create(&mut daemon.admin().await, 2).await;
    let (mut socket, hello) = daemon.arrive(Some(&token)).await;
    assert_eq!(hello["resumed"], true);
    let missed = rising(&events(&mut socket, 6).await);
    assert!(missed[0] > before[2], "nothing comes twice: {before:?}, then {missed:?}");
    create(&mut daemon.admin().await, 1).await;
    assert!(socket.next_event().await.seq > missed.last().copied(), "and there was nothing else");
    Ok(())
}

async fn a_daemon_killed_under_its_subscriber_loses_nothing(backend: Backend) -> anyhow::Result<()> {
    let daemon = Daemon::builder().backend(backend).without_rate_limits().start().await?;
    let mut maker = daemon.admin().await;
    let (mut socket, hello) = daemon.arrive(None).await;
    let token = resume_token(&hello);
    socket.subscribe_with(json!({"events": ["task.created"], "requiresAck": true})).await;
    create(&mut maker, 10).await;
    let got = rising(&events(&mut socket, 7).await);
    socket.call("event.ack", json!({"seq": got[3]})).await?;
    let daemon = daemon.kill().await.start().await?;
    let (mut socket, _) = daemon.arrive(Some(&token)).await;
    create(&mut daemon.admin().await, 1).await;
    // Whether the acknowledgement was written in time is luck; from where it goes on, nothing is missing.
    let mut again = vec![socket.next_event().await];
    let start = got.iter().position(|seq| Some(*seq) == again[0].seq);
    let start = start.expect("it goes on at or before what was not acknowledged");
    assert!(start <= 4, "{got:?} then {again:?}");
    again.extend(events(&mut socket, 10 - start).await);
    let again = rising(&again);
    assert_eq!(again[..7 - start], got[start..]);
    Ok(())
}

async fn a_thousand_are_kept_and_the_gap_comes_first(backend: Backend) -> anyhow::Result<()> {
    let daemon = Daemon::builder().backend(backend).without_rate_limits().start().await?;
    let mut maker = daemon.admin().await;
    let (mut socket, hello) = daemon.arrive(None).await;
    socket.subscribe(&["task.created"]).await;
    socket.leave().await;
    create(&mut maker, 1_200).await;
    let (mut socket, _) = daemon.arrive(Some(&resume_token(&hello))).await;
    let gap = socket.next_event().await;
    assert_eq!(
        (gap.name.as_str(), &gap.payload["count"], &gap.payload["reason"]),
        ("stream.gap", &json!(200), &json!("window"))
    );
    let kept = rising(&events(&mut socket, 1_000).await);
    assert!(kept[0] > gap.payload["to"].as_u64().unwrap_or(u64::MAX));
    create(&mut maker, 1).await;
    assert!(socket.next_event().await.seq > kept.last().copied(), "a thousand, and no more");
    Ok(())
}

on_both_backends!(
    what_was_missed_comes_in_order,
    a_killed_daemon_knows_what_was_missed,
    a_daemon_killed_under_its_subscriber_loses_nothing,
    a_thousand_are_kept_and_the_gap_comes_first,
);

#[tokio::test]
async fn a_subscriber_comes_back_to_another_daemon() -> anyhow::Result<()> {
    let builder =
        || Daemon::builder().backend(Backend::Postgres).without_rate_limits().env("DAEMON_JWT_SECRET", SECRET);
    let one = builder().start().await?;
    let two = builder().database_of(&one).start().await?;
    let mut maker = one.admin().await;
    let key = one.token("daemon.read").await;
    let (mut socket, hello) = orchestrator_testkit::Socket::arrive(one.url(), &key, None).await;
    socket.subscribe_with(json!({"events": ["task.created"], "requiresAck": true})).await;
    create(&mut maker, 2).await;
    let got = rising(&events(&mut socket, 2).await);
    socket.call("event.ack", json!({"seq": got[0]})).await?;
    socket.leave().await;
    create(&mut maker, 3).await;
    let (mut socket, hello) = orchestrator_testkit::Socket::arrive(two.url(), &key, Some(&resume_token(&hello))).await;
    assert_eq!(hello["resumed"], true);
    let missed = rising(&events(&mut socket, 4).await);
    assert_eq!(missed[0], got[1]);
    Ok(())
}
