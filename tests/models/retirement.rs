use orchestrator_testkit::{Daemon, Socket, patiently};
use orchestrator_vocab::{Clock as _, SystemClock, Timestamp};
use serde_json::{Value, json};

use super::{scripts, well};

const DAY: i64 = 86_400_000;

/// So many days from now, as `2026-12-11`.
fn day(days: i64) -> String {
    let text = Timestamp(SystemClock.now().millis() + days * DAY).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// What was told of models, as `event model`, once there is as much.
async fn told(socket: &mut Socket, most: usize) -> Vec<String> {
    let looked = async {
        loop {
            let page = socket.call("event.list", json!({ "events": ["model.*"] })).await.expect("a page");
            let items = page["items"].as_array().cloned().unwrap_or_default();
            if items.len() >= most {
                let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
                let told = |event: &Value| format!("{} {}", text(&event["event"]), text(&event["payload"]["model"]));
                return items.iter().map(told).collect();
            }
        }
    };
    patiently("models to be told of", looked).await
}

#[tokio::test]
async fn a_model_that_will_be_gone_soon_is_told_of_once_and_so_is_one_that_is_gone() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut providers = scripts(directory.path(), &[("stage", well("stage"))]);
    let on = |days: i64| json!({ "retires": day(days) });
    providers["stage"]["models"] = json!({ "later": on(40), "soon": on(10), "gone": on(-1) });
    let models = json!({
        "providers": providers, "primary": "stage/later", "fallbacks": ["stage/m", "stage/soon", "stage/gone"],
    });
    let daemon = Daemon::builder().config(json!({ "models": models })).start().await?;
    let mut expected = vec!["model.retired stage/gone".to_owned(), "model.retiring stage/soon".to_owned()];
    let mut found = told(&mut daemon.admin().await, 2).await;
    found.sort();
    assert_eq!(found, expected);

    // The same again says nothing; a longer notice tells of one more.
    let daemon = daemon.kill().await.config(json!({ "models": { "retirementNoticeDays": 50 } })).start().await?;
    expected.push("model.retiring stage/later".to_owned());
    expected.sort();
    let mut found = told(&mut daemon.admin().await, 3).await;
    found.sort();
    assert_eq!(found, expected);
    Ok(())
}
