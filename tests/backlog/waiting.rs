//! Whoever has others work learns what came of it by one call.

use orchestrator_testkit::{Backend, on_both_backends, shell};
use serde_json::{Value, json};

use crate::{create, daemon, items};

on_both_backends![
    waiting_ends_with_the_last_or_with_the_first,
    when_the_time_is_up_it_tells_how_far_they_are,
    what_ends_without_a_result_ends_the_wait_too,
];

fn statuses(waited: &Value) -> Vec<Value> {
    waited["tasks"].as_array().into_iter().flatten().map(|task| task["status"].clone()).collect()
}

async fn waiting_ends_with_the_last_or_with_the_first(backend: Backend) -> anyhow::Result<()> {
    let held = tempfile::tempdir()?;
    let gate = held.path().join("open");
    let slow = format!("until [ -e {} ]; do sleep 0.02; done; echo late", gate.display());
    let config = json!({"agents": {"quick": shell("echo soon", &["quick"], 1), "slow": shell(&slow, &["slow"], 1)}});
    let daemon = daemon(backend).config(config).start().await?;
    let mut socket = daemon.admin().await;
    let quick = create(&mut socket, json!({"title": "quick", "requiredCapabilities": ["quick"]})).await?;
    let slow = create(&mut socket, json!({"title": "slow", "requiredCapabilities": ["slow"]})).await?;
    let both = json!([slow["id"], quick["id"]]);

    let first = socket.call("task.wait", json!({"taskIds": both, "any": true})).await?;
    assert_eq!(first["ended"], true);
    assert_eq!(first["tasks"][1]["result"], "soon", "{first}");
    assert!(first["tasks"][0].get("result").is_none(), "the other one works on: {first}");
    std::fs::write(&gate, "")?;
    let all = socket.call("task.wait", json!({"taskIds": both})).await?;
    assert_eq!((all["ended"].clone(), statuses(&all)), (json!(true), vec![json!("completed"), json!("completed")]));
    assert_eq!(all["tasks"][0]["result"], "late", "in the order of the question: {all}");
    Ok(())
}

async fn when_the_time_is_up_it_tells_how_far_they_are(backend: Backend) -> anyhow::Result<()> {
    // A call has less time than somebody may want to wait: it answers before that is over.
    let short = json!({"gateway": {"callTimeoutMs": 1_500}});
    let daemon = daemon(backend).config(short).start().await?;
    let mut socket = daemon.admin().await;
    let task = create(&mut socket, json!({"title": "nobody's"})).await?;
    for timeout in [0, 3_600_000] {
        let waited = socket.call("task.wait", json!({"taskIds": [task["id"]], "timeoutMs": timeout})).await?;
        assert_eq!((waited["ended"].clone(), statuses(&waited)), (json!(false), vec![json!("pending")]), "{timeout}");
    }
    for wrong in [json!({"taskIds": []}), json!({"taskIds": [task["id"]], "timeoutMs": 3_600_001})] {
        let refused = socket.call("task.wait", wrong).await.expect_err("it is refused");
        assert!(refused.to_string().contains("expected"), "{refused}");
    }
    Ok(())
}

async fn what_ends_without_a_result_ends_the_wait_too(backend: Backend) -> anyhow::Result<()> {
    let daemon = daemon(backend).start().await?;
    let (mut socket, mut other) = (daemon.admin().await, daemon.admin().await);
    let tasks = socket.call("task.createMany", json!({"tasks": [{"title": "a"}, {"title": "b"}]})).await?;
    let ids: Vec<Value> = items(&tasks).iter().map(|task| task["id"].clone()).collect();
    let wait = socket.call("task.wait", json!({"taskIds": ids}));
    let end = async {
        other.call("task.cancel", json!({"taskId": ids[0], "reason": "not wanted"})).await?;
        other.call("task.cancel", json!({"taskId": ids[1]})).await
    };
    let (waited, ended) = futures::future::join(wait, end).await;
    ended?;
    let waited = waited?;
    assert_eq!((waited["ended"].clone(), waited["tasks"][0]["reason"].clone()), (json!(true), json!("not wanted")));
    let deleted = json!({"taskIds": ids});
    other.call("task.delete", json!({"taskId": ids[1]})).await?;
    socket.call("task.wait", deleted).await.expect_err("it is not there any more");
    Ok(())
}
