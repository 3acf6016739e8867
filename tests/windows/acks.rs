//! What is not acknowledged comes again; what is does not.

use orchestrator_testkit::Daemon;
use serde_json::json;

use super::{create, events, resume_token, rising};

async fn impatient() -> anyhow::Result<Daemon> {
    let config = json!({"events": {"windows": {"redeliverAfterMs": 100}}});
    Daemon::builder().without_rate_limits().config(config).start().await
}

#[tokio::test]
async fn an_event_comes_again_until_it_is_acknowledged() -> anyhow::Result<()> {
    let daemon = impatient().await?;
    let mut maker = daemon.admin().await;
    let (mut socket, _) = daemon.arrive(None).await;
    socket.subscribe_with(json!({"events": ["task.created"], "requiresAck": true})).await;
    create(&mut maker, 3).await;
    let first = rising(&events(&mut socket, 3).await);
    assert_eq!(rising(&events(&mut socket, 3).await), first, "again");
    socket.call("event.ack", json!({"seq": first[1]})).await?;
    // What was on its way before the acknowledgement may still come.
    let event = loop {
        let event = socket.next_event().await;
        if event.seq == Some(first[2]) {
            break event;
        }
    };
    assert_eq!(rising(&events(&mut socket, 1).await), [first[2]], "only the last one is missing: {event:?}");
    socket.call("event.ack", json!({"seq": first[2]})).await?;
    create(&mut maker, 1).await;
    let last = loop {
        let event = socket.next_event().await;
        if event.seq > Some(first[2]) {
            break event;
        }
    };
    assert_eq!(socket.next_event().await.seq, last.seq, "those that were acknowledged are done with");
    Ok(())
}

#[tokio::test]
async fn without_acknowledgements_nothing_comes_again() -> anyhow::Result<()> {
    let daemon = impatient().await?;
    let mut maker = daemon.admin().await;
    let (mut socket, hello) = daemon.arrive(None).await;
    let plain = socket.subscribe(&["task.created"]).await;
    let careful = socket.subscribe_with(json!({"events": ["task.created"], "requiresAck": true})).await;
    create(&mut maker, 1).await;
    let times = events(&mut socket, 6).await;
    let count = |id: &String| times.iter().filter(|event| event.subscription_id == *id).count();
    assert_eq!((count(&plain), count(&careful)), (1, 5));
    socket.leave().await;
    let (mut socket, _) = daemon.arrive(Some(&resume_token(&hello))).await;
    assert_eq!(socket.next_event().await.subscription_id, careful, "the other one counts as delivered");
    Ok(())
}

#[tokio::test]
async fn an_acknowledgement_says_one_thing() -> anyhow::Result<()> {
    let daemon = impatient().await?;
    let mut socket = daemon.admin().await;
    for params in [json!({}), json!({"seq": 1, "eventIds": []}), json!({"eventIds": ["x"]}), json!({"seq": -1})] {
        let refused = socket.call("event.ack", params.clone()).await.expect_err("a refusal");
        assert_eq!(refused.code, orchestrator_rpc::Code::InvalidParams, "{params}");
    }
    assert_eq!(socket.call("event.ack", json!({"seq": 7})).await?, json!({}));
    Ok(())
}
