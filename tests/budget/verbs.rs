use orchestrator_rpc::Code;
use orchestrator_testkit::{Daemon, Ran, program};
use serde_json::{Value, json};

use crate::{EACH, asked, daemon, rules};

async fn orchestrator(daemon: &Daemon, arguments: &[&str]) -> Ran {
    let mut command = tokio::process::Command::new(program("orchestrator").expect("built by `cargo xtask test`"));
    command.args(arguments).args(["--url", daemon.url(), "--token", daemon.admin_token()]);
    command.output().await.expect("the program runs").into()
}

#[tokio::test]
async fn the_command_line_shows_and_sets() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let daemon = daemon(directory.path(), &rules(), json!({ "daily": 2 * EACH }))?.start().await?;
    daemon.admin().await.call("model.chat", asked("hello")).await?;
    let status = orchestrator(&daemon, &["budget", "status"]).await.ok();
    assert!(status.contains("* organisation") && status.contains("50.0 %"), "{status}");
    let csv = orchestrator(&daemon, &["budget", "report", "--by", "model", "--format", "csv"]).await.ok();
    assert!(csv.contains("stage/m,1,0,2,0,0,0,5,7,0"), "{csv}");
    let plot = orchestrator(&daemon, &["budget", "report", "--format", "plot"]).await.ok();
    assert!(plot.contains("total"), "{plot}");
    let usage = orchestrator(&daemon, &["usage"]).await.ok();
    assert!(usage.contains("stage/m") && usage.contains("completed"), "{usage}");
    let set = orchestrator(&daemon, &["budget", "set", "model:m", "hour", "--usd", "0.50", "--for", "1h"]).await.ok();
    assert!(set.contains("model:m") && set.contains("$0.5"), "{set}");
    orchestrator(&daemon, &["budget", "set", "nobody", "hour", "--tokens", "1"]).await.failed(2, "scope");
    Ok(())
}

#[tokio::test]
async fn a_model_that_nobody_knows_the_price_of_is_not_asked() -> anyhow::Result<()> {
    // Nobody listens there: who is asked cannot be reached.
    let of = |budget: Value| {
        let provider = json!({ "kind": "openai", "baseUrl": "http://127.0.0.1:1/v1", "apiKey": "sk-test-0123456789abcdef", "model": "mystery" });
        let models = json!({ "providers": { "local": provider }, "limits": { "retriesMax": 0 } });
        Daemon::builder().config(json!({ "models": models, "budget": budget })).start()
    };
    let strict = of(json!({})).await?;
    let refused = strict.admin().await.call("model.chat", asked("hello")).await.expect_err("nobody knows");
    assert!(refused.code == Code::Conflict && refused.message.contains("budget.prices.local/mystery"), "{refused:?}");
    for budget in
        [json!({ "unknownPriceCeiling": "10" }), json!({ "prices": { "local/*": { "input": "0.1", "output": 0.4 } } })]
    {
        let lenient = of(budget).await?;
        let mut socket = lenient.admin().await;
        let failed = socket.call("model.chat", asked("hello")).await.expect_err("nobody is there");
        assert_eq!(failed.code, Code::Unavailable, "{failed:?}");
        assert_eq!(crate::today(&mut socket).await, (0, 0), "what was not answered costs nothing");
    }
    Ok(())
}

/// The day that one of them was gone is past for good.
#[tokio::test]
async fn the_doctor_tells_of_a_model_that_is_gone() -> anyhow::Result<()> {
    let said = async |model: &str| -> anyhow::Result<String> {
        let provider = json!({ "apiKey": "sk-test-0123456789abcdef", "model": model });
        let config = json!({ "models": { "providers": { "openai": provider } } });
        Ok(Daemon::builder().config(config).arg("doctor").ended("the doctor to end").await?.output)
    };
    let gone = said("gpt-4.1-nano").await?;
    assert!(gone.contains("openai/gpt-4.1-nano is gone since 2026-10-23"), "{gone}");
    let there = said("gpt-4.1").await?;
    assert!(!there.contains("is gone") && there.contains("models: none that is configured"), "{there}");
    Ok(())
}

#[tokio::test]
async fn a_limit_changes_with_the_configuration() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let daemon = daemon(directory.path(), &rules(), json!({ "daily": 1 }))?.start().await?;
    let mut socket = daemon.admin().await;
    let refused = socket.call("model.chat", asked("hello")).await.expect_err("it never fits");
    assert!(refused.code == Code::BudgetExhausted && refused.retry_after.is_none(), "{refused:?}");
    socket.call("config.set", json!({ "values": { "budget.daily": 100 } })).await?;
    socket.call("model.chat", asked("hello")).await?;
    let metrics = daemon.admin_http().get("/metrics").await.body;
    assert!(metrics.contains("budget_spent_tokens{window=\"day\"} 7"), "{metrics}");
    Ok(())
}
