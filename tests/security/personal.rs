use orchestrator_testkit::{Daemon, shell};
use serde_json::{Value, json};

/// Of nobody: from the documentation of payment providers and of the standard.
const CARD: &str = "4111 1111 1111 1111";
const ACCOUNT: &str = "DE89 3704 0044 0532 0130 00";
/// Such a number as JSON's.
const CARD_NUMBER: u64 = 5_555_555_555_554_444;
/// The same with one wrong digit, so it is something else.
const NO_CARD: &str = "4111 1111 1111 1112";

/// Everything that is told of a task whose agent prints such numbers, the log included.
async fn told(redaction: Value) -> anyhow::Result<(String, Value)> {
    let script = format!(
        "echo 'paid with {CARD} to {ACCOUNT}, not {NO_CARD}'; echo '{{\"result\": {{\"card\": {CARD_NUMBER}, \"kept\": 1}}}}'"
    );
    let config = json!({"agents": {"payer": shell(&script, &[], 1)}, "redaction": redaction});
    let daemon = Daemon::builder().env("LOG_LEVEL", "debug").without_rate_limits().config(config).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["**"]).await;
    let task = socket.call("task.create", json!({"title": format!("pay {CARD}")})).await?;
    let mut events = socket.events_until("task.completed", |event| event.name == "task.completed").await;
    events.extend(socket.events_until("its session's end", |event| event.name == "session.stopped").await);
    let refused = socket.call("task.create", json!({"title": "x", CARD: 1})).await.expect_err("no such parameter");
    let done = socket.call("task.get", json!({"taskId": task["id"]})).await?;
    let told = format!("{events:?} {refused:?}");
    let (_, log) = daemon.terminate().await;
    Ok((format!("{told} {log}"), done["result"].clone()))
}

#[tokio::test]
async fn numbers_of_cards_and_accounts_are_told_to_nobody() -> anyhow::Result<()> {
    let (told, result) = told(json!({})).await?;
    for number in [CARD, ACCOUNT, &CARD_NUMBER.to_string()] {
        assert!(!told.contains(number), "{number} in {told}");
    }
    assert!(told.contains(NO_CARD), "what fails its check is no card: {told}");
    assert!(told.contains("[redacted:card-number]") && told.contains("[redacted:iban]"), "{told}");
    // A result stays what it was but for the number.
    assert_eq!(result, json!({"card": "[redacted:card-number]", "kept": 1}));
    Ok(())
}

#[tokio::test]
async fn where_they_have_to_be_readable_they_are() -> anyhow::Result<()> {
    let (told, result) = told(json!({"personalData": false})).await?;
    assert!(told.contains(CARD) && told.contains(ACCOUNT) && told.contains(NO_CARD), "{told}");
    assert_eq!(result, json!({"card": CARD_NUMBER, "kept": 1}));
    Ok(())
}
