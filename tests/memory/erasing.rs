use std::path::Path;

use orchestrator_rpc::Code;
use orchestrator_sql::{Database, Options};
use orchestrator_testkit::{Backend, Socket};
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::{Value, json};

use crate::{BACKENDS, daemon, found, store};

pub(crate) const NAME: &str = "Ermintrude Quisling";

/// What is remembered of her, in every way there is, and something of somebody else.
async fn remember(socket: &mut Socket) -> anyhow::Result<()> {
    store(socket, json!({ "content": format!("{NAME} likes tea."), "people": [NAME] })).await?;
    store(socket, json!({ "content": "She lives in Leiden.", "people": [NAME], "type": "preference" })).await?;
    store(socket, json!({ "content": "A note", "metadata": { "from": NAME }, "tier": "episodic", "type": "turn" }))
        .await?;
    let old = store(socket, json!({ "content": "Quisling, Ermintrude: ERMINTRUDE QUISLING" })).await?;
    store(socket, json!({ "content": "Nothing of her", "supersedes": old["memoryId"] })).await?;
    store(socket, json!({ "content": "Grace likes coffee.", "people": ["Grace"] })).await?;
    Ok(())
}

#[tokio::test]
async fn nothing_of_an_erased_person_is_left_anywhere() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let daemon = daemon(backend).start().await?;
        let mut socket = daemon.admin().await;
        remember(&mut socket).await?;
        let erased = socket.call("memory.erase", json!({ "person": NAME.to_uppercase() })).await?;
        assert_eq!((&erased["erased"], &erased["remaining"]), (&json!([0, 1, 3]), &json!(0)), "{erased}");
        assert!(!erased.to_string().to_lowercase().contains("quisling"), "{erased}");
        assert!(found(&mut socket, "Ermintrude Quisling tea Leiden").await.is_empty());
        assert_eq!(found(&mut socket, "coffee").await, ["Grace likes coffee."]);
        let url = daemon.database_url().map(str::to_owned);
        let directory = daemon.data_directory().to_owned();
        let words = ["ermintrude", "quisling", "leiden"];
        match url {
            Some(url) => not_in_tables(&url, &words).await?,
            None => nowhere(&directory, &words)?,
        }
        daemon.terminate().await;
    }
    Ok(())
}

/// In no file of the data directory, not even in pages that nothing points to.
pub(crate) fn nowhere(directory: &Path, words: &[&str]) -> anyhow::Result<()> {
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let bytes = std::fs::read(&path)?.to_ascii_lowercase();
            for word in words {
                let is_there = bytes.windows(word.len()).any(|window| window == word.as_bytes());
                assert!(!is_there, "{word} is in {}", path.display());
            }
        }
    }
    Ok(())
}

/// In no row of no table.
pub(crate) async fn not_in_tables(url: &str, words: &[&str]) -> anyhow::Result<()> {
    let database = Database::connect(url, Options::default()).await?;
    let reader = database.reader();
    let backend = reader.get_database_backend();
    let tables = "select table_name::text as name from information_schema.tables where table_schema = 'public'";
    let tables = reader.query_all_raw(Statement::from_string(backend, tables)).await?;
    assert!(tables.len() > 10);
    for table in tables {
        let table: String = table.try_get("", "name")?;
        for word in words {
            let sql = format!(
                "select count(*) as found from \"{table}\" as row_of where lower(row_of::text) like '%{word}%'"
            );
            let row = reader.query_one_raw(Statement::from_string(backend, sql)).await?;
            let found: i64 = row.map_or(Ok(0), |row| row.try_get("", "found"))?;
            assert_eq!(found, 0, "{word} is in {table}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn summaries_of_what_was_erased_say_only_what_is_left() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let daemon = daemon(backend).start().await?;
        let mut socket = daemon.admin().await;
        let gone = store(&mut socket, json!({ "content": "Ermintrude Quisling signed the lease." })).await?;
        let stays = store(&mut socket, json!({ "content": "The lease ends in 2031." })).await?;
        let summary = json!({
            "content": "She signed a lease until 2031.", "type": "summary",
            "sources": [gone["memoryId"], stays["memoryId"]],
        });
        store(&mut socket, summary).await?;
        let erased = socket.call("memory.erase", json!({ "person": "ermintrude quisling" })).await?;
        assert_eq!(erased["erased"], json!([0, 0, 1]), "{erased}");
        assert_eq!(found(&mut socket, "lease").await, ["The lease ends in 2031."]);
    }
    Ok(())
}

#[tokio::test]
async fn exactly_one_thing_is_erased_at_a_time_and_by_administrators_only() -> anyhow::Result<()> {
    let daemon = daemon(Backend::Sqlite).start().await?;
    let mut socket = daemon.admin().await;
    for wrong in [json!({}), json!({ "person": "a", "topic": "b" })] {
        let refused = socket.call("memory.erase", wrong).await.unwrap_err();
        assert!(refused.message.contains("exactly one of person, topic, sessionId and organisation"), "{refused:?}");
    }
    let nobody: Value = json!({ "person": "?!" });
    assert!(socket.call("memory.erase", nobody).await.unwrap_err().message.contains("person"));
    let token = daemon.token("daemon.write").await;
    let mut writer = daemon.socket(&token).await;
    assert_eq!(writer.call("memory.erase", json!({ "organisation": true })).await.unwrap_err().code, Code::Forbidden);
    Ok(())
}
