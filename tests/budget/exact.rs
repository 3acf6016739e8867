use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, on_both_backends};
use serde_json::json;

use crate::{EACH, asked, daemon, last_spending, rules, today, until_reserved};

on_both_backends![
    two_hundred_at_once_spend_exactly_the_limit,
    another_organisation_is_untouched,
    killed_between_reserving_and_settling_the_sums_are_right,
    who_goes_away_in_the_middle_pays_for_what_was_seen,
];

/// How often the daemon is killed, per database, unless the environment says it.
const ROUNDS: u64 = 5;

async fn two_hundred_at_once_spend_exactly_the_limit(backend: Backend) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let budget = json!({ "daily": 100 * EACH + 3 });
    let daemon = daemon(directory.path(), &rules(), budget)?.backend(backend).start().await?;
    let mut socket = daemon.admin().await;
    let answers = socket.call_all("model.chat", (0..200).map(|_| asked("hello")), 200).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 100, "{:?}", refused.first());
    for refusal in refused {
        assert!(refusal.code == Code::BudgetExhausted && refusal.retry_after.is_some(), "{refusal:?}");
    }
    assert_eq!(today(&mut socket).await, (100 * EACH, 0));
    let status = socket.call("budget.status", json!({})).await?;
    let binding = &status["binding"];
    assert_eq!((&binding["scope"], &binding["limit"]["window"]), (&json!("organisation"), &json!("day")), "{status}");
    assert_eq!(binding["remainingTokens"], 3, "{status}");
    let report = socket.call("budget.report", json!({ "by": "model" })).await?;
    assert_eq!(
        (&report["total"]["requests"], &report["total"]["tokens"]),
        (&json!(100), &json!(100 * EACH)),
        "{report}"
    );
    let events = socket.call("event.list", json!({ "events": ["budget.*"] })).await?;
    let mut names: Vec<_> =
        events["items"].as_array().into_iter().flatten().filter_map(|event| event["event"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["budget.alert", "budget.exhausted"], "each once: {events}");
    Ok(())
}

/// And the same is let through once the limit is raised, for as long as it is.
async fn another_organisation_is_untouched(backend: Backend) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let daemon = daemon(directory.path(), &rules(), json!({ "daily": EACH }))?.backend(backend).start().await?;
    let mut socket = daemon.admin().await;
    socket.call("model.chat", asked("hello")).await?;
    let refusal = socket.call("model.chat", asked("hello")).await.expect_err("it is spent");
    assert_eq!(refusal.code, Code::BudgetExhausted);
    let other = daemon.organisation("other").await;
    let mut theirs = other.socket(&daemon).await;
    assert_eq!(today(&mut theirs).await, (0, 0));
    theirs.call("model.chat", asked("hello")).await?;
    assert_eq!((today(&mut theirs).await, today(&mut socket).await), ((EACH, 0), (EACH, 0)));
    let raised =
        json!({ "scope": "organisation", "window": "day", "tokens": 2 * EACH, "expiresAt": "2999-01-01T00:00:00Z" });
    socket.call("budget.set", raised).await?;
    socket.call("model.chat", asked("hello")).await?;
    let refusal = theirs.call("model.chat", asked("hello")).await.expect_err("theirs was not raised");
    assert_eq!(refusal.code, Code::BudgetExhausted);
    socket.call("budget.set", json!({ "scope": "organisation", "window": "day" })).await?;
    assert_eq!(socket.call("model.chat", asked("hello")).await.expect_err("as before").code, Code::BudgetExhausted);
    Ok(())
}

async fn killed_between_reserving_and_settling_the_sums_are_right(backend: Backend) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut daemon = daemon(directory.path(), &rules(), json!({}))?.backend(backend).start().await?;
    for round in 1..=rounds() {
        let mut socket = daemon.admin().await;
        socket.call("model.chat", asked("hello")).await?;
        socket.send("model.chat", asked("wait")).await.expect("a connection");
        // Four letters are one token.
        until_reserved(&mut socket, 1 + 5).await;
        daemon = daemon.kill().await.start().await?;
        let mut socket = daemon.admin().await;
        assert_eq!(today(&mut socket).await, (round * (EACH + 6), 0), "round {round}");
        let last = last_spending(&mut socket).await;
        assert_eq!(
            (&last["end"], &last["estimated"], &last["tokens"]),
            (&json!("crashed"), &json!(true), &json!(6)),
            "{last}"
        );
    }
    Ok(())
}

async fn who_goes_away_in_the_middle_pays_for_what_was_seen(backend: Backend) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let daemon = daemon(directory.path(), &rules(), json!({}))?.backend(backend).start().await?;
    let (mut leaving, mut socket) = (daemon.admin().await, daemon.admin().await);
    leaving.send("model.chat", asked("slow")).await.expect("a connection");
    until_reserved(&mut socket, 1 + 5).await;
    leaving.leave().await;
    until_reserved(&mut socket, 0).await;
    let last = last_spending(&mut socket).await;
    assert_eq!((&last["end"], &last["estimated"]), (&json!("disconnected"), &json!(true)), "{last}");
    let spent = last["tokens"].as_u64().expect("a number");
    assert!((1..=2).contains(&spent), "the question, and a letter of the answer at most: {last}");
    assert_eq!(today(&mut socket).await, (spent, 0));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a test's own setting, not a program's")]
fn rounds() -> u64 {
    std::env::var("ORCHESTRATOR_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}
