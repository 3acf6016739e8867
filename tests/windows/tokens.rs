//! A resume token is worth something to its owner only, and to one connection at a time.

use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

use super::{create, events, resume_token, rising};

/// What all answers to bad tokens have in common: everything but what is random.
fn shape(hello: &Value) -> Value {
    let mut shape = hello.clone();
    for name in ["connectionId", "resumeToken", "auth"] {
        shape[name] = json!(shape[name].is_null());
    }
    shape
}

#[tokio::test]
async fn only_its_owner_can_use_a_token() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let other = daemon.organisation("another").await;
    let colleague = daemon.token("daemon.admin").await;
    let (mut socket, hello) = daemon.arrive(None).await;
    let token = resume_token(&hello);
    socket.subscribe(&["**"]).await;
    socket.leave().await;

    let mut forged = token.clone().into_bytes();
    forged[40] = if forged[40] == b'x' { b'y' } else { b'x' };
    let forged = String::from_utf8(forged)?;
    let never_stored = resume_token(&daemon.arrive(None).await.1);
    let admin = daemon.admin_token();
    let mut answers = Vec::new();
    for (bearer, shown) in [
        (admin, "no token at all"),
        (admin, forged.as_str()),
        (admin, never_stored.as_str()),
        (other.token.as_str(), token.as_str()),
        (colleague.as_str(), token.as_str()),
    ] {
        let (_socket, hello) = Socket::arrive(daemon.url(), bearer, Some(shown)).await;
        assert_eq!((&hello["resumed"], &hello["subscriptions"]), (&json!(false), &Value::Null), "{shown}");
        assert_ne!(hello["resumeToken"], token, "a new window");
        answers.push(shape(&hello));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "nobody can tell them apart: {answers:#?}");
    let (_socket, hello) = daemon.arrive(Some(&token)).await;
    assert_eq!((&hello["resumed"], hello["subscriptions"].as_array().map(Vec::len)), (&json!(true), Some(1)));
    Ok(())
}

#[tokio::test]
async fn organisations_stay_apart_when_they_come_back() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let other = daemon.organisation("another").await;
    let (mut theirs, their_hello) = Socket::arrive(daemon.url(), &other.token, None).await;
    let (mut ours, our_hello) = daemon.arrive(None).await;
    for socket in [&mut theirs, &mut ours] {
        socket.subscribe(&["task.created"]).await;
    }
    theirs.leave().await;
    ours.leave().await;
    create(&mut daemon.admin().await, 4).await;
    create(&mut other.socket(&daemon).await, 2).await;
    let (mut theirs, _) = Socket::arrive(daemon.url(), &other.token, Some(&resume_token(&their_hello))).await;
    let (mut ours, _) = daemon.arrive(Some(&resume_token(&our_hello))).await;
    for (socket, count, org) in
        [(&mut theirs, 2, other.id.as_str()), (&mut ours, 4, "org_00000000000070008000000000000001")]
    {
        let got = events(socket, count).await;
        rising(&got);
        assert!(got.iter().all(|event| event.payload["orgId"].as_str().is_none_or(|id| id == org)), "{got:?}");
    }
    create(&mut other.socket(&daemon).await, 1).await;
    let last = theirs.next_event().await;
    assert_eq!(last.name, "task.created");
    Ok(())
}

#[tokio::test]
async fn whoever_shows_the_token_takes_the_place_of_who_had_it() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let mut maker = daemon.admin().await;
    let (mut old, hello) = daemon.arrive(None).await;
    let token = resume_token(&hello);
    old.subscribe(&["task.created"]).await;
    create(&mut maker, 2).await;
    let got = rising(&events(&mut old, 2).await);
    let (mut new, hello) = daemon.arrive(Some(&token)).await;
    assert_eq!(hello["resumed"], true);
    assert_eq!(old.closed().await.code, Some(4006));
    create(&mut maker, 1).await;
    assert!(rising(&events(&mut new, 1).await)[0] > got[1], "what the older one got does not come again");
    Ok(())
}

#[tokio::test]
async fn bounds_of_windows_are_checked_at_the_start() -> anyhow::Result<()> {
    for (name, value) in [("eventsMax", 0), ("days", 400), ("redeliverAfterMs", 1), ("perSubjectMax", 0)] {
        let config = json!({"events": {"windows": {name: value}}});
        let ended = Daemon::builder().config(config).refused().await?;
        assert!(
            ended.output.contains(&format!("events.windows: {name}: expected")) || ended.output.contains(name),
            "{}",
            ended.output
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_subject_has_no_more_windows_than_it_may() -> anyhow::Result<()> {
    let config = json!({"events": {"windows": {"perSubjectMax": 2}}});
    let daemon = Daemon::builder().without_rate_limits().config(config).start().await?;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let (mut socket, hello) = daemon.arrive(None).await;
        socket.subscribe(&["**"]).await;
        socket.leave().await;
        tokens.push(resume_token(&hello));
    }
    let mut resumed = Vec::new();
    for token in &tokens {
        let (socket, hello) = daemon.arrive(Some(token)).await;
        socket.leave().await;
        resumed.push(hello["resumed"].clone());
    }
    assert_eq!(resumed, [json!(false), json!(true), json!(true)], "the least recently seen went first");
    Ok(())
}
