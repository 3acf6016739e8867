//! Memories as Markdown: out, edited, and in again.

use std::collections::BTreeSet;
use std::path::Path;

use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Event, Socket};
use serde_json::{Value, json};

use crate::agents::{Stage, called};
use crate::{BACKENDS, cli, daemon, fact, found, store};

/// Every file there is, over as many pages as it takes.
async fn exported(socket: &mut Socket, filters: Value) -> anyhow::Result<Vec<Value>> {
    let (mut params, mut files) = (filters, Vec::new());
    loop {
        params["limit"] = json!(2);
        let page = socket.call("memory.export", params.clone()).await?;
        for file in page["files"].as_array().into_iter().flatten() {
            assert!(file["memoryId"].is_string(), "{file}");
            files.push(json!({ "path": file["path"], "content": file["content"] }));
        }
        match page.get("nextCursor") {
            Some(cursor) => params["cursor"] = cursor.clone(),
            None => return Ok(files),
        }
    }
}

async fn import(socket: &mut Socket, files: &[Value], apply: bool) -> anyhow::Result<Value> {
    Ok(socket.call("memory.import", json!({ "files": files, "apply": apply })).await?)
}

fn note(content: &str) -> Vec<Value> {
    vec![json!({ "path": "MEMORY.md", "content": content })]
}

fn statuses(imported: &Value) -> Vec<&str> {
    imported["entries"].as_array().into_iter().flatten().filter_map(|entry| entry["status"].as_str()).collect()
}

fn texts(files: &[Value]) -> BTreeSet<String> {
    let text =
        |file: &Value| file["content"].as_str().and_then(|all| all.split_once("\n---\n")).map(|(_, t)| t.to_owned());
    files.iter().filter_map(text).collect()
}

#[tokio::test]
async fn what_was_exported_is_known_and_is_the_same_in_another_organisation() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let daemon = daemon(backend).start().await?;
        let other = daemon.organisation("other").await;
        let (mut ours, mut theirs) = (daemon.admin().await, other.socket(&daemon).await);
        fact(&mut ours, "---\nends with lines\n\n").await;
        store(&mut ours, json!({ "content": "Ada likes tea.", "people": ["Ada"], "type": "preference" })).await?;
        store(&mut ours, json!({ "content": "ünïcode 🦀", "metadata": { "a": { "b": [1, "\u{2028}"] } } })).await?;
        store(&mut ours, json!({ "content": "It rained.", "tier": "episodic", "type": "turn" })).await?;
        let files = exported(&mut ours, json!({})).await?;
        assert_eq!(files.len(), 4);
        let again = import(&mut ours, &files, true).await?;
        assert_eq!((&again["counts"]["unchanged"], &again["applied"]), (&json!(4), &json!(0)), "{again}");

        assert!(exported(&mut theirs, json!({})).await?.is_empty());
        let moved = import(&mut theirs, &files, true).await?;
        assert_eq!(statuses(&moved), ["added"; 4], "{moved}");
        let back = exported(&mut theirs, json!({})).await?;
        assert_eq!(texts(&back), texts(&files));
        assert_eq!(found(&mut theirs, "tea").await, ["Ada likes tea."]);
        assert_eq!(exported(&mut theirs, json!({ "type": "preference" })).await?.len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_edited_takes_the_place_of_what_was_there_and_both_can_be_read() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let daemon = daemon(backend).start().await?;
        let mut socket = daemon.admin().await;
        socket.subscribe(&["memory.*"]).await;
        let old = fact(&mut socket, "The port is 6432.").await;
        let mut files = exported(&mut socket, json!({})).await?;
        let content = files[0]["content"].as_str().unwrap_or_default().replace("6432", "7000");
        files[0]["content"] = json!(content);
        let told = import(&mut socket, &files, false).await?;
        let diff = told["entries"][0]["diff"].as_str().unwrap_or_default();
        assert!(diff.contains("-The port is 6432.\n+The port is 7000."), "{told}");
        assert_eq!((statuses(&told), &told["applied"]), (vec!["changed"], &json!(0)));
        assert_eq!(found(&mut socket, "port").await, ["The port is 6432."], "it was only told");

        let done = import(&mut socket, &files, true).await?;
        let new = done["entries"][0]["storedAs"].clone();
        assert_eq!(found(&mut socket, "port").await, ["The port is 7000."]);
        let before = socket.call("memory.get", json!({ "memoryId": old })).await?;
        assert_eq!((&before["content"], &before["supersededBy"]), (&json!("The port is 6432."), &new));
        let after = socket.call("memory.get", json!({ "memoryId": new })).await?;
        assert_eq!((&after["supersedes"], &after["state"]), (&old, &json!("active")));
        socket.event_about("memory.superseded", &old).await;
        assert_eq!(statuses(&import(&mut socket, &files, true).await?), ["unchanged"]);
        let history = exported(&mut socket, json!({ "state": "superseded" })).await?;
        assert!(
            history[0]["content"].as_str().is_some_and(|file| file.contains("supersededBy: memory_")),
            "{history:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn notes_of_somebody_else_become_facts_with_their_headings_as_topics() -> anyhow::Result<()> {
    let daemon = daemon(Backend::Sqlite).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["memory.*"]).await;
    let notes = note("# Billing\n\nInvoices leave on Mondays.\n\n## Ports\n- staging is 6432\n- staging is 6432\n");
    let done = import(&mut socket, &notes, true).await?;
    assert_eq!(statuses(&done), ["added", "added", "unchanged"], "{done}");
    assert_eq!((&done["entries"][1]["line"], &done["entries"][1]["title"]), (&json!(6), &json!("staging is 6432")));
    let stored = socket.events_until("the notes", |event: &Event| event.name == "memory.stored").await;
    assert_eq!(stored.last().map(|event| event.payload["count"].clone()), Some(json!(2)));
    let about = socket.call("memory.query", json!({ "query": "staging", "topic": "Billing" })).await?;
    let memory = &about["memories"][0]["memory"];
    assert_eq!((&memory["topics"], &memory["sources"]), (&json!(["billing", "ports"]), &json!(["MEMORY.md"])));
    assert_eq!(statuses(&import(&mut socket, &notes, true).await?), ["unchanged"; 3]);
    let named = json!({ "files": [{ "path": "a.md", "content": "---\nname: x\ntype: feedback\n---\nNo prose." }] });
    let told = socket.call("memory.import", named).await?;
    let kept = json!(["`name` is kept as metadata", "`type` is kept as metadata"]);
    assert_eq!((statuses(&told), &told["entries"][0]["notes"]), (vec!["added"], &kept), "{told}");
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_line_and_the_rest_is_remembered() -> anyhow::Result<()> {
    let daemon = daemon(Backend::Sqlite).config(json!({ "memory": { "semanticBytesMax": 100 } })).start().await?;
    let mut socket = daemon.admin().await;
    let id = "memory_00000000000070008000000000000001";
    let files = [
        json!({ "path": "wrong.md", "content": format!("---\nmemoryId: {id}\ntier: semantic\nconfidence: much\n---\nx") }),
        json!({ "path": "yaml.md", "content": "---\na: 1\na: 2\n---\nx" }),
        json!({ "path": "MEMORY.md", "content": "right\n" }),
    ];
    let done = import(&mut socket, &files, true).await?;
    assert_eq!((statuses(&done), &done["applied"]), (vec!["invalid", "invalid", "added"], &json!(1)), "{done}");
    let wrong = &done["entries"][0];
    assert_eq!((&wrong["line"], &wrong["problem"]), (&json!(4), &json!("confidence: expected a number from 0 to 1")));
    assert_eq!(done["entries"][1]["line"], 3, "{done}");

    let long = note(&format!("- {}\n- {}\n", "a".repeat(60), "b".repeat(60)));
    let refused = socket.call("memory.import", json!({ "files": long, "apply": true })).await.unwrap_err();
    assert!(refused.message.contains("the semantic memory is full"), "{refused:?}");
    assert!(found(&mut socket, &"a".repeat(60)).await.is_empty(), "nothing of it was stored");
    let none = socket.call("memory.import", json!({ "files": [] })).await.unwrap_err();
    assert_eq!(none.field.as_deref(), Some("files"));
    let many = note(&"- x\n".repeat(1_001));
    let refused = socket.call("memory.import", json!({ "files": many })).await.unwrap_err();
    assert!(refused.message.contains("at most 1000"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn what_was_forgotten_does_not_come_back_unasked() -> anyhow::Result<()> {
    for backend in BACKENDS {
        let daemon = daemon(backend).start().await?;
        let mut admin = daemon.admin().await;
        let deleted = fact(&mut admin, "The cellar is damp.").await;
        store(&mut admin, json!({ "content": "Ermintrude likes tea.", "people": ["Ermintrude"] })).await?;
        let files = exported(&mut admin, json!({})).await?;
        admin.call("memory.delete", json!({ "memoryId": deleted })).await?;
        admin.call("memory.erase", json!({ "person": "Ermintrude" })).await?;
        let told = import(&mut admin, &files, true).await?;
        assert_eq!((statuses(&told), &told["applied"]), (vec!["forgotten"; 2], &json!(0)), "{told}");
        assert!(found(&mut admin, "cellar tea").await.is_empty());

        let restore = json!({ "files": files, "apply": true, "restoreForgotten": true });
        let token = daemon.token("daemon.write").await;
        let mut writer = daemon.socket(&token).await;
        assert_eq!(statuses(&import(&mut writer, &files, true).await?), ["forgotten"; 2]);
        assert_eq!(writer.call("memory.import", restore.clone()).await.unwrap_err().code, Code::Forbidden);
        let token = daemon.token("daemon.write daemon.approve").await;
        let mut approver = daemon.socket(&token).await;
        assert_eq!(statuses(&approver.call("memory.import", restore).await?), ["added"; 2]);
        assert_eq!(found(&mut admin, "cellar").await, ["The cellar is damp."]);
        let again = admin.call("memory.get", json!({ "memoryId": deleted })).await?;
        assert_eq!(again["memoryId"], deleted, "it is the same one");
    }
    Ok(())
}

#[tokio::test]
async fn what_others_keep_to_themselves_is_neither_exported_nor_known() -> anyhow::Result<()> {
    let daemon = daemon(Backend::Sqlite).start().await?;
    let mut admin = daemon.admin().await;
    store(&mut admin, json!({ "content": "Ada takes her coffee black.", "scope": "user:ada" })).await?;
    let files = exported(&mut admin, json!({})).await?;
    let token = daemon.token("daemon.write").await;
    let mut writer = daemon.socket(&token).await;
    assert!(exported(&mut writer, json!({})).await?.is_empty());
    let told = import(&mut writer, &files, true).await?;
    assert_eq!(statuses(&told), ["invalid"], "{told}");
    assert!(told["entries"][0]["problem"].as_str().is_some_and(|problem| problem.starts_with("scope:")), "{told}");
    assert_eq!(statuses(&import(&mut writer, &note("Ada takes her coffee black."), true).await?), ["added"]);
    let reader = daemon.token("daemon.read").await;
    let mut reader = daemon.socket(&reader).await;
    assert_eq!(exported(&mut reader, json!({})).await?.len(), 1);
    let refused = reader.call("memory.import", json!({ "files": files })).await.unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
    Ok(())
}

#[tokio::test]
async fn what_an_agent_imports_for_others_waits_until_somebody_vouches_for_it() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let daemon = stage.daemon().start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let files = json!({ "files": note("The gate opens at dawn."), "scope": "organisation", "apply": true });
    let returned = called(&mut admin, "one", "memory_import", files.clone()).await?;
    assert_ne!(returned["isError"], true, "{returned}");
    assert!(found(&mut admin, "gate").await.is_empty());
    let waiting = admin.call("memory.list", json!({ "state": "quarantined" })).await?;
    assert_eq!(waiting["items"][0]["content"], "The gate opens at dawn.", "{waiting}");
    let id = waiting["items"][0]["memoryId"].clone();
    admin.call("memory.confirm", json!({ "memoryId": id })).await?;
    assert_eq!(found(&mut admin, "gate").await, ["The gate opens at dawn."]);
    let mut restore = files;
    restore["restoreForgotten"] = json!(true);
    let refused = called(&mut admin, "one", "memory_import", restore).await?.to_string();
    assert!(refused.contains("restoreForgotten"), "{refused}");
    Ok(())
}

/// What is in a folder, by paths.
fn listed(root: &Path) -> anyhow::Result<Vec<String>> {
    let (mut folders, mut files) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(root)?.display().to_string());
            }
        }
    }
    files.sort();
    Ok(files)
}

#[tokio::test]
async fn a_folder_is_exported_edited_and_imported_by_the_command_line() -> anyhow::Result<()> {
    let daemon = daemon(Backend::Sqlite).start().await?;
    let mut admin = daemon.admin().await;
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("out");
    let to = root.display().to_string();
    let port = fact(&mut admin, "The port is 6432.").await;
    store(&mut admin, json!({ "content": "Grace likes coffee.", "type": "preference" })).await?;
    let export = async || cli(&daemon, &["memory", "export", "--to", &to]).await;
    let told = export().await?.ok();
    assert!(told.contains("2 memories are in") && told.contains("2 written, 0 as before, 0 removed"), "{told}");
    let files = listed(&root)?;
    assert!(files[0] == "MEMORY.md" && files[1].starts_with("semantic/fact/the-port-is-6432-"), "{files:?}");
    let index = std::fs::read_to_string(root.join("MEMORY.md"))?;
    assert!(index.contains(&format!("## fact\n\n- [The port is 6432.]({})", files[1])), "{index}");
    assert!(export().await?.ok().contains("0 written, 2 as before, 0 removed"));
    assert!(cli(&daemon, &["memory", "import", &to]).await?.ok().starts_with("0 added, 0 changed, 2 unchanged"));

    // However much there is.
    std::fs::write(root.join("MEMORY.md"), format!("{index}{}", "- [x](y.md)\n".repeat(500_000)))?;
    assert!(cli(&daemon, &["memory", "import", &to]).await?.ok().starts_with("0 added, 0 changed, 2 unchanged"));
    assert!(export().await?.ok().contains("0 written, 2 as before, 0 removed"));
    assert_eq!(std::fs::read_to_string(root.join("MEMORY.md"))?, index);

    let path = root.join(&files[1]);
    std::fs::write(&path, std::fs::read_to_string(&path)?.replace("6432", "7000"))?;
    let told = cli(&daemon, &["memory", "import", &to]).await?.ok();
    let expected =
        ["changed semantic/fact/the-port-is-6432-", "+The port is 7000.", "1 changed", "nothing was changed: --apply"];
    assert!(expected.iter().all(|part| told.contains(part)), "{told}");
    let stored = cli(&daemon, &["memory", "import", &to, "--apply", "-q"]).await?.ok();
    assert_eq!(admin.call("memory.get", json!({ "memoryId": stored })).await?["supersedes"], port);
    assert!(export().await?.ok().contains("1 written, 1 as before, 1 removed"));
    assert_eq!(listed(&root)?.len(), 3);

    let notes = folder.path().join("notes.md");
    std::fs::write(&notes, "- one\n- two\n")?;
    let notes = notes.display().to_string();
    let json: Value =
        cli(&daemon, &["memory", "import", &notes, "--apply", "--scope", "team:a", "--json"]).await?.json();
    assert_eq!((&json["counts"]["added"], &json["applied"]), (&json!(2), &json!(2)), "{json}");
    let scoped: Value = cli(&daemon, &["memory", "list", "--scope", "team:a", "--json"]).await?.json();
    assert_eq!(scoped["items"].as_array().map(Vec::len), Some(2), "{scoped}");
    std::fs::write(folder.path().join("bad.md"), "---\n: [\n---\nx")?;
    let bad = folder.path().join("bad.md").display().to_string();
    cli(&daemon, &["memory", "import", &bad]).await?.failed(1, "1 of 1 cannot be remembered");
    cli(&daemon, &["memory", "import", "/nowhere.md"]).await?.failed(2, "cannot read");
    Ok(())
}

#[tokio::test]
async fn an_export_writes_over_nothing_that_it_did_not_write() -> anyhow::Result<()> {
    let daemon = daemon(Backend::Sqlite).start().await?;
    let mut admin = daemon.admin().await;
    fact(&mut admin, "The port is 6432.").await;
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("out");
    std::fs::create_dir_all(&root)?;
    let to = root.display().to_string();
    let export = async || cli(&daemon, &["memory", "export", "--to", &to]).await;
    std::fs::write(root.join("MEMORY.md"), "my own notes\n")?;
    export().await?.failed(2, "is no file of an export: nothing was written");
    assert_eq!(listed(&root)?, ["MEMORY.md"]);
    std::fs::remove_file(root.join("MEMORY.md"))?;
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir_all(&elsewhere)?;
    std::os::unix::fs::symlink(&elsewhere, root.join("semantic"))?;
    export().await?.failed(2, "is no file of an export");
    assert!(listed(&elsewhere)?.is_empty(), "links are not followed");
    std::fs::remove_file(root.join("semantic"))?;
    std::fs::write(root.join("own.md"), "stays")?;
    export().await?.ok();
    let path = root.join(&listed(&root)?[2]);
    std::fs::write(&path, "mine now")?;
    export().await?.failed(2, "is no file of an export");
    assert_eq!(std::fs::read_to_string(&path)?, "mine now");
    Ok(())
}

#[tokio::test]
async fn erasing_reaches_the_folders_that_were_exported() -> anyhow::Result<()> {
    let daemon = daemon(Backend::Sqlite).start().await?;
    let mut admin = daemon.admin().await;
    store(&mut admin, json!({ "content": "Quisling lives in Leiden.", "people": ["Ermintrude Quisling"] })).await?;
    let deleted = fact(&mut admin, "Forgotten before.").await;
    fact(&mut admin, "Grace likes coffee.").await;
    let folder = tempfile::tempdir()?;
    let to = folder.path().display().to_string();
    cli(&daemon, &["memory", "export", "--to", &to]).await?.ok();
    let own = "Ermintrude Quisling, in a file of my own";
    std::fs::write(folder.path().join("own.md"), own)?;
    admin.call("memory.delete", json!({ "memoryId": deleted })).await?;
    let erase = ["memory", "erase", "--person", "ermintrude quisling", "--exports"];
    cli(&daemon, &[&erase[..], &["/nowhere"]].concat()).await?.failed(2, "nothing was forgotten");
    let told = cli(&daemon, &[&erase[..], &[&to]].concat()).await?.ok();
    assert!(told.contains("1 memories are gone") && told.contains("2 files taken out of"), "{told}");
    let left = listed(folder.path())?;
    assert!(left.len() == 3 && left[2].starts_with("semantic/fact/grace-likes-coffee-"), "{left:?}");
    let index = std::fs::read_to_string(folder.path().join("MEMORY.md"))?;
    assert!(index.contains("Grace") && !index.contains("Quisling") && !index.contains("Forgotten"), "{index}");
    assert_eq!(std::fs::read_to_string(folder.path().join("own.md"))?, own);
    Ok(())
}
