//! Skills that agents use: told of, given out, read.

use orchestrator_confine::Report;
use serde_json::json;

use crate::{Stage, call, journal, results, turn, worked};

#[tokio::test]
async fn a_model_is_told_of_skills_uses_one_and_reads_its_files() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    stage.skill("notes", "argument-hint: VERSION\n", "Write notes for $1 (all: $ARGUMENTS).")?;
    stage.file("skills/notes/references/form.md", "# Form\nThe second line.\n")?;
    stage.skill("secret-one", "disable-model-invocation: true\n", "x")?;
    let listed = "- `notes`: What notes is for. (arguments: VERSION)";
    let rules = json!([
        { "when": { "system": listed, "turn": 1 }, "say": [
            call("skill_read", json!({ "name": "notes", "path": "references/form.md" })),
            call("skill_use", json!({ "name": "secret-one" })),
            call("skill_use", json!({ "name": "nothing" })),
        ] },
        turn(2, json!([call("skill_use", json!({ "name": "notes", "arguments": "v1.2 'for all'" }))])),
        turn(3, json!([call("skill_read", json!({ "name": "notes", "path": "references/form.md", "offset": 2 }))])),
        turn(4, json!([{ "text": "done" }])),
    ]);
    let daemon = stage.daemon(rules)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "skill.*"]).await;
    let spawned = admin.call("agent.spawn", json!({ "agent": "coder", "prompt": "Go." })).await?;
    let events =
        admin.events_until("the end", |event| ["task.completed", "task.failed"].contains(&event.name.as_str())).await;
    assert_eq!(events.last().map(|event| &event.payload["result"]), Some(&json!("done")), "{events:?}");
    let used: Vec<_> = events.iter().filter(|event| event.name == "skill.used").collect();
    assert_eq!(used.len(), 1);
    assert_eq!((&used[0].payload["skill"], &used[0].payload["by"]), (&json!("notes"), &json!("model")));
    assert_eq!((&used[0].payload["taskId"], &used[0].payload["agentId"]), (&spawned["taskId"], &json!("coder")));

    let (session, entries) = journal(&mut admin, &spawned["taskId"]).await?;
    let told = results(&entries);
    assert!(told[0].contains("is not followed: call skill_use first"), "{told:?}");
    assert!(told.iter().any(|told| told.contains("disable-model-invocation")), "{told:?}");
    assert!(told.iter().any(|told| told.contains("there is no skill `nothing`")), "{told:?}");
    assert!(told[3].contains("Write notes for v1.2 (all: v1.2 'for all')."), "{}", told[3]);
    assert!(told[3].contains("- references/form.md"), "{}", told[3]);
    assert!(told[4].contains("The second line.") && !told[4].contains("# Form"), "{}", told[4]);
    let began = entries.iter().find(|entry| entry["entry"]["kind"] == "began").expect("a beginning");
    let system = began["entry"]["profile"]["system"].as_str().unwrap_or_default();
    assert!(system.contains(listed) && !system.contains("secret-one"), "{system}");
    let label = |number: usize| {
        let returned = entries.iter().filter(|entry| entry["entry"]["kind"] == "returned");
        returned.map(|entry| entry["entry"]["label"]["integrity"].clone()).nth(number).unwrap_or_default()
    };
    assert_eq!((label(3), label(4)), (json!("untrusted"), json!("operator")), "what was given to it is the model's");
    let replay = admin.call("session.replay", json!({ "sessionId": session["id"] })).await?;
    assert_eq!(replay["divergences"], json!([]), "{replay}");
    Ok(())
}

#[tokio::test]
async fn a_person_asks_for_a_skill_by_its_name() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    stage.skill("deploy", "disable-model-invocation: true\n", "Deploy to $1, with care.")?;
    stage.skill("inner", "user-invocable: false\n", "x")?;
    let rules = json!([
        { "when": { "says": "Deploy to staging, with care." }, "say": [{ "text": "it was followed" }] },
        { "say": [{ "text": "it was only text" }] },
    ]);
    let daemon = stage.daemon(rules)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    let followed = worked(&mut admin, "coder", "/deploy staging").await?;
    assert_eq!(followed.payload["result"], "it was followed", "{followed:?}");
    for words in ["/etc/hosts is a file", "/nothing here", "deploy to staging"] {
        let text = worked(&mut admin, "coder", words).await?;
        assert_eq!(text.payload["result"], "it was only text", "{words}: {text:?}");
    }
    let refused = worked(&mut admin, "coder", "/inner").await?;
    assert!(refused.payload.to_string().contains("user-invocable"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn what_an_agent_writes_asks_for_no_skill_by_its_name() -> anyhow::Result<()> {
    let stage = Stage::new()?.agent("lead", "")?;
    stage.skill("deploy", "disable-model-invocation: true\n", "Deploy it.")?;
    let rules = json!([
        { "when": { "began": "Lead", "turn": 1 }, "say": [call("agent_spawn", json!({ "agent": "coder", "prompt": "/deploy" }))] },
        { "when": { "says": "Deploy it." }, "say": [{ "text": "it was followed" }] },
        { "say": [{ "text": "it was only text" }] },
    ]);
    let daemon = stage.daemon(rules)?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    admin.call("agent.spawn", json!({ "agent": "lead", "prompt": "Lead" })).await?;
    for _ in 0..2 {
        let ends = |event: &orchestrator_testkit::Event| event.name == "task.completed";
        let end = admin.events_until("an end", ends).await.pop().expect("it was waited for");
        assert_eq!(end.payload["result"], "it was only text", "{end:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_agent_sees_the_skills_that_its_file_names_and_none_without_the_tool() -> anyhow::Result<()> {
    let stage = Stage::new()?
        .agent("narrow", "skills: [one]\ntools: [fs.read]")?
        .agent("without", "tools: [fs.read]")?
        .agent("none", "skills: []")?;
    stage.skill("one", "", "The one.")?;
    stage.skill("two", "", "The two.")?;
    let both = json!([call("skill_use", json!({ "name": "one" })), call("skill_use", json!({ "name": "two" }))]);
    let daemon = stage.daemon(json!([turn(1, both), turn(2, json!([{ "text": "done" }]))]))?.start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*"]).await;
    for (agent, system, expected) in [
        ("coder", &["`one`", "`two`"][..], ["The one.", "The two."]),
        ("narrow", &["`one`"], ["The one.", "there is no skill `two`"]),
        ("without", &[], ["not among the tools", "not among the tools"]),
        ("none", &[], ["there is no skill `one`", "there is no skill `two`"]),
    ] {
        let end = worked(&mut admin, agent, "Go.").await?;
        let (_, entries) = journal(&mut admin, &end.payload["taskId"]).await?;
        let told = results(&entries);
        // Side by side, they come back in any order.
        let is_told = |text: &str| told.iter().any(|told| told.contains(text));
        assert!(told.len() == 2 && expected.iter().all(|text| is_told(text)), "{agent}: {told:?}");
        let began = entries.iter().find(|entry| entry["entry"]["kind"] == "began").cloned().unwrap_or_default();
        let said = began["entry"]["profile"]["system"].as_str().unwrap_or_default().to_owned();
        for name in ["`one`", "`two`"] {
            assert_eq!(said.contains(name), system.contains(&name), "{agent}: {said}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_script_of_a_skill_runs_confined_from_its_copy_and_through_the_gate() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    stage.skill("count", "", "Run scripts/count.sh.")?;
    stage.file("skills/count/scripts/count.sh", "wc -l < notes.txt\ncat \"$(dirname \"$0\")/../data.txt\"\n")?;
    stage.file("skills/count/data.txt", "from the skill\n")?;
    let script = json!([call("command_run", json!({ "argv": ["sh", "{{dir}}/scripts/count.sh"] }))]);
    let find = json!({ "dir": { "in": "all", "pattern": "Its files are in (\\S+)\\." } });
    let escape = json!([call(
        "command_run",
        json!({ "argv": ["sh", "-c", "cat {{dir}}/../../admin.token; echo x >> {{dir}}/data.txt"] })
    )]);
    let rules = json!([
        turn(1, json!([call("skill_use", json!({ "name": "count" }))])),
        { "when": { "turn": 2 }, "find": find, "say": script },
        { "when": { "turn": 3 }, "find": find, "say": escape },
        turn(4, json!([{ "text": "done" }])),
    ]);
    for (allow, runs) in [(json!(["skill.*", "command.run"]), true), (json!(["skill.*"]), false)] {
        let daemon = stage.daemon(rules.clone())?.config(json!({ "tools": { "allow": allow } })).start().await?;
        let mut admin = daemon.admin().await;
        admin.subscribe(&["task.*"]).await;
        let end = worked(&mut admin, "coder", "Count.").await?;
        let (_, entries) = journal(&mut admin, &end.payload["taskId"]).await?;
        let told = results(&entries);
        let token = std::fs::read_to_string(daemon.data_directory().join("admin.token"))?;
        if runs {
            assert!(told[1].contains("exit code 0") && told[1].contains("from the skill"), "{told:?}");
            let copies = std::fs::read_dir(daemon.data_directory().join("skills"))?.flatten();
            let copies: Vec<_> = copies.map(|copy| copy.path().join("data.txt")).collect();
            assert_eq!(copies.len(), 1, "{copies:?}");
            // Where nothing can be confined, nothing keeps a command from the rest.
            if Report::of_this_system().missing().is_empty() {
                assert!(!told[2].contains(token.trim()) && told[2].matches("enied").count() == 2, "{told:?}");
                assert_eq!(std::fs::read_to_string(&copies[0])?, "from the skill\n");
            }
        } else {
            assert!(told[1].contains("not in tools.allow"), "{told:?}");
        }
    }
    Ok(())
}
